# SPDX-License-Identifier: Apache-2.0
"""LSTM, GRU and RNN from ONNX files to words that the C simulation confirms."""

import numpy as np
import pytest
from networks import relative_error, smooth
from onnx import TensorProto, helper, numpy_helper
from recurrent_models import Exported, returning, sequence

import swm
from swm.accelerator import interleave
from swm.accelerator.design import Design
from swm.accelerator.integers import run_fixed
from swm.accelerator.interleave import interleaved
from swm.accelerator.lower import hardware_findings, lower
from swm.accelerator.schedule import make_schedule
from swm.accelerator.store import load_fixed, save_fixed
from swm.compress import fold_affine
from swm.device.board import load_board
from swm.emit import emit_project, verify_project
from swm.errors import OptionError
from swm.layers.rtl.registry import rtl_findings
from swm.structure import Dense

STEPS, WIDTH = 5, 12


@pytest.mark.parametrize("take", ["all", "state", "gather", "slice"])
@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_steps_follow_onnxruntime(op, take):
    """Within quantization: 16 bits an eighth of what 12 bits are off by at most."""
    options = {"linear_before_reset": int(take == "all")} if op == "GRU" else {}
    graph, x = sequence(op, take=take, **options), 2 * smooth(60, STEPS, WIDTH)
    want = swm.run(graph, x)
    fixed = [swm.quantize(graph, bits=bits, calibration=x) for bits in (12, 16)]
    assert [spec.kind for spec in fixed[0].specs] == ["recurrent", "dense"]
    assert fixed[0].specs[0].last == (take != "all")
    coarse, fine = (relative_error(swm.run(f, x), want) for f in fixed)
    assert coarse < 0.01
    assert fine < coarse / 8


@pytest.mark.parametrize("batch", ["batch", 1])
def test_columns_of_an_image_are_the_steps_of_a_sequence(batch):
    """A convolution, then a GRU along the columns, each with all of its rows: what reads text, or sounds.

    Of a batch of one, onnxslim makes one Reshape of what joins the rows and puts the steps first.
    """
    model = Exported(4, 10, batch)
    image = model.node("Reshape", "x", model.constant([0, 1, 4, 10], np.int64))
    image = model.node("Conv", image, model.constant(model.rng.normal(size=(3, 1, 3, 3)) / 3), strides=[2, 2])
    columns = model.node(
        "Transpose", model.node("Concat", image, image, axis=2), perm=[0, 3, 1, 2]
    )  # 2 rows, 4 columns
    shape = [0, 4, 6] if batch != 1 else [4, 1, 6]
    steps = model.node("Reshape", columns, model.constant(shape, np.int64))
    y, _ = model.layer("GRU", steps if batch == 1 else model.time_first(steps), 6, 8)
    graph = model.load(model.linear(model.time_first(model.flat(y, 1, 8)), 8, 3), 4, 3)
    x = 2 * smooth(60, 4, 10)
    assert relative_error(swm.run(swm.quantize(graph, bits=16, calibration=x), x), swm.run(graph, x)) < 2e-3


@pytest.mark.parametrize("copy", ["Expand", "Tile"])
def test_one_vector_is_every_step_of_a_sequence(copy):
    """The code of an autoencoder, as its decoder reads it."""
    model = Exported(STEPS, WIDTH)
    code = model.time_first(model.layer("GRU", model.time_first("x"), WIDTH, 8)[1])
    given = model.node(copy, code, model.constant([1, 4, 1], np.int64))
    y, _ = model.layer("GRU", model.time_first(given), 8, 8)
    graph = model.load(model.linear(model.time_first(model.flat(y, 1, 8)), 8, 3), 4, 3)
    x = 2 * smooth(60, STEPS, WIDTH)
    fixed = swm.quantize(graph, bits=16, calibration=x)
    assert [spec.kind for spec in fixed.specs] == ["recurrent", "upsample", "recurrent", "dense"]
    assert relative_error(swm.run(fixed, x), swm.run(graph, x)) < 2e-3


@pytest.mark.parametrize(
    ("op", "options"),
    [
        ("LSTM", {"peepholes": True, "clip": 0.9}),
        ("LSTM", {"batch": 1, "state": "constant", "activations": ["HardSigmoid", "Tanh", "Relu"]}),
        ("GRU", {"batch": 1, "state": "constant", "linear_before_reset": 1, "clip": 0.7}),
        ("GRU", {"batch": 1, "state": "constant", "linear_before_reset": 0}),
        ("RNN", {"batch": 1, "state": "constant", "activations": ["Relu"]}),
        ("LSTM", {"batch": 1, "peepholes": True}),
        ("LSTM", {"batch": 1, "take": "slice"}),
    ],
)
def test_forms_follow_onnxruntime(op, options):
    graph, x = sequence(op, **options), smooth(60, STEPS, WIDTH)
    want = np.concatenate([swm.run(graph, one[None]) for one in x]) if "batch" in options else swm.run(graph, x)
    fixed = swm.quantize(graph, bits=14, calibration=x)
    assert relative_error(run_fixed(fixed, x).values.reshape(want.shape), want) < 4e-3


def test_a_stack_of_circulant_layers_in_c_simulation(tmp_path):
    """One in both directions, then the last step of another; stored graphs give the same words."""
    model = Exported(4, 16)
    y, _ = model.layer("LSTM", model.time_first("x"), 16, 16, direction="bidirectional")
    _, final = model.layer("GRU", model.flat(y, 2, 16), 32, 16, linear_before_reset=1)
    squeezed = model.node("Squeeze", final, model.constant([0], np.int64))
    graph, x = model.load(model.linear(squeezed, 16, 4), 4), smooth(120, 4, 16)
    converted = swm.convert(graph, block=8, calibration=x).graph
    fixed = swm.quantize(converted, bits=12, calibration=x)
    kinds = ["recurrent", "reverse", "recurrent", "reverse", "concat", "recurrent", "dense"]
    assert [spec.kind for spec in fixed.specs] == kinds
    assert {spec.block for spec in fixed.specs if spec.kind == "recurrent"} == {8}
    assert relative_error(swm.run(fixed, x), swm.run(converted, x)) < 0.02
    save_fixed(fixed, tmp_path / "f.npz")
    words = run_fixed(fixed, x).words
    np.testing.assert_array_equal(run_fixed(load_fixed(tmp_path / "f.npz"), x).words, words)
    schedule = make_schedule(fixed.shape, load_board("zcu104"))
    result = verify_project(emit_project(Design(fixed, schedule), tmp_path / "p", vectors=x[:20]))
    assert result.ok, (result.first_mismatch, result.remarks)
    assert result.words == 20 * 4


@pytest.mark.parametrize(
    ("op", "options"),
    [("LSTM", {"direction": "reverse", "take": "state"}), ("GRU", {"direction": "bidirectional", "take": "state"})],
)
def test_backwards_over_a_sequence_follows_onnxruntime(op, options):
    graph, x = sequence(op, **options), smooth(60, STEPS, WIDTH)
    fixed = swm.quantize(graph, bits=14, calibration=x)
    assert relative_error(swm.run(fixed, x), swm.run(graph, x)) < 4e-3


def test_states_that_the_network_does_not_read_leave_it_whole(tmp_path):
    """Y_h and Y_c of torch's export: nobody's; what computes zeros from the batch is gone, too."""
    model = Exported(STEPS, WIDTH)
    gathered = model.node("Gather", model.constant(np.eye(WIDTH)), model.node("Cast", "x", to=7))
    looked_up = model.node("ReduceMax", gathered, axes=[2], keepdims=0)
    y, _ = model.layer("LSTM", model.time_first(looked_up), WIDTH, 8)
    graph = model.load(model.linear(model.time_first(model.flat(y, 1, 8)), 8, 4), STEPS, 4)
    made = swm.check(graph)
    placed = {node.op: node.place for node in made.nodes}
    assert placed["LSTM"] == "hardware"
    assert placed["Cast"] == "before"


def test_the_search_trades_multipliers_for_cycles():
    fixed = swm.quantize(sequence(hidden=64, n=32), bits=12, calibration=smooth(40, STEPS, 32))
    board = load_board("zcu104")
    kind_built = make_schedule(fixed.shape, board).layers
    built = next(layer.built for layer in kind_built if layer.spec.kind == "recurrent")
    assert built.mac_rows * built.mac_columns > 64
    twin = make_schedule(fixed.shape.left_dense(), board)
    assert twin.interval >= make_schedule(fixed.shape, board).interval


def refused(graph):
    return " ".join(f"{f.reason}; {f.remedy}" for f in hardware_findings(fold_affine(graph)))


@pytest.mark.parametrize("outputs", ["yhc", "hc", "c"])
def test_the_last_cells_of_an_lstm_leave_behind_its_outputs(outputs, tmp_path):
    """In words of 4 bits more and a format for both; the host takes them apart. Circulant and dense."""
    graph, x = returning(*outputs), 2 * smooth(60, STEPS, WIDTH)
    if outputs == "hc":
        graph = swm.convert(graph, block=4, calibration=x).graph
    want = swm.run(graph, {"x": x})
    fixed = swm.quantize(graph, bits=12, calibration=x)
    (spec,) = fixed.specs
    assert (spec.kind, spec.cells, spec.last) == ("recurrent", True, "y" not in outputs)
    assert (spec.output.positions, spec.out_bits) == ((STEPS if "y" in outputs else 1) + 1, 16)
    found = swm.run(fixed, {"x": x})
    assert len(want) == len(outputs)
    assert [found[t].shape for t in want] == [want[t].shape for t in want]
    assert all(relative_error(found[t], want[t]) < 0.005 for t in want)
    assert "have no RTL" in " ".join(f.reason for f in rtl_findings([spec]))
    if outputs == "hc":
        made = swm.design(fixed, board="zcu104", sequences=2)
        result = verify_project(emit_project(made, tmp_path / "p", vectors=x[:8]))
        assert result.ok, (result.first_mismatch, result.remarks)
        assert result.words == 8 * 2 * 8


@pytest.mark.parametrize(
    ("op", "kinds"), [("LSTM", "recurrent pad recurrent pad concat"), ("GRU", "recurrent recurrent pad concat")]
)
def test_states_of_several_layers_leave_as_one_tensor(op, kinds, tmp_path):
    """Of all layers but the last the sequences stay inside; the host takes y, h and c apart."""
    graph, x = returning(*("yhc" if op == "LSTM" else "yh"), op=op, layers=2), 2 * smooth(60, STEPS, WIDTH)
    want, fixed = swm.run(graph, {"x": x}), swm.quantize(graph, bits=12, calibration=x)
    assert " ".join(spec.kind for spec in fixed.specs) == kinds
    assert {spec.out_bits for spec in fixed.specs} == {12}
    found = swm.run(fixed, {"x": x})
    assert all(relative_error(found[t], want[t]) < 0.01 for t in want)
    assert [found[t].shape for t in want] == [want[t].shape for t in want]
    if op == "LSTM":
        result = verify_project(emit_project(swm.design(fixed, board="zcu104"), tmp_path / "p", vectors=x[:8]))
        assert result.ok, (result.first_mismatch, result.remarks)
        assert result.words == 8 * (2 + STEPS + 1) * 8


@pytest.mark.parametrize("taken", ["range", "one"])
def test_some_steps_of_a_sequence(taken):
    """The others are cut away."""
    model, x = Exported(STEPS, WIDTH), 2 * smooth(60, STEPS, WIDTH)
    y, _ = model.layer("GRU", model.time_first("x"), WIDTH, 8)
    tensor = model.time_first(model.flat(y, 1, 8))
    if taken == "one":
        part, shape = model.node("Gather", tensor, model.constant(2, np.int64), axis=1), (4,)
    else:
        part, shape = model.node("Slice", tensor, *(model.constant([v], np.int64) for v in (1, 4, 1))), (3, 4)
    graph = model.load(model.linear(part, 8, 4), *shape)
    fixed = swm.quantize(graph, bits=12, calibration=x)
    assert [spec.kind for spec in fixed.specs] == ["recurrent", "pad", "dense"]
    assert relative_error(swm.run(fixed, x), swm.run(graph, x)) < 0.01


@pytest.mark.parametrize(
    ("direction", "outputs"), [("reverse", "yhc"), ("bidirectional", "yhc"), ("bidirectional", "hc")]
)
def test_the_last_cells_of_backward_directions_leave(direction, outputs, tmp_path):
    model, x, d = Exported(STEPS, WIDTH), 2 * smooth(60, STEPS, WIDTH), 1 + (direction == "bidirectional")
    y, h = model.layer("LSTM", model.time_first("x"), WIDTH, 8, direction=direction)
    ends = {"y": (model.time_first(model.flat(y, d, 8)), ["batch", STEPS, 8 * d])}
    ends |= {"h": (h, [d, "batch", 8]), "c": (f"{y[:-1]}2", [d, "batch", 8])}
    graph = model.load_several(dict(ends[name] for name in outputs))
    fixed, want = swm.quantize(graph, bits=12, calibration=x), swm.run(graph, {"x": x})
    found = swm.run(fixed, {"x": x})
    assert [found[t].shape for t in want] == [want[t].shape for t in want]
    assert all(relative_error(found[t], want[t]) < 0.01 for t in want)
    if outputs == "yhc" and d == 2:
        result = verify_project(emit_project(swm.design(fixed, board="zcu104"), tmp_path / "p", vectors=x[:8]))
        assert result.ok, (result.first_mismatch, result.remarks)
        assert result.words == 8 * (STEPS + 1) * 2 * 8


def test_a_result_that_needs_a_state_of_an_inner_layer_does_not_leave_beside_it():
    """The classes from the last states of both layers: `swm check` ended in a damaged graph."""
    model = Exported(STEPS, WIDTH)
    y, h = model.layer("GRU", model.time_first("x"), WIDTH, 8)
    _, h2 = model.layer("GRU", model.flat(y, 1, 8), 8, 8)
    both = model.node("Tanh", model.node("Concat", h, h2, axis=2))
    graph = model.load(model.linear(model.node("Squeeze", both, model.constant([0], np.int64)), 16, 4), 4)
    found = swm.check(graph)
    assert found.hardware == "none"
    assert "its sequence and its last state" in next(n.reason for n in found.nodes if n.op == "GRU")


def test_cells_that_do_not_leave_are_named():
    assert "its last cell state (Y_c) is read" in refused(returning("y", "c"))
    model = Exported(STEPS, WIDTH)
    y, _ = model.layer("LSTM", model.time_first("x"), WIDTH, 8, lengths=[3])
    short = model.load_several({f"{y[:-1]}2": [1, "batch", 8]})
    assert "sequences have one length only" in refused(short)
    assert swm.check(short).hardware == "none"


def test_what_hardware_does_not_take_is_named():
    assert "activation Softsign" in refused(sequence("RNN", activations=["Softsign"]))
    assert "coupled" in refused(sequence("LSTM", input_forget=1))
    model = Exported(STEPS, WIDTH)  # both the sequence and the last state are read
    y, final = model.layer("GRU", model.time_first("x"), WIDTH, 8)
    squeezed = model.node("Squeeze", final, model.constant([0], np.int64))
    both = model.node("Add", model.time_first(model.flat(y, 1, 8)), squeezed)
    assert "more than one of its outputs" in refused(model.load(model.linear(both, 8, 4), STEPS, 4))
    model = Exported(STEPS, WIDTH)  # time along the axis of samples
    y, _ = model.layer("GRU", "x", WIDTH, 8)
    assert "batch_first" in refused(model.load(model.linear(model.flat(y, 1, 8), 8, 4), STEPS, 4))
    model = Exported(STEPS, WIDTH)
    y, _ = model.layer("GRU", model.time_first("x"), WIDTH, 8)
    ends = (model.constant([v], np.int64) for v in (0, 5, 1, 2))
    steps = model.node("Slice", model.time_first(model.flat(y, 1, 8)), *ends)
    assert "one range of steps" in refused(model.load(model.linear(steps, 8, 4), 3, 4))


def test_blocks_of_gates_that_hardware_does_not_take(monkeypatch):
    graph, x = sequence(hidden=64, n=64, take="state"), smooth(40, STEPS, 64)
    converted = swm.convert(graph, block=32, calibration=x).graph
    assert not refused(converted)
    monkeypatch.setattr("swm.layers.recurrent.node.LARGEST_BLOCK", 16)
    said = refused(converted)
    assert "blocks hold 32" in said
    assert "`swm convert --block 16`" in said
    mixed = swm.convert(graph, block={"LSTM*/R": 8}, calibration=x).graph  # W stays dense: both are built plain
    layer = lower(fold_affine(mixed)).layers[0]
    assert (layer.kind, type(layer.weight), type(layer.recurrent)) == ("recurrent", Dense, Dense)


def test_sequences_that_take_turns_give_the_words_of_each_alone(tmp_path, monkeypatch):
    """As many as make it faster, both directions, in C simulation; and the report says what one alone waits for."""
    x = smooth(40, STEPS, WIDTH)
    fixed = swm.quantize(sequence(direction="bidirectional"), bits=10, calibration=x)
    alone, asked = swm.design(fixed, board="zcu104", sequences=1), []
    tried = interleave.make_schedule
    monkeypatch.setattr(interleave, "make_schedule", lambda n, *a, **o: asked.append(n) or tried(n, *a, **o))
    made = swm.design(fixed, board="zcu104", sequences=None)
    count = made.schedule.sequences
    assert count > 1
    assert len({n.layers[0].spec.sequences for n in asked}) == len(asked)  # none is scheduled twice
    assert made.schedule.inferences_per_s > 1.5 * alone.schedule.inferences_per_s
    assert "one sequence alone is latency bound" in " ".join(swm.report(alone).to_text().split())
    found, expected = run_fixed(made.graph, x), run_fixed(fixed, x)
    assert found.words.shape == (-(-40 // count), count * expected.words.shape[1])
    np.testing.assert_array_equal(found.values, expected.values)
    result = verify_project(emit_project(made, tmp_path / "p", vectors=x, most_vectors=5 * count), trace=True)
    assert result.ok, (result.first_mismatch, result.remarks)
    assert (result.samples, result.sequences, result.words) == (5 * count, count, 5 * found.words.shape[1])
    off = expected.values[: 5 * count] - swm.run(fixed.source, x[: 5 * count])
    assert result.max_error == pytest.approx(np.abs(off).max(), rel=1e-3)  # against float, sequence by sequence
    assert all(layer.error < 0.1 for layer in result.trace if layer.node)


@pytest.mark.parametrize(
    ("op", "take", "direction"), [("LSTM", "all", "reverse"), ("RNN", "state", "forward"), ("GRU", "state", "reverse")]
)
def test_constant_lengths_shorter_than_the_sequence(op, take, direction):
    """Zeros behind the end, Y_h at the end, and the backward direction begins there."""
    graph, x = sequence(op, take=take, direction=direction, batch=1, lengths=[3]), 2 * smooth(40, STEPS, WIDTH)
    want = swm.run(graph, x)
    fixed = swm.quantize(graph, bits=12, calibration=x)
    assert [s.kind for s in fixed.specs].count("pad") == 1 + (take == "all")
    assert relative_error(swm.run(fixed, x), want) < 0.01
    if take == "all":
        assert (want[:, 3:] == want[:1, 3:]).all()  # of zeros, the matrix gives its bias


def test_a_short_bidirectional_layer_in_c_simulation(tmp_path):
    x = smooth(20, STEPS, WIDTH)
    fixed = swm.quantize(sequence("GRU", direction="bidirectional", batch=1, lengths=[2]), bits=10, calibration=x)
    made = swm.design(fixed, board="zcu104")
    result = verify_project(emit_project(made, tmp_path / "p", vectors=x))
    assert result.ok, (result.first_mismatch, result.remarks)
    assert (result.samples, result.words) == (20, 20 * STEPS * 4)
    assert relative_error(swm.run(fixed, x), swm.run(fixed.source, x)) < 0.05


def test_lengths_that_are_whole_go_and_lengths_that_differ_are_named():
    whole = fold_affine(sequence("GRU", batch=1, lengths=[STEPS]))
    assert [layer.kind for layer in lower(whole).layers] == ["recurrent", "dense"]
    none, *_ = hardware_findings(fold_affine(sequence("GRU", batch=1, lengths=[0])))
    assert "end after [0] steps of 5" in none.reason
    differ, *_ = hardware_findings(fold_affine(sequence("GRU", batch=2, lengths=[3, 4])))
    assert "end after [3, 4] steps of 5" in differ.reason


def test_networks_in_which_sequences_cannot_take_turns():
    model = Exported(STEPS, WIDTH)
    y, _ = model.layer("RNN", model.time_first("x"), WIDTH, 8)
    flat = model.node("Reshape", model.time_first(model.flat(y, 1, 8)), model.constant([-1, STEPS * 8], np.int64))
    x = smooth(40, STEPS, WIDTH)
    mixed = swm.quantize(model.load(model.linear(flat, STEPS * 8, 4), 4), bits=10, calibration=x)
    with pytest.raises(OptionError, match="mixes the steps"):
        swm.design(mixed, board="zcu104", sequences=2)
    with pytest.raises(OptionError, match="choose 1 to"):
        interleaved(mixed, 99)


def test_the_last_step_of_a_batch_of_one_as_keras_writes_it():
    """A Reshape in place of the Transpose: no axis is known to be that of the samples, and none needs to be."""
    rng = np.random.default_rng(0)
    arrays = {
        "turned": np.array([5, 1, 3]),
        "w": rng.normal(size=(1, 16, 3)).astype(np.float32),
        "r": rng.normal(size=(1, 16, 4)).astype(np.float32),
        **{name: np.array([value]) for name, value in {"one": 1, "zero": 0, "minus": -1, "far": 2**31 - 1}.items()},
        "m": rng.normal(size=(4, 2)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Reshape", ["x", "turned"], ["t"]),
        helper.make_node("LSTM", ["t", "w", "r"], ["y"], hidden_size=4),
        helper.make_node("Squeeze", ["y", "one"], ["s"]),
        helper.make_node("Slice", ["s", "minus", "far", "zero"], ["last"]),
        helper.make_node("Squeeze", ["last", "zero"], ["flat"]),
        helper.make_node("MatMul", ["flat", "m"], ["out"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [1, 5, 3]), ("out", [1, 2]))]
    tensors = [numpy_helper.from_array(a, n) for n, a in arrays.items()]
    model = helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors), ir_version=8)
    model.opset_import[0].version = 13
    graph, x = swm.load(model), smooth(40, 5, 3)
    want = np.concatenate([swm.run(graph, one[None]) for one in x])
    fixed = swm.quantize(graph, bits=14, calibration=x)
    assert fixed.specs[0].last
    assert relative_error(run_fixed(fixed, x).values.reshape(want.shape), want) < 4e-3
