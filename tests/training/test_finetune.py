# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402
"""Fine-tuning: graphs as torch modules and back, what is learnt, what is kept, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from support import mlp

torch = pytest.importorskip("torch", reason="needs torch: pip install 'swm-fpga[torch]'")

import swm
from swm.cli.finetune import _print
from swm.cli.finetune import finetune as command
from swm.compress import CONVERSION, conversion, parse_record, sample_hashes
from swm.engine import FloatEngine
from swm.errors import CalibrationError, OptionError, UnsupportedModel
from swm.graph import ArgMax, is_structured
from swm.structure import circulant_columns
from swm.torch import refine
from swm.torch.network import Network
from swm.torch.objective import Objective, scores_tensor
from swm.torch.training import Training


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def task(count, seed):
    """Points around 24 centres in 32 dimensions, six of each class."""
    rng = np.random.default_rng(7)
    centres, rng = rng.normal(size=(24, 32)), np.random.default_rng(seed)
    place = rng.integers(0, 24, count)
    return (centres[place] + 0.6 * rng.normal(size=(count, 32))).astype(np.float32), place % 4


@pytest.fixture(scope="module")
def teacher():
    """A small network that has learnt it, as a Graph."""
    torch.manual_seed(0)
    x, y = task(1200, 1)
    graph = swm.load(mlp((32, 32, 32, 4)))
    network = Network(graph, graph.outputs[0].name)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    for rows in torch.cat([torch.randperm(1200) for _ in range(8)]).split(60):
        optimiser.zero_grad()
        scores = network({"x": torch.from_numpy(x)[rows]})
        torch.nn.functional.cross_entropy(scores, torch.from_numpy(y)[rows]).backward()
        optimiser.step()
    return network.to_graph()


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs, [output], name=output, **attributes)


def model(nodes, weights, shape, output_shape, opset=17, elem=TensorProto.FLOAT):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", elem, output_shape)],
        [numpy_helper.from_array(w.astype(v), name) for name, (w, v) in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 1)]
    return swm.load(helper.make_model(graph, opset_imports=opsets, ir_version=9))


def f32(*shape, seed=0, low=None):
    rng = np.random.default_rng([seed, *shape])
    return (rng.normal(size=shape) / 2 if low is None else rng.uniform(low, 1, shape)), np.float32


def i64(*values):
    return np.array(values), np.int64


def convolutional():
    """Two dimensions, groups, odd pads, pools, normalisations, a residual, shapes."""
    return model(
        [
            node("Conv", ["x", "w0", "b0"], "c0", pads=[0, 1, 2, 1], strides=[2, 1]),
            node("BatchNormalization", ["c0", "s", "t", "mean", "var"], "n0"),
            node("Relu", ["n0"], "r0"),
            node("Conv", ["r0", "w1"], "c1", pads=[1, 1, 1, 1], group=2),
            node("PRelu", ["c1", "slope"], "p1"),
            node("Add", ["p1", "r0"], "a1"),
            node("MaxPool", ["a1"], "m1", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0], ceil_mode=1),
            node("AveragePool", ["m1"], "v1", kernel_shape=[2, 2], pads=[1, 1, 0, 0]),
            node("ConvTranspose", ["v1", "wt"], "d1", strides=[2, 2], pads=[1, 0, 0, 1], output_padding=[1, 0]),
            node("LeakyRelu", ["d1"], "l1", alpha=0.2),
            node("GlobalAveragePool", ["l1"], "g1"),
            node("Reshape", ["g1", "flat"], "f1"),
            node("LayerNormalization", ["f1", "ls", "lb"], "ln"),
            node("Gemm", ["ln", "w2", "b2"], "e1", transB=1),
            node("Sigmoid", ["e1"], "y"),
        ],
        {
            "w0": f32(4, 4, 3, 3),
            "b0": f32(4),
            "w1": f32(4, 2, 3, 3),
            "wt": f32(4, 5, 3, 2),
            "s": f32(4, low=0.5),
            "t": f32(4),
            "mean": f32(4),
            "var": f32(4, low=0.5),
            "slope": f32(4, 1, 1),
            "flat": i64(0, -1),
            "ls": f32(5),
            "lb": f32(5),
            "w2": f32(6, 5),
            "b2": f32(6),
        },
        ["n", 4, 9, 8],
        ["n", 6],
    )


def sequential(kind, direction="forward", layout=0):
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    d = 2 if direction == "bidirectional" else 1
    inputs = ["t" if layout == 0 else "x", "W", "R", "B"]
    nodes = [node("Transpose", ["x"], "t", perm=[1, 0, 2])] if layout == 0 else []
    nodes += [
        helper.make_node(kind, inputs, ["h", "last"], name="r", hidden_size=8, direction=direction, layout=layout)
    ]
    if kind == "GRU":
        nodes[-1].attribute.append(helper.make_attribute("linear_before_reset", 1))
    nodes += [
        node("Transpose", ["last"], "lt", perm=[1, 0, 2] if layout == 0 else [0, 1, 2]),
        node("Reshape", ["lt", "flat"], "f"),
        node("Gemm", ["f", "w", "b"], "y", transB=1),
    ]
    weights = {"W": f32(d, gates * 8, 4), "R": f32(d, gates * 8, 8, seed=1), "B": f32(d, 2 * gates * 8)}
    return model(nodes, {**weights, "flat": i64(0, -1), "w": f32(3, d * 8), "b": f32(3)}, ["n", 5, 4], ["n", 3])


def attention():
    """Movements and products of activations, as in a transformer."""
    return model(
        [
            node("MatMul", ["x", "wq"], "q"),
            node("MatMul", ["x", "wk"], "k"),
            node("Transpose", ["k"], "kt", perm=[0, 2, 1]),
            node("MatMul", ["q", "kt"], "s"),
            node("Softmax", ["s"], "p", axis=-1),
            node("MatMul", ["p", "x"], "o"),
            node("Slice", ["o", "b1", "e1", "a1", "s1"], "o2"),
            node("Gather", ["o2", "i"], "o3", axis=1),
            node("Concat", ["o3", "x"], "c", axis=1),
            node("Split", ["c", "sizes"], "c1", axis=2),
            node("Tanh", ["c1"], "th"),
            node("Pad", ["th", "pads"], "pd", mode="edge"),
            node("ReduceMean", ["pd", "u"], "rm", keepdims=0),
            node("Unsqueeze", ["rm", "u"], "us"),
            node("Squeeze", ["us", "u"], "sq"),
            node("Clip", ["sq", "lo", "hi"], "cl"),
            node("Mul", ["cl", "sq"], "mu"),
            node("Gelu", ["mu"], "ge"),
            node("MatMul", ["ge", "wo"], "y"),
        ],
        {
            "wq": f32(6, 4),
            "wk": f32(6, 4, seed=1),
            "b1": i64(-1),
            "e1": i64(-9),
            "a1": i64(1),
            "s1": i64(-2),
            "i": i64(-1, 0),
            "sizes": i64(6),
            "pads": i64(0, 1, 0, 0, 2, 1),
            "u": i64(1),
            "wo": f32(7, 3),
            "lo": (np.array(-0.4), np.float32),
            "hi": (np.array(0.4), np.float32),
        },
        ["n", 5, 6],
        ["n", 3],
        opset=17 + 3,
    )


@pytest.mark.parametrize(
    "make",
    [
        convolutional,
        attention,
        lambda: sequential("LSTM"),
        lambda: sequential("LSTM", "bidirectional"),
        lambda: sequential("GRU", "reverse"),
        lambda: sequential("GRU", layout=1),
        lambda: sequential("RNN", "bidirectional"),
    ],
    ids=["convolutional", "attention", "LSTM", "LSTM both ways", "GRU reverse", "GRU batch first", "RNN both ways"],
)
@pytest.mark.parametrize("block", [None, 2])
def test_a_network_computes_what_the_graph_computes_learns_and_comes_back(make, block):
    graph = make()
    if block:
        graph = swm.convert(graph, block=block).graph
        assert any(map(is_structured, graph.nodes))
    x = np.random.default_rng(3).normal(size=(3, *graph.inputs[0].type.shape[1:])).astype(np.float32)
    name = graph.outputs[0].name
    network = Network(graph, name)
    got = network({"x": torch.from_numpy(x)})
    np.testing.assert_allclose(got.detach().numpy(), FloatEngine(graph, [name]).run({"x": x})[name], atol=2e-6)
    got.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.sub_(0.05 * parameter.grad.sign())
    after, back = network({"x": torch.from_numpy(x)}).detach().numpy(), network.to_graph()
    assert np.abs(after - got.detach().numpy()).max() > 1e-3
    np.testing.assert_allclose(FloatEngine(back, [name]).run({"x": x})[name], after, atol=2e-6)
    assert [is_structured(n) for n in back.nodes] == [is_structured(n) for n in graph.nodes]


def test_gradients_of_a_graph_agree_with_finite_differences():
    graph = swm.convert(sequential("GRU"), block=2).graph
    network = Network(graph, "y").double()
    x = torch.randn(2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    recurrences = [layer for layer in network.layers.values() if hasattr(layer, "w0")]
    for parameter in (recurrences[0].parametrizations.w0.original, recurrences[0].parametrizations.r0.original):
        loss = network({"x": x}).square().sum()
        (gradient,) = torch.autograd.grad(loss, parameter)
        place = int(gradient.abs().argmax())
        with torch.no_grad():
            step = 1e-6
            parameter.view(-1)[place] += step
            more = network({"x": x}).square().sum()
            parameter.view(-1)[place] -= 2 * step
            less = network({"x": x}).square().sum()
        assert float((more - less) / (2 * step)) == pytest.approx(float(gradient.view(-1)[place]), rel=1e-5)


def test_fine_tuning_gains_what_conversion_cost(teacher, tmp_path):
    x, y = task(1000, 2)
    test_x, test_y = task(800, 4)
    found = swm.finetune(teacher, x, y, block=8, bits=10, epochs=4, batch=32, rate=1e-2)
    figures = found.accuracy
    assert figures.before > 0.9 and figures.one_shot < figures.before - 0.03
    assert figures.after > figures.one_shot + 0.02
    assert abs(figures.after_fixed - figures.after) < 0.03
    assert figures.samples == 200 and figures.origin == "held out" and found.samples == 800
    start = swm.convert(teacher, block=8, calibration=x, hold_out=False).graph

    def right(graph):
        return float(np.mean(swm.run(graph, test_x).argmax(1) == test_y))

    assert right(found.graph) > right(start) + 0.01  # of samples that took no part in anything
    assert [n.weight.size for n in found.graph.linear()] == [8, 8, 1]
    assert found.best_epoch == 1 + int(np.argmax([score for _, score in found.history]))
    # What was measured is what the file does, bit for bit.
    swm.save(found.graph, tmp_path / "tuned.onnx")
    again = swm.load(tmp_path / "tuned.onnx")
    np.testing.assert_array_equal(
        FloatEngine(again, ["h2"], deterministic=True).run({"x": test_x})["h2"],
        FloatEngine(found.graph, ["h2"], deterministic=True).run({"x": test_x})["h2"],
    )
    record = parse_record(again.metadata[CONVERSION])
    assert "fine-tuned 4 epochs" in record.method and record.accuracy.test == figures.after
    assert set(sample_hashes(x)) <= set(record.fitted_hashes)  # no report may measure on them


def test_the_same_seed_gives_the_same_weights_and_another_one_others(teacher):
    x, y = task(200, 2)

    def run(seed):
        found = swm.finetune(teacher, x, y, block=8, epochs=1, seed=seed)
        return found.history, np.concatenate([n.weight.to_dense().ravel() for n in found.graph.linear()])

    state = torch.random.get_rng_state()
    history, first = run(1)
    again, second = run(1)
    assert again == history
    np.testing.assert_array_equal(first, second)
    assert run(2)[0] != history
    assert torch.equal(torch.random.get_rng_state(), state)  # a caller's chance is his own


def test_what_was_interrupted_goes_on_to_the_same_end(teacher, tmp_path):
    x, y = task(300, 2)
    options = {"block": 8, "epochs": 3, "bits": 8, "batch": 64, "augment": jitter}
    whole = swm.finetune(teacher, x, y, **options)
    file = tmp_path / "state"

    def interrupt(what, done, total):
        if what.startswith("epoch 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swm.finetune(teacher, x, y, checkpoint=file, progress=interrupt, **options)
    assert [f.name for f in tmp_path.iterdir()] == ["state"]
    rest = swm.finetune(teacher, x, y, checkpoint=file, resume=True, **options)
    assert rest.history == whole.history
    for a, b in zip(rest.graph.linear(), whole.graph.linear(), strict=True):
        np.testing.assert_array_equal(a.weight.to_dense(), b.weight.to_dense())
    with pytest.raises(OptionError, match="model, data or options differ"):
        swm.finetune(teacher, -x, y, checkpoint=file, resume=True, **options)

    def never(*_told):
        pytest.fail("work began before the checkpoint was looked at")

    options |= {"progress": never}
    with pytest.raises(OptionError, match="of another run: epochs 3 there, 4 here"):
        swm.finetune(teacher, x, y, checkpoint=file, resume=True, **{**options, "epochs": 4})
    file.write_bytes(b"nothing")
    with pytest.raises(OptionError, match="no checkpoint of swm finetune"):
        swm.finetune(teacher, x, y, checkpoint=file, resume=True, **options)
    with pytest.raises(OptionError, match="there is no checkpoint"):
        swm.finetune(teacher, x, y, checkpoint=tmp_path / "none", resume=True, **options)


def jitter(feeds, generator):
    return {t: v + 0.1 * torch.randn(v.shape, generator=generator) for t, v in feeds.items()}


def test_training_ends_early_and_keeps_the_best(teacher):
    x, y = task(200, 2)
    start = swm.finetune(teacher, x, y, block=8, epochs=3, batch=32).graph
    found = swm.finetune(start, x, y, epochs=8, patience=2, rate=1.5, batch=32)  # a rate that ruins it
    assert found.epochs < 8 and found.conversion is None
    assert found.accuracy.after >= found.accuracy.before == found.accuracy.one_shot
    assert found.epochs == found.best_epoch + 2


@pytest.fixture
def misjudged(teacher, monkeypatch):
    """A budget of which the first choice gives the second layer too little, and the first one too much."""
    first, second, last = teacher.linear()
    sizes = {first.name: 8, second.name: 4, last.name: 1}
    monkeypatch.setattr(conversion, "sizes_within", lambda *_: sizes)
    monkeypatch.setattr(refine, "STEPS", 32)
    return teacher, 32 * (1024 // 16 + 1024 // 2 + 128)


def test_sizes_move_within_the_budget_where_that_gains(misjudged, tmp_path, capsys):
    graph, budget = misjudged
    x, y = task(300, 2)
    options = {"budget": budget, "epochs": 2, "batch": 32, "rate": 3e-3, "refine": True, "checkpoint": tmp_path / "c"}
    found = swm.finetune(graph, x, y, **options)
    moves = found.refined
    assert list(moves.before.values()) == [8, 4] and list(moves.after.values()) == [16, 2]
    assert moves.kept and moves.scores[1] > moves.scores[0] and found.epochs == len(found.history) == 4
    assert found.best_epoch > 2 and [n.weight.size for n in found.graph.linear()] == [16, 2, 1]
    assert found.conversion.bits_after <= budget and [row.block for row in found.conversion.layers] == [16, 2, 1]
    assert [row.block for row in parse_record(found.graph.metadata[CONVERSION]).layers] == [16, 2, 1]
    assert found.to_json()["refined"]["kept"] is True
    _print(found)
    assert "fc0 8 -> 16, fc1 4 -> 2; validation" in capsys.readouterr().out
    assert {f.name for f in tmp_path.iterdir()} == {"c", "c.refined"}
    again = swm.finetune(graph, x, y, resume=True, **options)  # both trainings have ended
    assert again.history == found.history
    for a, b in zip(again.graph.linear(), found.graph.linear(), strict=True):
        np.testing.assert_array_equal(a.weight.to_dense(), b.weight.to_dense())


def test_a_move_that_gains_nothing_is_not_kept(misjudged, monkeypatch):
    graph, budget = misjudged
    x, y = task(200, 2)
    monkeypatch.setattr(Training, "_score", lambda self: -len(self.epochs) - 1.0)  # the start is always the best
    found = swm.finetune(graph, x, y, budget=budget, epochs=1, refine=True)
    assert found.refined.after and not found.refined.kept and found.best_epoch == 0
    assert [n.weight.size for n in found.graph.linear()] == [row.block for row in found.conversion.layers] == [8, 4, 1]


def test_sizes_that_nothing_betters_stay(misjudged, monkeypatch):
    graph, budget = misjudged
    monkeypatch.setattr(refine, "choose", lambda options, *_: {o.layer: o.block for o in options[:2]})  # as they are
    found = swm.finetune(graph, *task(60, 2), budget=budget, epochs=1, refine=True)
    assert found.refined is None and found.epochs == 1 and "promised" in found.notes[0]


def test_what_decays_below_the_smallest_number_counts_as_nothing(teacher):
    seen = []

    def augment(feeds, generator):
        seen.append(float(torch.tensor([1e-40]) * 0.5))
        return feeds

    swm.finetune(teacher, *task(60, 2), block=8, epochs=1, augment=augment)
    assert seen and not any(seen) and float(torch.tensor([1e-40]) * 0.5) > 0  # as it was, afterwards


def test_without_labels_the_network_is_the_teacher(teacher):
    x, _ = task(1000, 2)
    found = swm.finetune(teacher, x, block=8, epochs=4, batch=32, rate=1e-2)
    assert found.accuracy.after is None
    start = swm.convert(teacher, block=8, calibration=x).report.accuracy.agreement
    assert found.accuracy.agreement > start


def test_a_network_that_was_converted_learns_from_the_dense_one(teacher, tmp_path):
    x, y = task(300, 2)
    options = {"validation": task(60, 3)[0], "validation_labels": task(60, 3)[1], "epochs": 2, "distillation": 1.0}
    start = swm.convert(teacher, block=8, calibration=x, hold_out=False).graph
    found = swm.finetune(start, x, y, teacher=teacher, **options)
    whole = swm.finetune(teacher, x, y, block=8, **options)
    assert found.conversion is None and found.history == whole.history and found.accuracy == whole.accuracy
    for a, b in zip(found.graph.linear(), whole.graph.linear(), strict=True):
        np.testing.assert_array_equal(a.weight.to_dense(), b.weight.to_dense())
    assert swm.finetune(start, x, y, **options).history != found.history  # from its own answers
    with pytest.raises(OptionError, match=r"teacher's inputs are \['other'\], those of the network \['x'\]"):
        swm.finetune(
            start, x, y, teacher=replace(teacher, inputs=(replace(teacher.inputs[0], name="other"),)), epochs=1
        )
    for name, graph in (("dense.onnx", teacher), ("small.onnx", start)):
        swm.save(graph, tmp_path / name)
    np.save(tmp_path / "x.npy", x)
    words = (
        "small.onnx",
        "--teacher",
        "dense.onnx",
        "--data",
        "x.npy",
        "-o",
        "better.onnx",
        "--epochs",
        "1",
        "--json",
        "-",
    )
    done = CliRunner().invoke(command, [w if w[0] == "-" or "." not in w else str(tmp_path / w) for w in words])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["conversion"] is None


def test_without_classes_the_answers_themselves_are_learnt():
    first = sequential("LSTM")
    graph = sequential("LSTM", layout=1)
    graph, first = (replace(g, outputs=(replace(g.outputs[0], name="h"),)).verify() for g in (graph, first))
    x = np.random.default_rng(0).normal(size=(80, 5, 4)).astype(np.float32)
    given = {"validation": x[60:]}
    found = swm.finetune(graph, x[:60], block={"r": 2}, epochs=3, batch=8, rate=1e-2, **given)
    assert found.accuracy.agreement is None and found.history[-1][1] > found.history[0][1]
    with pytest.raises(OptionError, match="axis 0"):  # is time
        swm.finetune(first, x[:60], block={"r": 2}, epochs=1, **given)
    with pytest.raises(OptionError, match="no scores of classes"):
        labels = {"validation_labels": np.zeros(20, np.int64)}
        swm.finetune(graph, x[:60], np.zeros(60, np.int64), block={"r": 2}, **given, **labels)


def test_a_fixed_batch_is_freed_where_that_changes_nothing():
    nodes = [
        node("Reshape", ["x", "flat"], "f"),
        node("Gemm", ["f", "w", "b"], "h", transB=1),
        node("Relu", ["h"], "r"),
        node("Gemm", ["r", "w2", "b"], "y", transB=1),
    ]
    weights = {"flat": i64(1, 16), "w": f32(16, 16), "b": f32(16), "w2": f32(16, 16, seed=1)}
    graph = model(nodes, weights, [1, 4, 4], [1, 16])
    x = np.random.default_rng(0).normal(size=(60, 4, 4)).astype(np.float32)
    found = swm.finetune(graph, x, block=4, epochs=1, batch=16)
    assert found.graph.inputs[0].type.shape == (1, 4, 4)
    assert swm.run(found.graph, x).shape == (60, 16)
    with pytest.raises(OptionError, match="exported for a batch of"):
        swm.finetune(graph, x[:1], block=4, validation=x[1:3])


@pytest.mark.parametrize(("names", "known"), [([0, 1, 2, 3], True), ([5, 6, 7, 8], False)])
def test_class_numbers_that_a_pipeline_looks_up_are_no_obstacle_where_they_are_places(names, known):
    nodes = [
        node("Gemm", ["x", "w", "b"], "h", transB=1),
        node("ArgMax", ["h"], "place", axis=1),
        helper.make_node("ArrayFeatureExtractor", ["names", "place"], ["found"], domain="ai.onnx.ml"),
        node("Reshape", ["found", "flat"], "y"),
    ]
    constants = {"w": f32(4, 16), "b": f32(4), "names": i64(*names), "flat": i64(-1)}
    made = model(nodes, constants, ["n", 16], ["n"], elem=TensorProto.INT64)
    (place,) = (node for node in made.nodes if isinstance(node, ArgMax))
    assert scores_tensor(made) == (place.inputs[0] if known else "y")


def test_nodes_without_gradients_are_refused_by_name():
    nodes = [
        node("Gemm", ["x", "w", "b"], "h", transB=1),
        node("Cos", ["h"], "wave"),
        node("Sinh", ["wave"], "other"),
        node("Gemm", ["other", "w", "b"], "y", transB=1),
    ]
    graph = model(nodes, {"w": f32(16, 16), "b": f32(16)}, ["n", 16], ["n", 16])
    x = np.zeros((40, 16), np.float32)
    with pytest.raises(UnsupportedModel, match="2 node") as caught:
        swm.finetune(graph, x, block=4)
    assert {f.node for f in caught.value.findings} == {"wave", "other"}
    nodes[1:3] = [node("QuantizeLinear", ["h", "s", "z"], "q"), node("DequantizeLinear", ["q", "s", "z"], "other")]
    step = {"s": (np.array(0.1), np.float32), "z": (np.array(0), np.int8)}
    with pytest.raises(UnsupportedModel, match="2 node") as caught:
        swm.finetune(model(nodes, {"w": f32(16, 16), "b": f32(16), **step}, ["n", 16], ["n", 16]), x, block=4)
    assert all(f.remedy.startswith("train the float32 model") for f in caught.value.findings)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"block": None}, OptionError, "the network is dense"),
        ({"epochs": 0}, OptionError, "epochs must be 1 or more"),
        ({"distillation": 2.0}, OptionError, "from 0 to 1"),
        ({"bits": 3}, OptionError, "bits"),
        ({"labels": np.zeros(7, np.int64)}, CalibrationError, "one class number"),
        ({"labels": np.full(100, 9)}, CalibrationError, "labels"),
        ({"validation_labels": np.zeros(9, np.int64)}, CalibrationError, "without validation inputs"),
        ({"validation": np.zeros((9, 32), np.float32)}, CalibrationError, "validation labels are missing"),
        ({"resume": True}, OptionError, "give the checkpoint"),
        ({"refine": True}, OptionError, "within a budget"),
        ({"augment": lambda feeds, _: {t: v * np.nan for t, v in feeds.items()}}, OptionError, "the loss is"),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else "",
)
def test_bad_input_ends_in_one_error(teacher, change, error, message):
    x, y = task(100, 2)
    with pytest.raises(error, match=message):
        swm.finetune(teacher, x, **{"labels": y, "block": 8, "epochs": 1, **change})


def test_the_loss_is_that_of_its_sources():
    scores, wanted = torch.tensor([[1.0, 2.0, 0.5]]), torch.tensor([[2.0, 0.0, 1.0]])
    labels = torch.tensor([1])
    soft, near = (torch.softmax(t / 2, 1) for t in (wanted, scores))
    kl = float((soft * (soft / near).log()).sum())
    cross = float(-torch.log_softmax(scores, 1)[0, 1])
    got = float(Objective(classes=True, distillation=0.25, temperature=2.0).loss(scores, wanted, labels))
    assert got == pytest.approx(0.75 * cross + 0.25 * 4 * kl, rel=1e-5)
    graph = swm.load(mlp((8, 8, 4), tail=("Softmax",)))
    assert scores_tensor(graph) == "h1"


def test_the_command_writes_a_model_and_its_figures(teacher, tmp_path):
    swm.save(teacher, tmp_path / "m.onnx")
    x, y = task(1000, 2)
    for name, array in (("x", x[:900]), ("y", y[:900]), ("vx", x[900:]), ("vy", y[900:])):
        np.save(tmp_path / f"{name}.npy", array)
    p = {name: str(tmp_path / f"{name}.npy") for name in ("x", "y", "vx", "vy")}
    options = f"--data {p['x']} --labels {p['y']} --validation {p['vx']} --validation-labels {p['vy']} --block 8"
    options += f" --bits 12 --epochs 2 --rate 1e-2 --batch 32 -o {tmp_path / 'small.onnx'}"
    arguments = [str(tmp_path / "m.onnx"), *options.split()]
    told = CliRunner().invoke(command, [*arguments, "--json", str(tmp_path / "r.json")], catch_exceptions=False)
    assert "accuracy on 100 validation samples: given" in told.stdout and "<- kept" in told.stdout
    figures = json.loads((tmp_path / "r.json").read_text())
    assert figures["accuracy"]["after"] > figures["accuracy"]["one_shot"]
    assert figures["epochs"] == 2 and figures["seconds"] > 0 and figures["accuracy"]["samples"] == 100
    graph = swm.load(tmp_path / "small.onnx", detect=True)
    assert float(np.mean(swm.run(graph, x[900:]).argmax(1) == y[900:])) == figures["accuracy"]["after"]
    onnx.checker.check_model(str(tmp_path / "small.onnx"))
    assert circulant_columns(graph.linear()[0].weight.to_dense()[None]).shape[-1] == 8
    assert {f.name for f in tmp_path.glob("small*")} == {"small.onnx"}
    with pytest.raises(swm.OutputError, match="exists"):
        CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_the_command_says_how_to_go_on_after_ctrl_c(teacher, tmp_path, monkeypatch):
    swm.save(teacher, tmp_path / "m.onnx")
    x, _ = task(100, 2)
    np.save(tmp_path / "x.npy", x)

    def interrupted(*_arguments, checkpoint, **_options):
        checkpoint.write_bytes(b"")
        raise KeyboardInterrupt

    monkeypatch.setattr(swm, "finetune", interrupted, raising=False)
    output = tmp_path / "a-name-that-is-longer-than-a-line-of-a-terminal-together-with-the-rest" / "s.onnx"
    output.parent.mkdir()
    arguments = [str(tmp_path / "m.onnx"), "--data", str(tmp_path / "x.npy"), "-o", str(output)]
    told = CliRunner().invoke(command, arguments)
    assert f"{output}.checkpoint holds the last whole epoch; the same command with --resume goes on" in told.stderr
    assert told.exit_code != 0 and not output.exists()
