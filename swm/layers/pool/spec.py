# SPDX-License-Identifier: Apache-2.0
"""Pooling by its shapes, and how it is built."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from swm.layers.averages import Reciprocals, reciprocals
from swm.layers.beside import Beside, ImageSpec
from swm.layers.rounding import Ints
from swm.layers.values import FloatLayer, Implementation, ceil_div, clog2
from swm.layers.window import WindowBuilt

__all__ = ["PoolBuilt", "PoolLayer", "PoolSpec"]


@dataclass(frozen=True, eq=False)
class PoolLayer(FloatLayer):
    """Pooling in float; fields as those of its spec."""

    mean: bool = False
    bounds: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))


@dataclass(frozen=True)
class PoolSpec(ImageSpec):
    """The greatest (or the mean) value that a window sees, a channel.

    Attributes:
        mean: whether it is the mean.
        bounds: of the positions that count in a mean, along each axis: from, to (exclusive). Those of the grid, or
            of the padding too.
    """

    kind: ClassVar[str] = "pool"

    mean: bool = False
    bounds: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))

    def taps_inside(self, axis: int) -> Ints:
        """Of each output position along an axis: taps that count."""
        g, (low, high) = self.geometry, self.bounds[axis]
        starts = np.arange(g.out[axis])[:, None] * g.strides[axis] - g.pads[axis]
        taps = starts + np.arange(g.kernel[axis]) * g.dilations[axis]
        return np.asarray(((taps >= low) & (taps < high)).sum(1), np.int64)

    @property
    def counts(self) -> Ints:
        """Of each output position: values that count, (rows, columns)."""
        return np.outer(self.taps_inside(0), self.taps_inside(1))

    @cached_property
    def reciprocals(self) -> Reciprocals:
        """Of these numbers."""
        rows, columns = (sorted(set(self.taps_inside(axis).tolist())) for axis in (0, 1))
        return reciprocals((r * c for r in rows for c in columns), self.data_bits)

    @property
    def sum_bits(self) -> int:
        """Bits of a sum of what a window sees, or of the greatest value."""
        return self.data_bits + (clog2(self.geometry.taps) if self.mean else 0)

    @property
    def value_bits(self) -> int:
        """Bits of the pre-activation value."""
        return self.sum_bits + (self.reciprocals.bits if self.mean else 0)


@dataclass(frozen=True)
class PoolBuilt(Implementation):
    """Pooling as it is built; where windows of a row lie side by side, its spec counts tokens of as many positions.

    Attributes:
        tap_rows: rows of the window that the line buffer gives side by side.
        tap_columns: columns likewise; of windows side by side, tokens that hold all their columns.
    """

    spec: PoolSpec
    tap_rows: int = 1
    tap_columns: int = 1

    @property
    def window(self) -> WindowBuilt:
        """The line buffer: all taps of some channels follow each other; outside the grid lies what changes nothing."""
        spec = self.spec
        fill = 0 if spec.mean else -(1 << (spec.data_bits - 1))
        beats = ceil_div(spec.inputs[0].channels, self.in_vec)
        geometry = self.seen.geometry if self.seen else spec.geometry
        return WindowBuilt(geometry, beats, 1, self.in_vec, spec.data_bits, self.tap_rows, self.tap_columns, fill)

    @property
    def seen(self) -> Beside | None:
        """What windows side by side see; None where a token is one position."""
        spec, columns = self.spec, self.spec.inputs[0].channels // self.spec.n
        return Beside(spec.geometry, columns, spec.n) if columns > 1 else None

    @property
    def groups(self) -> int:
        """Beats of windows that make one beat of outputs."""
        return self.window.window_beats // self.window.beats

    @property
    def taps(self) -> int:
        """Taps of a window in a beat."""
        return self.spec.geometry.taps // self.groups
