# SPDX-License-Identifier: Apache-2.0
"""A report as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from swm.report.compare import BoardReport, Report
from swm.report.rows import (
    RESOURCE_HEAD,
    SUMMARY_HEAD,
    accuracy_rows,
    gain_text,
    process_rows,
    quantity,
    resource_rows,
    summary_row,
)

__all__ = ["to_text"]


def to_text(report: Report, console: Console, *, details: bool = True) -> None:
    """Print a report.

    Args:
        report: What to print.
        console: Where to; its width decides the layout.
        details: Also the resources, the power split and the cycles of every process.
    """
    _print(console, f"{report.model}: structured beside dense", "bold")
    _table(console, "accuracy", ("network", "accuracy"), accuracy_rows(report))
    for row in report.boards:
        board, plan = row.board, row.structured.plan
        console.print()
        _print(console, f"{board.title} ({board.name}, {board.device}) at {quantity(plan.clock_mhz)} MHz", "bold")
        _table(
            console,
            "modelled; resources after routing, power +-25 %",
            SUMMARY_HEAD,
            [summary_row("structured", row.structured), summary_row("dense", row.dense)],
        )
        _print(console, f"gain of the structure: {gain_text(row)}", "yellow" if row.gain.hypothetical else "")
        for name, design in (("structured", row.structured), ("dense", row.dense)):
            if not design.fits:
                _print(console, f"{name} does not fit, even with one lane a layer: {design.overflow}", "yellow")
        if details:
            _details(console, row)
    console.print()
    for kind in report.kinds:
        _print(console, f"{kind.figures}: {kind.kind}; {kind.note}", "dim")


def _details(console: Console, row: BoardReport) -> None:
    _table(console, "resources (share of the device)", RESOURCE_HEAD, resource_rows(row))
    energy_rows = []
    for name, design in (("structured", row.structured), ("dense", row.dense)):
        w, j = design.watts, design.joules
        parts = [f"{x:.3f} W / {quantity(y * 1e6)} uJ" for x, y in zip(_parts(w), _parts(j), strict=True)]
        energy_rows.append((name, *parts, f"{w.total_range[0]:.2f}..{w.total_range[1]:.2f} W"))
    head = ("design", "static", "processor", "dynamic", "total", "range")
    _table(console, "power / energy an inference", head, energy_rows)
    columns = ("layer", "process", "parallelism", "iterations", "cycles", "DSP", "BRAM18", "LUT", "FF")
    for name, design in (("structured", row.structured), ("dense", row.dense)):
        lines = [(r.layer, r.process, r.parallelism, r.iterations, r.cycles, *r.usage) for r in process_rows(design)]
        _table(console, f"processes, {name} (resources routed)", columns, lines, left=3)


def _parts(x: object) -> tuple[float, ...]:
    return tuple(getattr(x, name) for name in ("static", "processor", "dynamic", "total"))


def _table(console: Console, title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]], left: int = 1) -> None:
    table = Table(title=Text(title), title_justify="left")
    for i, name in enumerate(head):
        table.add_column(Text(name), justify="left" if i < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _print(console: Console, text: str, style: str) -> None:
    # Text, not a string: names out of a model are no markup.
    console.print(Text(text, style=style))
