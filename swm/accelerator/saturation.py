# SPDX-License-Identifier: Apache-2.0
"""How many values of a tensor saturated, of how many, and how much of its range they use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.layers.values import Format

__all__ = ["Saturation", "measured", "observed", "saturation_summary"]


@dataclass(frozen=True)
class Saturation:
    """Values rounded to one format at one place.

    Attributes:
        count: those that saturated.
        values: all of them.
        share: count over values; 0 where there are none.
        low: least number of the format; None where it is not known at this place.
        high: largest.
        used: the value furthest out as a share of the range on its side; above 1 it was cut off. After the cut, where
            only integers were seen, it is at most 1. None where nobody looked.
    """

    count: int
    values: int
    share: float
    low: float | None = None
    high: float | None = None
    used: float | None = None

    def __str__(self) -> str:
        """As `12 of 5,120 values (0.23 %), range -8..8 used to 97 %`."""
        text = f"{self.count:,} of {self.values:,} values ({100 * self.share:.2f} %)"
        if self.low is None or self.high is None or self.used is None:
            return text
        return f"{text}, range {self.low:.3g}..{self.high:.3g} used to {100 * self.used:.0f} %"


def measured(format_: Format, values: NDArray[np.floating]) -> Saturation:
    """Of float values before they are rounded."""
    low, high = _range(format_)
    reach = max(float(values.max()) / high, float(values.min()) / low, 0.0) if values.size else 0.0
    return _made(format_.overflows(values), values.size, format_, reach)


def observed(count: int, values: int, format_: Format, furthest: int | None) -> Saturation:
    """Of integers after the cut.

    Args:
        count: those that saturated.
        values: all of them.
        format_: theirs.
        furthest: largest magnitude among them; None where nobody looked.
    """
    used = None if furthest is None else min(1.0, furthest / ((1 << (format_.bits - 1)) - 1))
    return _made(count, values, format_, used)


def saturation_summary(saturated: Mapping[str, Saturation]) -> str:
    """What the number formats cut off of the calibration inputs and what they make, and where most; one sentence."""
    count, values = sum(s.count for s in saturated.values()), sum(s.values for s in saturated.values())
    text = f"{count:,} of {values:,} calibration values saturate ({100 * count / max(values, 1):.2f} %)"
    if not count:
        return text
    tensor, worst = max(saturated.items(), key=lambda item: item[1].share)
    return f"{text}, most in {tensor!r}: {worst}"


def _made(count: int, values: int, format_: Format, used: float | None) -> Saturation:
    return Saturation(count, values, count / max(values, 1), *_range(format_), used)


def _range(format_: Format) -> tuple[Any, Any]:
    return -(1 << (format_.bits - 1)) / 2.0**format_.frac, format_.largest
