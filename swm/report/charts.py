# SPDX-License-Identifier: Apache-2.0
"""The bar charts of the HTML report: labels and lengths in percent, which the template draws at any width."""

from __future__ import annotations

from dataclasses import dataclass

from swm.report.figures import DesignFigures
from swm.report.numbers import quantity
from swm.report.rows import ProcessRow, process_rows
from swm.report.value import BoardReport

__all__ = ["Bar", "Chart", "Segment", "cycles_chart", "energy_chart"]

_MOST_PROCESSES = 30  # of both designs; beyond it a layer has one bar
_LEAST = 0.4  # percent, so that a small value is still seen


@dataclass(frozen=True)
class Segment:
    """One coloured piece of a bar, its width in percent; `part` names its class and legend entry."""

    width: float
    part: str
    tip: str


@dataclass(frozen=True)
class Bar:
    """One bar with its label and its value; `group` is the design it belongs to."""

    label: str
    group: str
    segments: tuple[Segment, ...]
    value: str


@dataclass(frozen=True)
class Chart:
    """A chart of horizontal bars, all on one linear scale that starts at zero; without bars nothing is to be drawn."""

    title: str
    unit: str
    parts: tuple[str, ...]
    bars: tuple[Bar, ...]


def energy_chart(row: BoardReport) -> Chart:
    """Energy per inference of the designs that can exist, split into static, processor and dynamic."""
    has_processor = row.board.power is not None and row.board.power.processor is not None
    parts = ("static", "processor", "dynamic") if has_processor else ("static", "dynamic")
    lines = []
    for name, design in _designs(row):
        if design.joules is not None:
            values = [(part, getattr(design.joules, part) * 1e6) for part in parts]
            lines.append((name, name, values, f"{quantity(design.joules.total * 1e6)} uJ"))
    return _chart("Energy per inference", "uJ", parts, lines)


def cycles_chart(row: BoardReport) -> Chart:
    """Cycles per inference of every process; of large networks, of the slowest in every layer."""
    designs = [(name.split(" ", 1)[0], process_rows(design)) for name, design in _designs(row)]
    whole = sum(len(processes) for _, processes in designs) <= _MOST_PROCESSES
    lines = [
        (process.name, name, [(name, float(process.count))], process.cycles)
        for name, processes in designs
        for process in (processes if whole else _slowest(processes))
    ]
    whose = "every process" if whole else "every layer's slowest process"
    return _chart(f"Cycles per inference of {whose}", "cycles", tuple(name for name, _ in designs), lines)


def _slowest(processes: list[ProcessRow]) -> list[ProcessRow]:
    layers: dict[str, list[ProcessRow]] = {}
    for process in processes:
        layers.setdefault(process.name.rpartition(".")[0] or process.name, []).append(process)
    return [max(rows, key=lambda row: row.count) for rows in layers.values()]


def _designs(row: BoardReport) -> list[tuple[str, DesignFigures]]:
    """Those that can exist."""
    return [
        (name, design) for name, design in (("structured", row.structured), ("dense twin", row.dense)) if design.fits
    ]


def _chart(
    title: str, unit: str, parts: tuple[str, ...], lines: list[tuple[str, str, list[tuple[str, float]], str]]
) -> Chart:
    top = max((sum(v for _, v in values) for _, _, values, _ in lines), default=0.0) or 1.0
    bars = tuple(
        Bar(
            label,
            group,
            tuple(
                Segment(max(round(100 * value / top, 2), _LEAST), part, f"{part}: {quantity(value)} {unit}")
                for part, value in values
                if value
            ),
            text,
        )
        for label, group, values, text in lines
    )
    return Chart(title, unit, parts, bars)
