# SPDX-License-Identifier: Apache-2.0
"""The vendor's tools, without the vendor: mock executables that record how they are called, and a Tcl interpreter in
which the tool's commands only say so."""

import configparser
import shutil
import subprocess

import pytest
from designs import Sketch, design

from swm.emit import emit_project

COMMANDS = [
    "open_project",
    "set_top",
    "add_files",
    "open_solution",
    "set_part",
    "create_clock",
    "config_compile",
    "config_interface",
    "csim_design",
    "csynth_design",
    "cosim_design",
    "export_design",
]
# One argument a line, and where the tool was started: enough to see a path that fell apart at its space.
MOCK = '#!/bin/sh\n{ echo "${0##*/}"; pwd; for a in "$@"; do echo "$a"; done; echo; } >> "$MOCK_LOG"\n'


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    sketch = Sketch(20, name='"; [exit 3]')
    for index, name in enumerate(["[exec rm]", "$x", "}{"]):
        sketch.product("x" if index == 0 else f"h{index - 1}", f"h{index}", 8, node=name)
    folder = tmp_path_factory.mktemp("tools") / "a project $(touch pwned)"
    made = design(sketch.graph(), board="zcu104", clock_mhz=200.0)
    return emit_project(made, folder)


@pytest.fixture
def called(project, tmp_path):
    """Run a make target with mock tools on PATH; gives (tool, folder, arguments) of each call."""

    def run(target, *tools):
        folder = tmp_path / "some tools"
        folder.mkdir(exist_ok=True)
        for tool in tools:
            (folder / tool).write_text(MOCK)
            (folder / tool).chmod(0o755)
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        environment = {"PATH": f"{folder}:/usr/bin:/bin", "MOCK_LOG": str(log)}
        result = subprocess.run(
            ["make", target], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        calls = [block.split("\n") for block in log.read_text().strip("\n").split("\n\n")]
        assert not list(project.parent.rglob("pwned"))
        return [(lines[0], lines[1], lines[2:]) for lines in calls]

    return run


def configuration(project):
    """The file as the tools read it: keys may come again."""
    keys = {}
    for line in (project / "hls_config.cfg").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            keys.setdefault(name, []).append(value)
    return keys


CONFIG = ["--mode", "hls", "--config", "hls_config.cfg", "--work_dir", "swm_hls"]


def test_make_hls_takes_the_tools_of_today(project, called):
    calls = called("hls", "vitis-run", "v++", "vitis_hls")
    assert [name for name, _, _ in calls] == ["vitis-run", "v++", "vitis-run", "vitis-run"]
    assert [arguments for _, _, arguments in calls] == [
        [*CONFIG, "--csim"],
        ["-c", *CONFIG],
        [*CONFIG, "--cosim"],
        [*CONFIG, "--package"],
    ]
    assert {folder for _, folder, _ in calls} == {str(project)}


def test_make_cosim_synthesizes_first(project, called):
    calls = called("cosim", "vitis-run", "v++")
    assert [(name, arguments[-1]) for name, _, arguments in calls] == [("v++", "swm_hls"), ("vitis-run", "--cosim")]


def test_make_takes_vitis_hls_where_nothing_else_is(project, called):
    assert called("hls", "vitis_hls") == [("vitis_hls", str(project), ["-f", "tcl/vitis_hls.tcl"])]
    (call,) = called("cosim", "vitis_hls")
    assert call[2] == ["-f", "tcl/vitis_hls.tcl", "-tclargs", "csynth", "cosim"]


def test_configuration_names_files_that_are_there(project):
    keys = configuration(project)
    for name in (*keys["syn.file"], *keys["tb.file"]):
        assert (project / name).is_file(), name
        assert " " not in name
    assert keys["part"] == ["xczu7ev-ffvc1156-2-e"]
    assert keys["clock"] == ["5.000ns"]
    assert keys["syn.top"] == ["swm_top"]
    assert keys["syn.cflags"] == keys["tb.cflags"] == ["-std=c++14 -DSWM_VITIS -DSWM_ROM_FILES -Iinclude -Isrc"]
    assert keys["cosim.argv"] == ["--cosim 4"]
    assert keys["syn.interface.s_axilite_sw_reset"] == ["1"]
    assert keys["package.output.format"] == ["ip_catalog"]
    parser = configparser.ConfigParser(strict=False)
    parser.read_string("[general]\n" + (project / "hls_config.cfg").read_text())
    assert parser.sections() == ["general", "hls"]


def recorded(project, *steps):
    """Calls of the Tcl tool's commands, in order."""
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("needs a Tcl interpreter (Debian: apt-get install tcl)")
    stubs = "\n".join(f'proc {c} {{args}} {{ puts "{c}|[join $args |]" }}' for c in COMMANDS)
    script = f"{stubs}\nset argv {{{' '.join(steps)}}}\nsource tcl/vitis_hls.tcl\n"
    result = subprocess.run([tclsh], input=script, capture_output=True, text=True, cwd=project, check=False)
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    return [tuple(line.split("|")) for line in result.stdout.splitlines()]


def test_all_steps_of_the_script_in_order(project):
    calls = recorded(project)
    names = [call[0] for call in calls]
    assert [name for name in names if name.endswith("_design")] == [
        "csim_design",
        "csynth_design",
        "cosim_design",
        "export_design",
    ]
    said = {call[0]: call[1:] for call in calls}
    assert said["set_part"] == ("xczu7ev-ffvc1156-2-e",)
    assert said["set_top"] == ("swm_top",)
    assert said["create_clock"][:2] == ("-period", "5.000")
    assert said["config_interface"] == ("-s_axilite_sw_reset",)
    assert said["cosim_design"] == ("-argv", "--cosim 4")
    assert names.index("create_clock") < names.index("csim_design")
    sources = [call[1:] for call in calls if call[0] == "add_files"]
    assert sources == [
        ("src/top.cpp", "-cflags", "-std=c++14 -DSWM_VITIS -DSWM_ROM_FILES -Iinclude -Isrc"),
        ("-tb", "tb/testbench.cpp", "-cflags", "-std=c++14 -DSWM_VITIS -DSWM_ROM_FILES -Iinclude -Isrc"),
        ("-tb", "tb/input.dat"),
        ("-tb", "tb/expected.dat"),
    ]


def test_script_runs_from_anywhere(project, tmp_path):
    tclsh = shutil.which("tclsh") or pytest.skip("needs a Tcl interpreter (Debian: apt-get install tcl)")
    stubs = "\n".join(f"proc {c} {{args}} {{}}" for c in COMMANDS)
    script = f"{stubs}\nproc exit {{}} {{ puts [pwd] }}\nsource {{{project}/tcl/vitis_hls.tcl}}\n"
    result = subprocess.run([tclsh], input=script, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert result.stdout == f"{project}\n"


def test_chosen_steps_only(project):
    names = [call[0] for call in recorded(project, "csynth", "export")]
    assert [name for name in names if name.endswith("_design")] == ["csynth_design", "export_design"]
