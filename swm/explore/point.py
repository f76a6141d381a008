# SPDX-License-Identifier: Apache-2.0
"""One point of an exploration: a network as it would be built for a board, with its figures, or why it has none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["OBJECTIVES", "Figures", "Point", "better", "front", "objective_value"]

DSP_LUTS = 55
"""LUTs that a DSP block counts for in `cost`: EBOPs of HGQ2, LUT + 55 DSP over its designs."""
BRAM18_LUTS = 288
"""LUTs that hold as many bits as an 18 Kb block: 18,432 / 64, a LUT6 being 64 x 1."""
M10K_LUTS = 160
"""The same of a 10 Kb block of Cyclone V: 10,240 / 64."""
URAM_LUTS = 4608
"""The same of a 288 Kb block."""

OBJECTIVES = ("energy", "throughput", "latency", "cost")


@dataclass(frozen=True)
class Figures:
    """What is modelled of a design that its board holds; of a chip the energy alone, all else is None there.

    Attributes:
        clock_mhz: its clock.
        interval: cycles from frame to frame.
        latency_us: microseconds of one inference.
        inferences_per_s: at full throughput.
        watts: power of the device; None where the board states no power.
        joules: energy per inference, likewise.
        dsp: DSP blocks (routed estimate, as the next four).
        bram18: 18 Kb blocks.
        m10k: 10 Kb blocks, of Cyclone V.
        uram: 288 Kb blocks.
        lut: LUTs.
        ff: flip-flops.
        share: the largest share of any resource of the device that it takes.
    """

    clock_mhz: float | None = None
    interval: int | None = None
    latency_us: float | None = None
    inferences_per_s: float | None = None
    watts: float | None = None
    joules: float | None = None
    dsp: int | None = None
    bram18: int | None = None
    m10k: int | None = None
    uram: int | None = None
    lut: int | None = None
    ff: int | None = None
    share: float | None = None

    @property
    def cost(self) -> int | None:
        """Resources in one number, that of LUTs: a DSP counts as 55, a memory as the LUTs that would hold its bits.

        None of a chip, whose area nobody knows.
        """
        if self.lut is None:
            return None
        parts = ((DSP_LUTS, self.dsp), (BRAM18_LUTS, self.bram18), (M10K_LUTS, self.m10k), (URAM_LUTS, self.uram))
        return self.lut + sum(luts * (count or 0) for luts, count in parts)


@dataclass(frozen=True)
class Point:
    """A choice of block size, bits and board.

    Attributes:
        board: name of the board, or of the chip.
        structure: of the weights, by its name in `swm.structure.STRUCTURES`.
        block: its size as it was asked for: "1" is the dense network, "8x" a budget, "fc1=8,fc2=4" sizes by layer.
        bits: of data and weights.
        accuracy: measured on integers, of the kind that the exploration states; None where that failed.
        weight_bits: bits of all stored weights (counted); None where the network could not be converted.
        figures: None where the design cannot exist or something failed.
        reason: why there are no figures or no accuracy; else empty.
        failed: whether `reason` is an error, and not merely a design beyond its board.
    """

    board: str
    structure: str
    block: str
    bits: int
    accuracy: float | None
    weight_bits: int | None
    figures: Figures | None
    reason: str = ""
    failed: bool = False

    @property
    def name(self) -> str:
        """What the point is, in a few words."""
        return f"{self.board}, {self.choice}, {self.bits} bits"

    @property
    def choice(self) -> str:
        """What became of the weights, in a few words."""
        if (self.structure, self.block) == ("circulant", "1"):
            return "dense"
        if self.structure != "circulant":
            return f"{self.structure} {self.block}"
        return f"blocks {self.block.replace(',', ', ')}" if "=" in self.block else f"block {self.block}"

    @property
    def whole(self) -> bool:
        """Whether there are both an accuracy and figures: what a front is made of."""
        return self.accuracy is not None and self.figures is not None

    def to_json(self) -> dict[str, Any]:
        """Plain data; figures that do not exist are null."""
        found = self.figures
        flat: dict[str, Any] = {f.name: getattr(found, f.name) if found else None for f in fields(Figures)}
        return {
            "board": self.board,
            "structure": self.structure,
            "block": self.block,
            "bits": self.bits,
            "accuracy": self.accuracy,
            "weight_bits": self.weight_bits,
            **flat,
            "cost": found.cost if found else None,
            "fits": found is not None,
            "failed": self.failed,
            "reason": self.reason,
        }


def objective_value(point: Point, objective: str) -> float:
    """What an objective makes small: joules, seconds an inference, microseconds of latency, or cost; inf if unknown."""
    found = point.figures
    if found is None:
        return float("inf")
    values: Mapping[str, float | None] = {
        "energy": found.joules,
        "throughput": None if found.inferences_per_s is None else 1 / found.inferences_per_s,
        "latency": found.latency_us,
        "cost": found.cost,
    }
    value = values[objective]
    return float("inf") if value is None else value


def better(a: Point, b: Point) -> bool:
    """Whether a dominates b: nowhere worse in accuracy and the four objectives, and better in one at least."""
    pairs = [(-(a.accuracy or 0.0), -(b.accuracy or 0.0))]
    pairs += [(objective_value(a, name), objective_value(b, name)) for name in OBJECTIVES]
    return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)


def front(points: Iterable[Point]) -> tuple[Point, ...]:
    """The points that no other dominates, of those that have an accuracy and figures."""
    whole = [p for p in points if p.whole]
    return tuple(p for p in whole if not any(better(q, p) for q in whole))
