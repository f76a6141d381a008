# SPDX-License-Identifier: Apache-2.0
"""Interleaved timing: contenders take turns, so that a slow moment of the machine meets all of them."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["DISTURBED", "BlasThreads", "Timing", "interleaved", "undisturbed"]


@dataclass(frozen=True)
class Timing:
    """Seconds a call over the rounds.

    Attributes:
        median: the middle round.
        spread: distance between the quartiles over the median.
        best: the fastest round.
    """

    median: float
    spread: float
    best: float


class BlasThreads:
    """Sets how many threads numpy's BLAS uses; it can change between calls."""

    def __init__(self) -> None:
        """Find the BLAS libraries that are loaded."""
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

        self._controller: Any = ThreadpoolController()

    def limit(self, threads: int) -> AbstractContextManager[Any]:
        """A context in which BLAS uses `threads` threads."""
        context: AbstractContextManager[Any] = self._controller.limit(limits=threads, user_api="blas")
        return context


DISTURBED = 0.15  # cores that other processes may keep busy before a measurement is called disturbed
_ATTEMPTS = 2
_PAUSE = 1.0  # seconds between attempts


def _busy() -> tuple[float, float, float]:
    """(now, core seconds of the machine, those of this process and its ended children); Linux only, else zeros."""
    try:
        fields = [int(v) for v in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return time.perf_counter(), 0.0, 0.0
    own = os.times()
    whole = (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")  # all but idle and waiting
    return time.perf_counter(), whole, own.user + own.system + own.children_user + own.children_system


def undisturbed(measure: Callable[[], dict[str, Timing]]) -> tuple[dict[str, Timing], float]:
    """The quieter of up to two attempts, and how many cores other processes kept busy meanwhile."""
    attempts: list[tuple[float, dict[str, Timing]]] = []
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE)
        start, whole, own = _busy()
        timings = measure()
        end, whole_after, own_after = _busy()
        others = max(0.0, ((whole_after - whole) - (own_after - own)) / max(end - start, 1e-9))
        attempts.append((others, timings))
        if others < DISTURBED:
            break
    others, timings = min(attempts, key=lambda a: a[0])
    return timings, others


def interleaved(
    calls: Mapping[str, tuple[int, Callable[[], object]]],
    blas: BlasThreads,
    rounds: int,
    burst: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time several calls in turns.

    Args:
        calls: by name, BLAS threads to allow and the call.
        blas: the setter of BLAS threads.
        rounds: turns each call gets, after one that does not count.
        burst: seconds of repetitions in one turn; at least one call.
        clock: in seconds; `time.thread_time` leaves out what other processes take, where all runs on this thread.
    """
    counts: dict[str, int] = {}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, (threads, call) in calls.items():
            with blas.limit(threads):
                call()  # after another contender: bring back the caches, wake the threads
                if turn == 0:
                    start = clock()
                    call()
                    counts[name] = max(1, int(burst / max(clock() - start, 1e-7)))
                    continue
                start = clock()
                for _ in range(counts[name]):
                    call()
                seconds[name].append((clock() - start) / counts[name])
    return {name: _summary(values) for name, values in seconds.items()}


def _summary(values: list[float]) -> Timing:
    middle = statistics.median(values)
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else (middle, middle, middle)
    return Timing(middle, (high - low) / middle, min(values))
