# SPDX-License-Identifier: Apache-2.0
"""Geometry of the bar charts in the HTML report: rectangles and labels, which the template draws as SVG."""

from __future__ import annotations

from dataclasses import dataclass

from swm.report.compare import BoardReport
from swm.report.figures import DesignFigures
from swm.report.rows import ProcessRow, process_rows, quantity

__all__ = ["Bar", "Chart", "Segment", "cycles_chart", "energy_chart"]

_LABEL, _WIDTH, _VALUE = 190, 430, 110  # columns in pixels: label, bars, value
_ROW, _THICK, _GAP = 24, 15, 10
_MOST_PROCESSES = 30  # of both designs; beyond it a layer has one bar


@dataclass(frozen=True)
class Segment:
    """One coloured piece of a bar; `part` names its class and legend entry."""

    x: float
    width: float
    part: str
    tip: str


@dataclass(frozen=True)
class Bar:
    """One bar with its label on the left and its value on the right."""

    y: int
    label: str
    segments: tuple[Segment, ...]
    value_x: float
    value: str


@dataclass(frozen=True)
class Chart:
    """A chart of horizontal bars, all on one linear scale that starts at zero."""

    title: str
    unit: str
    parts: tuple[str, ...]
    bars: tuple[Bar, ...]
    height: int
    label_x: int = _LABEL - 8
    axis_x: int = _LABEL
    width: int = _LABEL + _WIDTH + _VALUE
    thick: int = _THICK


def energy_chart(row: BoardReport) -> Chart:
    """Energy per inference, split into static, processor and dynamic, for both designs of a board that states power."""
    has_processor = row.board.power is not None and row.board.power.processor is not None
    parts = ("static", "processor", "dynamic") if has_processor else ("static", "dynamic")
    lines = []
    for name, design in _designs(row):
        if design.joules is None:
            continue
        values = [(part, getattr(design.joules, part) * 1e6) for part in parts]
        lines.append((name, values, quantity(design.joules.total * 1e6)))
    return _chart("Energy per inference", "µJ", parts, lines)


def cycles_chart(row: BoardReport) -> Chart:
    """Cycles per inference of every process of both designs; of large networks, of the slowest in every layer."""
    designs = [(name.split(" ", 1)[0], process_rows(design)) for name, design in _designs(row)]
    whole = sum(len(processes) for _, processes in designs) <= _MOST_PROCESSES
    lines = []
    for part, processes in designs:
        for process in processes if whole else _slowest(processes):
            label = f"{process.layer} {process.process}".strip()
            lines.append((label, [(part, float(process.count))], process.cycles))
    whose = "every process" if whole else "every layer's slowest process"
    return _chart(f"Cycles per inference of {whose}", "", ("structured", "dense"), lines)


def _slowest(processes: list[ProcessRow]) -> list[ProcessRow]:
    layers: dict[str, list[ProcessRow]] = {}
    for process in processes:
        layers.setdefault(process.layer or process.process, []).append(process)
    return [max(rows, key=lambda row: row.count) for rows in layers.values()]


def _designs(row: BoardReport) -> tuple[tuple[str, DesignFigures], ...]:
    pairs = (("structured", row.structured), ("dense", row.dense))
    return tuple((name if design.fits else f"{name} (does not fit)", design) for name, design in pairs)


def _chart(
    title: str, unit: str, parts: tuple[str, ...], lines: list[tuple[str, list[tuple[str, float]], str]]
) -> Chart:
    top = max(sum(v for _, v in values) for _, values, _ in lines) or 1.0
    bars: list[Bar] = []
    y, previous = 4, lines[0][1][0][0]
    for label, values, text in lines:
        y += _GAP if values[0][0] != previous else 0  # a gap between the two designs
        previous, x, segments = values[0][0], float(_LABEL), []
        for part, value in values:
            width = round(_WIDTH * value / top, 2)
            segments.append(Segment(round(x, 2), width, part, f"{part}: {quantity(value)} {unit}".rstrip()))
            x += width
        bars.append(Bar(y, _short(label), tuple(segments), round(x, 2) + 6, text))
        y += _ROW
    return Chart(title, unit, parts, tuple(bars), y)


def _short(label: str, most: int = 28) -> str:
    return label if len(label) <= most else label[: most // 2 - 1] + "…" + label[-(most // 2) :]
