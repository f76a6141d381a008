# SPDX-License-Identifier: Apache-2.0
"""Networks with host parts from quantization to the project: one value, one answer, whoever computes which part."""

import importlib.util
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from host_models import Builder, anomaly, classifier, images, load

import swm
from swm.accelerator.integers import run_fixed
from swm.accelerator.store import load_fixed, save_fixed
from swm.emit.floats import float_layers
from swm.emit.samples import load_samples
from swm.errors import CalibrationError, OptionError, OutputError, UnsupportedModel
from swm.layers.rtl.registry import register_rtl, rtl, unregister_rtl
from swm.package_data import templates_dir


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A classifier of bytes, its fixed point, and a project of it with 12 images."""
    folder = tmp_path_factory.mktemp("road")
    graph = load(classifier(folder / "m.onnx", name='fc"; rm -rf /'))
    fixed = swm.quantize(graph, bits=14, calibration=images(200))
    x = images(12, seed=9)
    labels = swm.run(graph, x)
    project = swm.emit(fixed, board="pynq-z2", path=folder / "p", backend="generic", vectors=x, labels=labels)
    return graph, fixed, x, project


def test_the_fixed_network_answers_as_a_whole(road):
    graph, fixed, _, _ = road
    x = images(100, seed=5)
    answers = swm.run(fixed, x)
    assert answers.shape == (100,)
    assert answers.dtype == np.int64
    assert np.mean(answers == swm.run(graph, x)) >= 0.97
    assert fixed.host.operators == (("Cast", "Transpose", "Affine", "MaxPool", "Abs"), ("Softmax", "ArgMax"))
    assert (fixed.inputs, fixed.outputs) == (18, 5)
    assert "host before: Cast, Transpose, Affine, MaxPool, Abs; host after: Softmax, ArgMax" in repr(fixed)
    assert list(swm.run(fixed, {"x": x})) == [graph.outputs[0].name]


def test_formats_come_from_what_the_hardware_reads(road):
    _, fixed, _, _ = road
    assert fixed.input.largest < 8, "normalised pixels, not bytes"


def test_verify_compares_words_of_the_hardware_and_answers_of_the_network(road):
    graph, fixed, x, project = road
    result = swm.verify(project)
    assert result.ok, result.first_mismatch
    assert (result.words, result.samples) == (12 * 5, 12)
    assert (result.max_error, result.mean_error) == (None, None), "class numbers have no distance"
    assert result.top1_agreement == result.accuracy == np.mean(swm.run(fixed, x) == swm.run(graph, x))
    assert result.reference_accuracy == 1
    assert any("the same class number" in line for line in result.remarks)


def test_a_project_brings_its_host_parts_along(road):
    _, fixed, x, project = road
    made = swm.load_project(project)
    assert np.array_equal(swm.run(made.graph, x), swm.run(fixed, x))
    assert made.graph.host.operators == fixed.host.operators
    assert json.loads((project / "swm_project.json").read_text())["host"] == {
        "before": ["Cast", "Transpose", "Affine", "MaxPool", "Abs"],
        "after": ["Softmax", "ArgMax"],
    }
    readme = (project / "README.md").read_text()
    assert "- before the hardware: Cast, Transpose, Affine, MaxPool, Abs (`host/before.onnx`)" in readme
    assert "- after the hardware: Softmax, ArgMax (`host/after.onnx`)" in readme
    assert "before the hardware: Cast" in (project / "src" / "top.cpp").read_text()
    assert not any("rm -rf" in f.read_text() for f in project.path.rglob("*.cpp"))


def test_the_driver_needs_no_swm(road, tmp_path):
    """What a board runs: numpy, onnxruntime and the files in host/."""
    _, fixed, x, project = road
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "answer.npy", np.loadtxt(project / "tb" / "expected.dat", dtype=np.int64))
    driver = [sys.executable, "-S", "-c", _DRIVER, str(project / "host"), str(sys.path)]
    for arguments in (("x.npy", "words.npy"), ("x.npy", "answer.npy", "out.npz")):
        subprocess.run([*driver, *arguments], cwd=tmp_path, check=True, timeout=60)
    words = np.load(tmp_path / "words.npy")
    assert np.array_equal(words, np.loadtxt(project / "tb" / "input.dat", dtype=np.int64))
    assert np.array_equal(np.load(tmp_path / "out.npz")[fixed.host.outputs[0].name], swm.run(fixed, x))


# Runs host.py as a script where swm cannot be imported.
_DRIVER = """
import ast, runpy, sys
folder, sys.path[1:1] = sys.argv[1], ast.literal_eval(sys.argv[2])
sys.modules["swm"] = None
sys.argv = ["host.py", *sys.argv[3:]]
runpy.run_path(folder + "/host.py", run_name="__main__")
"""


def test_a_report_measures_the_whole_network(road):
    graph, fixed, x, project = road
    labels = swm.run(graph, x)
    report = swm.report(fixed, boards="pynq-z2", backend="generic", inputs=x, labels=labels)
    measured = dict(report.accuracy)
    said = "The host computes before the hardware Cast Transpose Affine MaxPool Abs, after the hardware Softmax ArgMax"
    assert said in report.evidence.remarks[-1]
    for other in (swm.report(project), swm.report(graph, boards="pynq-z2", backend="generic")):
        assert other.evidence.remarks[-1:] == report.evidence.remarks[-1:]
    assert measured["dense_float"] == 1
    assert measured["fixed"] == np.mean(swm.run(fixed, x) == labels)


class TimeFirst:
    """A model exported for a batch of one, whose second output has the steps first."""

    def get_inputs(self):
        return [SimpleNamespace(name="x", shape=[1, 5, 3])]

    def get_outputs(self):
        return [SimpleNamespace(name=name) for name in ("last", "steps")]

    def run(self, names, given):
        (x,) = given.values()
        return [x[:, -1], x.transpose(1, 0, 2)]


def test_the_driver_joins_batches_along_their_samples():
    spec = importlib.util.spec_from_file_location("driver", templates_dir() / "host.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    host = object.__new__(module.Host)
    host.sessions = {"after": TimeFirst()}
    x = np.arange(60, dtype=np.float32).reshape(4, 5, 3)
    found = host._run("after", {"x": x})
    np.testing.assert_array_equal(found["last"], x[:, -1])
    np.testing.assert_array_equal(found["steps"], x.transpose(1, 0, 2))


def test_converted_layers_lie_between_the_same_host_parts(road):
    graph, *_ = road
    x = images(200)
    conversion = swm.convert(graph, block=4, calibration=x, labels=swm.run(graph, x))
    found = conversion.report.accuracy
    assert (found.dense, found.relative_error) == (1.0, None), "class numbers are compared as such"
    assert found.test == found.agreement
    fixed = swm.quantize(conversion.graph, bits=12, calibration=images(50))
    assert fixed.specs[0].kind == "circulant"
    assert fixed.host.operators[1] == ("Softmax", "ArgMax")


def test_a_model_of_fixed_batches(tmp_path):
    graph = load(classifier(tmp_path / "m.onnx", batch=5))
    fixed = swm.quantize(graph, bits=14, calibration=images(50))
    assert np.mean(swm.run(fixed, images(20)) == swm.run(graph, images(20))) > 0.9
    project = swm.emit(
        fixed, board="pynq-z2", path=tmp_path / "p", backend="generic", vectors=images(30), most_vectors=13
    )
    assert len(np.loadtxt(project / "tb" / "input.dat")) == 10, "whole batches"
    with pytest.raises(CalibrationError, match="shape"):
        swm.run(fixed, images(4))


def test_an_error_of_reconstruction_reads_the_input_again(tmp_path):
    graph = load(anomaly(tmp_path / "m.onnx"))
    x = np.random.default_rng(0).normal(size=(50, 12)).astype(np.float32)
    fixed = swm.quantize(graph, bits=16, calibration=x)
    np.testing.assert_allclose(swm.run(fixed, x), swm.run(graph, x), atol=2e-2)
    emit = {"board": "pynq-z2", "backend": "generic"}
    samples = load_samples(swm.emit(fixed, path=tmp_path / "given", vectors=x, **emit) / "verify")
    answers = samples.answers(fixed, run_fixed(fixed, samples.inputs).values)
    np.testing.assert_allclose(answers, samples.reference, atol=2e-2)
    samples = load_samples(swm.emit(fixed, path=tmp_path / "random", **emit) / "verify")
    assert samples.reference is samples.answers(fixed, run_fixed(fixed, samples.inputs).values) is None


def test_softmax_over_any_axis(tmp_path):
    for axis in (1, 2):
        model = Builder(6, 12)
        answer = model.node("Softmax", model.linear("x", 12, 8, "fc"), axis=axis)
        graph = load(model.save(tmp_path / "m.onnx", answer))
        x = np.random.default_rng(1).normal(size=(40, 6, 12)).astype(np.float32)
        fixed = swm.quantize(graph, bits=14, calibration=x)
        np.testing.assert_allclose(swm.run(fixed, x), swm.run(graph, x), atol=5e-3)


def test_random_samples_reach_the_reference_where_the_hardware_reads_the_input(tmp_path):
    model = Builder(8)
    graph = load(model.save(tmp_path / "m.onnx", model.node("LogSoftmax", model.linear("x", 8, 4, "fc"))))
    x = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    fixed = swm.quantize(graph, bits=14, calibration=x)
    flat = swm.run(fixed, x.reshape(50, 2, 4))  # the hardware reads the input: its shape does not matter
    np.testing.assert_allclose(flat, swm.run(graph, x), atol=2e-2)
    samples = load_samples(swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", backend="generic") / "verify")
    answers = samples.answers(fixed, run_fixed(fixed, samples.inputs).values)
    assert answers.shape == samples.reference.shape == (16, 4)
    assert np.mean(answers.argmax(axis=1) == samples.reference.argmax(axis=1)) >= 0.9


def test_what_has_no_rtl_stays_with_the_host(tmp_path):
    """Pooling has RTL; taken out, it is the host's where the back end is known, refused by name where it was not."""
    model = Builder(3, 4, 6)
    pooled = model.node("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2], name="pool1")
    hidden = model.node("Relu", model.linear(model.node("Flatten", pooled), 18, 16, "fc1"))
    graph = swm.load(model.save(tmp_path / "m.onnx", model.linear(hidden, 16, 5, "fc2")))
    x = np.random.default_rng(0).normal(size=(100, 3, 4, 6)).astype(np.float32)
    assert swm.check(graph, backend="rtl").hardware == "all"
    pool = rtl("pool")
    unregister_rtl("pool")
    try:
        whole = swm.quantize(graph, bits=12, calibration=x)
        assert whole.host is None
        with pytest.raises(UnsupportedModel, match=r"no RTL for these layers[\s\S]*pool1"):
            swm.design(whole, board="pynq-z2", backend="rtl")
        fixed = swm.quantize(graph, bits=12, calibration=x, backend="rtl")
        made = swm.design(fixed, board="pynq-z2", backend="rtl")
        found = {node.name: node for node in swm.check(graph, backend="rtl").nodes}
        with pytest.raises(OptionError, match="unknown back end"):
            swm.quantize(graph, bits=12, calibration=x, backend="rlt")
    finally:
        register_rtl("pool", pool)
    assert "MaxPool" in fixed.host.operators[0]
    assert (found["pool1"].place, found["fc1"].place) == ("before", "hardware")
    assert "layers of this kind have no RTL" in found["pool1"].reason
    want = swm.run(graph, x)
    assert np.abs(swm.run(fixed, x) - want).max() < 0.02 * np.abs(want).max()
    assert [layer.spec.name for layer in made.graph.layers] == ["l0_fc1", "l1_fc2"]
    assert len(float_layers(fixed, np.zeros((4, 18), np.float32))) == 2  # the cut of another back end


def test_bad_inputs_are_told(road, tmp_path):
    _, fixed, x, _ = road
    with pytest.raises(CalibrationError, match="shape"):
        swm.run(fixed, x[:, :3])
    with pytest.raises(CalibrationError, match="'x'"):
        swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", vectors={"y": x})
    assert not (tmp_path / "p").exists()


def test_samples_that_get_lost_on_the_way_are_told(tmp_path):
    model = Builder(8)
    rows = model.node("Compress", model.node("Erf", "x"), model.constant([True, False, True], np.bool_), axis=0)
    graph = load(model.save(tmp_path / "m.onnx", model.linear(rows, 8, 4, "fc")))
    with pytest.raises((CalibrationError, UnsupportedModel), match="samples"):
        swm.quantize(graph, bits=12, calibration=np.ones((5, 8), np.float32))


def damaged(stored, change):
    meta = json.loads(bytes(stored["meta"]))
    stored = dict(stored)
    change(meta["host"], stored)
    return {**stored, "meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}


@pytest.mark.parametrize(
    "change",
    [
        lambda head, _: head.update(shape=[7]),
        lambda head, _: head.update(shape=[-1, -5]),
        lambda head, _: head["parts"].append("../../etc/passwd"),
        lambda head, _: head["parts"].remove("before"),
        lambda head, _: head["outputs"][0].update(name="nowhere"),
        lambda _, stored: stored.update(host_after=stored["host_after"][:50]),
        lambda _, stored: stored.update(host_after=stored["host_before"]),
    ],
)
def test_damaged_host_parts_end_in_one_error(road, tmp_path, change):
    _, fixed, _, _ = road
    save_fixed(fixed, tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz") as stored:
        arrays = damaged(dict(stored), change)
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(OutputError, match="emit the project again"):
        load_fixed(tmp_path / "f.npz")


def test_several_inputs_go_in_by_name(tmp_path):
    model = Builder(8)
    mixed = model.node("Mul", "x", model.input("gain", 8))
    logits = model.linear(mixed, 8, 4, "fc")
    graph = load(model.save(tmp_path / "m.onnx", model.node("Softmax", logits, axis=1), logits, mixed))
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(40, 8)).astype(np.float32) for name in ("x", "gain")}
    fixed = swm.quantize(graph, bits=16, calibration=x)
    found, wanted = swm.run(fixed, x), swm.run(graph, x)
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, atol=5e-3)
    project = swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", backend="generic", vectors=x, most_vectors=7)
    samples = load_samples(project / "verify")
    answers = samples.answers(swm.load_project(project).graph, run_fixed(fixed, samples.inputs).values)
    np.testing.assert_allclose(answers, samples.reference, atol=5e-3)
    assert len(samples.inputs) == len(answers) == 7
    with pytest.raises(CalibrationError, match="by name"):
        swm.run(fixed, x["x"])
