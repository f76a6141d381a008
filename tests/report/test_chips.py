# SPDX-License-Identifier: Apache-2.0
"""Energies on chips: counts against the structures' own, prices against the files' figures, every form of a report."""

import json
import re
from itertools import pairwise
from math import sqrt

import numpy as np
import pytest
from click.testing import CliRunner
from report_networks import chain, design, own_board, product
from support import write_mlp

from swm.accelerator.backend import GENERIC
from swm.accelerator.fixed_graph import NetworkShape, ShapedLayer
from swm.cli.report import report as command
from swm.device import chip_named, load_target
from swm.device.chip import access_picojoules, operation_picojoules
from swm.errors import OptionError
from swm.layers.circulant_conv import CirculantConvSpec
from swm.layers.geometry import Geometry
from swm.layers.recurrent import RecurrentSpec
from swm.layers.registry import kind
from swm.layers.values import TensorShape
from swm.report import compare_design, compare_networks
from swm.report.chips import chip_report, chip_rows
from swm.report.schema import ReportData
from swm.structure import BlockCirculant, BlockCirculantConv


def counted(spec):
    """Multiplications and additions of a layer's frame."""
    found = {"multiplication": 0, "addition": 0}
    for work in kind(spec.kind).work(spec):
        assert work.bits > 0
        found[work.what] += work.count
    return found["multiplication"], found["addition"]


@pytest.mark.parametrize("block", [2, 4, 8, 32])
def test_a_circulant_product_counts_as_its_structure_does(block):
    spec = product("a", 96, 64, block, positions=3)
    known = BlockCirculant(np.zeros((-(-64 // block), -(-96 // block), block), np.float32), (64, 96)).operations
    bias = spec.p * block
    assert counted(spec) == (3 * known.multiplications, 3 * (known.additions + bias))
    assert kind("circulant").weight_reads(spec) == 3


def test_a_circulant_convolution_counts_as_its_structure_does():
    geometry = Geometry((6, 6), (3, 3), (1, 1), (1, 1), (0, 0), (4, 4))
    ends = (TensorShape(8, 12, 36),), TensorShape(16, 12, 16)
    spec = CirculantConvSpec("c", *ends, geometry=geometry, block=4, weight_bits=12)
    known = BlockCirculantConv(np.zeros((9, 4, 2, 4), np.float32), (16, 8), (3, 3)).operations_of(36, 16)
    assert counted(spec) == (known.multiplications, known.additions + 16 * 16)
    assert kind("circulant_conv").weight_reads(spec) == 16  # once for each output position


def test_dense_layers_and_recurrent_ones_by_hand():
    assert counted(product("a", 20, 7, positions=3)) == (420, 420)
    ends = (TensorShape(10, 12, 5),), TensorShape(8, 12, 5)
    lstm = RecurrentSpec("r", *ends, cell="lstm", hidden=8, weight_bits=12)
    assert counted(lstm) == (5 * (4 * 8 * (10 + 8) + 3 * 8),) * 2
    assert kind("recurrent").weight_reads(lstm) == 5
    # block 4: 3 + 2 forward and 8 inverse transforms of 8 additions, 8 x 5 blocks of 2 + 4 products and 2 additions
    multiplications, additions = counted(RecurrentSpec("r", *ends, cell="lstm", hidden=8, block=4, weight_bits=12))
    assert multiplications == 5 * (40 * 6 + 3 * 8)
    assert additions == 5 * (40 * 2 + (40 - 8) * 4 + 5 * 8 + 8 * (8 + 4) + 3 * 8)


def test_energies_meet_the_figures_and_go_on_between_them():
    chip = load_target("asic-65nm")
    assert operation_picojoules(chip, "multiplication", 8) == pytest.approx(0.357)
    assert operation_picojoules(chip, "multiplication", 32) == pytest.approx(5.53)
    assert operation_picojoules(chip, "multiplication", 4) == pytest.approx(0.357 / 4)  # beyond: the square
    assert operation_picojoules(chip, "addition", 64) == pytest.approx(2 * 0.178)
    qkeras = 0.0029948 * 16**2 + 0.0010417 * 16  # at 45 nm; ours is scaled from there
    scale = operation_picojoules(chip, "multiplication", 8) / 0.2
    assert operation_picojoules(chip, "multiplication", 16) / scale == pytest.approx(qkeras, rel=0.02)
    assert operation_picojoules(chip, "register", 1) is None
    horowitz = 20 / 10  # of 32 KB over 8 KB
    assert access_picojoules(chip, 32 * 8192) / access_picojoules(chip, 8 * 8192) == pytest.approx(horowitz, rel=0.05)
    assert access_picojoules(chip, 100) == access_picojoules(chip, 8 * 8192)  # no memory is cheaper than the smallest
    assert access_picojoules(chip, 4 * 8 * 2**20) == pytest.approx(2 * access_picojoules(chip, 8 * 2**20))
    sizes = [access_picojoules(chip, 2**n) for n in range(10, 30)]
    assert all(a <= b for a, b in pairwise(sizes))
    with pytest.raises(OptionError, match="0 bits"):
        operation_picojoules(chip, "addition", 0)


def test_a_network_of_one_layer_by_hand():
    """12-bit products of 20 x 7 on 40 nm: each part is its count times the file's figure."""
    network = NetworkShape((ShapedLayer(product("a", 20, 7), ("x",), "y"),), "x", "y")
    found = chip_report(network, load_target("asic-40nm"))
    parts = {part.name: part for part in found.structured.parts}
    assert found.gain == 1 and found.dense.parts == found.structured.parts
    sum_bits = 12 + 12 + 5
    assert parts["multiplications"].joules == pytest.approx(1e-12 * 140 * 8.63 * (12 / 32) ** 2)
    assert parts["additions"].joules == pytest.approx(1e-12 * 140 * 0.0857 * sum_bits / 32)
    assert parts["sums kept in registers"].count == 140 * sum_bits
    assert parts["weights read"].count == 140 * 12
    assert parts["weights read"].joules == pytest.approx(1e-12 * 140 * 12 * 10 / 64)
    assert parts["values written and read"].count == 12 * (2 * 20 + 7)  # nobody reads the output
    assert found.structured.joules == pytest.approx(sum(part.joules for part in parts.values()))
    assert chip_rows(found)[-1][-1] == "1.00 x"


def test_gain_is_dense_over_structured():
    found = chip_report(chain(8), load_target("asic-40nm"))
    rows = {name: (own, dense) for name, own, _, dense, *_ in chip_rows(found)}
    assert found.gain == pytest.approx(found.dense.joules / found.structured.joules) and found.gain > 2
    assert rows["values written and read"][0] == rows["values written and read"][1]
    assert found.dense.parts == chip_report(chain(), load_target("asic-40nm")).structured.parts


@pytest.mark.parametrize("boards", [0, 1])
def test_every_form_has_it_with_and_without_boards(tmp_path, boards):
    chips = [load_target("asic-40nm"), load_target("asic-65nm")]
    report = compare_networks(chain(8), chain(), [own_board(tmp_path)] * boards, chips=chips)
    data = ReportData.model_validate_json(json.dumps(report.to_json()))
    assert [c.chip.name for c in data.chips] == ["asic-40nm", "asic-65nm"] and len(data.boards) == boards
    assert len(data.verdict) == boards + 2 and data.network.blocks == {8: 2, 1: 1}
    energy = data.chips[0].structured
    assert energy.energy_j == pytest.approx(sum(part.joules for part in energy.parts))
    for text in (report.to_text(), report.to_markdown(), report.to_html()):
        assert data.verdict[-1].split(";")[0] in " ".join(text.split())
        assert "weights read" in text and "ISSCC" in text and "None" not in text
    assert "asic-40nm" in repr(report) and "asic-40nm" in report._repr_html_()


def test_a_project_has_its_own_board_beside_the_chip(tmp_path):
    made, _ = design(tmp_path, own_board(tmp_path), GENERIC)
    report = compare_design(made, chips=[load_target("asic-40nm")])
    assert [row.board.name for row in report.boards] == ["mine"]
    assert report.chips[0].structured.parts == chip_report(made.graph.shape, load_target("asic-40nm")).structured.parts


def test_the_command(tmp_path):
    model = write_mlp(tmp_path / "m.onnx")
    done = CliRunner().invoke(command, [model, "--board", "asic-40nm", "--json"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert data["boards"] == [] and data["chips"][0]["structured"]["energy_j"] > 0
    refused = CliRunner().invoke(command, [model, "--board", "de10-nano"])
    assert isinstance(refused.exception, OptionError)
    assert "board de10-nano, a device of Intel" in str(refused.exception) and "--backend rtl" in str(refused.exception)


def test_cyclone_v_has_figures_with_their_errors(tmp_path):
    """The device of the SWM paper, by back end rtl: ALUTs, M10K, DSP blocks, watts, each with what is known of it."""
    model = write_mlp(tmp_path / "m.onnx")
    words = [model, "--board", "cyclonev-5cea9", "--board", "de10-nano", "--backend", "rtl"]
    done = CliRunner().invoke(command, [*words, "--html", str(tmp_path / "r.html")])
    assert done.exit_code == 0, done.output
    for text in ("M10K, of 1,220", "ALUT, of 227,120", "DSP, of 342", "M10K, of 553", "cyclonev, rtl"):
        assert text in done.output, text
    assert not re.search(r"BRAM18 +\S+ +[\d,]", done.output) and "BRAM18, of" not in done.output
    data = json.loads(CliRunner().invoke(command, [*words, "--json"]).stdout)
    row = data["boards"][0]
    assert row["structured"]["interval_cycles"] > 0 and row["structured"]["power_w"]["static"] == 0.52
    assert row["errors"]["lut"]["rows"] > 10 and row["errors"]["dynamic_w"]["median"] is None


def test_a_chip_of_ones_own(tmp_path):
    """A file by its path; one without a memory is no chip to report on, one with a size in the wrong place is wrong."""
    figure = 'kind = "published"\nsource = "a paper"\n'
    sorts = (
        'operation = "sum"\ncounts = "addition"\nbits = 16\npicojoule = 0.1',
        'operation = "product"\ncounts = "multiplication"\nbits = 16\npicojoule = 1.0',
        'operation = "read"\ncounts = "sram"\nkilobytes = 4\nbits = 32\npicojoule = 3.2',
    )
    head = 'name = "own"\ntitle = "Own"\ndevice = "7 nm"\nfamily = "asic"\nrefused = "no tools"\n'
    path = tmp_path / "own.toml"

    def write(entries):
        path.write_text(head + "".join(f"[[energy]]\n{entry}\n{figure}" for entry in entries))
        return path

    chip = chip_named(write(sorts))
    assert chip is not None
    assert operation_picojoules(chip, "multiplication", sqrt(8 * 16)) == pytest.approx(0.5)
    assert access_picojoules(chip, 16 * 8192) == pytest.approx(0.2)  # twice 0.1 pJ a bit at four times the size
    assert chip_named(write(sorts[:2])) is None
    with pytest.raises(OptionError, match="kilobytes"):
        load_target(write((sorts[0] + "\nkilobytes = 4", *sorts[1:])))
