# SPDX-License-Identifier: Apache-2.0
"""Weights in UltraRAM: loaded once through a port, kept from call to call, chosen where block RAM lacks."""

import json
import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from designs import Sketch, design, mlp

from swm.accelerator.backend import GENERIC, VITIS
from swm.accelerator.fixed_graph import NetworkShape, ShapedLayer
from swm.accelerator.loading import loads, weight_bytes
from swm.accelerator.resources import estimate, load_cost
from swm.accelerator.schedule import make_schedule
from swm.accelerator.search import Search
from swm.accelerator.store_design import load_design, save_design
from swm.device.board import load_board
from swm.device.limits import Limits
from swm.device.memories import memory
from swm.emit import emit_project, verify_project
from swm.errors import OptionError
from swm.layers.dense import DenseBuilt, DenseSpec
from swm.layers.products import bank_lanes
from swm.layers.registry import kind
from swm.layers.values import TensorShape

URAM = {"storage": "uram"}
WITH, WITHOUT = ("kv260", "zcu104"), ("arty-a7-100t", "pynq-z2")


def sketch(block, widths, bits):
    made = Sketch(widths[0], bits=bits)
    for index, m in enumerate(widths[1:]):
        source = "x" if index == 0 else f"h{index - 1}"
        made.product(source, f"h{index}", m, block=None if index == len(widths) - 2 else block, activation="relu")
    return made.graph()


def forced(case, **options):
    """A circulant layer and a dense one, both with weights that are loaded."""
    block, widths, bits, built = CASES[case]
    graph = sketch(block, widths, bits)
    names = [spec.name for spec in graph.specs]
    chosen = {name: {**URAM, **extra} for name, extra in zip(names, built, strict=True)}
    return design(graph, built=chosen, board="kv260", **options)


CASES = {
    "block 8": (8, (40, 24, 5), 12, ({"mac_rows": 3, "mac_columns": 2, "mac_bins": 4}, {"rows": 5, "columns": 2})),
    "block 32": (32, (70, 64, 7), 12, ({"mac_rows": 2, "mac_bins": 4}, {"rows": 7, "columns": 4})),
    "dense": (None, (20, 24, 6), 8, ({"rows": 3, "columns": 4}, {})),
    "18 bits": (8, (24, 16, 4), 18, ({"products": 4}, {"rows": 4, "columns": 4})),
}


@pytest.mark.parametrize("case", CASES)
def test_loaded_weights_are_bit_exact_and_kept(tmp_path, case):
    made = forced(case)
    filled = loads(made.schedule)
    assert [load.layer for load in filled] == [spec.name for spec in made.graph.specs]
    result = verify_project(emit_project(made, tmp_path / "p"))  # its testbench repeats the first frame without a load
    assert result.ok, (result.first_mismatch, result.remarks)
    assert result.mismatches == 0
    for load in filled:
        assert result.iterations[f"{load.layer}.weights"] == load.beats
        assert result.depths[f"{load.layer}_load"] == 2
    assert result.iterations["axi.weights"] == sum(load.beats for load in filled)
    first = made.schedule.layers[0]
    calls = (result.samples, 1)
    for process in first.processes:
        wanted = sum(process.program.iterations(frames) for frames in calls)
        assert result.iterations[f"{first.spec.name}.{process.name}"] == wanted


def test_the_weights_come_from_the_port_and_nowhere_else(tmp_path):
    made = forced("block 8")
    project = emit_project(made, tmp_path / "p")
    sent = np.fromfile(project / "weights.bin", np.uint8)
    np.testing.assert_array_equal(sent, weight_bytes(made).ravel())
    (first, second), bits = loads(made.schedule), 64
    assert sent.size == (first.beats + second.beats) * bits // 8
    layer, placed = made.graph.layers[0], made.schedule.layers[0]
    rom = kind("circulant").roms(layer, placed.built)[0].values
    words = sent[: first.beats * bits // 8].view("<i2").reshape(-1, first.word_beats * 4)
    np.testing.assert_array_equal(words[:, : first.memory.lanes], rom.reshape(-1, first.memory.lanes))
    header = (project / "src" / f"weights_{layer.spec.name}.h").read_text()
    assert f"{layer.spec.name}_bias[" in header
    assert f"{layer.spec.name}_weights[" not in header
    file = project / "tb" / "weights.dat"
    lines = file.read_text().split()
    file.write_text("\n".join([str(int(lines[0]) ^ 64), *lines[1:]]) + "\n")
    result = verify_project(project)
    assert not result.ok
    assert result.mismatches > 0


def test_a_stream_that_ends_early_is_told(tmp_path):
    project = emit_project(forced("dense"), tmp_path / "p")
    assert subprocess.run(["make", "-C", project, "csim"], capture_output=True, check=False).returncode == 0
    few = subprocess.run(
        [project / "build" / "csim", "--cosim", "3"], cwd=project, capture_output=True, text=True, check=False
    )
    assert (few.returncode, few.stdout) == (0, "3 frames, 18 words, 0 differ\n")
    file = project / "tb" / "weights.dat"
    file.write_text("\n".join(file.read_text().split()[:-1]) + "\n")
    result = subprocess.run(["make", "-C", project, "csim"], capture_output=True, text=True, check=False)
    assert result.returncode != 0


def test_only_a_design_that_loads_has_the_port(tmp_path):
    plain = emit_project(design(mlp(), board="kv260"), tmp_path / "plain")
    for file in plain.rglob("*"):
        if file.is_file() and file.suffix in (".cpp", ".cfg", ".tcl", ".md", ".h") and "include" not in file.parts:
            assert not re.search(r"weights\.dat|weights\.bin|weights_edge|bool load[,)]|uram", file.read_text()), file
    assert not (plain / "weights.bin").exists()
    mixed = design(mlp(), built={"l0_circulant": URAM}, board="kv260")
    loaded = emit_project(mixed, tmp_path / "loaded")
    top = (loaded / "src" / "top.cpp").read_text()
    assert top.count("type = ram_s2p impl = uram") == 1
    assert top.count("type = rom_1p impl = bram") == 1
    assert "INTERFACE mode = axis port = weights" in top
    assert "INTERFACE mode = s_axilite port = load)" in top
    assert "tb.file=tb/weights.dat" in (loaded / "hls_config.cfg").read_text()
    assert verify_project(loaded).ok


@pytest.mark.parametrize("options", [{"backend": "generic"}, {"control": "ap_ctrl_none"}])
def test_a_back_end_without_the_port_refuses(tmp_path, options):
    made = forced("dense", **options)
    assert not made.backend.loads_weights
    with pytest.raises(OptionError, match="loaded at start"):
        emit_project(made, tmp_path / "p")


def test_such_a_design_is_read_as_it_was_written(tmp_path):
    made = forced("block 8")
    save_design(made, tmp_path)
    read = load_design(tmp_path)
    assert read.schedule == made.schedule
    assert json.loads((tmp_path / "design.json").read_text())["layers"][0]["built"]["storage"] == "uram"
    np.testing.assert_array_equal(weight_bytes(read), weight_bytes(made))


def test_resources_are_charged():
    made = forced("dense").schedule
    used, plain = estimate(made), estimate(replace(made, layers=design(sketch(None, (20, 24, 6), 8)).schedule.layers))
    assert used.routed.uram == sum(
        memory(m.depth, m.lanes * m.bits, banks=m.banks, writes=1, kind="uram").uram
        for m in (load.memory for load in loads(made))
    )
    assert plain.routed.uram == 0
    rest = {p.name: p.routed for p in used.layers[-1].processes}
    assert set(rest) == {"axi", "weights", "board"}
    cost = load_cost(made.board, 2)
    assert rest["weights"].ff == pytest.approx(cost.ff, abs=1)
    assert "weights" not in {p.name for p in plain.layers[-1].processes}


@pytest.mark.parametrize("lanes", [1, 6, 12, 36, 85, 288, 306, 512])
def test_banks_of_uram_leave_few_columns_empty(lanes):
    """72 bits a column: never more of them than with the banks of a ROM."""
    bits = 12
    used = {kind: lanes // d * -(-d * bits // 72) for kind in ("bram", "uram") for d in [bank_lanes(lanes, bits, kind)]}
    assert used["uram"] <= used["bram"]
    assert bank_lanes(306, bits, "uram") == 18  # and not 51, whose 612 bits take nine columns


def dense_twin(bits=12):
    """784-512-512-10, the bundled network left dense."""
    layers = [
        ShapedLayer(
            DenseSpec(name, (TensorShape(n, bits),), TensorShape(m, bits), "relu", weight_bits=bits), (source,), target
        )
        for name, n, m, source, target in (
            ("fc1", 784, 512, "x", "a"),
            ("fc2", 512, 512, "a", "b"),
            ("fc3", 512, 10, "b", "y"),
        )
    ]
    return NetworkShape(tuple(layers), "x", "y")


def storages(schedule):
    return {p.spec.name: p.built.storage for p in schedule.layers if isinstance(p.built, DenseBuilt)}


def test_the_search_takes_uram_where_block_ram_lacks():
    board = load_board("kv260")
    made = make_schedule(dense_twin(), board)
    assert made.fits
    assert storages(made)["fc1"] == "uram"  # the largest layer first
    used = estimate(made).routed
    assert 0 < used.uram <= 0.8 * board.resources.uram
    without = make_schedule(dense_twin(), board, backend=replace(VITIS, control="ap_ctrl_none"))
    assert not without.fits
    assert "uram" not in storages(without).values()
    assert set(storages(make_schedule(dense_twin(), board, backend=GENERIC)).values()) == {"bram"}


@pytest.mark.parametrize("board", WITHOUT)
def test_a_board_without_uram_never_has_weights_there(board):
    for bits in (4, 8, 12):
        assert "uram" not in storages(make_schedule(dense_twin(bits), load_board(board))).values()


def resized(board, **resources):
    return board.model_copy(update={"resources": board.resources.model_copy(update=resources)})


def test_a_faster_design_may_fit_where_the_slowest_does_not():
    """Three lanes of 12 bits fill half of a column, and 144 x 144 weights then take two blocks; six lanes take one."""
    shape = TensorShape(144, 12)
    specs = [DenseSpec(f"l{i}", (shape,), shape, weight_bits=12) for i in range(8)]
    layers = tuple(ShapedLayer(spec, (f"t{i}",), f"t{i + 1}") for i, spec in enumerate(specs))
    network, board = NetworkShape(layers, "t0", "t8"), resized(load_board("kv260"), uram=10, bram18=10, lut=15000)
    assert Search(network, board, Limits(), uram=True).fitting(144 * 144) is None
    made = make_schedule(network, board)
    assert made.fits
    assert set(storages(made).values()) == {"uram"}


def test_more_uram_or_block_ram_is_never_slower():
    board, network = load_board("kv260"), dense_twin()
    by_uram = [make_schedule(network, resized(board, uram=n)).interval for n in (40, 52, 64, 80, 128)]
    assert by_uram == sorted(by_uram, reverse=True)
    by_blocks = [make_schedule(network, resized(board, bram18=n)).interval for n in (200, 288, 400, 600)]
    assert by_blocks == sorted(by_blocks, reverse=True)
    limits = [make_schedule(network, board, limits=Limits(uram=share)).interval for share in (0.5, 0.8, 1.0)]
    assert limits == sorted(limits, reverse=True)
