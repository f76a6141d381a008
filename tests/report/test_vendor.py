# SPDX-License-Identifier: Apache-2.0
"""Reports of a user's own tools: what is read out of each kind, the traps, and files that mean harm.

The texts here are written by hand in the layout of the tools; the real files of ../shared are read where they are.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import inputs, write_mlp

import swm
from swm.cli.report import report
from swm.errors import OptionError
from swm.report.vendor import Reading, read_reports
from swm.report.vendor.opentools import count_cells, uncounted_cells
from swm.report.vendor.values import FIGURES, VendorReport

CSYNTH_XML = """<profile>
<ReportVersion><Version>{version}</Version></ReportVersion>
<UserAssignments><Part>xc7z020-clg400-1</Part><TopModelName>top</TopModelName>
<TargetClockPeriod>5.00</TargetClockPeriod></UserAssignments>
<PerformanceEstimates>
<SummaryOfTimingAnalysis><EstimatedClockPeriod>7.162</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><Best-caseLatency>{best}</Best-caseLatency><Worst-caseLatency>{worst}</Worst-caseLatency>
<Interval-min>344066</Interval-min><Interval-max>4123601</Interval-max></SummaryOfOverallLatency>
</PerformanceEstimates>
<AreaEstimates><Resources><BRAM_18K>366</BRAM_18K><{dsp}>42</{dsp}><FF>10</FF><LUT>60000</LUT></Resources>
<AvailableResources><BRAM_18K>280</BRAM_18K><{dsp}>220</{dsp}><FF>106400</FF><LUT>53200</LUT></AvailableResources>
</AreaEstimates></profile>
"""

CSYNTH_RPT = """
================================================================
== Vitis HLS Report for 'top'
================================================================
* Version:        2024.1 (Build 5069499 on May 21 2024)
* Target device:  xcu250-figd2104-2L-e
+ Timing:
    +--------+---------+----------+------------+
    |  Clock |  Target | Estimated| Uncertainty|
    +--------+---------+----------+------------+
    |ap_clk  |  5.00 ns|  3.530 ns|     1.35 ns|
    +--------+---------+----------+------------+
+ Latency:
    +---------+---------+----------+----------+-----+-----+----------+
    |  Latency (cycles) |  Latency (absolute) |  Interval | Pipeline |
    |   min   |   max   |    min   |    max   | min | max |   Type   |
    +---------+---------+----------+----------+-----+-----+----------+
    |      12|        ?|  1.975 us|  1.975 us|  390|  395|  dataflow|
    +---------+---------+----------+----------+-----+-----+----------+
== Utilization Estimates
+---------------------+---------+-------+---------+---------+------+
|         Name        | BRAM_18K|  DSP  |    FF   |   LUT   | URAM |
+---------------------+---------+-------+---------+---------+------+
|Expression           |        -|      -|        0|        2|     -|
+---------------------+---------+-------+---------+---------+------+
|Total                |       29|    467|     7123|    17966|     0|
+---------------------+---------+-------+---------+---------+------+
|Available SLR        |       10|   3072|   864000|   432000|   320|
|Available            |     5376|  12288|  3456000|  1728000|  1280|
|Utilization (%)      |       ~0|      3|       ~0|        1|     0|
+---------------------+---------+-------+---------+---------+------+
"""

# ruff: noqa: E501 (rows of tables, as the tools write them)
CSYNTH_SUMMARY = """
================================================================
== Synthesis Summary Report of 'top'
================================================================
    * Version:        2025.1 (Build 6135595 on May 21 2025)
    * Target device:  xcvu13p-flga2577-2-e
    +-------------+------+------+---------+--------+----------+---------+------+----------+------+----------+-----------+------------+-----+
    |   Modules   | Issue|      |      Latency     | Iteration|         | Trip |          |      |          |           |            |     |
    |   & Loops   | Type | Slack| (cycles)|  (ns)  |  Latency | Interval| Count| Pipelined| BRAM |    DSP   |     FF    |     LUT    | URAM|
    +-------------+------+------+---------+--------+----------+---------+------+----------+------+----------+-----------+------------+-----+
    |+ top        |     -| -0.10|        3|  15.000|         -|        1|     -|       yes|     -|  20 (~0%)|  494 (~0%)|  8851 (247%)|    -|
    | + inner     |     -|  0.10|        3|  15.000|         -|        1|     -|       yes|     -|   1 (~0%)|    4 (~0%)|     1 (~0%)|    -|
    +-------------+------+------+---------+--------+----------+---------+------+----------+------+----------+-----------+------------+-----+
"""

COSIM = """Simulation tool   : xsim.
|          |          |                    Latency                    |                    Interval                   |
+   RTL    +  Status  +-----------------------------------------------+-----------------------------------------------+
|          |          |      min      |      avg      |      max      |      min      |      avg      |      max      |
|      VHDL|        NA|             NA|             NA|             NA|             NA|             NA|             NA|
|   Verilog|      {status}|           2250|           2251|           2252|             NA|             NA|             NA|
"""

VIVADO_HEAD = """| Tool Version : Vivado v.{version} (lin64) Build 1
| Command      : report_{command}
| Design       : top
| Device       : xc7a35tcsg324-1
| Design State : Routed

{title}

"""

UTILIZATION_5_COLUMNS = """
+----------------------------+------+-------+-----------+-------+
|          Site Type         | Used | Fixed | Available | Util% |
+----------------------------+------+-------+-----------+-------+
| Slice LUTs*                | 8297 |     0 |     20800 | 39.89 |
|   LUT as Memory            | 1934 |     0 |      9600 | <0.01 |
| Slice Registers            | 5434 |     0 |     41600 | 13.06 |
+----------------------------+------+-------+-----------+-------+
| Block RAM Tile    | 29.5 |     0 |        50 | 59.00 |
|          Site Type         | Used | Fixed | Available | Util% |
| DSPs                       |    4 |     0 |        90 |  4.44 |
"""

UTILIZATION_6_COLUMNS = """
|        Site Type        | Used | Fixed | Prohibited | Available | Util% |
| CLB LUTs                | 7722 |     0 |          0 |   1728000 |  0.45 |
| CLB Registers           | 4864 |     0 |          0 |   3456000 |  0.14 |
| Block RAM Tile          |   12 |     0 |          0 |      2688 |  0.45 |
| URAM                    |    1 |     0 |          0 |      1280 |  0.00 |
| DSPs                    |  467 |     0 |          0 |     12288 |  3.80 |

|        Site Type        | SLR0 | SLR1 |
| CLB LUTs                |    7 |    9 |
"""

UTILIZATION_BY_HIERARCHY = """
|  Instance | Module | Total LUTs | Logic LUTs | LUTRAMs | SRLs | FFs | RAMB36 | RAMB18 | URAM | DSP Blocks |
| top       |  (top) |       3837 |       3837 |       0 |    0 | 209 |      2 |      4 |    0 |         40 |
|   part    |   part |         37 |         37 |       0 |    0 |   9 |      0 |      4 |    0 |          0 |
"""

TIMING = """
| Design Timing Summary
| ---------------------
-----------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)
    -------      -------  ---------------------  -------------------      -------
     {wns}       -7.193                    110                54613        0.002

-----------------------
| Clock Summary
| -------------
-----------------------

Clock   Waveform(ns)         Period(ns)      Frequency(MHz)
-----   ------------         ----------      --------------
ap_clk  {{0.000 1.500}}        3.000           333.333
slow    {{0.000 5.000}}        10.000          100.000
"""

POWER = """
| Total On-Chip Power (W)  | 1.686        |
| Dynamic (W)              | 1.563        |
| Device Static (W)        | 0.124        |
| Junction Temperature (C) | 44.4         |
| Confidence Level         | Low          |

| On-Chip                 | Power (W) | Used     | Available | Utilization (%) |
|   Register              |    <0.001 |      640 |     35200 |            1.82 |
"""

QUARTUS = """Flow report for top
Quartus Prime Version 25.1.0 Build 129 03/26/2025 SC Pro Edition
; Flow Status                     ; {status} - Thu Feb  5 02:38:42 2026      ;
; Top-level Entity Name           ; top                                       ;
; Device                          ; AGFB014R24A2E2V                            ;
; Logic utilization (in ALMs)     ; 2,657 / 487,200 ( < 1 % )                  ;
; Total dedicated logic registers ; 4260                                       ;
; Total RAM Blocks                ; 8 / 7,110 ( < 1 % )                        ;
; Total DSP Blocks                ; 40 / 4,510 ( < 1 % )                       ;
"""

QUARTUS_POWER = """Power Analyzer report for top
Quartus Prime Version 18.1.0 Build 625 09/12/2018 SJ Lite Edition
; Power Analyzer Status                  ; Successful - Mon Feb 2 02:02:02 2026 ;
; Device                                 ; 5CSEMA5F31C6                          ;
; Total Thermal Power Dissipation        ; 441.98 mW                             ;
; Core Dynamic Thermal Power Dissipation ; 12.30 mW                              ;
; Core Static Thermal Power Dissipation  ; 411.25 mW                             ;
; I/O Thermal Power Dissipation          ; 18.43 mW                              ;
"""

YOSYS_023 = """Yosys Open SYnthesis Suite
Yosys 0.23 (git sha1 7ce5011c24b)
=== sub ===

   Number of cells:                  1
     LUT6                            1

=== design hierarchy ===

   top                               1

   Number of cells:                 58
     BUFG                            1
     DSP48E1                         2
     FDRE                           32
     LUT2                            7
     LUT6                           11
     RAM32M                          2
     RAMB36E1                        1
     RAMB18E1                        1

"""

YOSYS_070 = """Yosys Open SYnthesis Suite
Yosys 0.70 (git sha1 0)
=== top ===

        +----------Local Count, excluding submodules.
        |
       15 wires
       34 cells
        2   MULT18X18D
       32   TRELLIS_FF
        2 submodules
        2   sub

"""

YOSYS_JSON = '{"creator": "Yosys 0.23 (git sha1 7)", "design": {"num_cells_by_type": {%s}}}'

NEXTPNR = """{"fmax": {"clk": {"achieved": 48.5, "constraint": 50.0}, "usb": {"achieved": 90.0, "constraint": 60.0}},
 "utilization": {"TRELLIS_COMB": {"used": 900, "available": 83640}, "DP16KD": {"used": 3, "available": 208},
 "MULT18X18D": {"used": 4, "available": 156}, "TRELLIS_FF": {"used": 700, "available": 83640}}}"""

ONEAPI = (
    '{"quartusFitClockSummary":{"nodes":[{"clock fmax":"597.73"}]},"quartusFitResourceUsageSummary":'
    '{"nodes":[{"alm":"4520.5","alut":"4182","reg":"16419","dsp":"40","ram":"36","mlab":"52"}]}}\n'
)


def vivado(title: str, body: str, version: str = "2024.1") -> str:
    return VIVADO_HEAD.format(version=version, command="x", title=title) + body


def read(folder: Path, text: str | bytes, name: str = "a.rpt") -> Reading:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_reports(folder)


def one(folder: Path, text: str, name: str = "a.rpt") -> VendorReport:
    reading = read(folder, text, name)
    assert reading.skipped == ()
    (report,) = reading.reports
    return report


CASES = {
    "csynth.xml before 2020.2": (
        "csynth.xml",
        CSYNTH_XML.format(version="2019.2", dsp="DSP48E", best=7788162, worst=7861648),
        "Vivado HLS",
        {
            "lut": 60000,
            "ff": 10,
            "dsp": 42,
            "bram18": 366,
            "latency_cycles": 7861648,
            "interval_cycles": 4123601,
            "clock_ns": 5.0,
        },
    ),
    "csynth.xml, latency unknown": (
        "csynth.xml",
        CSYNTH_XML.format(version="2022.1", dsp="DSP", best="undef", worst="undef"),
        "Vitis HLS",
        {"lut": 60000, "ff": 10, "dsp": 42, "bram18": 366, "interval_cycles": 4123601, "clock_ns": 5.0},
    ),
    "csynth.rpt of a function": (
        "a.rpt",
        CSYNTH_RPT,
        "Vitis HLS",
        {"lut": 17966, "ff": 7123, "dsp": 467, "bram18": 29, "uram": 0, "interval_cycles": 395, "clock_ns": 5.0},
    ),
    "csynth.rpt of the design": (
        "a.rpt",
        CSYNTH_SUMMARY,
        "Vitis HLS",
        {
            "lut": 8851,
            "ff": 494,
            "dsp": 20,
            "bram18": 0,
            "uram": 0,
            "latency_cycles": 3,
            "interval_cycles": 1,
            "clock_ns": 5.0,
        },
    ),
    "cosim": ("a.rpt", COSIM.format(status="Pass"), "Vitis HLS co-simulation", {"latency_cycles": 2252}),
    "lat.rpt": (
        "lat.rpt",
        '$MAX_LATENCY = "2252"\n$MIN_LATENCY = "1"\n$MAX_THROUGHPUT = "0"\n',
        "Vitis HLS co-simulation",
        {"latency_cycles": 2252},
    ),
    "transactions": (
        "a.rpt",
        "   latency   interval\ntransaction  0:  10  7\ntransaction  1:  12  0\n",
        "Vitis HLS co-simulation",
        {"latency_cycles": 12, "interval_cycles": 7},
    ),
    "utilization, 7-series": (
        "a.rpt",
        vivado("Utilization Design Information", UTILIZATION_5_COLUMNS, "2019.2"),
        "Vivado",
        {"lut": 8297, "ff": 5434, "bram18": 59, "dsp": 4},
    ),
    "utilization, UltraScale+": (
        "a.rpt",
        vivado("Utilization Design Information", UTILIZATION_6_COLUMNS),
        "Vivado",
        {"lut": 7722, "ff": 4864, "bram18": 24, "dsp": 467, "uram": 1},
    ),
    "utilization by hierarchy": (
        "a.rpt",
        vivado("Utilization Design Information", UTILIZATION_BY_HIERARCHY),
        "Vivado",
        {"lut": 3837, "ff": 209, "bram18": 8, "dsp": 40, "uram": 0},
    ),
    "timing": ("a.rpt", vivado("Timing Summary Report", TIMING.format(wns=-0.155)), "Vivado", {"clock_ns": 3.0}),
    "power": (
        "a.rpt",
        vivado("Power Report", POWER),
        "Vivado",
        {"power_w": 1.686, "dynamic_w": 1.563, "static_w": 0.124},
    ),
    "quartus": ("a.rpt", QUARTUS.format(status="Successful"), "Quartus Prime", {"ff": 4260, "dsp": 40}),
    "quartus power": (
        "a.rpt",
        QUARTUS_POWER,
        "Quartus Prime",
        {"power_w": 0.44198, "dynamic_w": 0.0123, "static_w": 0.41125},
    ),
    "oneAPI": ("a.ndjson", ONEAPI, "oneAPI", {"ff": 16419, "dsp": 40}),
    "yosys 0.23": ("y.log", YOSYS_023, "yosys", {"lut": 26, "ff": 32, "dsp": 2, "bram18": 3, "uram": 0}),
    "yosys 0.70": ("y.log", YOSYS_070, "yosys", {"lut": 0, "ff": 32, "dsp": 2, "bram18": 0, "uram": 0}),
    "yosys json": (
        "y.json",
        YOSYS_JSON % '"LUT4": 5, "CCU2C": 2, "DP16KD": 1',
        "yosys",
        {"lut": 9, "ff": 0, "dsp": 0, "bram18": 1, "uram": 0},
    ),
    "nextpnr": ("n.json", NEXTPNR, "nextpnr", {"lut": 900, "ff": 700, "dsp": 4, "bram18": 3, "clock_ns": 20.0}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_figures_of_each_kind(tmp_path, case):
    name, text, tool, figures = case
    report = one(tmp_path, text, name)
    assert report.tool == tool
    # What a file does not say is None, never 0.
    assert dict(report.values) == {figure: figures.get(figure) for figure in FIGURES}


@pytest.mark.parametrize(
    ("text", "name", "note"),
    [
        (CASES["csynth.xml before 2020.2"][1], "a.xml", "bram18: 366 used, the device has 280"),
        (CASES["csynth.xml before 2020.2"][1], "a.xml", "estimated clock 7.162 ns is slower than the target of 5.0 ns"),
        (CSYNTH_SUMMARY, "a.rpt", "LUT: 247 % of the device"),
        (CSYNTH_SUMMARY, "a.rpt", "slack -0.1 ns"),
        (CASES["timing"][1], "a.rpt", "timing is not met: slack -0.155 ns, 110 endpoints fail"),
        (CASES["timing"][1], "a.rpt", "2 clocks: ap_clk 3.0 ns, slow 10.0 ns"),
        (CASES["power"][1], "a.rpt", "confidence: Low"),
        (NEXTPNR, "a.json", "timing is not met: 48.50 MHz of 50.00 MHz"),
        (CASES["cosim"][1], "a.rpt", "one transaction: no interval"),
        (vivado("Power Report", POWER.replace("1.686", "305.1")), "a.rpt", "clocks are probably unconstrained"),
        (
            vivado(
                "Utilization Design Information", re.sub(r"\b(8297|1934|5434|29\.5|4 )", "0", UTILIZATION_5_COLUMNS)
            ),
            "a.rpt",
            "every figure is 0",
        ),
    ],
)
def test_what_the_figures_hide_is_noted(tmp_path, text, name, note):
    assert any(note in found for found in one(tmp_path, text, name).notes)


def test_slack_that_is_no_number(tmp_path):
    report = one(tmp_path, vivado("Timing Summary Report", TIMING.format(wns="NA")))
    assert report.more["wns_ns"] is None


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        (COSIM.format(status="Fail"), "a.rpt", "did not pass"),
        (QUARTUS.format(status="Failed"), "a.rpt", "did not succeed"),
        (YOSYS_JSON % '"$add": 3', "a.json", "not mapped to a device"),
        ("<profile><AreaEstimates>", "a.xml", "not well-formed"),
        ("<profile></profile>", "a.xml", "no PerformanceEstimates"),
        ("<profile>" + "<a>" * 500 + "</a>" * 500 + "</profile>", "a.xml", "deep"),
        ('<?xml version="1.0"?><!DOCTYPE p [<!ENTITY a "b">]><profile>&a;</profile>', "a.xml", "entities"),
        (CSYNTH_RPT.replace("17966", "9" * 40), "a.rpt", "a number of 40"),
        (CSYNTH_RPT.split("== Utilization")[0], "a.rpt", "no table of utilization"),
        (vivado("Power Report", ""), "a.rpt", "no total on-chip power"),
        ('{"fmax": {"clk": ' + "[" * 100_000, "a.json", "not JSON"),
        ("", "a.rpt", "empty"),
        ("a poem\n", "a.rpt", "not a report"),
        (b"\xff\xfe\x00\x00binary", "a.rpt", "not a report"),
    ],
)
def test_a_file_without_figures_is_named_with_its_reason(tmp_path, text, name, reason):
    reading = read(tmp_path, text, name)
    assert reading.reports == ()
    (skipped,) = reading.skipped
    assert skipped.path == name
    assert reason in skipped.reason


def test_other_files_of_a_project_are_passed_over(tmp_path):
    (tmp_path / "top.json").write_text("{}")
    (tmp_path / "top.cpp").write_text("int x;")
    (tmp_path / "vivado.log").write_text("INFO\n")
    reading = read_reports(tmp_path)
    assert (reading.reports, reading.skipped) == ((), ())


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    (tmp_path / "secret.rpt").write_text(CSYNTH_RPT)
    inside = tmp_path / "project"
    inside.mkdir()
    (inside / "a.rpt").symlink_to(tmp_path / "secret.rpt")
    (skipped,) = read_reports(inside).skipped
    assert skipped.reason == "a link to another folder"


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(OptionError, match="not a folder"):
        read_reports(tmp_path / "nowhere")


# Values of ../shared/vendor_reports/README.md, read there with another script.
REAL = {
    "hls4ml/Vivado/myproject_csynth.xml": {
        "latency_cycles": 10,
        "interval_cycles": 8,
        "bram18": 0,
        "dsp": 73,
        "ff": 7969,
        "lut": 2532,
        "clock_ns": 5.0,
    },
    "mnist_depthwise/csynth.xml": {
        "latency_cycles": 1735,
        "interval_cycles": 1297,
        "bram18": 30,
        "dsp": 156,
        "ff": 30761,
    },
    "cgcn/solution1/csynth.xml": {"latency_cycles": None, "interval_cycles": None, "bram18": 1, "dsp": 6, "lut": 43565},
    "yolo_v3_tiny_hls4ml/csynth.xml": {
        "latency_cycles": 7861648,
        "interval_cycles": 4123601,
        "bram18": 366,
        "lut": 149767,
    },
    "da4ml/vitis_example_model/hls/csynth.rpt": {"latency_cycles": 3, "interval_cycles": 1, "dsp": 20, "clock_ns": 5.0},
    "mnist_float/c_mnist_cosim.rpt": {"latency_cycles": 4642865, "interval_cycles": None},
    "edalize/linux-on-litex-vexriscv/arty_a7/top_utilization_place.rpt": {
        "lut": 8297,
        "ff": 5434,
        "bram18": 59,
        "dsp": 4,
    },
    "ece226_conv1d/vivado_utilization.rpt": {"lut": 7722, "ff": 4864, "bram18": 24, "dsp": 467},
    "ece226_conv1d/vivado_power.rpt": {"power_w": 3.566, "dynamic_w": 0.610, "static_w": 2.956},
    "da4ml/vitis_example_model/hmodel_post_place_util.rpt": {"lut": 3837, "ff": 209, "bram18": 4, "dsp": 40},
    "da4ml/quartus_example_verilog_model_lc2/vmodel.flow.rpt": {"lut": None, "ff": 4260, "dsp": 40, "bram18": None},
    "partition_accelerator/MPSQ_power_routed.rpt": {"power_w": 6.786, "dynamic_w": 0.943, "static_w": 5.842},
}


def test_every_real_report_parses_or_says_why_not(shared):
    folder = shared / "vendor_reports"
    reading = read_reports(folder)
    found = {report.path: report for report in reading.reports}
    for path, figures in REAL.items():
        assert {name: found[path].values[name] for name in figures} == figures, path
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in {".rpt", ".xml", ".ndjson"}}
    skipped = {item.path for item in reading.skipped}
    assert files | {"hls4ml/Vivado/vivado_hls.app"} == set(found) | skipped
    assert len(skipped) == 5


def command(*arguments):
    return CliRunner().invoke(report, [str(argument) for argument in arguments])


def test_the_command_prints_and_writes_what_it_read(tmp_path):
    (tmp_path / "util.rpt").write_text(CASES["utilization, UltraScale+"][1])
    (tmp_path / "power.rpt").write_text(CASES["power"][1])
    (tmp_path / "broken.rpt").write_text("a poem")
    data = json.loads(command("--from", tmp_path, "--json").output)
    assert [item["path"] for item in data["reports"]] == ["power.rpt", "util.rpt"]
    assert set(FIGURES) | {"path", "tool", "version", "kind"} <= set(data["reports"][0])
    assert data["reports"][0]["lut"] is None
    assert data["reports"][1]["lut"] == 7722
    text = command("--from", tmp_path).output
    assert "7,722" in text
    assert "power.rpt: confidence: Low" in text
    assert "broken.rpt: not a report" in text


def test_beside_a_project_stands_its_estimate(tmp_path):
    write_mlp(tmp_path / "m.onnx")
    fixed = swm.quantize(swm.load(tmp_path / "m.onnx"), bits=8, calibration=inputs())
    swm.emit(fixed, board="pynq-z2", path=tmp_path / "project")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "util.rpt").write_text(CASES["utilization, 7-series"][1])
    data = json.loads(command("--from", tmp_path / "reports", tmp_path / "project", "--json").output)
    figures = swm.report(tmp_path / "project").boards[0].structured
    assert data["modelled"]["lut"] == figures.used.routed.lut
    assert data["modelled"]["interval_cycles"] == figures.plan.interval
    assert "modelled" in command("--from", tmp_path / "reports", tmp_path / "project").output


@pytest.mark.parametrize(
    "arguments",
    [(), ("m.onnx", "--from", "."), ("--from", ".", "--html", "r.html"), ("--from", ".", "--board", "kv260")],
)
def test_options_that_do_not_go_together(arguments):
    assert command(*arguments).exit_code == 2


def test_cells_that_say_nothing_of_area_do_not_hide_those_that_are_not_mapped():
    assert count_cells({"$scopeinfo": 9, "LUT4": 2, "PDPW16KD": 1})["bram18"] == 1
    assert uncounted_cells({"LUT4": 2, "PFUMX": 1, "WONDER": 3, "$add": 1}) == ("WONDER",)
