# SPDX-License-Identifier: Apache-2.0
"""Plots of the HTML report as coordinates, which the template draws as SVG."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

__all__ = ["BOTTOM", "HEIGHT", "LEFT", "RIGHT", "TOP", "WIDTH", "Mark", "Plot", "Scale", "Tick", "linear", "powers"]

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 62.0, 454.0, 16.0, 250.0
"""Of the picture, and of the axes in it, in its own units; the origin is top left."""
_PREFIXES = {0: "", 1: " k", 2: " M", 3: " G", 4: " T", 5: " P"}


@dataclass(frozen=True)
class Tick:
    """A place on an axis, in units of the picture, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Mark:
    """A point: its shape, the class of its colour, whether it stands out, and what it is in words."""

    x: float
    y: float
    shape: str
    colour: str
    strong: bool
    tip: str


@dataclass(frozen=True)
class Plot:
    """A picture of `WIDTH` x `HEIGHT` units.

    Attributes:
        title: what it shows.
        words: the same for who does not see it; its figures stand in a table beside.
        x_label: of the axis, with its unit.
        y_label: likewise.
        x_ticks: labels and grid lines.
        y_ticks: likewise.
        lines: points of a line ("x,y x,y"), the class of its colour, and whether it is dashed.
        marks: points.
        legend: shape, class of the colour, text.
    """

    title: str
    words: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[tuple[str, str, bool], ...]
    marks: tuple[Mark, ...]
    legend: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Scale:
    """Places of values between two ends of an axis.

    Attributes:
        first: value at `low`, of a logarithmic scale the exponent of ten.
        last: at `high`, likewise.
        low: place in the picture.
        high: likewise.
        ticks: labels.
        log: whether it is of powers of ten.
    """

    first: float
    last: float
    low: float
    high: float
    ticks: tuple[Tick, ...]
    log: bool

    def __call__(self, value: float) -> float:
        """Where a value lies."""
        part = ((log10(value) if self.log else value) - self.first) / (self.last - self.first)
        return round(self.low + (self.high - self.low) * part, 1)

    @property
    def least(self) -> float:
        """The value at its low end."""
        return 10.0**self.first if self.log else self.first

    @property
    def most(self) -> float:
        """The value at its high end."""
        return 10.0**self.last if self.log else self.last


def powers(values: Iterable[float], low: float, high: float) -> Scale:
    """A scale of whole powers of ten that holds the values, all of them above nothing."""
    given = list(values)
    first, last = floor(log10(min(given)) + 1e-9), ceil(log10(max(given)) - 1e-9)
    last = max(last, first + 1)
    scale = Scale(first, last, low, high, (), log=True)
    labels = range(first, last + 1, max(1, ceil((last - first) / 7)))
    return Scale(first, last, low, high, tuple(Tick(scale(10.0**n), _power(n)) for n in labels), log=True)


def _power(exponent: int) -> str:
    group, rest = divmod(exponent, 3)
    if -4 <= exponent < 0:
        return f"{10.0**exponent:.{-exponent}f}"
    return f"{10**rest}{_PREFIXES[group]}" if group in _PREFIXES else f"1e{exponent}"


def linear(values: Iterable[float], low: float, high: float) -> Scale:
    """A linear scale with round labels that holds the values."""
    given = list(values)
    span = max(max(given) - min(given), 1e-3 * max(map(abs, given)), 1e-6)
    unit = 10.0 ** floor(log10(span / 4))
    step = next(unit * n for n in (1, 2, 5, 10, 20, 50) if span / (unit * n) <= 6)
    first, last = floor(min(given) / step + 1e-9), ceil(max(given) / step - 1e-9)
    last = max(last, first + 1)
    scale = Scale(first * step, last * step, low, high, (), log=False)
    ticks = tuple(Tick(scale(n * step), f"{n * step:.4g}") for n in range(first, last + 1))
    return Scale(first * step, last * step, low, high, ticks, log=False)
