# SPDX-License-Identifier: Apache-2.0
"""`subgraph_proto`: some nodes as a model of their own."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from swm.errors import ModelError
from swm.graph import TensorType
from swm.onnx_io import from_proto, subgraph_proto

from .support import make_model, run

node = helper.make_node


def chain(shape=(2, 3)):
    nodes = [node("Exp", ["x"], ["a"]), node("Pow", ["a", "k"], ["b"]), node("Softplus", ["b"], ["y"])]
    return from_proto(make_model(nodes, {"x": shape}, {"y": None}, {"k": np.float32([2, 3, 1])}))


def test_any_batch_runs():
    graph = chain()
    part = subgraph_proto(graph, graph.nodes[1:], ["a"], ["b", "y"])
    assert [i.name for i in part.graph.initializer] == ["k"]
    b, _ = run(part, {"a": np.full((7, 3), 2, np.float32)})
    np.testing.assert_array_equal(b, np.tile(np.float32([4, 8, 2]), (7, 1)))


def test_constants_can_be_fed():
    graph = chain()
    part = subgraph_proto(graph, graph.nodes[1:2], ["a", "k"], ["b"])
    assert not part.graph.initializer
    assert run(part, {"a": np.ones((1, 1), np.float32), "k": np.ones(1, np.float32)})[0].shape == (1, 1)


def test_unknown_input_types_are_an_error_unless_given():
    graph = from_proto(
        make_model(
            [node("Mystery", ["x"], ["a"], domain="my.domain"), node("Exp", ["a"], ["y"])],
            {"x": (2,)},
            {"y": (2,)},
        )
    )
    with pytest.raises(ModelError, match="'a'"):
        subgraph_proto(graph, graph.nodes[1:], ["a"], ["y"])
    part = subgraph_proto(graph, graph.nodes[1:], ["a"], ["y"], {"a": TensorType(TensorProto.FLOAT, None)})
    np.testing.assert_array_equal(run(part, {"a": np.zeros(3, np.float32)})[0], 1)


def test_captured_constants_come_along():
    out = [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)]
    branch = helper.make_graph([node("Add", ["a", "k"], ["o"])], "b", [], out)
    nodes = [node("Exp", ["x"], ["a"]), node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)]
    model = make_model(nodes, {"x": (2,)}, {"y": None}, {"k": np.float32([1, 2]), "c": np.array(True)})
    graph = from_proto(model)
    part = subgraph_proto(graph, graph.nodes[1:], ["a"], ["y"])
    np.testing.assert_array_equal(run(part, {"a": np.zeros(2, np.float32)})[0], [1, 2])
