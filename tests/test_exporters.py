# SPDX-License-Identifier: Apache-2.0
"""Patterns that torch's exporters write, rebuilt node by node: read, simplified, run and converted as torch meant."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import swm
from swm.frontend import from_proto
from swm.graph import Cast, Conv


def test_zeros_in_place_of_an_absent_bias_leave_a_convolution(tmp_path):
    """torch's dynamo exporter without its optimiser: CastLike(0, x) expanded to the kernel's first dimension."""
    node = helper.make_node
    nodes = [
        node("Shape", ["w"], ["m"], end=1),
        node("Expand", ["m", "one"], ["size"]),
        node("CastLike", ["zero", "x"], ["typed"]),
        node("Expand", ["typed", "size"], ["b"]),
        node("Conv", ["x", "w", "b"], ["y"], pads=[1, 1, 1, 1]),
    ]
    weights = {
        "w": np.random.default_rng(0).normal(size=(16, 16, 3, 3)).astype(np.float32),
        "one": np.array([1], np.int64),
        "zero": np.array(0, np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "biased",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 16, 6, 6])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    loaded = from_proto(model)
    small = swm.simplify(loaded)
    assert [type(n) for n in small.nodes] == [Conv]
    x = np.random.default_rng(1).normal(size=(2, 16, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(swm.run(small, x), swm.run(loaded, x), rtol=1e-5, atol=1e-5)


def test_cast_like_a_tensor_of_known_type_is_a_cast():
    node = helper.make_node("CastLike", ["x", "like"], ["y"])
    graph = helper.make_graph(
        [node],
        "cast",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [3])],
        [numpy_helper.from_array(np.array(0, np.int64), "like")],
    )
    for opset in (15, 19, 24):
        loaded = from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10))
        assert [type(n) for n in loaded.nodes] == [Cast]
        np.testing.assert_array_equal(swm.run(loaded, np.array([1.5, -2.5, 3], np.float32)), [1, -2, 3])
