# SPDX-License-Identifier: Apache-2.0
"""1 / m for 1 <= m < 2 in integers: a table of lines (docs/arithmetic.md section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from swm.layers.fit import line_segments
from swm.layers.rounding import Ints, round_shift

__all__ = ["Reciprocals", "reciprocals"]

_GUARD = 2  # bits that entries have below the last one of a reciprocal


@dataclass(frozen=True, eq=False)
class Reciprocals:
    """The table; m and 1 / m both have `frac` fractional bits.

    Attributes:
        frac: fractional bits.
        step_bits: log2 of the m of a segment.
        starts: (segments,) int64, with 2 fractional bits more.
        rises: (segments,) int64, what the reciprocal loses over a segment (negative).
    """

    frac: int
    step_bits: int
    starts: Ints
    rises: Ints

    @property
    def guard(self) -> int:
        """Fractional bits of a start beyond `frac`."""
        return _GUARD

    def value(self, m: Ints) -> Ints:
        """Reciprocals of integers from 2^frac to 2^(frac+1) - 1: from 2^(frac-1) to 2^frac."""
        at = m - (1 << self.frac)
        segment, place = at >> self.step_bits, at & ((1 << self.step_bits) - 1)
        line = (self.starts[segment] << self.step_bits) + self.rises[segment] * place
        return round_shift(line, self.step_bits + _GUARD)

    @property
    def error(self) -> float:
        """The largest relative error of a reciprocal, the bits cut off m included (over all m)."""
        m = np.arange(1 << self.frac, 2 << self.frac, dtype=np.int64)
        off = self.value(m) * 2.0**-self.frac
        low, high = m * 2.0**-self.frac, (m + 1) * 2.0**-self.frac  # what an m stands for
        return float(max(np.abs(off * low - 1).max(), np.abs(off * high - 1).max()))


@lru_cache
def reciprocals(frac: int) -> Reciprocals:
    """The table whose lines are within half of the last bit of the function, before entries are rounded.

    In the middle of a segment of width w a line is off by 2 w^2 / 16, for the second derivative of 1 / m is 2 at most.
    """
    step = min(max(0, -(-(frac - 2) // 2)), frac)
    places = np.linspace(0.0, 1.0, 65)
    g = 1.0 / (1.0 + (np.arange(1 << step)[:, None] + places) / 2.0**step)
    starts, rises = line_segments(g, places, 2.0 ** (frac + _GUARD))
    return Reciprocals(frac, frac - step, starts, rises)
