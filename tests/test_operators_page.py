# SPDX-License-Identifier: Apache-2.0
"""The table of operators: made from the code, and the page in docs/ up to date with it."""

from pathlib import Path

from swm.operators import markdown, operator_table

PAGE = Path(__file__).resolve().parents[1] / "docs" / "operators.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == markdown(), "run: python -m swm.operators > docs/operators.md"


def test_where_operators_run():
    rows = {(r.domain, r.operator): r for r in operator_table()}
    gemm, relu, softmax, split, power = (rows["", op] for op in ("Gemm", "Relu", "Softmax", "Split", "Pow"))
    assert (gemm.structured, gemm.fixed, gemm.hls, gemm.rtl) == ("yes", "kernel", "kernel", "kernel")
    for op in ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "Pad", "Resize"):
        assert rows["", op].rtl == rows["", op].hls == "kernel", op
    assert (rows["", "Softmax"].rtl, rows["", "Reshape"].rtl) == ("kernel", "free")
    assert all(rows["", op].structured == "yes" for op in ("MatMul", "Einsum", "Conv", "LSTM", "GRU", "RNN"))
    assert rows["", "ConvTranspose"].structured == ""
    assert rows["qonnx.custom_op.channels_last", "BatchNormalization"].hls == ""
    assert (relu.structured, relu.fixed) == ("", "kernel")
    assert (softmax.fixed, softmax.hls) == ("kernel", "kernel")  # at the end of a network the host computes it
    assert (split.structured, split.fixed, split.hls) == ("", "kernel", "kernel")
    assert (power.structured, power.fixed, power.hls) == ("", "", "")
    assert rows["", "Identity"].hls == "removed"
    assert rows["onnx.brevitas", "Quant"].opsets == "1+"


def test_every_operator_that_the_issue_lists_is_typed():
    listed = """
    Gemm MatMul Einsum Conv ConvTranspose LSTM GRU RNN BatchNormalization LayerNormalization
    RMSNormalization GroupNormalization InstanceNormalization Relu LeakyRelu PRelu Elu Selu Gelu HardSigmoid
    HardSwish Swish Mish Softplus Sigmoid Tanh Softmax LogSoftmax Clip Erf Exp Sqrt Pow Abs Neg Reciprocal
    Add Sub Mul Div Min Max ReduceMean ReduceSum ReduceMax MaxPool AveragePool GlobalAveragePool
    GlobalMaxPool Pad Concat Split Slice Gather Transpose Reshape Flatten Squeeze Unsqueeze Expand Cast
    Identity Dropout Resize DepthToSpace ArgMax QuantizeLinear DequantizeLinear QLinearConv QLinearMatMul
    MatMulInteger ConvInteger Quant BipolarQuant Trunc
    """
    assert set(listed.split()) <= {row.operator for row in operator_table()}
