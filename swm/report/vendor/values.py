# SPDX-License-Identifier: Apache-2.0
"""What is read out of a tool's report, in one form whatever the tool."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["FIGURES", "Reading", "ReportError", "Skipped", "VendorReport", "number"]

# The figures of every report, None where its file has none. Memories are counted in blocks of 18 Kb; cycles are the
# worst case; `clock_ns` is the clock that was asked for.
FIGURES = (
    "lut",
    "ff",
    "dsp",
    "bram18",
    "uram",
    "latency_cycles",
    "interval_cycles",
    "clock_ns",
    "power_w",
    "dynamic_w",
    "static_w",
)

# No counter of a device, and no cycle count of a report, has more digits.
MAXIMUM_DIGITS = 18

NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")


class ReportError(Exception):
    """A file is of a known kind, but does not hold what such a file holds. Becomes the reason of a `Skipped`."""


@dataclass(frozen=True)
class VendorReport:
    """One report.

    Attributes:
        tool: "Vitis HLS", "Vivado", "Quartus Prime", "yosys", ...
        version: As the file gives it, or None.
        kind: What it reports: "csynth", "cosim", "utilization", "timing", "power", "fit", "synthesis", ...
        top: Name of the module or function it speaks of, or None.
        part: Device, in the file's own spelling, or None.
        state: How far the design had come ("Synthesized", "Routed", ...), or None.
        values: Figure → value for each of FIGURES; None where the file does not say.
        more: Figures of this kind alone ("estimated_clock_ns", "wns_ns", "alm", ...).
        notes: What a reader of the figures has to know: negative slack, a confidence level, more than the device has.
        path: Relative to the folder that was read.
    """

    tool: str
    version: str | None
    kind: str
    top: str | None = None
    part: str | None = None
    state: str | None = None
    values: Mapping[str, float | int | None] = field(default_factory=dict)
    more: Mapping[str, float | int | str | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    path: str = ""

    def __post_init__(self) -> None:
        unknown = set(self.values) - set(FIGURES)
        if unknown:
            raise ValueError(f"not among FIGURES: {sorted(unknown)}")
        if all(value is None for value in self.values.values()) and not self.more:
            raise ReportError(f"a {self.kind} report without a single figure")
        filled = {name: self.values.get(name) for name in FIGURES}
        object.__setattr__(self, "values", MappingProxyType(filled))
        object.__setattr__(self, "more", MappingProxyType(dict(self.more)))


@dataclass(frozen=True)
class Skipped:
    """A file that gave no figures, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Reading:
    """All that was found in a folder."""

    folder: str
    reports: tuple[VendorReport, ...]
    skipped: tuple[Skipped, ...]


def number(text: str) -> float | int | None:
    """The number at the start of a cell, or None for what tools write where they have none.

    "2,657 / 487,200 ( < 1 % )" is 2657, "156 (12%)" is 156, "4.049 ns" is 4.049; "-", "?", "undef", "NA", "inf" and
    "<0.001" are None.

    Raises:
        ReportError: More digits than any count has.
    """
    found = NUMBER.match(text.strip())
    if found is None:
        return None
    digits = found.group().replace(",", "")
    if sum(character.isdigit() for character in digits) > MAXIMUM_DIGITS:
        raise ReportError(f"a number of {len(digits)} characters, {digits[:12]}...")
    value = float(digits)
    if not math.isfinite(value):
        raise ReportError(f"a number out of range, {digits[:12]}")
    return int(value) if value.is_integer() and not {".", "e", "E"} & set(digits) else value


def over_full(used: Mapping[str, float | int | None], available: Mapping[str, float | int | None]) -> Iterable[str]:
    """A note for each resource of which a report counts more than the device has."""
    for name, amount in used.items():
        limit = available.get(name)
        if amount is not None and limit is not None and amount > limit:
            yield f"{name}: {amount:,} used, the device has {limit:,}"
