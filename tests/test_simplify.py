# SPDX-License-Identifier: Apache-2.0
"""Simplification: smaller where it can be, the same numbers always, and the old graph whenever in doubt."""

import numpy as np
import onnx
import onnxslim
import pytest
from onnx import TensorProto, helper, numpy_helper

import swm
from swm.frontend import from_proto, save
from swm.graph import Linear, Opaque, Reshape


def exported():
    """What exporters write for `x.reshape(x.shape[0], -1) @ W`."""
    node = helper.make_node
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"], axis=0),
        node("Unsqueeze", ["n", "axes"], ["n1"]),
        node("Concat", ["n1", "rest"], ["shape"], axis=0),
        node("Reshape", ["x", "shape"], ["flat"]),
        node("MatMul", ["flat", "W"], ["y"]),
    ]
    weights = {
        "zero": np.array(0, np.int64),
        "axes": np.array([0], np.int64),
        "rest": np.array([-1], np.int64),
        "W": np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "exported",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 5])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_shape_chain_becomes_one_reshape_for_any_batch(tmp_path):
    graph = from_proto(exported())
    assert any(isinstance(n, Opaque) for n in graph.nodes)
    small = swm.simplify(graph)
    assert [type(n) for n in small.nodes] == [Reshape, Linear]
    for batch in (1, 4):
        x = np.random.default_rng(batch).normal(size=(batch, 3, 4)).astype(np.float32)
        np.testing.assert_allclose(swm.run(small, x), swm.run(graph, x), rtol=1e-6, atol=1e-6)
    save(graph, tmp_path / "m.onnx")
    assert [type(n) for n in swm.load(tmp_path / "m.onnx", simplify=True).nodes] == [Reshape, Linear]
    assert len(swm.load(tmp_path / "m.onnx").nodes) == len(graph.nodes)


def renamed(model):
    text = model.SerializeToString()
    return onnx.ModelProto.FromString(text.replace(b"\x01y", b"\x01z"))


def other_numbers(model):
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.node[:-1]
    changed.graph.node[0].input[0] = "r"
    shape = numpy_helper.from_array(np.array([-1, 12], np.int64), "s12")
    changed.graph.initializer.append(shape)
    doubled = helper.make_node("Add", ["x", "x"], ["xx"])
    reshape = helper.make_node("Reshape", ["xx", "s12"], ["r"])
    changed.graph.node.insert(0, reshape)
    changed.graph.node.insert(0, doubled)
    return changed


def failing(model):
    raise KeyError("inside the optimiser")


@pytest.mark.parametrize("wrong", [renamed, other_numbers, failing, lambda model: None, lambda model: model])
def test_an_optimiser_that_fails_leaves_the_graph(wrong, monkeypatch):
    graph = from_proto(exported())
    monkeypatch.setattr(onnxslim, "slim", wrong)
    assert swm.simplify(graph) is graph


def test_structured_layers_stay():
    graph = from_proto(exported())
    converted = swm.convert(swm.simplify(graph), block=4).graph
    assert swm.simplify(converted) is converted
