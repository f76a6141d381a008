# SPDX-License-Identifier: Apache-2.0
"""Initial states that are zeros whatever the batch, and values that no runtime could read."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import swm
from swm.compress import prepared
from swm.graph import LSTM, Opaque
from swm.graph.graph import Graph


def started_by(value: TensorProto | None) -> Graph:
    """An LSTM whose h is filled with a value in the shape that a constant gives; the node is damaged after loading."""
    rng = np.random.default_rng(0)
    arrays = {
        "w": rng.normal(size=(1, 16, 3)).astype(np.float32),
        "r": rng.normal(size=(1, 16, 4)).astype(np.float32),
        "shape": np.array([1, 2, 4]),
    }
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["h"]),
        helper.make_node("LSTM", ["x", "w", "r", "", "", "h"], ["y"], hidden_size=4),
    ]
    ends = (
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [5, 2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    tensors = [numpy_helper.from_array(a, n) for n, a in arrays.items()]
    model = helper.make_model(helper.make_graph(nodes, "g", *ends, tensors), ir_version=8)
    model.opset_import[0].version = 13
    graph = swm.load(model)
    (fill,) = (n for n in graph.nodes if isinstance(n, Opaque))
    proto = onnx.NodeProto.FromString(fill.proto)
    if value is not None:
        proto.attribute.append(helper.make_attribute("value", value))
    damaged = Opaque(
        name=fill.name, inputs=fill.inputs, outputs=fill.outputs, op_type=fill.op_type, domain="",
        proto=proto.SerializeToString(),
    )  # fmt: skip
    return graph.with_replaced(fill, damaged)


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (None, False),
        (numpy_helper.from_array(np.zeros(1, np.float32)), False),
        (numpy_helper.from_array(np.ones(1, np.float32)), True),
        (TensorProto(dims=[1], data_type=TensorProto.UNDEFINED), True),
        (TensorProto(dims=[7], data_type=TensorProto.FLOAT, raw_data=b"1"), True),
    ],
)
def test_zeros_are_left_out_and_damage_is_not_zero(value, left):
    (cell,) = (n for n in prepared(started_by(value)).nodes if isinstance(n, LSTM))
    assert ("h" in cell.inputs) == left
