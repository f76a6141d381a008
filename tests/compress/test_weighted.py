# SPDX-License-Identifier: Apache-2.0
"""Conversion of convolutions and recurrent layers, block sizes by layer, and budgets."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from support import inputs, write_mlp

import swm
from swm.cli.convert import convert
from swm.compress import METHODS, activation_pairs, fold_conv, parse_blocks
from swm.compress.budget import BlockOption, choose, parse_budget
from swm.engine import FloatEngine
from swm.errors import CalibrationError, OptionError
from swm.graph import Conv, Linear, Recurrent
from swm.onnx_io import from_proto
from swm.structure import BlockCirculant, BlockCirculantConv, Dense, least_squares, spectral


def model_of(nodes, shape, out_rank, weights):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, [None] * out_rank)],
        [numpy_helper.from_array(np.asarray(v, np.float32), n) for n, v in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def convolutional(seed=0, norm=False, addend=False):
    """conv1 (3 → 8), conv2 (8 → 16), depthwise, pointwise (16 → 12), mean, fc."""
    rng = np.random.default_rng(seed)
    weights = {
        "w1": rng.normal(size=(8, 3, 3, 3)) / 5,
        "w2": rng.normal(size=(16, 8, 3, 3)) / 8, "b2": rng.normal(size=16) / 4,
        "w3": rng.normal(size=(16, 1, 3, 3)) / 3, "w4": rng.normal(size=(12, 16, 1, 1)) / 4,
        "w5": rng.normal(size=(5, 12)) / 3, "b5": rng.normal(size=5),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "conv2", strides=[2, 1], pads=[1, 0, 1, 0]),
    ]
    tensor = "c2"
    if norm:
        for part, low in (("s", 0.5), ("b", -1), ("m", -1), ("v", 0.5)):
            weights[f"{part}n"] = rng.uniform(low, 1.5, 16)
        nodes.append(helper.make_node("BatchNormalization", [tensor, "sn", "bn", "mn", "vn"], ["n2"], "bn"))
        tensor = "n2"
    if addend:
        weights["a"] = rng.normal(size=(16, 1, 1))
        nodes.append(helper.make_node("Add", ["a", tensor], ["a2"], "add"))
        tensor = "a2"
    nodes += [
        helper.make_node("Relu", [tensor], ["r2"], "relu2"),
        helper.make_node("Conv", ["r2", "w3"], ["c3"], "depthwise", group=16),
        helper.make_node("Conv", ["c3", "w4"], ["c4"], "pointwise"),
        helper.make_node("GlobalAveragePool", ["c4"], ["g"], "pool"),
        helper.make_node("Flatten", ["g"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w5", "b5"], ["y"], "fc", transB=1),
    ]
    return model_of(nodes, ["n", 3, 10, 10], 2, weights)


def images(samples=40, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(samples, 3, 10, 10)).astype(np.float32)


def recurrent(op="LSTM", direction="forward", seed=0, hidden=8, width=16, **attributes):
    rng = np.random.default_rng(seed)
    d, g = 2 if direction == "bidirectional" else 1, {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    weights = {
        "w": rng.normal(size=(d, g * hidden, width)) / 12, "r": rng.normal(size=(d, g * hidden, hidden)) / 6,
        "b": rng.normal(size=(d, 2 * g * hidden)) / 3, "wy": rng.normal(size=(hidden, 3)),
    }  # fmt: skip
    nodes = [
        helper.make_node(
            op, ["x", "w", "r", "b"], ["h"], "cell", hidden_size=hidden, direction=direction, **attributes
        ),
        helper.make_node("MatMul", ["h", "wy"], ["y"], "head"),
    ]
    return model_of(nodes, ["t", "n", width], 4, weights)


def sequences(steps=12, batch=25, width=16, seed=1):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(steps, batch, 5)) @ rng.normal(size=(5, width))).astype(np.float32)


def plain(graph, x, path):
    swm.save(graph, path)
    return ort.InferenceSession(str(path)).run(None, {"x": x})[0]


def assert_close(got, wanted):
    assert np.abs(got - wanted).max() <= 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("block", [2, 4])
def test_converted_convolutions_run_in_plain_onnxruntime_to_the_same_numbers(tmp_path, block):
    x = images()
    result = swm.convert(from_proto(convolutional()), block=block, calibration=x)
    kinds = {n.name: type(n.weight) for n in result.graph.nodes if isinstance(n, Conv | Linear)}
    assert kinds == {
        "conv1": Dense, "conv2": BlockCirculantConv, "depthwise": Dense, "pointwise": BlockCirculantConv, "fc": Dense
    }  # fmt: skip
    assert_close(swm.run(result.graph, x), plain(result.graph, x, tmp_path / "k.onnx"))
    again = swm.load(tmp_path / "k.onnx")
    assert_close(swm.run(again, x), swm.run(result.graph, x))


def test_rules_for_staying_dense_stand_in_the_report():
    report = swm.convert(from_proto(convolutional()), block=8, calibration=images()).report
    reasons = {row.name: row.reason for row in report.layers}
    assert "fewer than two blocks of 8 in 8 x 3 channels" in reasons["conv1"]
    assert reasons["depthwise"] == "convolution in 16 groups of 1 x 1 channels, no whole blocks of 8"
    assert reasons["fc"].startswith("last layer")
    report = swm.convert(from_proto(recurrent(hidden=10)), block=4, calibration=sequences()).report
    assert "straddle two gates of 10 cells" in report.layers[0].reason


def test_a_recurrent_layer_is_no_answer_to_be_kept_dense():
    layers = swm.convert(from_proto(recurrent(hidden=16)), block=4, calibration=sequences()).report.layers
    assert [row.structure for row in layers if row.name.endswith(("/W", "/R"))] == ["block-circulant"] * 2


@pytest.mark.parametrize("group", [1, 2, 16])
def test_dense_convolutions_behind_structured_ones_are_refitted(tmp_path, group):
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(size=(16, 8, 1, 1)) / 3, "w2": rng.normal(size=(16, 16 // group, 3, 2)) / 3,
        "b2": rng.normal(size=16), "w3": rng.normal(size=(3, 16, 1, 1)),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], "first"),
        helper.make_node("Conv", ["c1", "w2", "b2"], ["c2"], "second", pads=[1, 0, 0, 1], strides=[2, 1], group=group),
        helper.make_node("Conv", ["c2", "w3"], ["y"], "last"),
    ]
    graph = from_proto(model_of(nodes, ["batch", 8, 7, 6], 4, weights))
    mix = rng.normal(size=(5, 8))
    x = np.einsum("bchw,cd->bdhw", rng.normal(size=(300, 5, 7, 6)), mix).astype(np.float32)
    result = swm.convert(graph, block={"first": 4}, calibration=x[:200])
    from swm.engine import FloatEngine

    stale = {n.name: n for n in graph.nodes}["second"]
    refitted = {n.name: n for n in result.graph.nodes}["second"]
    assert isinstance(refitted.weight, Dense)
    old = result.graph.with_replaced(refitted, stale)
    wanted, before, after = (FloatEngine(g, ["c2"]).run({"x": x[200:]})["c2"] for g in (graph, old, result.graph))
    assert np.linalg.norm(after - wanted) < 0.98 * np.linalg.norm(before - wanted)  # depthwise has few weights to turn
    row = {r.name: r for r in result.report.layers}["second"]
    assert row.output_error == pytest.approx(np.linalg.norm(after - wanted) / np.linalg.norm(wanted), rel=0.2)
    swm.save(result.graph, tmp_path / "k.onnx")
    assert_close(swm.run(result.graph, x[:5]), plain(result.graph, x[:5], tmp_path / "k.onnx"))


def test_convolution_is_the_least_squares_solution_over_all_pixels():
    """Against the same regression on patches written out one by one."""
    model = convolutional()
    next(n for n in model.graph.node if n.name == "relu2").op_type = "Tanh"  # under a ReLU the fit is another one
    graph, x = from_proto(model), images()
    converted = swm.convert(graph, block={"conv2": 4}, calibration=x, hold_out=False).graph
    dense = next(n for n in graph.nodes if n.name == "conv2")
    new = next(n for n in converted.nodes if n.name == "conv2")
    from swm.engine import FloatEngine

    values = FloatEngine(graph, ["r1", "c2"]).run({"x": x})
    seen = np.pad(values["r1"], ((0, 0), (0, 0), (1, 1), (0, 0)))
    rows, targets = [], []
    for i in range(values["c2"].shape[2]):
        for j in range(values["c2"].shape[3]):
            patch = seen[:, :, 2 * i : 2 * i + 3, j : j + 3]
            rows.append(patch.transpose(0, 2, 3, 1).reshape(len(x), -1))  # positions outside, channels inside
            targets.append(values["c2"][:, :, i, j])
    fit = least_squares(np.concatenate(rows).astype(np.float64), np.concatenate(targets).astype(np.float64), 4)
    p, _, k = fit.columns.shape
    wanted = fit.columns.reshape(p, 9, 2, k).transpose(1, 0, 2, 3)
    np.testing.assert_allclose(new.weight.columns, wanted, atol=1e-4)
    np.testing.assert_allclose(new.bias, fit.bias, atol=1e-4)
    assert dense.pads == (1, 0, 1, 0)


@pytest.mark.parametrize("calibrated", [False, True])
def test_groups_are_fitted_as_convolutions_of_their_own(tmp_path, calibrated):
    """Two groups in one file, or each in a file of its own: the same blocks, and the file runs in onnxruntime."""
    rng, halves = np.random.default_rng(0), (slice(0, 4), slice(4, 8))
    weight, x = rng.normal(size=(16, 4, 3, 2)), rng.normal(size=(40, 8, 6, 5)).astype(np.float32)

    def network(w, bias, channels, group):
        nodes = [
            helper.make_node("Conv", ["x", "w", "b"], ["c"], "first", pads=[1, 0, 0, 1], strides=[2, 1], group=group),
            helper.make_node("Conv", ["c", "v"], ["y"], "last"),
        ]
        weights = {"w": w, "b": bias, "v": rng.normal(size=(2, len(w), 1, 1))}
        return from_proto(model_of(nodes, ["batch", channels, 6, 5], 4, weights))

    def first(graph, x):
        options = {"calibration": x} if calibrated else {}
        made = swm.convert(graph, block={"first": 2}, hold_out=False, permute=False, **options).graph
        return made, next(n for n in made.nodes if n.name == "first")

    bias = rng.normal(size=16)
    made, joint = first(network(weight, bias, 8, 2), x)
    assert (joint.group, joint.weight.columns.shape) == (2, (6, 8, 2, 2))
    apart = [
        first(network(weight[8 * i : 8 * i + 8], bias[8 * i : 8 * i + 8], 4, 1), x[:, h])[1]
        for i, h in enumerate(halves)
    ]
    wanted = np.concatenate([n.weight.columns for n in apart], axis=1)
    np.testing.assert_allclose(joint.weight.columns, wanted, atol=1e-4)
    np.testing.assert_allclose(joint.bias, np.concatenate([n.bias for n in apart]), atol=1e-4)
    assert_close(swm.run(made, x), plain(made, x, tmp_path / "k.onnx"))
    again = next(n for n in swm.load(tmp_path / "k.onnx").nodes if n.name == "first")
    assert (again.group, again.weight.block) == (2, 2)


def test_calibration_beats_projection_for_convolutions():
    graph, x = from_proto(convolutional()), images(100)
    wanted = swm.run(graph, x)
    fitted, projected = (swm.run(swm.convert(graph, block=4, calibration=c).graph, x) for c in (x, None))
    assert np.linalg.norm(fitted - wanted) < 0.7 * np.linalg.norm(projected - wanted)


@pytest.mark.parametrize(("norm", "addend"), [(True, False), (False, True), (True, True)])
def test_scales_and_addends_behind_a_convolution_are_folded_before_projection(norm, addend):
    graph, x = from_proto(convolutional(norm=norm, addend=addend)), images(5)
    folded = fold_conv(graph)
    assert len(folded.nodes) == len(graph.nodes) - norm - addend
    np.testing.assert_allclose(swm.run(folded, x), swm.run(graph, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("block", [4, {"cell/W": 2, "cell/R": 4}, {"cell/R": 2}])
def test_converted_recurrent_layers(tmp_path, op, direction, block):
    graph, x = from_proto(recurrent(op, direction)), sequences()
    result = swm.convert(graph, block=block, calibration=x)
    node = next(n for n in result.graph.nodes if isinstance(n, Recurrent))
    assert all(isinstance(w, BlockCirculant) for w in node.recurrent_weight)
    assert all(isinstance(w, Dense) for w in node.input_weight) == (block == {"cell/R": 2})
    assert_close(swm.run(result.graph, x), plain(result.graph, x, tmp_path / "k.onnx"))
    projected = swm.convert(graph, block=block, calibration=x, method="projection")
    wanted = swm.run(graph, x)
    errors = [np.linalg.norm(swm.run(r.graph, x) - wanted) for r in (result, projected)]
    assert errors[0] < errors[1]


@pytest.mark.parametrize(("op", "attributes"), [("GRU", {"linear_before_reset": 1}), ("GRU", {}), ("LSTM", {})])
def test_a_recurrent_layer_that_is_circulant_already_is_found_again(op, attributes):
    """With weights that a block-circulant layer can have exactly, the fit loses nearly nothing."""
    model = recurrent(op, **attributes)
    for tensor in model.graph.initializer:
        if tensor.name in ("w", "r"):
            dense = numpy_helper.to_array(tensor)[0]
            exact = BlockCirculant.from_dense(dense, block=4).to_dense()[None]
            tensor.CopyFrom(numpy_helper.from_array(exact, tensor.name))
    graph = from_proto(model)
    result = swm.convert(
        graph, block=4, calibration=np.random.default_rng(2).normal(size=(20, 40, 16)).astype(np.float32)
    )
    assert result.report.layers[0].fitted_error < 0.04


def test_block_map_precedence_and_layers_left_out(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", widths=(32, 32, 32, 32, 5)))
    report = swm.convert(graph, block={"fc0": 8, "fc*": 4, "fc1": 1}, calibration=inputs(64, 32)).report
    assert [row.block for row in report.layers] == [8, 1, 4, 1]
    assert report.layers[1].reason == "block size 1 asked for"
    report = swm.convert(graph, block={"fc2": 2}, calibration=inputs(64, 32)).report
    assert [row.reason for row in report.layers[:2]] == ["not named in the map of block sizes"] * 2


def test_a_pattern_that_matches_nothing_names_the_nearest(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", widths=(32, 32, 5)))
    with pytest.raises(OptionError, match=r"'fd0'.*'fc0'"):
        swm.convert(graph, block={"fd0": 4})
    with pytest.raises(OptionError, match="power of two"):
        swm.convert(graph, block={"fc0": 6})


@pytest.mark.parametrize(
    ("text", "wanted"), [("8", 8), ("fc1=8,conv*=4", {"fc1": 8, "conv*": 4}), ("a=b/W=2", {"a=b/W": 2})]
)
def test_block_sizes_as_text(text, wanted):
    assert parse_blocks(text) == wanted


@pytest.mark.parametrize("text", ["", "fc1=", "=8", "fc1", "fc1=8,,", "8,4"])
def test_block_sizes_that_cannot_be_read(text):
    with pytest.raises(OptionError, match="neither"):
        parse_blocks(text)


@st.composite
def choices(draw):
    return [
        BlockOption(f"layer{i}", k, words // k, 0.0 if k == 1 else draw(st.floats(0, 1)))
        for i in range(draw(st.integers(1, 4)))
        for words in [draw(st.sampled_from([640, 1280, 6400]))]
        for k in (1, 2, 4, 8)
    ]


@settings(max_examples=60, deadline=None)
@given(choices(), st.floats(0.15, 1.2))
def test_the_choice_is_the_best_of_all(found, share):
    """Against trying every combination."""
    names = sorted({c.layer for c in found})
    grid = [[c for c in found if c.layer == name] for name in names]
    budget = int(share * sum(g[0].bits for g in grid))
    combos = np.stack(np.meshgrid(*[range(4)] * len(grid), indexing="ij"), -1).reshape(-1, len(grid))
    costs = [sum(g[i].error for g, i in zip(grid, c, strict=True)) for c in combos]
    fits = [sum(g[i].bits for g, i in zip(grid, c, strict=True)) <= budget for c in combos]
    chosen = choose(found, budget)
    got = [next(c for c in found if (c.layer, c.block) == item) for item in chosen.items()]
    assert sum(c.bits for c in got) <= budget
    assert sum(c.error for c in got) <= min(c for c, fit in zip(costs, fits, strict=True) if fit) + 1e-6


def test_budget_is_kept_and_beats_one_block_for_all(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", widths=(32, 32, 32, 32, 8)))
    x = inputs(200, 32)
    result = swm.convert(graph, budget="4x", calibration=x)
    assert result.report.compression >= 4
    same = swm.convert(graph, block=8, calibration=x)
    wanted = swm.run(graph, x)
    assert np.linalg.norm(swm.run(result.graph, x) - wanted) <= 1.05 * np.linalg.norm(swm.run(same.graph, x) - wanted)
    bits = 32 * result.report.parameters_before // 3
    assert 32 * swm.convert(graph, budget=bits, calibration=x).report.parameters_after <= bits
    with pytest.raises(OptionError, match="cannot be met"):
        swm.convert(graph, budget="90x", calibration=x)


@pytest.mark.parametrize("budget", ["x", "-4x", "0", "3.5", True, "8 times"])
def test_budgets_that_cannot_be_read(budget):
    with pytest.raises(OptionError, match="budget"):
        parse_budget(budget, 1000)


def test_block_or_budget_but_not_both_and_known_methods(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx"))
    for options in ({}, {"block": 4, "budget": "4x"}):
        with pytest.raises(OptionError, match=r"give a block size, like|give one of the two"):
            swm.convert(graph, **options)
    with pytest.raises(OptionError, match="least-squares, projection"):
        swm.convert(graph, block=4, method="admm")
    with pytest.raises(CalibrationError, match="needs calibration"):
        swm.convert(graph, block=4, method="least-squares")
    assert set(METHODS) == {"least-squares", "projection"}


def test_command_line_takes_maps_and_budgets(tmp_path):
    path = write_mlp(tmp_path / "m.onnx", widths=(32, 32, 32, 5))
    for options in (["--block", "fc0=8,fc*=4"], ["--budget", "3x"], ["--block", "4", "--method", "projection"]):
        result = CliRunner().invoke(convert, [path, "-o", str(tmp_path / "k.onnx"), *options, "--force", "--json"])
        assert result.exit_code == 0, result.output
    assert onnx.load(tmp_path / "k.onnx").functions


def test_a_fit_factors_one_small_system_a_bin(monkeypatch):
    """Not one as wide as the layer. `swm bench convert` takes the time of large ones."""
    factored = []
    monkeypatch.setattr(
        spectral, "_factor", lambda gram, real=spectral._factor: factored.append(gram.shape) or real(gram)
    )
    rng = np.random.default_rng(0)
    x, targets = (rng.normal(size=(512, 128)).astype(np.float32) for _ in "xy")
    least_squares(x, targets, 8)
    assert factored == [(16, 16)] * 5


def test_all_sizes_of_a_layer_are_tried_on_one_run_to_it(tmp_path, monkeypatch):
    """What the layer reads is not computed again for every size; the outcome is the same to the last bit."""
    graph, x = swm.load(write_mlp(tmp_path / "m.onnx", widths=(32, 32, 32, 8))), inputs(120, 32)
    runs, outcomes = [], []

    def counted(engine, feeds, real=FloatEngine.run):
        runs[-1] += engine.outputs != ("y",)
        return real(engine, feeds)

    monkeypatch.setattr(FloatEngine, "run", counted)
    for room in (0, activation_pairs.KEEP_BYTES):
        monkeypatch.setattr(activation_pairs, "KEEP_BYTES", room)
        runs.append(0)
        made = swm.convert(graph, budget="4x", calibration=x, hold_out=False, permute=False)
        outcomes.append([n.weight.to_dense() for n in made.graph.nodes if isinstance(n, Linear)])
    assert runs[0] - runs[1] >= 6  # two layers, four sizes each: 2, 4, 8, 16
    for before, after in zip(*outcomes, strict=True):
        np.testing.assert_array_equal(before, after)
