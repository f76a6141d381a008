# SPDX-License-Identifier: Apache-2.0
"""The Quartus script of an RTL project, without Quartus: a Tcl interpreter in which the tool's commands only say so."""

import re
import shutil
import subprocess

import pytest
from emit.designs import Sketch
from rtl.many_networks import design

from swm.emit import emit_project

COMMANDS = (
    *("project_new", "project_close", "export_assignments", "execute_module"),
    *("set_global_assignment", "set_instance_assignment", "set_location_assignment"),
)
SUMMARY = """Type  : Slow 1100mV 85C Model Setup 'clk'
Slack : 0.9
TNS   : 0.000

Type  : Slow 1100mV 85C Model Hold 'clk'
Slack : -7.5

Type  : Fast 1100mV 0C Model Setup 'clk'
Slack : SLACK
"""


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """For a board with a serial line, and for a device alone."""
    graph = Sketch(12, bits=8, name='"; [exit 3] $x }{').product("x", "y", 8, block=4, activation="tanh").graph()
    folder = tmp_path_factory.mktemp("quartus") / "a project [exit 4]"
    return [emit_project(design(graph, board=name), folder / name) for name in ("de10-nano", "cyclonev-5cea9")]


def run(project, *steps, slack="0.3"):
    """Calls of the tool's commands in order; and how the script ended."""
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("needs a Tcl interpreter (Debian: apt-get install tcl)")
    stubs = ["package provide ::quartus::project 1", "package provide ::quartus::flow 1"]
    stubs += [f'proc {name} {{args}} {{ puts "CALL|{name}|[join $args |]" }}' for name in COMMANDS]
    text = SUMMARY.replace("SLACK", slack)
    stubs.append(
        'proc execute_module {dash tool} { puts "CALL|execute_module|$tool"; file mkdir output\n'
        f'if {{$tool eq "sta"}} {{ set c [open output/{steps[0]}.sta.summary w]; puts $c {{{text}}}; close $c }}\n'
        f'if {{$tool eq "asm"}} {{ set c [open output/{steps[0]}.sof w]; close $c }} }}'
    )
    script = "\n".join([*stubs, "set argv {}", f"set quartus(args) {{{' '.join(steps)}}}", "source tcl/quartus.tcl"])
    (project.parent / "run.tcl").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [tclsh, str(project.parent / "run.tcl")], cwd=project, capture_output=True, text=True, check=False
    )
    return [line.split("|")[1:] for line in done.stdout.splitlines() if line.startswith("CALL|")], done


def test_a_board_is_placed_behind_its_serial_line(projects):
    project = projects[0]
    calls, done = run(project, "board")
    assert done.returncode == 0, done.stderr
    assert ["execute_module", "map"] in calls and calls[-1] == ["project_close", ""]
    assert [call[1] for call in calls if call[0] == "execute_module"] == ["map", "fit", "asm", "sta", "pow"]
    pins = {call[3]: call[1] for call in calls if call[0] == "set_location_assignment"}
    assert pins["clk"] == "PIN_V11" and pins["uart_rx"] == "PIN_AG13" and pins["led[0]"] == "PIN_W15"
    assert ["set_instance_assignment", "-name", "IO_STANDARD", "3.3-V LVTTL", "-to", "clk"] in calls
    assert ["set_global_assignment", "-name", "TOP_LEVEL_ENTITY", "board_top"] in calls
    assert ["set_global_assignment", "-name", "DEVICE", "5CSEBA6U23I7"] in calls
    place = project / "build" / "quartus"
    top = (place / "swm_top.sv").read_text(encoding="utf-8")
    assert set(re.findall(r'"([^"]+\.mem)"', top)) == {file.name for file in place.glob("*.mem")} != set()
    taken = {call[3] for call in calls if call[:3] == ["set_global_assignment", "-name", "SYSTEMVERILOG_FILE"]}
    assert taken == {file.name for file in (project / "rtl").glob("*.sv")}
    assert "create_clock -name clk -period 20.000 [get_ports clk]\n" in (place / "board.sdc").read_text()
    assert "set_false_path -to [get_ports {uart_tx led[*]}]\n" in (place / "board.sdc").read_text()
    assert "worst slack 0.3 ns at 20.000 ns" in done.stdout
    assert (project / "measured" / "board.sof").is_file()


def test_where_the_clock_is_missed_there_is_nothing_to_load(projects):
    (projects[0] / "measured" / "board.sof").unlink(missing_ok=True)
    _, done = run(projects[0], "board", slack="-5")
    assert done.returncode == 1 and "it would run at 40.0 MHz" in done.stderr
    assert not (projects[0] / "measured" / "board.sof").exists()
    _, done = run(projects[0], "nonsense")
    assert done.returncode == 2 and "say project, build or board" in done.stderr


def test_a_device_alone_has_virtual_pins_at_its_streams(projects):
    project = projects[1]
    calls, done = run(project, "build")
    assert done.returncode == 0, done.stderr
    ports = set(
        re.findall(r"(?:input|output) +logic(?: \[\d+:0\])? (\w+)", (project / "rtl" / "swm_top.sv").read_text())
    )
    named = {call[-1] for call in calls if "VIRTUAL_PIN" in call}
    assert named == ports - {"aclk"}
    assert (
        (project / "build" / "quartus" / "build.sdc")
        .read_text()
        .startswith("create_clock -name aclk -period 10.000 [get_ports aclk]\n")
    )
    assert not (project / "link").exists() and "set_location_assignment" not in {call[0] for call in calls}
    assert "Join its two AXI4-Streams" in (project / "README.md").read_text()


def test_a_project_for_the_interface_has_both_tops(projects):
    calls, done = run(projects[0], "project")
    assert done.returncode == 0, done.stderr
    tops = [call[3] for call in calls if call[:3] == ["set_global_assignment", "-name", "TOP_LEVEL_ENTITY"]]
    assert tops == ["swm_top", "board_top"] and "execute_module" not in {call[0] for call in calls}
