# SPDX-License-Identifier: Apache-2.0
"""Averages in integers: exact sums times reciprocals of how many values they are of (docs/arithmetic.md section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import NOTHING, Cost, constant_multiplier, multiplier
from swm.layers.rounding import Ints
from swm.layers.values import clog2

__all__ = ["Reciprocals", "reciprocals"]

_GUARD = 1  # bits by which the reciprocal of the largest number is finer than data; its error is 1/8 of their last bit


@dataclass(frozen=True)
class Reciprocals:
    """One over some whole numbers, at one binary point.

    Attributes:
        table: 2^frac / d by d = 0, 1, ..., rounded; 0 for those that do not occur.
        frac: fractional bits, as few as leave the table exact.
    """

    table: tuple[int, ...]
    frac: int

    @property
    def bits(self) -> int:
        """Of an entry, its sign included."""
        return max(self.table).bit_length() + 1

    @property
    def constant(self) -> int | None:
        """The only entry; None where there are several."""
        found = [entry for entry in self.table if entry]
        return found[0] if len(found) == 1 else None

    def of(self, counts: Ints) -> Ints:
        """The entries of some numbers."""
        return np.array(self.table, np.int64)[counts]

    def cost(self, sum_bits: int, lanes: int, ports: DspPorts) -> Cost:
        """Products of a beat of sums by one entry, and the table."""
        if self.constant == 1:
            return NOTHING
        if self.constant is not None:
            return constant_multiplier(sum_bits, self.constant).times(lanes)
        rom = memory(len(self.table), self.bits, writes=0)
        return multiplier(sum_bits, self.bits, ports).times(lanes).plus(rom)


def reciprocals(counts: Iterable[int], bits: int) -> Reciprocals:
    """Reciprocals so fine that averages of data of `bits` bits are off by at most 1/8 of the last bit before rounding.

    Args:
        counts: how many values averages are of, each at least 1.
        bits: of the data.
    """
    every = sorted(set(counts))
    frac = bits + _GUARD + clog2(every[-1])
    table = [0] * (every[-1] + 1)
    for count in every:
        table[count] = ((1 << (frac + 1)) // count + 1) // 2
    spare = min(frac, *((entry & -entry).bit_length() - 1 for entry in table if entry))
    return Reciprocals(tuple(entry >> spare for entry in table), frac - spare)
