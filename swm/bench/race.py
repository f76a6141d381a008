# SPDX-License-Identifier: Apache-2.0
"""One case of a benchmark: our engines and dense ones take turns on the same data, and every pair becomes a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from swm.bench.machine import MachineLimits, describe, measure_limits
from swm.bench.timing import BlasThreads, Timing, interleaved, undisturbed

__all__ = ["Contender", "Effort", "Progress", "Race", "run_cases"]

Call = Callable[[], object]
Progress = Callable[[str, int, int], None]  # a case's name, how many are done, how many there are


class _Case(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def quick(self) -> bool: ...


_C = TypeVar("_C", bound=_Case)


@dataclass(frozen=True)
class Contender:
    """One of our engines.

    Attributes:
        label: its name in the race, unique for a number of threads; "auto" is the one that swm would choose.
        engine: what runs.
        threads: on so many.
        call: to be timed.
        error: largest deviation from float64 over the largest output.
        operations: float operations of a call.
        moved: bytes read or written at least once.
        working_set: bytes gone through again and again, where that is less.
    """

    label: str
    engine: str
    threads: int
    call: Call
    error: float
    operations: float
    moved: float
    working_set: float | None = None


@dataclass(frozen=True)
class Effort:
    """How much time a case is given: rounds, and seconds of repetitions in one turn."""

    rounds: int
    burst: float

    @classmethod
    def of(cls, quick: bool) -> Effort:
        """The usual one, or that of a quick run."""
        return cls(5, 0.004) if quick else cls(11, 0.01)


@dataclass(frozen=True)
class Race:
    """Where and how cases are timed."""

    blas: BlasThreads
    limits: MachineLimits
    effort: Effort

    def run(
        self,
        head: Mapping[str, Any],
        contenders: Sequence[Contender],
        dense: Mapping[int, Mapping[str, Call]],
        goal: float | None = None,
    ) -> list[dict[str, Any]]:
        """A row for each contender, beside the fastest dense engine on as many threads.

        Dense engines leave threads that spin for a while: so nothing that has several threads takes turns with what has
        one, and "auto" on several threads takes turns with itself on one only.

        Args:
            head: first keys of each row.
            contenders: all that run on the least number of threads race together.
            dense: baselines by number of threads and name; none for a number without baselines.
            goal: speed-up on one thread to reach.
        """
        threads = sorted({c.threads for c in contenders})
        first = threads[0]
        one = {f"swm {c.label}": (first, c.call) for c in contenders if c.threads == first}
        rivals = {t: {f"{name} {t}": (t, call) for name, call in dense.get(t, {}).items()} for t in threads}
        times, others = self._timed(rivals[first] | one)
        disturbance = {first: others}
        pairs: dict[str, Timing] = {}
        if len(threads) > 1:
            calls = {f"swm {c.label} {c.threads}": (c.threads, c.call) for c in contenders if c.label == "auto"}
            pairs, others = self._timed(calls)
        for t in threads[1:]:
            disturbance[t] = others
            if rivals[t]:
                several, busy = self._timed(rivals[t])
                times |= several
                disturbance[t] = max(others, busy)
        rows = []
        for c in contenders:
            own = times[f"swm {c.label}"] if c.threads == first else pairs[f"swm {c.label} {c.threads}"]
            gain = pairs["swm auto " + str(first)].median / own.median if c.threads > first else None
            row = {**head, "threads": c.threads, **_against(own, {name: times[name] for name in rivals[c.threads]})}
            row["limit_fraction"] = self.limits.fraction(
                c.operations, c.moved, own.median, c.threads, working_set=c.working_set
            )
            row |= {"engine": c.engine, "chosen": c.label == "auto", "error": c.error}
            row |= {"operations": c.operations, "bytes": c.moved, "others_busy": disturbance[c.threads]}
            row |= {"goal": goal if c.label == "auto" and c.threads == 1 else None, "thread_gain": gain}
            rows.append(row)
        return rows

    def _timed(self, calls: Mapping[str, tuple[int, Call]]) -> tuple[dict[str, Timing], float]:
        return undisturbed(lambda: interleaved(calls, self.blas, self.effort.rounds, self.effort.burst))


def run_cases(
    benchmark: str,
    cases: Sequence[_C],
    run_case: Callable[[_C, Race], list[dict[str, Any]]],
    quick: bool,
    progress: Progress | None,
) -> dict[str, Any]:
    """A benchmark's JSON: machine, limits and the rows of all cases, or of the quick ones.

    Raises:
        ToolError: no compiler for the probes.
    """
    machine, limits = describe(), measure_limits()
    race = Race(BlasThreads(), limits, Effort.of(quick))
    chosen = [c for c in cases if c.quick or not quick]
    rows = []
    for done, case in enumerate(chosen):
        if progress:
            progress(case.name, done, len(chosen))
        rows += run_case(case, race)
    return {"benchmark": benchmark, "quick": quick, "machine": machine, "limits": limits.to_json(), "rows": rows}


def _against(own: Timing, rivals: Mapping[str, Timing]) -> dict[str, Any]:
    best = min(rivals, key=lambda name: rivals[name].median) if rivals else None
    row: dict[str, Any] = {"dense_ms": None, "swm_ms": 1e3 * own.median, "speedup": None, "baseline": None}
    row |= {"spread": own.spread, "dense_spread": None}
    if best is not None:
        rival = rivals[best]
        row |= {"dense_ms": 1e3 * rival.median, "speedup": rival.median / own.median, "dense_spread": rival.spread}
        row["baseline"] = best.rsplit(" ", 1)[0]
    return row
