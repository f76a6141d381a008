# SPDX-License-Identifier: Apache-2.0
"""Rotary position embeddings in one node against onnxruntime, as the products that they become."""

import numpy as np
import pytest
from onnx import helper

from swm.graph import Opaque, rotations_of
from swm.onnx_io import from_proto

from .support import check, make_model

CACHE = np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)  # cosines and sines of 3 pairs
PLACES = np.array([[4, 0, 7, 2, 2]] * 2)


def model(shape, places=PLACES, caches=CACHE, domain="", **attributes):
    """Of a batch of 2 and 5 tokens; without `places` the caches are those of the tokens."""
    weights = dict(zip("cs", caches, strict=True))
    if places is None:
        weights = {name: np.repeat(cache[None, :5], 2, axis=0) for name, cache in weights.items()}
    names = ["x", "c", "s"]
    if places is not None:
        weights["p"] = places
        names = ["x", "p", "c", "s"] if domain else [*names, "p"]
    node = helper.make_node("RotaryEmbedding", names, ["y"], domain=domain, **attributes)
    made = make_model([node], {"x": shape}, {"y": None}, weights, opset=23)
    if domain:
        made.opset_import.append(helper.make_opsetid(domain, 1))
    return made


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 4, 5, 6), {}),
        ((2, 4, 5, 6), {"places": None, "interleaved": 1}),
        ((2, 5, 12), {"num_heads": 2}),
        ((2, 5, 24), {"num_heads": 2, "rotary_embedding_dim": 6}),
        ((2, 3, 5, 8), {"interleaved": 1, "rotary_embedding_dim": 6}),
        ((2, 5, 12), {"places": np.array([3]), "domain": "com.microsoft"}),
        ((2, 4, 5, 6), {"interleaved": 1, "domain": "com.microsoft"}),
    ],
)
def test_a_rotation_is_products_of_pairs(shape, options):
    made = model(shape, **options)
    graph = from_proto(made)
    assert not any(isinstance(n, Opaque) for n in graph.nodes)
    check(made)
    (found,) = rotations_of(graph, lambda t: (1, *graph.sample_shape(t)))
    assert found.half == (1 if options.get("interleaved") else 3)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 4, 5, 6), {"places": np.array([[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]])}),
        ((2, 4, 5, 8), {"rotary_embedding_dim": 6}),
        ((2, 4, 5, 8), {}),
    ],
    ids=["positions of their own", "no whole groups", "a wrong cache"],
)
def test_other_forms_are_carried_along(shape, options):
    (only,) = from_proto(model(shape, **options)).nodes
    assert isinstance(only, Opaque)
