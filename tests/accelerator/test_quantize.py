# SPDX-License-Identifier: Apache-2.0
"""Formats by calibration: close to float, one format a tensor, specs from shapes alone, an independent oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Model, branches, quantized, relative_error, residual, smooth, tokens
from support import inputs, write_mlp

import swm
from swm.accelerator.integers import run_fixed
from swm.accelerator.lower import lower
from swm.accelerator.quantize import network_shape
from swm.accelerator.residuals import residual_tensors
from swm.compress import fold_affine
from swm.errors import CalibrationError, OptionError
from swm.layers.formats import best_format
from swm.layers.values import Format


@pytest.mark.parametrize("activation", ["Relu", "Sigmoid", "Tanh"])
@pytest.mark.parametrize("block", [None, 2, 4, 8])
def test_error_falls_with_bits(tmp_path, activation, block):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", activation=activation))
    x = inputs(200)
    if block:
        graph = swm.convert(graph, block=block, calibration=x).graph
    want = swm.run(graph, x)
    errors = [relative_error(run_fixed(quantized(graph, x, bits), x).values, want) for bits in (8, 12, 16)]
    assert errors[0] < 0.2
    assert errors[1] < 0.015
    # the activation tables limit what more bits can give
    assert errors[2] < (0.001 if activation == "Relu" else 0.005)


@pytest.mark.parametrize(
    ("build", "shape"),
    [(residual, (24,)), (tokens, (6, 12)), (branches, (20,))],
    ids=["residual", "tokens", "branches"],
)
def test_networks_that_are_no_chain_follow_the_float_engine(tmp_path, build, shape):
    graph = build(tmp_path / "m.onnx")
    x = smooth(200, *shape)
    want = swm.run(graph, x)
    errors = []
    for bits in (8, 12, 16):
        values = run_fixed(quantized(graph, x, bits), x).values
        assert values.shape == want.shape
        errors.append(relative_error(values, want))
    assert errors[0] < 0.2
    assert errors[1] < 0.015
    assert errors[2] < 0.003


def test_circulant_residuals_follow_the_float_engine(tmp_path):
    x = smooth(200, 24)
    graph = swm.convert(residual(tmp_path / "m.onnx"), block=8, calibration=x).graph
    fixed = quantized(graph, x, 12)
    assert {spec.kind for spec in fixed.specs} == {"circulant", "dense", "add"}
    assert relative_error(run_fixed(fixed, x).values, swm.run(graph, x)) < 0.015


@pytest.mark.parametrize("build", [residual, tokens, branches])
def test_specs_follow_from_shapes_and_bits_alone(tmp_path, build):
    graph = fold_affine(build(tmp_path / "m.onnx"))
    shape = tuple(v if isinstance(v, int) else 30 for v in graph.inputs[0].type.shape)
    fixed = quantized(graph, smooth(*shape))
    assert fixed.shape == network_shape(lower(graph), 12)


def test_a_tensor_has_one_format_whoever_reads_it(tmp_path):
    fixed = quantized(residual(tmp_path / "m.onnx"), smooth(50, 24))
    formats = {fixed.input_name: fixed.input}
    for layer in fixed.layers:
        assert tuple(formats[t] for t in layer.inputs) == layer.input_formats
        formats[layer.output] = layer.output_format
    assert set(fixed.saturated) == set(formats)


def test_gains_of_one_are_exact(tmp_path):
    model = Model(8)
    graph = model.save(tmp_path / "m.onnx", model.linear(model.node("Relu", "x"), 8, 4, "fc"), 4)
    fixed = quantized(graph, smooth(50, 8), bits=14)
    scale = fixed.layers[0]
    assert (scale.spec.kind, scale.spec.weight_bits, scale.weight_frac) == ("scale", 4, 0)
    assert (scale.arrays["weights"] == 1).all()
    assert relative_error(run_fixed(fixed, smooth(50, 8)).values, swm.run(graph, smooth(50, 8))) < 0.01


def test_summands_too_far_apart_are_refused_by_name(tmp_path):
    model = Model(8)
    tiny = model.node("Mul", model.node("Tanh", "x"), model.constant(np.full(8, 1e-9) * np.arange(1, 9)))
    huge = model.node("Mul", model.node("Sigmoid", "x"), model.constant(np.full(8, 1e9) * np.arange(1, 9)))
    graph = model.save(tmp_path / "m.onnx", model.node("Add", tiny, huge, name="sum of unlike"), 8)
    with pytest.raises(CalibrationError, match="'sum of unlike'"):
        quantized(graph, smooth(20, 8))


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 18), st.floats(1e-3, 1e3), st.integers(0, 10))
def test_best_format_is_as_good_as_the_format_that_just_holds_the_largest_value(bits, scale, seed):
    values = np.random.default_rng(seed).normal(size=400) * scale
    chosen = best_format(values, bits)
    holds = Format(bits, bits - 1 - int(np.ceil(np.log2(np.abs(values).max()))))
    error = [np.mean((f.quantize(values) / 2.0**f.frac - values) ** 2) for f in (chosen, holds)]
    assert error[0] <= error[1]


def test_quantization_agrees_with_apytypes():
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
    np.testing.assert_array_equal(fmt.dequantize(fmt.quantize(values)), oracle.to_numpy().astype(np.float32))


@pytest.mark.parametrize("bits", [0, 3, 19, 12.0, True])
def test_impossible_bits(tmp_path, bits):
    lowered = lower(swm.load(write_mlp(tmp_path / "m.onnx")))
    with pytest.raises(OptionError, match="choose 4 to 18"):
        network_shape(lowered, bits)


def test_residual_streams_of_more_bits(tmp_path):
    """The sum that leaves keeps its bits; what the first sum reads is the input, which keeps its own, too."""
    x = smooth(200, 16)
    graph = swm.convert(residual(tmp_path / "m.onnx", width=16, depth=3), block=4, calibration=x).graph
    plain = swm.quantize(graph, bits=6, calibration=x)
    fixed = swm.quantize(graph, bits=6, calibration=x, residual_bits=16)
    widths = [[shape.bits for shape in (*spec.inputs, spec.output)] for spec in fixed.specs]
    block = [[16, 6], [6, 6], [16, 6, 16]]
    assert widths == [[6, 6], [6, 6], [6, 6, 16], *block, *block, [16, 6]]
    assert {spec.weight_bits for spec in fixed.specs if hasattr(spec, "weight_bits")} == {6}
    want = swm.run(graph, x)
    errors = [relative_error(run_fixed(made, x).values, want) for made in (plain, fixed)]
    assert errors[1] < 0.8 * errors[0]
    np.testing.assert_array_equal(run_fixed(fixed, x, compiled=True).words, run_fixed(fixed, x).words)
    result = swm.emit(fixed, path=tmp_path / "p", board="pynq-z2", backend="generic", vectors=x[:10]).verify()
    assert result.ok, result.remarks


def test_layers_that_pass_words_on_keep_the_bits_of_their_streams(tmp_path):
    """A sum that is padded, and read past the next layer: a pad has no other bits than what comes."""
    model = Model(3, 8, 8)
    total = model.node("Add", model.node("Relu", "x"), model.node("Tanh", "x"))
    padded = model.node("Pad", total, model.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    both = model.node("Add", padded, model.node("Sigmoid", padded))
    last = model.node("Add", both, model.node("Sigmoid", both))
    shape = network_shape(lower(model.save(tmp_path / "m.onnx", last)), 8)
    assert [layer.spec.kind for layer in shape.layers].count("add") == 3
    assert residual_tensors(shape) == {both}


def test_residual_streams_of_fewer_bits_are_refused(tmp_path):
    lowered = lower(swm.load(write_mlp(tmp_path / "m.onnx")))
    with pytest.raises(OptionError, match="at least the 12 bits of everything else, got 10"):
        network_shape(lowered, 12, residual_bits=10)
    with pytest.raises(OptionError, match="choose 4 to 18"):
        network_shape(lowered, 12, residual_bits=20)
