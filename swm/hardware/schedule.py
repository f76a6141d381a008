# SPDX-License-Identifier: Apache-2.0
"""From layers and a board to a schedule: the fastest parallelism that stays inside the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import Literal

from swm.errors import OptionError
from swm.fixed.spec import LayerSpec
from swm.hardware.board import Board
from swm.hardware.layout import FILL, LayerSchedule, Process, Schedule
from swm.hardware.resources import Usage, estimate
from swm.hardware.search import WEIGHTS, Chain, Found

__all__ = ["FILL", "LayerSchedule", "Limits", "Process", "Schedule", "overflow", "schedule"]


@dataclass(frozen=True)
class Limits:
    """Shares of the device that routed estimates may take, FINN's for timing closure by default; inf = no limit."""

    lut: float = 0.7
    ff: float = 0.5
    bram18: float = 0.8
    dsp: float = 0.8

    def __post_init__(self) -> None:
        """Reject shares that are no positive number.

        Raises:
            OptionError: A share is zero, negative or NaN.
        """
        for name in ("lut", "ff", "bram18", "dsp"):
            if not getattr(self, name) > 0:
                raise OptionError(f"limit {name}: {getattr(self, name)} is no positive share of the device")


def schedule(
    specs: Sequence[LayerSpec],
    board: Board,
    *,
    clock_mhz: float | None = None,
    limits: Limits | None = None,
    parallelism: Literal["search", "minimal"] = "search",
    target_interval: int | None = None,
) -> Schedule:
    """Choose the parallelism of every layer.

    Args:
        specs: Layers in order; each takes what the one before gives.
        board: Where it has to fit.
        clock_mhz: Clock in MHz; the board's default when absent.
        limits: Shares of the device that may be used; FINN's for timing closure when absent.
        parallelism: "search" finds the shortest interval inside the limits; "minimal" takes one lane everywhere and one
            word a cycle (the generic flavour).
        target_interval: Cycles; take the cheapest design that is at least this fast instead of the fastest.

    Returns:
        The schedule. When nothing fits it has minimal parallelism (or the cheapest at `target_interval`), `fits` is
        False and `overflow` says what is too large.

    Raises:
        OptionError: No layers, layers that do not join, an impossible clock, or a target that no parallelism reaches.
    """
    _check(specs, clock_mhz, target_interval, parallelism)
    base = Schedule(board, board.clock.mhz if clock_mhz is None else clock_mhz, (), ())
    limits = limits or Limits()
    minimal = replace(base, layers=tuple(LayerSchedule(s) for s in specs), edges=(1,) * (len(specs) + 1))
    if parallelism == "minimal":
        return _judged(minimal, limits)
    chain = Chain(specs, board)
    if target_interval is not None:
        fitting, closest = _at(chain, target_interval, base, limits)
        if fitting is None and closest is None:
            fastest = _fastest(chain, minimal.interval)
            raise OptionError(
                f"no parallelism reaches {target_interval} cycles an inference; the shortest is {fastest}"
            )
        return fitting or _judged(closest or minimal, limits)
    return _search(chain, minimal, base, limits)


def overflow(used: Usage, board: Board, limits: Limits) -> str:
    """Say which resources go beyond their limit and by how much; empty when all fit.

    Args:
        used: Routed estimate.
        board: The device.
        limits: Shares of it.
    """
    faults = []
    for key, label in (("dsp", "DSP"), ("bram18", "BRAM18"), ("lut", "LUT"), ("ff", "FF")):
        need, share, has = getattr(used, key), getattr(limits, key), getattr(board.resources, key)
        if share == inf or need <= share * has:
            continue
        ratio = f"{need / has:.2f} x the device" if has else "the device has none"
        faults.append(f"{label} {need} of {has}, limit {int(share * has)} ({ratio})")
    return "; ".join(faults)


def _search(chain: Chain, minimal: Schedule, base: Schedule, limits: Limits) -> Schedule:
    best, _ = _at(chain, minimal.interval, base, limits)
    if best is None:
        return _judged(minimal, limits)
    # `slow` always fits, `fast` never does; a cheapest design takes exactly the shortest interval that admits it.
    fast, slow = 0, minimal.interval
    while slow - fast > 1:
        middle = (fast + slow) // 2
        found, _ = _at(chain, middle, base, limits)
        if found is None:
            fast = middle
        else:
            best, slow = found, middle
    return best


def _at(chain: Chain, interval: int, base: Schedule, limits: Limits) -> tuple[Schedule | None, Schedule | None]:
    """Cheapest schedule at an interval that fits, and the first one tried (None: nothing is that fast)."""
    first: Schedule | None = None
    for weighting in range(len(WEIGHTS)):
        found = chain.cheapest(interval, weighting)
        if found is None:
            return None, None
        candidate = _judged(_filled(base, found), limits)
        if candidate.fits:
            return candidate, candidate
        first = first or candidate
    return None, first


def _fastest(chain: Chain, slow: int) -> int:
    fast = 0
    while slow - fast > 1:
        middle = (fast + slow) // 2
        fast, slow = (middle, slow) if chain.cheapest(middle, 0) is None else (fast, middle)
    return slow


def _filled(base: Schedule, found: Found) -> Schedule:
    return replace(base, layers=found.layers, edges=found.edges)


def _judged(candidate: Schedule, limits: Limits) -> Schedule:
    message = overflow(estimate(candidate).routed, candidate.board, limits)
    return replace(candidate, fits=not message, overflow=message)


def _check(specs: Sequence[LayerSpec], clock_mhz: float | None, target: int | None, parallelism: str) -> None:
    if not specs:
        raise OptionError("a schedule needs at least one layer")
    for left, right in pairwise(specs):
        if (left.m, left.out_bits) != (right.n, right.data_bits):
            raise OptionError(
                f"layers '{left.name}' and '{right.name}' do not join: {left.m} words of {left.out_bits} bits into "
                f"{right.n} of {right.data_bits}"
            )
    if clock_mhz is not None and not 0 < clock_mhz <= 1500:
        raise OptionError(f"clock {clock_mhz} MHz: must lie in (0, 1500]")
    if target is not None and target < 1:
        raise OptionError(f"target interval {target}: must be at least one cycle")
    if parallelism not in ("search", "minimal"):
        raise OptionError(f"parallelism '{parallelism}': must be 'search' or 'minimal'")
