# SPDX-License-Identifier: Apache-2.0
"""Where a network is cut: the parts compute what the whole does, hardware is the largest part, verdicts are told."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from host_models import Builder, anomaly, classifier, images, in_the_middle, load
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import swm
from swm.accelerator.lower import hardware_findings
from swm.compress import fold_affine
from swm.errors import UnsupportedModel
from swm.graph import TensorType, Value
from swm.host import split, split_for_hardware
from swm.host.work import multiplications


def ops(graph):
    return [] if graph is None else [n.op_name for n in graph.nodes]


def composed(made, feeds):
    """The parts run one after the other."""
    tensors = dict(feeds)
    for part in (made.before, made.hardware, made.after):
        if part is not None:
            tensors |= swm.run(part, {v.name: tensors[v.name] for v in part.inputs})
    return {v.name: tensors[v.name] for v in made.graph.outputs}


def same(made, feeds):
    wanted = swm.run(made.graph, feeds)
    found = composed(made, feeds)
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5)


def test_a_classifier_keeps_its_layers_and_leaves_both_ends(tmp_path):
    made = swm.split(load(classifier(tmp_path / "m.onnx")))
    assert made.verdict == "with host parts"
    assert ops(made.before) == ["Cast", "Transpose", "Affine", "MaxPool", "Abs"]
    assert ops(made.hardware) == ["Reshape", "Linear", "Relu", "Linear"]
    assert ops(made.after) == ["Softmax", "ArgMax"]
    assert (made.share, made.outside, made.multiplications) == (1.0, (), 18 * 16 + 16 * 5)
    assert [made.places[n] for n in ("fc1", "fc2")] == ["hardware", "hardware"]
    same(made, {"x": images(20)})
    assert "with host parts" in repr(made) and len(repr(made)) < 300


def test_what_needs_no_host_stays_whole(tmp_path):
    model = Builder(8)
    scaled = model.node("Mul", "x", model.constant([0.5]))
    made = split(load(model.save(tmp_path / "m.onnx", model.linear(model.node("Relu", scaled), 8, 4, "fc"))))
    assert (made.verdict, made.before, made.after, made.findings) == ("all", None, None, ())
    assert made.hardware is made.graph


def test_what_follows_may_read_the_input_again(tmp_path):
    made = swm.split(load(anomaly(tmp_path / "m.onnx")))
    assert made.verdict == "with host parts"
    assert made.before is None
    assert {v.name for v in made.after.inputs} == {"x", made.cut[1]}
    same(made, {"x": np.random.default_rng(0).normal(size=(7, 12)).astype(np.float32)})


def test_what_follows_may_read_what_came_before(tmp_path):
    model = Builder(8)
    angle = model.node("Sin", "x")
    answer = model.node("Exp", model.node("Add", model.linear(angle, 8, 8, "fc"), model.node("Cos", angle)))
    made = split(load(model.save(tmp_path / "m.onnx", answer)))
    assert (ops(made.before), ops(made.hardware), ops(made.after)) == (["Sin"], ["Linear"], ["Cos", "Add", "Exp"])
    same(made, {"x": np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)})


def test_several_inputs_and_outputs_belong_to_the_host(tmp_path):
    model = Builder(8)
    mixed = model.node("Mul", "x", model.input("gain", 8))
    logits = model.linear(mixed, 8, 4, "fc")
    graph = load(model.save(tmp_path / "m.onnx", logits, model.node("Softmax", logits, axis=1), mixed))
    made = split(graph)
    assert made.verdict == "with host parts"
    assert (ops(made.before), ops(made.after)) == (["Mul"], ["Softmax"])
    rng = np.random.default_rng(0)
    same(made, {"x": rng.normal(size=(5, 8)).astype(np.float32), "gain": rng.normal(size=(5, 8)).astype(np.float32)})


def test_operands_that_are_no_samples_are_fixed_as_the_remedies_say(tmp_path):
    model = Builder(4, batch=4)
    product = model.node("MatMul", "x", model.input("w", 4, batch=4), name="product")
    model.inputs.append(helper.make_tensor_value_info("gain", TensorProto.FLOAT, []))
    scaled = model.node("Mul", model.node("Mul", "gain", model.constant([2.0]), name="gains"), product)
    graph = load(model.save(tmp_path / "m.onnx", scaled))
    remedies = {f.node: f.remedy for f in split(graph).findings}
    assert '--fix "w"=FILE.npy' in remedies["product"] and '--fix "gain"=NUMBER' in remedies["gains"]
    framed = swm.frame(graph, fix={"w": np.eye(4, dtype=np.float32) / 2, "gain": 3.0})
    assert swm.check(framed).ok
    assert split(fold_affine(framed)).places["product"] == "hardware"


def test_the_middle_is_not_given_to_the_host(tmp_path):
    graph = load(in_the_middle(tmp_path / "m.onnx"))
    made = split(graph)
    assert (made.verdict, made.outside) == ("none", ("b",))
    assert ops(made.hardware) == ["Linear"]
    assert made.share == pytest.approx(2 / 3)
    assert "66.7 % of the multiplications" in made.reason
    same(made, {"x": np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)})
    with pytest.raises(UnsupportedModel, match=r"66\.7 %[\s\S]*swm split"):
        split_for_hardware(graph)


def test_a_tensor_that_others_read_ends_the_part(tmp_path):
    model = Builder(8)
    shared = model.linear("x", 8, 8, "a")
    deep = model.linear(model.node("Relu", shared), 8, 200, "b")  # 96 % of the multiplications
    graph = load(model.save(tmp_path / "m.onnx", deep, model.node("Erf", shared)))
    made = split(graph)
    assert made.cut[0] == made.before.outputs[0].name
    assert ops(made.hardware) == ["Relu", "Linear"]
    assert made.outside == ("a",)
    same(made, {"x": np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)})


def test_what_is_refused_from_one_start_is_tried_from_the_next(tmp_path):
    """Rows of an image as the steps of a sequence: the host turns the image, where hardware would have to."""
    model = Builder(3, 5, 7)
    rows = model.node("Tanh", model.node("Transpose", "x", perm=[0, 2, 1, 3]))
    steps = model.node("Reshape", rows, model.constant([0, 0, 21], np.int64))
    weights = [model.constant(model.rng.normal(size=(1, 8, n)) / 4) for n in (21, 8)]
    states = model.node("RNN", model.node("Transpose", steps, perm=[1, 0, 2]), *weights, name="rnn", hidden_size=8)
    steps = model.node("Transpose", model.node("Squeeze", states, model.constant([1], np.int64)), perm=[1, 0, 2])
    made = split(load(model.save(tmp_path / "m.onnx", steps)))
    assert made.verdict == "with host parts"
    assert (ops(made.before), made.places["rnn"], ops(made.after)) == (["Transpose"], "hardware", [])
    same(made, {"x": np.random.default_rng(0).normal(size=(3, 3, 5, 7)).astype(np.float32)})


def test_an_axis_that_is_not_of_samples_is_no_cut(tmp_path):
    model = Builder(6, 8, batch=1)
    tokens = model.node("Squeeze", model.node("Erf", "x"), model.constant([0], np.int64))
    made = split(load(model.save(tmp_path / "m.onnx", model.linear(tokens, 8, 4, "fc"))))
    assert (made.verdict, made.hardware) == ("none", None)
    assert "samples along axis 0" in made.reason


def test_frames_that_are_no_samples_are_no_cut(tmp_path):
    model = Builder(8)
    tiled = model.node("Tile", model.node("Erf", "x"), model.constant([3, 1], np.int64))
    graph = load(model.save(tmp_path / "m.onnx", model.linear(tiled, 8, 4, "fc")))
    known = {t: TensorType(1, ("3*batch", *kind.shape[1:])) for t, kind in graph.types.items() if t != "erf0_out"}
    assert split(graph).hardware is not None, "of a size without a name quantize finds out"
    assert split(replace(graph, types={**graph.types, **known})).hardware is None


def test_inputs_of_different_lengths_are_refused(tmp_path):
    model = Builder(400)
    model.input("table", 8, batch="rows")
    scores = model.node("MatMul", model.linear("x", 400, 8, "fc"), model.node("Transpose", "table", perm=[1, 0]))
    made = split(load(model.save(tmp_path / "m.onnx", model.node("Erf", scores))))
    assert made.verdict == "none"
    assert "first axis" in made.reason


def test_a_graph_without_layers_has_no_part(tmp_path):
    model = Builder(8)
    made = split(load(model.save(tmp_path / "m.onnx", model.node("Softmax", model.node("Relu", "x")))))
    assert (made.verdict, made.hardware, made.share, made.cut) == ("none", None, 0.0, None)
    assert "no layer with weights" in made.reason


def largest_by_trying(graph):
    """Multiplications of the largest part, by trying every pair of tensors; no outputs of a part are read elsewhere."""
    nodes = graph.needed([v.name for v in graph.outputs])
    returned = {v.name for v in graph.outputs}
    tensors = ["x", *(t for n in nodes for t in n.outputs)]
    best = 0
    for start, end in product(tensors, tensors):
        after, inside, wanted = {start}, [], {end}
        for n in nodes:
            after |= set(n.outputs) if after & set(n.inputs) else set()
        for n in reversed(nodes):
            if wanted & set(n.outputs) and start not in n.outputs:
                inside.insert(0, n)
                wanted |= set(n.inputs)
        if not inside or not all(t in after | set(graph.constants) for n in inside for t in n.inputs):
            continue
        written = {t for n in inside for t in n.outputs} - {end}
        if written & returned or any(written & set(n.inputs) for n in nodes if n not in inside):
            continue
        ends = ((Value(t, graph.types[t]),) for t in (start, end))
        part = replace(graph, nodes=tuple(inside), inputs=next(ends), outputs=next(ends))
        if not hardware_findings(part):
            best = max(best, sum(multiplications(n, graph) for n in inside))
    return best


STEPS = ("linear", "Relu", "Sigmoid", "Erf", "Softmax", "scale", "join", "concat", "reduce", "fork")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 7)), min_size=2, max_size=9), st.booleans())
def test_parts_of_random_networks_compute_the_whole(tmp_path_factory, steps, two):
    model, width = Builder(6), {"x": 6}
    tensors = ["x"]
    for step, pick in steps:
        tensor = tensors[-1] if step != "fork" else tensors[pick % len(tensors)]
        n, other = width[tensor], tensors[pick % len(tensors)]
        if step == "linear":
            made, m = model.linear(tensor, n, 4 + pick), 4 + pick
        elif step == "scale":
            made, m = model.node("Mul", tensor, model.constant(model.rng.uniform(0.5, 1.5, n))), n
        elif step == "join":
            same_size = [t for t in tensors if width[t] == n]
            made, m = model.node("Add", tensor, same_size[pick % len(same_size)]), n
        elif step == "concat":
            made, m = model.node("Concat", tensor, other, axis=1), n + width[other]
        elif step == "reduce":
            made, m = model.node("ReduceMean", tensor, axes=[1], keepdims=1), 1
        else:
            made, m = model.node("Tanh" if step == "fork" else step, tensor), n
        tensors.append(made)
        width[made] = m
    outputs = [tensors[-1], *([tensors[-2]] if two and tensors[-2] != "x" else [])]
    path = model.save(tmp_path_factory.mktemp("m") / "m.onnx", *outputs)
    made = split(fold_affine(swm.load(path)))
    assert (made.verdict == "all") == (not hardware_findings(made.graph))
    assert made.multiplications == (made.total if made.verdict == "all" else largest_by_trying(made.graph))
    if made.hardware is None:
        return
    assert not hardware_findings(made.hardware)
    same(made, {"x": np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)})
