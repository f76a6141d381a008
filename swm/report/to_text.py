# SPDX-License-Identifier: Apache-2.0
"""A report as text for a terminal: the verdict first, readable from 80 columns on."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.text import Text

from swm.report.layout import table_lines
from swm.report.outline import Block, Heading, Line, Table, outline
from swm.report.value import Report

__all__ = ["to_text"]

_INDENT = "  "
_STYLES = {"plain": "", "strong": "bold", "bad": "bold red", "warn": "yellow", "soft": "dim"}


def to_text(report: Report, console: Console, *, details: bool = True) -> None:
    """Print a report.

    Args:
        report: what to print.
        console: where to; its width decides the layout.
        details: also the resources, the power split, the roofline, the parallelism of every layer, the cycles of every
            process, the depth of every stream, the errors of the models, and the glossary.
    """
    last: Block | None = None
    for block in outline(report, details=details):
        if isinstance(last, Table) and isinstance(block, Line):
            console.print()
        last = block
        if isinstance(block, Table):
            _table(console, block)
        elif isinstance(block, Heading):
            console.print()
            _print(console, block.text, "bold")
        else:
            _line(console, block)


def _line(console: Console, line: Line) -> None:
    _print(console, f"{line.text} {line.command}".strip().replace("`", ""), _STYLES[line.tone])


def _table(console: Console, table: Table) -> None:
    """Print a table; only the columns in `fold` may break, so that no number does."""
    console.print()
    _print(console, table.title, "bold")
    cells = [[_printable(cell) for cell in line] for line in table.rows]
    breaks = table.fold if any(table.head) else tuple(range(1, len(table.head)))
    for text in table_lines(table.head, cells, console.width - len(_INDENT), left=table.left, fold=breaks):
        console.print(Text(_INDENT + text, no_wrap=True, overflow="fold"))


def _print(console: Console, text: str, style: str) -> None:
    # Text, not a string: names out of a model are no markup.
    for line in textwrap.wrap(_printable(text), console.width, break_on_hyphens=False):
        console.print(Text(line, style=style))


def _printable(text: str) -> str:
    """Without characters that steer a terminal: names come out of models."""
    return "".join(c if c.isprintable() else "?" for c in text)
