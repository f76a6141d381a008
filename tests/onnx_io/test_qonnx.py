# SPDX-License-Identifier: Apache-2.0
"""QONNX's quantizers, spelt out in standard operators, against the formulas of the QONNX specification."""

import numpy as np
import pytest
from onnx import helper

import swm
from swm.errors import ModelError
from swm.graph import BipolarQuant, Linear, Opaque, Quant, Trunc, WeightFormat
from swm.onnx_io import from_proto, to_proto

from .support import make_model, run

ROUNDING = {
    "ROUND": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + np.float32(0.5)),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - np.float32(0.5)),
}
X = np.concatenate([np.arange(-40, 41) / 8, np.random.default_rng(3).normal(size=200) * 30]).astype(np.float32)[None]


def reference(x, scale, zero, bits, signed, narrow, mode):
    y = x / scale + zero
    if bits == 1 and signed:
        y = np.where(y >= 0, np.float32(1), np.float32(-1))
    else:
        low = -(2 ** (bits - 1)) + int(narrow) if signed else 0
        high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - int(narrow)
        y = ROUNDING[mode](np.clip(y, np.float32(low), np.float32(high)))
    return (y - zero) * scale


def model(op, weights, domain, opset, **attributes):
    node = helper.make_node(op, ["x", *weights], ["y"], domain=domain, **attributes)
    arrays = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    made = make_model([node], {"x": ("batch", X.shape[1])}, {"y": None}, arrays, opset=opset)
    if domain:
        made.opset_import.append(helper.make_opsetid(domain, 1))
    return made


def check(made, kind, wanted):
    graph = from_proto(made)
    assert [type(n) for n in graph.nodes] == [kind]
    np.testing.assert_array_equal(swm.run(graph, X), wanted)
    np.testing.assert_array_equal(run(to_proto(graph), {"x": X})[0], wanted)


@pytest.mark.parametrize("opset", [9, 11, 13, 21])
@pytest.mark.parametrize("mode", ROUNDING)
@pytest.mark.parametrize("signed, narrow, bits", [(1, 0, 4), (1, 1, 4), (0, 0, 3), (0, 1, 8), (1, 1, 1), (1, 0, 16)])
def test_quant(opset, mode, signed, narrow, bits):
    scale, zero = np.float32(0.25), np.float32(0 if signed else 2)
    made = model(
        "Quant", {"s": scale, "z": zero, "b": bits}, "qonnx.custom_op.general", opset,
        signed=signed, narrow=narrow, rounding_mode=mode,
    )  # fmt: skip
    check(made, Quant, reference(X, scale, zero, bits, signed, narrow, mode))


@pytest.mark.parametrize("domain", ["", "onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general"])
def test_every_domain_and_a_scale_for_each_channel(domain):
    scale = np.linspace(0.1, 2, X.shape[1], dtype=np.float32)
    made = model("Quant", {"s": scale, "z": 0, "b": 5}, domain, 11, signed=1, narrow=1, rounding_mode="ROUND")
    check(made, Quant, reference(X, scale, np.float32(0), 5, True, True, "ROUND"))


@pytest.mark.parametrize("opset", [9, 13])
def test_bipolar_quant(opset):
    check(
        model("BipolarQuant", {"s": 0.5}, "qonnx.custom_op.general", opset),
        BipolarQuant,
        np.where(X / np.float32(0.5) >= 0, np.float32(0.5), np.float32(-0.5)),
    )


@pytest.mark.parametrize("opset", [9, 13])
@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL"])
def test_trunc(opset, mode):
    scale, zero, taken, kept = np.float32(0.5), np.float32(3), 8, 5
    made = model("Trunc", {"s": scale, "z": zero, "i": taken, "o": kept}, "onnx.brevitas", opset, rounding_mode=mode)
    whole = np.round(X / scale + zero) / np.float32(2 ** (taken - kept))
    check(made, Trunc, (ROUNDING[mode](whole) - zero) * scale)


def test_quantized_weights_are_weights():
    weight = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    nodes = [
        helper.make_node("Quant", ["W", "s", "z", "b"], ["q"], domain="onnx.brevitas", signed=1, narrow=1),
        helper.make_node("MatMul", ["x", "q"], ["y"]),
    ]
    weights = {"W": weight, "s": np.float32(0.1), "z": np.float32(0), "b": np.float32(3)}
    made = make_model(nodes, {"x": (1, 6)}, {"y": None}, {k: np.asarray(v) for k, v in weights.items()})
    (layer,) = from_proto(made).nodes
    assert isinstance(layer, Linear)
    wanted = reference(weight, weights["s"], weights["z"], 3, True, True, "ROUND")
    np.testing.assert_array_equal(layer.weight.to_dense().T, wanted)


def test_formats_of_folded_weights_stay_through_every_step(tmp_path):
    quantized = [
        helper.make_node(
            "Quant", [t, f"{t}s", "z", f"{t}b"], [f"{t}q"], domain="onnx.brevitas", signed=1, narrow=t == "W"
        )
        for t in ("W", "V", "c")
    ]
    nodes = [
        *quantized,
        helper.make_node("Transpose", ["Wq"], ["Wt"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "Wt"], ["h"], "first"),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "Vq", "cq"], ["y"], "second"),
    ]
    rng = np.random.default_rng(0)
    weights = {"W": rng.normal(size=(8, 6)), "V": rng.normal(size=(8, 8)), "c": rng.normal(size=8), "z": 0.0}
    weights |= {"Ws": 0.25, "Vs": rng.uniform(0.1, 1, size=8), "cs": 0.5, "Wb": 2, "Vb": 4, "cb": 16}
    arrays = {k: np.asarray(v, np.float32) for k, v in weights.items()}
    wanted = {
        "first": {"weight": WeightFormat(2, True, True, 0.25)},
        "second": {"weight": WeightFormat(4, True, False, None), "bias": WeightFormat(16, True, False, 0.5)},
    }
    graph = from_proto(make_model(nodes, {"x": ("batch", 6)}, {"y": None}, arrays))
    for each in (graph, swm.simplify(graph), swm.convert(graph, block={"second": 4}).graph):
        assert each.weight_formats() == wanted
        swm.save(each, tmp_path / "m.onnx")
        assert swm.load(tmp_path / "m.onnx").weight_formats() == wanted


@pytest.mark.parametrize(
    "text", ["", "[]", "3", '{"first": 1}', '{"first": {"weight": {}}}', "[" * 100_000, "{nonsense"]
)
def test_formats_that_anyone_may_have_written_are_no_danger(text):
    made = model("Quant", {"s": 1, "z": 0, "b": 4}, "onnx.brevitas", 13)
    made.metadata_props.add(key="swm.weight_formats", value=text)
    assert from_proto(made).weight_formats() == {}


@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL"])
@pytest.mark.parametrize("signed, narrow, kept", [(1, 0, 5), (1, 1, 4), (0, 0, 5), (0, 1, 3)])
@pytest.mark.parametrize("factor", [4.0, 8.0, 1.0, 3.0])
@pytest.mark.parametrize("zero", [0, 3])
def test_second_trunc(mode, signed, narrow, kept, factor, zero):
    """As qonnx computes it: round, divide by a power of two near the ratio of scales, saturate, round, scale."""
    scale = np.float32(0.5)
    wide = np.float32(scale * factor)
    weights = {"s": scale, "z": zero, "i": 8, "os": wide, "oz": 0, "o": kept}
    attributes = {"rounding_mode": mode, "signed": signed, "narrow": narrow}
    made = model("Trunc", weights, "qonnx.custom_op.general", 13, **attributes)
    ratio = np.float32(2 ** np.round(np.log2(wide / scale)))
    low = -(2 ** (kept - 1)) + narrow if signed else 0
    high = 2 ** (kept - 1) - 1 if signed else 2**kept - 1 - narrow
    y = ROUNDING[mode](np.clip(np.round(X / scale + np.float32(zero)) / ratio, np.float32(low), np.float32(high)))
    check(made, Trunc, (y - np.float32(zero) / ratio) * wide)


CHANNELS_LAST = {
    "Conv": ({"w": (6, 3, 2, 4)}, {"strides": [2, 1], "pads": [1, 0, 1, 1], "kernel_shape": [3, 2]}),
    "MaxPool": ({}, {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 1, 0, 1]}),
    "BatchNormalization": ({"g": (4,), "b": (4,), "m": (4,), "v": (4,)}, {"epsilon": 1e-2}),
}


@pytest.mark.parametrize("op", CHANNELS_LAST)
@pytest.mark.parametrize("declared", [True, False])
def test_channels_last(op, declared):
    shapes, attributes = CHANNELS_LAST[op]
    rng = np.random.default_rng(0)
    weights = {k: rng.uniform(0.5, 2, size=s).astype(np.float32) for k, s in shapes.items()}
    x = rng.normal(size=(2, 5, 6, 4)).astype(np.float32)
    node = helper.make_node(op, ["x", *weights], ["y"], "wide", domain="qonnx.custom_op.channels_last", **attributes)
    made = make_model([node, helper.make_node("Relu", ["y"], ["z"])], {"x": (2, 5, 6, 4)}, {"z": None}, weights)
    if declared:
        made.graph.value_info.append(helper.make_tensor_value_info("y", 1, [None] * 4))
    graph = from_proto(made)
    assert not any(isinstance(n, Opaque) for n in graph.nodes)
    first = {k: np.ascontiguousarray(v.transpose(0, 3, 1, 2)) if v.ndim == 4 else v for k, v in weights.items()}
    standard = [helper.make_node(op, ["x", *weights], ["y"], **attributes), helper.make_node("Relu", ["y"], ["z"])]
    plain = make_model(standard, {"x": (2, 4, 5, 6)}, {"z": None}, first)
    wanted = run(plain, {"x": np.ascontiguousarray(x.transpose(0, 3, 1, 2))})[0].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(swm.run(graph, x), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(run(to_proto(graph), {"x": x})[0], wanted, rtol=1e-5, atol=1e-6)


def test_channels_last_of_unknown_rank_is_carried_along():
    node = helper.make_node("MaxPool", ["x"], ["y"], domain="qonnx.custom_op.channels_last", kernel_shape=[2, 2])
    assert isinstance(from_proto(make_model([node], {"x": None}, {"y": None})).nodes[0], Opaque)


def test_a_variable_bit_width_is_carried_and_an_impossible_one_refused():
    made = model("Quant", {"s": 1, "z": 0}, "qonnx.custom_op.general", 13)
    made.graph.node[0].input.append("x")
    assert isinstance(from_proto(made).nodes[0], Opaque)
    with pytest.raises(ModelError, match="bit width of 0"):
        from_proto(model("Quant", {"s": 1, "z": 0, "b": 0}, "qonnx.custom_op.general", 13))
    with pytest.raises(ModelError, match="inputs"):
        from_proto(model("Quant", {"s": 1}, "qonnx.custom_op.general", 13))
    with pytest.raises(ModelError, match="rounding mode"):
        from_proto(model("Quant", {"s": 1, "z": 0, "b": 4}, "onnx.brevitas", 13, rounding_mode="WILD"))


def test_a_scale_that_does_not_fit_is_one_error():
    """Found by the fuzz campaign."""
    node = helper.make_node("Quant", ["W", "s", "z", "b"], ["y"], domain="onnx.brevitas")
    arrays = {"W": np.ones((32, 5)), "s": np.ones(()), "z": np.zeros(4), "b": np.array(4.0)}
    weights = {k: v.astype(np.float32) for k, v in arrays.items()}
    with pytest.raises(ModelError, match=r"zero point of shape \(4,\) do not fit values of shape \(32, 5\)"):
        from_proto(make_model([node], {"x": (1,)}, {"y": None}, weights))
