# SPDX-License-Identifier: Apache-2.0
"""`--residual-bits` and `--exact-division` of `swm emit` and `swm report`."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

sys.path.append(str(Path(__file__).parents[1] / "accelerator"))
from attention_models import encoder
from networks import smooth

import swm
from swm.cli import cli
from swm.errors import OptionError

CHOSEN = ("--bits", 8, "--residual-bits", 12, "--exact-division")


def call(*arguments):
    done = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


def test_both_reach_the_project_and_the_report(tmp_path):
    swm.save(encoder(tmp_path / "m.onnx", tokens=3, width=4, heads=2), tmp_path / "model.onnx")
    np.save(tmp_path / "x.npy", 2 * smooth(40, 3, 4))
    model, x = tmp_path / "model.onnx", ("--calibration", tmp_path / "x.npy")
    text = call("emit", model, "-o", tmp_path / "p", "--board", "pynq-z2", *x, *CHOSEN)
    assert "8 bits, 12 on residual streams: " in text
    layers = (tmp_path / "p" / "src" / "layers.h").read_text()
    assert "powers are divided by their sum" in layers
    assert "a_bits = 12" in layers
    assert swm.load_project(tmp_path / "p").graph.widths == "8 bits, 12 on residual streams"

    report = json.loads(call("report", model, "--board", "pynq-z2", *CHOSEN, "--json"))
    of_project = json.loads(call("report", tmp_path / "p", "--json"))
    found, same = (r["boards"][0]["structured"]["resources"] for r in (report, of_project))
    assert found == same
    plain = json.loads(call("report", model, "--board", "pynq-z2", "--bits", 8, "--json"))
    assert plain["boards"][0]["structured"]["resources"] != found


def test_fewer_bits_are_refused_before_anything_is_written(tmp_path):
    swm.save(encoder(tmp_path / "m.onnx", tokens=3, width=4, heads=2), tmp_path / "model.onnx")
    np.save(tmp_path / "x.npy", 2 * smooth(40, 3, 4))
    with pytest.raises(OptionError, match="at least the 8 bits of everything else, got 6"):
        call(
            *("emit", tmp_path / "model.onnx", "-o", tmp_path / "p", "--board", "pynq-z2", "--bits", 8),
            *("--residual-bits", 6, "--calibration", tmp_path / "x.npy"),
        )
    assert not (tmp_path / "p").exists()
