# SPDX-License-Identifier: Apache-2.0
"""A low-rank part beside circulant blocks: found where it is there, taken where it pays, and what becomes of it."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import helper, numpy_helper
from support import mlp
from test_weighted import assert_close, convolutional, images, plain

import swm
from swm.cli.convert import convert as command
from swm.compress import correct
from swm.compress.activation_pairs import ActivationPairs
from swm.compress.fit_layers import fit_linear
from swm.compress.methods import LeastSquares
from swm.errors import CalibrationError, OptionError
from swm.graph import Add, Conv, Linear
from swm.onnx_io import from_proto
from swm.structure import STRUCTURES, BlockCirculant, BlockCirculantConv, Dense

RANK = 2


def inputs(samples, width):
    """White: smaller blocks cannot lean on what the inputs have in common."""
    return np.random.default_rng(1).normal(size=(samples, width)).astype(np.float32)


def with_matrix(matrix, relu=True):
    """One layer to convert, and a last one."""
    n, m = matrix.T.shape
    rng = np.random.default_rng(4)
    weights = {"w": matrix.T, "b": rng.normal(size=m) / 4, "v": rng.normal(size=(m, 4))}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], "wide"),
        helper.make_node("Add", ["h", "b"], ["a"], "bias"),
        helper.make_node("Relu" if relu else "Tanh", ["a"], ["r"], "act"),
        helper.make_node("MatMul", ["r", "v"], ["y"], "last"),
    ]
    info = helper.make_tensor_value_info
    tensors = [numpy_helper.from_array(np.ascontiguousarray(a, np.float32), t) for t, a in weights.items()]
    graph = helper.make_graph(nodes, "g", [info("x", 1, ["n", n])], [info("y", 1, ["n", 4])], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def circulant_and_low_rank(block=8, strength=1.0):
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(32 // block, 32 // block, block)).astype(np.float32) / 6
    low = strength * rng.normal(size=(32, RANK)) @ rng.normal(size=(RANK, 32)) / 6
    return (BlockCirculant(columns).to_dense() + low).astype(np.float32)


@pytest.mark.parametrize("relu", [True, False])
def test_what_is_there_is_found(tmp_path, relu):
    graph, x = swm.load(with_matrix(circulant_and_low_rank(), relu).SerializeToString(), simplify=True), inputs(600, 32)
    without = swm.convert(graph, block=8, calibration=x)
    made = swm.convert(graph, block=8, calibration=x, correction=RANK)
    layer = made.report.layers[0]
    assert layer.becomes == f"block-circulant 8 + rank {RANK}" and layer.correction == RANK
    assert layer.words_after == 32 * 32 // 8 + RANK * 64
    extra = layer.multiplications_after - without.report.layers[0].multiplications_after
    assert extra == RANK * 64
    errors = [r.output_error for r in (layer, without.report.layers[0])]
    assert errors[0] < (0.5 if relu else 0.15) * errors[1]  # below zero a ReLU asks for nothing
    assert made.report.accuracy.relative_error < 0.35 * without.report.accuracy.relative_error
    kinds = [type(n) for n in made.graph.nodes]
    assert kinds.count(Linear) == 4 and kinds.count(Add) == 1
    assert_close(plain(made.graph, x, tmp_path / "m.onnx"), swm.run(made.graph, x))
    assert not onnx.load(tmp_path / "m.onnx").functions[1:]  # the circulant part alone is a function
    again = swm.load(tmp_path / "m.onnx")
    np.testing.assert_allclose(swm.run(again, x), swm.run(made.graph, x), rtol=1e-5, atol=1e-5)
    assert {n.name: n.weight.shape for n in again.nodes if isinstance(n, Linear)}["wide/down"] == (RANK, 32)
    listed = {n.name: n for n in swm.check(again).nodes}
    assert listed["wide"].structured.startswith("is block-circulant 8") and listed["wide/sum"].op == "Add"


def test_it_is_taken_only_where_it_pays():
    """Of blocks of 4 inside blocks of 8, smaller blocks are the better buy."""
    graph, x = swm.load(with_matrix(circulant_and_low_rank(4, 0.0)).SerializeToString(), simplify=True), inputs(600, 32)
    made = swm.convert(graph, block=8, calibration=x, correction=RANK)
    assert [r.correction for r in made.report.layers] == [0, 0]
    assert not any(isinstance(n, Add) for n in made.graph.nodes)
    off = swm.convert(graph, block=8, calibration=x)
    np.testing.assert_array_equal(swm.run(made.graph, x), swm.run(off.graph, x))


def test_more_turns_leave_less(monkeypatch):
    graph = swm.load(with_matrix(circulant_and_low_rank(strength=0.5)).SerializeToString(), simplify=True)
    x, node = inputs(400, 32), graph.nodes[0]
    pairs = ActivationPairs(graph, graph, {"x": x}, keep=True)
    new = fit_linear(node, 8, LeastSquares(), pairs)
    answer = np.maximum(x @ node.weight.to_dense().T + node.bias, 0)
    left = []
    for turns in (1, 2, 3):
        monkeypatch.setattr(correct, "TURNS", turns)
        made = correct.corrected(node, new, RANK, LeastSquares, pairs, None)
        both = made.written_out
        left.append(np.square(np.maximum(x @ both.weight.to_dense().T + both.bias, 0) - answer).sum())
    assert left == sorted(left, reverse=True) and left[2] < left[0] / 2


def test_kernels_take_one(tmp_path):
    graph, x, rng = from_proto(convolutional()), images(), np.random.default_rng(0)
    node = next(n for n in graph.nodes if n.name == "conv2")
    tensor = node.weight.to_dense().reshape(16, 8, 3, 3)
    low = np.outer(rng.normal(size=16), rng.normal(size=72)) / 9
    kernel = BlockCirculantConv.from_dense(tensor, block=4).to_dense() + low
    graph = graph.with_replaced(node, replace(node, weight=Dense(kernel.astype(np.float32))))
    made = swm.convert(graph, block={"conv2": 4}, calibration=x, correction=1)
    layer = next(r for r in made.report.layers if r.name == "conv2")
    assert layer.correction == 1
    assert sum(isinstance(n, Conv) for n in made.graph.nodes) == sum(isinstance(n, Conv) for n in graph.nodes) + 2
    assert_close(plain(made.graph, x, tmp_path / "m.onnx"), swm.run(made.graph, x))
    off = swm.convert(graph, block={"conv2": 4}, calibration=x)
    assert layer.output_error < next(r for r in off.report.layers if r.name == "conv2").output_error


def test_existing_kinds_of_hardware_carry_it():
    x = inputs(200, 32)
    graph = swm.load(with_matrix(circulant_and_low_rank()).SerializeToString(), simplify=True)
    made = swm.convert(graph, block=8, calibration=x, correction=RANK).graph
    fixed = swm.quantize(made, bits=16, calibration=x)
    assert sorted({spec.kind for spec in fixed.specs}) == ["add", "circulant", "dense"]
    wanted = swm.run(made, x)
    assert np.abs(swm.run(fixed, x) - wanted).max() < 0.02 * np.abs(wanted).max()
    design = swm.design(fixed, board=swm.boards()[0].name)
    assert "fork" in {placed.spec.kind for placed in design.schedule.layers}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"correction": -1, "calibration": inputs(40, 32)}, OptionError, "rank -1 is impossible"),
        ({"correction": True, "calibration": inputs(40, 32)}, OptionError, "rank True is impossible"),
        ({"correction": 2}, CalibrationError, "calibration inputs"),
        ({"correction": 2, "calibration": inputs(40, 32), "method": "projection"}, CalibrationError, "least squares"),
        ({"correction": 2, "calibration": inputs(40, 32), "structure": STRUCTURES["cgs"]}, OptionError, "beside"),
    ],
)
def test_bad_ranks_end_in_one_error(options, error, message):
    with pytest.raises(error, match=message):
        swm.convert(swm.load(mlp((32, 32, 4))), block=8, **options)


def test_the_command_takes_a_rank(tmp_path):
    onnx.save(with_matrix(circulant_and_low_rank()), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", inputs(300, 32))
    options = ["--block", "8", "--calibration", str(tmp_path / "x.npy"), "--correction", str(RANK), "--json"]
    done = CliRunner().invoke(command, [str(tmp_path / "m.onnx"), "-o", str(tmp_path / "k.onnx"), *options])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["layers"][0]["correction"] == RANK
    shown = CliRunner().invoke(
        command, [str(tmp_path / "m.onnx"), "-o", str(tmp_path / "k.onnx"), *options[:-1], "--force"]
    )
    assert f"rank {RANK}" in shown.output.replace("\n", " ")
