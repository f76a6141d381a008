# SPDX-License-Identifier: Apache-2.0
"""Projects of back end rtl: what is emitted, what `verify` says of right and of wrong ones, what is refused."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from emit.designs import Sketch
from emit.designs import design as cpp_design
from rtl.many_networks import design
from support import inputs, write_mlp

import swm
from swm.accelerator.backend import RTL
from swm.accelerator.schedule import make_schedule
from swm.cli.check import check as check_command
from swm.cli.emit import emit as emit_command
from swm.cli.verify import verify as verify_command
from swm.device.board import load_board
from swm.emit import emit_project, rtl_icarus, rtl_verify, verify_project
from swm.errors import OptionError, OutputError, ToolError, UnsupportedModel
from swm.layers.rtl.base import RtlModule
from swm.layers.rtl.beats import ScaleRtl
from swm.layers.rtl.registry import register_rtl, rtl, unregister_rtl
from swm.package_data import hls_dir
from swm.progress import quiet
from swm.report.sentences import verified_sentence

FRAMING = Path(__file__).parent / "framing.cpp"
needs_verilator = pytest.mark.skipif(
    shutil.which("verilator") is None, reason="needs verilator (Debian: apt-get install verilator)"
)


def sketch():
    return Sketch(12, bits=8).product("x", "y", 5, activation="relu").graph()


def test_a_design_for_the_serial_line_is_small_and_its_report_says_what_bounds_it(tmp_path):
    """64 bytes and 8 around them at 1,000,000 baud and 25 MHz: 18,000 cycles a frame."""
    write_mlp(tmp_path / "m.onnx", widths=(64, 32, 5))
    np.save(tmp_path / "x.npy", inputs(64, width=64))
    common = [str(tmp_path / "m.onnx"), "--board", "ulx3s", "--calibration", str(tmp_path / "x.npy"), "--bits", "8"]
    fastest = [*common, "--backend", "rtl", "--interval", "fastest", "-o", str(tmp_path / "fast")]
    done = CliRunner().invoke(emit_command, fastest)
    assert done.exit_code == 0, done.output
    assert "brings one in 18,000 at best: --interval line makes a smaller design" in " ".join(done.output.split())
    line = [*common, "--backend", "rtl", "-o", str(tmp_path / "line")]
    done = CliRunner().invoke(emit_command, line)
    assert done.exit_code == 0, done.output
    said = "brings one in 18,000 at best, its only way in: the smallest design that keeps up (--interval line"
    assert said in " ".join(done.output.split())
    fast, slow = (swm.load_project(tmp_path / name).schedule for name in ("fast", "line"))
    assert (fast.target, slow.target) == (None, 18_000)
    assert fast.interval < slow.interval <= 18_000
    report = swm.report(tmp_path / "line")
    (row,) = report.boards
    assert row.dense.plan.target == 18_000  # the twin is as slow as was asked, too
    text = " ".join(report.to_text(width=200).split())
    assert "18,000 cycles a frame is what the serial line brings: the smallest such design" in text
    assert "The serial line brings one frame in 18,000 cycles at best: 1,390 inferences/s at 1,000,000 baud" in text
    for wrong, said in (
        (["--interval", "many"], "neither a number of cycles nor 'line' or 'fastest'"),
        (["--interval", "line", "--board", "zcu104"], "board zcu104 has none; give a number of cycles"),
        (["--interval", "line", "--backend", "vitis"], "back end vitis does not use one"),
        (["--interval", "2"], "no parallelism reaches 2 cycles"),
    ):
        done = CliRunner().invoke(emit_command, [*line, "-o", str(tmp_path / "no"), *wrong])
        assert done.exit_code != 0 and said in done.output + str(done.exception)
        assert not (tmp_path / "no").exists()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return emit_project(design(sketch()), tmp_path_factory.mktemp("rtl") / "project")


@pytest.fixture(scope="module")
def model(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    rtl_verify._build(project, folder, quiet)
    return folder / "model"


@pytest.fixture
def built(model, monkeypatch):
    """A model is built once; ROM files are read when it runs."""
    monkeypatch.setattr(rtl_verify, "_build", lambda _path, folder, _note: shutil.copytree(model, folder / "model"))


def test_the_same_design_gives_the_same_bytes(project, tmp_path):
    again = emit_project(design(sketch()), tmp_path / "again")
    files = sorted(f.relative_to(project) for f in project.rglob("*") if f.is_file() and f.name != "result.json")
    assert files == sorted(f.relative_to(again) for f in again.rglob("*") if f.is_file())
    assert all((project / f).read_bytes() == (again / f).read_bytes() for f in files)
    top = (project / "rtl" / "swm_top.sv").read_text(encoding="utf-8")
    assert ".ROWS(1)" in top
    assert '.WEIGHTS("rom/l0_dense_weights.mem")' in top
    assert not (project / "rtl" / "swm_rfft_unrolled.sv").exists()  # modules that nothing takes stay behind


def test_rom_files_hold_the_weights(tmp_path):
    built = {"l0_dense": {"rows": 2, "columns": 4, "in_vec": 2}}
    made = design(sketch(), built=built)
    project = emit_project(made, tmp_path / "p")
    words = (project / "rom" / "l0_dense_weights.mem").read_text(encoding="ascii").split()
    weights = made.graph.layers[0].arrays["weights"]  # (5, 12)
    assert len(words) == 3 * 3
    first = bytes.fromhex(words[1])[::-1]  # rows 0 and 1, columns 4 to 7
    assert np.frombuffer(first, np.int8).tolist() == weights[:2, 4:8].ravel().tolist()


@needs_verilator
def test_verify_says_what_it_measured(project, built, tmp_path):
    del built
    result = CliRunner().invoke(verify_command, ["--rtl", str(project), "--frames", "60", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["rtl"]
    plan = design(sketch()).schedule
    assert found["words"] == (2 * 60 + 1) * 5
    assert found["mismatches"] == 0
    assert (found["interval_cycles"], found["latency_cycles"]) == (plan.interval, plan.latency) == (60, 86)
    assert found["stalled_interval_cycles"] > 60
    assert found["input_waits"] == found["input_waits_modelled"] == 60 - 12
    kept = rtl_verify.RtlMeasured(**found)
    assert kept.cycles_agree
    assert not any(replace(kept, **off).cycles_agree for off in ({"input_waits": 51.0}, {"latency_cycles": 89}))
    assert "Verilator" in found["tool"]
    text = CliRunner().invoke(verify_command, [str(project)])
    assert "bit-exact" in text.output
    assert "interval 60.0 cycles measured, 60 modelled" in " ".join(text.output.split())
    assert "in RTL simulation, which measured interval 60, latency 86 cycles" in verified_sentence(swm.report(project))


@needs_verilator
def test_a_wrong_weight_is_found(project, built, tmp_path):
    del built
    other = shutil.copytree(project, tmp_path / "p")
    rom = other / "rom" / "l0_dense_weights.mem"
    lines = rom.read_text(encoding="ascii").splitlines()
    rom.write_text("\n".join([f"{int(lines[0], 16) ^ 0x40:02x}", *lines[1:]]) + "\n", encoding="ascii")
    result = verify_project(other)
    assert not result.ok
    assert result.rtl.mismatches > 0
    assert result.rtl.cycles_agree
    assert "RTL" in result.first_mismatch
    assert result.edited == ("rom/l0_dense_weights.mem",)
    done = CliRunner().invoke(verify_command, [str(other)])
    assert done.exit_code == 1
    assert "DIFFERS" in done.output


@needs_verilator
def test_other_cycles_than_the_design_says_are_a_failure(built, tmp_path):
    del built
    made = design(sketch())
    wrong = replace(made, schedule=replace(made.schedule, latency=90))
    result = verify_project(emit_project(wrong, tmp_path / "p"))
    assert not result.rtl.mismatches
    assert not result.ok
    done = CliRunner().invoke(verify_command, [str(tmp_path / "p")])
    assert done.exit_code == 1
    assert "86 measured, 90 modelled: they DIFFER" in " ".join(done.output.split())


@needs_verilator
def test_a_wrong_frame_spoils_itself_alone(project, model, tmp_path):
    """A short and a long frame among good ones, through a testbench of its own."""
    del model
    sources = [str(f) for f in sorted((project / "rtl").glob("*.sv"))]
    flags = ["--cc", "--exe", "--build", "--top-module", "swm_top", "--Mdir", str(tmp_path / "model")]
    flags += ["-MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"]
    subprocess.run(["verilator", *flags, *sources, str(FRAMING)], check=True, capture_output=True)
    done = subprocess.run([tmp_path / "model" / "Vswm_top"], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == "frames 6, short 1, long 1"


def test_icarus_takes_verilators_place(project, tmp_path, monkeypatch):
    """The same words and cycles; registers start undefined there, and no word may be."""
    tools = {name: shutil.which(name) for name in ("iverilog", "vvp")}
    if None in tools.values():
        pytest.skip("needs iverilog (Debian: apt-get install iverilog)")
    for name, tool in tools.items():
        (tmp_path / name).symlink_to(tool)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(rtl_verify.shutil, "which", lambda name: tools.get(name))
    result = verify_project(project, frames=200)
    assert result.ok, result.first_mismatch
    assert "Icarus" in result.rtl.tool
    assert (result.rtl.interval_cycles, result.rtl.latency_cycles) == (60, 86)
    assert result.rtl.stalled_interval_cycles > 60
    other = shutil.copytree(project, tmp_path / "p")
    rom = other / "rom" / "l0_dense_weights.mem"
    lines = rom.read_text(encoding="ascii").splitlines()
    rom.write_text("\n".join(["xx", *lines[1:]]) + "\n", encoding="ascii")
    assert not verify_project(other).ok


def test_what_icarus_says_is_read(project, tmp_path, monkeypatch):
    """Without Icarus, too: its results as the testbench writes them, ends without one, and no end at all."""
    said = {"alone": "w 1\nw x\ne 86\ns 1 86 0\n", "rate": "w 1\ni 2\ne 9\ns 0 9 3\n", "stalls": "d\n"}

    def run(command, note, folder=None):
        output = Path(next(part for part in command if part.startswith("+output=")).removeprefix("+output="))
        if output.stem in said:
            output.write_text(said[output.stem], encoding="ascii")
        return subprocess.CompletedProcess(command, 1, "", "cannot open the files")

    monkeypatch.setattr(rtl_icarus, "run_tool", run)
    with pytest.raises(ToolError, match="deadlock"):
        rtl_icarus.simulate_icarus(project, tmp_path, 1, quiet)
    said["stalls"] = said["rate"]
    words, measured = rtl_icarus.simulate_icarus(project, tmp_path, 1, quiet)
    assert words.tolist() == [1, rtl_icarus.UNKNOWN, 1, 1]
    assert measured["alone"] == {"right": True, "cycles": 86, "output_waits": 0, "ends": [86], "waits": []}
    assert not measured["rate"]["right"] and measured["rate"]["waits"] == [2]
    for file in tmp_path.glob("*.txt"):
        file.unlink()
    said.clear()
    with pytest.raises(ToolError, match="status 1\ncannot open the files"):
        rtl_icarus.simulate_icarus(project, tmp_path, 1, quiet)


def test_without_verilator_the_message_says_how_to_get_it(project, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError, match="apt-get install verilator"):
        verify_project(project)


def test_a_source_that_does_not_build_is_a_message(project, tmp_path):
    if shutil.which("verilator") is None:
        pytest.skip("needs verilator")
    other = shutil.copytree(project, tmp_path / "p")
    (other / "rtl" / "swm_dense.sv").write_text("module swm_dense (\n", encoding="utf-8")
    with pytest.raises(ToolError, match="verilator does not build"):
        verify_project(other)


def test_rtl_of_a_cpp_project_and_too_few_frames_are_refused(project, tmp_path):
    other = emit_project(cpp_design(sketch()), tmp_path / "p")
    with pytest.raises(OptionError, match="--backend rtl"):
        verify_project(other, rtl=True)
    with pytest.raises(OptionError, match="at least 48"):
        verify_project(project, frames=3)
    with pytest.raises(OutputError):
        verify_project(tmp_path, rtl=True)


def test_the_table_of_an_activation_is_a_rom(tmp_path):
    made = design(Sketch(12, bits=8).product("x", "y", 5, activation="swish").graph())
    project = emit_project(made, tmp_path / "p")
    table = made.graph.layers[0].curve
    words = [int(word, 16) for word in (project / "rom" / "l0_dense_activation.mem").read_text("ascii").split()]
    assert [word & ((1 << table.start_bits) - 1) for word in words] == [
        s % (1 << table.start_bits) for s in table.starts
    ]
    assert [word >> table.start_bits for word in words] == [r % (1 << table.rise_bits) for r in table.rises]
    assert '.TABLE("rom/l0_dense_activation.mem")' in (project / "rtl" / "swm_top.sv").read_text(encoding="utf-8")


@pytest.fixture
def no_circulant_rtl():
    known = rtl("circulant")
    unregister_rtl("circulant")
    yield
    register_rtl("circulant", known)


def test_check_and_emit_say_which_node_has_no_rtl(tmp_path, no_circulant_rtl):
    del no_circulant_rtl
    path = write_mlp(tmp_path / "dense.onnx", widths=(64, 64, 8))
    graph = swm.convert(swm.load(path), block=32, calibration=inputs(width=64)).graph
    swm.save(graph, tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", inputs(width=64))
    found = CliRunner().invoke(check_command, [str(tmp_path / "m.onnx"), "--backend", "rtl", "--json"])
    assert found.exit_code == 1
    nodes = {node["name"]: node for node in json.loads(found.stdout)["nodes"]}
    assert "have no RTL" in nodes["fc0"]["reason"]
    assert nodes["fc1"]["hardware"]
    assert CliRunner().invoke(check_command, [str(tmp_path / "m.onnx")]).exit_code == 0
    arguments = [tmp_path / "m.onnx", "-o", tmp_path / "p", "--board", "pynq-z2", "--calibration", tmp_path / "x.npy"]
    done = CliRunner().invoke(emit_command, [*map(str, arguments), "--hls", "rtl"])
    assert isinstance(done.exception, UnsupportedModel)
    assert not (tmp_path / "p").exists()


def test_a_kind_without_rtl_is_refused_and_can_be_given_one():
    dense = rtl("dense")
    unregister_rtl("dense")
    try:
        with pytest.raises(UnsupportedModel, match="dense 'l0_dense': layers of this kind have no RTL"):
            make_schedule(sketch().shape, load_board("pynq-z2"), backend=RTL)
    finally:
        register_rtl("dense", dense)
    assert make_schedule(sketch().shape, load_board("pynq-z2"), backend=RTL).fits


def test_a_kind_from_outside_brings_its_module_along(tmp_path):
    text = (hls_dir() / "rtl" / "swm_scale.sv").read_text(encoding="utf-8")
    source = tmp_path / "own_scale.sv"
    source.write_text(text.replace("module swm_scale", "module own_scale"), encoding="utf-8")

    class OwnScale(ScaleRtl):
        sources = (source,)

        def modules(self, layer, built):
            return tuple(RtlModule("own_scale", module.parameters) for module in super().modules(layer, built))

    usual = rtl("scale")
    register_rtl("scale", OwnScale())
    try:
        made = design(Sketch(12, bits=8).scale("x", "y", activation="relu").graph())
        project = emit_project(made, tmp_path / "p")
    finally:
        register_rtl("scale", usual)
    assert (project / "rtl" / "own_scale.sv").read_bytes() == source.read_bytes()
    assert "  own_scale #(" in (project / "rtl" / "swm_top.sv").read_text(encoding="utf-8")
    assert (project / "rtl" / "swm_multiply.sv").exists()  # which it takes
    if shutil.which("verilator"):
        done = subprocess.run(["make", "lint"], cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_what_yosys_reads_computes_the_same_words(tmp_path):
    """Tools differ in signs of parameters and in casts: the netlist of yosys goes through the same testbench."""
    if shutil.which("yosys") is None or shutil.which("verilator") is None:
        pytest.skip("needs yosys and verilator (Debian: apt-get install yosys verilator)")
    sketch = (
        Sketch(6, bits=6).product("x", "a", 5, activation="leaky_relu").product("a", "b", 6, block=4, activation="gelu")
    )
    made = design(
        sketch.scale("b", "c", activation="hard_sigmoid").prelu("c", "d").scale("d", "y", activation="clip").graph()
    )
    project = emit_project(made, tmp_path / "p")
    script = "read_verilog -sv -defer rtl/*.sv; hierarchy -check -top swm_top; proc; check -assert; flatten; opt_clean;"
    script += " write_verilog -noattr netlist.v"
    done = subprocess.run(["yosys", "-q", "-p", script], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    flags = ["--cc", "--exe", "--build", "-Wno-fatal", "-Wno-lint", "--top-module", "swm_top", "--Mdir", "model"]
    flags += ["-MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0", "netlist.v", str(project / "sim/testbench.cpp")]
    subprocess.run(["verilator", *flags], cwd=project, check=True, capture_output=True)
    done = subprocess.run(["model/Vswm_top"], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "33 frames, 0 words differ" in done.stdout
