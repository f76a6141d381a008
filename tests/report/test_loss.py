# SPDX-License-Identifier: Apache-2.0
"""How much is lost: measured for the very design, or remembered, or said to be unknown; never of samples seen."""

import json
import os
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner
from support import inputs, write_mlp

import swm
from swm.accelerator.integers import run_fixed
from swm.cli.report import report as command
from swm.compress import wilson
from swm.emit import kept_outcome
from swm.emit.outcome import keep_outcome
from swm.errors import CalibrationError, OptionError, OutputError
from swm.report.rows import layer_rows

BOARD = "pynq-z2"
GENERIC = {"backend": "generic"}  # one lane everywhere: no search


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A folder with the original, its converted file, and a project with labelled test vectors."""
    folder = tmp_path_factory.mktemp("loss")
    original = swm.load(write_mlp(folder / "m.onnx"))
    x = inputs(200)
    test = inputs(150, seed=5)
    labels = _labels(original, test)
    small = swm.convert(original, block=4, calibration=x, labels=_labels(original, x)).graph
    swm.save(small, folder / "small.onnx")
    np.save(folder / "t.npy", test)
    np.save(folder / "l.npy", labels)
    graph = swm.load(folder / "small.onnx")
    fixed = swm.quantize(graph, bits=8, calibration=x)
    vectors = {"vectors": test[:60], "labels": labels[:60]}
    swm.emit(fixed, board=BOARD, path=folder / "p", **GENERIC, **vectors)
    seen = {"vectors": x, "labels": _labels(original, x)}
    swm.emit(fixed, board=BOARD, path=folder / "seen", **GENERIC, **seen)
    return folder, original, graph, fixed, x, test, labels


def _labels(graph, x):
    """The dense network's answers, every fifth one wrong."""
    answers = swm.run(graph, x).argmax(axis=1)
    return np.where(np.arange(len(x)) % 5 == 0, (answers + 1) % 5, answers)


def _dense(folder, x):
    session = onnxruntime.InferenceSession(str(folder / "m.onnx"))
    return session.run(None, {"x": x})[0].argmax(axis=1)


def test_the_loss_is_that_of_the_design_and_of_the_original_on_the_same_samples(road):
    folder, original, _, fixed, _, test, labels = road
    report = swm.report(fixed, boards=BOARD, inputs=test, labels=labels, reference=original, **GENERIC)
    ours = float(np.mean(run_fixed(fixed, test).words.argmax(axis=1) == labels))
    dense = float(np.mean(_dense(folder, test) == labels))
    assert report.loss.after.network == "fixed" and report.loss.points == pytest.approx(100 * (dense - ours))
    assert dense == pytest.approx(0.8) and ours != dense
    assert report.loss.after.interval == pytest.approx(wilson(ours, 150))
    text = report.to_text()
    assert text.splitlines()[0].endswith(f"; accuracy {100 * (ours - dense):+.1f} points")
    assert f"{100 * ours:.2f} %" in text and f"{100 * dense:.2f} %" in text
    assert "on 150 samples given now" in " ".join(text.split())
    assert report.evidence.remedy == "" and not report.evidence.remarks
    same = next(a for a in report.accuracies if (a.network, a.quantity) == ("fixed", "agreement"))
    assert same.share == pytest.approx(np.mean(run_fixed(fixed, test).words.argmax(axis=1) == _dense(folder, test)))


def test_a_file_without_samples_says_what_it_remembers(road):
    folder, _, graph, *_ = road
    report = swm.report(graph, boards=BOARD, **GENERIC)
    loss = report.loss
    assert (loss.after.network, loss.after.samples) == ("converted_float", 40)
    assert loss.after.origin == loss.before.origin == "held out at conversion"
    text = report.to_text()
    assert text.splitlines()[0].endswith(f"; float accuracy {-loss.points:+.1f} points")
    assert f"swm report {folder / 'small.onnx'} --board pynq-z2 --reference m.onnx" in " ".join(text.split())
    assert "fitted to 160 samples" in text and "block 4 in 2 layers, dense in 1 layer" in text
    assert "m.onnx, SHA-256" in text and report.evidence.original_sha256 in json.dumps(report.to_json())
    (row,) = report.boards
    errors = [cells[-1] for cells in layer_rows(row.structured, report.evidence.layer_errors)]
    assert len(errors) == 3 and all(cell.endswith(" %") for cell in errors)
    assert "held-out samples" in text and {cells[-1] for cells in layer_rows(row.dense, {})} == {"-"}


def test_where_nothing_is_known_the_command_that_would_tell_is_given(road):
    _, original, *_ = road
    report = swm.report(original, boards=BOARD, **GENERIC)
    assert report.loss is None and report.to_json()["loss"] is None
    first, *others = report.to_text().splitlines()
    assert first.endswith("accuracy loss not known")
    assert "--inputs X.npy --labels Y.npy --calibration C.npy" in " ".join(others)
    assert "--reference" not in " ".join(others)  # it is the dense original


def test_a_project_answers_by_its_own_vectors(road):
    folder, original, graph, fixed, _, test, labels = road
    report = swm.report(folder / "p")
    (found,) = [a for a in report.accuracies if (a.network, a.quantity) == ("fixed", "accuracy")]
    ours = float(np.mean(run_fixed(fixed, test[:60]).words.argmax(axis=1) == labels[:60]))
    assert (found.share, found.samples, found.origin) == (pytest.approx(ours), 60, "of the project")
    assert report.loss.after.network == "converted_float"  # of the original only what the file remembers
    beyond = 100 * (np.mean(swm.run(graph, test[:60]).argmax(axis=1) == labels[:60]) - ours)
    cost = f"{beyond:.1f} points more" if round(beyond, 1) > 0 else "no points more"
    gained = f", but gains {-beyond:.1f}" if round(beyond, 1) < 0 else ""
    words = f"Fixed point takes {cost}{gained} on 60 samples of the project."
    assert words in " ".join(report.to_text().split()) and words in report.to_html()
    assert "--reference m.onnx --inputs X.npy" in report.evidence.remedy and "--board" not in report.evidence.remedy
    beside = swm.report(folder / "p", reference=original)
    assert beside.loss.points == pytest.approx(100 * (np.mean(_dense(folder, test[:60]) == labels[:60]) - ours))
    assert beside.evidence.remedy == ""
    whole = swm.report(folder / "p", inputs=test, labels=labels, reference=original)
    assert whole.loss.after.samples == 150


def test_what_the_formats_cut_off_is_told_with_its_denominator(road):
    folder, _, _, fixed, *_ = road
    report = swm.report(folder / "p")
    values = sum(found.values for found in fixed.saturated.values())
    assert values and f"of {values:,} calibration values saturate" in " ".join(report.to_text().split())
    told = report.to_json()["evidence"]["saturated"]
    assert {tensor: found["values"] for tensor, found in told.items()} == {
        tensor: found.values for tensor, found in fixed.saturated.items()
    }


def test_vectors_that_calibrated_are_no_test(road):
    folder, original, *_ = road
    report = swm.report(folder / "seen")
    assert not [a for a in report.accuracies if a.network == "fixed"]
    assert "calibrat" in _raised(OptionError, lambda: swm.report(folder / "seen", reference=original))


def test_samples_that_calibrated_are_refused(road):
    _, original, graph, fixed, x, test, labels = road
    own = {"labels": _labels(original, x), "boards": BOARD}
    assert "calibrated" in _raised(CalibrationError, lambda: swm.report(graph, inputs=x, **own))
    assert "calibrated" in _raised(CalibrationError, lambda: swm.report(fixed, inputs=x, **own))
    formats = swm.quantize(original, bits=8, calibration=test)
    call = lambda: swm.report(formats, inputs=test, labels=labels, boards=BOARD)  # noqa: E731
    assert "number formats" in _raised(CalibrationError, call)


def test_options_that_say_nothing_alone_are_refused(road):
    _, original, graph, _, _, test, labels = road
    assert "labels" in _raised(OptionError, lambda: swm.report(graph, boards=BOARD, inputs=test))
    assert "inputs" in _raised(OptionError, lambda: swm.report(graph, boards=BOARD, labels=labels))
    assert "--inputs" in _raised(OptionError, lambda: swm.report(graph, boards=BOARD, reference=original))
    call = lambda: swm.report(graph, boards=BOARD, inputs=test, reference=graph)  # noqa: E731
    assert "structured layers" in _raised(OptionError, call)
    call = lambda: swm.report(graph, boards=BOARD, inputs=test, labels=labels[:7])  # noqa: E731
    assert "150 integers" in _raised(CalibrationError, call)


def test_another_reference_is_told_apart(road, tmp_path):
    _, _, _, fixed, _, test, labels = road
    other = swm.load(write_mlp(tmp_path / "other.onnx", seed=3))
    report = swm.report(fixed, boards=BOARD, inputs=test, labels=labels, reference=other, **GENERIC)
    (remark,) = report.evidence.remarks
    assert "not the file that was converted (m.onnx" in remark
    assert remark in " ".join(report.to_text().split()) and "not the file" in report.to_html()


def test_without_labels_answers_are_compared(road):
    _, original, _, fixed, _, test, _ = road
    report = swm.report(fixed, boards=BOARD, inputs=test, reference=original, **GENERIC)
    assert (report.loss.after.network, report.loss.after.quantity, report.loss.points) == ("fixed", "agreement", None)
    assert f"answers agree {100 * report.loss.after.share:.1f} %" in report.to_text().splitlines()[0]


def test_outputs_that_are_no_classes_have_an_error(tmp_path):
    original = swm.load(write_mlp(tmp_path / "r.onnx", widths=(20, 24, 16, 1)))
    fixed = swm.quantize(swm.convert(original, block=4, calibration=inputs()).graph, bits=12, calibration=inputs())
    test = inputs(30, seed=9)
    report = swm.report(fixed, boards=BOARD, inputs=test, reference=original, **GENERIC)
    ours, dense = run_fixed(fixed, test).values, swm.run(original, test)
    assert report.loss.after.quantity == "error"
    assert report.loss.after.share == pytest.approx(np.linalg.norm(ours - dense) / np.linalg.norm(dense), rel=1e-5)
    assert "one class" in _raised(
        CalibrationError, lambda: swm.report(fixed, boards=BOARD, inputs=test, labels=np.zeros(30, int), **GENERIC)
    )


def test_the_project_remembers_its_verification(road):
    folder, *_ = road
    project = folder / "p"
    assert "Not verified" in swm.report(project).to_text()
    keep_outcome(project, ok=True, words=300, mismatches=0, samples=60, compiler="g++")
    kept = kept_outcome(project)
    assert (kept.ok, kept.words, kept.swm) == (True, 300, swm.__version__)
    report = swm.report(project)
    assert "all 300 words of 60 samples bit-exact" in " ".join(report.to_text().split())
    assert report.to_json()["evidence"]["verified"]["stale"] is False and kept.date[:10] in report.to_html()
    source = project / "src" / "top.cpp"
    text = source.read_text()
    source.write_text(text + "\n// edited\n")
    stale = swm.report(project).to_text()
    assert "of other files than lie here now" in " ".join(stale.split()) and "bit-exact" not in stale
    source.write_text(text)
    keep_outcome(project, ok=False, words=300, mismatches=2, samples=60, compiler="g++")
    assert "FAILED" in swm.report(project).to_text()
    (project / "verify" / "result.json").write_text("{")
    assert kept_outcome(project) is None and "Not verified" in swm.report(project).to_text()
    (project / "verify" / "result.json").unlink()


def test_at_80_columns(road):
    """The command, as a user calls it: the verdict in its first line, nothing wider than the terminal, nothing cut."""
    folder, *_ = road
    road_to = [sys.executable, "-m", "swm", "report", str(folder / "p"), "--html", str(folder / "r.html")]
    samples = [
        "--reference",
        str(folder / "m.onnx"),
        "--inputs",
        str(folder / "t.npy"),
        "--labels",
        str(folder / "l.npy"),
    ]
    done = subprocess.run(
        [*road_to, *samples], capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "80"}
    )
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80 and "\N{HORIZONTAL ELLIPSIS}" not in done.stdout
    first = lines[0]
    assert first.startswith(f"Fits {BOARD}: ") and "inferences/s" in first and "uJ each" in first
    assert first.endswith(" points") and "; accuracy -" in first
    report = swm.report(folder / "p")
    figures = report.boards[0].structured
    for number in (f"{figures.interval:,}", f"{figures.used.routed.lut:,}", f"{figures.used.routed.ff:,}"):
        assert number in done.stdout
    for term in ("PO", "PF", "LI", "V, V'", "beat", "II", "useful share"):
        assert any(line.startswith(f"  {term}  ") for line in lines), term
    assert (folder / "r.html").read_text().count("<h2") >= 3


def test_the_page_goes_nowhere_but_where_it_is_told(road, tmp_path):
    folder, *_ = road
    report = swm.report(folder / "p")
    assert report.to_html(tmp_path / "r.html") == (tmp_path / "r.html").read_text()
    with pytest.raises(OutputError, match="cannot write"):
        report.to_html(tmp_path / "none" / "r.html")
    model = (folder / "m.onnx").read_bytes()
    done = CliRunner().invoke(command, [str(folder / "p"), "--html", str(folder / "m.onnx")])
    assert isinstance(done.exception, OutputError) and "end in .html" in str(done.exception)
    assert (folder / "m.onnx").read_bytes() == model


def test_a_notebook_shows_the_verdict(road):
    folder, *_ = road
    report = swm.report(folder / "p")
    page = report._repr_html_()
    assert f"Fits {BOARD}" in page and "held out at conversion" in page and page.count("<table") == 1
    assert "Fits" in repr(report) and len(repr(report)) < 300 and "\n" not in repr(report)


def _raised(error, call):
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)
