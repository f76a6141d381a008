# SPDX-License-Identifier: Apache-2.0
"""Conv, ConvTranspose, LSTM, GRU and RNN: ONNX's own cases both ways, explicit attributes, contradictions."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from swm.engine import FloatEngine
from swm.errors import ModelError
from swm.graph import GRU, LSTM, RNN, Conv, ConvTranspose, GateActivation, Opaque
from swm.onnx_io import from_proto, to_proto
from tests.conformance.support import cases_by_operator

from .support import assert_same, check, make_model, round_trip, run, session

IR_LIMIT, OPSET_LIMIT = 13, 26  # of onnxruntime 1.31


def cases(op):
    """ONNX's cases with such a node."""
    every = [case for cases in cases_by_operator().values() for case in cases]
    return [c for c in every if c.model and any(n.op_type == op for n in c.model.graph.node)]


def with_constants(model, arrays):
    """The same case with every input but the first as an initialiser, which is what makes a node typed."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for name, array in list(arrays.items())[1:]:
        fixed.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    for value in list(fixed.graph.input)[1:]:
        fixed.graph.input.remove(value)
    return fixed


@pytest.mark.parametrize(("op", "least"), [("Conv", 6), ("ConvTranspose", 9), ("LSTM", 5), ("GRU", 5), ("RNN", 5)])
def test_node_cases_typed_saved_and_run(op, least):
    typed = 0
    for case in cases(op):
        if max(i.version for i in case.model.opset_import if not i.domain) > OPSET_LIMIT:
            continue
        case.model.ir_version = min(case.model.ir_version, IR_LIMIT)
        for inputs, _ in case.data_sets:
            feeds = dict(zip([v.name for v in case.model.graph.input], inputs, strict=True))
            for variant in (case.model, with_constants(case.model, feeds)):
                given_now = {v.name: feeds[v.name] for v in variant.graph.input}
                try:
                    wanted = session(variant).run(None, given_now)
                except Exception:  # what onnxruntime cannot run (layout 1) does not concern this test
                    continue
                graph = from_proto(variant, case.name)
                assert_same(wanted, session(to_proto(graph)).run(None, given_now))
                got = FloatEngine(graph).run(given_now)
                assert_same(wanted, [got[v.name] for v in graph.outputs])
                typed += any(n.op == op for n in graph.nodes)
    assert typed >= least


@st.composite
def plain_convolutions(draw):
    rank = draw(st.integers(1, 2))
    group = draw(st.integers(1, 3))
    c, m = group * draw(st.integers(1, 3)), group * draw(st.integers(1, 3))
    kernel = [draw(st.integers(1, 4)) for _ in range(rank)]
    attributes = {}
    if draw(st.booleans()):
        attributes["strides"] = [draw(st.integers(1, 3)) for _ in range(rank)]
    auto = draw(st.sampled_from([None, "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    if auto:
        attributes["auto_pad"] = auto
    elif draw(st.booleans()):
        attributes["pads"] = [draw(st.integers(0, 2)) for _ in range(2 * rank)]
    if draw(st.booleans()) and not (auto or "").startswith("SAME"):
        attributes["dilations"] = [draw(st.integers(1, 2)) for _ in range(rank)]
    if draw(st.booleans()):
        attributes["kernel_shape"] = kernel
    if group > 1 or draw(st.booleans()):
        attributes["group"] = group
    size = [8 + draw(st.integers(0, 4)) for _ in kernel]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    weights = {"w": rng.normal(size=(m, c // group, *kernel)).astype(np.float32)}
    if draw(st.booleans()):
        weights["b"] = rng.normal(size=m).astype(np.float32)
    node = helper.make_node("Conv", ["x", *weights], ["y"], "conv", **attributes)
    shape = ["batch", c, *size] if draw(st.booleans()) else [2, c, *size]
    model = make_model(
        [node], {"x": shape}, {"y": [None] * (rank + 2)}, weights, opset=draw(st.sampled_from([7, 11, 22]))
    )
    return model, rng.normal(size=(2, c, *size)).astype(np.float32)


@settings(max_examples=150, deadline=None)
@given(plain_convolutions())
def test_every_combination_of_attributes_means_the_same_when_explicit(case):
    model, x = case
    saved = round_trip(model)
    assert isinstance(from_proto(model).nodes[0], Conv)
    assert "auto_pad" not in {a.name for a in saved.graph.node[0].attribute}
    assert_same(run(model, {"x": x}), run(saved, {"x": x}))


@st.composite
def transposed_convolutions(draw):
    rank = draw(st.integers(1, 2))

    def each(least, most):
        return [draw(st.integers(least, most)) for _ in range(rank)]

    group, channels, outputs = (draw(st.integers(1, 2)) for _ in range(3))
    kernel, size = each(1, 4), each(3, 6)
    attributes = {"group": group} if group > 1 or draw(st.booleans()) else {}
    strides = dilations = [1] * rank
    if draw(st.booleans()):
        attributes["strides"] = strides = each(1, 3)
    if draw(st.booleans()):
        attributes["dilations"] = dilations = each(1, 2)
    if draw(st.booleans()):
        attributes["output_padding"] = [
            draw(st.integers(0, max(s, d) - 1)) for s, d in zip(strides, dilations, strict=True)
        ]
    auto = draw(st.sampled_from([None, "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    if auto:
        attributes["auto_pad"] = auto
    if auto in (None, "NOTSET") and draw(st.booleans()):
        attributes["pads"] = [draw(st.integers(0, 2)) for _ in range(2 * rank)]
    if draw(st.booleans()):
        attributes["output_shape"] = [
            max(a * s + draw(st.integers(-2, 2)), 1) for a, s in zip(size, strides, strict=True)
        ]
    if draw(st.booleans()):
        attributes["kernel_shape"] = kernel
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    weights = {"w": rng.normal(size=(group * channels, outputs, *kernel)).astype(np.float32)}
    if draw(st.booleans()):
        weights["b"] = rng.normal(size=group * outputs).astype(np.float32)
    node = helper.make_node("ConvTranspose", ["x", *weights], ["y"], "up", **attributes)
    shape = ["batch", group * channels, *size]
    model = make_model(
        [node], {"x": shape}, {"y": [None] * (rank + 2)}, weights, opset=draw(st.sampled_from([7, 11, 22]))
    )
    return model, rng.normal(size=(2, *shape[1:])).astype(np.float32)


@settings(max_examples=250, deadline=None)
@given(transposed_convolutions())
def test_every_transposed_convolution_means_the_same_when_explicit(case):
    model, x = case
    try:
        wanted = run(model, {"x": x})
    except Exception:  # attributes that contradict each other: onnxruntime refuses them
        return
    (node,) = from_proto(model).nodes
    assert isinstance(node, ConvTranspose)
    saved = round_trip(model)
    assert not {"auto_pad", "output_shape"} & {a.name for a in saved.graph.node[0].attribute}
    assert_same(wanted, run(saved, {"x": x}))


def test_transposed_convolution_to_a_shape_from_an_unknown_size_stays_opaque_and_runs():
    weights = {"w": np.ones((2, 3, 3, 3), np.float32)}
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], output_shape=[10, 10], strides=[2, 2])
    model = make_model([node], {"x": [1, 2, "h", "w"]}, {"y": [None] * 4}, weights)
    assert isinstance(from_proto(model).nodes[0], Opaque)
    check(model, {"x": np.ones((1, 2, 5, 5), np.float32)})


@pytest.mark.parametrize(
    ("shape", "bias", "attributes", "message"),
    [
        ([1, 3, 8, 8], 4, {}, "takes 2 channels"),
        ([1, 2, 8, 8], 5, {}, "needs \\[4\\]"),
        ([1, 2, 8, 8], 4, {"kernel_shape": [3, 2]}, "contradicts the kernel"),
    ],
)
def test_contradictions_of_transposed_convolutions_are_named(shape, bias, attributes, message):
    weights = {"w": np.ones((2, 4, 3, 3), np.float32), "b": np.ones(bias, np.float32)}
    node = helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], "up", **attributes)
    with pytest.raises(ModelError, match=message):
        from_proto(make_model([node], {"x": shape}, {"y": [None] * 4}, weights))


def conv_model(shape, weights, *, inputs=None, **attributes):
    node = helper.make_node("Conv", ["x", *weights], ["y"], "conv", **attributes)
    return make_model([node], {"x": shape, **(inputs or {})}, {"y": [None] * len(shape)}, weights)


def test_same_padding_of_unknown_sizes_stays_opaque_and_runs():
    model = conv_model(
        [1, 2, "h", "w"], {"w": np.ones((3, 2, 3, 3), np.float32)}, auto_pad="SAME_UPPER", strides=[2, 2]
    )
    assert isinstance(from_proto(model).nodes[0], Opaque)
    check(model, {"x": np.ones((1, 2, 7, 8), np.float32)})


def test_three_axes_and_double_precision_stay_opaque():
    model = conv_model([1, 2, 4, 4, 4], {"w": np.ones((3, 2, 2, 2, 2), np.float32)})
    assert isinstance(from_proto(model).nodes[0], Opaque)
    check(model)


@pytest.mark.parametrize(
    ("shape", "weights", "attributes", "message"),
    [
        ([1, 3, 8, 8], {"w": np.ones((4, 2, 3, 3), np.float32)}, {}, "takes 2 channels"),
        ([1, 2, 8, 8], {"w": np.ones((4, 2, 3, 3), np.float32)}, {"kernel_shape": [3, 2]}, "contradicts the kernel"),
        ([1, 2, 8, 8], {"w": np.ones((4, 2, 3, 3), np.float32), "b": np.ones(5, np.float32)}, {}, "needs \\[4\\]"),
        ([1, 2, 8, 8], {"w": np.full((4, 2, 3, 3), np.nan, np.float32)}, {}, "NaN"),
    ],
)
def test_contradictions_are_named(shape, weights, attributes, message):
    with pytest.raises(ModelError, match=message):
        from_proto(conv_model(shape, weights, **attributes))


def recurrent_model(op, *, hidden=4, width=3, opset=14, directions=1, activations=None, **attributes):
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(directions, gates * hidden, width)).astype(np.float32),
        "r": rng.normal(size=(directions, gates * hidden, hidden)).astype(np.float32),
    }
    if activations:
        attributes["activations"] = activations
    node = helper.make_node(op, ["x", "w", "r"], ["y"], "cell", hidden_size=hidden, **attributes)
    return make_model([node], {"x": ["t", "b", width]}, {"y": [None] * 4}, weights, opset=opset)


@pytest.mark.parametrize(("op", "kind"), [("LSTM", LSTM), ("GRU", GRU), ("RNN", RNN)])
@pytest.mark.parametrize("opset", [7, 14, 22])
def test_defaults_are_filled_in(op, kind, opset):
    model = recurrent_model(op, opset=opset)
    (node,) = from_proto(model).nodes
    assert type(node) is kind
    assert [a.name for a in node.activations] == {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}.get(
        op, ["Tanh"]
    )
    check(model, {"x": np.ones((5, 2, 3), np.float32)})


def test_alpha_and_beta_go_to_the_activations_that_read_them():
    model = recurrent_model(
        "LSTM", activations=["HardSigmoid", "Tanh", "LeakyRelu"], activation_alpha=[0.3, 0.05], activation_beta=[0.4]
    )
    (node,) = from_proto(model).nodes
    wanted = (("HardSigmoid", 0.3, 0.4), ("Tanh", 0, 0), ("LeakyRelu", 0.05, 0))
    assert node.activations == tuple(
        GateActivation(n, float(np.float32(a)), float(np.float32(b))) for n, a, b in wanted
    )
    check(model, {"x": np.ones((5, 2, 3), np.float32)})


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_batch_first_layers_run_though_onnxruntime_refuses_them(op):
    """ONNX's own cases of layout 1, which onnxruntime does not run: as layout 0 between transposes they do."""
    tried = 0
    for case in cases(op):
        layout = [a.i for a in case.model.graph.node[0].attribute if a.name == "layout"]
        if layout != [1] or case.model.graph.node[0].op_type != op:
            continue
        case.model.ir_version = min(case.model.ir_version, IR_LIMIT)
        for inputs, outputs in case.data_sets:
            feeds = dict(zip([v.name for v in case.model.graph.input], inputs, strict=True))
            model = with_constants(case.model, feeds)
            given_now = {v.name: feeds[v.name] for v in model.graph.input}
            with pytest.raises(Exception, match="layout"):
                session(model).run(None, given_now)
            graph = from_proto(model)
            assert_same(list(outputs), run(to_proto(graph), given_now), 1e-4)
            got = FloatEngine(graph).run(given_now)
            assert_same(list(outputs), [got[v.name] for v in graph.outputs], 1e-4)
            tried += 1
    assert tried


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_layout_one_is_layout_zero_between_transposes(op, direction):
    directions = 1 + (direction == "bidirectional")
    names = ["x", "w", "r", "", "lengths", "h0", *(["c0"] if op == "LSTM" else [])]
    outs = ["y", "y_h", *(["y_c"] if op == "LSTM" else [])]
    rng = np.random.default_rng(0)
    feeds = {"x": rng.normal(size=(5, 2, 3)), "h0": rng.normal(size=(directions, 2, 4))}
    feeds |= {"c0": rng.normal(size=(directions, 2, 4))} if op == "LSTM" else {}
    feeds = {k: v.astype(np.float32) for k, v in feeds.items()}

    def built(layout):
        model = recurrent_model(op, directions=directions, direction=direction, layout=layout, clip=0.4)
        node, graph = model.graph.node[0], model.graph
        node.input[:], node.output[:] = names, outs
        del graph.input[:], graph.output[:]
        graph.input.extend(helper.make_tensor_value_info(n, 1, [None] * 3) for n in feeds)
        graph.input.append(helper.make_tensor_value_info("lengths", 6, [None]))
        graph.output.extend(helper.make_tensor_value_info(n, 1, [None] * (4 if n == "y" else 3)) for n in outs)
        return model

    lengths = {"lengths": np.array([5, 3], np.int32)}
    y, *states = run(built(0), feeds | lengths)
    transposed = {k: np.ascontiguousarray(v.swapaxes(0, 1)) for k, v in feeds.items()} | lengths
    assert_same(
        [y.transpose(2, 0, 1, 3), *(s.swapaxes(0, 1) for s in states)], run(to_proto(from_proto(built(1))), transposed)
    )


def test_hidden_size_that_contradicts_the_weights_is_named():
    model = recurrent_model("GRU")
    next(a for a in model.graph.node[0].attribute if a.name == "hidden_size").i = 5
    with pytest.raises(ModelError, match="hidden_size 5"):
        from_proto(model)


def test_shared_kernels_stay_shared():
    weights = {"w": np.ones((2, 2, 3, 3), np.float32)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["h"], "a"),
        helper.make_node("Conv", ["h", "w"], ["y"], "b"),
    ]
    saved = check(make_model(nodes, {"x": [1, 2, 9, 9]}, {"y": [None] * 4}, weights))
    assert len(saved.graph.initializer) == 1
    assert onnx.numpy_helper.to_array(saved.graph.initializer[0]).shape == (2, 2, 3, 3)
