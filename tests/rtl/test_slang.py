# SPDX-License-Identifier: Apache-2.0
"""The library and a top in the eyes of slang, a second SystemVerilog front end beside Verilator's."""

import pytest
from emit.designs import convolutions, images
from rtl.many_networks import design
from rtl.networks import attention, every_kind, gates, pooled
from rtl.sequences import gru, lstm, passes, started

from swm.emit import emit_project
from swm.graph import GlobalAveragePool, GlobalMaxPool
from swm.package_data import hls_dir

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


NETWORKS = {
    "every kind": lambda: design(every_kind(8)),
    "convolutions": lambda: design(convolutions()),
    "images": lambda: design(images()),
    "mean of all": lambda: design(pooled(GlobalAveragePool, 9)),
    "greatest of all": lambda: design(pooled(GlobalMaxPool, 6)),
    "gates": lambda: design(gates()),
    "attention": lambda: design(attention(8)),
    "exact quotients": lambda: design(attention(8, exact=True)),
    "passes": passes,
    "lstm": lstm,
    "gru": gru,
    "started": started,
    "board": lambda: design(every_kind(4), board="ulx3s"),
}


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slang")
    return {name: emit_project(make(), folder / name.replace(" ", "_")) for name, make in NETWORKS.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_slang_has_no_complaint(projects, name):
    top = "board_top" if name == "board" else "swm_top"
    assert complaints(sorted((projects[name] / "rtl").glob("*.sv")), top) == []


def test_every_module_is_read(projects):
    read = {file.name for project in projects.values() for file in (project / "rtl").glob("*.sv")}
    assert read - {"swm_top.sv", "board_top.sv"} == {file.name for file in (hls_dir() / "rtl").glob("*.sv")}


def test_slang_finds_what_is_wrong(tmp_path):
    project = emit_project(design(every_kind(8)), tmp_path / "p")
    file = project / "rtl" / "swm_round.sv"
    file.write_text(
        file.read_text().replace("input  logic                  clk", "input  logic                  clock")
    )
    assert complaints(sorted((project / "rtl").glob("*.sv")))
