# SPDX-License-Identifier: Apache-2.0
"""Files of the user: never overwritten unasked, work kept, links followed, nothing left behind by Ctrl-C."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import helper
from support import inputs, mlp, write_mlp

import swm
from swm import interrupt
from swm.cli.convert import convert
from swm.cli.emit import emit as emit_command
from swm.emit import backups, emit_project, verify_project
from swm.errors import OutputError, UnsupportedModel
from swm.interrupt import INTERRUPTED
from swm.onnx_io import from_proto


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_mlp(folder / "m.onnx")
    np.save(folder / "x.npy", inputs())
    return folder


@pytest.fixture(scope="module")
def made(folder):
    fixed = swm.quantize(swm.load(folder / "m.onnx"), bits=12, calibration=inputs())
    return swm.design(fixed, board="pynq-z2", backend="generic")


def run(command, *arguments):
    return CliRunner().invoke(command, [str(a) for a in arguments])


def test_convert_never_overwrites_what_it_reads_and_nothing_without_force(tmp_path):
    model = tmp_path / "m.onnx"
    write_mlp(model)
    (tmp_path / "link.onnx").symlink_to(model)
    before = model.read_bytes()
    for output in (model, tmp_path / "link.onnx"):
        for force in ((), ("--force",)):
            done = run(convert, model, "-o", output, "--block", 4, *force)
            assert isinstance(done.exception, OutputError) and "is the input" in str(done.exception)
    assert model.read_bytes() == before
    other = tmp_path / "other.onnx"
    other.write_text("mine")
    done = run(convert, model, "-o", other, "--block", 4)
    assert isinstance(done.exception, OutputError) and "--force" in str(done.exception)
    assert other.read_text() == "mine"
    assert run(convert, model, "-o", other, "--block", 4, "--force").exit_code == 0
    assert swm.load(other).linear()


def test_force_keeps_a_project_with_work_in_it_and_verify_names_the_files(made, tmp_path):
    project = emit_project(made, tmp_path / "p", vectors=inputs(3))
    emit_project(made, project, force=True, vectors=inputs(3))
    assert backups(project) == ()
    (project / "build").mkdir()
    (project / "build" / "csim").write_text("made by make")
    emit_project(made, project, force=True, vectors=inputs(3))
    assert backups(project) == ()
    top = project / "src" / "top.cpp"
    top.write_text(top.read_text() + "// mine\n")
    result = verify_project(project)
    assert result.ok and result.edited == ("src/top.cpp",)
    assert any("src/top.cpp" in line for line in result.remarks)
    emit_project(made, project, force=True, vectors=inputs(3))
    (first,) = backups(project)
    assert first.name == "p.bak-1" and (first / "src" / "top.cpp").read_text().endswith("// mine\n")
    assert verify_project(project).edited == ()
    (project / "notes.txt").write_text("mine")
    emit_project(made, project, force=True, vectors=inputs(3))
    assert [b.name for b in backups(project)] == ["p.bak-1", "p.bak-2"]
    assert (tmp_path / "p.bak-2" / "notes.txt").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p", "p.bak-1", "p.bak-2"]


def test_the_command_says_where_the_work_is_kept(folder, tmp_path):
    project = tmp_path / "p"
    arguments = [folder / "m.onnx", "-o", project, "--board", "pynq-z2", "--calibration", folder / "x.npy"]
    assert run(emit_command, *arguments, "--backend", "generic").exit_code == 0
    (project / "README.md").write_text("mine")
    done = run(emit_command, *arguments, "--backend", "generic", "--force")
    assert done.exit_code == 0 and "p.bak-1" in done.output.replace("\n", "")


def test_a_failure_while_replacing_brings_the_old_project_back(made, tmp_path, monkeypatch):
    from pathlib import Path

    project = emit_project(made, tmp_path / "p")
    rename = Path.rename

    def interrupted(self, target):
        if self.name.endswith(".new"):
            raise KeyboardInterrupt
        return rename(self, target)

    (project / "notes.txt").write_text("mine")
    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        emit_project(made, project, force=True)
    assert (project / "notes.txt").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_a_link_to_an_empty_folder_is_a_folder(made, tmp_path):
    (tmp_path / "there").mkdir()
    link = tmp_path / "link"
    link.symlink_to("there")
    emit_project(made, link)
    assert link.is_symlink() and (tmp_path / "there" / "README.md").exists()
    emit_project(made, link, force=True)
    assert link.is_symlink() and verify_project(link).ok
    (tmp_path / "broken").symlink_to("nowhere")
    with pytest.raises(OutputError, match="not a folder"):
        emit_project(made, tmp_path / "broken")


@pytest.mark.parametrize("name", ["main_graph", "torch_jit", "torch-jit-export", "graph", "model", ""])
def test_projects_are_named_after_the_file_where_nobody_named_the_graph(tmp_path, name):
    proto = mlp(name="x")
    proto.graph.name = name
    graph = from_proto(proto, source=str(tmp_path / "digits.onnx"))
    assert swm.quantize(graph, bits=8, calibration=inputs()).name == "digits"
    proto.graph.name = "named"
    graph = from_proto(proto, source=str(tmp_path / "digits.onnx"))
    assert swm.quantize(graph, bits=8, calibration=inputs()).name == "named"


def unknown(tmp_path):
    """Two nodes that no one knows, one of them inside an If."""
    model = mlp(tail=("Relu",))
    model.graph.node[-1].op_type = "Frobnicate"
    inside = helper.make_graph(
        [helper.make_node("Twiddle", ["h2"], ["inner"], name="deep")],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", 1, None)],
    )
    other = helper.make_graph(
        [helper.make_node("Relu", ["h2"], ["else"], name="fine")],
        "branch",
        [],
        [helper.make_tensor_value_info("else", 1, None)],
    )
    model.graph.initializer.append(helper.make_tensor("yes", onnx.TensorProto.BOOL, [], [True]))
    model.graph.node.append(
        helper.make_node("If", ["yes"], ["z"], name="branch", then_branch=inside, else_branch=other)
    )
    model.graph.output.append(helper.make_tensor_value_info("z", 1, None))
    onnx.save(model, tmp_path / "u.onnx")
    return tmp_path / "u.onnx"


def test_a_model_with_unknown_operators_is_not_converted_unless_asked(tmp_path):
    path, output = unknown(tmp_path), tmp_path / "o.onnx"
    with pytest.raises(UnsupportedModel) as caught:
        swm.convert(swm.load(path), block=4)
    assert [f.op for f in caught.value.findings] == ["Frobnicate", "Twiddle"]
    assert "tail0" in str(caught.value) and "branch/deep" in str(caught.value)
    done = run(convert, path, "-o", output, "--block", 4)
    assert isinstance(done.exception, UnsupportedModel) and not output.exists()
    done = run(convert, path, "-o", output, "--block", 4, "--keep-unknown")
    assert done.exit_code == 0, done.output
    assert {n.op_type for n in onnx.load(output).graph.node} >= {"Frobnicate", "If"}


def test_what_onnxruntime_knows_and_other_domains_are_no_obstacle(tmp_path):
    model = mlp(tail=("Relu",))
    model.graph.node[-1].op_type, model.graph.node[-1].domain = "Anything", "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    swm.convert(from_proto(model), block=4)
    result = swm.convert(from_proto(model), block=4, calibration=inputs())  # the layers before it run
    assert result.report.accuracy.test_samples == 0
    assert any("was not measured: the whole network does not run" in w for w in result.report.warnings)


@pytest.mark.parametrize("seconds", [0.3, 1, 3, 6])
def test_interrupted_it_says_one_line_and_leaves_nothing(folder, tmp_path, seconds):
    road = ["-o", "p", "--board", "pynq-z2", "--calibration", str(folder / "x.npy")]
    process = subprocess.Popen(
        [sys.executable, "-m", "swm", "emit", str(folder / "m.onnx"), *road],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    left = [p.name for p in tmp_path.iterdir()]
    if process.returncode in (130, -signal.SIGINT):
        assert left in ([], ["p"])
        assert errors.strip() in (INTERRUPTED, "") or "site" in errors  # Python itself was starting
    else:
        assert (process.returncode, left) == (0, ["p"])


def test_an_interrupt_while_importing_is_one_line(capsys):
    interrupt._hook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert capsys.readouterr().err == INTERRUPTED + "\n"
