# SPDX-License-Identifier: Apache-2.0
"""A report as text for a terminal: the verdict first, readable from 80 columns on."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from swm.report import rows
from swm.report.evidence import Evidence
from swm.report.figures import DesignFigures
from swm.report.glossary import GLOSSARY
from swm.report.layout import table_lines
from swm.report.numbers import quantity
from swm.report.sentences import (
    built_sentence,
    gain_sentence,
    loss_sentence,
    network_rows,
    remark_sentences,
    remedy_words,
    unfit_sentence,
    verdict,
    verified_sentence,
)
from swm.report.value import BoardReport, Report

__all__ = ["to_text"]

_INDENT = "  "


def to_text(report: Report, console: Console, *, details: bool = True) -> None:
    """Print a report.

    Args:
        report: what to print.
        console: where to; its width decides the layout.
        details: also the resources, the power split, the parallelism of every layer, the cycles of every process, the
            depth of every stream, and the glossary.
    """
    for row in report.boards:
        _print(console, verdict(report, row), "bold" if row.structured.fits else "bold red")
    remedy = f"{remedy_words(report)} {report.evidence.remedy}".strip()
    for text in (
        loss_sentence(report),
        remedy,
        verified_sentence(report),
        built_sentence(report),
        *report.evidence.remarks,
    ):
        _print(console, text, "")
    _print(
        console, f"{report.model}; report of {report.created[:10]} by swm {report.swm}; speed and power modelled", "dim"
    )
    _table(console, "the network (counted)", ("", ""), network_rows(report), left=2)
    _table(console, "accuracy (measured)", rows.ACCURACY_HEAD, rows.accuracy_rows(report), left=3, fold=(0, 2))
    for row in report.boards:
        _board(console, report, row, details=details)
    console.print()
    for group in report.provenance:
        _print(console, f"{group.figures}: {group.kind}; {group.note}", "dim")
    if details:
        _table(console, "glossary", ("", ""), GLOSSARY, left=2)


def _board(console: Console, report: Report, row: BoardReport, *, details: bool) -> None:
    board, plan = row.board, row.structured.plan
    console.print()
    place = f"{board.title} ({board.name}, {board.device})"
    _print(console, f"{place} at {quantity(plan.clock_mhz)} MHz, {plan.backend.name}", "bold")
    for text in unfit_sentence(report, row):
        _print(console, text, "yellow")
    _print(console, gain_sentence(report, row), "")
    for text in remark_sentences(row):
        _print(console, text, "")
    _table(console, "modelled; resources after routing, power +-25 %", rows.FIGURE_HEAD, rows.figure_rows(row))
    if not details:
        return
    _table(console, "resources", rows.RESOURCE_HEAD, rows.resource_rows(row))
    _table(console, "power, energy per inference", rows.POWER_HEAD, rows.power_rows(row))
    if board.power is None:
        _print(console, f"The file of {board.name} has no [power], so neither watts nor energy are stated.", "")
    for found, date, stale in report.evidence.measured.synthesis:
        title = rows.synthesis_title(found, date, stale=stale)
        _table(console, title, rows.SYNTHESIS_HEAD, rows.synthesis_rows(row.structured, found))
    _design(console, "structured", row.structured, report.evidence)
    if row.dense.fits:
        _design(console, "dense twin", row.dense, Evidence())


def _design(console: Console, name: str, design: DesignFigures, known: Evidence) -> None:
    of = known.layer_errors_of
    title = f"layers, {name}" + (f"; output errors of conversion {of}" if of else "")
    _table(console, title, rows.LAYER_HEAD, rows.layer_rows(design, known.layer_errors), left=2)
    _table(console, f"parallelism, {name}", rows.PARALLELISM_HEAD, rows.parallelism_rows(design), left=2, fold=(0, 1))
    lines = [r.cells for r in rows.process_rows(design)]
    _table(console, f"processes, {name} (resources routed)", rows.PROCESS_HEAD, lines)
    streams, widest = rows.stream_rows(design), design.stream_bits_max
    _table(console, f"streams, {name}; widest word {widest} bits", rows.STREAM_HEAD, streams, left=3, fold=(0, 1, 2))


def _table(
    console: Console,
    title: str,
    head: tuple[str, ...],
    lines: Sequence[tuple[str, ...]],
    *,
    left: int = 1,
    fold: tuple[int, ...] = (0,),
) -> None:
    """Print a table, if it has lines; only the columns in `fold` may break, so that no number does."""
    if not lines:
        return
    console.print()
    _print(console, title, "bold")
    cells = [[_printable(cell) for cell in line] for line in lines]
    breaks = fold if any(head) else tuple(range(1, len(head)))
    for text in table_lines(head, cells, console.width - len(_INDENT), left=left, fold=breaks):
        console.print(Text(_INDENT + text, no_wrap=True, overflow="fold"))


def _print(console: Console, text: str, style: str) -> None:
    # Text, not a string: names out of a model are no markup.
    for line in textwrap.wrap(_printable(text), console.width, break_on_hyphens=False):
        console.print(Text(line, style=style))


def _printable(text: str) -> str:
    """Without characters that steer a terminal: names come out of models."""
    return "".join(c if c.isprintable() else "?" for c in text)
