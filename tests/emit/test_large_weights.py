# SPDX-License-Identifier: Apache-2.0
"""ROMs of thousands of words: files that C simulation reads, text that only synthesis sees, the same bits by both."""

import subprocess

import numpy as np
import pytest
from designs import Sketch, design

from swm.emit import emit_project, verify_project
from swm.emit.roms import TEXT_WORDS
from swm.errors import OutputError, ToolError

BACKENDS = ["vitis", "generic"]
MOST_TEXT = 20_000  # bytes of a header; the weights alone take some ten times as much as text


def graph():
    """A circulant layer and a dense one of more words than stand in a header, and one of fewer."""
    sketch = Sketch(96, bits=12).product("x", "h", 96, block=2, activation="relu")
    return sketch.product("h", "g", 64, activation="relu").product("g", "y", 3).graph()


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    return {name: emit_project(design(graph(), name), folder / name) for name in BACKENDS}


def sources(project):
    """What a compiler reads of a project, its library aside."""
    return [*project.glob("src/*.h"), *project.glob("src/*.cpp"), *project.glob("tb/*.cpp")]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_compiler_reads_no_large_rom(projects, backend):
    project = projects[backend]
    sizes = {file.stem: file.stat().st_size for file in (project / "tb").glob("*.bin")}
    assert sizes == {
        "l0_circulant_weights": 2 * 96 * 96 // 2,
        "l1_dense_weights": 2 * 96 * 64,
    }  # and not l2, of 192 words
    assert all(size // 2 > TEXT_WORDS for size in sizes.values())
    assert {file.stem for file in (project / "src").glob("*.inc")} == set(sizes)
    assert max(file.stat().st_size for file in sources(project)) < MOST_TEXT
    result = verify_project(project)
    assert result.ok, (result.first_mismatch, result.remarks)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_text_for_synthesis_has_the_same_numbers(tmp_path, projects, backend):
    """The road that a synthesis tool takes, through a plain compiler: no file is read."""
    project = projects[backend]
    streams = ["-DSWM_VITIS", "-Isim"] if backend == "vitis" else []
    flags = ["-std=c++14", "-O1", *streams, "-Iinclude", "-Isrc", "src/top.cpp", "tb/testbench.cpp"]
    subprocess.run(["g++", *flags, "-o", tmp_path / "sim"], cwd=project, check=True)
    names = [project / "tb" / "input.dat", project / "tb" / "expected.dat"]
    done = subprocess.run([tmp_path / "sim", *names], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "16 frames, 48 words, 0 differ\n"), done.stderr


def test_the_makefile_reads_the_files_and_the_tools_are_given_them(projects):
    project = projects["vitis"]
    done = subprocess.run(["make", "csim"], cwd=project, capture_output=True, text=True, check=False)
    assert "48 words, 0 differ" in done.stdout, done.stderr
    for name in ("hls_config.cfg", "tcl/vitis_hls.tcl"):
        text = (project / name).read_text()
        assert all(f"tb/{layer}_weights.bin" in text for layer in ("l0_circulant", "l1_dense")), name
        assert "-DSWM_ROM_FILES" in text


def test_a_changed_a_short_and_a_missing_file(projects):
    file = projects["generic"] / "tb" / "l1_dense_weights.bin"
    whole = file.read_bytes()
    words = np.frombuffer(whole, "<i2").copy()
    words[::7] ^= 64
    file.write_bytes(words.tobytes())
    result = verify_project(projects["generic"])
    assert not result.ok and result.mismatches > 0
    assert result.edited == ("tb/l1_dense_weights.bin",)
    file.write_bytes(whole[:-1])
    with pytest.raises(ToolError, match=r"wrong size: l1_dense_weights\.bin \(12288 bytes"):
        verify_project(projects["generic"])
    file.unlink()
    with pytest.raises(OutputError, match=r"lacks tb/l1_dense_weights\.bin"):
        verify_project(projects["generic"])
    file.write_bytes(whole)
