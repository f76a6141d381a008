# SPDX-License-Identifier: Apache-2.0
"""Attention: from an ONNX file to words that the C simulation confirms."""

import numpy as np
import pytest
from attention_models import attention, classifier, encoder, grouped
from networks import Model, quantized, relative_error, smooth

import swm
from swm.accelerator.backend import backend
from swm.accelerator.design import Design
from swm.accelerator.integers import run_fixed
from swm.accelerator.layout import ChannelsLast, Permuted, order_of, transposed
from swm.accelerator.lower import hardware_findings, lower
from swm.accelerator.schedule import make_schedule
from swm.accelerator.store import load_fixed, save_fixed
from swm.device.board import load_board
from swm.emit import emit_project, verify_project
from swm.report import compare_design, to_json
from swm.simplify.masks import added_masks

TOKENS, WIDTH = 5, 12


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "m.onnx"
    graph, x = encoder(path, mask="add", rotary="halves"), 2 * smooth(200, TOKENS, WIDTH)
    return graph, x, {bits: quantized(graph, x, bits) for bits in (4, 8, 14, 18)}


def test_heads_stay_where_they_are(case):
    """No layer moves values: tokens pass with all heads inside, through both products and the Softmax between."""
    lowered = lower(case[0])
    kinds = [layer.kind for layer in lowered.layers]
    assert kinds == [
        *("offset", "dense", "rotary", "dense", "rotary", "dense", "matmul", "softmax", "matmul", "dense", "add"),
        *("layernorm", "dense"),
    ]
    turned, (scores, soft, mixed) = lowered.layers[4], lowered.layers[6:9]
    assert (turned.shapes, turned.half, turned.each) == (((4, TOKENS * 3),), 2, 3)
    assert turned.tables.shape == (2, TOKENS, 4)  # heads share a row
    assert scores.shapes == ((4, TOKENS * 3), (4, TOKENS * 3))
    assert soft.shapes == ((TOKENS, TOKENS * 3),)
    assert (scores.heads_inside, scores.stored_inside, scores.along_inner) == (True, True, True)
    assert (mixed.m, mixed.positions, mixed.along_inner) == (4, TOKENS * 3, False)
    assert soft.factor == pytest.approx(0.5)  # the scale of the scores is a part of the exponents


def test_words_follow_the_float_network(case):
    graph, x, fixed = case
    errors = [relative_error(run_fixed(fixed[bits], x).values, swm.run(graph, x)) for bits in (8, 14)]
    assert errors[0] < 0.07
    assert errors[1] < errors[0] / 20


def test_compiled_and_stored_graphs_give_the_same_words(case, tmp_path):
    _, x, fixed = case
    words = run_fixed(fixed[8], x).words
    np.testing.assert_array_equal(run_fixed(fixed[8], x, compiled=True).words, words)
    save_fixed(fixed[8], tmp_path / "f.npz")
    np.testing.assert_array_equal(run_fixed(load_fixed(tmp_path / "f.npz"), x).words, words)


@pytest.mark.parametrize(("name", "bits"), [("vitis", 8), ("generic", 4), ("generic", 18)])
def test_c_simulation_confirms_every_word(case, tmp_path, name, bits):
    """Streams of the design's depths: a frame of queries waits until all keys have come; the mask is a ROM."""
    _, x, fixed = case
    schedule = make_schedule(fixed[bits].shape, load_board("pynq-z2"), backend=backend(name))
    result = verify_project(emit_project(Design(fixed[bits], schedule), tmp_path / "p", vectors=x[:20]))
    assert result.ok, (result.first_mismatch, result.remarks)
    assert result.words == 20 * TOKENS * 4
    layers = (tmp_path / "p" / "src" / "layers.h").read_text()
    assert "reciprocal of the sum comes from a table of" in layers
    assert "exponential 0.5: table of" in layers


def test_a_report_knows_them(case):
    board, graph = load_board("zcu104"), case[2][8]
    report = compare_design(Design(graph, make_schedule(graph.shape, board)), [board])
    layers = to_json(report)["boards"][0]["structured"]["layers"]
    assert [la["kind"] for la in layers if la["kind"] in ("matmul", "softmax", "offset")] == [
        *("offset", "matmul", "softmax", "matmul")
    ]
    text = " ".join(report.to_text().split())
    assert text.count("begins when a whole one has come") == 2


def test_other_ways_to_write_it(tmp_path):
    """A scale of the queries; one head, whose Transposes are those of matrices."""
    x = 2 * smooth(200, 6, 8)
    for heads, scaled in ((2, "query"), (1, "scores")):
        model = Model(6, 8)
        graph = model.save(tmp_path / f"{heads}.onnx", attention(model, "x", 6, 8, heads, scaled=scaled), 6, 8)
        assert {layer.kind for layer in lower(graph).layers} <= {"dense", "matmul", "softmax", "scale"}
        assert relative_error(run_fixed(quantized(graph, x), x).values, swm.run(graph, x)) < 0.02


def test_heads_outside_of_the_rows(tmp_path):
    """A tensor that lies head after head passes so: rows of A, lines of B and the result."""
    model, rng = Model(3, 4, 6), np.random.default_rng(0)
    other = model.linear("x", 6, 6, "other")
    product = model.node("MatMul", "x", model.node("Transpose", other, perm=[0, 1, 3, 2]), name="product")
    mixed = model.node("MatMul", model.node("Relu", product), other)
    graph = model.save(tmp_path / "m.onnx", model.linear(mixed, 6, 5, "head"), 3, 4, 5)
    layers = lower(graph).layers
    assert [(la.heads_inside, la.stored_inside) for la in layers if la.kind == "matmul"] == [(False, False)] * 2
    assert layers[1].activation == "relu"
    x = rng.normal(size=(100, 3, 4, 6)).astype(np.float32)
    assert relative_error(run_fixed(quantized(graph, x), x).values, swm.run(graph, x)) < 0.02


def test_exact_quotients_are_closer_and_confirmed(tmp_path):
    """With residual streams of other bits, too."""
    graph, x = encoder(tmp_path / "m.onnx", tokens=3, width=4, heads=2), 2 * smooth(60, 3, 4)
    fixed = swm.quantize(graph, bits=8, calibration=x, residual_bits=14, exact_division=True)
    widths = {layer.spec.name: [s.bits for s in (*layer.spec.inputs, layer.spec.output)] for layer in fixed.layers}
    assert [bits for name, bits in widths.items() if "residual" in name] == [[14, 8, 14]]
    assert [bits for name, bits in widths.items() if "positions" in name] == [[8, 14]]
    assert "8 bits, 14 on residual streams" in repr(fixed)
    np.testing.assert_array_equal(run_fixed(fixed, x, compiled=True).words, run_fixed(fixed, x).words)
    schedule = make_schedule(fixed.shape, load_board("pynq-z2"))
    result = verify_project(emit_project(Design(fixed, schedule), tmp_path / "p", vectors=x[:10]))
    assert result.ok, (result.first_mismatch, result.remarks)
    assert not any(key.endswith(".recip") for key in result.iterations)


@pytest.mark.parametrize("how", ["whole", "pairs", "stacked", "neighbours", "part", "early"])
def test_rotary_embeddings_are_found_however_they_are_written(tmp_path, how):
    graph, x = encoder(tmp_path / "m.onnx", width=16, heads=2, rotary=how), 2 * smooth(60, TOKENS, 16)
    small = swm.simplify(graph)
    for one in (graph, small):
        assert [layer.kind for layer in lower(one).layers].count("rotary") == 2
        assert {layer.half for layer in lower(one).layers if layer.kind == "rotary"} == {
            {"whole": 4, "stacked": 4, "early": 4, "part": 2}.get(how, 1)
        }
        assert {layer.kind for layer in lower(one).layers} <= {
            *("offset", "dense", "rotary", "matmul", "softmax", "add", "layernorm")
        }
    np.testing.assert_allclose(swm.run(small, x), swm.run(graph, x), atol=1e-5)
    fixed = quantized(small, x, 14)
    assert relative_error(run_fixed(fixed, x).values, swm.run(graph, x)) < 0.004
    np.testing.assert_array_equal(run_fixed(fixed, x, compiled=True).words, run_fixed(fixed, x).words)


def test_what_is_no_rotation_stays_what_it_is(tmp_path):
    """Pairs that do not lie equally far apart; what something else reads, too; a product by a table of positions."""
    for permuted, read in (([3, 2, 1, 0], False), ([2, 3, 0, 1], True)):
        model = Model(3, 4)
        x = model.linear("x", 4, 4)
        other = model.node("Gather", x, model.constant(permuted, np.int64), axis=-1)
        product = model.node("Mul", other, model.constant(np.sin(np.arange(12).reshape(3, 4))), name="sines")
        y = model.node("Add", model.node("Mul", x, model.constant(np.cos(np.arange(12).reshape(3, 4)))), product)
        texts = refused(tmp_path, model, model.node("Add", y, other) if read else y)
        assert texts
        assert any("Gather" in text or "sines" in text for text in texts)


@pytest.mark.parametrize("mask", ["where", "fill", "nan", "biased"])
def test_a_constant_mask_is_a_part_of_the_softmax(tmp_path, mask):
    """However it is written: what is hidden has a weight of 0, whatever the scores, in all engines alike."""
    graph, x = added_masks(encoder(tmp_path / "m.onnx", mask=mask)), 2 * smooth(60, TOKENS, WIDTH)
    (soft,) = (layer for layer in lower(graph).layers if layer.kind == "softmax")
    np.testing.assert_array_equal(soft.hidden, np.triu(np.ones((TOKENS, TOKENS), bool), 1))
    assert (soft.each, soft.factor) == (3, pytest.approx(0.5))  # the heads share a row
    fixed = quantized(graph, x, 12)
    assert relative_error(run_fixed(fixed, x).values, swm.run(graph, x)) < 0.01
    later = x.copy()
    later[:, -1] = 5 * smooth(60, WIDTH)
    words = run_fixed(fixed, x).words.reshape(60, TOKENS, -1)
    np.testing.assert_array_equal(run_fixed(fixed, later).words.reshape(words.shape)[:, :-1], words[:, :-1])
    np.testing.assert_array_equal(run_fixed(fixed, x, compiled=True).words.reshape(words.shape), words)


def test_a_mask_that_hides_a_row_is_refused(tmp_path):
    """By name: there is no maximum of nothing."""
    (found,) = hardware_findings(encoder(tmp_path / "row.onnx", mask="a row"))
    assert (found.node, "hides every value of a row" in found.reason) == ("soft", True)


def test_a_class_token_and_positions_are_constants(tmp_path):
    graph, x = swm.simplify(classifier(tmp_path / "m.onnx")), smooth(100, 4, 6)
    first = lower(graph).layers[0]
    assert (first.kind, first.before, first.positions, first.activation) == ("offset", 1, 5, "relu")
    fixed = quantized(graph, x, 10)
    assert relative_error(run_fixed(fixed, x).values, swm.run(graph, x)) < 0.02
    schedule = make_schedule(fixed.shape, load_board("pynq-z2"))
    result = verify_project(emit_project(Design(fixed, schedule), tmp_path / "p", vectors=x[:10]))
    assert result.ok, (result.first_mismatch, result.remarks)


def test_rtl_has_them(tmp_path):
    """Masks, rotations and shared heads, too (`tests/rtl/networks.py` runs them)."""
    assert not hardware_findings(encoder(tmp_path / "m.onnx", mask="add", rotary="pairs"), backend("rtl"))
    assert not hardware_findings(grouped(tmp_path / "g.onnx"), backend("rtl"))


def refused(tmp_path, model, tensor):
    return [str(f) for f in hardware_findings(model.save(tmp_path / "m.onnx", tensor))]


def test_what_is_not_taken_is_said(tmp_path):
    model = Model(3, 4, 6)
    soft = model.node("Softmax", model.linear("x", 6, 6), axis=1, name="across")
    (text,) = refused(tmp_path, model, model.linear(soft, 6, 2))
    assert "along the last axis" in text
    model = Model(4, 6)
    (text,) = refused(tmp_path, model, model.node("Softmax", model.linear("x", 6, 6), name="last"))
    assert "leave it to the host" in text
    for large, said in ((-1e9, "no bits left"), (-np.inf, "not finite")):
        model = Model(4, 6)
        mask = model.constant(np.triu(np.full((4, 6), large), 1).astype(np.float32))
        (text,) = refused(tmp_path, model, model.linear(model.node("Add", "x", mask, name="mask"), 6, 2))
        assert said in text
        assert "straight before a Softmax" in text
    model = Model(3, 4, 6)
    turned = model.node("Transpose", model.linear("x", 6, 8), perm=[0, 2, 1, 3])
    shaped = model.node("Reshape", turned, model.constant([-1, 12, 8], np.int64))
    (text,) = refused(tmp_path, model, model.linear(shaped, 8, 2, "behind"))
    assert "move no other axes" in text


@pytest.mark.parametrize(("op", "groups"), [("Expand", 1), ("Tile", 2)])
def test_heads_share_keys_and_values(tmp_path, op, groups):
    """Grouped queries, and all heads with the same: nothing is stored or computed more than once."""
    graph = grouped(tmp_path / "shared.onnx", op=op, groups=groups)
    scores, mixed = (layer for layer in lower(graph).layers if layer.kind == "matmul")
    assert (scores.shared, mixed.shared) == (4 // groups, 4 // groups)
    assert (scores.shapes[1], mixed.shapes[1]) == ((3, 4 * groups), (3, 4 * groups))
    fixed, x = quantized(graph, smooth(60, 4, 12), 14), smooth(60, 4, 12)
    assert relative_error(run_fixed(fixed, x).values, swm.run(graph, x)) < 0.01
    np.testing.assert_array_equal(run_fixed(fixed, x, compiled=True).words, run_fixed(fixed, x).words)
    if groups == 1:
        return  # the kernel's own test has both
    schedule = make_schedule(fixed.shape, load_board("pynq-z2"))
    result = verify_project(emit_project(Design(fixed, schedule), tmp_path / "p", vectors=x[:10]))
    assert result.ok, (result.first_mismatch, result.remarks)


def test_other_repeats_are_refused(tmp_path):
    """Heads that meet keys and values in turns, queries, and what other nodes read; by the node that reads them."""
    model = Model(4, 6)
    shaped = model.node("Reshape", model.linear("x", 6, 6), model.constant([-1, 4, 1, 6], np.int64))
    wide = model.node("Expand", shaped, model.constant([1, 1, 3, 1], np.int64), name="wide")
    flat = model.node("Reshape", wide, model.constant([-1, 4, 18], np.int64))
    (text,) = refused(tmp_path, model, model.linear(flat, 18, 2, "reader"))
    assert "reader" in text
    assert "repeats heads of keys and values" in text
    model = Model(4, 6)
    samples = model.node("Expand", "x", model.constant([3, 4, 6], np.int64))
    (text,) = refused(tmp_path, model, model.linear(samples, 6, 2))
    assert "it repeats values of a sample" in text
    (found,) = hardware_findings(grouped(tmp_path / "turns.onnx", groups=2, turns=True))[:1]
    assert "repeated" in found.reason


def test_an_output_of_moved_heads_is_refused(tmp_path):
    model = Model(3, 4, 6)
    moved = model.node("Transpose", model.linear("x", 6, 6), perm=[0, 2, 1, 3])
    (text,) = [str(f) for f in hardware_findings(model.save(tmp_path / "m.onnx", moved, 4, 3, 6))]
    assert "order" in text


def test_what_lies_behind_an_obstacle_is_not_reported_for_it(tmp_path):
    """A matrix over tokens whose count only the model's shapes tell was once said to write too many values."""
    model = Model(4, 6)
    graph = model.save(tmp_path / "m.onnx", model.linear(model.node("Sin", "x", name="odd"), 6, 5), 4, 5)
    assert [f.node for f in hardware_findings(graph)] == ["odd"]


def test_orders_follow_transposes_and_reshapes():
    """Against numpy: the words of a stream stay the same whatever the graph calls them."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        shape = tuple(int(s) for s in rng.integers(1, 4, size=rng.integers(1, 5)))
        tensor, order = np.arange(int(np.prod(shape))).reshape(1, *shape), None
        stream = tensor.reshape(1, -1)
        for _ in range(3):
            perm = tuple(int(axis) for axis in rng.permutation(tensor.ndim - 1))
            order = transposed(order, tensor.shape[1:], perm)
            tensor = tensor.transpose(0, *(axis + 1 for axis in perm))
            words = tensor.reshape(1, -1) if order is None else order.to_words(tensor)
            np.testing.assert_array_equal(words, stream)
            if order is not None:
                np.testing.assert_array_equal(order.to_model(stream), tensor.reshape(1, -1))
            if tensor.ndim > 2:
                tensor = tensor.reshape(1, tensor.shape[1] * tensor.shape[2], *tensor.shape[3:])
    assert order_of((2, 3, 4), (1, 2, 0)) == ChannelsLast(2, 12)
    assert order_of((2, 3, 4), (1, 0, 2)) == Permuted((2, 3, 4), (1, 0, 2))


@pytest.mark.parametrize(("curve", "keepdims"), [("Softmax", 0), ("Softmax", 1), ("Sigmoid", 0)])
def test_attention_that_pools_a_sequence(tmp_path, curve, keepdims):
    """Each step times its weight, summed: behind a GRU, or over the instances of a bag."""
    model, x = Model(TOKENS, WIDTH), 2 * smooth(60, TOKENS, WIDTH)
    values = model.node("Relu", model.linear("x", WIDTH, 8))
    along = {"axis": 1} if curve == "Softmax" else {}
    weights = model.node(curve, model.linear(model.node("Tanh", model.linear(values, 8, 6)), 6, 1, bias=False), **along)
    product = model.node("Mul", *([weights, values] if keepdims else [values, weights]))
    pooled = model.node("ReduceSum", product, model.constant([1], np.int64), keepdims=keepdims)
    graph = model.save(tmp_path / "m.onnx", model.linear(pooled, 8, 3), *([1] if keepdims else []), 3)
    assert [la.kind for la in lower(graph).layers][-2:] == ["matmul", "dense"]
    assert relative_error(run_fixed(quantized(graph, x, 16), x).values, swm.run(graph, x)) < 2e-3
