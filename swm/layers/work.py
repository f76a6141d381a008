# SPDX-License-Identifier: Apache-2.0
"""Operations of a layer, counted from its arithmetic alone: what stays the same however it is built."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

__all__ = ["Work", "additions", "multiplications"]


@dataclass(frozen=True)
class Work:
    """Operations of one sort and width that a layer does in a frame.

    Attributes:
        what: "multiplication" or "addition".
        bits: of each operand; of a multiplication of different widths their geometric mean, since a multiplier grows
            with the product of both. Of an addition, bits of the sum.
        count: how many a frame.
    """

    what: Literal["multiplication", "addition"]
    bits: float
    count: int


def multiplications(count: int, one: int, other: int) -> Work:
    """Multiplications of words of `one` by words of `other` bits."""
    return Work("multiplication", sqrt(one * other), count)


def additions(count: int, bits: int) -> Work:
    """Additions whose sums have so many bits."""
    return Work("addition", bits, count)
