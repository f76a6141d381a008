# SPDX-License-Identifier: Apache-2.0
"""1 / sqrt(m) for 1 <= m < 4 in integers: a table of lines (docs/arithmetic.md section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log2

import numpy as np

from swm.layers.fit import line_segments
from swm.layers.rounding import Ints, round_shift

__all__ = ["Roots", "roots"]

_GUARD = 2  # bits that entries have below the last one of a root
_BEND = 0.75  # the largest second derivative of 1 / sqrt(m)


@dataclass(frozen=True, eq=False)
class Roots:
    """The table; m and 1 / sqrt(m) both have `frac` fractional bits.

    Attributes:
        frac: fractional bits.
        step_bits: log2 of the m of a segment.
        starts: (segments,) int64, with 2 fractional bits more.
        rises: (segments,) int64, what the root loses over a segment (negative).
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
        """Roots of integers from 2^frac to 2^(frac+2) - 1: from 2^(frac-1) to 2^frac."""
        at = m - (1 << self.frac)
        segment, place = at >> self.step_bits, at & ((1 << self.step_bits) - 1)
        line = (self.starts[segment] << self.step_bits) + self.rises[segment] * place
        return round_shift(line, self.step_bits + _GUARD)


@lru_cache
def roots(frac: int) -> Roots:
    """The table whose lines are within half of the last bit of the function, before entries are rounded."""
    step = max(0, ceil((frac + 1 + log2(_BEND / 16)) / 2))  # lines in the middle are off by bend width^2 / 16
    step = min(step, frac)
    places = np.linspace(0.0, 1.0, 65)
    g = 1.0 / np.sqrt(1.0 + (np.arange(3 << step)[:, None] + places) / 2.0**step)
    starts, rises = line_segments(g, places, 2.0 ** (frac + _GUARD))
    return Roots(frac, frac - step, starts, rises)
