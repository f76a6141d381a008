# SPDX-License-Identifier: Apache-2.0
"""A report as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from swm.device.power import Energy, Watts
from swm.report.compare import BoardReport, Report
from swm.report.rows import (
    LAYER_HEAD,
    NOT_STATED,
    PROCESS_HEAD,
    RESOURCE_HEAD,
    STREAM_HEAD,
    SUMMARY_HEAD,
    accuracy_rows,
    gain_text,
    layer_rows,
    process_rows,
    quantity,
    resource_rows,
    stream_rows,
    summary_row,
    unfit_text,
)

__all__ = ["to_text"]


def to_text(report: Report, console: Console, *, details: bool = True) -> None:
    """Print a report.

    Args:
        report: what to print.
        console: where to; its width decides the layout.
        details: also the resources, the power split, the parallelism of every layer, the cycles of every process and
            the depth of every stream.
    """
    _print(console, f"{report.model}: structured beside dense", "bold")
    _table(console, "accuracy", ("network", "accuracy"), accuracy_rows(report))
    for row in report.boards:
        board, plan = row.board, row.structured.plan
        console.print()
        place = f"{board.title} ({board.name}, {board.device})"
        _print(console, f"{place} at {quantity(plan.clock_mhz)} MHz, {plan.backend.name}", "bold")
        _table(
            console,
            "modelled; resources after routing, useful: of the DSP-cycles used, power +-25 %",
            SUMMARY_HEAD,
            [summary_row("structured", row.structured), summary_row("dense", row.dense)],
        )
        _print(console, f"gain of the structure: {gain_text(row)}", "yellow" if row.gain.hypothetical else "")
        for name, design in (("structured", row.structured), ("dense", row.dense)):
            if not design.fits:
                _print(console, unfit_text(name, design), "yellow")
        if details:
            _details(console, row)
    console.print()
    for group in report.provenance:
        _print(console, f"{group.figures}: {group.kind}; {group.note}", "dim")


def _details(console: Console, row: BoardReport) -> None:
    _table(console, "resources (fraction of the device)", RESOURCE_HEAD, resource_rows(row))
    energy_rows = []
    for name, design in (("structured", row.structured), ("dense", row.dense)):
        w, j = design.watts, design.joules
        if w is None or j is None:
            continue
        parts = [f"{x:.3f} W / {quantity(y * 1e6)} uJ" for x, y in zip(_parts(w), _parts(j), strict=True)]
        energy_rows.append((name, *parts, f"{w.total_range[0]:.2f}..{w.total_range[1]:.2f} W"))
    head = ("design", "static", "processor", "dynamic", "total", "range")
    if energy_rows:
        _table(console, "power / energy per inference", head, energy_rows)
    else:
        _print(
            console, f"power and energy: {NOT_STATED}; the file of {row.board.name} has no [power] (docs/boards.md)", ""
        )
    for name, design in (("structured", row.structured), ("dense", row.dense)):
        _table(console, f"layers, {name}", LAYER_HEAD, layer_rows(design), left=3)
        lines = [r.cells for r in process_rows(design)]
        _table(console, f"processes, {name} (resources routed)", PROCESS_HEAD, lines, left=2)
        streams = stream_rows(design)
        if streams:
            _table(console, f"streams, {name}; widest word {design.stream_bits_max} bits", STREAM_HEAD, streams, left=3)


def _parts(x: Watts | Energy) -> tuple[float, ...]:
    return (x.static, x.processor, x.dynamic, x.total)


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
