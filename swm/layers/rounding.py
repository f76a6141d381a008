# SPDX-License-Identifier: Apache-2.0
"""The only two ways in which bits are ever lost (docs/arithmetic.md), on numpy int64 arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ints", "round_shift", "saturate"]

Ints = NDArray[np.int64]
_MOST_SHIFT = 62


def round_shift(values: NDArray[Any], shift: int) -> Ints:
    """Divide by 2^shift, half rounds up; a shift of zero or below multiplies.

    A shift beyond the width of any value here (62 bits) gives 0, which numpy's shifts do not.
    """
    if shift > _MOST_SHIFT:
        return np.zeros_like(values, np.int64)
    if shift > 0:
        return (values + (1 << (shift - 1))) >> shift
    return values << -shift


def saturate(values: Ints, bits: int) -> tuple[Ints, int]:
    """Clip to `bits` bits two's complement; also how many values that changed."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    clipped = np.clip(values, low, high)
    return clipped, int(np.count_nonzero(clipped != values))
