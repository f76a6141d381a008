# SPDX-License-Identifier: Apache-2.0
"""The library and a top in the eyes of slang, a second SystemVerilog front end beside Verilator's."""

import pytest
from emit.designs import convolutions, images
from rtl.many_networks import design
from rtl.networks import every_kind
from rtl.sequences import gru, lstm, passes

from swm.emit import emit_project

pyslang = pytest.importorskip("pyslang", reason="needs pyslang (pip install pyslang)")


# A shift register of one beat is shifted out whole, which gives 0 and is meant.
OPTIONS = "-Wdefault -Wno-shift-count-overflow"


def complaints(files, top="swm_top"):
    """What slang says of a compilation, errors and warnings."""
    driver = pyslang.driver.Driver()
    driver.addStandardArgs()
    arguments = " ".join(["slang", OPTIONS, f"--top {top}", *map(str, files)])
    assert driver.parseCommandLine(arguments)
    assert driver.processOptions() and driver.parseAllSources()
    compilation = driver.createCompilation()
    found = compilation.getAllDiagnostics()
    engine = driver.diagEngine
    quiet = pyslang.DiagnosticSeverity.Ignored
    return [engine.formatMessage(one) for one in found if engine.getSeverity(one.code, one.location) != quiet]


def test_slang_reads_every_kind(tmp_path):
    project = emit_project(design(every_kind(8)), tmp_path / "p")
    assert complaints(sorted((project / "rtl").glob("*.sv"))) == []


@pytest.mark.parametrize("made", [passes, lstm, gru])
def test_slang_reads_passes_and_steps(tmp_path, made):
    project = emit_project(made(), tmp_path / "p")
    assert complaints(sorted((project / "rtl").glob("*.sv"))) == []


@pytest.mark.parametrize("sketch", [convolutions, images])
def test_slang_reads_kernels_over_images(tmp_path, sketch):
    project = emit_project(design(sketch()), tmp_path / "p")
    assert complaints(sorted((project / "rtl").glob("*.sv"))) == []


def test_slang_reads_the_top_of_a_board(tmp_path):
    project = emit_project(design(every_kind(4), board="ulx3s"), tmp_path / "p")
    assert complaints(sorted((project / "rtl").glob("*.sv")), "board_top") == []


def test_slang_finds_what_is_wrong(tmp_path):
    project = emit_project(design(every_kind(8)), tmp_path / "p")
    file = project / "rtl" / "swm_round.sv"
    file.write_text(
        file.read_text().replace("input  logic                  clk", "input  logic                  clock")
    )
    assert complaints(sorted((project / "rtl").glob("*.sv")))
