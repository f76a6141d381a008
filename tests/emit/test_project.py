# SPDX-License-Identifier: Apache-2.0
"""Emitted projects: bit-exact in both flavours and on both sets of headers, byte-identical, safe names, golden text."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support import inputs, write_mlp

import swm
from swm.errors import CalibrationError, OptionError, OutputError, ToolError, UnknownBoard
from swm.fixed import safe_identifier

GOLDEN = Path(__file__).parent / "golden"
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


def network(tmp_path, *, block=4, bits=12, seed=0, **options):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", seed=seed, **options))
    width = graph.inputs[0].type.shape[1]
    x = inputs(100, width)
    if block:
        graph = swm.convert(graph, block=block, calibration=x).graph
    return swm.quantize(graph, bits=bits, calibration=x), x


@pytest.mark.parametrize("flavour", ["vitis", "generic"])
@pytest.mark.parametrize(
    ("block", "widths", "activation", "bits"),
    [
        (None, (20, 24, 16, 5), "Relu", 12),
        (2, (21, 13, 10, 3), "Sigmoid", 8),
        (4, (20, 24, 16, 5), "Tanh", 12),
        (8, (50, 37, 29, 5), "Relu", 16),
        (32, (100, 130, 64, 7), "Relu", 12),
        (128, (300, 260, 10), "Tanh", 18),
    ],
)
def test_c_simulation_equals_the_integer_engine(tmp_path, flavour, block, widths, activation, bits):
    fixed, x = network(tmp_path, block=block, widths=widths, activation=activation, bits=bits)
    loud = np.concatenate([x[:10], 40 * x[10:20]])  # saturating inputs too
    project = swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", hls=flavour, vectors=loud)
    result = swm.verify(project)
    assert result.ok, result.first_mismatch
    assert (result.words, result.mismatches) == (20 * widths[-1], 0)
    assert result.saturated > 0
    assert result.iterations == result.iterations_expected


@pytest.mark.parametrize("board", ["zcu104", "kv260", "arty-a7-100t"])
def test_parallelism_of_every_board_gives_the_same_bits(tmp_path, board):
    fixed, x = network(tmp_path, block=8, widths=(70, 90, 50, 5))
    assert swm.verify(swm.emit(fixed, board=board, path=tmp_path / "p", vectors=x[:8])).ok


def test_dense_twin_is_emitted_with_the_same_library(tmp_path):
    graph = swm.convert(swm.load(write_mlp(tmp_path / "m.onnx")), block=4, calibration=inputs()).graph
    twin = swm.quantize(swm.dense_twin(graph), bits=12, calibration=inputs())
    assert {s.kind for s in twin.specs} == {"dense"}
    project = swm.emit(twin, board="pynq-z2", path=tmp_path / "p", vectors=inputs(8), reference=graph)
    result = swm.verify(project)
    assert result.ok
    assert result.top1_agreement == 1.0


def test_clang_compiles_without_warnings(tmp_path):
    pytest.importorskip("shutil").which("clang++") or pytest.skip("needs clang++ (Debian: apt-get install clang)")
    fixed, x = network(tmp_path)
    for flavour in ("vitis", "generic"):
        project = swm.emit(fixed, board="pynq-z2", path=tmp_path / flavour, hls=flavour, vectors=x[:3])
        assert swm.verify(project, compiler="clang++").ok


def test_project_on_the_real_ap_int_headers(tmp_path):
    found = importlib.util.find_spec("hls4ml")
    if found is None or not found.submodule_search_locations:
        pytest.skip("needs the ap_int headers in the hls4ml wheel (pip install --no-deps hls4ml==1.3.0)")
    headers = Path(found.submodule_search_locations[0]) / "templates" / "vivado" / "ap_types"
    fixed, x = network(tmp_path, block=4, widths=(12, 16, 4), activation="Tanh")
    project = swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", vectors=np.concatenate([x[:20], 40 * x[:5]]))
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


def test_two_emissions_are_byte_identical(tmp_path):
    projects = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        fixed, x = network(tmp_path / name)
        projects.append(swm.emit(fixed, board="pynq-z2", path=tmp_path / name / "p", vectors=x))
    files = [sorted(f.relative_to(p) for f in p.rglob("*") if f.is_file()) for p in projects]
    assert files[0] == files[1]
    for file in files[0]:
        assert (projects[0] / file).read_bytes() == (projects[1] / file).read_bytes(), file


@pytest.mark.parametrize("place", ["src", "tb"])
def test_one_flipped_bit_fails_the_verification(tmp_path, place):
    fixed, x = network(tmp_path, widths=(12, 16, 4))
    project = swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", hls="generic", vectors=x[:50])
    file = next((project / "src").glob("weights_l0*")) if place == "src" else project / "tb" / "input.dat"
    text = file.read_text()
    start = text.index("= {\n{") + 5 if place == "src" else 0
    end = min(i for c in ",} \n" if (i := text.find(c, start)) > 0)
    file.write_text(text[:start] + str(int(text[start:end]) ^ 32) + text[end:])
    result = swm.verify(project)
    assert not result.ok
    assert result.mismatches > 0
    assert "C++" in result.first_mismatch


def test_testbench_alone_returns_non_zero_on_a_difference(tmp_path):
    fixed, x = network(tmp_path, widths=(12, 16, 4))
    project = swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", hls="generic", vectors=x[:5])
    assert subprocess.run(["make", "-C", project, "csim"], capture_output=True, check=False).returncode == 0
    expected = project / "tb" / "expected.dat"
    words = expected.read_text().split(" ", 1)
    expected.write_text(f"{int(words[0]) ^ 1} {words[1]}")
    assert subprocess.run(["make", "-C", project, "csim"], capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("flavour", ["vitis", "generic"])
def test_names_from_a_model_reach_nothing_but_identifiers_and_comments(tmp_path, flavour):
    widths = (8,) * (len(NASTY) + 1)
    fixed, x = network(tmp_path, block=None, widths=widths, names=NASTY, name='top"; $(touch pwned) */ ../ \\')
    project = swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", hls=flavour, vectors=x[:2])
    for file in project.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9_./-]+", str(file.relative_to(project))), file
        if file.is_file() and file.suffix in (".cpp", ".h", ".tcl", "") and "include" not in file.parts:
            text = file.read_text()
            assert not any(bad in text for bad in ('system("rm")', "$(touch", "[exec", "etc/passwd")), file
    assert swm.verify(project).ok
    assert subprocess.run(["make", "-C", project, "csim"], capture_output=True, check=False).returncode == 0
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("text", [*NASTY, "__x__", "9lives", "a" * 200])
def test_safe_identifiers(text):
    assert re.fullmatch(r"([A-Za-z0-9]+_)*[A-Za-z0-9]*", safe_identifier(text))
    assert "__" not in safe_identifier(text)
    assert len(safe_identifier(text)) <= 24


def test_refused_outputs_leave_nothing_behind(tmp_path):
    fixed, x = network(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match="not empty"):
        swm.emit(fixed, board="pynq-z2", path=tmp_path / "full", vectors=x)
    with pytest.raises(OutputError, match="not written by swm"):
        swm.emit(fixed, board="pynq-z2", path=tmp_path / "full", vectors=x, force=True)
    with pytest.raises(OutputError, match="not a folder"):
        swm.emit(fixed, board="pynq-z2", path=tmp_path / "file", vectors=x)
    with pytest.raises(UnknownBoard, match="zcu104"):
        swm.emit(fixed, board="zcu105", path=tmp_path / "p", vectors=x)
    with pytest.raises(OptionError, match="flavour"):
        swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", hls="verilog")
    with pytest.raises(CalibrationError):
        swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", vectors=x[:, :5])
    with pytest.raises(CalibrationError, match="labels"):
        swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", vectors=x, labels=np.zeros(3, np.int64))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_crash_in_the_middle_leaves_the_old_project(tmp_path, monkeypatch):
    import sys

    fixed, x = network(tmp_path)
    project = swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", vectors=x[:2])
    before = {f: f.read_bytes() for f in project.rglob("*") if f.is_file()}

    def full_disk(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.modules["swm.emit._project"], "save_fixed", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        swm.emit(fixed, board="zcu104", path=project, vectors=x[:2], force=True)
    assert {f: f.read_bytes() for f in project.rglob("*") if f.is_file()} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "p"]


def test_damaged_projects_are_told(tmp_path):
    fixed, x = network(tmp_path)
    with pytest.raises(OutputError, match="no project"):
        swm.verify(tmp_path)
    project = swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", hls="generic", vectors=x[:2])
    with pytest.raises(ToolError, match="no C\\+\\+ compiler"):
        swm.verify(project, compiler="no-such-compiler")
    top = project / "src" / "top.cpp"
    top.write_text(top.read_text() + "\nsyntax error\n")
    with pytest.raises(ToolError, match="does not compile"):
        swm.verify(project)
    top.unlink()
    with pytest.raises(OutputError, match=r"lacks src/top\.cpp"):
        swm.verify(project)


def test_manifest_states_what_the_schedule_said(tmp_path):
    fixed, x = network(tmp_path)
    project = swm.emit(fixed, board="zcu104", path=tmp_path / "p", vectors=x[:2])
    manifest = json.loads((project / "swm_project.json").read_text())
    report = swm.report(fixed, boards=["zcu104"])
    assert manifest["interval_cycles"] == report.boards[0].structured.plan.interval
    assert set(manifest["sha256"]) == {
        str(f.relative_to(project)) for f in project.rglob("*") if f.is_file() and f.name != "swm_project.json"
    }


@pytest.mark.parametrize("flavour", ["vitis", "generic"])
@pytest.mark.parametrize("file", ["src/top.cpp", "src/layers.h", "src/top.h"])
def test_emitted_text_is_the_golden_text(tmp_path, flavour, file):
    """After a wanted change: SWM_UPDATE_GOLDEN=1 pytest tests/emit, then read the difference."""
    import os

    fixed, x = network(tmp_path, block=4, widths=(16, 16, 4), activation="Sigmoid")
    project = swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", hls=flavour, vectors=x[:2])
    golden = GOLDEN / flavour / Path(file).name
    if os.environ.get("SWM_UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text((project / file).read_text())
    assert (project / file).read_text() == golden.read_text()
