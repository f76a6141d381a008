# SPDX-License-Identifier: Apache-2.0
"""Models brought to samples that hardware takes: open lengths, other axes, states that go round outside."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper, save_model

import swm
from swm.accelerator.lower import hardware_findings
from swm.cli import cli
from swm.errors import OptionError

N, H = 4, 8
BIDIRECTIONAL = Path(os.environ.get("SWM_SHARED", "../shared")) / "models/rnn/tract_byte_sb_bidi_lstm.onnx"
INITIAL = ("cut_h", "cut_c")


def model(op, inputs, outputs, *, before=(), after=(), constants=None, **attributes):
    """One recurrent layer between nodes: X is `x`, Y `y`, Y_h `h`, Y_c `c`."""
    rng, gates = np.random.default_rng(0), {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    d = 2 if attributes.get("direction") == "bidirectional" else 1
    arrays = {
        "w": rng.normal(size=(d, gates * H, N)).astype(np.float32) / 2,
        "r": rng.normal(size=(d, gates * H, H)).astype(np.float32) / 3,
        **{name: np.asarray(value) for name, value in (constants or {}).items()},
    }
    starts = [*INITIAL][: 1 + (op == "LSTM")] if before else []
    ends = ["y", "h", "c"][: 2 + (op == "LSTM")]
    starts = starts or [name for name in ("h_0", "c_0") if name in inputs]
    lengths = "lengths" if "lengths" in {*inputs, *arrays} else ""
    layer = helper.make_node(op, ["x", "w", "r", "", lengths, *starts], ends, hidden_size=H, name="layer", **attributes)
    nodes = [*(helper.make_node(*node[:3], **dict(node[3:])) for node in before), layer]
    nodes += [helper.make_node(*node[:3], **dict(node[3:])) for node in after]
    values = [
        [
            helper.make_tensor_value_info(name, TensorProto.INT32 if name == "lengths" else TensorProto.FLOAT, shape)
            for name, shape in side.items()
        ]
        for side in (inputs, outputs)
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "net", *values, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def stepping(back=("h", "c")):
    """One step of an LSTM, its states one input and one output, as speech models have them."""
    cuts = {"zero": [0], "one": [1], "two": [2], "axis": [1]}
    return model(
        "LSTM",
        {"x": [1, 1, N], "states": [1, 2, H]},
        {"y": [1, 1, 1, H], "states_out": [1, 2, H]},
        before=[
            ("Slice", ["states", "zero", "one", "axis"], ["cut_h"]),
            ("Slice", ["states", "one", "two", "axis"], ["cut_c"]),
        ],
        after=[("Concat", list(back), ["states_out"], ("axis", 1))],
        constants={name: np.array(value, np.int64) for name, value in cuts.items()},
    )


def error(fixed, graph, x):
    got, want = swm.run(fixed, {graph.inputs[0].name: x}), swm.run(graph, {graph.inputs[0].name: x})
    assert {name: a.shape for name, a in got.items()} == {name: a.shape for name, a in want.items()}
    return max(float(np.linalg.norm(got[n] - want[n]) / np.linalg.norm(want[n])) for n in want)


def test_inputs_that_hold_one_number_go(tmp_path):
    """Lengths and initial states, which torch gives to the caller: named with the remedy, and fixed."""
    given = {"x": [5, "n", N], "lengths": ["n"], "h_0": [1, "n", H], "c_0": [1, "n", H]}
    made = model("LSTM", given, {"y": [5, 1, "n", H]})
    graph = swm.load(made)
    reasons = " ".join(map(str, hardware_findings(graph)))
    assert "lengths of their own (input 'lengths')" in reasons
    assert "swm frame --fix INPUT=STEPS" in reasons
    states = swm.frame(graph, fix={"lengths": 5})
    assert [v.name for v in states.inputs] == ["x", "h_0", "c_0"]
    assert "start from input 'h_0'" in " ".join(map(str, hardware_findings(states)))
    source, output = tmp_path / "m.onnx", tmp_path / "framed.onnx"
    save_model(made, source)
    fixes = [
        word for name, number in (("lengths", 5), ("h_0", 0), ("c_0", 0)) for word in ("--fix", f"{name}={number}")
    ]
    arguments = ["frame", source, "-o", output, "--batch-axis", 1, *fixes]
    done = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    framed = swm.load(output, simplify=True)
    assert swm.check(framed).hardware == "all"
    x, zeros = np.random.default_rng(1).normal(size=(3, 5, N)).astype(np.float32), np.zeros((1, 3, H), np.float32)
    want = swm.run(
        graph, {"x": x.swapaxes(0, 1).copy(), "lengths": np.full(3, 5, np.int32), "h_0": zeros, "c_0": zeros}
    )["y"]
    np.testing.assert_allclose(swm.run(framed, x), want.transpose(2, 0, 1, 3), atol=1e-6)


def test_the_last_state_beside_a_sequence_that_ends_early():
    ends = {"y": [5, 2, 1, H], "h": [2, 1, H]}
    constant = {"lengths": np.array([3], np.int32)}
    graph = swm.load(model("GRU", {"x": [5, 1, N]}, ends, constants=constant, direction="bidirectional"))
    framed = swm.frame(graph, batch_axis=None)
    assert swm.check(framed).hardware == "with host parts"
    x = np.random.default_rng(1).normal(size=(40, 5, 1, N)).astype(np.float32)
    assert error(swm.quantize(framed, bits=16, calibration=x), framed, x) < 0.01


def test_an_initial_state_that_is_not_zero_needs_its_shape():
    graph = swm.load(model("GRU", {"x": [5, 1, N], "h_0": [1, 1, H]}, {"y": [5, 1, 1, H]}))
    framed = swm.frame(graph, fix={"h_0": 1}, batch_axis=None)
    assert swm.check(framed).hardware == "all"
    x = np.random.default_rng(1).normal(size=(5, 1, N)).astype(np.float32)
    want = swm.run(graph, {"x": x, "h_0": np.ones((1, 1, H), np.float32)})["y"]
    np.testing.assert_allclose(swm.run(framed, x[None])[0], want, atol=1e-6)
    opened = swm.load(model("GRU", {"x": [5, "n", N], "h_0": [1, "n", H]}, {"y": [5, 1, "n", H]}))
    with pytest.raises(OptionError, match="'h_0', 1 everywhere, has open axes"):
        swm.frame(opened, fix={"h_0": 1})
    with pytest.raises(OptionError, match="no input 'h'"):
        swm.frame(opened, fix={"h": 0})
    with pytest.raises(OptionError, match="needs an input that is not fixed"):
        swm.frame(opened, fix={"x": 0, "h_0": 0})


def test_a_padding_mask_that_is_the_same_for_all_goes_into_the_network(tmp_path):
    """`swm check` names the remedy; the batch may be open, for one row of the mask serves all samples."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "turned"], ["scores"]),
        helper.make_node("Cast", ["mask"], ["kept"], to=1),
        helper.make_node("Sub", ["one", "kept"], ["hidden"]),
        helper.make_node("Mul", ["hidden", "low"], ["wide"]),
        helper.make_node("Unsqueeze", ["wide", "place"], ["row"]),
        helper.make_node("Add", ["scores", "row"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["soft"], axis=-1),
        helper.make_node("MatMul", ["soft", "x"], ["mixed"]),
        helper.make_node("MatMul", ["mixed", "w"], ["y"]),
    ]
    constants = {"one": np.float32(1), "low": np.float32(-1e9), "w": np.eye(N, dtype=np.float32)}
    graph = helper.make_graph(
        nodes,
        "masked",
        [helper.make_tensor_value_info(n, t, ["b", *s]) for n, t, s in (("x", 1, [5, N]), ("mask", 7, [5]))],
        [helper.make_tensor_value_info("y", 1, ["b", 5, N])],
        [numpy_helper.from_array(v, n) for n, v in {**constants, "place": np.array([1])}.items()],
    )
    loaded = swm.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))
    checked = swm.check(loaded)
    assert checked.hardware == "none"
    assert any('--fix "mask"=NUMBER' in str(found) for found in checked.graph_findings)
    framed = swm.simplify(swm.frame(loaded, fix={"mask": 1}))
    assert swm.check(framed).hardware == "all"
    x = np.random.default_rng(1).normal(size=(40, 5, N)).astype(np.float32)
    want = swm.run(loaded, {"x": x, "mask": np.ones((40, 5), np.int64)})["y"]
    np.testing.assert_allclose(swm.run(framed, x), want, atol=1e-6)
    assert error(swm.quantize(framed, bits=16, calibration=x), framed, x) < 0.01
    mask, file = np.array([1, 1, 0, 1, 0]), tmp_path / "mask.npy"  # tokens that are always padding
    np.save(file, mask)
    swm.save(loaded, tmp_path / "m.onnx")
    args = ["frame", str(tmp_path / "m.onnx"), "-o", str(tmp_path / "f.onnx"), "--fix", f"mask={file}"]
    assert CliRunner().invoke(cli, args).exit_code == 0
    framed = swm.load(tmp_path / "f.onnx", simplify=True)
    assert swm.check(framed).hardware == "all"
    want = swm.run(loaded, {"x": x, "mask": np.tile(mask, (40, 1))})["y"]
    np.testing.assert_allclose(swm.run(framed, x), want, atol=1e-6)
    for wrong, why in ((mask[:4], "does not take values of shape"), (mask / 3, "holds int64")):
        with pytest.raises(OptionError, match=why):
            swm.frame(loaded, fix={"mask": wrong})


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_time_first_with_the_sequence_and_its_last_state(direction):
    """As torch writes a layer: samples along axis 1, Y and Y_h both returned."""
    d = 2 if direction == "bidirectional" else 1
    made = model("GRU", {"x": [5, 2, N]}, {"y": [5, d, 2, H], "h": [d, 2, H]}, direction=direction)
    graph = swm.load(made)
    assert swm.check(graph).hardware == "none"
    framed = swm.frame(graph, batch_axis=1)
    assert [v.type.shape for v in framed.outputs] == [("batch", 5, d, H), ("batch", d, H)]
    x = np.random.default_rng(1).normal(size=(40, 5, N)).astype(np.float32)
    want = swm.run(graph, {"x": x[:2].swapaxes(0, 1).copy()})
    got = swm.run(framed, {"x": x[:2]})
    np.testing.assert_allclose(got["h"], want["h"].swapaxes(0, 1), atol=1e-6)
    np.testing.assert_allclose(got["y"], want["y"].transpose(2, 0, 1, 3), atol=1e-6)
    check = swm.check(framed)
    assert (check.hardware, check.share) == ("with host parts", 1.0)
    assert "take turns" in check.sequences
    fixed = swm.quantize(framed, bits=14, calibration=x)
    assert error(fixed, framed, x) < 4e-3
    assert fixed.first.spec.kind in ("recurrent", "reverse")


def test_a_cell_state_that_nobody_needs():
    graph = swm.load(model("LSTM", {"x": [5, 2, N]}, {"y": [5, 1, 2, H], "h": [1, 2, H], "c": [1, 2, H]}))
    assert swm.check(swm.frame(graph, batch_axis=1)).hardware == "with host parts"  # which takes y, h and c apart
    assert swm.check(swm.frame(graph, batch_axis=1, drop=["c"])).hardware == "with host parts"
    with pytest.raises(OptionError, match="no output 'Y_c'"):
        swm.frame(graph, drop=["Y_c"])


def test_a_whole_run_is_a_sample_where_its_length_is_open():
    graph = swm.load(model("RNN", {"x": ["length", 1, N]}, {"y": ["length", 1, 1, H], "h": [1, 1, H]}))
    framed = swm.frame(graph, sizes={"length": 6}, batch_axis=None)
    assert [v.type.shape for v in framed.inputs] == [(1, 6, 1, N)]
    x = np.random.default_rng(1).normal(size=(30, 6, 1, N)).astype(np.float32)
    assert swm.check(framed).hardware == "with host parts"
    assert error(swm.quantize(framed, bits=14, calibration=x), framed, x) < 4e-3


def test_states_that_are_fed_back_stay_inside(tmp_path):
    """A sequence gives what the steps give one after the other; on the command line, down to the C simulation."""
    save_model(stepping(), tmp_path / "m.onnx")
    options = ["--state", "states=states_out", "--steps", "7", "--batch-axis", "1", "--json"]
    done = CliRunner().invoke(cli, ["frame", str(tmp_path / "m.onnx"), "-o", str(tmp_path / "f.onnx"), *options])
    assert done.exit_code == 0, done.output
    assert list(json.loads(done.stdout)["inputs"]) == ["x"]
    graph, framed = swm.load(tmp_path / "m.onnx"), swm.load(tmp_path / "f.onnx", simplify=True)
    x = np.random.default_rng(1).normal(size=(30, 7, N)).astype(np.float32)
    assert framed.inputs[0].type.shape == ("batch", 7, N)
    states, found = np.zeros((1, 2, H), np.float32), []
    for step in range(7):
        results = swm.run(graph, {"x": x[:1, step : step + 1], "states": states})
        states = results["states_out"]
        found.append(results["y"].reshape(-1))
    np.testing.assert_allclose(swm.run(framed, x[:1]).reshape(7, H), found, atol=1e-5)
    assert swm.check(framed).hardware == "all"
    assert error(swm.quantize(framed, bits=14, calibration=x), framed, x) < 4e-3


def test_what_cannot_be_framed_is_told(tmp_path):
    graph = swm.load(stepping())
    back = {"states": "states_out"}
    with pytest.raises(OptionError, match="no output 'other'"):
        swm.frame(graph, states={"states": "other"}, steps=3)
    with pytest.raises(OptionError, match="belong together"):
        swm.frame(graph, states=back)
    with pytest.raises(OptionError, match="choose 2 to"):
        swm.frame(graph, states=back, steps=1)
    with pytest.raises(OptionError, match="does not hold the states in the order"):
        swm.frame(swm.load(stepping(back=("c", "h"))), states=back, steps=3)
    plain = swm.load(model("GRU", {"x": [5, 2, N]}, {"y": [5, 1, 2, H], "h": [1, 2, H]}))
    with pytest.raises(OptionError, match="no input has an axis named 'length'"):
        swm.frame(plain, sizes={"length": 3})
    with pytest.raises(OptionError, match="has no axis 3"):
        swm.frame(plain, batch_axis=3)
    with pytest.raises(OptionError, match="the model does not run"):
        swm.frame(plain, batch_axis=2)
    save_model(stepping(), tmp_path / "m.onnx")
    wrong = ["frame", str(tmp_path / "m.onnx"), "-o", str(tmp_path / "f.onnx"), "--size", "length"]
    assert isinstance(CliRunner().invoke(cli, wrong).exception, OptionError)
    assert not (tmp_path / "f.onnx").exists()


@pytest.mark.skipif(not BIDIRECTIONAL.is_file(), reason="shared models are not here; SWM_SHARED names their folder")
def test_an_embedding_stays_with_the_host():
    graph = swm.load(BIDIRECTIONAL, simplify=True)
    check = swm.check(swm.frame(graph, sizes={"length": 8}))
    assert (check.hardware, check.share) == ("with host parts", 1.0)
    assert {node.op for node in check.nodes if node.place == "before"} == {"Cast", "Gather"}
