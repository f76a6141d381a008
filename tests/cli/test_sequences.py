# SPDX-License-Identifier: Apache-2.0
"""Sequences that take turns, from the command line: `--sequences N|auto`."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

sys.path.append(str(Path(__file__).parents[1] / "accelerator"))
from recurrent_models import Exported, sequence
from support import write_mlp

import swm
from swm.accelerator.integers import run_fixed, run_integers
from swm.cli import cli
from swm.emit.host_files import driver_settings
from swm.emit.samples import load_samples
from swm.errors import OptionError
from swm.package_data import templates_dir


def call(*arguments):
    done = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences")
    swm.save(sequence(), folder / "lstm.onnx")
    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=(21, 5, 12)).astype(np.float32))
    return folder


def test_emit_packs_samples_into_frames_and_compares_with_float(files):
    model, x, project = files / "lstm.onnx", files / "x.npy", files / "p"
    fixed = ["--bits", 10, "--calibration", x, "--board", "zcu104"]
    told = json.loads(call("emit", model, "-o", project, *fixed, "--sequences", 3, "--json"))
    assert told["sequences"] == 3
    kept = load_samples(project / "verify")
    assert kept.inputs.shape == (21, 60)  # a sample is a sequence
    assert kept.reference.shape == (21, 5, 4)
    frames = np.loadtxt(project / "tb/input.dat", dtype=int).reshape(7, 5, 3, 12)
    form = swm.load_project(project).graph.input
    np.testing.assert_array_equal(frames[1, 2, 0], form.quantize(kept.inputs[3].reshape(5, 12)[2]))
    assert "take turns" in call("check", model)


def test_the_report_says_what_bounds_one_sequence(files):
    one, many = (
        json.loads(call("report", files / "lstm.onnx", "--board", "zcu104", "--sequences", n, "--json"))
        for n in (1, "auto")
    )
    speeds = [r["boards"][0]["structured"]["inferences_per_s"] for r in (one, many)]
    counts = [r["boards"][0]["structured"]["sequences"] for r in (one, many)]
    assert counts[0] == 1 < counts[1]
    assert speeds[1] > 1.5 * speeds[0]
    said = " ".join(call("report", files / "lstm.onnx", "--board", "zcu104").split())
    assert "one sequence alone is latency bound by its loop" in said
    assert "until a state can be read" in said
    said = " ".join(call("report", files / "lstm.onnx", "--board", "zcu104", "--sequences", 2).split())
    assert "A frame holds 2 sequences that take turns" in said


def test_sequences_of_a_network_that_has_none(tmp_path):
    model = write_mlp(tmp_path / "m.onnx")
    with pytest.raises(OptionError, match="only recurrent layers gain"):
        swm.report(swm.load(model), boards="zcu104", sequences=2)
    done = CliRunner().invoke(cli, ["report", model, "--board", "zcu104", "--sequences", "many"])
    assert done.exit_code == 2
    assert "neither a number nor 'auto'" in done.output


def test_the_board_driver_packs_frames():
    """What brings a board its frames, on hardware that is the integer engine."""
    x = np.random.default_rng(0).normal(size=(7, 5, 12)).astype(np.float32)
    fixed = swm.quantize(sequence(), bits=10, calibration=x)
    made = swm.design(fixed, board="zcu104", sequences=3)
    spec = importlib.util.spec_from_file_location("network", templates_dir() / "swm_network.py")
    driver = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(driver)

    class Hardware(driver.Network):
        def words(self, words):
            assert words.shape == (3, 180)
            return run_integers(made.graph, words.astype(np.int64))[0]

    board = Hardware(driver_settings(made), None)
    np.testing.assert_array_equal(board.infer(x), swm.run(fixed, x))
    with pytest.raises(ValueError, match="the network reads 60"):
        board.infer(x[:, :4])


def test_the_host_driver_packs_frames(tmp_path):
    """A Softmax stays with the host: its driver makes the words of the integer engine, and the network's answers."""
    model = Exported(5, 12)
    y, _ = model.layer("GRU", model.time_first("x"), 12, 16)
    linear = model.linear(model.time_first(model.flat(y, 1, 16)), 16, 4)
    graph = model.load(model.node("Softmax", linear, axis=-1), 5, 4)
    x = np.random.default_rng(0).normal(size=(7, 5, 12)).astype(np.float32)
    fixed = swm.quantize(graph, bits=10, calibration=x)
    made = swm.design(fixed, board="zcu104", sequences=3)
    project = swm.emit(made, path=tmp_path / "p", vectors=x)
    spec = importlib.util.spec_from_file_location("driver", project / "host/host.py")
    driver = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(driver)
    host = driver.Host()
    words, tensors = host.before(x)
    expected = run_fixed(made.graph, x)
    np.testing.assert_array_equal(words, expected.inputs)  # 7 samples, 3 frames
    assert driver_settings(made)["sequences"] == 3
    (answer,) = host.after(expected.words, tensors).values()
    np.testing.assert_allclose(answer, swm.run(fixed, x), atol=1e-6)
    np.testing.assert_allclose(swm.run(swm.load_project(project).graph, x), swm.run(fixed, x), atol=1e-6)
