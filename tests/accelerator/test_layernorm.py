# SPDX-License-Identifier: Apache-2.0
"""LayerNormalization and matrices over tokens: from an ONNX file to words that the C simulation confirms."""

import numpy as np
import pytest
from networks import Model, quantized, relative_error, smooth

import swm
from swm.accelerator.backend import backend
from swm.accelerator.design import Design
from swm.accelerator.integers import run_fixed
from swm.accelerator.lower import hardware_findings, lower
from swm.accelerator.schedule import make_schedule
from swm.accelerator.store import load_fixed, save_fixed
from swm.device.board import load_board
from swm.emit import emit_project, verify_project
from swm.layers.rtl.registry import rtl_findings
from swm.report import compare_design, to_json

POSITIONS, WIDTH, HIDDEN = 4, 12, 18


def normalized(model, tensor, n, **attributes):
    gains, offsets = 1 + model.rng.normal(size=n) / 5, model.rng.normal(size=n) / 3
    return model.node("LayerNormalization", tensor, model.constant(gains), model.constant(offsets), **attributes)


def mixer(path):
    """A residual MLP with a normalisation before each matrix, over every token."""
    model = Model(POSITIONS, WIDTH)
    tensor = "x"
    for i in range(2):
        inner = model.node("LeakyRelu", model.linear(normalized(model, tensor, WIDTH), WIDTH, HIDDEN, f"up{i}"))
        tensor = model.node("Add", tensor, model.linear(inner, HIDDEN, WIDTH, f"down{i}"))
    tensor = model.node("Relu", normalized(model, tensor, WIDTH))  # fuses
    return model.save(path, model.linear(tensor, WIDTH, 5, "head"), POSITIONS, 5)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    graph, x = mixer(tmp_path_factory.mktemp("mixer") / "m.onnx"), 3 * smooth(200, POSITIONS, WIDTH)
    return graph, x, {bits: quantized(graph, x, bits) for bits in (8, 14)}


def test_layers(case):
    lowered = lower(case[0])
    kinds = [layer.kind for layer in lowered.layers]
    assert kinds == ["layernorm", "dense", "dense", "add"] * 2 + ["layernorm", "dense"]
    assert lowered.layers[-2].activation == "relu"
    assert {layer.positions for layer in lowered.layers} == {POSITIONS}


def test_words_follow_the_float_network(case):
    graph, x, fixed = case
    errors = [relative_error(run_fixed(fixed[bits], x).values, swm.run(graph, x)) for bits in (8, 14)]
    assert errors[0] < 0.05
    assert errors[1] < errors[0] / 30


def test_compiled_and_stored_graphs_give_the_same_words(case, tmp_path):
    _, x, fixed = case
    words = run_fixed(fixed[8], x).words
    np.testing.assert_array_equal(run_fixed(fixed[8], x, compiled=True).words, words)
    save_fixed(fixed[8], tmp_path / "f.npz")
    np.testing.assert_array_equal(run_fixed(load_fixed(tmp_path / "f.npz"), x).words, words)


@pytest.mark.parametrize("name", ["vitis", "generic"])
def test_c_simulation_confirms_every_word(case, tmp_path, name):
    """Streams of the design's depths: tokens wait in them while their roots are found."""
    _, x, fixed = case
    schedule = make_schedule(fixed[8].shape, load_board("pynq-z2"), backend=backend(name))
    result = verify_project(emit_project(Design(fixed[8], schedule), tmp_path / "p", vectors=x[:20]))
    assert result.ok, (result.first_mismatch, result.remarks)
    assert result.words == 20 * POSITIONS * 5
    assert sum(key.endswith(".root") for key in result.iterations) == 3


def test_a_report_and_a_dense_twin(case):
    board = load_board("zcu104")
    graph = case[2][8]
    report = compare_design(Design(graph, make_schedule(graph.shape, board)), [board])
    layers = to_json(report)["boards"][0]["structured"]["layers"]
    assert sum(layer["kind"] == "layernorm" for layer in layers) == 3


def test_the_next_token_is_summed_while_one_leaves(case):
    """The interval of a design is that of its slowest loop: nothing drains between tokens."""
    schedule = make_schedule(case[2][8].shape, load_board("pynq-z2"))
    slowest = max(p.program.period * p.program.ii * la.spec.positions for la in schedule.layers for p in la.processes)
    assert schedule.interval <= max(slowest, POSITIONS * WIDTH)
    waiting = [dict(la.depths)["token"] for la in schedule.layers if la.spec.kind == "layernorm"]
    assert min(waiting) > 2


def test_a_norm_behind_a_reshape_runs_along_the_models_last_axis(tmp_path):
    """(24,) → (3, 8): eight values a token, though the matrix before wrote 24."""
    model = Model(10)
    tensor = model.node("Reshape", model.linear("x", 10, 24, "fc"), model.constant([-1, 3, 8], np.int64))
    graph = model.save(tmp_path / "m.onnx", normalized(model, tensor, 8), 3, 8)
    norm = lower(graph).layers[1]
    assert (norm.kind, norm.shapes) == ("layernorm", ((8, 3),))
    x = smooth(100, 10)
    assert relative_error(run_fixed(quantized(graph, x), x).values, swm.run(graph, x)) < 0.01


def test_matrices_and_norms_over_a_grid_of_tokens(tmp_path):
    """(batch, 2, 3, 8): six tokens a frame."""
    model = Model(2, 3, 8)
    tensor = model.node("Clip", model.linear("x", 8, 6, "fc"), model.constant(-1.0), model.constant(1.0))
    graph = model.save(tmp_path / "m.onnx", model.linear(normalized(model, tensor, 6), 6, 5, "out"), 2, 3, 5)
    assert {layer.positions for layer in lower(graph).layers} == {6}
    x = 2 * smooth(100, 2, 3, 8)
    fixed = quantized(graph, x)
    want = swm.run(graph, x)
    assert relative_error(run_fixed(fixed, x).values, want) < 0.01


@pytest.mark.parametrize(("axis", "width"), [(-2, 3 * 8), (-1, 8)])
def test_a_norm_over_several_axes_is_refused_by_name(tmp_path, axis, width):
    model = Model(3, 8)
    shape = (3, 8) if axis == -2 else (8,)
    gains = model.constant(np.ones(shape))
    norm = model.node("LayerNormalization", "x", gains, axis=axis, name="wide_norm")
    flat = model.node("Reshape", norm, model.constant([-1, 24], np.int64))
    graph = model.save(tmp_path / "m.onnx", model.linear(flat, 24, 4, "fc"), 4)
    findings = hardware_findings(graph)
    if axis == -1:  # no bias is fine
        assert not findings
    else:
        (finding,) = findings
        assert finding.node == "wide_norm"
        assert f"{width} factors from axis -2" in finding.reason
        assert "last axis" in finding.remedy


def test_an_rms_normalisation_shares_the_kernels(tmp_path):
    """Spelt out, as exporters write it; named by simplification, then the same processes without a mean."""
    model = Model(3, 10)
    squares = model.node("ReduceMean", model.node("Mul", "x", "x"), axes=[-1])
    root = model.node("Sqrt", model.node("Add", squares, model.constant(1e-5)))
    scaled = model.node("Mul", model.node("Div", "x", root), model.constant(1 + model.rng.normal(size=10) / 4))
    graph = swm.simplify(model.save(tmp_path / "m.onnx", model.linear(scaled, 10, 4, "head"), 3, 4))
    assert [layer.kind for layer in lower(graph).layers] == ["rmsnorm", "dense"]
    x = 1 + 2 * smooth(100, 3, 10)  # a mean that would matter
    fixed = {bits: quantized(graph, x, bits) for bits in (8, 16)}
    errors = [relative_error(run_fixed(one, x).values, swm.run(graph, x)) for one in fixed.values()]
    assert errors[0] < 0.05
    assert errors[1] < errors[0] / 50
    schedule = make_schedule(fixed[8].shape, load_board("pynq-z2"), backend=backend("generic"))
    result = verify_project(emit_project(Design(fixed[8], schedule), tmp_path / "p", vectors=x[:10]))
    assert result.ok, (result.first_mismatch, result.remarks)
    assert rtl_findings(layer.spec for layer in fixed[8].shape.layers) == ()
