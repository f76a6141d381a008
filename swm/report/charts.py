# SPDX-License-Identifier: Apache-2.0
"""The bar charts of the HTML report: labels and lengths in percent, which the template draws at any width."""

from __future__ import annotations

from dataclasses import dataclass

from swm.device.limits import Limits
from swm.report.energy_split import energy_parts
from swm.report.figures import DesignFigures
from swm.report.numbers import quantity
from swm.report.rows import ProcessRow, process_rows
from swm.report.value import BoardReport

__all__ = ["PART_NAMES", "Bar", "Chart", "Segment", "cycles_chart", "energy_chart", "resource_chart"]

PART_NAMES = {
    "dense": "dense twin",
    "over": "more than the device has",
    "board": "the board beside the device",
    "DSP": "dynamic: DSP",
    "logic": "dynamic: logic",
    "memories": "dynamic: memories",
}
"""How a legend calls a part, where that is not its name."""
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
    """A bar with its label and its value; `first` begins a group, `limit` is a mark on it, in percent."""

    label: str
    segments: tuple[Segment, ...]
    value: str
    first: bool = False
    limit: float | None = None


@dataclass(frozen=True)
class Chart:
    """A chart of horizontal bars, all on one linear scale that starts at zero; without bars nothing is to be drawn."""

    title: str
    unit: str
    parts: tuple[str, ...]
    bars: tuple[Bar, ...]


def energy_chart(row: BoardReport) -> Chart:
    """Energy per inference of the designs that can exist, in the parts of the power model."""
    lines = []
    for name, design in _designs(row):
        values = [(part.name, part.joules * 1e6) for part in energy_parts(design, row.bands.get("board_j"))]
        if values:
            lines.append(
                (PART_NAMES.get(name, name), name, values, f"{quantity(sum(value for _, value in values))} uJ")
            )
    parts = tuple(dict.fromkeys(part for _, _, values, _ in lines for part, _ in values))
    beside = ", with the board" if "board" in parts else ""
    return _chart(f"Where the energy of an inference goes{beside}", "uJ", parts, lines)


def resource_chart(row: BoardReport) -> Chart:
    """What both designs take of the device, in percent; a bar that is full is at the device or beyond."""
    bars = []
    for key, label in row.board.labels.items():
        held = row.board.resources.of(key)
        if not held:
            continue
        for i, (group, design) in enumerate(_designs(row)):
            taken: int = getattr(design.used.routed, key)
            share = 100 * taken / held
            segment = Segment(min(100.0, max(share, _LEAST if taken else 0.0)), group if share <= 100 else "over", "")
            text = f"{taken:,} of {held:,} ({share:.0f} %)"
            limit = round(100 * getattr(Limits(), key), 1)
            name = f"{label}, {group}" if row.has_twin else label
            bars.append(Bar(name, (segment,), text, first=not i, limit=limit))
    over = ("over",) if any(bar.segments[0].part == "over" for bar in bars) else ()
    return Chart(
        "Resources against the device", "of the device", (*(name for name, _ in _designs(row)), *over), tuple(bars)
    )


def cycles_chart(row: BoardReport) -> Chart:
    """Cycles per inference of every process; of large networks, of the slowest in every layer."""
    designs = [(name, process_rows(design)) for name, design in _designs(row) if design.fits]
    whole = sum(len(processes) for _, processes in designs) <= _MOST_PROCESSES
    lines = [
        (process.name, name, [(name, float(process.count))], process.cycles)
        for name, processes in designs
        for process in (processes if whole else _slowest(processes))
    ]
    whose = "every process" if whole else "every layer's slowest process"
    return _chart(f"Where the cycles go: {whose}", "cycles", tuple(name for name, _ in designs), lines)


def _slowest(processes: list[ProcessRow]) -> list[ProcessRow]:
    layers: dict[str, list[ProcessRow]] = {}
    for process in processes:
        layers.setdefault(process.name.rpartition(".")[0] or process.name, []).append(process)
    return [max(rows, key=lambda row: row.count) for rows in layers.values()]


def _designs(row: BoardReport) -> list[tuple[str, DesignFigures]]:
    """Both under their names; one where the network is its own dense twin."""
    return [("structured", row.structured), ("dense", row.dense)] if row.has_twin else [("design", row.structured)]


def _chart(
    title: str, unit: str, parts: tuple[str, ...], lines: list[tuple[str, str, list[tuple[str, float]], str]]
) -> Chart:
    top = max((sum(v for _, v in values) for _, _, values, _ in lines), default=0.0) or 1.0
    bars = tuple(
        Bar(
            label,
            tuple(
                Segment(max(round(100 * value / top, 2), _LEAST), part, f"{part}: {quantity(value)} {unit}")
                for part, value in values
                if value
            ),
            text,
            first=not i or lines[i - 1][1] != group,
        )
        for i, (label, group, values, text) in enumerate(lines)
    )
    return Chart(title, unit, parts, bars)
