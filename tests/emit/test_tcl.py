# SPDX-License-Identifier: Apache-2.0
"""The Vitis HLS script, run by a Tcl interpreter in which the tool's commands only record how they were called."""

import shutil
import subprocess

import pytest
from support import inputs, write_mlp

import swm

COMMANDS = [
    "open_project",
    "set_top",
    "add_files",
    "open_solution",
    "set_part",
    "create_clock",
    "config_compile",
    "csim_design",
    "csynth_design",
    "cosim_design",
    "export_design",
]


def recorded(project, *steps):
    """Calls of the tool's commands, in order."""
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("needs a Tcl interpreter (Debian: apt-get install tcl)")
    stubs = "\n".join(f'proc {c} {{args}} {{ puts "{c} $args" }}' for c in COMMANDS)
    script = f"{stubs}\nset argv {{{' '.join(steps)}}}\nsource tcl/vitis_hls.tcl\n"
    result = subprocess.run([tclsh], input=script, capture_output=True, text=True, cwd=project, check=False)
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    return [line.split(" ", 1) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tcl")
    graph = swm.load(write_mlp(folder / "m.onnx", names=["[exec rm]", "$x", "}{"], name='"; [exit 3]'))
    fixed = swm.quantize(graph, bits=12, calibration=inputs())
    return swm.emit(fixed, board="zcu104", path=folder / "a project", vectors=inputs(2))


def test_all_steps_in_order(project):
    calls = recorded(project)
    names = [c[0] for c in calls]
    assert [n for n in names if n.endswith("_design")] == [
        "csim_design",
        "csynth_design",
        "cosim_design",
        "export_design",
    ]
    said = dict(calls)
    assert said["set_part"] == "xczu7ev-ffvc1156-2-e"
    assert said["set_top"] == "swm_top"
    assert said["create_clock"].split()[1] == "5.000"
    assert names.index("create_clock") < names.index("csim_design")
    sources = [c[1] for c in calls if c[0] == "add_files"]
    assert sum("-tb" in s for s in sources) == 3
    assert str(project / "src" / "top.cpp") in sources[0]


def test_chosen_steps_only(project):
    names = [c[0] for c in recorded(project, "csynth", "export")]
    assert [n for n in names if n.endswith("_design")] == ["csynth_design", "export_design"]


def test_make_hls_calls_the_tool(project, tmp_path):
    tool = tmp_path / "vitis_hls"
    tool.write_text('#!/bin/sh\necho "$@" > called\n')
    tool.chmod(0o755)
    result = subprocess.run(
        ["make", "hls", f"PATH={tmp_path}:/usr/bin:/bin"], cwd=project, capture_output=True, check=False
    )
    assert result.returncode == 0
    assert (project / "called").read_text() == "-f tcl/vitis_hls.tcl\n"
