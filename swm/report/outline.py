# SPDX-License-Identifier: Apache-2.0
"""A report as a sequence of headings, lines and tables: what its text and its Markdown both are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from swm.report import rows
from swm.report.answers import SUMMARY_HEAD, summary_rows
from swm.report.boards import LISTED_HEAD, listed_figures
from swm.report.chips import CHIP_HEAD, CHIP_NOTE, chip_rows
from swm.report.energy_split import POWER_HEAD, power_rows
from swm.report.evidence import Evidence
from swm.report.explored import FRONT_HEAD, accuracy_table, front_rows, how_to_explore
from swm.report.figures import DesignFigures
from swm.report.glossary import GLOSSARY
from swm.report.numbers import quantity
from swm.report.roofline import ROOF_HEAD, ROOF_NOTE, roof_rows
from swm.report.sentences import (
    built_sentence,
    explored_sentence,
    gain_sentence,
    loss_sentence,
    network_rows,
    remark_sentences,
    remedy_words,
    unfit_sentence,
    verdicts,
    verified_sentence,
)
from swm.report.value import BoardReport, Report

__all__ = ["Block", "Heading", "Line", "Table", "outline"]

Tone = Literal["plain", "strong", "bad", "warn", "soft"]


@dataclass(frozen=True)
class Heading:
    """Above the blocks of a board, or of all boards."""

    text: str


@dataclass(frozen=True)
class Line:
    """A sentence or some; `command` is what one types, and stays whole."""

    text: str
    tone: Tone = "plain"
    command: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under a title; `left` columns stand at the left, those in `fold` may break. No head: names, values."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    left: int = 1
    fold: tuple[int, ...] = (0,)


Block = Heading | Line | Table


def outline(report: Report, *, details: bool = True) -> Iterator[Block]:
    """The blocks of a report, the verdict first; tables without rows are left out.

    Args:
        report: whose.
        details: also resources, power, roofline, layers, processes, streams, errors of the models and the glossary.
    """
    return (block for block in _blocks(report, details) if not isinstance(block, Table) or block.rows)


def _blocks(report: Report, details: bool) -> Iterator[Block]:
    fits = [row.structured.fits for row in report.boards] + [True] * len(report.chips)
    for line, good in zip(verdicts(report), fits, strict=True):
        yield Line(line, "strong" if good else "bad")
    yield Line(loss_sentence(report))
    if report.evidence.remedy:
        yield Line(remedy_words(report), command=report.evidence.remedy)
    for text in (verified_sentence(report), built_sentence(report), *report.evidence.remarks):
        if text:
            yield Line(text)
    of = f"{report.model}; report of {report.created[:10]} by swm {report.swm}; speed and power modelled"
    yield Line(of, "soft")
    yield Table("beside the dense twin (modelled)", SUMMARY_HEAD, summary_rows(report))
    yield Table("the network (counted)", ("", ""), network_rows(report), left=2)
    yield Table("accuracy (measured)", rows.ACCURACY_HEAD, rows.accuracy_rows(report), left=3, fold=(0, 2))
    yield from _explored(report)
    for row in report.boards:
        yield from _board(report, row, details)
    for chip in report.chips:
        yield Heading(f"{chip.chip.title} ({chip.chip.name})")
        yield Table("energy of an inference (counted operations, modelled)", CHIP_HEAD, chip_rows(chip))
        yield Line(CHIP_NOTE, "soft")
        if details:
            yield Table("where the energies come from", LISTED_HEAD, listed_figures(chip.chip), left=4, fold=(0, 3))
    yield Heading("What kind of figures these are")
    for group in report.provenance:
        yield Line(f"{group.figures}: {group.kind}; {group.note}", "soft")
    if details:
        yield Table("glossary", ("", ""), GLOSSARY, left=2)


def _explored(report: Report) -> Iterator[Block]:
    found = report.explored
    if found is None:
        yield Line(f"Accuracy against block size, and the Pareto front: {how_to_explore(report.model)}", "soft")
        return
    head, lines = accuracy_table(found)
    yield Table(f"{found.measure} against block size (measured, {found.samples:,} samples)", head, lines)
    title = f"Pareto front of the exploration of {found.model}, best {found.objective} first"
    yield Table(title, FRONT_HEAD, front_rows(found), left=2, fold=(0, 1))
    yield Line(explored_sentence(report, found), "soft")


def _board(report: Report, row: BoardReport, details: bool) -> Iterator[Block]:
    board, plan = row.board, row.structured.plan
    place = f"{board.title} ({board.name}, {board.device})"
    yield Heading(f"{place} at {quantity(plan.clock_mhz)} MHz, {plan.backend.name}")
    for text in unfit_sentence(report, row):
        yield Line(text, "warn")
    for text in (gain_sentence(report, row), *remark_sentences(row)):
        yield Line(text)
    yield Table("modelled; resources after routing, errors are medians", rows.FIGURE_HEAD, rows.figure_rows(row))
    if not details:
        return
    yield Table("resources", rows.RESOURCE_HEAD, rows.resource_rows(row))
    yield Table("power, energy per inference", POWER_HEAD, power_rows(row))
    if board.power is None:
        yield Line(f"The file of {board.name} has no [power], so neither watts nor energy are stated.")
    yield Table("roofline: what bounds the interval", ROOF_HEAD, roof_rows(row), fold=(0, 3))
    yield Line(ROOF_NOTE, "soft")
    for found, date, stale in report.evidence.measured.synthesis:
        title = rows.synthesis_title(found, date, stale=stale)
        yield Table(
            title, rows.head_for(rows.SYNTHESIS_HEAD, found.board_family), rows.synthesis_rows(row.structured, found)
        )
    yield from _design("structured" if row.has_twin else "design", row.structured, report.evidence)
    if row.dense.fits and row.has_twin:
        yield from _design("dense twin", row.dense, Evidence())
    yield Table("how far the models are off", rows.ERROR_HEAD, rows.error_rows(row), left=5, fold=(0, 3, 4))


def _design(name: str, design: DesignFigures, known: Evidence) -> Iterator[Block]:
    of = known.layer_errors_of
    title = f"layers, {name}" + (f"; output errors of conversion {of}" if of else "")
    yield Table(title, rows.LAYER_HEAD, rows.layer_rows(design, known.layer_errors), left=2)
    yield Table(f"parallelism, {name}", rows.PARALLELISM_HEAD, rows.parallelism_rows(design), left=2, fold=(0, 1))
    lines = [r.cells for r in rows.process_rows(design)]
    head = rows.head_for(rows.PROCESS_HEAD, design.plan.board.family)
    yield Table(f"processes, {name} (resources routed)", head, lines)
    title = f"streams, {name}; widest word {design.stream_bits_max} bits"
    yield Table(title, rows.STREAM_HEAD, rows.stream_rows(design), left=3, fold=(0, 1, 2))
