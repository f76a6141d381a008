# SPDX-License-Identifier: Apache-2.0
"""Conversion: rules, folding, least squares layer after layer, agreement with onnxruntime, the bundled network."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from support import inputs, mlp, write_mlp

import swm
from swm import bundled
from swm.cli.convert import convert
from swm.compress import accuracy, fold_affine
from swm.compress.dynamic_batch import make_batch_dynamic
from swm.engine import FloatEngine
from swm.engine.cutting import cut
from swm.errors import CalibrationError, OptionError, UnsupportedModel
from swm.graph import Affine, Linear
from swm.structure import BlockCirculant, Dense, least_squares


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return swm.load(write_mlp(tmp_path_factory.mktemp("m") / "m.onnx", widths=(20, 24, 16, 5)))


def test_rules_for_staying_dense(graph):
    result = swm.convert(graph, block=8, calibration=inputs())
    kinds = [type(n.weight) for n in result.graph.linear()]
    assert kinds == [BlockCirculant, BlockCirculant, Dense]
    reasons = [row.reason for row in result.report.layers]
    assert reasons[:2] == ["", ""]
    assert reasons[2].startswith("last layer")
    result = swm.convert(graph, block=16, calibration=inputs())
    assert all(isinstance(n.weight, Dense) for n in result.graph.linear())
    assert "fewer than two blocks of 16" in result.report.layers[0].reason


def test_blocks_beyond_what_hardware_takes_run_in_float_and_are_named_by_quantize(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", widths=(1024, 1024, 10)))
    small = swm.convert(graph, block=512).graph
    x = inputs(4, 1024)
    np.testing.assert_allclose(swm.run(small, x), swm.run(swm.dense_twin(small), x), rtol=1e-3, atol=1e-4)
    with pytest.raises(UnsupportedModel, match="its blocks hold 512 values"):
        swm.quantize(small, bits=12, calibration=x)


def test_the_last_layer_is_converted_if_its_name_is_given(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", widths=(20, 24, 16)))
    first, last = (n.name for n in graph.linear())
    for blocks, kinds in (
        ({"*": 8}, [BlockCirculant, Dense]),
        ({last: 8}, [Dense, BlockCirculant]),
        ({first: 8, last: 1}, [BlockCirculant, Dense]),
    ):
        result = swm.convert(graph, block=blocks, calibration=inputs())
        assert [type(n.weight) for n in result.graph.linear()] == kinds
    assert result.report.layers[-1].reason == "block size 1 asked for"


@pytest.fixture(scope="module")
def smooth(tmp_path_factory):
    """Without ReLU, under which the fit is another one."""
    return swm.load(write_mlp(tmp_path_factory.mktemp("s") / "m.onnx", widths=(20, 24, 16, 5), activation="Tanh"))


def test_first_layer_is_the_least_squares_solution(smooth):
    graph = smooth
    x = inputs(500)
    first = swm.convert(graph, block=4, calibration=x, hold_out=False, permute=False).graph.linear()[0]
    dense = graph.linear()[0]
    target = x.astype(np.float64) @ dense.weight.to_dense().T + dense.bias
    fit = least_squares(x.astype(np.float64), target, 4)
    np.testing.assert_allclose(first.weight.columns, fit.columns, atol=1e-4)
    np.testing.assert_allclose(first.bias, fit.bias, atol=1e-4)


def test_second_layer_is_fitted_on_converted_activations_against_dense_targets(smooth):
    graph = smooth
    x = inputs(500)
    converted = swm.convert(graph, block=4, calibration=x, hold_out=False, permute=False).graph
    first, second, _ = converted.linear()
    seen = np.tanh(first.weight.matmul(x) + first.bias).astype(np.float64)
    a, b, _ = graph.linear()
    hidden = np.tanh(x @ a.weight.to_dense().T + a.bias)
    fit = least_squares(seen, (hidden @ b.weight.to_dense().T + b.bias).astype(np.float64), 4)
    np.testing.assert_allclose(second.weight.columns, fit.columns, atol=1e-3)


def test_under_a_relu_the_error_that_it_passes_falls(tmp_path):
    """Also with a partial last block (22 = 5 * 4 + 2); rows that the fit has not seen count."""
    graph = swm.load(write_mlp(tmp_path / "m.onnx", widths=(20, 22, 5)))
    x, fresh = np.split(inputs(1500), [1000])
    first, dense = (
        swm.convert(graph, block=4, calibration=x, hold_out=False, permute=False).graph.linear()[0],
        graph.linear()[0],
    )

    def target(rows):
        return rows.astype(np.float64) @ dense.weight.to_dense().T + dense.bias

    plain = least_squares(x.astype(np.float64), target(x), 4)
    answers = (
        BlockCirculant(plain.columns.astype(np.float32), (22, 20)).matmul(fresh) + plain.bias,
        first.weight.matmul(fresh) + first.bias,
    )
    before, after = (np.linalg.norm(np.maximum(y, 0) - np.maximum(target(fresh), 0)) for y in answers)
    assert after < before


def test_a_relu_that_is_not_alone_changes_nothing(tmp_path):
    model = mlp(widths=(20, 24, 16, 5))
    model.graph.output.append(helper.make_tensor_value_info("h0", 1, ["batch", 24]))
    onnx.save(model, str(tmp_path / "m.onnx"))
    graph, x = swm.load(tmp_path / "m.onnx"), inputs(500)
    first, dense = swm.convert(graph, block=4, calibration=x, hold_out=False).graph.linear()[0], graph.linear()[0]
    fit = least_squares(x.astype(np.float64), x.astype(np.float64) @ dense.weight.to_dense().T + dense.bias, 4)
    np.testing.assert_allclose(first.weight.columns, fit.columns, atol=1e-4)


def test_calibration_beats_projection(graph):
    x = inputs(500)
    want = swm.run(graph, x)
    fitted, projected = (swm.convert(graph, block=4, calibration=c).graph for c in (x, None))
    errors = [np.linalg.norm(swm.run(g, x) - want) for g in (fitted, projected)]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("block", [2, 4, 8])
@pytest.mark.parametrize("opset", [9, 13, 21])
def test_converted_file_runs_in_plain_onnxruntime_to_the_same_numbers(tmp_path, block, opset):
    x = inputs(30, 21)
    graph = swm.load(write_mlp(tmp_path / "m.onnx", widths=(21, 37, 18, 5), opset=opset, activation="Tanh"))
    converted = swm.convert(graph, block=block, calibration=x).graph
    swm.save(converted, tmp_path / "k.onnx")
    onnx.checker.check_model(str(tmp_path / "k.onnx"), full_check=True)
    (plain,) = ort.InferenceSession(str(tmp_path / "k.onnx")).run(None, {"x": x})
    ours = swm.run(converted, x)
    assert np.abs(ours - plain).max() <= 1e-4 * np.abs(plain).max()
    again = swm.load(tmp_path / "k.onnx")
    np.testing.assert_array_equal(again.linear()[0].weight.columns, converted.linear()[0].weight.columns)


def test_file_of_a_converted_model_is_smaller(tmp_path):
    path = write_mlp(tmp_path / "m.onnx", widths=(256, 512, 10))
    swm.save(swm.convert(swm.load(path), block=16, calibration=inputs(64, 256)).graph, tmp_path / "k.onnx")
    assert (tmp_path / "k.onnx").stat().st_size < 0.15 * (tmp_path / "m.onnx").stat().st_size


def test_float_engine_runs_structured_layers_itself_and_the_rest_in_few_segments(graph):
    converted = swm.convert(graph, block=8, calibration=inputs()).graph
    outputs = [v.name for v in graph.outputs]
    segments = cut(converted, outputs, {n.name for n in converted.nodes})
    assert [s.layer is not None for s in segments] == [True, False, True, False]
    assert len(cut(graph, outputs, {n.name for n in graph.nodes})) == 1


def test_any_tensor_can_be_asked_for(graph):
    x = inputs(3)
    values = FloatEngine(graph, ["h0", "a1"]).run({"x": x})
    first = graph.linear()[0]
    np.testing.assert_allclose(values["h0"], x @ first.weight.to_dense().T + first.bias, atol=1e-5)
    assert values["a1"].shape == (3, 16)


@pytest.mark.parametrize("place", ["before", "after", "both"])
def test_batch_normalization_is_folded_before_projection(tmp_path, place):
    model = mlp(widths=(12, 16, 4))
    rng = np.random.default_rng(0)

    def norm(tensor, width, index):
        for part, low in (("s", 0.5), ("b", -1), ("m", -1), ("v", 0.5)):
            values = rng.uniform(low, 1.5, width).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(values, f"{part}{index}"))
        names = [tensor, *(f"{p}{index}" for p in ("s", "b", "m", "v"))]
        return helper.make_node("BatchNormalization", names, [f"{tensor}_n"], name=f"bn{index}")

    nodes = list(model.graph.node)
    if place in ("after", "both"):
        bn = norm("h0", 16, 9)
        nodes[1].input[0] = "h0_n"
        nodes.insert(1, bn)
    if place in ("before", "both"):
        bn = norm("x", 12, 8)
        nodes[0].input[0] = "x_n"
        nodes.insert(0, bn)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, str(tmp_path / "bn.onnx"))
    graph = swm.load(tmp_path / "bn.onnx")
    assert any(isinstance(n, Affine) for n in graph.nodes)
    folded = fold_affine(graph)
    assert not any(isinstance(n, Affine) for n in folded.nodes)
    x = inputs(9, 12)
    np.testing.assert_allclose(swm.run(folded, x), swm.run(graph, x), rtol=1e-4, atol=1e-5)


def test_input_normalisation_before_a_flatten_is_folded(tmp_path):
    model = mlp(widths=(12, 16, 4))
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, ["batch", 3, 4]))
    for name, value in (("mean", 0.5), ("std", 0.25)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    model.graph.node[0].input[0] = "flat"
    front = [
        helper.make_node("Sub", ["x", "mean"], ["centred"], name="sub"),
        helper.make_node("Div", ["centred", "std"], ["normal"], name="div"),
        helper.make_node("Flatten", ["normal"], ["flat"], name="flatten"),
    ]
    nodes = [*front, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, str(tmp_path / "n.onnx"))
    graph = swm.load(tmp_path / "n.onnx")
    folded = fold_affine(graph)
    assert [n.op for n in folded.nodes] == ["Reshape", "Linear", "Relu", "Linear"]
    x = inputs(9, 12).reshape(9, 3, 4)
    np.testing.assert_allclose(swm.run(folded, x), swm.run(graph, x), rtol=1e-4, atol=1e-5)


def test_folding_leaves_structured_layers_alone(graph):
    converted = swm.convert(graph, block=4, calibration=inputs()).graph
    first = converted.linear()[0]
    affine = Affine(
        name="s",
        inputs=first.outputs,
        outputs=("scaled",),
        scale=np.full(24, 2, np.float32),
        shift=np.zeros(24, np.float32),
    )
    nodes = []
    for node in converted.nodes:
        if first.outputs[0] in node.inputs:
            node = type(node)(**{**vars(node), "inputs": ("scaled",)})
        nodes += [node, affine] if node is first else [node]
    scaled = fold_affine(converted.with_nodes(nodes))
    assert any(isinstance(n, Affine) for n in scaled.nodes)
    assert isinstance(next(n for n in scaled.nodes if isinstance(n, Linear)).weight, BlockCirculant)


def test_report_counts(graph):
    report = swm.convert(graph, block=4, calibration=inputs(), labels=np.zeros(64, np.int64)).report
    assert report.parameters_before == 20 * 24 + 24 * 16 + 16 * 5
    assert report.parameters_after == (20 * 24 + 24 * 16) // 4 + 16 * 5
    data = report.to_json()
    assert data["bits_before"] == 32 * report.parameters_before
    assert data["compression"] == report.compression
    assert 0 <= data["accuracy"]["test"] <= 1
    assert report.layers[0].output_error > 0


@pytest.mark.parametrize(
    ("calibration", "labels", "message"),
    [
        (np.zeros((5, 19), np.float32), None, "must have shape"),
        (np.zeros((0, 20), np.float32), None, "no samples"),
        (np.full((5, 20), np.nan, np.float32), None, "NaN"),
        (np.array([["a"] * 20]), None, "must hold numbers"),
        (np.zeros((5, 20), np.float32), np.zeros(4, np.int64), "labels must be 5"),
        (np.zeros((5, 20), np.float32), np.full(5, 7), "labels must lie in 0..4"),
        (np.zeros((5, 20), np.float32), np.zeros(5), "integers"),
        ({"y": np.zeros((5, 20), np.float32)}, None, "inputs are"),
        (None, np.zeros(5, np.int64), "without calibration"),
    ],
)
def test_calibration_errors_name_what_is_wrong(graph, calibration, labels, message):
    with pytest.raises(CalibrationError, match=message):
        swm.convert(graph, block=4, calibration=calibration, labels=labels)


def test_impossible_block(graph):
    with pytest.raises(OptionError, match="power of two"):
        swm.convert(graph, block=12, calibration=inputs())


def test_fixed_batch_models_take_many_samples(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", batch=1))
    dynamic = swm.load(write_mlp(tmp_path / "d.onnx"))
    np.testing.assert_allclose(swm.run(graph, inputs(7)), swm.run(dynamic, inputs(7)), atol=1e-6)
    assert swm.convert(graph, block=4, calibration=inputs(50), hold_out=False).report.calibration_samples == 50


def test_calibration_of_a_fixed_batch_model_runs_many_samples_at_once(tmp_path, monkeypatch):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", batch=1))
    calls = []
    run = FloatEngine._run
    monkeypatch.setattr(FloatEngine, "_run", lambda self, feeds: calls.append(len(feeds["x"])) or run(self, feeds))
    converted = swm.convert(graph, block=4, calibration=inputs(300), hold_out=False).graph
    assert sorted(set(calls)) == [1, 3, 44, 256]  # the trial batch by batch and in one, then chunks
    assert calls.count(1) == 4  # three of the trial, one that counts positions
    assert converted.inputs == graph.inputs
    free = swm.convert(swm.load(write_mlp(tmp_path / "d.onnx")), block=4, calibration=inputs(300), hold_out=False).graph
    np.testing.assert_allclose(swm.run(converted, inputs(5)), swm.run(free, inputs(5)), atol=1e-5)


def test_a_batch_written_into_a_reshape_stays(tmp_path):
    model = mlp(widths=(20, 24, 16, 5), batch=2)
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 24]), "shape"))
    model.graph.node[2].input[0] = "same"
    model.graph.node.insert(2, helper.make_node("Reshape", ["a0", "shape"], ["same"], name="fixed"))
    onnx.save(model, str(tmp_path / "m.onnx"))
    graph = swm.load(tmp_path / "m.onnx")
    assert make_batch_dynamic(graph, {"x": inputs(8)}) is graph
    swm.convert(graph, block=4, calibration=inputs(8))


@pytest.mark.parametrize(("block", "floor"), [(4, 0.95), (8, 0.94), (16, 0.87)])
def test_bundled_network_keeps_its_accuracy_one_shot(block, floor):
    """With the 2,000 bundled calibration images; benchmarks/accuracy.py measures with 8,192 (docs/results.md)."""
    images, labels = bundled.test()
    converted = swm.convert(swm.load(bundled.model_path()), block=block, calibration=bundled.calibration()[0]).graph
    assert accuracy(swm.run(converted, images), labels) >= floor


def test_a_network_without_weights_to_convert_comes_back_with_a_report(tmp_path):
    weight = numpy_helper.from_array(np.ones((32, 32), np.float16), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "half",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["batch", 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, ["batch", 32])],
        [weight],
    )
    path = tmp_path / "half.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    result = swm.convert(swm.load(path), block=8)
    assert result.report.layers == () and result.report.compression == 1
    done = CliRunner().invoke(convert, [str(path), "-o", str(tmp_path / "out.onnx"), "--block", "8"])
    assert done.exit_code == 0 and "constant float32 weights" in done.output
