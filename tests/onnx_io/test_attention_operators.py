# SPDX-License-Identifier: Apache-2.0
"""Attention in one node against onnxruntime, as the products and the Softmax that it becomes."""

import numpy as np
import pytest
from onnx import helper

from swm.graph import MatMul, Opaque, Softmax
from swm.onnx_io import from_proto

from .support import check, make_model

KEEP = np.array([[1, 0, 1, 1, 0], [0, 1, 1, 0, 1], [1, 1, 1, 1, 1]], bool)


def model(queries, keys, mask=None, op="Attention", domain="", **attributes):
    """Of a batch of 2; a mask is a constant, or the shape of an input."""
    inputs, weights = {"q": queries, "k": keys, "v": keys}, {}
    names = [*inputs]
    if mask is not None:
        names += ["m"] if op == "Attention" else ["", "", "m"]
        if isinstance(mask, tuple):
            inputs["m"] = mask
        else:
            weights["m"] = mask
    node = helper.make_node(op, names, ["y"], domain=domain, **attributes)
    made = make_model([node], inputs, {"y": None}, weights, opset=23)
    if domain:
        made.opset_import.append(helper.make_opsetid(domain, 1))
    return made


@pytest.mark.parametrize(
    ("queries", "keys", "mask", "attributes"),
    [
        ((2, 4, 5, 3), (2, 4, 5, 3), None, {"is_causal": 1}),
        ((2, 4, 3, 6), (2, 2, 5, 6), KEEP, {"scale": 0.3}),
        ((2, 3, 12), (2, 5, 6), KEEP.astype(np.float32), {"q_num_heads": 4, "kv_num_heads": 2}),
        ((2, 3, 8), (2, 5, 8), None, {"op": "MultiHeadAttention", "domain": "com.microsoft", "num_heads": 2}),
        (
            (2, 3, 8),
            (2, 5, 8),
            KEEP[None, None].astype(np.float32),
            {"op": "MultiHeadAttention", "domain": "com.microsoft", "num_heads": 2},
        ),
    ],
)
def test_attention_is_products_and_a_softmax(queries, keys, mask, attributes):
    made = model(queries, keys, mask, **attributes)
    graph = from_proto(made)
    assert [type(n) for n in graph.nodes].count(MatMul) == 2
    assert [type(n) for n in graph.nodes].count(Softmax) == 1
    assert not any(isinstance(n, Opaque) for n in graph.nodes)
    check(made)


@pytest.mark.parametrize(
    ("mask", "attributes"),
    [((3, 5), {}), (np.zeros((3, 5), bool), {}), (None, {"softcap": 5.0})],
    ids=["an input", "a row of nothing", "softcap"],
)
def test_other_forms_are_carried_along(mask, attributes):
    made = model((2, 4, 3, 6), (2, 4, 5, 6), mask, **attributes)
    (only,) = from_proto(made).nodes
    assert isinstance(only, Opaque)
