# SPDX-License-Identifier: Apache-2.0
"""Block-circulant products under pytest-benchmark: `pytest benchmarks/bench_matmul.py`.

`swm bench kernels` measures the same with contenders in turns and the machine's limits; this keeps a history.
"""

import numpy as np
import pytest

from swm.bench.kernels import CASES
from swm.bench.timing import BlasThreads
from swm.engine.kernels import ENGINES, BlockMatmul
from swm.structure import BlockCirculant


@pytest.mark.parametrize("engine", ["auto", *ENGINES])
@pytest.mark.parametrize("case", [case for case in CASES if case.quick], ids=lambda case: case.name)
def test_product(benchmark, case, engine):
    if engine != "auto" and ENGINES[engine].missing():
        pytest.skip(ENGINES[engine].missing())
    rng = np.random.default_rng(0)
    blocks = case.n // case.k
    product = BlockMatmul(BlockCirculant(rng.normal(size=(blocks, blocks, case.k)).astype(np.float32)), engine=engine)
    x = rng.normal(size=(case.batch, case.n)).astype(np.float32)
    out = np.empty_like(x)
    benchmark.extra_info |= {"n": case.n, "k": case.k, "batch": case.batch}
    with BlasThreads().limit(1):
        benchmark.pedantic(product, args=(x, out), rounds=20, iterations=1 if case.batch > 1 else 50, warmup_rounds=1)
