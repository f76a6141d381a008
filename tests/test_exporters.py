# SPDX-License-Identifier: Apache-2.0
"""Patterns that torch's exporters write, rebuilt node by node: read, simplified, run and converted as torch meant."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import swm
from swm.errors import CalibrationError
from swm.graph import LSTM, Cast, Conv
from swm.onnx_io import from_proto


def test_zeros_in_place_of_an_absent_bias_leave_a_convolution(tmp_path):
    """torch's dynamo exporter without its optimiser: CastLike(0, x) expanded to the kernel's first dimension."""
    node = helper.make_node
    nodes = [
        node("Shape", ["w"], ["m"], end=1),
        node("Expand", ["m", "one"], ["size"]),
        node("CastLike", ["zero", "x"], ["typed"]),
        node("Expand", ["typed", "size"], ["b"]),
        node("Conv", ["x", "w", "b"], ["y"], pads=[1, 1, 1, 1]),
    ]
    weights = {
        "w": np.random.default_rng(0).normal(size=(16, 16, 3, 3)).astype(np.float32),
        "one": np.array([1], np.int64),
        "zero": np.array(0, np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "biased",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 16, 6, 6])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    loaded = from_proto(model)
    small = swm.simplify(loaded)
    assert [type(n) for n in small.nodes] == [Conv]
    x = np.random.default_rng(1).normal(size=(2, 16, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(swm.run(small, x), swm.run(loaded, x), rtol=1e-5, atol=1e-5)


def test_cast_like_a_tensor_of_known_type_is_a_cast():
    node = helper.make_node("CastLike", ["x", "like"], ["y"])
    graph = helper.make_graph(
        [node],
        "cast",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [3])],
        [numpy_helper.from_array(np.array(0, np.int64), "like")],
    )
    for opset in (15, 19, 24):
        loaded = from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10))
        assert [type(n) for n in loaded.nodes] == [Cast]
        np.testing.assert_array_equal(swm.run(loaded, np.array([1.5, -2.5, 3], np.float32)), [1, -2, 3])


STEPS, BATCH, INPUTS, HIDDEN = 5, 2, 8, 16


def recurrent(*, states, time_first_output=False, lengths=False):
    """nn.LSTM with the batch first and of a fixed size: Transpose, LSTM, the last step, Gemm."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(1, 4 * HIDDEN, INPUTS)).astype(np.float32) / 3,
        "r": rng.normal(size=(1, 4 * HIDDEN, HIDDEN)).astype(np.float32) / 4,
        "b": rng.normal(size=(1, 8 * HIDDEN)).astype(np.float32) / 4,
        "h0": np.full((1, BATCH, HIDDEN), states, np.float32),
        "fc": rng.normal(size=(HIDDEN, 3)).astype(np.float32),
        "zero": np.array([0], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
        node("LSTM", ["xt", "w", "r", "b", "n" if lengths else "", "h0", "h0"], ["y", "h"], "lstm", hidden_size=HIDDEN),
        node("Squeeze", ["h", "zero"], ["last"]),
        node("MatMul", ["last", "fc"], ["out"]),
    ]
    shape = [STEPS, 1, BATCH, HIDDEN] if time_first_output else [BATCH, 3]
    name = "y" if time_first_output else "out"
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [BATCH, STEPS, INPUTS])]
    if lengths:
        given.append(helper.make_tensor_value_info("n", TensorProto.INT32, [BATCH]))
    tensors = [numpy_helper.from_array(v, k) for k, v in weights.items()]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
    graph = helper.make_graph(nodes, "recurrent", given, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def sequences(batches, seed=0):
    return np.random.default_rng(seed).normal(size=(batches * BATCH, STEPS, INPUTS)).astype(np.float32)


def test_constant_states_of_zeros_leave_although_no_node_does():
    small = swm.simplify(from_proto(recurrent(states=0)))
    (layer,) = (n for n in small.nodes if isinstance(n, LSTM))
    assert len(layer.inputs) == 1
    kept = swm.simplify(from_proto(recurrent(states=1)))
    (layer,) = (n for n in kept.nodes if isinstance(n, LSTM))
    assert layer.inputs[2:] == ("h0", "h0")


@pytest.mark.parametrize("lengths", [False, True])
def test_many_samples_fit_a_recurrent_layer_of_a_fixed_batch(tmp_path, lengths):
    graph = from_proto(recurrent(states=1, lengths=lengths))
    feeds = {"x": sequences(12)}
    if lengths:
        feeds["n"] = np.tile(np.array([STEPS, 2], np.int32), 12)
    result = swm.convert(graph, block=4, calibration=feeds)
    (layer,) = (n for n in result.graph.nodes if isinstance(n, LSTM))
    assert layer.input_weight[0].block == layer.recurrent_weight[0].block == 4
    errors = [row.fitted_error for row in swm.convert(graph, block=4, calibration=feeds).report.layers]
    plain = swm.convert(graph, block=4, calibration=feeds, method="projection").report.layers
    assert errors[0] < plain[0].fitted_error
    swm.save(result.graph, tmp_path / "m.onnx")
    few = {k: v[:BATCH] for k, v in feeds.items()}
    (wanted,) = ort.InferenceSession(tmp_path / "m.onnx").run(None, few)
    np.testing.assert_allclose(swm.run(result.graph, few)["out"], wanted, rtol=1e-4, atol=1e-5)


def test_the_fit_sees_sequences_of_the_exported_length():
    """The batches of a fixed batch are sequences of their own, not one long one."""
    model = recurrent(states=0)
    free = onnx.ModelProto()
    free.CopyFrom(model)
    free.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    free.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    del free.graph.node[1].input[4:]
    x = sequences(12)
    found = [swm.convert(from_proto(m), block=4, calibration=x, hold_out=False).report.layers for m in (model, free)]
    for ours, theirs in zip(*found, strict=True):
        assert ours.fitted_error == pytest.approx(theirs.fitted_error, rel=1e-3, abs=1e-6)


def test_batches_with_the_steps_first_are_put_together_along_the_samples():
    graph = from_proto(recurrent(states=0, time_first_output=True))
    x = sequences(3)
    each = [swm.run(graph, x[start : start + BATCH]) for start in range(0, len(x), BATCH)]
    assert each[0].shape == (STEPS, 1, BATCH, HIDDEN)
    for _ in range(2):  # the second run takes the short way
        np.testing.assert_allclose(swm.run(graph, x), np.concatenate(each, 2), rtol=1e-5, atol=1e-6)


def test_a_scalar_is_not_put_together_either():
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["x"], ["y"], keepdims=0)],
        "scalar",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
    )
    loaded = from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))
    with pytest.raises(CalibrationError, match="give one batch at a time"):
        swm.run(loaded, np.zeros((6, 3), np.float32))


def embedding():
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["y"])],
        "embedding",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 2])],
        [numpy_helper.from_array(np.arange(20, dtype=np.float32).reshape(10, 2), "table")],
    )
    return from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))


def test_integers_of_any_width_go_where_integers_are_wanted():
    ids = np.array([[1, 2, 3, 9]])
    wanted = swm.run(embedding(), ids)
    for kind in (np.int32, np.uint8, np.uint64):
        np.testing.assert_array_equal(swm.run(embedding(), ids.astype(kind)), wanted)
    with pytest.raises(CalibrationError, match="'ids' must hold numbers of int64, got float32"):
        swm.run(embedding(), ids.astype(np.float32))
    with pytest.raises(CalibrationError, match="must hold numbers of int64, got uint64"):
        swm.run(embedding(), np.full((1, 4), 2**63, np.uint64))
    with pytest.raises(CalibrationError, match="one numpy array, or arrays by input name, got a list"):
        swm.run(embedding(), ids.tolist())


def test_check_says_why_weights_are_out_of_reach():
    """Half precision, groups, and bodies: what a user looks for among the layers that can be structured."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], group=4),
        helper.make_node("Cast", ["c"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["h", "m"], ["y"]),
        helper.make_node("MatMul", ["y", "y"], ["z"]),
    ]
    weights = {"w": np.ones((4, 1, 1, 1), np.float32), "m": np.ones((4, 4), np.float16)}
    graph = helper.make_graph(
        nodes,
        "reach",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 4, 4, 4])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT16, ["b", 4, 4, 4])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    found = from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))
    assert [n.structured for n in swm.check(found).nodes] == [
        "stays dense: convolution in 4 groups of 1 x 1 channels, no whole blocks of 2",
        "",
        "stays dense: weights of float16; only float32 can be structured",
        "",
    ]
