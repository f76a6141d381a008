# SPDX-License-Identifier: Apache-2.0
"""An exploration as text: the front as a table, and lines about the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.table import Table

from swm.explore.exploration import Exploration
from swm.explore.point import Point
from swm.report.chips import CHIP_NOTE
from swm.report.layout import framed_tables
from swm.report.numbers import NONE, counted, quantity

__all__ = ["COLUMNS", "cells", "front_tables", "summary_lines"]

COLUMNS = (
    *("board", "weights", "bits", "{measure}", "inf/s", "latency, us", "uJ/inf", "W"),
    *("DSP", "BRAM18", "LUT", "cost", "share"),
)


SHOWN = 25
"""Points of the front that a terminal shows; the page and the JSON have all."""


def cells(point: Point) -> tuple[str, ...]:
    """A point as texts, one for each column."""
    found = point.figures
    accuracy = "-" if point.accuracy is None else f"{100 * point.accuracy:.2f} %"
    if found is None:
        return (point.board, point.choice, str(point.bits), accuracy, *(["-"] * (len(COLUMNS) - 4)))
    joules = "-" if found.joules is None else quantity(1e6 * found.joules)
    watts = "-" if found.watts is None else f"{found.watts:.3g}"
    memories = counted(found.bram18) if found.m10k is None else f"{found.m10k:,} M10K"
    memories += f" + {found.uram:,} URAM" if found.uram else ""
    return (
        point.board,
        point.choice,
        str(point.bits),
        accuracy,
        quantity(found.inferences_per_s),
        quantity(found.latency_us),
        joules,
        watts,
        counted(found.dsp),
        memories,
        counted(found.lut),
        counted(found.cost),
        NONE if found.share is None else f"{100 * found.share:.0f} %",
    )


def front_tables(found: Exploration, width: int) -> list[Table]:
    """The front, best first by the objective, a point a line; as many tables as lines of `width` characters ask for."""
    title = f"Pareto front of {found.model}, best {found.objective} first"
    head = [name.format(measure=found.measure) for name in COLUMNS]
    return framed_tables(head, [cells(p) for p in found.front[:SHOWN]], width, left=1, keys=3, title=title)


def summary_lines(found: Exploration) -> Iterator[str]:
    """What was measured and modelled, what became of the other points, and every error with its points."""
    original = f"{100 * found.reference:.2f} %" if found.measure == "accuracy" else "the measure's 100 %"
    yield (
        f"{found.measure} measured on {found.samples:,} samples that nothing was calibrated with (the original in"
        f" float: {original}); all else is modelled, cost in LUTs with a DSP as 55 and"
        " memories as the LUTs of their bits, share the largest of any resource of the device"
    )
    kinds = Counter(_kind(p, found) for p in found.points)
    yield f"{len(found.points)} points: " + ", ".join(f"{count} {what}" for what, count in kinds.most_common())
    if len(found.front) > SHOWN:
        yield f"the table shows the first {SHOWN} of the front's {len(found.front)} points; --html and --json have all"
    if any(p.figures and p.figures.lut is None for p in found.points):
        yield f"of chips the energy alone is known, for operations and memory accesses. {CHIP_NOTE}"
    if found.reused:
        yield f"{found.reused} steps were kept from before"
    for reason, points in _grouped([p for p in found.points if p.failed]).items():
        yield f"failed: {_some(points)}: {reason}"
    for reason, points in _grouped([p for p in found.points if p.reason and not p.failed]).items():
        yield f"does not fit: {_some(points)}: {reason}"


def _kind(point: Point, found: Exploration) -> str:
    if point.failed:
        return "failed"
    if point.figures is None:
        return "do not fit"
    if found.min_accuracy is not None and (point.accuracy or 0.0) < found.min_accuracy:
        return f"below {100 * found.min_accuracy:g} %"
    return "on the front" if point in found.front else "dominated"


def _grouped(points: Sequence[Point]) -> dict[str, list[Point]]:
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.reason, []).append(point)
    return groups


def _some(points: Sequence[Point]) -> str:
    rest = f" and {len(points) - 1} more" if len(points) > 1 else ""
    return f"{points[0].name}{rest}"
