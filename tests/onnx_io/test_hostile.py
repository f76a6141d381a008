# SPDX-License-Identifier: Apache-2.0
"""What the fuzz campaign found, each in its smallest form: an orderly graph or one ModelError, never more."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import swm
from swm.errors import ModelError
from swm.graph import Opaque
from swm.onnx_io import from_proto, to_proto
from swm.onnx_io.read import memory

from .support import check, make_model

node = helper.make_node


@pytest.mark.parametrize("to", [0, 99, 1 << 33, (1 << 63) - 1, -(1 << 63)])
def test_element_types_of_any_number(to):
    """Protobuf raises ValueError where a number exceeds 32 bits."""
    graph = from_proto(make_model([node("Cast", ["x"], ["y"], to=to)], {"x": (2,)}, {"y": None}))
    assert isinstance(graph.nodes[0], Opaque)
    to_proto(graph)


def test_one_constant_folded_again_and_again(monkeypatch):
    monkeypatch.setattr(memory, "_FREE", 1 << 20)
    nodes = [node("Cast", ["c"], [f"t{i}"], to=TensorProto.DOUBLE) for i in range(20)]
    weights = {"c": np.zeros(1 << 14, np.int8)}
    wanted = [*nodes, node("Sum", [f"t{i}" for i in range(20)], ["y"])]
    with pytest.raises(ModelError, match=r"Cast node 'Cast_\d+', folded, would bring the arrays .* store them once"):
        from_proto(make_model(wanted, {"x": (2,)}, {"y": None}, weights))


def test_one_weight_scaled_again_and_again(monkeypatch):
    monkeypatch.setattr(memory, "_FREE", 1 << 16)
    nodes = [node("Gemm", ["x", "w"], [f"y{i}"], alpha=1.0 + i) for i in range(200)]
    model = make_model(nodes, {"x": (2, 32)}, {"y0": None}, {"w": np.ones((32, 32), np.float32)})
    with pytest.raises(ModelError, match="would bring the arrays"):
        from_proto(model)


@pytest.mark.parametrize("dims", [[1 << 40], [1 << 20, 1 << 20], [1 << 62, 1 << 62], [1 << 15, 1 << 16]])
def test_sparse_initialisers_of_absurd_size(dims):
    model = make_model([node("Relu", ["w"], ["y"])], {"x": (2,)}, {"y": None})
    values, indices = numpy_helper.from_array(np.float32([1]), "w"), numpy_helper.from_array(np.array([0]), "i")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, dims))
    with pytest.raises(ModelError, match=r"sparse initialiser 'w', written out, would bring"):
        from_proto(model)


def test_transpose_of_a_scalar():
    """Its perm is an empty list, of which onnx's helper cannot tell the type."""
    check(make_model([node("Transpose", ["x"], ["t"]), node("Relu", ["t"], ["y"])], {"x": ()}, {"y": ()}))


def test_what_no_handler_thought_of_is_one_error(monkeypatch):
    def careless(context, node):
        return {}["attribute"]

    monkeypatch.setattr("swm.onnx_io.read.reader.find", lambda *_: careless)
    node = helper.make_node("Relu", ["x"], ["y"], "first")
    with pytest.raises(ModelError, match=r"Relu node 'first': could not be read \(KeyError: 'attribute'\).*report"):
        from_proto(make_model([node], {"x": (1,)}, {"y": None}))


@pytest.mark.parametrize("op", ["Relu", "Mul"])
def test_check_makes_no_arrays_of_declared_size(op):
    """Found by the campaign: a scale in front of any layer was written out for 2^31 values, four times over."""
    node = helper.make_node(op, ["x", "w"] if op == "Mul" else ["x"], ["y"], "first")
    weights = {"w": np.full(1, 2, np.float32)} if op == "Mul" else {}
    graph = from_proto(make_model([node], {"x": ("batch", 1 << 31)}, {"y": None}, weights))
    assert "takes 2,147,483,648 channels" in swm.check(graph).nodes[0].reason
