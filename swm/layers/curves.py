# SPDX-License-Identifier: Apache-2.0
"""Activations in integers (docs/arithmetic.md section 5): bounds, ramps and tables, at given binary points.

A curve takes the exact sum v to the value that is saturated to the output's bits. It holds integers only: what the
engine runs, what `hls/swm/finish.h` is told, and what a project keeps. `swm/layers/fit.py` makes the tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np

from swm.layers.rounding import Ints, round_shift, saturate

__all__ = ["Bounds", "Curve", "Ramp", "Steps", "Table", "bits_of"]

_WIDEST = 40  # bits of a narrowed sum, of an entry and of a word
_INT = 31  # bits of a member in C++, and of a place in a table
_MOST_ENTRIES = 1 << 16


def bits_of(*values: int) -> int:
    """Width of the two's complement numbers that hold all of these."""
    return max((v if v >= 0 else -v - 1).bit_length() for v in values) + 1


def _check(right: bool) -> None:
    if not right:
        raise ValueError("no curve is like this")


@dataclass(frozen=True)
class Bounds:
    """`clip`: the output between two of its own words; nothing is lost but by the one rounding.

    Attributes:
        plain_shift: binary point of v minus that of the output.
        low: the least word.
        high: the largest word.
    """

    policy: ClassVar[str] = "clip"
    error: ClassVar[float] = 0.0

    plain_shift: int
    low: int
    high: int

    def __post_init__(self) -> None:
        _check(self.low <= self.high and bits_of(self.low, self.high) <= _INT)

    def apply(self, values: Ints) -> Ints:
        """Words, not yet saturated."""
        return np.clip(round_shift(values, self.plain_shift), self.low, self.high)

    @property
    def inner_bits(self) -> int:
        """Bits of every value inside, of the sum aside."""
        return bits_of(self.low, self.high)

    def members(self) -> dict[str, Any]:
        """There is no struct: both bounds stand in the policy's name."""
        return {}


@dataclass(frozen=True)
class Ramp:
    """`leaky` and `ramp`: a multiplication by a constant.

    z is the sum, narrowed to `input_bits` after a rounding by `input_shift`; the word is
    `clip(round_shift(slope z + offset 2^offset_shift, out_shift), low, high)`. A leaky one is this below zero, and
    the sum itself above.

    Attributes:
        leaky: whether sums of zero and above pass as they are.
        plain_shift: binary point of v minus that of the output.
        input_shift: binary point of v minus that of z, not below 0.
        input_bits: of z, which saturates; what is lost saturates the output too.
        slope: the constant.
        offset: at the binary point of z.
        offset_shift: fractional bits of the slope.
        out_shift: binary point of the product minus that of the output.
        low: the least word.
        high: the largest word.
        error: largest distance from the function before the last rounding, in real numbers.
    """

    leaky: bool
    plain_shift: int
    input_shift: int
    input_bits: int
    slope: int
    offset: int
    offset_shift: int
    out_shift: int
    low: int
    high: int
    error: float

    def __post_init__(self) -> None:
        _check(self.input_shift >= 0 and 2 <= self.input_bits <= _WIDEST and 0 <= self.offset_shift <= _WIDEST)
        _check(
            max(self.slope_bits, self.offset_bits) <= _INT
            and self.inner_bits <= 60
            and self.low <= self.high
            and abs(self.out_shift) <= 60
        )

    @property
    def policy(self) -> str:
        """Name of the C++ policy."""
        return "leaky" if self.leaky else "ramp"

    def apply(self, values: Ints) -> Ints:
        """Words, not yet saturated."""
        z, _ = saturate(round_shift(values, self.input_shift), self.input_bits)
        product = z * self.slope + (self.offset << self.offset_shift)
        words = np.clip(round_shift(product, self.out_shift), self.low, self.high)
        return np.where(values < 0, words, round_shift(values, self.plain_shift)) if self.leaky else words

    @property
    def slope_bits(self) -> int:
        """Bits of the constant."""
        return bits_of(self.slope)

    @property
    def offset_bits(self) -> int:
        """Bits of the offset."""
        return bits_of(self.offset)

    @property
    def inner_bits(self) -> int:
        """Bits of every value inside, of the sum aside."""
        product = self.input_bits + self.slope_bits
        value = max(product, self.offset_bits + self.offset_shift) + 1
        return max(value + max(0, -self.out_shift), bits_of(self.low, self.high))

    def members(self) -> dict[str, Any]:
        """The struct that the C++ policy reads: integers by name."""
        names = (
            "input_shift",
            "input_bits",
            "slope",
            "slope_bits",
            "offset",
            "offset_bits",
            "offset_shift",
            "out_shift",
        )
        return {name: getattr(self, name) for name in (*names, "low", "high")}


@dataclass(frozen=True)
class Steps:
    """`steps`: the code of the nearest level, times the width of a step.

    Attributes:
        ramp: from the sum to the code, which is its word: the slope is 1 / width, the offset 0.
        width: of a step, as an integer.
        width_shift: binary point of the width minus that of the output.
        error: largest distance of a level from where it should be, in real numbers.
        doubt: sums so close to the edge between two codes, in steps, may get the other one.
    """

    policy: ClassVar[str] = "steps"

    ramp: Ramp
    width: int
    width_shift: int
    error: float
    doubt: float

    def __post_init__(self) -> None:
        _check(not self.ramp.leaky and not self.ramp.offset and max(self.width_bits, self.code_bits) <= _INT)
        _check(abs(self.width_shift) <= 60 and self.inner_bits <= 60)

    @property
    def code_bits(self) -> int:
        """Bits of a code."""
        return bits_of(self.ramp.low, self.ramp.high)

    @property
    def width_bits(self) -> int:
        """Bits of the width."""
        return bits_of(self.width)

    @property
    def inner_bits(self) -> int:
        """Bits of every value inside, of the sum aside."""
        return max(self.ramp.inner_bits, self.code_bits + self.width_bits + max(0, -self.width_shift))

    def apply(self, values: Ints) -> Ints:
        """Words, not yet saturated."""
        return round_shift(self.ramp.apply(values) * self.width, self.width_shift)

    def members(self) -> dict[str, Any]:
        """The struct that the C++ policy reads: integers by name."""
        own = {name: getattr(self, name) for name in ("code_bits", "width", "width_bits", "width_shift")}
        return {**self.ramp.members(), "offset_bits": 2, **own}  # of an offset of 0: ints of one bit do not shift


@dataclass(frozen=True)
class Table:
    """`curve`: equal segments, each a line or a constant, and max(z, 0) where the function has it.

    z is the sum, narrowed to `input_bits` after a rounding by `input_shift`. Clipped to the stretch of the table it
    has segment i in its upper bits and the place d in it in the `step_bits` lower ones:

        value = starts[i] 2^step_bits + rises[i] d        (lines)        value = starts[i]        (constants)
        value += max(z, 0) 2^base_shift                   if rectified
        word = round_shift(value, out_shift)

    The first and the last segment are constant and stand for everything beyond.

    Attributes:
        rectified: whether max(z, 0) is added.
        input_shift: binary point of v minus that of z, not below 0.
        input_bits: of z, which saturates; what is lost saturates the output too, or lies beyond the table.
        first: least z of the table.
        step_bits: log2 of the z of a segment.
        starts: a value for each segment.
        rises: what the value gains over each segment; empty where all are constant.
        base_shift: binary point of the value minus that of z.
        out_shift: binary point of the value minus that of the output.
        error: largest distance from the function over all inputs, before the last rounding, in real numbers.
    """

    policy: ClassVar[str] = "curve"

    rectified: bool
    input_shift: int
    input_bits: int
    first: int
    step_bits: int
    starts: tuple[int, ...] = field(repr=False)
    rises: tuple[int, ...] = field(repr=False)
    base_shift: int
    out_shift: int
    error: float

    def __post_init__(self) -> None:
        entries = len(self.starts)
        _check(1 <= entries <= _MOST_ENTRIES and len(self.rises) in (0, entries) and 0 <= self.step_bits < 32)
        _check(self.input_shift >= 0 and 2 <= self.input_bits <= _INT and 0 <= self.base_shift <= _WIDEST)
        _check(bits_of(self.first, self.last) <= self.input_bits and abs(self.out_shift) <= 60)
        _check(bits_of(*self.starts, *self.rises) <= _WIDEST and self.inner_bits <= 60)

    @property
    def last(self) -> int:
        """Largest z of the table."""
        return self.first + (len(self.starts) << self.step_bits) - 1

    @property
    def start_bits(self) -> int:
        """Bits of a start."""
        return bits_of(*self.starts)

    @property
    def rise_bits(self) -> int:
        """Bits of a rise; 0 where all segments are constant."""
        return bits_of(*self.rises) if self.rises else 0

    @property
    def value_bits(self) -> int:
        """Bits of the value."""
        line = self.start_bits
        if self.rises:
            line = max(self.start_bits, self.rise_bits) + self.step_bits + 1
        return max(line, self.input_bits + self.base_shift if self.rectified else 0) + 1

    @property
    def inner_bits(self) -> int:
        """Bits of every value inside, of the sum aside."""
        return self.value_bits + max(0, -self.out_shift)

    def value(self, z: Ints) -> Ints:
        """The value of narrowed sums."""
        starts = np.array(self.starts, np.int64)
        at = np.clip(z, self.first, self.last) - self.first
        segment = at >> self.step_bits
        value = starts[segment]
        if self.rises:
            rises = np.array(self.rises, np.int64)
            value = (value << self.step_bits) + rises[segment] * (at & ((1 << self.step_bits) - 1))
        return value + (np.maximum(z, 0) << self.base_shift) if self.rectified else value

    def apply(self, values: Ints) -> Ints:
        """Words, not yet saturated."""
        z, _ = saturate(round_shift(values, self.input_shift), self.input_bits)
        return round_shift(self.value(z), self.out_shift)

    def members(self) -> dict[str, Any]:
        """The struct that the C++ policy reads: integers by name, and the tables `start` and `rise`."""
        names = (
            "input_shift",
            "input_bits",
            "first",
            "step_bits",
            "start_bits",
            "rise_bits",
            "base_shift",
            "out_shift",
        )
        numbers = {name: getattr(self, name) for name in names}
        tables = {"start": self.starts, **({"rise": self.rises} if self.rises else {})}
        return {**numbers, "entries": len(self.starts), "rectified": int(self.rectified), **tables}


Curve: TypeAlias = Bounds | Ramp | Steps | Table
