# SPDX-License-Identifier: Apache-2.0
"""Initial states and lengths that come with the input, from ONNX files to words that the C simulation confirms."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from networks import relative_error, smooth
from onnx import TensorProto, helper
from recurrent_models import Exported, returning, sequence

import swm
from swm.accelerator.integers import run_fixed, run_integers
from swm.accelerator.interleave import interleaved
from swm.accelerator.lower import hardware_findings
from swm.accelerator.turns import tokens_in_turns
from swm.compress import fold_affine
from swm.emit.host_files import driver_settings
from swm.errors import CalibrationError, OptionError, UnsupportedModel
from swm.graph import TensorType
from swm.host import before_hardware
from swm.host.lengths import all_steps
from swm.layers.rtl.registry import rtl_findings
from swm.package_data import templates_dir

STEPS, WIDTH = 5, 12


def with_states(graph, count, seed=0):
    """Random inputs of a network to which a caller gives states."""
    rng, x = np.random.default_rng(seed), 2 * smooth(count, STEPS, WIDTH)
    return {"x": x} | {
        v.name: rng.uniform(-0.9, 0.9, (count, *v.type.shape[1:])).astype(np.float32) for v in graph.inputs[1:]
    }


def with_lengths(graph, count):
    """Sequences of every length, every second padded with zeros, the others with anything."""
    feeds = with_states(graph, count) | {
        "lengths": np.random.default_rng(1).permutation(np.arange(count) % (STEPS + 1))
    }
    feeds["x"][::2] *= (np.arange(STEPS) < feeds["lengths"][::2, None])[:, :, None]
    return feeds


def loaded(folder, name):
    """A driver as a module."""
    spec = importlib.util.spec_from_file_location("driver", folder / name)
    driver = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(driver)
    return driver


def run_driver(project, fixed, feeds):
    """What the driver in a project makes of the integers that its hardware writes."""
    host = loaded(project, "host/host.py").Host()
    words, tensors = host.before(feeds)
    result = run_fixed(fixed, before_hardware(fixed, feeds)[fixed.input_name])
    np.testing.assert_array_equal(words, result.inputs)
    return host.after(result.words, tensors)


@pytest.mark.parametrize(
    ("op", "options"),
    [
        ("LSTM", {"peepholes": True}),
        ("LSTM", {"direction": "bidirectional", "take": "state"}),
        ("GRU", {"direction": "reverse", "clip": 0.9}),
        ("GRU", {"linear_before_reset": 1, "batch": 1, "take": "state"}),
        ("RNN", {"take": "gather"}),
    ],
)
def test_states_that_a_caller_gives_come_with_the_input(op, options):
    """The host joins them to it; hardware takes them apart. A batch of one is run sample after sample."""
    graph = sequence(op, state="given", **options)
    made, x = swm.check(graph), with_states(graph, 60)
    assert made.hardware == "with host parts"
    if "batch" in options:
        runs = [swm.run(graph, {name: a[i : i + 1] for name, a in x.items()}) for i in range(60)]
        want = np.concatenate([one["out"] for one in runs])
    else:
        want = swm.run(graph, x)["out"]
    fixed = [swm.quantize(graph, bits=bits, calibration=x) for bits in (12, 16)]
    recurrent = [spec for spec in fixed[0].specs if spec.kind == "recurrent"]
    assert all(spec.start and spec.turns == spec.steps + 1 for spec in recurrent)
    assert not rtl_findings(recurrent)
    coarse, fine = (relative_error(swm.run(f, x)["out"], want) for f in fixed)
    assert coarse < 0.01
    assert fine < coarse / 8


@pytest.mark.parametrize(
    ("op", "options"),
    [
        ("LSTM", {"peepholes": True, "state": "given"}),
        ("LSTM", {"direction": "bidirectional", "peepholes": True, "state": "given"}),
        ("GRU", {"take": "state", "linear_before_reset": 1}),
        ("GRU", {"take": "state", "direction": "reverse"}),
        ("RNN", {"take": "gather"}),
    ],
)
def test_lengths_that_a_caller_gives_are_the_hosts(op, options):
    """Hardware runs all steps; what the host makes of its answer ends where each sequence does.

    What runs backwards reads sequences that the host turned around.
    """
    graph = sequence(op, lengths="given", **options)
    made, x = swm.check(graph), with_lengths(graph, 60)
    assert made.hardware == "with host parts"
    want = swm.run(graph, x)["out"]
    np.testing.assert_array_equal(swm.run(all_steps(graph), x)["out"], want)  # in float it is the same network
    fixed = [swm.quantize(graph, bits=bits, calibration=x) for bits in (12, 16)]
    both = options.get("direction") == "bidirectional"
    assert [spec.kind for spec in fixed[0].specs].count("recurrent") == 1 + both
    assert all(spec.kind != "reverse" for spec in fixed[0].specs)
    found = [swm.run(f, x)["out"] for f in fixed]
    coarse, fine = (relative_error(out, want) for out in found)
    assert coarse < 0.01
    assert fine < coarse / 8
    if (
        "take" not in options
    ):  # of zeros a matrix makes its bias; behind steps that the host turns back it is the host's
        assert both or fixed[0].specs[-1].kind == "dense"
        behind = np.arange(STEPS) >= x["lengths"][:, None]
        assert want[behind].any()
        np.testing.assert_array_equal(found[0][behind], want[behind])
    with pytest.raises(CalibrationError, match=r"out of data bounds|Invalid sequence length"):
        swm.run(fixed[0], x | {"lengths": np.full(60, STEPS + 1)})
    with pytest.raises(CalibrationError, match=r"out of data bounds|Invalid sequence length"):
        swm.run(fixed[0], x | {"lengths": np.full(60, -1)})


def test_lengths_of_a_stack_in_c_simulation(tmp_path):
    """As torch exports packed sequences of two layers: the sequence and the last states of both."""
    graph = returning(*"yh", op="GRU", layers=2, hidden=4, lengths="given")
    x = with_lengths(graph, 40)
    fixed, want = swm.quantize(graph, bits=12, calibration=x), swm.run(graph, x)
    project = swm.emit(swm.design(fixed, board="zcu104"), path=tmp_path / "p", vectors={n: a[:8] for n, a in x.items()})
    result = swm.verify(project)
    assert result.ok, (result.first_mismatch, result.remarks)
    assert result.words == 8 * 2 * STEPS * 4
    found = run_driver(project, fixed, x)
    for name, value in swm.run(fixed, x).items():
        assert value.shape == want[name].shape
        assert relative_error(value, want[name]) < 0.01
        np.testing.assert_array_equal(found[name], value)


def test_lengths_that_hardware_does_not_take_are_named():
    said = " ".join(f"{n.reason}; {n.remedy}" for n in swm.check(returning(*"yc", lengths="given")).nodes)
    assert "its sequences have lengths of their own" in said
    assert "nobody reads its last cells" in said
    dropped = swm.frame(returning(*"yc", lengths="given"), batch_axis=0, drop=["lstm6_2"])
    assert swm.check(dropped).hardware == "with host parts"
    x, lengths = dropped.inputs
    other = replace(dropped, inputs=(x, replace(lengths, type=TensorType(TensorProto.INT64, ("n",)))))
    with pytest.raises(UnsupportedModel, match=r"differ in their first axis \(batch, n\).*`swm frame` alone"):
        swm.quantize(other, bits=8, calibration=with_lengths(other, 8))
    assert swm.check(swm.frame(other)).hardware == "with host parts"
    both = swm.check(returning(*"y", lengths="given", layers=2, direction="reverse"))
    assert both.hardware == "none"
    assert "it runs forward, or nothing multiplies before it" in " ".join(n.remedy for n in both.nodes)


def test_given_states_of_a_stack_and_those_it_leaves_in_c_simulation(tmp_path):
    """As a streaming model has them: x, h and c of two circulant layers in, y, h and c out."""
    graph = returning(*"yhc", layers=2, state="given")
    x = with_states(graph, 40)
    converted = swm.convert(graph, block=4, calibration=x).graph
    fixed, want = swm.quantize(converted, bits=12, calibration=x), swm.run(converted, x)
    found = swm.run(fixed, x)
    assert [found[t].shape for t in want] == [want[t].shape for t in want]
    assert all(relative_error(found[t], want[t]) < 0.01 for t in want)
    made = swm.design(fixed, board="zcu104")
    project = swm.emit(made, path=tmp_path / "p", vectors={name: a[:8] for name, a in x.items()})
    result = swm.verify(project)
    assert result.ok, (result.first_mismatch, result.remarks)
    assert result.words == 8 * (2 + STEPS + 1) * 8
    for name, value in run_driver(project, fixed, x).items():
        np.testing.assert_array_equal(value, found[name])
    layer = next(la for la in made.schedule.layers if la.spec.kind == "recurrent")
    assert made.schedule.interval >= layer.spec.turns * layer.built.period == (STEPS + 1) * layer.built.period


class Driver(loaded(templates_dir(), "swm_network.py").Network):
    """What brings a board its frames, without the host's parts, on hardware that is the integer engine."""

    def __init__(self, made):
        super().__init__({**driver_settings(made), "host": False}, None)
        self.graph = made.graph

    def words(self, words):
        return run_integers(self.graph, words.astype(np.int64))[0]


def streaming():
    """A step a call: two layers, whose states the caller holds, and a matrix; large inputs beside small states."""
    model = Exported(1, WIDTH)
    source, ends = model.time_first("x"), []
    for n in (WIDTH, 8):
        y, h = model.layer("LSTM", source, n, 8, state="given")
        source = model.flat(y, 1, 8)
        ends += [h, f"{y[:-1]}2"]
    result = model.linear(model.time_first(source), 8, 4)
    return model.load_several({result: ["batch", 1, 4], **{end: [1, "batch", 8] for end in ends}})


def test_a_streaming_model_gives_its_result_beside_its_states(tmp_path):
    """Each part of the frames, in and out, has the bits of its own range."""
    graph = streaming()
    x = {name: a[:, :1] for name, a in with_states(graph, 200).items()}
    x["x"] = 60 * x["x"]
    assert swm.check(graph).hardware == "with host parts"
    fixed, want = swm.quantize(graph, bits=12, calibration=x), swm.run(graph, x)
    assert [spec.kind for spec in fixed.specs].count("recurrent") == 2
    assert fixed.specs[-1].kind == "concat"
    inputs = before_hardware(fixed, x)[fixed.input_name]
    ranges = [np.abs(part).max() for part in np.split(inputs, [8, 16, 24, 32], axis=1)]
    assert max(ranges) < 2 * min(ranges)  # as they are, x is 60 times a state
    found = swm.run(fixed, x)
    assert all(relative_error(found[t], want[t]) < 0.02 for t in want)
    alone, made = (swm.design(fixed, board="zcu104", sequences=n) for n in (1, None))
    count = made.schedule.sequences
    assert count > 1
    assert made.schedule.inferences_per_s > 2 * alone.schedule.inferences_per_s
    project = swm.emit(made, path=tmp_path / "p", vectors={name: a[: 3 * count] for name, a in x.items()})
    result = swm.verify(project, trace=True)
    assert result.ok, (result.first_mismatch, result.remarks)
    assert (result.samples, result.words) == (3 * count, 3 * count * (4 * 8 + 4))
    assert all(layer.error < 0.1 for layer in result.trace if layer.node)  # the floats beside it are scaled, too
    part = {name: a[: 2 * count + 1] for name, a in x.items()}  # the last frame is not full
    found = swm.run(fixed, part)
    host, board = loaded(project, "host/host.py").Host(), Driver(made)
    words, tensors = host.before(part)
    entering = before_hardware(fixed, part)[fixed.input_name]
    expected = run_fixed(made.graph, entering)
    np.testing.assert_array_equal(words, expected.inputs)
    np.testing.assert_array_equal(expected.values, run_fixed(fixed, entering).values)
    np.testing.assert_array_equal(board.infer(entering), expected.values)
    answers = host.after(expected.words, tensors)
    assert all(np.allclose(answers[t], found[t], atol=1e-6) for t in want)


@pytest.mark.parametrize("turns", [1, 3])
def test_states_of_both_directions_take_turns(turns, tmp_path):
    """Those of a frame's sequences come in front of its steps; cut apart behind two forks that follow each other."""
    model = Exported(STEPS, WIDTH)
    _, h = model.layer("LSTM", model.time_first("x"), WIDTH, 8, direction="bidirectional", state="given")
    graph = model.load_several({t: [2, "batch", 8] for t in (h, f"{h[:-1]}2")})
    x = with_states(graph, 11)
    fixed = swm.quantize(graph, bits=12, calibration=x)
    made, want = swm.design(fixed, board="zcu104", sequences=turns), swm.run(fixed, x)
    found = swm.run(made.graph, x)
    assert all(np.array_equal(found[t], want[t]) for t in want)
    if turns > 1:
        assert tokens_in_turns(made.graph)[fixed.input_name] == ((4, 8), (STEPS, WIDTH))
        result = swm.verify(swm.emit(made, path=tmp_path / "p", vectors=x))
        assert result.ok, (result.first_mismatch, result.remarks)
        assert (result.samples, result.words) == (9, 9 * 4 * 8)  # whole frames


@pytest.mark.parametrize(
    ("made", "tokens"),
    [
        (lambda: sequence("GRU", state="given"), (((1, 16), (STEPS, WIDTH)), ((STEPS, 4),))),
        (lambda: sequence("LSTM", batch=1, lengths=[3]), (((3, WIDTH), (1, 2 * WIDTH)), ((STEPS, 4),))),
        (lambda: returning(*"yhc", layers=2), (((STEPS, WIDTH),), ((2 + STEPS + 1, 8),))),
    ],
    ids=["given", "lengths", "cells"],
)
def test_words_of_sequences_that_take_turns_are_those_of_each_alone(made, tokens):
    graph = made()
    x = with_states(graph, 20)
    fixed = swm.quantize(graph, bits=12, calibration=x)
    turning = interleaved(fixed, 3)
    assert tuple(tokens_in_turns(turning)[t] for t in (fixed.input_name, fixed.output_tensor)) == tokens
    entering = x["x"] if fixed.host is None else before_hardware(fixed, x)[fixed.input_name]
    alone, found = (run_fixed(network, entering) for network in (fixed, turning))
    np.testing.assert_array_equal(found.values, alone.values)
    plain, _ = run_integers(turning, found.inputs)
    np.testing.assert_array_equal(found.words, plain)


def test_a_layer_begins_with_the_last_state_of_another():
    """A GRU that decodes; the first state is a slice of what the caller gives, behind the Transpose of exporters."""
    model = Exported(STEPS, WIDTH)
    model.inputs.append(helper.make_tensor_value_info("h0", TensorProto.FLOAT, ["batch", 2, 8]))
    ends = (model.constant([v], np.int64) for v in (0, 1, 1))
    start, rng = model.node("Transpose", model.node("Slice", "h0", *ends), perm=[1, 0, 2]), model.rng
    x, last = model.time_first("x"), start
    for _ in range(2):
        w, r = (model.constant(rng.normal(size=(1, 24, n)) / np.sqrt(n)) for n in (WIDTH, 8))
        y, last = model.node("GRU", x, w, r, "", "", last, outputs=2, hidden_size=8)
    graph = model.load(model.linear(model.time_first(model.flat(y, 1, 8)), 8, 4), STEPS, 4)
    feeds = with_states(graph, 60)
    fixed = swm.quantize(graph, bits=12, calibration=feeds)
    assert [s.start for s in fixed.specs if s.kind == "recurrent"] == [True, True]
    assert relative_error(swm.run(fixed, feeds)["out"], swm.run(graph, feeds)["out"]) < 0.01


def test_states_that_hardware_does_not_take_are_named():
    model = Exported(STEPS, WIDTH)
    model.inputs.append(helper.make_tensor_value_info("h0", TensorProto.FLOAT, [1, "batch", 8]))
    w, r = (model.constant(np.full((1, 24, n), 0.1)) for n in (WIDTH, 8))
    y, _ = model.node("GRU", model.time_first("x"), w, r, "", "", "h0", outputs=2, hidden_size=8)
    graph = model.load(model.linear(model.time_first(model.flat(y, 1, 8)), 8, 4), STEPS, 4)
    said = " ".join(f"{f.reason}; {f.remedy}" for f in hardware_findings(fold_affine(graph)))
    assert "its states start from input 'h0'" in said
    assert "`swm frame --batch-axis NAME`" in said
    with pytest.raises(UnsupportedModel, match=r"differ in their first axis.*`swm frame --batch-axis NAME`"):
        swm.quantize(graph, bits=8, calibration={"x": smooth(2, STEPS, WIDTH), "h0": np.zeros((1, 2, 8), np.float32)})
    framed = swm.frame(graph, batch_axis="batch")
    assert [v.type.shape for v in framed.inputs] == [("batch", STEPS, WIDTH), ("batch", 1, 8)]
    assert swm.check(framed).hardware == "with host parts"
    with pytest.raises(OptionError, match="has no axis named 'length'"):
        swm.frame(graph, batch_axis="length")
