# SPDX-License-Identifier: Apache-2.0
"""From graphs to layers: what fuses, what is free, what becomes which kind, and every obstacle with its remedy."""

from dataclasses import replace

import numpy as np
import pytest
from networks import Model, branches, residual, tokens
from support import write_mlp

import swm
from swm.accelerator.lower import hardware_findings, lower, safe_identifier
from swm.accelerator.places import fixed_places, hls_places
from swm.compress import fold_affine
from swm.errors import UnsupportedModel
from swm.graph import (
    Add,
    Affine,
    Concat,
    Gelu,
    Linear,
    MatMulInteger,
    Opaque,
    QuantizeLinear,
    Relu,
    Reshape,
    Selu,
    Softmax,
)
from swm.layers import registry
from swm.layers.base import LayerKind
from swm.layers.values import FloatLayer


def kinds(lowered):
    return [layer.kind for layer in lowered.layers]


def reasons(graph):
    return [(f.node, f.reason) for f in hardware_findings(graph)]


def test_chain_of_an_mlp(tmp_path):
    lowered = lower(swm.load(write_mlp(tmp_path / "m.onnx")))
    assert [layer.name for layer in lowered.layers] == ["l0_fc0", "l1_fc1", "l2_fc2"]
    assert [layer.activation for layer in lowered.layers] == ["relu", "relu", "identity"]
    assert (lowered.input, lowered.output, lowered.tensor) == ("x", "h2", "h2")


def test_residuals_fork_and_join(tmp_path):
    lowered = lower(fold_affine(residual(tmp_path / "m.onnx")))
    assert kinds(lowered) == ["dense", "dense", "add", "dense", "dense", "add", "dense"]
    join = lowered.layers[2]
    assert join.inputs == ("x", lowered.layers[1].output)
    assert join.activation == "relu"
    assert lowered.layers[3].inputs == (join.output,)
    assert lowered.layers[5].inputs[0] == join.output


def test_tokens_are_positions(tmp_path):
    lowered = lower(tokens(tmp_path / "m.onnx"))
    assert kinds(lowered) == ["dense", "dense"]
    assert [layer.positions for layer in lowered.layers] == [6, 6]
    assert lowered.layers[0].shapes == ((12, 6),)


def test_circulant_tokens(tmp_path):
    graph = swm.convert(tokens(tmp_path / "m.onnx"), block=4).graph
    lowered = lower(graph)
    assert kinds(lowered)[0] == "circulant"
    assert lowered.layers[0].positions == 6


def test_an_activation_fuses_only_where_nothing_else_reads(tmp_path):
    model = Model(8)
    shared = model.linear("x", 8, 8, "fc")
    graph = model.save(tmp_path / "m.onnx", model.node("Add", shared, model.node("Relu", shared), name="join"), 8)
    lowered = lower(fold_affine(graph))
    assert kinds(lowered) == ["dense", "scale", "add"]
    assert lowered.layers[0].activation == "identity"
    assert lowered.layers[1].activation == "relu"


def test_an_activation_behind_a_concat_is_a_layer_of_its_own(tmp_path):
    model = Model(8)
    joined = model.node("Concat", "x", model.linear("x", 8, 8, "fc"), axis=-1)
    graph = model.save(tmp_path / "m.onnx", model.node("Tanh", joined), 16)
    lowered = lower(graph)
    assert kinds(lowered) == ["dense", "concat", "scale"]


def test_reshapes_are_free_in_any_place(tmp_path):
    model = Model(4, 10)
    flat = model.node("Reshape", "x", model.constant([-1, 40], np.int64))
    hidden = model.linear(flat, 40, 12, "a")
    folded = model.node("Reshape", hidden, model.constant([-1, 3, 4], np.int64))
    acted = model.node("Relu", folded)
    out = model.node("Flatten", model.linear(acted, 4, 8, "b"))
    lowered = lower(model.save(tmp_path / "m.onnx", out, 24))
    assert kinds(lowered) == ["dense", "dense"]
    assert lowered.layers[0].activation == "relu"
    assert [layer.shapes for layer in lowered.layers] == [((40, 1),), ((4, 3),)]
    assert lowered.layers[1].inputs == (lowered.layers[0].output,)
    assert lowered.tensor == lowered.layers[1].output


def test_concat_of_a_middle_axis_joins_what_lies_behind(tmp_path):
    model = Model(2, 8)
    more = model.linear("x", 8, 8, "fc")
    graph = model.save(tmp_path / "m.onnx", model.node("Concat", "x", more, axis=1, name="join"), 4, 8)
    join = lower(graph).layers[-1]
    assert join.shapes == ((16, 1), (16, 1))
    assert (join.m, join.positions) == (32, 1)


def test_input_normalisation_takes_the_groups_of_its_reader(tmp_path):
    model = Model(4, 7)
    scaled = model.node("Mul", "x", model.constant([0.5]))
    flat = model.node("Flatten", model.node("Relu", scaled))
    lowered = lower(model.save(tmp_path / "m.onnx", model.linear(flat, 28, 3, "fc"), 3))
    assert kinds(lowered) == ["scale", "dense"]
    assert lowered.layers[0].shapes == ((28, 1),)
    assert lowered.layers[0].bias.shape == (28,)


def test_dead_nodes_are_left_out(tmp_path):
    model = Model(8)
    out = model.linear("x", 8, 4, "fc")
    model.node("Erf", "x")
    assert kinds(lower(model.save(tmp_path / "m.onnx", out, 4))) == ["dense"]


def test_every_obstacle_is_listed_at_once(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", activation="Erf", tail=("Exp",)))
    with pytest.raises(UnsupportedModel) as caught:
        lower(graph)
    assert [f.op for f in caught.value.findings] == ["Erf", "Erf", "Exp"]
    assert all(f.node in str(caught.value) for f in caught.value.findings)


def broadcast_sum(model):
    one = model.node("Reshape", model.linear("x", 8, 6, "a"), model.constant([-1, 1, 6], np.int64))
    many = model.node("Reshape", model.linear("x", 8, 18, "b"), model.constant([-1, 3, 6], np.int64))
    return model.node("Add", one, many, name="culprit")


def outer_sum(model):
    row = model.node("Reshape", model.linear("x", 8, 6, "a"), model.constant([-1, 1, 6, 1], np.int64))
    column = model.node("Reshape", model.linear("x", 8, 6, "b"), model.constant([-1, 6, 1, 1], np.int64))
    return model.node("Add", row, column, name="culprit")


def ranks(model):
    row = model.node("Reshape", "x", model.constant([-1, 1, 8], np.int64))
    return model.node("Add", row, model.linear("x", 8, 8, "a"), name="culprit")


def many_inputs(model):
    return model.node("Concat", *[model.linear("x", 8, 4, f"b{i}") for i in range(9)], axis=1, name="culprit")


def sine_inside(model):
    return model.linear(model.node("Sin", model.linear("x", 8, 8, "a"), name="culprit"), 8, 4, "b", bias=False)


def integers(model):
    return model.node("Cast", model.linear("x", 8, 8, "a"), to=7, name="culprit")


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (broadcast_sum, "1 x 6 and 3 x 6"),
        (outer_sum, "broadcast"),
        (ranks, "differ in rank"),
        (many_inputs, "joins 9 tensors"),
        (sine_inside, "no hardware kernel"),
        (integers, "other than float"),
    ],
)
def test_obstacles_name_the_node_and_the_reason(tmp_path, build, text):
    model = Model(8)
    output = build(model)
    if build is integers:
        output = model.node("Cast", output, to=1)
    found = reasons(fold_affine(model.save(tmp_path / "m.onnx", output)))
    assert [node for node, _ in found] == ["culprit"]
    assert text in found[0][1]


def test_a_model_without_layers_and_one_of_two_outputs(tmp_path):
    model = Model(8)
    graph = model.save(tmp_path / "m.onnx", model.node("Flatten", "x"), 8)
    assert "no layer" in reasons(graph)[0][1]
    two = swm.load(write_mlp(tmp_path / "two.onnx"))
    two = replace(two, outputs=(*two.outputs, replace(two.outputs[0], name="h0")))
    assert reasons(two)[0][1] == "the graph has 2 outputs"


def both(model):
    return model.linear("x", 8, 8, "a"), model.linear("x", 8, 8, "b")


def negative(model, tensor):
    return model.node("Mul", tensor, model.constant([-1.0]))


@pytest.mark.parametrize(
    ("refused", "remedy", "instead"),
    [
        (
            lambda m: m.node("Sub", *both(m)),
            "a Mul of the second by the constant -1, and an Add",
            lambda m: m.node("Add", m.linear("x", 8, 8, "a"), negative(m, m.linear("x", 8, 8, "b"))),
        ),
        (
            lambda m: m.node("Neg", m.linear("x", 8, 8, "a")),
            "a Mul by the constant -1",
            lambda m: negative(m, m.linear("x", 8, 8, "a")),
        ),
        (
            lambda m: m.node("Tile", m.linear("x", 8, 8, "a"), m.constant([1, 2], np.int64)),
            "a Concat of its input with itself",
            lambda m: m.node("Concat", *2 * [m.linear("x", 8, 8, "a")], axis=1),
        ),
        (
            lambda m: m.node("MatMul", m.linear("x", 8, 8, "a"), m.constant(np.ones(8))),
            "write a vector as a matrix of one column",
            lambda m: m.node("MatMul", m.linear("x", 8, 8, "a"), m.constant(np.ones((8, 1)))),
        ),
    ],
)
def test_what_a_remedy_says_becomes_hardware(tmp_path, refused, remedy, instead):
    found = []
    for build in (refused, instead):
        model = Model(8)
        found.append(hardware_findings(fold_affine(model.save(tmp_path / "m.onnx", build(model)))))
    assert remedy in found[0][0].remedy
    assert found[1] == ()


def test_what_has_a_kernel_in_another_form_is_told_apart(tmp_path):
    model = Model(8)
    tiled = model.node("Tile", model.linear("x", 8, 8, "a"), model.constant([3, 1], np.int64))
    assert reasons(fold_affine(model.save(tmp_path / "t.onnx", tiled)))[0][1] == "it repeats samples"
    model = Model(8)
    graph = fold_affine(model.save(tmp_path / "d.onnx", model.node("Div", *both(model))))
    assert reasons(graph)[0][1] == "it divides by an activation"
    ends = {"inputs": graph.nodes[-1].inputs[:1], "outputs": graph.nodes[-1].outputs}
    foreign = Opaque(name="n", **ends, op_type="Normalizer", domain="ai.onnx.ml", proto=b"")
    assert "of domain 'ai.onnx.ml'" in reasons(replace(graph, nodes=(*graph.nodes[:-1], foreign)))[0][1]
    gemm = replace(foreign, op_type="QGemm", domain="com.microsoft")
    dynamic = replace(foreign, op_type="DynamicQuantizeLinear", domain="")
    for node in (gemm, dynamic, MatMulInteger(name="n", **ends)):
        (found,) = hardware_findings(replace(graph, nodes=(*graph.nodes[:-1], node)))
        assert found.reason == "the model was quantized to integer operators"
        assert found.remedy.startswith("give the float model, or its QDQ form")
    alone = QuantizeLinear(name="n", **ends, to=3)
    (found,) = hardware_findings(replace(graph, nodes=(*graph.nodes[:-1], alone)))
    assert "unless a QuantizeLinear and its DequantizeLinear stand together" in found.reason


def test_unknown_lengths_of_a_sequence(tmp_path):
    model = Model("length", 8)
    graph = model.save(tmp_path / "m.onnx", model.linear("x", 8, 4, "fc"), "length", 4)
    assert "positions is unknown" in reasons(graph)[0][1]


def test_names_are_identifiers_and_unique(tmp_path):
    names = ['a"; rm -rf /', "*/ #include", "日本"]
    lowered = lower(swm.load(write_mlp(tmp_path / "m.onnx", names=names)))
    assert [layer.name for layer in lowered.layers] == ["l0_a_rm_rf", "l1_include", "l2_dense"]
    assert [layer.node for layer in lowered.layers] == names
    assert safe_identifier("__x..y__") == "x_y"


def test_places_follow_from_the_kinds():
    fixed, hls = fixed_places(), hls_places()
    for node in (Linear, Affine, Relu, Add, Concat):
        assert fixed[node] == "kernel"
    assert fixed[Reshape] == "free"
    assert fixed[Gelu] == hls[Gelu] == "kernel"
    assert Selu not in fixed
    assert Softmax in fixed
    assert set(hls) <= set(fixed)


def test_a_kind_from_outside_takes_its_nodes(tmp_path):
    """Another kind is one value in the registry: lowering asks it, and the table of operators knows it."""

    class Selus(registry.kind("scale").__class__):
        name = "selus"
        takes = (Selu,)

        def lower(self, node, operands, name):
            if not isinstance(node, Selu):
                return None
            (o,) = operands
            shapes = ((o.channels, o.positions),)
            return FloatLayer("selus", name, node.name, (o.tensor,), node.outputs[0], shapes, o.channels, o.positions)

    model = Model(8)
    half = model.node("Mul", model.linear("x", 8, 8, "fc"), model.constant(0.5))
    graph = model.save(tmp_path / "m.onnx", half, 8)
    last = graph.nodes[-1]
    selu = Selu(name="g", inputs=last.inputs[:1], outputs=last.outputs)
    graph = replace(graph, nodes=(*graph.nodes[:-1], selu))
    assert "no hardware kernel" in reasons(graph)[0][1]
    registry.register(Selus())
    try:
        assert isinstance(registry.kind("selus"), LayerKind)
        assert kinds(lower(graph)) == ["dense", "selus"]
        assert fixed_places()[Selu] == "kernel"
        assert Selu not in hls_places()
    finally:
        registry.unregister("selus")


def test_branches_join_along_the_channels(tmp_path):
    lowered = lower(branches(tmp_path / "m.onnx"))
    assert "concat" in kinds(lowered)
    join = next(layer for layer in lowered.layers if layer.kind == "concat")
    assert join.shapes == ((8, 1), (16, 1))
    assert join.m == 24
