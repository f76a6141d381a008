# SPDX-License-Identifier: Apache-2.0
"""Block-circulant convolutions under pytest-benchmark: `pytest benchmarks/bench_conv.py`.

`swm bench conv` measures the same with contenders in turns and the machine's limits; this keeps a history.
"""

import math

import numpy as np
import pytest

from swm.bench.conv import CASES
from swm.engine.kernels import CompiledConv, CompiledEngine, dense_conv
from swm.structure import BlockCirculantConv


@pytest.mark.parametrize("engine", ["compiled", "dense"])
@pytest.mark.parametrize("case", [case for case in CASES if case.quick], ids=lambda case: case.name)
def test_convolution(benchmark, case, engine):
    if engine == "compiled" and CompiledEngine().missing():
        pytest.skip(CompiledEngine().missing())
    rng = np.random.default_rng(0)
    blocks = case.channels // case.k
    columns = rng.normal(size=(math.prod(case.kernel), blocks, blocks, case.k)).astype(np.float32)
    weight = BlockCirculantConv(columns, (case.channels,) * 2, case.kernel)
    run = CompiledConv(weight, case.geometry) if engine == "compiled" else dense_conv(weight.to_tensor(), case.geometry)
    x = rng.normal(size=(case.batch, case.channels, *case.image)).astype(np.float32)
    benchmark.extra_info |= {"n": case.channels, "k": case.k, "batch": case.batch}
    benchmark.pedantic(run, args=(x,), rounds=20, warmup_rounds=1)
