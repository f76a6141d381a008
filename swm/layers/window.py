# SPDX-License-Identifier: Apache-2.0
"""The line buffer (hls/swm/window.h): what a kernel sees at each output position; its loop, memory and integers.

It is no layer by itself but a process of those that look at several positions at once: convolutions, pooling. What a
beat holds is theirs: channels, or words of a spectrum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from swm.device.memories import memory
from swm.device.primitives import Cost, adder, control, multiplexer, register
from swm.layers.geometry import Geometry
from swm.layers.program import Port, Program, Run
from swm.layers.values import ceil_div, clog2

__all__ = ["WindowBuilt", "seen", "taps"]

Number = TypeVar("Number", bound=np.generic)


def seen(values: NDArray[Number], geometry: Geometry, fill: int = 0) -> NDArray[Number]:
    """What the kernel sees: (samples, rows, columns, n) → (samples, output rows, output columns, taps, n).

    Args:
        values: on the grid.
        geometry: of the kernel.
        fill: the values outside the grid.
    """
    return np.stack(list(taps(values, geometry, fill)), 3)


def taps(values: NDArray[Number], geometry: Geometry, fill: int = 0) -> Iterator[NDArray[Number]]:
    """What one tap of the kernel after the other sees: views (samples, output rows, output columns, n)."""
    g = geometry
    ends = [
        max(0, (o - 1) * s + (k - 1) * d + 1 - p - n)
        for n, k, s, d, p, o in zip(g.grid, g.kernel, g.strides, g.dilations, g.pads, g.out, strict=True)
    ]
    widths = ((0, 0), (g.pads[0], ends[0]), (g.pads[1], ends[1]), (0, 0))
    padded = np.pad(values, widths, constant_values=fill)
    for i in range(g.kernel[0]):
        for j in range(g.kernel[1]):
            row, column = i * g.dilations[0], j * g.dilations[1]
            rows = slice(row, row + (g.out[0] - 1) * g.strides[0] + 1, g.strides[0])
            columns = slice(column, column + (g.out[1] - 1) * g.strides[1] + 1, g.strides[1])
            yield padded[:, rows, columns]


@dataclass(frozen=True)
class WindowBuilt:
    """A line buffer as it is built; the formulas are those of window_layer in hls/swm/window_walk.h.

    Attributes:
        geometry: of the kernel.
        beats: of a position.
        run: beats of a position that follow each other at one tap; divides `beats`.
        words: of a beat.
        bits: of a word.
        tap_rows: kernel rows that leave side by side.
        tap_columns: kernel columns that leave side by side.
        fill: every word outside the grid.
    """

    geometry: Geometry
    beats: int
    run: int
    words: int
    bits: int
    tap_rows: int = 1
    tap_columns: int = 1
    fill: int = 0

    @property
    def out_words(self) -> int:
        """Words of a beat out."""
        return self.words * self.tap_rows * self.tap_columns

    @property
    def window_beats(self) -> int:
        """Beats of an output position."""
        return self.beats * self.geometry.taps // (self.tap_rows * self.tap_columns)

    @property
    def out_beats(self) -> int:
        """Beats out a frame."""
        return prod(self.geometry.out) * self.window_beats

    @property
    def line(self) -> int:
        """Beats of an input row."""
        return self.geometry.grid[1] * self.beats

    @property
    def used(self) -> int:
        """Input rows that are seen at all."""
        return _reach(self.geometry, self.geometry.out[0] - 1)

    @property
    def first(self) -> int:
        """Input rows that the first row of outputs sees."""
        return _reach(self.geometry, 0)

    @property
    def kept(self) -> int:
        """Input rows in the ring: those that a row of outputs sees, and those loaded meanwhile."""
        return _kept(self.geometry)

    @property
    def row_times(self) -> tuple[int, int]:
        """Iterations of a row of outputs, and of the last one."""
        writes = self.geometry.out[1] * self.window_beats
        return max(writes, self.geometry.strides[0] * self.line), max(writes, self._last_loads)

    @property
    def _last_loads(self) -> int:
        """Beats loaded in the last row: what is left of the frame, and of the first rows of the next one."""
        g = self.geometry
        return (g.grid[0] + self.first - _come(g, g.out[0] - 1)) * self.line

    @property
    def period(self) -> int:
        """Iterations a frame."""
        row, last = self.row_times
        return (self.geometry.out[0] - 1) * row + last

    def program(self, source: str, target: str) -> Program:
        """The loop of a frame; its token is the frame."""
        g, line = self.geometry, self.line
        row, last = self.row_times
        step, last_step = row // (g.strides[0] * line), last // max(1, self._last_loads)
        ahead, own = [], []  # of the next frame, of this one
        for output in range(g.out[0]):
            pace = last_step if output == g.out[0] - 1 else step
            before, behind = _come(g, output), _come(g, output + 1)
            mine = max(0, min(behind, g.grid[0]) - before) * line
            others = (behind - before) * line - mine
            own += [Run(output * row, pace, mine)] if mine else []
            ahead += [Run(output * row + mine * pace - self.period, pace, others)] if others else []
        prologue = self.first * line
        first = [Run(0, 1, prologue), *(Run(r.start + prologue, r.step, r.count) for r in own)] if prologue else []
        read = Port(source, (*ahead, *own), tuple(first))
        writes = g.out[1] * self.window_beats
        write = Port(target, tuple(Run(output * row, 1, writes) for output in range(g.out[0])))
        return Program(self.period, (read,), (write,), prologue=prologue)

    def cost(self) -> Cost:
        """Ring, choice of rows and banks, counters (modelled from the shape of the kernel)."""
        g, wide = self.geometry, self.words * self.bits
        rows = self.kept if self.tap_rows > 1 else 1
        depth = self.kept // rows * ceil_div(g.grid[1], self.tap_columns) * self.beats
        ring = memory(depth, wide, banks=rows * self.tap_columns)
        lanes = self.tap_rows * self.tap_columns
        choose = multiplexer(rows, wide).plus(multiplexer(self.tap_columns, wide)).times(lanes)
        address = adder(clog2(depth) + 1).times(2 * self.tap_columns)  # line and column, times the beats of a position
        compare = Cost(logic=(clog2(g.grid[0]) + clog2(g.grid[1]) + 4) / 2).times(lanes)
        zero = Cost(logic=wide / 2).times(lanes)
        return control(2).plus(ring, choose, address, compare, zero, register(wide * (lanes + 1)))

    def configuration(self) -> dict[str, int]:
        """As window.h asks."""
        g = self.geometry
        axes = {
            "grid": g.grid,
            "kernel": g.kernel,
            "stride": g.strides,
            "dilation": g.dilations,
            "pad": g.pads,
            "out": g.out,
            "tap": (self.tap_rows, self.tap_columns),
        }
        sizes = {f"{name}_{axis}": pair[i] for name, pair in axes.items() for i, axis in enumerate(("rows", "columns"))}
        return {
            **sizes,
            "position_beats": self.beats,
            "run_beats": self.run,
            "window_words": self.words,
            "window_bits": self.bits,
            "window_fill": self.fill,
        }


def _reach(g: Geometry, row: int) -> int:
    """Input rows that output row `row` and those before it see."""
    reach = row * g.strides[0] - g.pads[0] + (g.kernel[0] - 1) * g.dilations[0] + 1
    return min(max(0, reach), g.grid[0])


def _come(g: Geometry, row: int) -> int:
    """Input rows that have come when output row `row` begins, those of the next frame counted behind the grid's."""
    every = g.grid[0] + _reach(g, 0)
    if row == g.out[0]:
        return every
    start = min((g.kernel[0] - 1) * g.dilations[0] + 1 - g.pads[0], g.grid[0])
    return min(max(0, start + row * g.strides[0]), every)


@lru_cache(maxsize=4096)  # a search asks for it at every width and interval
def _kept(g: Geometry) -> int:
    """Input rows in the ring."""
    most, used = max(1, _reach(g, 0)), _reach(g, g.out[0] - 1)
    for row in range(g.out[0]):
        come = _come(g, row + 1)
        stored = min(come, used) + max(0, come - g.grid[0])
        most = max(most, stored - min(max(0, row * g.strides[0] - g.pads[0]), used))
    return most
