# SPDX-License-Identifier: Apache-2.0
"""Emitted projects: bit exact for both back ends and sets of headers, byte identical, safe names, golden text."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from designs import Sketch, convolutions, curves, design, images, mlp, normal, residual, sequence

from swm.accelerator.integers import run_fixed
from swm.emit import emit_project, verify_project
from swm.errors import CalibrationError, OutputError, ToolError

GOLDEN = Path(__file__).parent / "golden"
WIDEST_WORD = 4096
NASTY = [
    'a"; system("rm");//',
    "new\nline\\",
    "../../etc/passwd",
    "$(touch x)",
    "int",
    "class",
    "[exec x]",
    "ü*/#",
    "",
    "a b",
]


def vectors(graph, samples=8, loud=4):
    """Inputs in range, then some that saturate."""
    values = np.random.default_rng(5).normal(size=(samples + loud, graph.inputs)) * graph.input.largest / 3
    values[samples:] *= 20
    return values.astype(np.float32)


def chain(block, widths, activation, bits):
    sketch = Sketch(widths[0], bits=bits)
    for index, m in enumerate(widths[1:]):
        last = index == len(widths) - 2
        sketch.product(
            "x" if index == 0 else f"h{index - 1}",
            f"h{index}",
            m,
            block=block if not last else None,
            activation="identity" if last else activation,
        )
    return sketch.graph()


def positions_graph():
    """Three positions of 20 channels; a product at each, a scale, and a dense layer over all of them."""
    sketch = Sketch(20, positions=3)
    sketch.product("x", "a", 16, block=4, positions=3, activation="tanh").scale("a", "b", activation="relu")
    return sketch.product("b", "y", 5).graph()


def joined_graph():
    """Two paths side by side, one tensor read three times."""
    sketch = Sketch(12, bits=10)
    sketch.product("x", "a", 8, block=2, activation="sigmoid").product("a", "b", 8, block=8)
    return sketch.concat(["a", "b"], "c").add("a", "b", "d").concat(["c", "d"], "e").product("e", "y", 3).graph()


CASES = {
    "mlp": (mlp, {}),
    "mlp wide": (
        mlp,
        {
            "ends": (4, 2),
            "built": {
                "l0_circulant": {"in_vec": 8, "out_vec": 16, "mac_rows": 2, "mac_columns": 3, "mac_bins": 4},
                "l1_dense": {"in_vec": 4, "out_vec": 2, "rows": 2, "columns": 8},
            },
        },
    ),
    "residual": (residual, {"ends": (2, 4)}),
    "dense": (lambda: chain(None, (20, 24, 16, 5), "relu", 12), {}),
    "block 2": (lambda: chain(2, (21, 13, 10, 3), "sigmoid", 8), {}),
    "block 16": (lambda: chain(16, (50, 37, 29, 5), "relu", 16), {"ends": (2, 1)}),
    "block 32": (lambda: chain(32, (100, 130, 64, 7), "relu", 12), {}),
    "block 128": (lambda: chain(128, (300, 260, 10), "tanh", 18), {}),
    "positions": (positions_graph, {"ends": (4, 1), "built": {"l0_circulant": {"in_vec": 4, "out_vec": 2}}}),
    "joined": (joined_graph, {}),
}


@pytest.mark.parametrize("backend", ["vitis", "generic"])
@pytest.mark.parametrize("case", CASES)
def test_c_simulation_equals_the_integer_engine(tmp_path, backend, case):
    make, options = CASES[case]
    made = design(make(), backend, **({} if backend == "generic" else options))
    project = emit_project(made, tmp_path / "p", vectors=vectors(made.graph))
    result = verify_project(project)
    assert result.ok, (result.first_mismatch, result.remarks)
    assert (result.words, result.mismatches) == (12 * made.graph.outputs, 0)
    assert result.saturated > 0
    assert result.interval_cycles == made.schedule.interval
    names = {f"{placed.spec.name}.{p.name}" for placed in made.schedule.layers for p in placed.processes}
    edges = {"axi.input", "axi.output"} if backend == "vitis" else set()
    assert set(result.iterations) == names | edges
    assert all(result.iterations.values())


@pytest.mark.parametrize("frames", [1, 5])
def test_a_core_without_control_port_takes_frames_by_itself(tmp_path, frames):
    made = design(mlp(), control="ap_ctrl_none", frames=frames)
    project = emit_project(made, tmp_path / "p", vectors=vectors(made.graph))
    result = verify_project(project)
    assert result.ok, (result.first_mismatch, result.remarks)
    beats = made.schedule.input.beats
    assert result.iterations["axi.input"] == -(-12 // frames) * frames * beats
    text = (project / "src" / "top.cpp").read_text()
    assert "ap_ctrl_none" in text
    assert (
        "s_axilite" not in text + (project / "hls_config.cfg").read_text() + (project / "tcl/vitis_hls.tcl").read_text()
    )


def test_a_stream_that_is_one_too_shallow_is_told_by_name(tmp_path):
    made = design(residual())
    deep = max(made.schedule.edges, key=lambda e: e.depth)
    assert deep.depth > 2, "the path around two layers waits for them"
    project = emit_project(made, tmp_path / "p")
    top = project / "src" / "top.cpp"
    text = top.read_text()
    top.write_text(text.replace(f"({deep.name}, {deep.depth})", f"({deep.name}, {deep.depth + 1})"))
    result = verify_project(project)
    assert not result.ok
    assert any(f"depths differ from the design in {deep.name}" in line for line in result.remarks)
    top.write_text(text.replace(f"({deep.name}, {deep.depth})", f"({deep.name}, 1)"))
    with pytest.raises(ToolError, match=rf"deadlock[\s\S]*{deep.name}"):
        verify_project(project)


@pytest.mark.parametrize("case", ["mlp wide", "residual", "joined", "block 32"])
def test_no_word_is_wider_than_the_tools_take(tmp_path, case):
    make, options = CASES[case]
    made = design(make(), **options)
    project = emit_project(made, tmp_path / "p")
    top, layers = (project / "src" / "top.cpp").read_text(), (project / "src" / "layers.h").read_text()
    ports = (project / "src" / "top.h").read_text()
    words = [int(bits) * int(count) for bits, count in re.findall(r"vec<swm::int_t<(\d+)>, (\d+)>", top)]
    words += [
        int(container) * int(vec) for vec, container in re.findall(r" vec = (\d+),[\s\S]*?container = (\d+);", ports)
    ]
    words += [
        int(bits) * int(lanes) for bits, lanes in re.findall(r"weight_bits = (\d+)[\s\S]*?rom_lanes = (\d+)", layers)
    ]
    internal = re.findall(r"vec<(\w+)_traits::(\w+), (\d+)>", top)
    for name, element, count in internal:
        spec = next(s for s in made.graph.specs if s.name == name)
        bits = {"spectrum_t": spec.spectrum_bits, "rounded_t": spec.rounded_bits}.get(element, spec.inverse_pass_bits)
        words.append(bits * int(count))
    assert len(words) > len(internal) + 2
    assert max(words) <= WIDEST_WORD


def test_clang_compiles_without_warnings(tmp_path):
    shutil.which("clang++") or pytest.skip("needs clang++ (Debian: apt-get install clang)")
    for backend in ("vitis", "generic"):
        project = emit_project(design(residual(), backend), tmp_path / backend)
        assert verify_project(project, compiler="clang++").ok


def test_project_on_the_real_ap_int_headers(tmp_path):
    found = importlib.util.find_spec("hls4ml")
    if found is None or not found.submodule_search_locations:
        pytest.skip("needs the ap_int headers in the hls4ml wheel (pip install --no-deps hls4ml==1.3.0)")
    headers = Path(found.submodule_search_locations[0]) / "templates" / "vivado" / "ap_types"
    made = design(chain(4, (12, 16, 4), "tanh", 12))
    project = emit_project(made, tmp_path / "p", vectors=vectors(made.graph, 20, 5))
    result = subprocess.run(
        ["make", "-C", project, "csim", f"AP_TYPES={headers}"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "100 words, 0 differ" in result.stdout
    flags = ["-std=c++14", "-DSWM_VITIS", "-Iinclude", "-Isrc", "-isystem", headers, "-isystem", "sim"]
    command = ["g++", *flags, "-M", "src/top.cpp"]
    opened = subprocess.run(command, capture_output=True, text=True, cwd=project, check=True)
    assert str(headers / "ap_int.h") in opened.stdout  # and not the stand-in of the same name
    assert "sim/ap_int.h" not in opened.stdout


@pytest.mark.parametrize("backend", ["vitis", "generic"])
def test_two_emissions_are_byte_identical(tmp_path, backend):
    projects = [emit_project(design(residual(), backend), tmp_path / name) for name in ("a", "b")]
    files = [sorted(f.relative_to(p) for f in p.rglob("*") if f.is_file()) for p in projects]
    assert files[0] == files[1]
    for file in files[0]:
        assert (projects[0] / file).read_bytes() == (projects[1] / file).read_bytes(), file


@pytest.mark.parametrize("place", ["src", "tb"])
def test_one_flipped_bit_fails_the_verification(tmp_path, place):
    made = design(mlp(), "generic")
    project = emit_project(made, tmp_path / "p", vectors=vectors(made.graph, 50, 0))
    file = next((project / "src").glob("weights_l0*")) if place == "src" else project / "tb" / "input.dat"
    text = file.read_text()
    start = text.index("= {\n{{") + 6 if place == "src" else 0
    end = min(i for c in ",} \n" if (i := text.find(c, start)) > 0)
    file.write_text(text[:start] + str(int(text[start:end]) ^ 32) + text[end:])
    result = verify_project(project)
    assert not result.ok
    assert result.mismatches > 0
    assert "C++" in result.first_mismatch


def test_testbench_alone_returns_non_zero_on_a_difference(tmp_path):
    made = design(mlp(), "generic")
    project = emit_project(made, tmp_path / "p", vectors=vectors(made.graph))
    assert subprocess.run(["make", "-C", project, "csim"], capture_output=True, check=False).returncode == 0
    expected = project / "tb" / "expected.dat"
    words = expected.read_text().split(" ", 1)
    expected.write_text(f"{int(words[0]) ^ 1} {words[1]}")
    assert subprocess.run(["make", "-C", project, "csim"], capture_output=True, check=False).returncode != 0


def test_the_testbench_of_a_co_simulation_takes_one_frame_and_then_a_few(tmp_path):
    made = design(mlp())
    project = emit_project(made, tmp_path / "a project")
    subprocess.run(["make", "csim"], cwd=project, capture_output=True, check=True)
    binary = project / "build" / "csim"

    def run(*arguments, folder=project):
        return subprocess.run([binary, *arguments], cwd=folder, capture_output=True, text=True, check=False)

    few = run("--cosim", "4")  # no names: as the simulators call it; the files lie in tb
    assert (few.returncode, few.stdout) == (0, f"4 frames, {4 * made.graph.outputs} words, 0 differ\n")
    beside = run("--cosim", "3", folder=project / "tb")  # and there beside it
    assert beside.stdout.startswith("3 frames")
    assert run("--cosim", "1").returncode == 2
    assert run("nowhere.dat").returncode == 2
    (project / "tb" / "input.dat").write_text("1 2 3\n")
    assert "as many lines" in run().stderr


def test_verification_reads_the_design_of_the_project(tmp_path):
    made = design(mlp())
    project = emit_project(made, tmp_path / "p")
    file = project / "verify" / "design.json"
    stored = json.loads(file.read_text())
    stored["layers"][0]["place"]["processes"][1]["program"]["period"] += 1
    stored["schedule"]["interval"] = 77
    file.write_text(json.dumps(stored))
    result = verify_project(project)
    assert not result.ok
    assert result.mismatches == 0
    assert result.interval_cycles == 77
    name = f"{made.schedule.layers[0].spec.name}.{made.schedule.layers[0].processes[1].name}"
    assert any(f"differ from the design in {name}" in line for line in result.remarks)


@pytest.mark.parametrize("backend", ["vitis", "generic"])
def test_names_from_a_model_reach_nothing_but_identifiers_and_comments(tmp_path, backend):
    sketch = Sketch(8, name='top"; $(touch pwned) */ ../ \\')
    for index, name in enumerate(NASTY):
        sketch.product("x" if index == 0 else f"h{index - 1}", f"h{index}", 8, node=name)
    project = emit_project(design(sketch.graph(), backend), tmp_path / "p")
    for file in project.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9_./-]+", str(file.relative_to(project))), file
        if file.is_file() and file.suffix in (".cpp", ".h", ".tcl", ".cfg", ".md", "") and "include" not in file.parts:
            text = file.read_text()
            assert not any(bad in text for bad in ('system("rm")', "$(touch", "[exec", "etc/passwd")), file
    assert verify_project(project).ok
    assert subprocess.run(["make", "-C", project, "csim"], capture_output=True, check=False).returncode == 0
    assert not list(tmp_path.rglob("pwned"))


def test_refused_outputs_leave_nothing_behind(tmp_path):
    made = design(mlp())
    x = vectors(made.graph)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match="not empty"):
        emit_project(made, tmp_path / "full")
    with pytest.raises(OutputError, match="not written by swm"):
        emit_project(made, tmp_path / "full", force=True)
    with pytest.raises(OutputError, match="not a folder"):
        emit_project(made, tmp_path / "file")
    with pytest.raises(CalibrationError):
        emit_project(made, tmp_path / "p", vectors=x[:, :5])
    with pytest.raises(CalibrationError, match="finite"):
        emit_project(made, tmp_path / "p", vectors=np.full_like(x, np.nan))
    with pytest.raises(CalibrationError, match="labels"):
        emit_project(made, tmp_path / "p", vectors=x, labels=np.zeros(3, np.int64))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_crash_in_the_middle_leaves_the_old_project(tmp_path, monkeypatch):
    made = design(mlp())
    project = emit_project(made, tmp_path / "p")
    before = {f: f.read_bytes() for f in project.rglob("*") if f.is_file()}

    def full_disk(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.modules["swm.emit.project"], "save_design", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        emit_project(design(residual()), project, force=True)
    assert {f: f.read_bytes() for f in project.rglob("*") if f.is_file()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_damaged_projects_are_told(tmp_path):
    with pytest.raises(OutputError, match="not a project"):
        verify_project(tmp_path)
    project = emit_project(design(mlp(), "generic"), tmp_path / "p")
    with pytest.raises(ToolError, match="no C\\+\\+ compiler"):
        verify_project(project, compiler="no-such-compiler")
    top = project / "src" / "top.cpp"
    top.write_text(top.read_text() + "\nsyntax error\n")
    with pytest.raises(ToolError, match="does not compile"):
        verify_project(project)
    saved = project / "verify" / "design.json"
    saved.write_text(saved.read_text()[:1000])
    with pytest.raises(OutputError, match="damaged"):
        verify_project(project)
    top.unlink()
    with pytest.raises(OutputError, match=r"lacks src/top\.cpp"):
        verify_project(project)


def test_manifest_states_what_the_schedule_says(tmp_path):
    made = design(mlp())
    project = emit_project(made, tmp_path / "p")
    manifest = json.loads((project / "swm_project.json").read_text())
    assert (manifest["backend"], manifest["board"]) == ("vitis", "pynq-z2")
    assert manifest["interval_cycles"] == made.schedule.interval
    assert set(manifest["sha256"]) == {
        str(f.relative_to(project)) for f in project.rglob("*") if f.is_file() and f.name != "swm_project.json"
    }


def test_labels_give_an_accuracy(tmp_path):
    made = design(mlp(), "generic")
    x = vectors(made.graph, 10, 0)
    labels = run_fixed(made.graph, x).values.argmax(axis=1)
    labels[0] = (labels[0] + 1) % 4
    result = verify_project(emit_project(made, tmp_path / "p", vectors=x, labels=labels))
    assert result.accuracy == pytest.approx(0.9)


GENERIC_FOLDERS = {"Makefile", "README.md", "include", "src", "swm_project.json", "tb", "verify"}


def test_folders_of_a_project(tmp_path):
    vitis = emit_project(design(mlp()), tmp_path / "v")
    generic = emit_project(design(mlp(), "generic"), tmp_path / "g")
    assert {p.name for p in generic.iterdir()} == GENERIC_FOLDERS
    assert {p.name for p in vitis.iterdir()} == GENERIC_FOLDERS | {"board", "hls_config.cfg", "sim", "tcl"}
    text = "".join((generic / "src" / f).read_text() for f in ("top.h", "top.cpp", "layers.h"))
    assert not re.search(r"hls::|ap_|#pragma HLS|SWM_(?!TAP\()", text)


def test_a_back_end_from_outside_brings_its_templates(tmp_path):
    (tmp_path / "note.j2").write_text("{{ layer_count }} layers, {{ interval }} cycles\n")
    made = design(mlp(), "generic")
    files = (*made.backend.files, (str(tmp_path / "note.j2"), "notes/note.txt"))
    noted = replace(made, schedule=replace(made.schedule, backend=replace(made.backend, name="noted", files=files)))
    project = emit_project(noted, tmp_path / "p")
    assert (project / "notes" / "note.txt").read_text() == f"2 layers, {made.schedule.interval} cycles\n"
    assert verify_project(project).ok


@pytest.mark.parametrize("backend", ["vitis", "generic"])
@pytest.mark.parametrize("network", [mlp, residual, curves, normal, convolutions, images, sequence])
@pytest.mark.parametrize("file", ["src/top.cpp", "src/layers.h", "src/top.h"])
def test_emitted_text_is_the_golden_text(tmp_path, backend, network, file):
    """After a wanted change: SWM_UPDATE_GOLDEN=1 pytest tests/emit -k golden, then read the difference."""
    built = {"l0_circulant": {"in_vec": 4, "out_vec": 4}} if network in (mlp, residual) else {}
    options = {"ends": (4, 2), "built": built} if backend == "vitis" else {}
    project = emit_project(design(network(name=network.__name__), backend, **options), tmp_path / "p")
    golden = GOLDEN / backend / network.__name__ / Path(file).name
    if os.environ.get("SWM_UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text((project / file).read_text())
    assert (project / file).read_text() == golden.read_text()
