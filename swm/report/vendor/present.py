# SPDX-License-Identifier: Apache-2.0
"""What tools reported, as text and as JSON; beside the figures that were modelled for a design, where one is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swm.report.figures import DesignFigures
from swm.report.layout import table_lines
from swm.report.numbers import NONE
from swm.report.vendor.values import Reading, VendorReport

__all__ = ["modelled_figures", "reading_lines", "reading_to_json"]

Figures = Mapping[str, float | int | None]

# Figures of a table that fits a terminal; JSON has all.
COUNTS = ("lut", "ff", "dsp", "bram18", "uram")
TIMES = ("latency_cycles", "interval_cycles", "clock_ns")
WATTS = ("power_w", "dynamic_w", "static_w")


def modelled_figures(design: DesignFigures) -> Figures:
    """The same figures as swm models them: resources after routing; a design that cannot exist has no times."""
    used, watts = design.used.routed, design.watts
    return {
        "lut": used.lut,
        "ff": used.ff,
        "dsp": used.dsp,
        "bram18": None if design.plan.board.resources.m10k else used.bram18,
        "uram": used.uram,
        "latency_cycles": design.latency,
        "interval_cycles": design.interval,
        "clock_ns": 1e3 / design.plan.clock_mhz,
        "power_w": None if watts is None else watts.total,
        "dynamic_w": None if watts is None else watts.dynamic,
        "static_w": None if watts is None else watts.static,
    }


def reading_to_json(reading: Reading, modelled: Figures | None = None) -> dict[str, Any]:
    """Plain types for JSON: `reports`, `skipped`, `modelled` where a design was given. None: not in the file."""
    reports = [
        {
            "path": report.path,
            "tool": report.tool,
            "version": report.version,
            "kind": report.kind,
            "top": report.top,
            "part": report.part,
            "state": report.state,
            **report.values,
            "more": dict(report.more),
            "notes": list(report.notes),
        }
        for report in reading.reports
    ]
    skipped = [{"path": item.path, "reason": item.reason} for item in reading.skipped]
    beside = {} if modelled is None else {"modelled": dict(modelled)}
    return {"folder": reading.folder, "reports": reports, "skipped": skipped, **beside}


def reading_lines(reading: Reading, width: int, modelled: Figures | None = None) -> list[str]:
    """A table a group of figures, the notes of each report, and what gave no figures."""
    count = "1 report" if len(reading.reports) == 1 else f"{len(reading.reports)} reports"
    lines = [f"{count} in {reading.folder}: figures of the tools that wrote them"]
    if modelled is not None:
        lines.append("first line of each table: modelled by swm for this design, resources after routing")
    for names in (COUNTS, TIMES, WATTS):
        # A top of many functions has many reports; those of the design and of its parts stand in the order of paths.
        rows = [_row(report, names) for report in reading.reports if any(report.values[n] is not None for n in names)]
        if modelled is not None and any(modelled[name] is not None for name in names):
            rows.insert(0, ("modelled", "", *(_cell(modelled[name]) for name in names)))
        if rows:
            head = ("report", "of", *(name.replace("_", " ") for name in names))
            lines += ["", *table_lines(head, rows, width, left=2, fold={0, 1})]
    noted = [f"{report.path}: {note}" for report in reading.reports for note in report.notes]
    if noted:
        lines += ["", "to know about them:", *(f"  {note}" for note in noted)]
    if reading.skipped:
        lines += ["", "without figures:", *(f"  {item.path}: {item.reason}" for item in reading.skipped)]
    return lines


def _row(report: VendorReport, names: tuple[str, ...]) -> tuple[str, ...]:
    tool = " ".join(part for part in (report.tool, report.version) if part)
    of = ", ".join(part for part in (tool, report.kind, report.state, report.top) if part)
    return (report.path, of, *(_cell(report.values[name]) for name in names))


def _cell(value: float | int | None) -> str:
    return NONE if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
