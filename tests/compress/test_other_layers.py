# SPDX-License-Identifier: Apache-2.0
"""Structures other than block-circulant ones in convolutions and recurrent layers: fitted, saved, run, found again."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper
from support import write_mlp
from test_weighted import assert_close, convolutional, images, plain, recurrent, sequences

import swm
from swm.cli.convert import convert as command
from swm.errors import ModelError
from swm.graph import Conv, Recurrent, is_structured
from swm.onnx_io import from_proto
from swm.structure import STRUCTURES, Dense

NAMES = {"cgs": 2, "cgs-1bit": 2, "bits": 2, "ternary8": 2, "nof4": 2, "permuted-diagonal": 4}


def weights(node):
    return (*node.input_weight, *node.recurrent_weight) if isinstance(node, Recurrent) else (node.weight,)


def structured(graph):
    return [node for node in graph.nodes if is_structured(node)]


def same(got, wanted):
    for a, b in zip(got, wanted, strict=True):
        assert type(a) is type(b)
        assert all(np.array_equal(a.arrays[name], b.arrays[name]) for name in a.arrays)


@pytest.mark.parametrize("name", NAMES)
def test_kernels_are_fitted_counted_saved_and_read_back(tmp_path, name):
    graph, x, kind = from_proto(convolutional()), images(), STRUCTURES[name]
    fitted = swm.convert(graph, block={"conv2": NAMES[name], "pointwise": NAMES[name]}, structure=kind, calibration=x)
    nodes = structured(fitted.graph)
    assert [(node.name, type(node.weight)) for node in nodes] == [("conv2", kind), ("pointwise", kind)]
    layer = next(r for r in fitted.report.layers if r.name == "conv2")
    assert layer.shape == (16, 72) and layer.bits_after == nodes[0].weight.bits(32) < layer.bits_before
    wanted = swm.run(fitted.graph, x)
    assert_close(plain(fitted.graph, x, tmp_path / "m.onnx"), wanted)
    again = swm.load(tmp_path / "m.onnx")
    same([n.weight for n in structured(again)], [n.weight for n in nodes])
    projected = swm.convert(graph, block={"conv2": NAMES[name]}, structure=kind, method="projection", calibration=x)
    error = {r.name: r.output_error for r in projected.report.layers}
    assert layer.output_error < error["conv2"]


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("name", ["cgs", "cgs-3bit", "ternary8"])
def test_gate_matrices_are_fitted_saved_and_read_back(tmp_path, op, name):
    attributes = {"linear_before_reset": 0} if op == "GRU" else {}
    graph, x, kind = from_proto(recurrent(op, **attributes)), sequences(), STRUCTURES[name]
    fitted = swm.convert(graph, block=2, structure=kind, calibration=x)
    (node,) = structured(fitted.graph)
    assert {type(w) for w in weights(node)} == {kind}
    assert_close(plain(fitted.graph, x, tmp_path / "m.onnx"), swm.run(fitted.graph, x))
    (again,) = structured(swm.load(tmp_path / "m.onnx"))
    same(weights(again), weights(node))


@pytest.mark.parametrize(("op", "name"), [("LSTM", "cgs-3bit"), ("GRU", "ternary8"), ("RNN", "cgs")])
def test_both_directions_are_fitted_saved_run_and_found(tmp_path, op, name):
    graph, x, kind = from_proto(recurrent(op, "bidirectional", hidden=16)), sequences(), STRUCTURES[name]
    fitted = swm.convert(graph, block=2, structure=kind, calibration=x)
    (node,) = structured(fitted.graph)
    assert [type(w) for w in weights(node)] == [kind] * 4
    assert_close(plain(fitted.graph, x, tmp_path / "m.onnx"), swm.run(fitted.graph, x))
    (again,) = structured(swm.load(tmp_path / "m.onnx"))
    same(weights(again), weights(node))
    layer = fitted.report.layers[0]
    assert layer.bits_after == sum(w.bits(32) for w in node.input_weight)
    if name != "cgs-3bit":
        (found,) = structured(swm.compress.detect_structure(swm.dense_twin(fitted.graph)))
        same(weights(found), weights(node))
    projected = swm.convert(graph, block=2, structure=kind, calibration=x, method="projection")
    assert layer.fitted_error < projected.report.layers[0].fitted_error


def test_directions_of_two_sizes_are_left_dense():
    kind, graph = STRUCTURES["cgs"], from_proto(recurrent("LSTM", "bidirectional", hidden=64))
    (node,) = (n for n in graph.nodes if isinstance(n, Recurrent))
    both = [tuple(Dense(kind.project(w.to_dense(), size).to_dense()) for w in node.recurrent_weight) for size in (2, 4)]
    mixed = graph.with_replaced(node, replace(node, recurrent_weight=(both[0][0], both[1][1])))
    assert swm.compress.detect_structure(mixed) is mixed
    (found,) = structured(
        swm.compress.detect_structure(graph.with_replaced(node, replace(node, recurrent_weight=both[1])))
    )
    assert [(type(w), w.size) for w in found.recurrent_weight] == [(kind, 4)] * 2


def test_a_fit_of_gates_is_better_than_the_projection():
    graph, x = from_proto(recurrent(hidden=16)), sequences()
    errors = [
        swm.convert(graph, block=2, structure=STRUCTURES["bits"], calibration=x, method=method).report.layers[0]
        for method in ("least-squares", "projection")
    ]
    assert errors[0].fitted_error < errors[1].fitted_error


@pytest.mark.parametrize("name", ["cgs", "ternary8"])
def test_they_are_found_in_dense_files(name):
    for model, kind in ((convolutional(), Conv), (recurrent(hidden=16), Recurrent)):
        size = {"conv2": NAMES[name]} if kind is Conv else NAMES[name]
        held = swm.convert(from_proto(model), block=size, structure=STRUCTURES[name]).graph
        found = [n for n in structured(swm.compress.detect_structure(swm.dense_twin(held))) if isinstance(n, kind)]
        same(weights(found[0]), weights(structured(held)[0]))


def test_hardware_holds_a_sparse_kernel_written_out():
    model = convolutional()
    made = swm.convert(from_proto(model), block={"conv2": 2}, structure=STRUCTURES["cgs"])
    x = images(12)
    words, dense = (swm.quantize(g, bits=12, calibration=x) for g in (made.graph, swm.dense_twin(made.graph)))
    np.testing.assert_array_equal(swm.run(words, x), swm.run(dense, x))
    said = {node.name: node.structured for node in swm.check(made.graph).nodes}
    assert "hardware holds it dense" in said["conv2"]


def test_a_damaged_kernel_is_named(tmp_path):
    made = swm.convert(from_proto(convolutional()), block={"conv2": 2}, structure=STRUCTURES["cgs"])
    swm.save(made.graph, tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    ids = next(t for t in model.graph.initializer if t.name.endswith("ids"))
    ids.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(ids), 99), ids.name))
    with pytest.raises(ModelError, match=r"conv2.*damaged"):
        from_proto(model)


def test_the_order_of_channels_can_be_left_on_the_command_line(tmp_path):
    write_mlp(tmp_path / "m.onnx", widths=(32, 32, 32, 4), seed=3)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(200, 32)).astype(np.float32))
    weights = {}
    for flag in ((), ("--no-permute",)):
        given = [str(tmp_path / "m.onnx"), "--block", "8", "--calibration", str(tmp_path / "x.npy"), "--force"]
        done = CliRunner().invoke(command, [*given, "-o", str(tmp_path / "k.onnx"), *flag])
        assert done.exit_code == 0, done.output
        weights[flag] = structured(swm.load(tmp_path / "k.onnx"))[0].weight.columns
    graph, x = swm.load(tmp_path / "m.onnx", simplify=True), np.load(tmp_path / "x.npy")
    kept = swm.convert(graph, block=8, calibration=x, permute=False).graph
    np.testing.assert_array_equal(weights[("--no-permute",)], structured(kept)[0].weight.columns)
    assert not np.array_equal(weights[()], weights[("--no-permute",)])
