# SPDX-License-Identifier: Apache-2.0
"""`swm build` without AMD's tools: programs in their place note how they are called and leave canned reports."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from emit.designs import Sketch, design
from opentools.fakes import program
from rtl.many_networks import design as rtl_design

import swm
from swm.cli.build import build as build_command
from swm.device import load_board
from swm.emit import emit_project
from swm.errors import OptionError, ToolError

HLS = ["--mode", "hls", "--config", "hls_config.cfg", "--work_dir", "swm_hls"]
VIVADO = ["-mode", "batch", "-nojournal", "-nolog", "-source"]
COMMON = """
import json, pathlib
name = pathlib.Path(sys.argv[0]).name
if sys.argv[1:] in (["-version"], ["--version"]):
    if name == "quartus_sh":
        print("Quartus Prime Shell\\nVersion 20.1.1 Build 720 11/11/2020 SJ Lite Edition")
        sys.exit()
    print(f"{name} v{os.environ.get('SWM_TEST_VERSION', '2023.2')} (64-bit)")
    sys.exit()
with open(os.environ["CALLS"], "a") as log:
    log.write(json.dumps([name, os.getcwd(), sys.argv[1:]]) + "\\n")
def leave(path, text="x"):
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(path).write_text(text)
fails = os.environ.get("SWM_TEST_FAILS", "")
if fails and fails in sys.argv:
    print("ERROR: [Place 30-494] the design is empty")
    sys.exit(3)
if os.environ.get("SWM_TEST_HANGS"):
    child = subprocess.Popen(["sleep", "300"])
    leave(os.environ["SWM_TEST_HANGS"], f"{os.getpid()} {child.pid}")
    time.sleep(300)
"""
CSYNTH = """<?xml version="1.0"?><profile>
<ReportVersion><Version>2023.2</Version></ReportVersion>
<UserAssignments><unit>ns</unit><ProductFamily>zynq</ProductFamily><Part>xc7z020-clg400-1</Part>
<TopModelName>swm_top</TopModelName><TargetClockPeriod>10.00</TargetClockPeriod></UserAssignments>
<PerformanceEstimates><SummaryOfOverallLatency><unit>clock cycles</unit><Best-caseLatency>90</Best-caseLatency>
<Worst-caseLatency>96</Worst-caseLatency><Interval-min>40</Interval-min><Interval-max>41</Interval-max>
</SummaryOfOverallLatency></PerformanceEstimates>
<AreaEstimates><Resources><BRAM_18K>3</BRAM_18K><DSP>7</DSP><FF>900</FF><LUT>1200</LUT><URAM>0</URAM></Resources>
<AvailableResources><BRAM_18K>280</BRAM_18K><DSP>220</DSP><FF>106400</FF><LUT>53200</LUT><URAM>0</URAM>
</AvailableResources></AreaEstimates></profile>"""
HLS_TOOL = f"""
if "-c" in sys.argv and "board/kernel.cfg" not in sys.argv:
    leave("swm_hls/hls/syn/report/swm_top_csynth.xml", {CSYNTH!r})
if "--package" in sys.argv or "export" in sys.argv:
    leave("swm_hls/hls/impl/ip/component.xml")
if "-o" in sys.argv:
    leave(sys.argv[sys.argv.index("-o") + 1])
"""
HEAD = "| Tool Version : Vivado v.2023.2 (lin64) Build 4029153\n| Design       : {top}\n| Device       : xc7z020\n"
SITES = """Utilization Design Information
{head}
+-----------------+------+-------+-----------+
|    Site Type    | Used | Fixed | Available |
+-----------------+------+-------+-----------+
| Slice LUTs      | 4321 |     0 |     53200 |
| Slice Registers | 5432 |     0 |    106400 |
| Block RAM Tile  |  6.5 |     0 |       140 |
| DSPs            |    7 |     0 |       220 |
+-----------------+------+-------+-----------+
"""
TIMING = """Timing Summary Report
{head}
| Design Timing Summary
| ---------------------
    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)
    -------      -------  ---------------------  -------------------      -------
      SLACK        0.000                      0                 9000        0.041

| Clock Summary
| -------------
Clock       Waveform(ns)       Period(ns)      Frequency(MHz)
-----       ------------       ----------      --------------
clk_fpga_0  {{0.000 5.000}}      10.000          100.000
-----------
"""
POWER = """Power Report
{head}
| Total On-Chip Power (W)  | 1.742        |
| Dynamic (W)              | 1.600        |
| Device Static (W)        | 0.142        |
"""
TEXTS = {
    name: text.format(head=HEAD.format(top="swm_wrapper")) for name, text in (("u", SITES), ("t", TIMING), ("p", POWER))
}
VIVADO_TOOL = f"""
texts, slack = {TEXTS!r}, os.environ.get("SWM_TEST_SLACK", "0.512")
step, script = sys.argv[-1], sys.argv[sys.argv.index("-source") + 1]
where = f"build/vivado/{{step}}" if script == "tcl/vivado.tcl" else "build/board/reports/impl"
if step == "ip":
    leave("build/vivado/ip/component.xml")
if step == "design":
    leave("build/board/swm.xpr")
if step in ("implement", "build", "board"):
    leave(where + "_utilization.rpt", texts["u"])
    leave(where + "_timing.rpt", texts["t"].replace("SLACK", slack))
    leave(where + "_power.rpt", texts["p"])
    if float(slack) < 0:
        sys.exit(1)
if step == "board":
    leave("measured/board.bit")
if step == "bitstream":
    leave("measured/swm.bit", "bits")
    leave("measured/swm.hwh")
"""
FITTED = """Fitter report for {step}
Quartus Prime Version 20.1.1 Build 720 11/11/2020 SJ Lite Edition
; Fitter Status               ; Successful - Sun Nov 22 08:00:00 2026 ;
; Top-level Entity Name       ; swm_top                               ;
; Device                      ; 5CSEBA6U23I7                          ;
; Logic utilization (in ALMs) ; 1,234 / 41,910 ( 3 % )                ;
; Total registers             ; 4,321                                 ;
; Total RAM Blocks            ; 12 / 553 ( 2 % )                      ;
; Total DSP Blocks            ; 7 / 112 ( 6 % )                       ;
; Combinational ALUT usage for logic ; 2,005 ; ;
"""
SUMMARY = """------------------------------------------------------------
Timing Analyzer Summary
------------------------------------------------------------

Type  : Slow 1100mV 85C Model Setup 'clk'
Slack : {slack}
TNS   : 0.000

Type  : Slow 1100mV 85C Model Hold 'clk'
Slack : 0.300
TNS   : 0.000
"""
WATTS = """Power Analyzer report for {step}
; Power Analyzer Status                  ; Successful ;
; Total Thermal Power Dissipation        ; 450.07 mW  ;
; Core Dynamic Thermal Power Dissipation ; 28.96 mW   ;
; Core Static Thermal Power Dissipation  ; 412.43 mW  ;
"""
QUARTUS_TOOL = f"""
step, slack = sys.argv[-1], os.environ.get("SWM_TEST_SLACK", "4.0")
for end, text in (("fit.rpt", {FITTED!r}), ("sta.summary", {SUMMARY!r}), ("pow.rpt", {WATTS!r})):
    leave(f"build/quartus/output/{{step}}.{{end}}", text.format(step=step, slack=slack))
if float(slack) < 0:
    sys.exit(1)
if step == "board":
    leave("measured/board.sof")
"""


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    """A small network for three kinds of boards."""
    graph = Sketch(12, bits=8).product("x", "y", 5, activation="relu").graph()
    folder = tmp_path_factory.mktemp("vendor")
    emit_project(design(graph), folder / "vitis")
    emit_project(design(graph, board="alveo-u50"), folder / "card")
    emit_project(design(graph, board="vc707"), folder / "none")
    emit_project(design(graph, "generic"), folder / "generic")
    emit_project(rtl_design(graph, board="pynq-z2"), folder / "rtl")
    bare = rtl_design(graph, board="adm-pcie-7v3")
    unreached = bare.schedule.board.model_copy(update={"pcie": None})
    emit_project(replace(bare, schedule=replace(bare.schedule, board=unreached)), folder / "rtl none")
    emit_project(rtl_design(graph, board="adm-pcie-ku3"), folder / "pcie")
    emit_project(rtl_design(graph, board="arty-a7-100t"), folder / "serial")
    emit_project(rtl_design(graph, board="de10-nano"), folder / "intel")
    emit_project(rtl_design(graph, board="cyclonev-5cea9"), folder / "intel none")
    board = load_board("ulx3s")
    made = rtl_design(graph)
    made = replace(made, schedule=replace(made.schedule, board=board, clock_mhz=board.clock.mhz))
    emit_project(made, folder / "open")
    return folder


@pytest.fixture
def project(emitted, tmp_path):
    return lambda name: shutil.copytree(emitted / name, tmp_path / "a project" / name)


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Put stand-ins on PATH, and nothing of AMD beside; gives the calls: program, folder, arguments."""
    log = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(log))

    def install(*names, folder="tools", on_path=True):
        place = tmp_path / folder
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            program(place, name, COMMON + {"vivado": VIVADO_TOOL, "quartus_sh": QUARTUS_TOOL}.get(name, HLS_TOOL))
        if on_path:
            monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
        return lambda: [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    return install


def names(made):
    """What ran: the step of Vivado or of HLS."""
    last = [arguments[-1] if name != "v++" else arguments[0] for name, _, arguments in made]
    return [{"-c": "synthesis", "-l": "link", "--package": "package", "--cosim": "cosim"}.get(one, one) for one in last]


BOARD = ["design", "synth", "implement", "bitstream"]


def test_a_processor_board_from_hls_to_the_bitstream(project, calls):
    made = calls("v++", "vitis-run", "vivado")
    folder = project("vitis")
    done = CliRunner().invoke(build_command, [str(folder), "--json"])
    assert done.exit_code == 0, done.output
    assert names(made()) == ["synthesis", "package", *BOARD]
    assert {where for _, where, _ in made()} == {str(folder)}
    assert [arguments for _, _, arguments in made()][:3] == [
        ["-c", *HLS],
        [*HLS, "--package"],
        [*VIVADO, "board/vivado.tcl", "-tclargs", "design"],
    ]
    data = json.loads(done.stdout)
    assert (data["bitstream"], data["met"], data["fmax_mhz"]) == ("measured/swm.bit", True, 105.4)
    assert data["tools"] == ["v++ 2023.2", "vitis-run", "vivado 2023.2"]
    kinds = {(r["kind"], r["values"]["lut"] if "values" in r else r["lut"]) for r in data["reports"]}
    assert kinds == {("csynth", 1200), ("utilization", 4321), ("timing", None), ("power", None)}
    assert [step["run"] for step in data["steps"]] == [True] * 6
    report = swm.report(folder).to_text(width=400)
    assert "measured/swm.bit; clock 105.4 MHz by Vivado's timing analysis, 100 MHz on the board" in report
    assert "4,321 LUT of 53,200" in report

    again = CliRunner().invoke(build_command, [str(folder)])  # the figures stand beside the estimate
    assert again.exit_code == 0 and len(made()) == 6
    assert "measured/swm.bit; Fmax 105.40 MHz, asked for 100 MHz" in again.output
    lines = [line.split() for line in again.output.splitlines()]
    assert ["modelled"] in [line[:1] for line in lines]
    assert any("4,321" in line and "5,432" in line and "13" in line for line in lines)  # 6.5 tiles: 13 blocks of 18 Kb
    assert "implement (before)" in again.output

    (folder / "src" / "top.cpp").write_text("// another\n")
    swm.build(folder, cosim=True)
    assert names(made())[6:] == ["synthesis", "cosim", "package", *BOARD]


def test_what_broke_off_goes_on_where_it_was(project, calls, monkeypatch):
    made = calls("vitis_hls", "vivado")
    folder = project("vitis")
    monkeypatch.setenv("SWM_TEST_FAILS", "implement")
    with pytest.raises(
        ToolError, match=r"vivado failed \(status 3\)\nERROR: \[Place 30-494\].*\n\(log: .*implement.log"
    ):
        swm.build(folder)
    assert names(made()) == ["export", "design", "synth", "implement"]
    assert made()[0][2] == ["-f", "tcl/vitis_hls.tcl", "-tclargs", "csynth", "export"]
    assert not (folder / "measured" / "build.json").exists()
    monkeypatch.delenv("SWM_TEST_FAILS")
    found = swm.build(folder)
    assert names(made())[4:] == ["implement", "bitstream"]
    assert [step.run for step in found.steps] == [False, False, False, True, True]
    (folder / "measured" / "swm.bit").unlink()
    swm.build(folder)
    assert names(made())[6:] == ["bitstream"]
    (folder / "build" / "steps.json").write_text('{"hls": {"key": 3}}')
    swm.build(folder)
    assert names(made())[7:] == ["export", *BOARD]
    monkeypatch.setenv("SWM_TEST_VERSION", "2024.1")  # another tool, other figures
    from swm.vendortools.tools import tool_title

    tool_title.cache_clear()
    swm.build(folder)
    tool_title.cache_clear()
    assert names(made())[12:] == ["export", *BOARD]


def test_without_the_clock_there_is_no_bitstream(project, calls, monkeypatch):
    made = calls("v++", "vitis-run", "vivado")
    folder = project("vitis")
    swm.build(folder)
    monkeypatch.setenv("SWM_TEST_SLACK", "-2.5")
    (folder / "src" / "top.h").write_text("// another\n")
    done = CliRunner().invoke(build_command, [str(folder)])
    assert done.exit_code == 1
    assert "the clock is MISSED, so there is no bitstream; Fmax 80.00 MHz, asked for 100 MHz" in done.output
    assert names(made())[-1] == "implement"
    assert not (folder / "measured" / "swm.bit").exists()  # that of before is of other files
    assert "the clock is MISSED" in swm.report(folder).to_text(width=400)


@pytest.mark.parametrize(
    ("name", "ran", "loaded"),
    [
        ("rtl", ["ip", *BOARD], "measured/swm.bit"),
        ("card", ["synthesis", "link"], "measured/swm.xclbin"),
        ("none", ["synthesis", "package"], ""),
        ("rtl none", ["build"], ""),
        ("pcie", ["ip", *BOARD], "measured/swm.bit"),
        ("serial", ["board"], "measured/board.bit"),
        ("intel", ["board"], "measured/board.sof"),
        ("intel none", ["build"], ""),
    ],
)
def test_every_kind_of_project_has_its_steps(project, calls, name, ran, loaded):
    made = calls("v++", "vitis-run", "vivado", "quartus_sh")
    found = swm.build(project(name))
    assert (names(made()), found.bitstream, found.met) == (ran, loaded, True)
    if name == "card":
        assert made()[1][2] == [
            *("-l", "--config", "board/link.cfg", "-o", "measured/swm.xclbin", "build/board/swm_kernel.xo")
        ]
    if name == "rtl none":
        assert (found.fmax_mhz, found.routed.lut, found.routed.bram18) == (105.4, 4321, 13)


def test_quartus_makes_what_an_intel_board_is_loaded_with(project, calls, monkeypatch):
    made = calls("quartus_sh")
    folder = project("intel")
    done = CliRunner().invoke(build_command, [str(folder), "--json"])
    assert done.exit_code == 0, done.output
    assert made() == [["quartus_sh", str(folder), ["-t", "tcl/quartus.tcl", "board"]]]
    data = json.loads(done.stdout)
    assert (data["bitstream"], data["met"], data["fmax_mhz"]) == ("measured/board.sof", True, 62.5)  # 20 ns less 4
    assert data["tools"] == ["quartus_sh 20.1.1"]
    kinds = {r["kind"]: r for r in data["reports"]}
    assert kinds["fit"]["dsp"] == 7 and kinds["fit"]["more"]["alm"] == 1234
    assert kinds["timing"]["more"]["wns_ns"] == 4.0 and kinds["power"]["static_w"] == 0.41243
    built = json.loads((folder / "measured" / "build.json").read_text())
    area = {"lut": 2005, "ff": 4321, "dsp": 7, "bram18": 0, "uram": 0, "m10k": 12}
    assert built["value"]["area"] == area if "value" in built else area in built.values()
    assert "2,005 ALUT of 83,820" in swm.report(folder).to_text(width=400)
    monkeypatch.setenv("SWM_TEST_SLACK", "-5.0")
    (folder / "rtl" / "swm_top.sv").write_text("// another\n")
    done = CliRunner().invoke(build_command, [str(folder)])
    assert done.exit_code == 1 and "the clock is MISSED, so there is no bitstream; Fmax 40.00 MHz" in done.output
    assert not (folder / "measured" / "board.sof").exists()


def test_what_is_missing_is_said_before_anything_runs(project, calls):
    made = calls("v++", "vitis-run")
    folder = project("vitis")
    done = CliRunner().invoke(build_command, [str(folder)])
    assert isinstance(done.exception, ToolError)
    text = str(done.exception)
    assert text.startswith("there is no vivado on PATH: install AMD Vivado and source its settings64.sh, or name")
    assert "vivado -mode batch -nojournal -nolog -source board/vivado.tcl -tclargs design" in text
    assert "v++ -c --mode hls --config hls_config.cfg" in text
    assert made() == []
    assert not (folder / "build").exists() and not (folder / "measured").exists()
    with pytest.raises(ToolError, match=r"install Intel Quartus Prime .*and put its quartus/bin on PATH, or name"):
        swm.build(project("intel"))
    with pytest.raises(OptionError, match="--tools takes the folder"):
        swm.build(folder, tools=folder / "nowhere")
    with pytest.raises(OptionError, match="nothing builds projects of back end generic"):
        swm.build(project("generic"))
    with pytest.raises(OptionError, match="--tools and --cosim are for others"):
        swm.build(project("open"), cosim=True)
    with pytest.raises(OptionError, match="0 s for a step"):
        swm.build(folder, limit_s=0)


def test_tools_below_a_folder_the_newest_first(project, calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # tools run in the project's folder, whatever the path was relative to
    for version in ("2019.2", "2023.2", "2022.1"):
        made = calls("vivado", folder=f"xilinx/Vivado/{version}/bin", on_path=False)
    calls("vitis_hls", folder="xilinx/Vitis_HLS/2023.2/bin", on_path=False)
    found = swm.build(project("vitis"), tools="xilinx")
    assert found.bitstream == "measured/swm.bit"
    assert len(made()) == 5
    log = (tmp_path / "a project" / "vitis" / "build" / "logs" / "design.log").read_text()
    assert log == ""
    from swm.vendortools.tools import VIVADO as TOOL
    from swm.vendortools.tools import find_vendor_tool

    assert "/2023.2/" in find_vendor_tool(TOOL, tmp_path / "xilinx")


def gone(pids):
    """Whether all these processes have ended; one that waits for its parent to look counts."""
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                return False
        except OSError:
            continue
    return True


def waits(condition, seconds=120.0):  # of a machine that is busy with other tests
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    assert condition()


def test_a_tool_that_takes_too_long_ends_with_its_children(project, calls, tmp_path, monkeypatch):
    calls("v++", "vitis-run", "vivado")
    monkeypatch.setenv("SWM_TEST_HANGS", str(tmp_path / "pids"))
    with pytest.raises(ToolError, match=r"vivado did not end within 1 s"):
        swm.build(project("rtl"), limit_s=1)
    pids = (tmp_path / "pids").read_text().split()
    waits(lambda: gone(pids))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_the_tools_with_their_children(project, calls, tmp_path, monkeypatch, number, status):
    calls("vivado")
    folder = project("rtl")
    monkeypatch.setenv("SWM_TEST_HANGS", str(tmp_path / "pids"))
    environment = {**os.environ, "PYTHONPATH": str(Path(swm.__file__).resolve().parents[1])}
    with subprocess.Popen(
        [sys.executable, "-m", "swm", "build", str(folder)], env=environment, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        try:
            hung = tmp_path / "pids"
            waits(lambda: process.poll() is not None or (hung.exists() and len(hung.read_text().split()) == 2))
            assert process.poll() is None, process.stderr.read()
            pids = hung.read_text().split()
            process.send_signal(number)
            assert process.wait(60) == status
        finally:
            process.kill()
    waits(lambda: gone(pids))
    assert not (folder / "build" / "steps.json").exists() or "ip" not in (folder / "build" / "steps.json").read_text()
