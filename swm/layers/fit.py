# SPDX-License-Identifier: Apache-2.0
"""The curve of an activation at given binary points: which segments a table takes, and how far it is from the function.

A table's largest error before the last rounding is half of the last bit of the output; the fewest equal segments that
keep it are taken, their width a power of two. Where at most `MOST_CONSTANTS` constants do, there is no multiplier.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import ceil, floor, frexp, log2

import numpy as np
from numpy.typing import NDArray

from swm.layers.curves import Bounds, Curve, Ramp, Steps, Table, bits_of
from swm.layers.functions import TABLES, Activation, Floats, Parameters, check_parameters, evaluate
from swm.layers.rounding import Ints

__all__ = ["MOST_CONSTANTS", "PLAIN", "curve_of", "largest_error", "line_segments", "widest_curve"]

PLAIN = ("identity", "relu")  # no curve: the end of a layer does them
MOST_CONSTANTS = 256
"""Up to so many entries constants are cheaper than lines: 256 words of ROM take 4 LUTs a bit, a line a multiplier."""
_FINEST = 17  # fractional bits of the finest output whose error a table follows: 18 bits on [-1, 1)
_GUARD = 3  # bits that z and the entries of a table have below the output's last one
_COARSE_SUMS = 36  # bits that an output may be finer than the sums; beyond, a table no longer follows it
_COARSEST = -6  # log2 of 1 / the widest segment tried
_SAMPLES = 64  # of a segment, to fit and to look for its largest error
_CODE_GUARD = 10  # log2 of a step over the doubt about its edges
_TAIL = 0.8  # of the error that may be spent on what lies beyond the table


@lru_cache(maxsize=4096)
def curve_of(
    activation: Activation, parameters: Parameters, value_frac: int, out_frac: int, out_bits: int
) -> Curve | None:
    """The integers of an activation; None for those that need none.

    Args:
        activation: which.
        parameters: its own, in the order of `functions.py`.
        value_frac: fractional bits of the exact sum.
        out_frac: fractional bits of the output.
        out_bits: bits of the output.

    Raises:
        ValueError: there is no such activation, or it is not built with these parameters.
    """
    problem = check_parameters(activation, parameters)
    if problem:
        raise ValueError(problem)
    if activation in PLAIN:
        return None
    if activation == "clip":
        bound = 1 << (out_bits - 1)
        low, high = (_word(v, out_frac, -bound, bound) for v in parameters)
        return Bounds(value_frac - out_frac, low, high)
    if activation in TABLES:
        fine = min(out_frac, out_bits - 1, _FINEST, value_frac + _COARSE_SUMS)
        z_frac = min(value_frac, fine + _GUARD)
        table = _table(activation, parameters, z_frac, value_frac == z_frac, fine, out_frac, out_bits)
        return replace(table, input_shift=value_frac - z_frac)
    if activation == "steps":
        return _steps(parameters, value_frac, out_frac)
    return _ramp(activation, parameters, value_frac, out_frac, out_bits)


def widest_curve(activation: Activation, parameters: Parameters, out_bits: int) -> Curve | None:
    """The curve of the finest output of so many bits: what costs are made of, where no binary point is known yet."""
    return curve_of(activation, parameters, 2 * out_bits, out_bits - 1, out_bits)


def _word(value: float, frac: int, low: int, high: int) -> int:
    """The nearest word, one step beyond the output's range at most: what lies beyond saturates, and is counted."""
    scaled = value * 2.0**frac
    return floor(scaled + 0.5) if low <= scaled <= high else low - 1 if scaled < low else high


def _ramp(activation: str, parameters: Parameters, value_frac: int, out_frac: int, out_bits: int) -> Ramp:
    slope, offset = parameters[0], parameters[1] if activation == "hard_sigmoid" else 0.0
    leaky, bound = activation == "leaky_relu", 1 << (out_bits - 1)
    exponent = frexp(slope)[1] if slope else -out_bits  # |slope| < 2^exponent
    z_frac = min(value_frac, out_frac + _GUARD + exponent)
    bits = out_bits + 2  # of the constant, its trailing zeros aside
    fraction = max(0, bits - 1 - exponent)
    constant = floor(slope * 2.0**fraction + 0.5)
    while fraction and not constant % 2:
        constant, fraction = constant // 2, fraction - 1
    reach = (2.0 ** (out_bits - out_frac) if leaky else 1.0 + abs(offset)) * 2.0 ** (2 - exponent)
    input_bits = max(2, bits_of(ceil(reach * 2.0**z_frac)))
    low, high = (-bound, bound - 1) if leaky else (0, _word(1.0, out_frac, -bound, bound))
    # z is off by half of its last bit, the constant by half of its own over all of the range, the offset likewise
    half_z = 2.0 ** -(z_frac + 1)
    span = min(reach, 2.0 ** (out_bits - 1 - out_frac) / abs(slope)) if leaky and slope else reach / 4
    error = abs(constant * 2.0**-fraction - slope) * span + (0.0 if z_frac == value_frac else abs(slope) * half_z)
    nearest = floor(offset * 2.0**z_frac + 0.5)
    return Ramp(
        leaky=leaky,
        plain_shift=value_frac - out_frac,
        input_shift=value_frac - z_frac,
        input_bits=input_bits,
        slope=constant,
        offset=nearest,
        offset_shift=fraction,
        out_shift=z_frac + fraction - out_frac,
        low=low,
        high=high,
        error=error + abs(nearest * 2.0**-z_frac - offset),
    )


def _steps(parameters: Parameters, value_frac: int, out_frac: int) -> Steps:
    """Codes to 2^-10 of a step, levels to a quarter of the output's last bit."""
    step, low, high = parameters[0], int(parameters[1]), int(parameters[2])
    exponent = frexp(step)[1]  # 2^(exponent - 1) <= step < 2^exponent
    codes = max(abs(low), abs(high)) + 2
    z_frac = min(value_frac, _CODE_GUARD + 1 - exponent)
    fraction = max(0, codes.bit_length() + exponent + _CODE_GUARD)
    slope, fraction = _constant(1.0 / step, fraction)
    width, point = _constant(step, out_frac + 1 + codes.bit_length())
    rounding = 0.0 if z_frac == value_frac else 2.0 ** -(z_frac + 1) / step
    ramp = Ramp(
        leaky=False,
        plain_shift=value_frac - out_frac,
        input_shift=value_frac - z_frac,
        input_bits=max(2, bits_of(ceil(codes * step * 2.0**z_frac))),
        slope=slope,
        offset=0,
        offset_shift=0,
        out_shift=z_frac + fraction,
        low=low,
        high=high,
        error=0.0,
    )
    return Steps(
        ramp=ramp,
        width=width,
        width_shift=point - out_frac,
        error=abs(width * 2.0**-point - step) * (codes - 2),
        doubt=rounding + abs(slope * 2.0**-fraction - 1.0 / step) * codes * step,
    )


def _constant(value: float, fraction: int) -> tuple[int, int]:
    """A number as an integer and its fractional bits, which may be negative, without trailing zeros."""
    constant = floor(value * 2.0**fraction + 0.5)
    while constant and not constant % 2:
        constant, fraction = constant // 2, fraction - 1
    return constant, fraction


@lru_cache(maxsize=4096)
def _table(
    activation: str, parameters: Parameters, z_frac: int, exact: bool, fine: int, out_frac: int, out_bits: int
) -> Table:
    """A table for sums that are rounded to z, or that are z as they stand (`exact`)."""
    allowed = 2.0 ** -(fine + 1)
    table = None
    for lines in (False, True):
        step = min(_COARSEST, z_frac)
        while True:
            fit = _Fit(activation, parameters, step, z_frac - step, exact, allowed, lines)
            table = fit.table(z_frac, fine, out_frac, out_bits)
            if table is None:
                break  # too many constants
            if table.error <= allowed:
                return table
            if step == z_frac:  # a segment for each z: there is no finer table
                break
            # segments of half the width are off by half as much, or by a quarter
            step = min(step + max(1, int(log2(table.error / allowed) / (1 + lines))), z_frac)
    assert table is not None  # lines are never too many
    return table


class _Fit:
    """Segments of one width, of lines or constants."""

    def __init__(
        self,
        activation: str,
        parameters: Parameters,
        step: int,
        step_bits: int,
        exact: bool,
        allowed: float,
        lines: bool,
    ) -> None:
        self.activation, self.parameters, self.lines, self.exact = activation, parameters, lines, exact
        kept = TABLES[activation]
        self.rectified, self.width = kept.rectified, 2.0**-step
        self.step, self.reach = step, ceil(kept.extent(parameters) / self.width) + 1
        self.places = np.linspace(0.0, 1.0 - 2.0**-step_bits, _SAMPLES + 1)  # from the first z of a segment to the last
        g = kept.g((np.arange(-self.reach, self.reach)[:, None] + self.places) * self.width, parameters)
        low, high = g.min(axis=1), g.max(axis=1)
        left = np.maximum.accumulate(high) - np.minimum.accumulate(low) <= 2 * _TAIL * allowed
        right = np.maximum.accumulate(high[::-1]) - np.minimum.accumulate(low[::-1]) <= 2 * _TAIL * allowed
        begin, end = int(left.sum()), len(g) - int(right.sum())  # both are true up to some place, and false behind
        begin = max(1, min(begin, len(g)))
        self.begin, self.end = begin, max(end, begin)
        self.inner = g[self.begin : self.end]
        self.ends = (g[: self.begin], g[self.end :])

    def table(self, z_frac: int, fine: int, out_frac: int, out_bits: int) -> Table | None:
        """The table at binary points; None where constants are too many."""
        entries = len(self.inner) + 1 + bool(self.ends[1].size)
        if not self.lines and entries > MOST_CONSTANTS:
            return None
        unit = 2.0 ** (fine + _GUARD)
        fit = line_segments if self.lines else constant_segments
        starts, rises = fit(self.inner, self.places, unit)
        outer = [_middle(g.min(keepdims=True), g.max(keepdims=True), unit)[0, 0] for g in self.ends if g.size]
        starts = np.array([outer[0], *starts, *outer[1:]], np.int64)
        rises = np.array([0, *rises, *[0] * len(outer[1:])], np.int64)
        step_bits = z_frac - self.step
        first = (self.begin - 1 - self.reach) << step_bits
        value_frac = fine + _GUARD + (step_bits if self.lines else 0)
        last = first + (entries << step_bits) - 1
        wide = out_bits + z_frac - out_frac + 2 if self.rectified else 2
        table = Table(
            rectified=self.rectified,
            input_shift=0 if self.exact else 1,  # the caller knows it, here only whether there is one counts
            input_bits=max(bits_of(first, last), wide, 2),
            first=first,
            step_bits=step_bits,
            starts=tuple(starts.tolist()),
            rises=tuple(rises.tolist()) if self.lines else (),
            base_shift=value_frac - z_frac,
            out_shift=value_frac - out_frac,
            error=0.0,
        )
        error = largest_error(table, self.activation, self.parameters, z_frac)
        return replace(table, error=error)


def line_segments(samples: Floats, places: Floats, unit: float) -> tuple[Ints, Ints]:
    """Lines through segments of a function: starts and rises over a whole segment, in units of 1 / `unit`.

    The slope of the chord, moved half way to the function: the line of least largest error where the function bends
    one way.

    Args:
        samples: (segments, n) values of the function.
        places: (n,) where they were taken, in rising order; a segment goes from 0 to 1.
        unit: integers a 1.
    """
    span = places[-1] - places[0]
    slopes = (samples[:, -1] - samples[:, 0]) / span if span else np.zeros(len(samples))
    rises = np.floor(slopes * unit + 0.5).astype(np.int64)
    return constant_segments(samples - rises[:, None] * places / unit, places, unit)[0], rises


def constant_segments(samples: Floats, places: Floats, unit: float) -> tuple[Ints, Ints]:
    """Constants half way between the least and the largest of each segment, and rises of zero."""
    del places
    middle = _middle(samples.min(axis=1), samples.max(axis=1), unit)
    return middle, np.zeros_like(middle)


def _middle(low: Floats, high: Floats, unit: float) -> Ints:
    """Integers half way between the least and the largest."""
    return np.floor((low + high) / 2 * unit + 0.5).astype(np.int64)


def largest_error(table: Table, activation: str, parameters: Parameters, z_frac: int) -> float:
    """Largest distance of a table from its function over all inputs, before the last rounding, in real numbers.

    A word z of the table stands for all sums that are rounded to it. In a segment the distance is that of a line from
    a smooth curve: its largest values lie at the ends, which are looked at, or between two of `_SAMPLES` places, where
    every word is. The outer segments are held against the function as far as it is not constant.
    """
    codes = 1 << table.step_bits
    places = np.unique(np.linspace(0, codes - 1, min(codes, _SAMPLES + 1)).astype(np.int64))
    segments = np.arange(len(table.starts), dtype=np.int64)[:, None] * codes + table.first
    error = _errors(table, activation, parameters, z_frac, segments + places)
    worst = error.max()
    if len(places) < codes:
        at = error.argmax(axis=1)
        low, high = places[np.maximum(at - 1, 0)], places[np.minimum(at + 1, len(places) - 1)]
        chosen = np.flatnonzero(error.max(axis=1) >= 0.9 * worst)
        around = low[chosen, None] + np.arange(int((high - low).max()) + 1)
        around = np.minimum(around, high[chosen, None])
        worst = max(worst, _errors(table, activation, parameters, z_frac, segments[chosen] + around).max())
    unit = 2.0**-z_frac
    reach = max(TABLES[activation].extent(parameters), 1.0)
    for edge, side in ((table.first, -1), (table.last, 1)):
        far = ceil(reach / unit) + abs(edge)  # past zero, too, should the table be one entry on the other side
        beyond = edge + side * np.linspace(0, far, 16 * _SAMPLES).astype(np.int64)
        worst = max(worst, _errors(table, activation, parameters, z_frac, beyond).max())
    return float(worst)


def _errors(table: Table, activation: str, parameters: Parameters, z_frac: int, z: Ints) -> Floats:
    unit = 2.0**-z_frac
    value = table.value(z) * unit * 2.0**-table.base_shift
    edges: list[NDArray[np.floating]] = [z * unit]
    if table.input_shift:
        edges = [(z - 0.5) * unit, (z + 0.5) * unit]
    return np.max([np.abs(value - evaluate(activation, parameters, x)) for x in edges], axis=0)
