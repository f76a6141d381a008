# SPDX-License-Identifier: Apache-2.0
"""What scikit-learn's pipelines put before a network, against onnxruntime."""

import numpy as np
import pytest
from onnx import TensorProto, helper

import swm
from swm.errors import ModelError
from swm.graph import Affine, Linear, Opaque
from swm.onnx_io import from_proto, to_proto

from .support import make_model, run

RNG = np.random.default_rng(5)
X = (1000 + RNG.normal(size=(7, 6))).astype(np.float32)


def pipeline(offset, scale, kind=TensorProto.FLOAT):
    """A scaler, a matrix, and a bias that exporters write with an axis of its own."""
    made = make_model(
        [
            helper.make_node("Scaler", ["x"], ["s"], domain="ai.onnx.ml", offset=offset, scale=scale),
            helper.make_node("MatMul", ["s", "w"], ["m"]),
            helper.make_node("Add", ["m", "b"], ["y"]),
        ],
        {"x": (None, 6)},
        {"y": None},
        {"w": RNG.normal(size=(6, 4)).astype(np.float32), "b": RNG.normal(size=(1, 4)).astype(np.float32)},
    )
    made.graph.input[0].type.tensor_type.elem_type = kind
    made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    return made


@pytest.mark.parametrize("count", [1, 6])
def test_scaler(count):
    made = pipeline([999.0] * count, np.linspace(0.5, 2, count).tolist())
    graph = from_proto(made)
    assert {type(n) for n in graph.nodes} <= {Affine, Linear}
    (wanted,) = run(made, {"x": X})
    np.testing.assert_allclose(swm.run(graph, X), wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(run(to_proto(graph), {"x": X})[0], wanted, rtol=1e-5, atol=1e-5)


def test_a_scaler_of_doubles_is_carried_along_and_what_follows_is_typed():
    made = pipeline([999.0], [0.5], TensorProto.DOUBLE)
    graph = from_proto(made)
    assert [type(n) for n in graph.nodes] == [Opaque, Linear]
    np.testing.assert_allclose(swm.run(graph, X.astype(np.float64)), run(made, {"x": X.astype(np.float64)})[0], 1e-5)


def test_a_scaler_with_nan_is_named():
    with pytest.raises(ModelError, match=r"Scaler node .*NaN or infinite"):
        from_proto(pipeline([float("nan")], [1.0]))
