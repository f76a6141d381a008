# SPDX-License-Identifier: Apache-2.0
"""A design that its board does not hold: said first, with what helps, and not written unless asked for."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from support import inputs, write_mlp

import swm
from swm.accelerator.backend import backend
from swm.cli.emit import emit as command
from swm.device import load_board
from swm.emit import emit_project
from swm.errors import DoesNotFit
from swm.remedies import _Fitting, does_not_fit


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
    (row,) = swm.report(large, boards="pynq-z2").boards
    assert row.remedy == error.remedy and row.remedy in str(error)
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


def test_a_block_and_bits_are_named_together_where_neither_does_alone(large, monkeypatch):
    made = swm.design(large, board="pynq-z2")

    def told(fits):
        monkeypatch.setattr(_Fitting, "fits", lambda self, bits, board, block=None: fits(bits, block or 1))
        return does_not_fit(made)

    found = told(lambda bits, block: block >= 8 and bits <= 8)
    assert (found.block, found.bits, found.both) == (None, None, (8, 8))
    assert "blocks of 8 at 8 bits (swm convert --block 8, then --bits 8) would fit" in str(found)
    assert told(lambda bits, block: block >= 4 and bits <= 6).both == (4, 6)
    assert told(lambda bits, block: bits <= 6).both is None
    nothing = told(lambda bits, block: False)
    assert nothing.both is None and "the network has to be smaller" in str(nothing)


def test_no_block_is_named_that_hardware_does_not_take(tmp_path):
    """Recurrent layers have blocks of 64 at most: one of 128 would leave them to the host, and be refused."""
    weights = {"W": (1, 1024, 256), "R": (1, 1024, 256)}
    values = [numpy_helper.from_array(np.zeros(s, np.float32) + 0.01, k) for k, s in weights.items()]
    node = helper.make_node("LSTM", ["x", "W", "R"], ["y"], hidden_size=256)
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [3, 1, 256]), ("y", None))]
    model = helper.make_model(
        helper.make_graph([node], "g", ends[:1], ends[1:], values), opset_imports=[helper.make_opsetid("", 17)]
    )
    onnx.save(onnx.shape_inference.infer_shapes(model), tmp_path / "m.onnx")
    source = swm.frame(swm.load(tmp_path / "m.onnx"), batch_axis=1)
    fitting = _Fitting(source, source, backend("vitis"))
    board = load_board("alveo-u55c")
    assert fitting.fits(12, board, 64)
    assert not fitting.fits(12, board, 128)


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
    told = " ".join(swm.report(bare).to_text(details=False).split())
    assert f"{made.schedule.overflow}. Try a larger block (swm convert --block)" in told


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
