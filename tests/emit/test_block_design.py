# SPDX-License-Identifier: Apache-2.0
"""The block design of a processor board without Vivado: a Tcl interpreter whose commands know the pins of AMD's cores
(from their product guides) and note what is joined. And its module of ours, behind the DMA, in Verilator."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from designs import Sketch, design
from fake_pynq import containers, from_wire, to_wire
from rtl.many_networks import design as rtl_design
from test_board_drivers import engine, network
from test_loaded_weights import forced

from swm.device import board_names, load_board
from swm.emit import emit_project
from swm.emit.board_files import host_path

# Interfaces, then pins, of a cell: PG082 and PG201 (processors), PG164 (resets), PG247 (SmartConnect), PG021 (DMA);
# PG195 (XDMA), PG065 (clock), PG085 (streams).
CELLS = {
    "processing_system7": (
        "M_AXI_GP0 S_AXI_HP0",
        "M_AXI_GP0_ACLK S_AXI_HP0_ACLK FCLK_CLK0 FCLK_RESET0_N",
    ),
    "zynq_ultra_ps_e": (
        "M_AXI_HPM0_FPD S_AXI_HP0_FPD",
        "maxihpm0_fpd_aclk saxihp0_fpd_aclk pl_clk0 pl_resetn0",
    ),
    "proc_sys_reset": ("", "slowest_sync_clk ext_reset_in dcm_locked peripheral_aresetn"),
    "smartconnect": ("", "aclk aresetn"),
    "axi_dma": (
        "S_AXI_LITE M_AXI_MM2S M_AXI_S2MM M_AXIS_MM2S S_AXIS_S2MM",
        "s_axi_lite_aclk m_axi_mm2s_aclk m_axi_s2mm_aclk axi_resetn",
    ),
    "util_ds_buf": ("CLK_IN_D", "IBUF_OUT IBUF_DS_ODIV2"),
    "xdma": ("pcie_mgt M_AXIS_H2C_0 S_AXIS_C2H_0", "sys_clk sys_clk_gt sys_rst_n usr_irq_req axi_aclk axi_aresetn"),
    "xlconstant": ("", "dout"),
    "clk_wiz": ("", "clk_in1 clk_out1 locked"),
    "axis_data_fifo": ("S_AXIS M_AXIS", "s_axis_aclk s_axis_aresetn m_axis_aclk"),
    "axis_dwidth_converter": ("S_AXIS M_AXIS", "aclk aresetn"),
    "swm_batch": ("s_dma m_top s_top m_dma", "aclk aresetn"),
    "hls": ("in_r out_r s_axi_control", "ap_clk ap_rst_n"),
    "hls with weights": ("in_r out_r weights s_axi_control", "ap_clk ap_rst_n"),
    "rtl": ("s_axis m_axis", "aclk aresetn"),
}
ONE_WAY = ["M_AXI_S2MM", "S_AXIS_S2MM", "m_axi_s2mm_aclk"]  # what a DMA without a way back has not
# Pins that drive others.
OUTPUTS = "FCLK|pl_|peripheral|IBUF|axi_aclk$|xdma/axi_aresetn|dout|clk_out1|locked$"
SAY = "create_bd_intf_port create_bd_port "
SAY += "create_project create_bd_design add_files update_compile_order update_ip_catalog apply_bd_automation"
SAY += " assign_bd_address validate_bd_design "
SAY += "save_bd_design generate_target close_project open_project reset_run launch_runs"
SAY += " wait_on_run open_run report_utilization report_timing_summary report_power"
STUBS = """
set known {%(known)s}
set cells {}
proc note {args} { puts "CALL|[join $args |]" }
foreach name {%(say)s} { eval "proc $name {args} { note $name {*}\\$args }" }
proc create_bd_cell {args} {
  global known cells
  note create_bd_cell {*}$args
  set name [lindex $args end]
  set type [lindex $args 3]
  if {$type eq "swm:user:swm_top:1.0"} { set type {x:y:%(top)s} }
  lappend cells $name [lindex [split $type :] end]
}
proc pins {which list} {
  global known cells
  set found {}
  foreach pin $list {
    if {$pin eq "-quiet"} continue
    lassign [split $pin /] cell name
    set type [dict get $cells $cell]
    set has [lindex [dict get $known $type] $which]
    if {$type eq "smartconnect" && $which == 0 && [regexp {^[SM]\\d\\d_AXI$} $name]} { lappend has $name }
    if {[lsearch -exact $has $name] >= 0} { lappend found $pin }
  }
  return $found
}
proc get_bd_intf_pins {args} { return [pins 0 $args] }
proc get_bd_pins {args} {
  set found [pins 1 $args]
  if {[llength $found] == 0} { error "no pin $args" }
  return $found
}
proc get_bd_ports {name} { return port:$name }
proc get_bd_intf_ports {name} { return port:$name }
proc get_bd_cells {args} { return [lindex $args end] }
proc connect_bd_intf_net {a b} { note intf $a $b }
proc connect_bd_net {a b} { note net $a $b }
proc set_property {args} { note set_property {*}$args }
proc get_property {name args} {
  switch -glob $name {
    SLACK { return %(slack)s }
    PROGRESS { return %(progress)s }
    STATUS { return {synth_design ERROR} }
    DIRECTORY { return [file join $::place swm.runs $args] }
    VLNV { return swm:user:swm_top:1.0 }
    default { return 100000000 }
  }
}
foreach {name value} {current_project project current_fileset sources get_timing_paths path get_ipdefs core} {
  proc $name {args} "return $value"
}
proc get_runs {name} { return $name }
proc get_files {name} { return $name }
proc make_wrapper {args} { return swm_wrapper.v }
proc get_board_parts {args} { %(boards)s }
set argv {%(steps)s}
source board/vivado.tcl
"""


def run(project, *steps, top="hls", slack="0.4", progress="100%", boards="return {x:y:z:1.0 x:y:z:1.2}"):
    """Calls of the tool's commands, and how the script ended."""
    tclsh = shutil.which("tclsh") or pytest.skip("needs a Tcl interpreter (Debian: apt-get install tcl)")
    known = " ".join(f"{{{name}}} {{{{{a}}} {{{b}}}}}" for name, (a, b) in CELLS.items())
    values = {"known": known, "say": SAY, "top": top, "slack": slack, "progress": progress, "boards": boards}
    script = STUBS % {**values, "steps": " ".join(steps)}
    (project.parent / "run.tcl").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [tclsh, str(project.parent / "run.tcl")], cwd=project, capture_output=True, text=True, check=False
    )
    return [line.split("|")[1:] for line in done.stdout.splitlines() if line.startswith("CALL|")], done


def with_ip(project, place="swm_hls/hls/impl/ip"):
    (project / place).mkdir(parents=True)
    (project / place / "component.xml").write_text("<x/>")
    return project


def cells_of(calls):
    """Name → type, and name → settings."""
    created = [call for call in calls if call[0] == "create_bd_cell"]
    types = {call[-1]: call[4].split(":")[-1] for call in created}
    settings = {}
    for call in calls:
        if call[0] == "set_property" and call[1] == "-dict" and call[3] in types:
            words = call[2].split()
            settings.setdefault(call[3], {}).update(zip(words[::2], words[1::2], strict=True))
    return types, settings


def all_joined(calls, top):
    """Every interface, clock and reset of every cell is joined, and once."""
    types, settings = cells_of(calls)
    types["swm_top"] = top
    wanted = set()
    for name, kind in types.items():
        interfaces = CELLS[kind][0].split()
        if kind == "smartconnect":
            counts = settings[name]
            interfaces = [f"S{i:02d}_AXI" for i in range(int(counts["CONFIG.NUM_SI"]))]
            interfaces += [f"M{i:02d}_AXI" for i in range(int(counts["CONFIG.NUM_MI"]))]
        one_way = settings.get(name, {}).get("CONFIG.c_include_s2mm") == "0"
        wanted |= {f"{name}/{i}" for i in interfaces if not (one_way and i in ONE_WAY)}
    joined = [pin for call in calls if call[0] == "intf" for pin in call[1:] if not pin.startswith("port:")]
    assert sorted(joined) == sorted(wanted)
    driven = [call[2] for call in calls if call[0] == "net"]
    inputs = {
        f"{n}/{p}"
        for n, kind in types.items()
        for p in CELLS[kind][1].split()
        if not re.search(OUTPUTS, f"{n}/{p}") or f"{n}/{p}" == "resets/dcm_locked"
    }
    inputs -= {f"weights_dma/{p}" for p in ONE_WAY}
    if "xdma" not in types:  # a processor's clock stands from the start
        inputs.discard("resets/dcm_locked")
    assert sorted(driven) == sorted(inputs)
    clock = re.compile("clk(?!_reset)|IBUF", re.I)
    assert all(bool(clock.search(call[1])) == bool(clock.search(call[2])) for call in calls if call[0] == "net")
    return settings


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """With a name that would do harm, and streams as wide as the port to memory."""
    sketch = Sketch(12, bits=8, name='"; [exit 3] $x }{').product("x", "h", 8, block=4).product("h", "y", 8)
    made = design(sketch.graph(), ends=(4, 8), board="zcu104", clock_mhz=200.0)
    return with_ip(emit_project(made, tmp_path_factory.mktemp("block") / "a project [exit 4]"))


def test_all_is_joined_and_the_widths_are_those_of_the_streams(project):
    calls, done = run(project, "design")
    assert done.returncode == 0, done.stderr
    settings = all_joined(calls, "hls")
    dma = settings["dma"]
    assert (dma["CONFIG.c_m_axis_mm2s_tdata_width"], dma["CONFIG.c_s_axis_s2mm_tdata_width"]) == ("32", "64")
    assert (dma["CONFIG.c_m_axi_mm2s_data_width"], dma["CONFIG.c_m_axi_s2mm_data_width"]) == ("32", "64")
    assert dma["CONFIG.c_include_sg"] == "0"
    ps = settings["ps"]
    assert ps["CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ"] == "200"
    assert (ps["CONFIG.PSU__USE__S_AXI_GP2"], ps["CONFIG.PSU__SAXIGP2__DATA_WIDTH"]) == ("1", "128")
    order = [call[0] for call in calls]
    assert order.index("assign_bd_address") < order.index("validate_bd_design") < order.index("generate_target")
    said = [call[1:] for call in calls if call[0] == "set_property"]
    assert ["board_part", "x:y:z:1.2", "project"] in said  # the newest that is installed
    assert [
        "create_project",
        "-force",
        "swm",
        str(project / "build" / "board"),
        "-part",
        "xczu7ev-ffvc1156-2-e",
    ] in calls
    top = (project / "board" / "swm_batch.v").read_text(encoding="utf-8")
    assert "input  wire [31:0] s_dma_tdata" in top and "output wire [63:0] m_dma_tdata" in top


@pytest.mark.parametrize("case", ["weights", "rtl"])
def test_weights_have_a_dma_of_their_own_and_rtl_no_registers(tmp_path, case):
    if case == "weights":
        made, top, place = forced("dense"), "hls with weights", "swm_hls/solution/impl/ip"
    else:
        made, top, place = network(backend="rtl"), "rtl", "build/vivado/ip"
    calls, done = run(with_ip(emit_project(made, tmp_path / "p"), place), "design", top=top)
    assert done.returncode == 0, done.stderr
    settings = all_joined(calls, top)
    assert int(settings["registers"]["CONFIG.NUM_MI"]) == {"weights": 3, "rtl": 1}[case]
    if case == "rtl":
        assert settings["ps"]["CONFIG.PCW_S_AXI_HP0_DATA_WIDTH"] == "64"
    else:
        assert settings["weights_dma"]["CONFIG.c_m_axis_mm2s_tdata_width"] == "64"


@pytest.mark.parametrize("ends", [(1, 1), (16, 16)])
def test_a_card_behind_pcie_has_the_dma_and_queues_between_clocks(tmp_path, ends):
    """Words narrower than the DMA's have converters, words as wide have none."""
    graph = Sketch(32, bits=12 if ends[0] == 16 else 8).product("x", "y", 32).graph()
    made = rtl_design(graph, ends=ends, board="adm-pcie-ku3")
    project = with_ip(emit_project(made, tmp_path / "p"), "build/vivado/ip")
    calls, done = run(project, "design", top="rtl")
    assert done.returncode == 0, done.stderr
    settings = all_joined(calls, "rtl")
    dma = settings["xdma"]
    assert dma["CONFIG.pl_link_cap_max_link_width"] == "X8" and dma["CONFIG.axi_data_width"] == "256_bit"
    assert dma["CONFIG.xdma_axi_intf_mm"] == "AXI_Stream" and settings["in_queue"]["CONFIG.IS_ACLK_ASYNC"] == "1"
    assert settings["clock"]["CONFIG.CLKOUT1_REQUESTED_OUT_FREQ"] == "100"
    if ends == (1, 1):
        assert settings["narrow"]["CONFIG.M_TDATA_NUM_BYTES"] == settings["widen"]["CONFIG.S_TDATA_NUM_BYTES"] == "1"
    else:
        assert not {"narrow", "widen"} & settings.keys()
    pins = (project / "board" / "pcie.xdc").read_text()
    assert "PACKAGE_PIN AB6 [get_ports {pcie_refclk_clk_p[0]}]" in pins and "PACKAGE_PIN K22" in pins
    assert "board_part" not in (project / "board" / "vivado.tcl").read_text()
    page = (project / "README.md").read_text(encoding="utf-8")
    assert "python board/stream.py" in page and "no way from a host" not in page


def test_a_card_of_virtex_7_gives_the_core_one_clock_and_its_block(tmp_path, monkeypatch):
    """Transceivers of 7-series take the buffered reference clock: the core has no second pin for it."""
    interfaces, pins = CELLS["xdma"]
    monkeypatch.setitem(CELLS, "xdma", (interfaces, pins.replace("sys_clk_gt ", "")))
    made = rtl_design(Sketch(6, bits=8).product("x", "y", 3).graph(), board="adm-pcie-7v3")
    project = with_ip(emit_project(made, tmp_path / "p"), "build/vivado/ip")
    calls, done = run(project, "design", top="rtl")
    assert done.returncode == 0, done.stderr
    assert all_joined(calls, "rtl")["xdma"]["CONFIG.pcie_blk_locn"] == "X0Y2"
    assert ["net", "refclk/IBUF_OUT", "xdma/sys_clk"] in calls
    constraints = (project / "board" / "pcie.xdc").read_text()
    assert "PACKAGE_PIN F5 [get_ports {pcie_refclk_clk_n[0]}]" in constraints and "PACKAGE_PIN W27" in constraints
    assert "None" not in constraints


def test_steps_leave_reports_and_a_bitstream_with_its_description(project):
    board = project / "build" / "board"
    calls, done = run(project, "synth")
    assert done.returncode == 2 and "run step design first" in done.stderr
    board.mkdir(parents=True)
    (board / "swm.xpr").write_text("")
    calls, done = run(project, "synth", "implement")
    assert done.returncode == 0, done.stderr
    assert "worst slack 0.4 ns" in done.stdout
    reports = {call[-1].rsplit("/", 1)[1] for call in calls if call[0].startswith("report_")}
    assert reports == {f"{r}_{k}.rpt" for r in ("synth", "impl") for k in ("utilization", "hierarchy", "timing")} | {
        "impl_power.rpt"
    }
    _, done = run(project, "implement", slack="-1.5")
    assert done.returncode == 1 and "the clock is missed by 1.5 ns: there is no bitstream" in done.stderr
    _, done = run(project, "synth", progress="40%")
    assert done.returncode == 1 and "synth_1 did not end well: synth_design ERROR" in done.stderr
    for file in ("swm.runs/impl_1/swm_wrapper.bit", "swm.gen/sources_1/bd/swm/hw_handoff/swm.hwh"):
        (board / file).parent.mkdir(parents=True)
        (board / file).write_text(file)
    _, done = run(project, "bitstream")
    assert done.returncode == 0, done.stderr
    assert (project / "measured" / "swm.bit").read_text().endswith("swm_wrapper.bit")
    assert (project / "measured" / "swm.hwh").read_text().endswith("swm.hwh")


def test_what_is_missing_is_named(project, tmp_path):
    _, done = run(project, "sinth")
    assert done.returncode == 2 and "no step 'sinth'" in done.stderr
    _, done = run(project, "design", boards="return {}")
    assert done.returncode == 2 and "no board files for xilinx.com:zcu104:part0:1.1: install them" in done.stderr
    bare = shutil.copytree(project, tmp_path / "bare", ignore=shutil.ignore_patterns("swm_hls"))
    _, done = run(bare, "design")
    assert done.returncode == 2 and "there is no IP of swm_top yet: run make hls first" in done.stderr


def test_every_board_of_amd_has_a_way_or_says_that_it_has_none(tmp_path):
    ways = {}
    for name in board_names():
        if load_board(name).vendor == "AMD":
            made = design(Sketch(6, bits=8).product("x", "y", 3).graph(), board=name)
            ways.setdefault(host_path(made), set()).add(name)
            if name in ("vc707", "alveo-u50", "kv260"):
                page = (emit_project(made, tmp_path / name) / "README.md").read_text(encoding="utf-8")
                says = {"vc707": "no way from a host", "alveo-u50": "v++ -l --config", "kv260": "board/overlay.py"}
                assert says[name] in page
    assert ways["processor"] == {"pynq-z2", "zc706", "zcu104", "zcu102", "kv260", "ultra96-v2"}
    assert ways["card"] == {"alveo-u50", "alveo-u250", "alveo-u55c"}
    arty = rtl_design(Sketch(6, bits=8).product("x", "y", 3).graph(), board="arty-a7-100t")
    assert host_path(arty) == "link"  # of RTL only
    assert host_path(rtl_design(Sketch(6, bits=8).product("x", "y", 3).graph(), board="vc707")) == "link"
    for card in ("adm-pcie-ku3", "adm-pcie-7v3"):  # of RTL only, too
        assert host_path(rtl_design(Sketch(6, bits=8).product("x", "y", 3).graph(), board=card)) == "pcie"
    assert ways[None] == {"arty-a7-100t", "vc707", "adm-pcie-ku3", "adm-pcie-7v3"}


CHAIN = """
module chain (input logic aclk, aresetn, s_valid, s_last, m_ready, input logic [IN-1:0] s_data,
              output logic s_ready, m_valid, m_last, output logic [OUT-1:0] m_data, output logic [31:0] short_frames);
  logic iv, ir, il, ov, orr, ol; logic [IN-1:0] id; logic [OUT-1:0] od;
  swm_batch b (.aclk, .aresetn,
    .s_dma_tvalid(s_valid), .s_dma_tready(s_ready), .s_dma_tdata(s_data), .s_dma_tlast(s_last),
    .m_top_tvalid(iv), .m_top_tready(ir), .m_top_tdata(id), .m_top_tlast(il), .m_top_tkeep(),
    .s_top_tvalid(ov), .s_top_tready(orr), .s_top_tdata(od), .s_top_tlast(ol),
    .m_dma_tvalid(m_valid), .m_dma_tready(m_ready), .m_dma_tdata(m_data), .m_dma_tlast(m_last), .m_dma_tkeep());
  swm_top t (.aclk, .aresetn, .s_axis_tvalid(iv), .s_axis_tready(ir), .s_axis_tdata(id), .s_axis_tlast(il),
    .m_axis_tvalid(ov), .m_axis_tready(orr), .m_axis_tdata(od), .m_axis_tlast(ol),
    .frames(), .short_frames, .long_frames());
endmodule
"""
HARNESS = """
#include <cstdio>
#include <cstdlib>
#include "Vchain.h"
#include "verilated.h"
// Beats "DATA LAST" in, as many out until nothing comes for long; both sides pause at random.
int main() {
  Vchain top;
  unsigned data, last, have = scanf("%x %u", &data, &last) == 2, idle = 0;
  srand(1);
  for (int cycle = 0; idle < 3000; ++cycle) {
    top.aresetn = cycle > 4;
    if (!top.s_valid) top.s_valid = have && cycle > 8 && rand() % 4;
    top.s_data = data;
    top.s_last = last;
    top.m_ready = rand() % 3 != 0;
    top.aclk = 0;
    top.eval();
    const bool sent = top.s_valid && top.s_ready && cycle > 4, got = top.m_valid && top.m_ready && cycle > 4;
    if (got) printf("%x %d\\n", unsigned(top.m_data), int(top.m_last));
    top.aclk = 1;
    top.eval();
    if (sent) {
      have = scanf("%x %u", &data, &last) == 2;
      top.s_valid = 0;
    }
    idle = sent || got ? 0 : idle + 1;
  }
  fprintf(stderr, "short %u\\n", unsigned(top.short_frames));
}
"""


@pytest.mark.skipif(shutil.which("verilator") is None, reason="needs verilator (Debian: apt-get install verilator)")
def test_a_transfer_of_many_frames_is_one_packet_to_the_dma(tmp_path):
    """The emitted accelerator behind swm_batch: transfers of 3, 20, 1 and 2 frames, and one that breaks off."""
    graph = Sketch(6, bits=8).product("x", "h", 4, activation="relu").product("h", "y", 4).graph()
    made = rtl_design(graph, ends=(2, 2), board="pynq-z2")
    project = emit_project(made, tmp_path / "p")
    edge, back = made.schedule.input, made.schedule.output
    bits = [e.vec * containers(e) for e in (edge, back)]
    folder = tmp_path / "sim"
    folder.mkdir()
    text = CHAIN.replace("IN-1", str(bits[0] - 1)).replace("OUT-1", str(bits[1] - 1))
    (folder / "chain.sv").write_text(text)
    (folder / "main.cpp").write_text(HARNESS)
    sources = [str(project / "board" / "swm_batch.v"), *sorted(map(str, (project / "rtl").glob("swm_*.sv")))]
    flags = ["--cc", "--exe", "--build", "-Wall", "-Wno-fatal", "-Wno-PINCONNECTEMPTY", "--top-module", "chain"]
    flags += ["--Mdir", str(folder), "-MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"]
    done = subprocess.run(
        ["verilator", *flags, str(folder / "chain.sv"), *sources, str(folder / "main.cpp")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "swm_batch.v" not in done.stderr, done.stderr[-3000:]
    words = np.random.default_rng(0).integers(-100, 100, size=(28, 6))
    transfers, start = [3, 20, 1, 2], 0
    beats, size = [], bits[0] // 8
    for count in transfers:
        wire = to_wire(words[start : start + count], edge)
        some = [wire[i : i + size] for i in range(0, len(wire), size)]
        beats += [(one, place == len(some) - 1) for place, one in enumerate(some)]
        start += count
    broken = to_wire(words[26:], edge)  # the second frame ends after its first beat: the rest counts as zeros
    frame = edge.positions * edge.beats
    some = [broken[i : i + size] for i in range(0, len(broken), size)][: frame + 1]
    beats += [(one, place == frame) for place, one in enumerate(some)]
    expected = words.copy()
    expected[27, edge.vec :] = 0
    given = "".join(f"{int.from_bytes(one, 'little'):x} {int(last)}\n" for one, last in beats)
    done = subprocess.run([folder / "Vchain"], input=given, cwd=project, capture_output=True, text=True, check=True)
    found = [line.split() for line in done.stdout.splitlines()]
    data = b"".join(int(value, 16).to_bytes(bits[1] // 8, "little") for value, _ in found)
    assert np.array_equal(from_wire(data, back), engine(graph)(expected))
    ends = [place + 1 for place, (_, last) in enumerate(found) if last == "1"]
    assert [end // (back.positions * back.beats) for end in ends] == [3, 23, 24, 26, 28]
    assert "short 1" in done.stderr
