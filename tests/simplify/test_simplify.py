# SPDX-License-Identifier: Apache-2.0
"""Simplification: smaller where it can be, the same numbers always, and the old graph whenever in doubt."""

import os
import sys
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import onnxslim
import pytest
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

import swm
from swm.errors import SwmError
from swm.graph import Linear, Opaque, Reshape, is_structured
from swm.guard import guarded, server
from swm.onnx_io import from_proto, save, to_proto
from swm.simplify.masks import added_masks
from swm.simplify.trial import same_results
from tests.onnx_io.test_fuzz import damage, messages


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


def test_a_resize_to_the_size_of_another_tensor_goes_by_factors():
    """`interpolate(pool(x), size=x.shape[2:])`: only the batch of its sizes is open."""
    node = helper.make_node
    nodes = [
        node("MaxPool", ["x"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", ["p"], ["s"]),
        node("Slice", ["s", "zero", "two"], ["front"]),
        node("Concat", ["front", "grid"], ["sizes"], axis=0),
        node(
            "Resize", ["p", "", "", "sizes"], ["y"], coordinate_transformation_mode="asymmetric", nearest_mode="floor"
        ),
    ]
    weights = {"zero": np.array([0]), "two": np.array([2]), "grid": np.array([4, 12])}
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 4, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3, 4, 12])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    graph = from_proto(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    small = swm.simplify(graph)
    assert [n.op for n in small.nodes] == ["MaxPool", "Resize"]
    assert small.nodes[1].scales == (1, 1, 2, 4)
    x = np.random.default_rng(0).normal(size=(3, 3, 4, 6)).astype(np.float32)
    assert (swm.run(small, x) == swm.run(graph, x)).all()


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


def forked(monkeypatch, slim):
    """Put a function in onnxslim's place, and run it in a fork of this process: the server has the real one."""

    def fork(*args, modules, **limits):
        return guarded(*args, **limits)

    monkeypatch.setattr(onnxslim, "slim", slim)
    monkeypatch.setattr(server._place, "forks", 0)
    monkeypatch.setattr(sys.modules["swm.simplify.slimming"], "guarded", fork)


@pytest.mark.parametrize("wrong", [renamed, other_numbers, failing, lambda model: None, lambda model: model])
def test_an_optimiser_that_fails_leaves_the_graph(wrong, monkeypatch):
    graph = from_proto(exported())
    forked(monkeypatch, wrong)
    assert swm.simplify(graph) is graph


def graph_of(nodes, inputs, weights, opset, outputs=("y",)):
    """A model from (operator, inputs, output, attributes) rows; y is its output."""
    protos = [node_proto(op, given, [out], **attributes) for op, given, out, attributes in nodes]
    graph = helper.make_graph(
        protos,
        "exported",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


node_proto = helper.make_node
F, I64 = np.float32, np.int64


def simplified(model, kinds, shape, *, opset=None):
    """The simplified graph: of these types, batch still symbolic, the same numbers for several batches."""
    graph = from_proto(model)
    small = swm.simplify(graph)
    assert [n.op for n in small.nodes] == kinds
    assert small.inputs[0].type.shape[0] == "batch"
    assert opset is None or small.opset == opset
    for batch in (1, 5):
        x = np.random.default_rng(batch).normal(size=(batch, *shape)).astype(F)
        wanted = swm.run(graph, x)
        np.testing.assert_allclose(swm.run(small, x), wanted, rtol=1e-4, atol=1e-5)
        saved = onnxruntime.InferenceSession(to_proto(small).SerializeToString()).run(None, {small.inputs[0].name: x})
        np.testing.assert_allclose(saved[0], wanted, rtol=1e-4, atol=1e-5)
    return small


C = {"r2": F(1.4142135), "i2": F(0.70710677), "one": F(1), "half": F(0.5), "three": F(3), "two": F(2),
     "k": F(0.79788458), "a": F(0.044715)}  # fmt: skip
ERF = {
    "PyTorch": [("Div", ["x", "r2"], "d", {}), ("Erf", ["d"], "e", {}), ("Add", ["e", "one"], "p", {}),
                ("Mul", ["x", "p"], "m", {}), ("Mul", ["m", "half"], "y", {})],
    "half first": [("Mul", ["x", "half"], "h", {}), ("Mul", ["x", "i2"], "d", {}), ("Erf", ["d"], "e", {}),
                   ("Add", ["one", "e"], "p", {}), ("Mul", ["h", "p"], "y", {})],
    "half inside": [("Div", ["x", "r2"], "d", {}), ("Erf", ["d"], "e", {}), ("Add", ["e", "one"], "p", {}),
                    ("Mul", ["half", "p"], "q", {}), ("Mul", ["q", "x"], "y", {})],
}  # fmt: skip
TANH = {
    "power": [("Pow", ["x", "three"], "c", {}), ("Mul", ["c", "a"], "ac", {}), ("Add", ["x", "ac"], "s", {}),
              ("Mul", ["s", "k"], "t", {}), ("Tanh", ["t"], "g", {}), ("Add", ["g", "one"], "p", {}),
              ("Mul", ["x", "half"], "h", {}), ("Mul", ["h", "p"], "y", {})],
    "products": [("Mul", ["x", "x"], "xx", {}), ("Mul", ["xx", "x"], "c", {}), ("Mul", ["a", "c"], "ac", {}),
                 ("Add", ["x", "ac"], "s", {}), ("Mul", ["k", "s"], "t", {}), ("Tanh", ["t"], "g", {}),
                 ("Add", ["one", "g"], "p", {}), ("Mul", ["half", "p"], "q", {}), ("Mul", ["x", "q"], "y", {})],
    "factored": [("Mul", ["x", "a"], "ax", {}), ("Mul", ["ax", "x"], "axx", {}), ("Add", ["axx", "one"], "f", {}),
                 ("Mul", ["x", "k"], "kx", {}), ("Mul", ["kx", "f"], "t", {}), ("Tanh", ["t"], "g", {}),
                 ("Add", ["one", "g"], "p", {}), ("Mul", ["x", "half"], "h", {}), ("Mul", ["h", "p"], "y", {})],
}  # fmt: skip


@pytest.mark.parametrize("opset", [9, 13, 17])
@pytest.mark.parametrize("spelling", [*ERF, *TANH])
def test_gelu_spelt_out_is_one_node(spelling, opset):
    rows = ERF.get(spelling) or TANH[spelling]
    used = {t for _, given, _, _ in rows for t in given}
    model = graph_of(rows, {"x": ["batch", 8]}, {k: v for k, v in C.items() if k in used}, opset)
    small = simplified(model, ["Gelu"], (8,), opset=20)
    assert small.nodes[0].tanh == (spelling in TANH)


def test_what_is_nearly_a_gelu_stays():
    rows = [(op, given, out, {}) for op, given, out, _ in ERF["PyTorch"]]
    model = graph_of(rows, {"x": ["batch", 8]}, {**C, "r2": F(1.5)}, 13)
    graph = from_proto(model)
    assert swm.simplify(graph) is graph


def test_gelu_beside_an_operator_that_a_higher_opset_changes_stays():
    rows = [*ERF["PyTorch"][:-1], ("Mul", ["m", "half"], "w", {}), ("ReduceL1", ["w"], "y", {"axes": [1]})]
    graph = from_proto(graph_of(rows, {"x": ["batch", 8]}, C, 13))
    assert isinstance(graph.nodes[-1], Opaque)
    small = swm.simplify(graph)
    assert small.opset == 13
    assert not any(n.op == "Gelu" for n in small.nodes)


def mean(opset, given, out, axis=-1):
    if opset < 18:
        return ("ReduceMean", [given], out, {"axes": [axis]})
    return ("ReduceMean", [given, "last"], out, {})


def layer_norm(opset, square, division, *, twice=False):
    rows = [mean(opset, "x", "m"), ("Sub", ["x", "m"], "d", {})]
    top = "d"
    if twice:
        rows += [mean(opset, "x", "m2"), ("Sub", ["x", "m2"], "d2", {})]
        top = "d2"
    rows.append(("Pow", ["d", "two"], "s", {}) if square == "Pow" else ("Mul", ["d", "d"], "s", {}))
    rows += [mean(opset, "s", "v"), ("Add", ["v", "eps"], "ve", {})]
    return [*rows, *divided(top, division)]


def divided(top, division):
    if division == "power":
        return [("Pow", ["ve", "minus"], "i", {}), ("Mul", [top, "i"], "n", {})]
    root = ("Sqrt", ["ve"], "r", {})
    if division == "Div":
        return [root, ("Div", [top, "r"], "n", {})]
    reciprocal = ("Reciprocal", ["r"], "i", {}) if division == "Reciprocal" else ("Div", ["one", "r"], "i", {})
    return [root, reciprocal, ("Mul", ["i", top], "n", {})]


def norm_weights(opset, width=8):
    rng = np.random.default_rng(3)
    given = {"two": F(2), "eps": F(1e-5), "minus": F(-0.5), "one": F(1)}
    given |= {name: rng.normal(size=width).astype(F) for name in ("g", "b")}
    return given | ({"last": np.array([-1], I64)} if opset >= 18 else {})


AFFINE = [("Mul", ["n", "g"], "ng", {}), ("Add", ["ng", "b"], "y", {})]


@pytest.mark.parametrize("opset", [9, 13, 17, 18])
@pytest.mark.parametrize("square", ["Pow", "Mul"])
@pytest.mark.parametrize("division", ["Div", "Reciprocal", "one over", "power"])
def test_layer_normalization_spelt_out_is_one_node(opset, square, division):
    rows = [*layer_norm(opset, square, division, twice=division == "Div"), *AFFINE]
    model = graph_of(rows, {"x": ["batch", 5, 8]}, norm_weights(opset), opset)
    (node,) = simplified(model, ["LayerNormalization"], (5, 8)).nodes
    assert len(node.inputs) == 3
    assert node.epsilon == pytest.approx(1e-5)


def test_layer_normalization_without_scale_and_with_a_reader_before_it():
    rows = [*layer_norm(13, "Pow", "Div"), ("Mul", ["n", "g"], "y", {}), ("Relu", ["n"], "z", {})]
    model = graph_of(rows, {"x": ["batch", 5, 8]}, norm_weights(13), 13, outputs=("y", "z"))
    assert [n.op for n in swm.simplify(from_proto(model)).nodes] == ["LayerNormalization", "Affine", "Relu"]


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("division", ["Div", "Reciprocal", "one over", "power"])
@pytest.mark.parametrize("shifted", [False, True])
def test_rms_normalization_spelt_out_is_one_node(opset, division, shifted):
    rows = [("Pow", ["x", "two"], "s", {}), mean(opset, "s", "v"), ("Add", ["v", "eps"], "ve", {})]
    rows += [*divided("x", division), ("Mul", ["g", "n"], "ng" if shifted else "y", {})]
    rows += [("Relu", ["ng"], "y", {})] if shifted else []
    model = graph_of(rows, {"x": ["batch", 5, 8]}, norm_weights(opset), opset)
    simplified(model, ["RMSNormalization", "Relu"] if shifted else ["RMSNormalization"], (5, 8), opset=23)


@pytest.mark.parametrize("axis", [1, -3, 0])
@pytest.mark.parametrize("shift", [True, False])
def test_normalization_of_another_axis_but_that_of_samples_stands_between_transposes(axis, shift):
    """As ConvNeXt normalises the channels of an image; without a mean it is RMSNormalization."""
    weights = {name: value.reshape(8, 1, 1) for name, value in norm_weights(13).items() if name in "gb"}
    rows = [mean(13, "x", "m", axis), ("Sub", ["x", "m"], "d", {})] if shift else []
    top = "d" if shift else "x"
    rows += [("Pow", [top, "two"], "s", {}), mean(13, "s", "v", axis), ("Add", ["v", "eps"], "ve", {})]
    rows += [*divided(top, "Div"), *(AFFINE if shift else [("Mul", ["n", "g"], "y", {})])]
    model = graph_of(rows, {"x": ["batch", 8, 3, 4]}, {**norm_weights(13), **weights}, 13)
    if axis == 0:
        assert not any("Normalization" in n.op for n in swm.simplify(from_proto(model)).nodes)
        return
    kind = "LayerNormalization" if shift else "RMSNormalization"
    small = simplified(model, ["Transpose", kind, "Transpose"], (8, 3, 4))
    assert [n.perm for n in small.nodes[::2]] == [(0, 2, 3, 1), (0, 3, 1, 2)]


@pytest.mark.parametrize("case", ["instances", "instances spelt as groups", "groups", "factors of groups", "one group"])
def test_groups_and_instances_are_normalized_as_tokens_in_hardware(case):
    op, opset, groups, factors = {
        "instances": ("InstanceNormalization", 13, 8, 8),
        "instances spelt as groups": ("InstanceNormalization", 17, 2, 2),
        "groups": ("GroupNormalization", 21, 2, 8),
        "factors of groups": ("GroupNormalization", 18, 2, 2),
        "one group": ("GroupNormalization", 21, 1, 8),
    }[case]
    rng = np.random.default_rng(1)
    weights = {"w": rng.normal(size=(8, 3, 1, 1)).astype(F), "one": np.ones(factors, F), "zero": np.zeros(factors, F)}
    weights |= {"g": rng.normal(size=factors).astype(F), "b": rng.normal(size=factors).astype(F)}
    rows = [("Conv", ["x", "w"], "c", {})]
    if case == "instances spelt as groups":  # as torch exports GroupNorm to older opsets
        weights |= {"in": np.array([0, 2, -1], I64), "back": np.array([0, 8, 3, 4], I64)}
        rows += [
            ("Reshape", ["c", "in"], "r", {}),
            (op, ["r", "one", "zero"], "n", {}),
            ("Reshape", ["n", "back"], "y", {}),
        ]
        kinds = ["Conv", "Reshape", "LayerNormalization", "Reshape"]
    else:
        rows.append((op, ["c", "g", "b"], "y", {"num_groups": groups} if op[0] == "G" else {}))
        kinds = ["Conv", "Reshape", "LayerNormalization", "Reshape", "Affine"]
    model = graph_of(rows, {"x": ["batch", 3, 3, 4]}, weights, opset)
    small = simplified(model, kinds, (3, 3, 4))
    assert swm.check(small).hardware == "all"


def encoder(opset):
    """A transformer layer as PyTorch writes it: shape arithmetic, attention, LayerNorm and GELU in small operators."""
    rng = np.random.default_rng(0)
    width, heads = 16, 4
    weights = {f"w{p}": rng.normal(size=(width, width)).astype(F) / 4 for p in "qkvo"}
    weights |= {f"b{p}": rng.normal(size=width).astype(F) for p in "qkvo"}
    weights |= {"w1": rng.normal(size=(width, 32)).astype(F) / 4, "b1": rng.normal(size=32).astype(F)}
    weights |= {"w2": rng.normal(size=(32, width)).astype(F) / 6, "b2": rng.normal(size=width).astype(F)}
    weights |= {**C, **norm_weights(opset, width)}
    weights |= {"i0": np.array(0, I64), "i1": np.array(1, I64), "ax": np.array([0], I64)}
    weights |= {"heads": np.array([heads], I64), "each": np.array([width // heads], I64)}
    weights |= {"all": np.array([width], I64), "neg": np.array([-1], I64), "max": np.array([2**63 - 1], I64)}
    weights |= {"mask": np.triu(np.full((5, 5), -1e9, F), 1)}
    rows = [("Shape", ["x"], "shape", {})]

    def size(name, place):
        attribute = {"axes": [0]} if opset < 13 else {}
        axes = [] if opset < 13 else ["ax"]
        rows.append(("Gather", ["shape", place], f"{name}0", {"axis": 0}))
        rows.append(("Unsqueeze", [f"{name}0", *axes], name, attribute))

    size("B", "i0")
    size("T", "i1")
    for p in "qkv":
        rows.extend([
            ("MatMul", ["x", f"w{p}"], f"{p}0", {}), ("Add", [f"b{p}", f"{p}0"], f"{p}1", {}),
            ("Concat", ["B", "T", "heads", "each"], f"{p}s", {"axis": 0}), ("Reshape", [f"{p}1", f"{p}s"], f"{p}2", {}),
            ("Transpose", [f"{p}2"], f"{p}3", {"perm": [0, 2, 3, 1] if p == "k" else [0, 2, 1, 3]}),
        ])  # fmt: skip
    rows.extend([
        ("Shape", ["q3"], "qs3", {}), ("Slice", ["qs3", "neg", "max"], "dim", {}), ("Cast", ["dim"], "dimf", {"to": 1}),
        ("Sqrt", ["dimf"], "root", {}), ("Div", ["one", "root"], "inv", {}), ("Sqrt", ["inv"], "scale", {}),
        ("Mul", ["q3", "scale"], "q4", {}), ("Mul", ["k3", "scale"], "k4", {}), ("MatMul", ["q4", "k4"], "scores", {}),
        ("Add", ["scores", "mask"], "masked", {}), ("Softmax", ["masked"], "p", {"axis": -1 if opset >= 13 else 3}),
        ("MatMul", ["p", "v3"], "c", {}), ("Transpose", ["c"], "c1", {"perm": [0, 2, 1, 3]}),
        ("Concat", ["B", "T", "all"], "cs", {"axis": 0}), ("Reshape", ["c1", "cs"], "c2", {}),
        ("MatMul", ["c2", "wo"], "o0", {}), ("Add", ["o0", "bo"], "o1", {}), ("Add", ["x", "o1"], "res", {}),
    ])  # fmt: skip
    norm = [*layer_norm(opset, "Pow", "Div"), *AFFINE]
    swap = {"x": "res", "y": "ln"}
    rows.extend((op, [swap.get(t, t) for t in given], swap.get(out, out), at) for op, given, out, at in norm)
    rows.extend([("MatMul", ["ln", "w1"], "f0", {}), ("Add", ["f0", "b1"], "f1", {})])
    gelu = {"x": "f1", "y": "f2", **{t: f"gelu_{t}" for t in ("d", "e", "p", "m")}}
    rows.extend((op, [gelu.get(t, t) for t in given], gelu.get(out, out), at) for op, given, out, at in ERF["PyTorch"])
    rows.extend([("MatMul", ["f2", "w2"], "f3", {}), ("Add", ["f3", "b2"], "y", {})])
    return graph_of(rows, {"x": ["batch", 5, width]}, weights, opset)


@pytest.mark.parametrize("opset", [11, 13, 17, 18])
def test_a_transformer_layer_is_small_typed_and_its_projections_can_be_structured(opset):
    graph = from_proto(encoder(opset))
    small = swm.simplify(graph)
    assert not any(isinstance(n, Opaque) for n in small.nodes)
    count = Counter(n.op for n in small.nodes)
    wanted = {"Linear": 6, "MatMul": 2, "Softmax": 1, "LayerNormalization": 1, "Gelu": 1, "Reshape": 4, "Transpose": 4}
    assert {k: count[k] for k in wanted} == wanted
    assert len(small.nodes) <= 24
    assert {len(n.shape) - len([d for d in n.shape if d > 0]) for n in small.nodes if n.op == "Reshape"} == {1}
    for batch in (1, 4):
        x = np.random.default_rng(batch).normal(size=(batch, 5, 16)).astype(F)
        np.testing.assert_allclose(swm.run(small, x), swm.run(graph, x), rtol=1e-4, atol=1e-4)
    converted = swm.convert(small, block=4)
    assert [layer.block for layer in converted.report.layers] == [4] * 5 + [1]  # the last layer stays dense by rule


def test_states_of_zeros_leave_recurrent_layers():
    rng = np.random.default_rng(0)
    rows = [("Shape", ["x"], "s", {}), ("Gather", ["s", "i1"], "b", {"axis": 0}),
            ("Unsqueeze", ["b", "ax"], "b1", {}), ("Concat", ["one1", "b1", "hid"], "hs", {"axis": 0}),
            ("ConstantOfShape", ["hs"], "h0", {}),
            ("GRU", ["x", "W", "R", "", "", "h0"], "y", {"hidden_size": 6})]  # fmt: skip
    weights = {"i1": np.array(1, I64), "ax": np.array([0], I64), "one1": np.array([1], I64), "hid": np.array([6], I64),
               "W": rng.normal(size=(1, 18, 4)).astype(F), "R": rng.normal(size=(1, 18, 6)).astype(F)}  # fmt: skip
    model = graph_of(rows, {"x": ["batch", "b2", 4]}, weights, 13)
    graph = from_proto(model)
    small = swm.simplify(graph)
    (node,) = small.nodes
    assert node.inputs == ("x",)
    x = rng.normal(size=(7, 3, 4)).astype(F)
    np.testing.assert_allclose(swm.run(small, x), swm.run(graph, x), rtol=1e-5, atol=1e-6)


def test_quantizers_survive_the_optimiser():
    rows = [
        ("Shape", ["x"], "s", {}),
        ("Gather", ["s", "i0"], "n", {"axis": 0}),
        ("Unsqueeze", ["n"], "n1", {"axes": [0]}),
        ("Concat", ["n1", "rest"], "shape", {"axis": 0}),
        ("Reshape", ["x", "shape"], "f", {}),
        ("Quant", ["f", "scale", "zero", "bits"], "y", {"domain": "qonnx.custom_op.general", "narrow": 1}),
    ]
    weights = {"i0": np.array(0, I64), "rest": np.array([-1], I64), "scale": F(0.25), "zero": F(0), "bits": F(4)}
    model = graph_of(rows, {"x": ["batch", 2, 4]}, weights, 11)
    model.opset_import.append(helper.make_opsetid("qonnx.custom_op.general", 1))
    small = simplified(model, ["Reshape", "Quant"], (2, 4))
    assert small.nodes[1].narrow


def test_damaged_models_never_raise(monkeypatch):
    monkeypatch.setattr(
        sys.modules["swm.simplify.simplification"], "slimmed", lambda graph: None
    )  # our own steps alone
    names, rng = np.array(["", "x", "y", "d", "two", "eps", "Relu"], object), np.random.default_rng(0)
    original, tried = encoder(17), 0
    for _ in range(100):
        model = onnx.ModelProto()
        model.CopyFrom(original)
        everything = list(messages(model))
        for place in rng.integers(len(everything), size=2):
            damage(everything[place], rng, names)
        try:
            graph = from_proto(onnx.ModelProto.FromString(model.SerializeToString()))
        except (SwmError, DecodeError):
            continue
        swm.simplify(graph)
        tried += 1
    assert tried > 20


@pytest.mark.parametrize("inputs", [("m", "x"), ("m", "x", "low", "x"), ("low", "x", "low")])
def test_a_mask_that_the_checker_never_saw_is_left(inputs):
    """An opaque Where may have any inputs (found by fuzzing)."""
    value = helper.make_tensor_value_info
    hidden, low = np.eye(3, dtype=bool), np.array(-1e9, np.float32)
    constants = [numpy_helper.from_array(a, name) for name, a in (("m", hidden), ("low", low))]
    nodes = [helper.make_node("Where", inputs, ["y"])]
    ends = [[value(name, TensorProto.FLOAT, ["n", 3])] for name in "xy"]
    graph = from_proto(helper.make_model(helper.make_graph(nodes, "g", *ends, constants), ir_version=9))
    assert [node.op_name for node in added_masks(graph).nodes] == [node.op_name for node in graph.nodes]


def test_a_crash_of_the_optimiser_is_survived(monkeypatch):
    graph = from_proto(exported())
    forked(monkeypatch, lambda model: os.abort())
    assert swm.simplify(graph) is graph


def test_nothing_to_fold_costs_no_import(monkeypatch):
    rows = [("MatMul", ["x", "w"], "h", {}), ("Relu", ["h"], "y", {})]
    graph = from_proto(graph_of(rows, {"x": ["batch", 4]}, {"w": np.ones((4, 4), F)}, 17))
    monkeypatch.setattr(
        sys.modules["swm.simplify.slimming"], "guarded", lambda *_, **__: pytest.fail("onnxslim was called")
    )
    assert swm.simplify(graph) is graph


def test_structured_layers_stay():
    graph = from_proto(exported())
    converted = swm.convert(swm.simplify(graph), block=4).graph
    assert swm.simplify(converted) is converted


CHAIN = [
    ("Shape", ["h"], "s", {}),
    ("Gather", ["s", "i0"], "n", {"axis": 0}),
    ("Unsqueeze", ["n", "ax"], "n1", {}),
    ("Concat", ["n1", "rest"], "shape", {"axis": 0}),
    ("Reshape", ["h", "shape"], "y", {}),
]
LAYERS = {
    "Conv": (("Conv", ["x", "W"], "h", {"pads": [1] * 4}), ["batch", 8, 5, 5], {"W": (8, 8, 3, 3)}),
    "LSTM": (("LSTM", ["x", "W", "R"], "h", {"hidden_size": 8}), ["time", 2, 8], {"W": (1, 32, 8), "R": (1, 32, 8)}),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_structured_layers_of_every_kind_stay(kind, tmp_path):
    """Only Linear used to be looked at: loading with `simplify` made structured convolutions dense without a word."""
    layer, shape, sizes = LAYERS[kind]
    rng = np.random.default_rng(0)
    weights = {"i0": np.array(0, I64), "ax": np.array([0], I64), "rest": np.array([-1], I64)}
    weights |= {name: rng.normal(size=size).astype(F) for name, size in sizes.items()}
    graph = from_proto(graph_of([layer, *CHAIN], {"x": shape}, weights, 17))
    assert len(swm.simplify(graph).nodes) < len(graph.nodes)  # so that there is something to leave undone
    (name,) = (n.name for n in graph.nodes if n.op == kind)
    swm.save(swm.convert(graph, block={name: 4}).graph, tmp_path / "structured.onnx")
    loaded = swm.load(tmp_path / "structured.onnx", simplify=True)
    assert [n.op for n in loaded.nodes if is_structured(n)] == [kind]


def test_inputs_of_absurd_size_are_not_made():
    """Found by the campaign: a trial drew numbers for them."""
    rows = [("Mul", ["x", "w"], "h", {}), ("Identity", ["h"], "y", {})]
    graph = from_proto(graph_of(rows, {"x": [1 << 40, 1 << 40]}, {"w": np.ones(1, F)}, 17))
    assert not same_results(graph, graph)
    assert swm.simplify(graph) is graph
