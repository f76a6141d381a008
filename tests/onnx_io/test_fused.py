# SPDX-License-Identifier: Apache-2.0
"""What onnxruntime's optimizer fuses, against onnxruntime, as the operators that it becomes; and a block of it."""

import numpy as np
import pytest
from onnx import TensorProto, helper

import swm
from swm.graph import Opaque
from swm.onnx_io import from_proto

from .support import check, make_model, run

WIDTH = 8
RNG = np.random.default_rng(0)
WEIGHTS = {
    name: (RNG.normal(size=shape) / 2 + (name == "g")).astype(np.float32)
    for name, shape in {
        "g": WIDTH,
        "b": WIDTH,
        "c": WIDTH,
        "c3": 3 * WIDTH,
        "w3": (WIDTH, 3 * WIDTH),
        "w": (WIDTH, WIDTH),
        "words": (10, WIDTH),
        "places": (7, WIDTH),
        "kinds": (2, WIDTH),
        "k": (4, WIDTH, 3),
    }.items()
}
WEIGHTS |= {"seen": np.ones((2, 5), np.int32), "half": np.array([[1, 1, 1, 0, 0]] * 2, np.int32)}
WEIGHTS |= {"lengths": np.array([4, 4], np.int32), "total": np.array([5], np.int32)}
WEIGHTS |= {"shorter": np.array([4, 3], np.int32)}
DATA = (2, 5, WIDTH)


def model(op, inputs, opset=17, outputs=("y",), shapes=None, domain="com.microsoft", **attributes):
    """One node; what is no weight is an input of the graph."""
    given = {t: (shapes or {}).get(t, DATA) for t in inputs if t and t not in WEIGHTS}
    node = helper.make_node(op, inputs, outputs, domain=domain, **attributes)
    weights = {t: WEIGHTS[t] for t in inputs if t in WEIGHTS}
    made = make_model([node], given, {t: None for t in outputs if t}, weights, opset=opset)
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return made


FORMS = {
    "skip": ("SkipLayerNormalization", ["x", "s", "g", "b", "c"], {}),
    "skip, its sum": ("SkipLayerNormalization", ["x", "s", "g", "b"], {"outputs": ("y", "", "", "z")}),
    "skip without mean": ("SkipSimplifiedLayerNormalization", ["x", "s", "g"], {"epsilon": 1e-3}),
    "without mean": ("SimplifiedLayerNormalization", ["x", "g"], {"domain": "", "axis": 2}),
    "gelu": ("Gelu", ["x"], {}),
    "of a sum": ("BiasGelu", ["x", "c"], {}),
    "by tanh": ("FastGelu", ["x"], {}),
    "by tanh of a sum": ("FastGelu", ["x", "c"], {}),
    "quick": ("QuickGelu", ["x"], {"alpha": 1.5}),
    "product": ("FusedMatMul", ["x", "s"], {"transB": 1, "alpha": 0.3, "shapes": {"s": (2, 6, WIDTH)}}),
    "product of columns": ("FusedMatMul", ["x", "s"], {"transA": 1}),
    "product with a matrix": ("FusedMatMul", ["x", "w"], {"transB": 1, "alpha": 0.5}),
    "convolution": (
        "FusedConv",
        ["x", "k", ""],
        {"activation": "LeakyRelu", "activation_params": [0.1], "pads": [1, 1], "shapes": {"x": (2, WIDTH, 5)}},
    ),
    "convolution, bounded": (
        "FusedConv",
        ["x", "k"],
        {"activation": "Clip", "activation_params": [-0.5, 0.7], "shapes": {"x": (2, WIDTH, 5)}},
    ),
    "layer": (
        "FusedGemm",
        ["x", "w", "c"],
        {"activation": "Relu", "transB": 1, "alpha": 0.5, "shapes": {"x": (3, WIDTH)}},
    ),
    "attention": ("Attention", ["x", "w3", "c3"], {"num_heads": 2}),
    "attention, none hidden": ("Attention", ["x", "w3", "c3", "seen"], {"num_heads": 2, "scale": 0.4}),
    "attention to the past": (
        "Attention",
        ["x", "w3", ""],
        {"num_heads": 2, "unidirectional": 1, "qkv_hidden_sizes": [8, 8, 8]},
    ),
    "attention with biases": ("MultiHeadAttention", ["x", "s", "v", "c3"], {"num_heads": 2}),
    "groups": (
        "GroupQueryAttention",
        ["x", "k2", "v2", "", "", "lengths", "total"],
        {"num_heads": 2, "kv_num_heads": 1, "shapes": {"x": (2, 5, 16), "k2": DATA, "v2": DATA}},
    ),
    "embedding": ("EmbedLayerNormalization", ["i", "j", "words", "places", "kinds", "g", "b"], {"epsilon": 1e-5}),
}


def of_form(name, opset):
    op, inputs, options = FORMS[name]
    made = model(op, inputs, opset, **options)
    if op == "EmbedLayerNormalization":
        for value in made.graph.input:
            value.type.tensor_type.elem_type = TensorProto.INT32
            del value.type.tensor_type.shape.dim[2:]
        made.graph.node[0].output.append("mask_index")
    return made


@pytest.mark.parametrize("opset", [14, 17, 24])
@pytest.mark.parametrize("name", FORMS)
def test_what_is_fused_is_the_operators_that_it_was(name, opset):
    made = of_form(name, opset)
    assert not any(isinstance(n, Opaque) for n in from_proto(made).nodes)
    check(made)


@pytest.mark.parametrize(
    ("op", "inputs", "options"),
    [
        ("Attention", ["x", "w3", "c3", "half"], {"num_heads": 2}),
        ("SkipLayerNormalization", ["x", "s", "g", "b"], {"outputs": ("y", "mean")}),
        ("GroupQueryAttention", ["x", "s", "v", "", "", "shorter", "total"], {"num_heads": 2, "kv_num_heads": 2}),
        ("FusedConv", ["x", "k", "", "z"], {"activation": "Relu", "pads": [1, 1]}),
        ("FusedConv", ["x", "k"], {"activation": "Clip", "activation_params": [0.0]}),
    ],
)
def test_other_forms_are_carried_along(op, inputs, options):
    (only,) = from_proto(model(op, inputs, **options)).nodes
    assert isinstance(only, Opaque)


def block(opset, inner):
    """A block of a transformer as the optimizer leaves it, twice, so that shapes pass through what is fused."""
    nodes, weights, here = [], {}, "x"

    def weight(name, *shape, mean=0.0):
        weights[name] = (RNG.normal(size=shape) / np.sqrt(shape[0]) + mean).astype(np.float32)
        return name

    def add(op, inputs, output, domain="com.microsoft", **attributes):
        nodes.append(helper.make_node(op, inputs, [output], domain=domain, **attributes))
        return output

    for i in range(2):
        norms = [[weight(f"g{i}{j}", WIDTH, mean=1.0), weight(f"b{i}{j}", WIDTH)] for j in range(2)]
        three = [weight(f"w{i}", WIDTH, 3 * WIDTH), weight(f"c{i}", 3 * WIDTH)]
        mixed = add("Attention", [here, *three], f"a{i}", num_heads=2)
        out = add("MatMul", [mixed, weight(f"o{i}", WIDTH, WIDTH)], f"p{i}", "")
        here = add("SkipLayerNormalization", [out, here, *norms[0], weight(f"ob{i}", WIDTH)], f"n{i}", epsilon=1e-5)
        wide = add("MatMul", [here, weight(f"u{i}", WIDTH, 2 * WIDTH)], f"h{i}", "")
        bias = [weight(f"ub{i}", 2 * WIDTH)] if inner != "QuickGelu" else []
        narrow = add("MatMul", [add(inner, [wide, *bias], f"f{i}"), weight(f"d{i}", 2 * WIDTH, WIDTH)], f"e{i}", "")
        here = add("SkipLayerNormalization", [narrow, here, *norms[1]], f"y{i}", epsilon=1e-5)
    made = make_model(nodes, {"x": ("n", 5, WIDTH)}, {here: ("n", 5, WIDTH)}, weights, opset=opset)
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return made


@pytest.mark.parametrize("inner", ["BiasGelu", "FastGelu", "QuickGelu"])
def test_a_block_of_it_becomes_hardware(inner):
    made = block(17, inner)
    graph = swm.simplify(from_proto(made))
    report = swm.check(graph)
    assert report.hardware == "all", [(n.name, n.reason) for n in report.nodes if n.reason]
    x = RNG.normal(size=(3, 5, WIDTH)).astype(np.float32)
    np.testing.assert_allclose(swm.run(graph, x).reshape(x.shape), run(made, {"x": x})[0], atol=1e-5)
