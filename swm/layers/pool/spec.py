# SPDX-License-Identifier: Apache-2.0
"""Pooling by its shapes, and how it is built."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from swm.layers.averages import Reciprocals, reciprocals
from swm.layers.beside import ImageSpec
from swm.layers.channelwise import ChannelwiseBuilt
from swm.layers.rounding import Ints
from swm.layers.values import FloatLayer, clog2

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
class PoolBuilt(ChannelwiseBuilt):
    """Pooling as it is built."""

    spec: PoolSpec

    @property
    def fill(self) -> int:
        """What changes nothing."""
        return 0 if self.spec.mean else -(1 << (self.spec.data_bits - 1))
