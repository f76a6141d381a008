# SPDX-License-Identifier: Apache-2.0
"""`swm split` and what `swm check` says of host parts, as a user runs them."""

import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from click.testing import CliRunner
from support import inputs, write_mlp

import swm
from swm.cli import cli
from swm.errors import SwmError

NASTY = ["../../etc/passwd", '"; rm -rf /', "$(touch x)"]


def run(*arguments):
    result = CliRunner().invoke(cli, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit | SwmError):
        raise result.exception
    return result


def test_check_says_how_much_becomes_hardware(tmp_path):
    cases = {
        "all": {},
        "with host parts": {"tail": ("Softmax", "Erf")},
        "none": {"activation": "Erf"},
    }
    for verdict, options in cases.items():
        result = run("check", write_mlp(tmp_path / "m.onnx", **options), "--json")
        data = json.loads(result.stdout)
        assert (data["hardware"], data["ok"], result.exit_code) == (verdict, verdict != "none", verdict == "none")
        others = [n for n in data["nodes"] if not n["hardware"]]
        assert all(n["reason"] and n["remedy"] for n in others)
        if verdict == "with host parts":
            assert [(n["op"], n["place"]) for n in others] == [("Softmax", "after"), ("Erf", "after")]
            assert data["share"] == 1
            assert "host, after" in run("check", tmp_path / "m.onnx").stdout
        elif verdict == "none":
            assert data["share"] < 0.95
            assert "swm split" in data["graph_findings"][-1]["remedy"]


def test_split_writes_models_that_onnxruntime_runs(tmp_path):
    model = write_mlp(tmp_path / "m.onnx", names=NASTY, tail=("Softmax",), name="../net")
    folder = tmp_path / "parts"
    data = json.loads(run("split", model, "-o", folder, "--json").stdout)
    assert sorted(p.name for p in folder.iterdir()) == ["after.onnx", "hardware.onnx", "swm_project.json"]
    assert data["multiplications"] == {"hardware": 944, "all": 944, "share": 1.0}
    assert data["hardware"] == "with host parts"
    x = inputs(8)
    tensors = {"x": x}
    for name, part in data["parts"].items():
        onnx.checker.check_model(onnx.load(str(folder / part["file"])))
        session = ort.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        given = {t: tensors[t] for t in part["inputs"]}
        tensors |= dict(zip(part["outputs"], session.run(part["outputs"], given), strict=True))
    np.testing.assert_allclose(tensors["t0"], swm.run(swm.load(model), x), atol=1e-6)
    assert swm.check(swm.load(folder / "hardware.onnx")).hardware == "all"
    assert {p.name for p in tmp_path.iterdir()} == {"m.onnx", "parts"}


def test_split_writes_what_the_hardware_part_reads(tmp_path):
    x = inputs(8)
    np.save(tmp_path / "x.npy", x)
    model = write_mlp(tmp_path / "m.onnx", activation="Erf")
    result = run("split", model, "-o", tmp_path / "parts", "--inputs", tmp_path / "x.npy")
    assert result.exit_code == 0
    read = np.load(tmp_path / "parts" / "hardware_inputs.npy")
    np.testing.assert_array_equal(read, x)  # the first layer is the largest
    np.save(tmp_path / "wide.npy", inputs(8, 21))
    result = run("split", model, "-o", tmp_path / "other", "--inputs", tmp_path / "wide.npy")
    assert "shape" in str(result.exception)
    assert not (tmp_path / "other").exists()


def test_split_of_what_cannot_be_emitted_says_what_share_it_is(tmp_path):
    model = write_mlp(tmp_path / "m.onnx", activation="Erf")
    result = run("split", model, "-o", tmp_path / "parts")
    assert result.exit_code == 0
    assert "hardware.onnx has 50.8 % of the work: 480 of 944 multiplications" in " ".join(result.stdout.split())
    assert "fc1, fc2" in result.stdout
    assert (tmp_path / "parts" / "after.onnx").exists()


def test_split_replaces_nothing_without_being_told(tmp_path):
    model, folder = write_mlp(tmp_path / "m.onnx", tail=("Softmax",)), tmp_path / "parts"
    assert run("split", model, "-o", folder).exit_code == 0
    again = run("split", model, "-o", folder)
    assert "not empty" in str(again.exception)
    (folder / "hardware.onnx").write_bytes(b"mine")
    assert run("split", model, "-o", folder, "--force").exit_code == 0
    assert (tmp_path / "parts.bak-1" / "hardware.onnx").read_bytes() == b"mine"


@pytest.mark.parametrize(("tail", "text"), [(("Softmax",), "not a folder"), ((), "no layer with weights")])
def test_split_refuses_in_one_message(tmp_path, tail, text):
    out = tmp_path / "out"
    if tail:
        out.write_text("mine")
        model = write_mlp(tmp_path / "m.onnx", tail=tail)
    else:
        x, y = (onnx.helper.make_tensor_value_info(n, 1, ["batch", 4]) for n in "xy")
        graph = onnx.helper.make_graph([onnx.helper.make_node("Erf", ["x"], ["y"])], "g", [x], [y])
        model = tmp_path / "m.onnx"
        onnx.save(onnx.helper.make_model(graph, ir_version=9), str(model))
    before = sorted(tmp_path.iterdir())
    result = run("split", model, "-o", out)
    assert isinstance(result.exception, SwmError)
    assert text in str(result.exception)
    assert len(str(result.exception).splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before
