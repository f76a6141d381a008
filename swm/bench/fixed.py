# SPDX-License-Identifier: Apache-2.0
"""The integer engines against each other on the bundled network's shape: 784-512-512-10, block 8, 12 bits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.integers import run_integers
from swm.accelerator.integers_compiled import run_integers_fast
from swm.bench.machine import describe, measure_limits
from swm.bench.timing import BlasThreads, interleaved, undisturbed
from swm.layers.circulant import CirculantSpec
from swm.layers.circulant.spec import forward_shifts
from swm.layers.dense import DenseSpec
from swm.layers.values import FixedLayer, Format, TensorShape

__all__ = ["GOAL", "network", "run_fixed_bench"]

GOAL = 1e10  # dense-equivalent multiply-accumulates a second, two threads
_BITS, _BLOCK = 12, 8
_SIZES = (784, 512, 512, 10)


def network() -> FixedGraph:
    """Random weights in the shapes of the bundled network: two circulant layers with ReLU and a dense one."""
    rng = np.random.default_rng(0)
    layers = []
    form, out = Format(_BITS, _BITS - 1), Format(_BITS, _BITS - 3)
    for index, (n, m) in enumerate(pairwise(_SIZES)):
        last = index == len(_SIZES) - 2
        ends = ((TensorShape(n, _BITS),), TensorShape(m, _BITS))
        spec: CirculantSpec | DenseSpec
        if last:
            spec = DenseSpec(f"l{index}", *ends, weight_bits=_BITS)
            shape: tuple[int, ...] = (m, n)
        else:
            shifts = forward_shifts(_BITS, _BLOCK)
            spec = CirculantSpec(f"l{index}", *ends, "relu", block=_BLOCK, weight_bits=_BITS, fft_shifts=shifts)
            shape = (spec.p, spec.q, _BLOCK // 2, 2)
        arrays = {
            "weights": rng.integers(-1 << 9, 1 << 9, size=shape),
            "bias": rng.integers(-1 << 10, 1 << 10, size=m),
        }
        tensors = "x" if index == 0 else f"t{index - 1}", "y" if last else f"t{index}"
        layers.append(
            FixedLayer(spec, spec.name, tensors[:1], tensors[1], (form,), out, arrays, _BITS - 1, 0 if last else 9)
        )
    return FixedGraph("bench", tuple(layers), None, None, _BITS, "x", "y", "y", {})


def run_fixed_bench(*, quick: bool = False, progress: Callable[[str, int, int], None] | None = None) -> dict[str, Any]:
    """Time both integer engines, 1 and 2 threads; the words and counts of both are compared first.

    Raises:
        ToolError: no compiler for the probes.
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
            8 * s.words * s.p * s.q if isinstance(s, CirculantSpec) else 2 * s.m * s.n for s in graph.specs
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
