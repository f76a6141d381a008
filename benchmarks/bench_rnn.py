# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers with block-circulant gates under pytest-benchmark: `pytest benchmarks/bench_rnn.py`.

`swm bench rnn` measures the same with contenders in turns and the machine's limits; this keeps a history.
"""

import pytest

from swm.bench.rnn import CASES, layer_and_input
from swm.engine.kernels import CompiledEngine, Policy, dense_cell
from swm.engine.structured import StructuredLayer


@pytest.mark.parametrize("engine", ["compiled", "dense"])
@pytest.mark.parametrize("case", [case for case in CASES if case.quick], ids=lambda case: case.name)
def test_layer(benchmark, case, engine):
    if engine == "compiled" and CompiledEngine().missing():
        pytest.skip(CompiledEngine().missing())
    node, x = layer_and_input(case)
    if engine == "compiled":
        layer = StructuredLayer(node, Policy("eager", 1, "compiled"))
        run, argument = layer, [x]
    else:
        w, r = node.input_weight[0].to_dense(), node.recurrent_weight[0].to_dense()
        run, argument = dense_cell(case.kind, w, r, node.bias[0]), x
    benchmark.extra_info |= {"n": case.cells, "k": case.k, "batch": case.batch}
    benchmark.pedantic(run, args=(argument,), rounds=20, warmup_rounds=1)
