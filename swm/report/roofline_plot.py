# SPDX-License-Identifier: Apache-2.0
"""The roofline as a plot: products a second over products a byte, at two levels of memory."""

from __future__ import annotations

from swm.report.numbers import quantity
from swm.report.plots import BOTTOM, LEFT, RIGHT, TOP, Mark, Plot, powers
from swm.report.roofline import Roofline, roofline
from swm.report.value import BoardReport

__all__ = ["roofline_plot"]

_SHAPES = {"streams": ("circle", "stream bytes"), "block RAM": ("square", "weight bytes")}


def roofline_plot(row: BoardReport) -> Plot | None:
    """The designs that can exist under the roofs of their device; None where nothing is multiplied on DSP blocks."""
    pairs = [("structured", row.structured), *([("dense", row.dense)] if row.has_twin else [])]
    designs = [(name, one) for name, d in pairs if (one := roofline(d)).products_per_s and one.dsp_products]
    if not designs:
        return None
    device = designs[0][1]
    hertz = device.clock_mhz * 1e6
    top = device.dsp_products * hertz
    roofs = {"streams": device.stream_width * hertz / 8, "block RAM": device.memory_width * hertz / 8}
    roofs = {level: bandwidth for level, bandwidth in roofs.items() if bandwidth}
    marks = [(name, one, level, bits) for name, one in designs for level, bits in _moved(one).items() if bits]
    places = [one.intensity(bits) for _, one, _, bits in marks] + [top / bandwidth for bandwidth in roofs.values()]
    x = powers([min(places) / 2, max(places) * 2], LEFT, RIGHT)
    y = powers([*(rate / 2 for _, one in designs if (rate := one.products_per_s)), top * 1.2], BOTTOM, TOP)
    lines = []
    for level, bandwidth in roofs.items():
        start, knee = max(y.least / bandwidth, x.least), top / bandwidth
        points = f"{x(start)},{y(start * bandwidth)} {x(knee)},{y(top)} {x(x.most)},{y(top)}"
        lines.append((points, "roof", level == "block RAM"))
    labels = {"structured": "structured" if row.has_twin else "design", "dense": "dense twin"}
    drawn = tuple(
        _mark(name, labels[name], one, level, x(one.intensity(bits)), y(one.products_per_s or 1.0), bits)
        for name, one, level, bits in marks
    )
    legend = [(_SHAPES[level][0], name, f"{labels[name]}, over {_SHAPES[level][1]}") for name, _, level, _ in marks]
    legend += [("line", "roof", "roof of streams and DSP blocks"), ("dash", "roof", "roof of block RAM and DSP blocks")]
    return Plot(
        title="Roofline",
        words="Products a second over products a byte, both axes in powers of ten. The DSP blocks of the device allow "
        f"{quantity(top / 1e9)} G products/s. {'; '.join(mark.tip for mark in drawn)}.",
        x_label="products a byte",
        y_label="products/s",
        x_ticks=x.ticks,
        y_ticks=y.ticks,
        lines=tuple(lines),
        marks=drawn,
        legend=tuple(legend),
    )


def _moved(one: Roofline) -> dict[str, int]:
    return {"streams": one.stream_bits, "block RAM": one.weight_bits}


def _mark(name: str, label: str, one: Roofline, level: str, x: float, y: float, bits: int) -> Mark:
    shape, over = _SHAPES[level]
    rate = quantity((one.products_per_s or 0.0) / 1e9)
    tip = f"{label}: {rate} G products/s at {quantity(one.intensity(bits))} products to each of its {over}"
    return Mark(x, y, shape, name, True, tip)
