# SPDX-License-Identifier: Apache-2.0
"""The Vivado script of an RTL project, without Vivado: a Tcl interpreter in which the tool's commands only say so."""

import re
import shutil
import subprocess

import pytest
from emit.designs import Sketch
from rtl.many_networks import design

from swm.emit import emit_project

COMMANDS = [
    "create_project",
    "close_project",
    "read_verilog",
    "read_mem",
    "read_xdc",
    "synth_design",
    "opt_design",
    "place_design",
    "phys_opt_design",
    "route_design",
    "report_utilization",
    "report_timing_summary",
    "report_power",
    "write_bitstream",
    "write_checkpoint",
    "add_files",
    "set_property",
    "update_compile_order",
    "ipx::package_project",
    "ipx::infer_bus_interfaces",
    "ipx::infer_bus_interface",
    "ipx::associate_bus_interfaces",
    "ipx::create_xgui_files",
    "ipx::update_checksums",
    "ipx::check_integrity",
    "ipx::save_core",
]
VALUES = {"get_timing_paths": "path", "current_fileset": "sources_1", "ipx::current_core": "core"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    sketch = Sketch(12, bits=8, name='"; [exit 3] $x }{').product("x", "h", 8, block=4, activation="tanh")
    made = design(sketch.product("h", "y", 5).graph(), board="zcu104")
    return emit_project(made, tmp_path_factory.mktemp("vivado") / "a project [exit 4]")


def run(project, *steps, slack="0.3", failing=""):
    """Calls of the tool's commands in order, each with the folder it was made in; and how the script ended."""
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("needs a Tcl interpreter (Debian: apt-get install tcl)")
    stubs = ["namespace eval ipx {}"]
    for name in COMMANDS:
        ends = f'error "ERROR: {name}"' if name == failing else ""
        stubs.append(f'proc {name} {{args}} {{ puts "CALL|{name}|[pwd]|[join $args |]"; {ends} }}')
    stubs += [f"proc {name} {{args}} {{ return {value} }}" for name, value in VALUES.items()]
    stubs.append(f"proc get_property {{args}} {{ return {slack} }}")
    script = "\n".join([*stubs, f"set argv {{{' '.join(steps)}}}", "source tcl/vivado.tcl"])
    (project.parent / "run.tcl").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [tclsh, str(project.parent / "run.tcl")], cwd=project, capture_output=True, text=True, check=False
    )
    calls = [line.split("|")[1:] for line in done.stdout.splitlines() if line.startswith("CALL|")]
    return [(name, folder, arguments) for name, folder, *arguments in calls], done


def test_synthesis_is_out_of_context_and_finds_its_memory_files(project):
    calls, done = run(project)
    assert done.returncode == 0, done.stderr
    names = [name for name, _, _ in calls]
    assert names == [
        *("create_project", "read_verilog", "read_mem", "read_xdc", "synth_design"),
        *("report_utilization", "report_timing_summary", "write_checkpoint", "close_project"),
    ]
    said = {name: (folder, arguments) for name, folder, arguments in calls}
    source = project / "build" / "vivado" / "src"
    folder, arguments = said["synth_design"]
    assert arguments == ["-top", "swm_top", "-part", "xczu7ev-ffvc1156-2-e", "-mode", "out_of_context"]
    assert folder == str(source)
    modules = {file.name for file in (project / "rtl").glob("swm_*.sv")}
    assert {file.name for file in source.glob("*.sv")} == modules
    assert all(str(source / name) in said["read_verilog"][1][1] for name in modules)
    top = (source / "swm_top.sv").read_text(encoding="utf-8")
    named = set(re.findall(r'"([^"]+\.mem)"', top))
    assert named == {file.name for file in source.glob("*.mem")} == {file.name for file in (project / "rom").iterdir()}
    assert (source / "swm_top.xdc").read_text() == "create_clock -period 10.000 -name aclk [get_ports aclk]\n"
    assert '"rom/' in (project / "rtl" / "swm_top.sv").read_text(encoding="utf-8")  # what was emitted is as it was


def test_a_build_is_placed_and_routed_and_says_where_the_clock_is_missed(project):
    calls, done = run(project, "build")
    assert done.returncode == 0, done.stderr
    names = [name for name, _, _ in calls]
    order = ["synth_design", "opt_design", "place_design", "phys_opt_design", "route_design", "report_power"]
    assert [name for name in names if name in order] == order
    assert "worst slack 0.3 ns at 10.000 ns" in done.stdout
    _, done = run(project, "build", slack="-2.5")
    assert done.returncode == 1
    assert "it would run at 80.0 MHz" in done.stderr


def test_an_ip_has_two_streams_a_clock_and_a_reset(project):
    calls, done = run(project, "ip")
    assert done.returncode == 0, done.stderr
    arguments = [(name, *given) for name, _, given in calls]
    (files,) = [given for name, _, given in calls if name == "add_files"]
    assert ".mem" in files[0]
    assert ("ipx::infer_bus_interfaces", "xilinx.com:interface:axis_rtl:1.0", "core") in arguments
    clocked = {call[2] for call in arguments if call[:2] == ("ipx::associate_bus_interfaces", "-busif")}
    assert clocked == {"s_axis", "m_axis"}
    assert ("set_property", "version", "1.0", "core") in arguments
    (shown,) = [call[2] for call in arguments if call[:2] == ("set_property", "display_name")]
    assert re.fullmatch(r"[\w ,.:-]+", shown)  # a model's name does nothing here
    assert arguments[-2:] == [("ipx::save_core", "core"), ("close_project", "")]
    top = (project / "rtl" / "swm_top.sv").read_text(encoding="utf-8")
    for port in ("tvalid", "tready", "tdata", "tlast"):  # names by which streams are inferred
        assert f"s_axis_{port}" in top and f"m_axis_{port}" in top


def test_a_project_holds_all_files(project):
    calls, done = run(project, "project")
    assert done.returncode == 0, done.stderr
    assert [name for name, _, _ in calls][:3] == ["create_project", "add_files", "add_files"]
    assert calls[2][2][:2] == ["-fileset", "constrs_1"]


def test_a_board_with_a_serial_line_has_a_bitstream(tmp_path):
    made = design(Sketch(12, bits=8).product("x", "y", 5).graph(), board="arty-a7-100t")
    arty = emit_project(made, tmp_path / "arty")
    calls, done = run(arty, "board")
    assert done.returncode == 0, done.stderr
    arguments = {name: given for name, _, given in calls}
    assert arguments["synth_design"] == ["-top", "board_top", "-part", "xc7a100tcsg324-1"]
    assert "board_top.sv" in arguments["read_verilog"][1] and "swm_frame_link.sv" in arguments["read_verilog"][1]
    assert arguments["write_bitstream"] == ["-force", str(arty / "measured" / "board.bit")]
    pins = (arty / "build" / "vivado" / "src" / "board.xdc").read_text(encoding="utf-8")
    assert "create_clock -period 10.000 -name clk [get_ports clk]" in pins
    found = dict(re.findall(r"PACKAGE_PIN (\w+) IOSTANDARD LVCMOS33} \[get_ports { (\S+) }\]", pins))
    top = (arty / "rtl" / "board_top.sv").read_text(encoding="utf-8")
    assert found == {
        "E3": "clk",
        "A9": "uart_rx",
        "D10": "uart_tx",
        "H5": "led[0]",
        "J5": "led[1]",
        "T9": "led[2]",
        "T10": "led[3]",
    }
    assert re.findall(r"(?:input|output) +logic (?:\[3:0\] )?(\w+)", top) == ["clk", "uart_rx", "uart_tx", "led"]
    _, done = run(arty, "board", slack="-1")
    assert done.returncode == 1 and "write_bitstream" not in done.stdout
    _, done = run(arty, "bord")
    assert "say synth, build, project, ip or board" in done.stderr


def test_a_differential_oscillator_has_a_buffer_and_a_pll(tmp_path):
    """Around board_top, of cells whose ports and parameters yosys's list of AMD's cells knows."""
    made = design(Sketch(12, bits=8).product("x", "y", 5).graph(), board="vc707")
    project = emit_project(made, tmp_path / "vc707")
    calls, done = run(project, "board")
    assert done.returncode == 0, done.stderr
    arguments = {name: given for name, _, given in calls}
    assert arguments["synth_design"] == ["-top", "board_pins", "-part", "xc7vx485tffg1761-2"]
    assert "board_pins.sv" in arguments["read_verilog"][1] and "board_top.sv" in arguments["read_verilog"][1]
    assert "worst slack 0.3 ns at 10.000 ns" in done.stdout  # the PLL's clock, not the oscillator's
    pins = (project / "build" / "vivado" / "src" / "board.xdc").read_text(encoding="utf-8")
    assert "create_clock -period 5.000 -name clk_p [get_ports clk_p]" in pins
    found = re.findall(r"PACKAGE_PIN (\w+) IOSTANDARD (\w+)} \[get_ports { (\S+) }\]", pins)
    assert found[:4] == [
        ("E19", "LVDS", "clk_p"),
        ("E18", "LVDS", "clk_n"),
        ("AU33", "LVCMOS18", "uart_rx"),
        ("AU36", "LVCMOS18", "uart_tx"),
    ]
    assert not list((project / "rtl").glob("board_pins*"))  # which simulators read whole
    top = (project / "tcl" / "board_pins.sv").read_text(encoding="utf-8")
    assert ".CLKFBOUT_MULT(4)" in top and ".CLKOUT0_DIVIDE(8)" in top and ".CLKIN1_PERIOD(5.000)" in top
    if shutil.which("yosys") is None:
        pytest.skip("needs yosys for AMD's cells")
    board = "module board_top(input clk, uart_rx, output uart_tx, output [7:0] led); endmodule"
    (tmp_path / "board_top.v").write_text(board)
    script = "read_verilog -lib +/xilinx/cells_sim.v +/xilinx/cells_xtra.v; read_verilog {}; read_verilog -sv {};"
    script += " hierarchy -check -top board_pins; proc; check -assert; select -assert-count 1 t:PLLE2_BASE"
    for text, code in ((top, 0), (top.replace(".LOCKED(", ".LOCK("), 1)):
        (tmp_path / "pins.sv").write_text(text)
        command = ["yosys", "-q", "-p", script.format(tmp_path / "board_top.v", tmp_path / "pins.sv")]
        assert subprocess.run(command, capture_output=True, text=True, check=False).returncode == code


def test_wrong_steps_and_failing_tools_end_the_script(project):
    calls, done = run(project, "sinth")
    assert (calls, done.returncode) == ([], 2)
    assert "no step 'sinth': say synth, build, project or ip" in done.stderr
    calls, done = run(project, "build", failing="place_design")
    assert done.returncode != 0
    assert "ERROR: place_design" in done.stderr
    assert calls[-1][0] == "place_design"


def test_other_vendors_have_no_such_script(tmp_path):
    made = design(Sketch(12, bits=8).product("x", "y", 5).graph(), board="ulx3s")
    project = emit_project(made, tmp_path / "p")
    assert not (project / "tcl").exists()
    assert "ivado" not in (project / "README.md").read_text(encoding="utf-8").replace("SystemVerilog for Vivado", "")
