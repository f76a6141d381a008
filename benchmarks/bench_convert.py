# SPDX-License-Identifier: Apache-2.0
"""Conversion by least squares under pytest-benchmark: `pytest benchmarks/bench_convert.py`.

`swm bench convert` measures the same in processes of their own, with the memory that each needs; this keeps a history.
"""

import pytest

from swm import compress, onnx_io
from swm.bench.convert import CASES, calibration, write_model


@pytest.mark.parametrize("case", [case for case in CASES if case.quick], ids=lambda case: case.name)
def test_convert(benchmark, case, tmp_path):
    write_model(case, tmp_path / "model.onnx")
    graph = onnx_io.load(tmp_path / "model.onnx")
    feeds = {"x": calibration(case)}
    benchmark.extra_info |= {"n": case.n, "k": case.k, "batch": case.samples}
    benchmark.pedantic(compress.convert, args=(graph, feeds), kwargs={"block": case.k}, rounds=3)
