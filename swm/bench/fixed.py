# SPDX-License-Identifier: Apache-2.0
"""The integer engines against each other on the bundled network's shape: 784-512-512-10, block 8, 12 bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from swm.bench.machine import describe, measure_limits
from swm.bench.timing import BlasThreads, interleaved, undisturbed
from swm.engine import run_integers
from swm.engine.kernels import run_integers_fast
from swm.fixed import FixedGraph, FixedLayer
from swm.fixed._graph import Format
from swm.fixed.spec import LayerSpec

__all__ = ["GOAL", "network", "run_fixed_bench"]

GOAL = 1e10  # dense-equivalent multiply-accumulates a second, two threads
_BITS, _BLOCK = 12, 8
_SIZES = (784, 512, 512, 10)


def network() -> FixedGraph:
    """Random weights in the shapes of the bundled network: two circulant layers with ReLU and a dense one."""
    rng = np.random.default_rng(0)
    layers = []
    for index, (n, m) in enumerate(pairwise(_SIZES)):
        kind, block = ("circulant", _BLOCK) if m % _BLOCK == 0 else ("dense", 1)
        activation = "relu" if index < len(_SIZES) - 2 else "identity"
        spec = LayerSpec(f"l{index}", kind, m, n, block, _BITS, _BITS, _BITS, activation, 0)  # type: ignore[arg-type]
        circulant = kind == "circulant"
        spec = replace(spec, bias_bits=spec.inverse_bits if circulant else spec.accumulator_bits)
        shape = (spec.p, spec.q, block // 2, 2) if circulant else (m, n)
        weights = rng.integers(-1 << 9, 1 << 9, size=shape)
        bias = rng.integers(-1 << 10, 1 << 10, size=m)
        form, out = Format(_BITS, _BITS - 1), Format(_BITS, _BITS - 3)
        layers.append(FixedLayer(spec, spec.name, weights, bias, form, _BITS - 1, 9 if circulant else 0, out))
    return FixedGraph("bench", tuple(layers), (), None, _BITS, "x", "y", {})


def run_fixed_bench(*, quick: bool = False, progress: Callable[[str, int, int], None] | None = None) -> dict[str, Any]:
    """Time both integer engines, 1 and 2 threads; the words and counts of both are compared first.

    Raises:
        ToolError: no compiler for the probes, or threadpoolctl is missing.
    """
    blas = BlasThreads()
    machine, limits = describe(), measure_limits()
    graph = network()
    macs = sum(n * m for n, m in pairwise(_SIZES))
    samples, slow = (4096, 256) if quick else (16384, 512)
    x = np.random.default_rng(1).integers(-1 << 11, 1 << 11, size=(samples, _SIZES[0]))
    slow_words, slow_counts = run_integers(graph, x[:slow])
    words, counts = run_integers_fast(graph, x[:slow], threads=2)
    equal = bool(np.array_equal(words, slow_words)) and counts == slow_counts
    if progress:
        progress("integer engines", 0, 1)
    calls: dict[str, tuple[int, Callable[[], object]]] = {"numpy 1": (1, lambda: run_integers(graph, x[:slow]))}
    for threads in (1, 2):
        calls[f"compiled {threads}"] = (1, lambda threads=threads: run_integers_fast(graph, x, threads=threads))  # type: ignore[misc]
    times, others = undisturbed(lambda: interleaved(calls, blas, 5 if quick else 11, 0.0))
    numpy_rate = times["numpy 1"].median / slow
    rows = []
    for name, timing in times.items():
        engine, count = name.split(" ")
        threads = int(count)
        seconds = timing.median / (slow if engine == "numpy" else samples)
        real = sum(
            8 * (s.block // 2) * s.p * s.q if s.kind == "circulant" else 2 * s.m * s.n for s in graph.specs
        )  # spectral products only: transforms at k = 8 have hardly a multiplication
        row: dict[str, Any] = {"case": "mlp 784-512-512-10, 12 bits", "n": _SIZES[0], "k": _BLOCK}
        row |= {"batch": slow if engine == "numpy" else samples, "threads": threads}
        row |= {"dense_ms": 1e3 * numpy_rate, "swm_ms": 1e3 * seconds, "speedup": numpy_rate / seconds}
        # float64: half the lanes of float32
        row["limit_fraction"] = 2 * real / limits.flops / (seconds * threads)
        row |= {"engine": engine, "baseline": "numpy int64 (run_integers)", "error": 0.0 if equal else None}
        row |= {"spread": timing.spread, "macs_per_second": macs / seconds, "equal": equal, "others_busy": others}
        row["goal"] = GOAL if name == "compiled 2" else None
        rows.append(row)
    result: dict[str, Any] = {"benchmark": "fixed", "quick": quick, "machine": machine}
    return {**result, "limits": limits.to_json(), "unit": "milliseconds a sample", "rows": rows}
