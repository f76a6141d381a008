# SPDX-License-Identifier: Apache-2.0
"""The integer engines against each other: the bundled network's shape, and every kind of layer alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from swm.accelerator.integers import run_integers
from swm.accelerator.integers_compiled import run_integers_fast
from swm.bench.fixed_cases import BITS, Case, cases
from swm.bench.machine import describe, measure_limits
from swm.bench.timing import BlasThreads, interleaved, undisturbed

__all__ = ["GOAL", "run_fixed_bench"]

GOAL = 1e10  # dense-equivalent multiply-accumulates a second of the first case, two threads
_THREADS = (1, 2)


def run_fixed_bench(*, quick: bool = False, progress: Callable[[str, int, int], None] | None = None) -> dict[str, Any]:
    """Time both integer engines, 1 and 2 threads; the words and counts of both are compared first.

    Raises:
        ToolError: no compiler for the probes.
    """
    blas = BlasThreads()
    machine, limits = describe(), measure_limits()
    rows = []
    tried = cases()
    for number, case in enumerate(tried):
        if progress:
            progress(case.name, number, len(tried))
        rows += _rows(case, blas, limits.flops, first=number == 0, quick=quick)
    result: dict[str, Any] = {"benchmark": "fixed", "quick": quick, "machine": machine}
    return {**result, "limits": limits.to_json(), "unit": "milliseconds a sample", "rows": rows}


def _rows(case: Case, blas: BlasThreads, flops: float, *, first: bool, quick: bool) -> list[dict[str, Any]]:
    graph = case.graph
    samples, slow = case.samples // (4 if quick else 1), max(16, case.samples // (64 if quick else 32))
    high = 1 << (BITS - 1)
    x = np.random.default_rng(1).integers(-high, high, size=(samples, graph.inputs))
    slow_words, slow_counts = run_integers(graph, x[:slow])
    words, counts = run_integers_fast(graph, x[:slow], threads=2)
    equal = bool(np.array_equal(words, slow_words)) and counts == slow_counts
    calls: dict[str, tuple[int, Callable[[], object]]] = {"numpy 1": (1, lambda: run_integers(graph, x[:slow]))}
    for threads in _THREADS:
        calls[f"compiled {threads}"] = (1, lambda threads=threads: run_integers_fast(graph, x, threads=threads))  # type: ignore[misc]
    times, others = undisturbed(lambda: interleaved(calls, blas, 5 if quick else 11, 0.0))
    numpy_rate = times["numpy 1"].median / slow
    rows = []
    for name, timing in times.items():
        engine, count = name.split(" ")
        threads = int(count)
        seconds = timing.median / (slow if engine == "numpy" else samples)
        row: dict[str, Any] = {"case": case.name, "n": graph.first.spec.n, "k": case.block}
        row |= {"batch": slow if engine == "numpy" else samples, "threads": threads}
        row |= {"dense_ms": 1e3 * numpy_rate, "swm_ms": 1e3 * seconds, "speedup": numpy_rate / seconds}
        # float64: half the lanes of float32
        row["limit_fraction"] = 2 * case.flops / flops / (seconds * threads)
        row |= {"engine": engine, "baseline": "numpy int64 (run_integers)", "error": 0.0 if equal else None}
        row |= {"spread": timing.spread, "macs_per_second": case.counted / seconds, "equal": equal}
        row |= {"others_busy": others, "goal": GOAL if first and name == "compiled 2" else None}
        rows.append(row)
    return rows
