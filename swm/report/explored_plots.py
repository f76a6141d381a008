# SPDX-License-Identifier: Apache-2.0
"""An exploration as plots: accuracy against block size, and the Pareto front."""

from __future__ import annotations

from swm.report.explored import Explored, ExploredPoint
from swm.report.numbers import quantity
from swm.report.plots import BOTTOM, LEFT, RIGHT, TOP, Mark, Plot, Tick, linear, powers

__all__ = ["accuracy_plot", "front_plots"]

_SHAPES = ("circle", "square", "triangle", "diamond", "ring", "cross")
_COLOURS = ("c0", "c1", "c2", "c3", "c4", "c5")
_AXES = (("joules", 1e6, "energy per inference, uJ (modelled)"), ("inferences_per_s", 1.0, "inferences/s (modelled)"))


def accuracy_plot(found: Explored) -> Plot | None:
    """What was measured over the sizes of all layers, a line for each number of bits; None where nothing was."""
    points = [p for p in found.points if not p.by_layer]
    known = {(p.choice, p.bits): 100 * p.accuracy for p in points if p.accuracy is not None}
    choices = [c for c in dict.fromkeys(p.choice for p in points) if any(c == choice for choice, _ in known)]
    if not known:
        return None
    y = linear([*known.values(), 100 * found.reference], BOTTOM, TOP)
    step = (RIGHT - LEFT) / len(choices)
    places = {choice: round(LEFT + step * (i + 0.5), 1) for i, choice in enumerate(choices)}
    lines = [(f"{LEFT},{y(100 * found.reference)} {RIGHT},{y(100 * found.reference)}", "roof", True)]
    marks, legend = [], []
    for i, bits in enumerate(sorted({bits for _, bits in known})):
        colour, shape = _COLOURS[i % len(_COLOURS)], _SHAPES[i % len(_SHAPES)]
        line = [(choice, known[choice, bits]) for choice in choices if (choice, bits) in known]
        lines.append((" ".join(f"{places[choice]},{y(value)}" for choice, value in line), colour, False))
        marks += [
            Mark(places[choice], y(value), shape, colour, True, f"{choice}, {bits} bits: {value:.2f} %")
            for choice, value in line
        ]
        legend.append((shape, colour, f"{bits} bits"))
    legend.append(("dash", "roof", "original, in float"))
    return Plot(
        title=f"{found.measure.capitalize()} against block size",
        words=f"{found.measure} in percent for each choice of weights and number of bits; the table has the figures.",
        x_label="weights",
        y_label=f"{found.measure}, %",
        x_ticks=tuple(Tick(at, choice) for choice, at in places.items()),
        y_ticks=y.ticks,
        lines=tuple(lines),
        marks=tuple(marks),
        legend=tuple(legend),
    )


def front_plots(found: Explored) -> tuple[Plot, ...]:
    """All points and the front: what was measured against modelled energy, and against throughput."""
    boards = list(dict.fromkeys(p.board for p in found.points))
    style = {b: (_SHAPES[(i + i // 6) % 6], _COLOURS[i % 6]) for i, b in enumerate(boards)}
    on = {id(p) for p in found.best}
    plots = []
    for name, scale, label in _AXES:
        points = [(p, scale * getattr(p, name), 100 * (p.accuracy or 0.0)) for p in found.points if _whole(p, name)]
        if not points:
            continue
        x = powers((value for _, value, _ in points), LEFT, RIGHT)
        y = linear((accuracy for *_, accuracy in points), BOTTOM, TOP)
        marks = [
            Mark(x(value), y(accuracy), *style[p.board], id(p) in on, _tip(p, value, accuracy, label))
            for p, value, accuracy in sorted(points, key=lambda point: id(point[0]) in on)
        ]
        plots.append(
            Plot(
                title=f"{found.measure.capitalize()} against {label.partition(',')[0].partition(' (')[0]}",
                words=f"{len(points)} points on {len(boards)} boards, {len(on)} of them on the front, whose figures "
                "stand in the table.",
                x_label=label,
                y_label=f"{found.measure}, %",
                x_ticks=x.ticks,
                y_ticks=y.ticks,
                lines=(),
                marks=tuple(marks),
                legend=(*((*style[board], board) for board in boards), ("", "", "large: on the front")),
            )
        )
    return tuple(plots)


def _whole(point: ExploredPoint, name: str) -> bool:
    return point.accuracy is not None and getattr(point, name) is not None


def _tip(point: ExploredPoint, value: float, accuracy: float, label: str) -> str:
    return f"{point.board}, {point.choice}, {point.bits} bits: {accuracy:.2f} % at {quantity(value)} ({label})"
