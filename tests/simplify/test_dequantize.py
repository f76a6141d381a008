# SPDX-License-Identifier: Apache-2.0
"""QDQ models: integer weights written out as floats, pairs of quantizers in hardware, the whole way to integers."""

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import swm
from swm.accelerator.forms import normal_forms
from swm.graph import DequantizeLinear, Linear
from swm.layers.activations import Levels
from swm.simplify.dequantize import written_out


def quantized_mlp(scale_type=np.float32, axis=0, other=0.05):
    """x -> Q, DQ -> W of a scale a row -> bias of int32 with a scale of shape (1,) -> Relu -> Q, DQ -> W."""
    rng = np.random.default_rng(0)
    names = {
        "w": rng.integers(-127, 128, (24, 20)).astype(np.int8),
        "ws": rng.uniform(0.002, 0.01, 24).astype(scale_type),
        "wz": np.zeros(24, np.int8),
        "b": rng.integers(-400, 400, 24).astype(np.int32),
        "bs": np.array([0.001], np.float32),
        "s": np.array(0.05, np.float32),
        "o": np.array(other, np.float32),
        "z": np.array(117, np.uint8),
        "t": np.array(0.03, np.float32),
        "zero": np.array(0, np.uint8),
        "v": rng.integers(-127, 128, (6, 24)).astype(np.int8),
        "vs": np.array(0.004, np.float32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "o", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=axis),
        helper.make_node("DequantizeLinear", ["b", "bs"], ["bd"]),
        helper.make_node("Gemm", ["xd", "wd", "bd"], ["h"], "fc1", transB=1),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "t", "zero"], ["rq"]),
        helper.make_node("DequantizeLinear", ["rq", "t", "zero"], ["rd"]),
        helper.make_node("DequantizeLinear", ["v", "vs"], ["vd"]),
        helper.make_node("Transpose", ["vd"], ["vt"], perm=[1, 0]),
        helper.make_node("MatMul", ["rd", "vt"], ["y"], "fc2"),
    ]
    graph = helper.make_graph(
        nodes,
        "qdq",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 20])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 6])],
        [numpy_helper.from_array(a, n) for n, a in names.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_integer_weights_become_the_floats_that_they_stand_for():
    model = quantized_mlp()
    graph = swm.load(model, simplify=True)
    first, second = (n for n in graph.nodes if isinstance(n, Linear))
    given = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    np.testing.assert_array_equal(first.weight.to_dense(), given["w"] * given["ws"][:, None])
    np.testing.assert_allclose(first.bias, given["b"] * given["bs"], rtol=1e-6)
    np.testing.assert_array_equal(second.weight.to_dense(), given["v"] * given["vs"])
    x = np.random.default_rng(1).uniform(-5, 5, (64, 20)).astype(np.float32)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"x": x})[0]
    got = swm.run(graph, x)
    assert (np.abs(got - wanted).max(axis=1) < 1e-4).mean() > 0.95  # others lie at the edge of a level
    assert swm.convert(graph, block=4).report.layers[0].structure == "block-circulant"


@pytest.mark.parametrize("changed", [{"scale_type": np.float16}, {"axis": 1}])
def test_what_is_no_constant_of_float32_stays(changed):
    if changed.get("scale_type"):
        graph = swm.load(quantized_mlp(**changed))
        kept = [n for n in written_out(graph).nodes if isinstance(n, DequantizeLinear)]
        assert any("w" in n.inputs for n in kept)
    else:  # 24 scales along an axis of 20: no such matrix
        graph = swm.load(quantized_mlp(**changed))
        assert any("w" in n.inputs for n in written_out(graph).nodes)


def test_pairs_of_quantizers_run_in_hardware_integers():
    graph = swm.load(quantized_mlp(), simplify=True)
    pairs = [n for n in normal_forms(graph).nodes if isinstance(n, Levels)]
    assert [(n.low, n.high) for n in pairs] == [(-117, 138), (0, 255)]
    x = np.random.default_rng(2).uniform(-5, 5, (300, 20)).astype(np.float32)
    fixed = swm.quantize(graph, bits=12, calibration=x)
    # The first stands alone, the second goes into the product before it, the Relu with it.
    assert [layer.spec.activation for layer in fixed.layers] == ["steps", "steps", "identity"]
    got, wanted = swm.run(fixed, x), swm.run(graph, x)
    assert np.linalg.norm(got - wanted) < 0.02 * np.linalg.norm(wanted)
    # Different scales are a gain, too: no pair.
    assert len([n for n in normal_forms(swm.load(quantized_mlp(other=0.06))).nodes if isinstance(n, Levels)]) == 1
