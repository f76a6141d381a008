# SPDX-License-Identifier: Apache-2.0
"""The comparison behind every report: a structured network beside the same network left dense, board by board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite

from swm.errors import OptionError
from swm.fixed.spec import LayerSpec
from swm.hardware.board import Board
from swm.hardware.layout import FILL, Schedule
from swm.hardware.power import POWER_ERROR, Energy, Power, energy, power
from swm.hardware.resources import RESOURCE_ERROR, Estimate, estimate
from swm.hardware.schedule import Limits, schedule

__all__ = ["ACCURACY_KEYS", "KINDS", "BoardReport", "Design", "Gain", "Kind", "Report", "compare"]

ACCURACY_KEYS = ("dense_float", "converted_float", "fixed")
"""Accuracies that every report shows, "not measured" when nobody passed them in."""


@dataclass(frozen=True)
class Kind:
    """Where a group of figures comes from: its kind and, for a modelled one, the stated error."""

    figures: str
    kind: str
    note: str


KINDS = (
    Kind(
        "iterations, loops, weight_bits",
        "counted",
        "from the loop bounds and array shapes that the C++ is emitted with",
    ),
    Kind(
        "cycles, interval, latency, inferences/s",
        "modelled",
        f"iterations + {FILL} cycles of pipeline fill a loop, at the stated clock; the fill and the clock have not "
        "been checked by a synthesis of swm's own kernels; latency is the sum along the chain, an upper bound",
    ),
    Kind("DSP, BRAM18, LUT, FF", "modelled", RESOURCE_ERROR),
    Kind("power, energy", "modelled", POWER_ERROR),
    Kind("static and processor power, device capacity", "published", "the source of each stands with the board"),
)


@dataclass(frozen=True)
class Design:
    """One design on one board.

    Attributes:
        fits: Whether it can be built: resources inside the limits.
        overflow: Why not, at minimal parallelism; empty when it fits.
        plan: Its schedule. When `fits` is False this is the schedule of an imagined device: the same one with as much
            block RAM as the design asks for, and the same limits otherwise.
        used: Resources of `plan`.
        watts: Power of `plan`.
        joules: Energy an inference of `plan`.
        weight_bits: Bits of all stored weights (counted).
    """

    fits: bool
    overflow: str
    plan: Schedule
    used: Estimate
    watts: Power
    joules: Energy
    weight_bits: int

    @property
    def latency_us(self) -> float:
        """Latency of one inference in microseconds (modelled, an upper bound)."""
        return self.plan.latency / self.plan.clock_mhz


@dataclass(frozen=True)
class Gain:
    """Dense over structured, above 1 when the structure wins. `hypothetical`: one of the two does not fit the board."""

    throughput: float
    latency: float
    energy: float
    hypothetical: bool


@dataclass(frozen=True)
class BoardReport:
    """Both designs on one board."""

    board: Board
    structured: Design
    dense: Design
    gain: Gain

    @property
    def dense_fits(self) -> bool:
        """Whether the dense twin can be built on this board."""
        return self.dense.fits


@dataclass(frozen=True)
class Report:
    """A model on several boards. `accuracy` holds (name, share of 1 or None for "not measured")."""

    model: str
    boards: tuple[BoardReport, ...]
    accuracy: tuple[tuple[str, float | None], ...]
    kinds: tuple[Kind, ...] = KINDS


def compare(
    specs: Sequence[LayerSpec],
    dense_specs: Sequence[LayerSpec],
    boards: Sequence[Board],
    accuracy: Mapping[str, float | None] | None = None,
    *,
    model: str = "model",
    clock_mhz: float | None = None,
    limits: Limits | None = None,
) -> Report:
    """Hold a structured network against its dense twin.

    Args:
        specs: Layers of the structured network.
        dense_specs: Layers of the twin.
        boards: Boards to report on, in the order of the report.
        accuracy: Measured accuracies as shares of 1, by name (`ACCURACY_KEYS` and any other); None or absent means not
            measured.
        model: Name shown in the report.
        clock_mhz: Clock in MHz for all boards; each board's default when absent.
        limits: Shares of the device that may be used.

    Returns:
        The report.

    Raises:
        OptionError: No boards, an accuracy outside [0, 1], or what `schedule` raises.
    """
    if not boards:
        raise OptionError("a report needs at least one board")
    given = dict(accuracy or {})
    for name, value in given.items():
        if value is not None and not (isfinite(value) and 0 <= value <= 1):
            raise OptionError(f"accuracy '{name}': {value} is no share of 1")
    rows = tuple((name, given.pop(name, None)) for name in ACCURACY_KEYS) + tuple(given.items())
    limits = limits or Limits()
    pairs = ((b, _design(specs, b, clock_mhz, limits), _design(dense_specs, b, clock_mhz, limits)) for b in boards)
    return Report(model, tuple(BoardReport(b, s, d, _gain(s, d)) for b, s, d in pairs), rows)


def _design(specs: Sequence[LayerSpec], board: Board, clock_mhz: float | None, limits: Limits) -> Design:
    plan = real = schedule(specs, board, clock_mhz=clock_mhz, limits=limits)
    if not real.fits:
        plan = schedule(specs, board, clock_mhz=clock_mhz, limits=replace(limits, bram18=inf))
    used = estimate(plan)
    watts = power(board, plan.clock_mhz, used.routed)
    bits = sum(s.weight_words * s.weight_bits for s in specs)
    return Design(real.fits, real.overflow, plan, used, watts, energy(watts, plan), bits)


def _gain(structured: Design, dense: Design) -> Gain:
    return Gain(
        throughput=structured.plan.inferences_per_s / dense.plan.inferences_per_s,
        latency=dense.latency_us / structured.latency_us,
        energy=dense.joules.total / structured.joules.total,
        hypothetical=not (structured.fits and dense.fits),
    )
