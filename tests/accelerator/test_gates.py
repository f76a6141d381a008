# SPDX-License-Identifier: Apache-2.0
"""Products of two activations value by value, and gates: one factor a channel for all positions of a frame."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import swm
from swm.accelerator.lower import hardware_findings
from swm.onnx_io import from_proto

RNG = np.random.default_rng(11)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs, [output], name=output, **attributes)


def graph_of(nodes, shape):
    weights = {
        "w": (6, 3, *(3,) * (len(shape) - 1)),
        "v": (6, 3, *(3,) * (len(shape) - 1)),
        "down": (2, 6, *(1,) * (len(shape) - 1)),
        "up": (6, 2, *(1,) * (len(shape) - 1)),
    }
    constants = {k: (RNG.normal(size=s) / 2).astype(np.float32) for k, s in weights.items()}
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    return from_proto(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "g.onnx")


GATED = [node("Conv", ["x", "w"], "a"), node("Conv", ["x", "v"], "b"), node("Sigmoid", ["b"], "s")]
CASES = {
    "squeeze and excitation": (
        (3, 7, 6),
        [
            node("Conv", ["x", "w"], "c"),
            node("GlobalAveragePool", ["c"], "m"),
            node("Conv", ["m", "down"], "d"),
            node("Relu", ["d"], "r"),
            node("Conv", ["r", "up"], "u"),
            node("Sigmoid", ["u"], "s"),
            node("Mul", ["s", "c"], "g"),
            node("Relu", ["g"], "y"),
        ],
    ),
    "gated convolution": ((3, 9), [*GATED, node("Mul", ["a", "s"], "y")]),
    "square": ((3, 9), [node("Conv", ["x", "w"], "a"), node("Mul", ["a", "a"], "y")]),
}


@pytest.mark.parametrize("name", CASES)
def test_products_of_activations(name, tmp_path):
    shape, nodes = CASES[name]
    graph = graph_of(nodes, shape)
    assert swm.check(graph).hardware == "all"
    x = RNG.normal(size=(24, *shape)).astype(np.float32)
    want = swm.run(graph, x)
    fixed = swm.quantize(graph, bits=14, calibration=x)
    assert "hadamard" in [spec.kind for spec in fixed.specs]
    np.testing.assert_allclose(swm.run(fixed, x), want, atol=2e-2 * np.abs(want).max())
    if name == "squeeze and excitation":
        project = swm.emit(fixed, path=tmp_path / "p", board="pynq-z2", backend="generic", vectors=x)
        result = project.verify()
        assert (result.ok, result.mismatches) == (True, 0)
        assert result.words == want.size


def test_a_factor_a_position_is_refused():
    nodes = [*GATED, node("ReduceMean", ["s"], "p", axes=[1]), node("Mul", ["a", "p"], "y")]
    (found,) = hardware_findings(graph_of(nodes, (3, 9)))
    assert (found.node, "a factor for each channel" in found.remedy) == ("y", True)


@pytest.mark.parametrize(("channels", "length"), [(7, 6), (6, 7), (6, 6)])
def test_a_mean_over_channels(channels, length):
    weights = {"w": RNG.normal(size=(channels, 3, 3)), "v": RNG.normal(size=(length, 4))}
    nodes = [node("Conv", ["x", "w"], "c"), node("ReduceMean", ["c"], "p", axes=[1], keepdims=0)]
    made = helper.make_graph(
        [*nodes, node("MatMul", ["p", "v"], "y")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, length + 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    graph = from_proto(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "g.onnx")
    x = RNG.normal(size=(20, 3, length + 2)).astype(np.float32)
    want = swm.run(graph, x)
    got = swm.run(swm.quantize(graph, bits=16, calibration=x), x)
    np.testing.assert_allclose(got, want, atol=2e-3 * np.abs(want).max())
