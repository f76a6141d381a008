# SPDX-License-Identifier: Apache-2.0
"""Area measured by yosys: right numbers or none, nothing mapped twice, and what a report says of them."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from emit.designs import Sketch
from emit.designs import design as cpp_design
from opentools.fakes import yosys
from rtl.many_networks import design

import swm
from swm.cli.synth import synth as synth_command
from swm.device import load_board
from swm.emit import emit_project
from swm.errors import OptionError, OutputError, ToolError
from swm.opentools import find_family, kept
from swm.opentools.families import FAMILIES, area_of, family_of
from swm.opentools.run import run_logged
from swm.opentools.tools import YOSYS, find_tool
from swm.package_data import hls_dir
from swm.report.measured import Area, Synthesis


def missing():
    try:
        return find_tool(YOSYS) is None
    except ToolError:
        return True


needs_yosys = pytest.mark.skipif(missing(), reason="needs yosys (pip install 'swm-fpga[open]')")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A dense layer of 12 to 5, one multiplier."""
    graph = Sketch(12, bits=8).product("x", "y", 5, activation="relu").graph()
    return emit_project(design(graph), tmp_path_factory.mktemp("synth") / "project")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def measured(project, cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWM_CACHE", str(cache))
        return swm.synth(project, family="ecp5")


@needs_yosys
def test_a_project_is_counted_a_layer_and_in_all(project, measured):
    assert [layer.name for layer in measured.layers] == ["", "l0_dense"]
    dense = measured.layers[1].area
    assert dense.dsp == 1
    assert dense.bram18 == dense.uram == 0
    assert 50 < dense.lut < 600 and 100 < dense.ff < 400  # yosys 0.23 takes 432 LUT, 0.70 some 300
    assert {p.name for p in measured.layers[0].processes} == {"input", "output", "top"}
    assert measured.area == sum((layer.area for layer in measured.layers), Area())
    data = json.loads(json.dumps(measured.to_json()))
    assert data["tool"].startswith("yosys 0.")
    assert data["layers"][1]["dsp"] == data["dsp"] == 1
    found, stale = kept(project, "synth_ecp5", Synthesis)
    assert found.value == measured and not stale


@needs_yosys
def test_what_was_mapped_before_is_neither_read_nor_mapped_again(project, measured, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("SWM_CACHE", str(cache))
    monkeypatch.setattr("swm.opentools.synth.in_parallel", lambda jobs, _: [1 / 0 for _ in jobs])
    monkeypatch.setattr("swm.opentools.synth.split_project", lambda *_: 1 / 0)
    again = swm.synth(project, family="ecp5")
    assert again.area == measured.area
    for file in cache.rglob("*.parts.json"):  # damaged: as if nobody had read it
        shutil.copy(file, tmp_path / file.name)
        file.write_text('[{"instance": 1}]')
    with pytest.raises(ZeroDivisionError):
        swm.synth(project, family="ecp5")
    for file in cache.rglob("*.parts.json"):
        shutil.copy(tmp_path / file.name, file)
    assert all(p.seconds == 0 for layer in again.layers for p in layer.processes)


@needs_yosys
def test_the_report_sets_it_beside_the_model_and_knows_when_it_is_old(project, measured, tmp_path):
    own = tmp_path / "p"
    shutil.copytree(project, own)
    report = swm.report(own)
    title = f"measured ({measured.tool}, family ecp5"
    text = report.to_text(width=200)
    assert title in text and f"{measured.area.ff:,}" in text
    assert report.to_json()["evidence"]["synthesis"][0]["lut"] == measured.area.lut
    assert title in report.to_html()
    assert "run swm synth again" not in text
    assert not swm.projects.changed_files(own, added=True) if hasattr(swm.projects, "changed_files") else True
    rom = next((own / "rom").glob("*weights.mem"))
    rom.write_text(rom.read_text().replace("0", "1", 1))
    assert "run swm synth again" in swm.report(own).to_text(width=200)


@needs_yosys
def test_a_project_that_yosys_does_not_read_gives_no_number(project, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("SWM_CACHE", str(cache))
    own = tmp_path / "p"
    shutil.copytree(project, own, ignore=shutil.ignore_patterns("measured"))
    (own / "rtl" / "swm_dense.sv").write_text("module swm_dense (\n")
    done = CliRunner().invoke(synth_command, [str(own), "--family", "ecp5"])
    assert isinstance(done.exception, ToolError)
    assert "syntax error" in str(done.exception) and "log:" in str(done.exception)
    assert not (own / "measured").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit(1)", "failed"),
        ("time.sleep(60)", "did not end within 600 s"),
        ("for f in ('all.il', 'top.il'): open(f, 'w')", "no instances"),
    ],
)
def test_a_tool_that_fails_hangs_or_lies_gives_no_number(project, tmp_path, monkeypatch, body, message):
    if "sleep" in body:
        monkeypatch.setattr("swm.opentools.parts.READ_S", 0.5)
        message = "did not end within 0.5 s"
    monkeypatch.setenv("SWM_YOSYS", yosys(tmp_path, body))
    monkeypatch.setenv("SWM_CACHE", str(tmp_path / "cache"))
    own = tmp_path / "p"
    shutil.copytree(project, own, ignore=shutil.ignore_patterns("measured"))
    with pytest.raises(ToolError, match=message):
        swm.synth(own)
    assert not (own / "measured").exists()


def test_a_command_that_is_killed_ends_its_tool(project, tmp_path):
    """As `timeout 60 swm synth` does."""
    child = tmp_path / "child"
    tool = yosys(tmp_path, f'open({str(child)!r}, "w").write(str(os.getpid()))\ntime.sleep(60)')
    environment = os.environ | {"SWM_YOSYS": tool, "SWM_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", "from swm.cli import main; main()", "synth", str(project)]
    swm_itself = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not (child.exists() and child.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    swm_itself.terminate()
    _, errors = swm_itself.communicate(timeout=60)
    assert swm_itself.returncode == 130
    assert "interrupted; nothing is left half written" in errors
    with pytest.raises(ProcessLookupError):
        os.killpg(int(child.read_text()), 0)


def test_cells_that_nobody_can_count_are_an_error():
    assert area_of({"LUT4": 3, "PFUMX": 1, "CCU2C": 2, "$scopeinfo": 9}) == Area(lut=7)
    assert area_of({"RAMB36E1": 1, "RAMB18E1": 1, "DSP48E1": 2, "FDRE": 5}) == Area(ff=5, dsp=2, bram18=3)
    intel = {"MISTRAL_ALUT5": 3, "MISTRAL_ALUT_ARITH": 4, "MISTRAL_MLAB": 2, "MISTRAL_FF": 7, "MISTRAL_M10K": 5}
    assert area_of(intel) == Area(lut=9, ff=7, m10k=5)
    multipliers = {"MISTRAL_MUL27X27": 1, "MISTRAL_MUL18X18": 3, "MISTRAL_MUL9X9": 1}
    assert area_of(multipliers) == Area(dsp=3)  # a whole block, three halves and a third
    with pytest.raises(ToolError, match="WONDER"):
        area_of({"LUT4": 3, "WONDER": 1})
    with pytest.raises(ToolError, match=r"\$mem_v2"):
        area_of({"LUT4": 3, "$mem_v2": 1})


def test_other_projects_and_families_are_refused(project, tmp_path):
    other = emit_project(cpp_design(Sketch(12, bits=8).product("x", "y", 5).graph()), tmp_path / "p")
    with pytest.raises(OptionError, match="--backend rtl"):
        swm.synth(other)
    with pytest.raises(OptionError, match="did you mean 'ecp5'"):
        find_family("ecp4")
    with pytest.raises(
        OptionError, match="board adm-pcie-ku3: the open tools do not map to devices of family ultrascale"
    ):
        family_of(load_board("adm-pcie-ku3"))
    with pytest.raises(OutputError):
        swm.synth(tmp_path)


def test_an_old_yosys_maps_no_cyclone(project, tmp_path, monkeypatch):
    monkeypatch.setenv("SWM_YOSYS", yosys(tmp_path, version="0.23"))
    with pytest.raises(ToolError, match=r"yosys 0\.23 .*does not map Intel Cyclone V as it should, 0\.70 does"):
        swm.synth(project, family="cyclonev")


@needs_yosys
def test_a_cyclone_has_alms_and_blocks_of_ten_kilobits(project, cache, tmp_path, monkeypatch):
    """The device of the SWM paper: counted by yosys, beside what the listed devices hold."""
    if find_tool(YOSYS).version < FAMILIES["cyclonev"].least:
        pytest.skip("needs a newer yosys (pip install 'swm-fpga[open]')")
    monkeypatch.setenv("SWM_CACHE", str(cache))
    own = shutil.copytree(project, tmp_path / "project")
    done = CliRunner().invoke(synth_command, [str(own), "--family", "cyclonev"])
    assert done.exit_code == 0, done.output
    assert "ALUT" in done.output and "M10K" in done.output and "BRAM18" not in done.output
    (row,) = [line for line in done.output.splitlines() if "cyclonev-5cea9 has" in line]
    assert re.findall(r"[\d,]{3,}", row.split("has")[1]) == ["227,120", "454,240", "342", "1,220"]  # and no UltraRAM
    found, _ = kept(own, "synth_cyclonev", Synthesis)
    assert found.value.area.dsp == 1 and found.value.area.lut > 0 and found.value.area.bram18 == 0


@needs_yosys
@pytest.mark.parametrize(("a", "b"), [(4, 3), (3, 4)])
def test_a_multiplier_in_luts_takes_no_dsp_and_gives_the_same_product(tmp_path, a, b):
    """yosys knows no attribute for it, so it reads rows; they are proven equal to the product that Vivado reads."""
    shutil.copy(hls_dir() / "rtl" / "swm_multiply.sv", tmp_path)
    ports = f"input clk, input signed [{a - 1}:0] a, input signed [{b - 1}:0] b, output [{a + b - 1}:0] p, q"
    sizes = f".WA({a}), .WB({b})"
    fabric, usual = (
        f"swm_multiply #({sizes}, .FABRIC({f})) u{f} (.clk, .a, .b, .p({p}));" for f, p in ((1, "p"), (0, "q"))
    )
    lines = [f"module both({ports});", fabric, usual, "endmodule", f"module alone({ports});", fabric, "endmodule", ""]
    (tmp_path / "both.sv").write_text("\n".join(lines))
    script = [
        "read_verilog -sv -defer swm_multiply.sv both.sv",
        "design -save read",
        "hierarchy -top both",
        "proc; flatten; opt",
        "sat -seq 2 -verify -prove p q -set-init-zero -maxsteps 4 -tempinduct",
        "design -load read",
        "synth_ecp5 -top alone",
        "select -assert-none t:MULT18X18D",
    ]
    (tmp_path / "prove.ys").write_text("\n".join(script) + "\n")
    run_logged([find_tool(YOSYS).program, "-q", "-s", "prove.ys"], tmp_path, tmp_path / "log", limit_s=120)
