# SPDX-License-Identifier: Apache-2.0
"""Quantised networks: close to float, widths kept, saturation counted, formats an independent oracle agrees with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import inputs, write_mlp

import swm
from swm import bundled
from swm.compress import accuracy
from swm.engine import run_fixed
from swm.errors import CalibrationError, OptionError, UnsupportedModel
from swm.fixed import Format, layer_specs, load_fixed, lower, save_fixed
from swm.fixed._quantize import best_format


@pytest.mark.parametrize("activation", ["Relu", "Sigmoid", "Tanh"])
@pytest.mark.parametrize("block", [None, 2, 4, 8])
def test_error_falls_with_bits(tmp_path, activation, block):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", activation=activation))
    x = inputs(200)
    if block:
        graph = swm.convert(graph, block=block, calibration=x).graph
    want = swm.run(graph, x)
    errors = []
    for bits in (8, 12, 16):
        fixed = swm.quantize(graph, bits=bits, calibration=x)
        errors.append(float(np.sqrt(np.mean((swm.run(fixed, x) - want) ** 2)) / want.std()))
    assert errors[0] < 0.2
    assert errors[1] < 0.015
    # the activation tables limit what more bits can give
    assert errors[2] < (0.001 if activation == "Relu" else 0.005)


def test_specs_follow_from_shapes_and_bits_alone(tmp_path):
    graph = swm.convert(swm.load(write_mlp(tmp_path / "m.onnx")), block=4, calibration=inputs()).graph
    fixed = swm.quantize(graph, bits=12, calibration=inputs())
    assert fixed.specs == layer_specs(lower(graph), 12)


def test_final_softmax_runs_on_the_host(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", tail=("Softmax",)))
    fixed = swm.quantize(graph, bits=14, calibration=inputs(200))
    assert fixed.host == ("Softmax",)
    np.testing.assert_allclose(swm.run(fixed, inputs(50)), swm.run(graph, inputs(50)), atol=5e-3)


def test_leading_activation_becomes_a_layer(tmp_path):
    import onnx
    from onnx import helper
    from support import mlp

    model = mlp()
    model.graph.node[0].input[0] = "r"
    nodes = [helper.make_node("Relu", ["x"], ["r"], name="first"), *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, str(tmp_path / "m.onnx"))
    graph = swm.load(tmp_path / "m.onnx")
    fixed = swm.quantize(graph, bits=14, calibration=inputs(100))
    assert fixed.specs[0].kind == "scale"
    np.testing.assert_allclose(swm.run(fixed, inputs(50)), swm.run(graph, inputs(50)), atol=0.02)


def test_saturation_is_counted(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx"))
    fixed = swm.quantize(graph, bits=12, calibration=inputs(50))
    quiet = run_fixed(fixed, inputs(50) * 0.1)
    loud = run_fixed(fixed, inputs(50) * 50)
    assert sum(quiet.saturated.values()) == 0
    assert loud.saturated["x"] > 0
    assert loud.saturated["l0_fc0.output"] + loud.saturated["l1_fc1.output"] > 0


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 18), st.floats(1e-3, 1e3), st.integers(0, 10))
def test_best_format_is_as_good_as_the_format_that_just_holds_the_largest_value(bits, scale, seed):
    values = np.random.default_rng(seed).normal(size=400) * scale
    chosen = best_format(values, bits)
    holds = Format(bits, bits - 1 - int(np.ceil(np.log2(np.abs(values).max()))))
    error = [np.mean((f.quantise(values) / 2.0**f.frac - values) ** 2) for f in (chosen, holds)]
    assert error[0] <= error[1]


def test_quantisation_agrees_with_apytypes():
    apytypes = pytest.importorskip("apytypes")
    values = np.random.default_rng(0).normal(size=500) * 3
    fmt = Format(12, 8)
    oracle = apytypes.APyFixedArray.from_float(values, int_bits=30, frac_bits=30).cast(
        int_bits=4,
        frac_bits=8,
        quantization=apytypes.QuantizationMode.RND_INF
        if not hasattr(apytypes.QuantizationMode, "RND")
        else apytypes.QuantizationMode.RND,
        overflow=apytypes.OverflowMode.SAT,
    )
    np.testing.assert_array_equal(fmt.dequantise(fmt.quantise(values)), oracle.to_numpy().astype(np.float32))


def test_store_round_trip(tmp_path):
    graph = swm.convert(swm.load(write_mlp(tmp_path / "m.onnx")), block=4, calibration=inputs()).graph
    fixed = swm.quantize(graph, bits=12, calibration=inputs())
    save_fixed(fixed, tmp_path / "f.npz")
    again = load_fixed(tmp_path / "f.npz")
    np.testing.assert_array_equal(run_fixed(again, inputs()).words, run_fixed(fixed, inputs()).words)
    assert again.specs == fixed.specs


def test_saved_fixed_graph_is_its_float_source_with_formats(tmp_path):
    import json

    graph = swm.load(write_mlp(tmp_path / "m.onnx"))
    fixed = swm.quantize(graph, bits=12, calibration=inputs())
    swm.save(fixed, tmp_path / "q.onnx")
    again = swm.load(tmp_path / "q.onnx")
    np.testing.assert_array_equal(swm.run(again, inputs()), swm.run(graph, inputs()))
    formats = json.loads(again.metadata["swm.formats"])
    assert formats["fc0"]["input"] == str(fixed.input)
    assert set(formats) == {"fc0", "fc1", "fc2"}


def test_every_obstacle_is_listed_at_once(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", activation="Erf", tail=("Exp",)))
    with pytest.raises(UnsupportedModel) as caught:
        swm.quantize(graph, bits=12, calibration=inputs())
    assert [f.op for f in caught.value.findings] == ["Erf", "Erf", "Exp"]
    assert all(f.node in str(caught.value) for f in caught.value.findings)


@pytest.mark.parametrize("bits", [0, 3, 19, 12.0, True])
def test_impossible_bits(tmp_path, bits):
    graph = swm.load(write_mlp(tmp_path / "m.onnx"))
    with pytest.raises(OptionError, match="choose 4 to 18"):
        swm.quantize(graph, bits=bits, calibration=inputs())


def test_inputs_of_the_wrong_width(tmp_path):
    fixed = swm.quantize(swm.load(write_mlp(tmp_path / "m.onnx")), bits=12, calibration=inputs())
    with pytest.raises(CalibrationError, match="20 values a sample"):
        swm.run(fixed, np.zeros((3, 21), np.float32))


def test_twelve_bits_cost_the_bundled_network_at_most_0_3_points():
    images, labels = bundled.test()
    calibration = bundled.calibration()[0]
    converted = swm.convert(swm.load(bundled.model_path()), block=8, calibration=calibration).graph
    fixed = swm.quantize(converted, bits=12, calibration=calibration)
    difference = accuracy(swm.run(converted, images), labels) - accuracy(swm.run(fixed, images), labels)
    assert abs(difference) <= 0.003


def test_compiled_integers_are_the_same_bits(tmp_path):
    graph = swm.convert(swm.load(write_mlp(tmp_path / "m.onnx")), block=8, calibration=inputs()).graph
    fixed = swm.quantize(graph, bits=12, calibration=inputs())
    loud = inputs(70) * 3
    plain, compiled = (run_fixed(fixed, loud, compiled=c) for c in (False, True))
    np.testing.assert_array_equal(compiled.words, plain.words)
    assert compiled.saturated == plain.saturated
