# SPDX-License-Identifier: Apache-2.0
"""Samples along axis 0 throughout: the same numbers for any batch, and nothing where samples meet each other."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import swm
from swm.graph import Linear, Slice, TensorType, Transpose
from swm.onnx_io import from_proto
from swm.simplify import simplify
from swm.simplify.samples import samples_apart, samples_first
from swm.simplify.time_first import samples_before_steps
from swm.simplify.views import view_of

RNG = np.random.default_rng(7)
TOKENS, WIDTH, HEADS = 5, 8, 2


def graph_of(nodes, constants, shape, batch="n"):
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    return from_proto(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "g.onnx")


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs, [output], name=output, **attributes)


def weights(m, n):
    return RNG.normal(size=(n, m)).astype(np.float32)


def attention(batch="n"):
    """As torch writes it: samples behind the tokens, one product for queries, keys and values, heads beside samples."""
    shape = [("q", 0), ("k", 1), ("v", 2)]
    nodes = [
        node("Transpose", ["x"], "t", perm=[1, 0, 2]),
        node("MatMul", ["t", "w"], "p"),
        node("Reshape", ["p", "five"], "p5"),
        node("Transpose", ["p5"], "front", perm=[3, 1, 2, 0, 4]),
        node("Squeeze", ["front", "last_but_one"], "parts"),
    ]
    constants = {
        "w": weights(3 * WIDTH, WIDTH),
        "five": np.array([1, TOKENS, -1, 3, WIDTH]),
        "last_but_one": np.array([3]),
        "heads": np.array([TOKENS, -1, WIDTH // HEADS]),
        "back": np.array([TOKENS, -1, WIDTH]),
        "out": weights(WIDTH, WIDTH),
        "half": np.float32(0.5),
    }
    for name, index in shape:
        constants[f"i{name}"] = np.array(index)
        nodes += [
            node("Gather", ["parts", f"i{name}"], name, axis=0),
            node("Reshape", [name, "heads"], f"{name}h"),
            node("Transpose", [f"{name}h"], f"{name}t", perm=[1, 2, 0] if name == "k" else [1, 0, 2]),
        ]
    nodes += [
        node("Mul", ["qt", "half"], "qs"),
        node("MatMul", ["qs", "kt"], "scores"),
        node("Softmax", ["scores"], "probabilities", axis=-1),
        node("MatMul", ["probabilities", "vt"], "mixed"),
        node("Transpose", ["mixed"], "tokens_first", perm=[1, 0, 2]),
        node("Reshape", ["tokens_first", "back"], "joined"),
        node("MatMul", ["joined", "out"], "o"),
        node("Add", ["o", "t"], "sum"),
        node("Transpose", ["sum"], "y", perm=[1, 0, 2]),
    ]
    return graph_of(nodes, constants, (TOKENS, WIDTH), batch)


@pytest.mark.parametrize("batch", ["n", 1])
def test_attention_of_torch_becomes_hardware(batch):
    graph = attention(batch)
    assert swm.check(graph).hardware == "none"
    found = simplify(graph)
    assert swm.check(found).hardware == "all"
    assert [n.weight.shape for n in found.nodes if isinstance(n, Linear)] == [(WIDTH, WIDTH)] * 4
    assert all(n.perm[0] == 0 for n in found.nodes if isinstance(n, Transpose))
    x = RNG.normal(size=(1 if batch == 1 else 4, TOKENS, WIDTH)).astype(np.float32)
    np.testing.assert_allclose(swm.run(found, x), swm.run(graph, x), rtol=1e-4, atol=1e-5)


def test_samples_that_meet_stay_as_they_are():
    """Attention over the samples of a batch: with a batch of one nobody could tell."""
    nodes = [
        node("MatMul", ["x", "w"], "p"),
        node("Transpose", ["p"], "t", perm=[1, 0, 2]),
        node("Transpose", ["t"], "u", perm=[0, 2, 1]),
        node("MatMul", ["t", "u"], "scores"),
        node("MatMul", ["scores", "t"], "mixed"),
        node("Transpose", ["mixed"], "y", perm=[1, 0, 2]),
    ]
    graph = graph_of(nodes, {"w": weights(WIDTH, WIDTH)}, (TOKENS, WIDTH))
    found = simplify(graph)
    assert any(n.perm[0] != 0 for n in found.nodes if isinstance(n, Transpose))
    x = RNG.normal(size=(3, TOKENS, WIDTH)).astype(np.float32)
    np.testing.assert_allclose(swm.run(found, x), swm.run(graph, x), rtol=1e-4, atol=1e-5)


def test_a_class_token_and_the_token_of_a_class():
    nodes = [
        node("Shape", ["x"], "shape"),
        node("Slice", ["shape", "zero", "one"], "n"),
        node("Concat", ["n", "rest"], "wanted", axis=0),
        node("Expand", ["token", "wanted"], "tokens"),
        node("Concat", ["tokens", "x"], "c", axis=1),
        node("MatMul", ["c", "w"], "p"),
        node("Slice", ["p", "zero", "one", "one"], "first"),
        node("Squeeze", ["first", "one"], "y"),
    ]
    token = RNG.normal(size=(1, 1, WIDTH)).astype(np.float32)
    constants = {"zero": np.array([0]), "one": np.array([1]), "rest": np.array([1, WIDTH]), "token": token}
    graph = graph_of(nodes, {**constants, "w": weights(4, WIDTH)}, (TOKENS, WIDTH))
    found = simplify(graph)
    assert swm.check(found).hardware == "all"
    x = RNG.normal(size=(3, TOKENS, WIDTH)).astype(np.float32)
    want = swm.run(graph, x)
    assert want.shape == (3, 4)
    np.testing.assert_allclose(swm.run(found, x), want, rtol=1e-4, atol=1e-5)
    got = swm.run(swm.quantize(found, bits=16, calibration=x), x)
    np.testing.assert_allclose(got, want, atol=5e-3 * np.abs(want).max())


def test_shapes_that_contradict_each_other_are_left_alone():
    """A Concat of a vector and a matrix, in a graph that moves samples; onnxruntime would refuse it, too."""
    nodes = [
        node("Transpose", ["x"], "t", perm=[1, 0, 2]),
        node("Concat", ["c", "t"], "j", axis=0),
        node("Transpose", ["j"], "y", perm=[1, 0, 2]),
    ]
    graph = graph_of(nodes, {"c": np.zeros(3, np.float32)}, (TOKENS, WIDTH), 1)
    kinds = {"t": (TOKENS, 1, WIDTH), "j": (TOKENS + 3, 1, WIDTH), "y": (1, TOKENS + 3, WIDTH)}
    declared = replace(graph, types={**graph.types, **{t: TensorType(1, shape) for t, shape in kinds.items()}})
    assert samples_first(declared, declared) is None


def test_a_transpose_before_a_recurrent_layer_is_taken_apart():
    graph = graph_of([node("Transpose", ["x"], "y", perm=[2, 0, 1])], {}, (3, 4))
    found = samples_apart(graph)
    assert [n.perm for n in found.nodes] == [(0, 2, 1), (1, 0, 2)]
    x = RNG.normal(size=(2, 3, 4)).astype(np.float32)
    np.testing.assert_array_equal(swm.run(found, x), x.transpose(2, 0, 1))
    kept = graph_of([node("Transpose", ["x"], "y", perm=[1, 0, 2])], {}, (3, 4))
    assert samples_apart(kept) is kept


def rows_of_steps(batch, width):
    """As torch writes a head behind a bidirectional LSTM without batch_first, its steps and samples made rows."""
    lstm = helper.make_node("LSTM", ["t", "W", "R"], ["s"], name="lstm", hidden_size=4, direction="bidirectional")
    nodes = [
        node("Transpose", ["x"], "t", perm=[1, 0, 2]),
        lstm,
        node("Transpose", ["s"], "b", perm=[0, 2, 1, 3]),
        node("Reshape", ["b", "rows"], "r"),
        node("MatMul", ["r", "w"], "h"),
        node("Relu", ["h"], "a"),
        node("Reshape", ["a", "back"], "y"),
    ]
    constants = {"W": np.stack([weights(3, 16)] * 2), "R": np.stack([weights(4, 16)] * 2)}
    constants |= {"w": weights(6, width), "rows": np.array([-1, width]), "back": np.array([TOKENS, -1, 6])}
    return graph_of(nodes, constants, (TOKENS, 3), batch)


@pytest.mark.parametrize("batch", ["n", 1])
def test_rows_of_steps_and_samples_become_sequences_of_samples_and_the_host_turns_the_answer(batch):
    graph = rows_of_steps(batch, 8)
    found = simplify(graph)
    checked = swm.check(found)
    assert checked.hardware == "with host parts"
    assert [(n.op, n.place) for n in checked.nodes if n.reason] == [("Transpose", "after")]
    x = RNG.normal(size=(4, TOKENS, 3)).astype(np.float32)
    want = np.concatenate([swm.run(graph, x[i : i + 1]) for i in range(4)], 1)
    np.testing.assert_allclose(swm.run(found, x), want, rtol=1e-4, atol=1e-5)
    got = swm.run(swm.quantize(found, bits=16, calibration=x), x)
    np.testing.assert_allclose(got, want, atol=0.01)


def test_rows_of_two_samples_are_no_sequences():
    graph = rows_of_steps("n", 16)
    assert samples_before_steps(graph) is graph


@st.composite
def chains(draw):
    """Labels of a tensor after some moves."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    labels = np.arange(int(np.prod(shape))).reshape(shape)
    size = labels.size
    for _ in range(draw(st.integers(0, 4))):
        what = draw(st.sampled_from(["transpose", "reshape", "slice", "take"]))
        if what == "transpose":
            labels = labels.transpose(draw(st.permutations(range(labels.ndim))))
        elif what == "reshape" and labels.ndim > 1:
            place = draw(st.integers(0, labels.ndim - 2))
            shape = labels.shape
            labels = labels.reshape(*shape[:place], shape[place] * shape[place + 1], *shape[place + 2 :])
        elif what == "slice":
            axis = draw(st.integers(0, labels.ndim - 1))
            first = draw(st.integers(0, labels.shape[axis] - 1))
            last = draw(st.integers(first, labels.shape[axis] - 1))
            labels = labels[(slice(None),) * axis + (slice(first, last + 1),)]
        elif what == "take" and labels.ndim > 1:
            axis = draw(st.integers(0, labels.ndim - 1))
            labels = labels.take(draw(st.integers(0, labels.shape[axis] - 1)), axis)
    return labels, size


@settings(max_examples=300, deadline=None)
@given(chain=chains())
def test_a_view_says_what_a_chain_of_moves_does(chain):
    labels, size = chain
    view = view_of(labels, size)
    if view is None:
        return
    taken = view.places.reshape(view.kept).transpose(view.perm)
    np.testing.assert_array_equal(taken.reshape(labels.shape), labels)
    assert view.whole == (labels.size == size)


def test_whole_tensors_always_have_a_view():
    """Reshapes that keep axes whole, and any order of them; what repeats or turns around has none."""
    labels = np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1).reshape(4, 6).transpose(1, 0)
    assert view_of(labels, 24) is not None
    assert view_of(labels[::-1], 24) is None
    assert view_of(np.zeros((2, 2), int), 4) is None


def test_the_part_of_a_product_that_is_read():
    """Outputs taken apart along their own axis, in any of the ways of doing that."""
    for cut in (
        [helper.make_node("Split", ["p", "sizes"], ["a", "b"], name="s", axis=2)],
        [node("Slice", ["p", "i0", "i3", "i2"], "a"), node("Slice", ["p", "i3", "i8", "i2"], "b")],
    ):
        nodes = [node("MatMul", ["x", "w"], "p"), *cut, node("MatMul", ["a", "v"], "c"), node("Tanh", ["b"], "d")]
        nodes += [node("Add", ["c", "d"], "y")]
        constants = {"w": weights(8, WIDTH), "v": weights(5, 3), "sizes": np.array([3, 5])}
        constants |= {f"i{i}": np.array([i]) for i in (0, 2, 3, 8)}
        graph = graph_of(nodes, constants, (TOKENS, WIDTH))
        found = simplify(graph)
        assert [n.weight.shape for n in found.nodes if isinstance(n, Linear)] == [(3, 8), (5, 3), (5, 8)]
        assert not any(isinstance(n, Slice) for n in found.nodes)
        x = RNG.normal(size=(3, TOKENS, WIDTH)).astype(np.float32)
        np.testing.assert_allclose(swm.run(found, x), swm.run(graph, x), rtol=1e-4, atol=1e-5)
