# SPDX-License-Identifier: Apache-2.0
"""A design that its board does not hold: said first, with what helps, and not written unless asked for."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from support import inputs, write_mlp

import swm
from swm.cli.emit import emit as command
from swm.emit import emit_project
from swm.errors import DoesNotFit
from swm.remedies import does_not_fit


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network whose weights take some 1.3 times the block RAM of the Pynq-Z2 at 12 bits."""
    folder = tmp_path_factory.mktemp("large")
    write_mlp(folder / "m.onnx", widths=(640, 880, 10))
    write_mlp(folder / "s.onnx")
    np.save(folder / "x.npy", inputs(20, 640))
    np.save(folder / "s.npy", inputs(20))
    return folder


@pytest.fixture(scope="module")
def large(folder):
    return swm.quantize(swm.load(folder / "m.onnx"), bits=12, calibration=inputs(20, 640))


def test_emit_refuses_it_and_names_what_helps(large, tmp_path):
    with pytest.raises(DoesNotFit) as caught:
        swm.emit(large, board="pynq-z2", path=tmp_path / "p")
    error = caught.value
    assert not list(tmp_path.iterdir())
    assert (error.board, error.block) == ("pynq-z2", 2)
    assert error.overflow.startswith("BRAM18") and error.overflow in str(error)
    assert error.bits in (4, 6, 8, 10) and error.boards[0] == "kv260"  # the smallest, by its UltraRAM
    assert 1 < len(error.boards) <= 3
    assert "--block 2" in str(error) and "allow_overflow=True" in str(error)
    small = swm.convert(swm.load(large.source.source), block=error.block).graph
    fixed = swm.quantize(small, bits=12, calibration=inputs(20, 640))
    assert swm.design(fixed, board="pynq-z2").schedule.fits
    assert swm.design(large, board="kv260").schedule.fits
    for bits in (error.bits, error.bits + 2):
        fewer = swm.quantize(large.source, bits=bits, calibration=inputs(20, 640))
        assert swm.design(fewer, board="pynq-z2").schedule.fits == (bits == error.bits)


def test_the_block_named_is_the_smallest_that_fits(large):
    wide = swm.quantize(large.source, bits=18, calibration=inputs(20, 640))
    error = does_not_fit(swm.design(wide, board="pynq-z2"))
    assert error.block == 4
    for block in (2, 4):
        small = swm.convert(large.source, block=block).graph
        fixed = swm.quantize(small, bits=18, calibration=inputs(20, 640))
        assert swm.design(fixed, board="pynq-z2").schedule.fits == (block == 4)


def test_the_verdict_stands_in_what_is_written_all_the_same(large, tmp_path):
    made = swm.design(large, board="pynq-z2")
    with pytest.raises(DoesNotFit):
        swm.emit(made, path=tmp_path / "p")
    project = swm.emit(made, path=tmp_path / "p", allow_overflow=True)
    verdict = f"DOES NOT FIT pynq-z2: {made.schedule.overflow}"
    for file in ("README.md", "src/top.h"):
        text = (project / file).read_text()
        assert verdict in text and text.index(verdict) < 400, file
    assert json.loads((project / "swm_project.json").read_text())["fits"] is False


def test_a_design_without_its_source_is_refused_too(large, tmp_path):
    made = swm.design(large, board="pynq-z2")
    bare = replace(made, graph=replace(made.graph, source=None))
    with pytest.raises(DoesNotFit, match="try a larger block"):
        swm.emit(bare, path=tmp_path / "p")


def test_a_design_that_fits_says_so(folder, tmp_path):
    fixed = swm.quantize(swm.load(folder / "s.onnx"), bits=12, calibration=inputs())
    project = emit_project(swm.design(fixed, board="pynq-z2"), tmp_path / "p")
    for file in ("README.md", "src/top.h"):
        assert "The design fits pynq-z2 by the resource model" in (project / file).read_text()


def test_the_command(folder, tmp_path):
    project = tmp_path / "p"
    road = ["-o", str(project), "--board", "pynq-z2", "--calibration"]
    arguments = [str(folder / "m.onnx"), *road, str(folder / "x.npy")]
    done = CliRunner().invoke(command, [*arguments, "--json"])
    assert isinstance(done.exception, DoesNotFit)  # main() prints it and exits with 1
    assert json.loads(done.stdout)["fits"] is False and "BRAM18" in json.loads(done.stdout)["overflow"]
    assert not project.exists()
    done = CliRunner().invoke(command, [*arguments, "--allow-overflow"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("The design DOES NOT FIT pynq-z2: BRAM18")
    done = CliRunner().invoke(command, [str(folder / "s.onnx"), *road, str(folder / "s.npy"), "--force", "--json"])
    assert json.loads(done.stdout)["fits"] is True


def test_main_exits_with_1(folder, tmp_path, monkeypatch, capsys):
    from swm.cli import main

    road = ["-o", str(tmp_path / "p"), "--board", "pynq-z2", "--calibration", str(folder / "x.npy")]
    monkeypatch.setattr("sys.argv", ["swm", "emit", str(folder / "m.onnx"), *road])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert "swm convert --block" in capsys.readouterr().err.replace("\n", " ")
