# SPDX-License-Identifier: Apache-2.0
"""The integer engines under pytest-benchmark: `pytest benchmarks/bench_fixed.py`."""

import numpy as np
import pytest

from swm.accelerator.integers import run_integers
from swm.accelerator.integers_compiled import run_integers_fast
from swm.bench.fixed_cases import network

SAMPLES = 512


@pytest.mark.parametrize("engine", ["numpy", "compiled 1", "compiled 2"])
def test_integers(benchmark, engine):
    graph = network()
    x = np.random.default_rng(0).integers(-1 << 11, 1 << 11, size=(SAMPLES, 784))
    benchmark.extra_info |= {"macs": SAMPLES * sum(spec.m * spec.n for spec in graph.specs)}
    if engine == "numpy":
        benchmark.pedantic(run_integers, args=(graph, x), rounds=5, warmup_rounds=1)
    else:
        threads = int(engine[-1])
        benchmark.pedantic(run_integers_fast, args=(graph, x, threads), rounds=20, warmup_rounds=1)
