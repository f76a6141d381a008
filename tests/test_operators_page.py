# SPDX-License-Identifier: Apache-2.0
"""The table of operators: made from the code, and the page in docs/ up to date with it."""

from pathlib import Path

from swm.operators import markdown, operator_table

PAGE = Path(__file__).resolve().parents[1] / "docs" / "operators.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == markdown(), "run: python -m swm.operators > docs/operators.md"


def test_where_operators_run():
    rows = {(r.domain, r.operator): r for r in operator_table()}
    gemm, relu, softmax, pad = (rows["", op] for op in ("Gemm", "Relu", "Softmax", "Pad"))
    assert (gemm.structured, gemm.fixed, gemm.hls) == ("yes", "kernel", "kernel")
    assert (relu.structured, relu.fixed) == ("", "kernel")
    assert softmax.hls == "host"
    assert (pad.structured, pad.fixed, pad.hls) == ("", "", "")
    assert rows["", "Identity"].hls == "removed"
    assert rows["onnx.brevitas", "Quant"].opsets == "1+"
