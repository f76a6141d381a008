# SPDX-License-Identifier: Apache-2.0
"""What modules of hls/rtl are counted and priced as, and that only back end rtl asks."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from swm.accelerator.backend import GENERIC, RTL, VITIS
from swm.accelerator.resources import RESOURCE_ERROR, estimate, process_costs
from swm.bench.area_grid import cases
from swm.device import load_board
from swm.layers.conv import ConvSpec
from swm.layers.geometry import Geometry
from swm.layers.registry import kind
from swm.layers.regroup import RegroupSpec
from swm.layers.rtl.area import counts, memories, products
from swm.layers.rtl.area.coefficients import ERROR
from swm.layers.rtl.area.price import PACKS, placed, price
from swm.layers.rtl.area.registry import count, counted
from swm.layers.values import TensorShape

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ["image, taps side by side, 8 bits", "orders, beats of 4, 8 bits"]
ATTENTION = ["normed and softened, beats of 4, 8 bits", "turned, beats of 4, 8 bits", "two streams, 4 x 4, 8 bits"]
CELLS = ["lstm, block 4, 8 bits", "gru, block 4, 8 bits", "gru_after, dense, 8 bits", "block 32, beats of 1, 8 bits"]
GEOMETRY = Geometry.of((6, 6), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0))
CONV = ConvSpec("l", (TensorShape(2, 8, 36),), TensorShape(4, 8, 16), geometry=GEOMETRY, weight_bits=8)


@pytest.mark.parametrize(
    ("words", "bits", "blocks"),  # as yosys 0.70 maps these ROMs for xc7
    [(9216, 8, 4), (9216, 12, 6), (9216, 16, 8), (2304, 16, 3), (2304, 24, 4), (2304, 32, 5), (1152, 16, 2)],
)  # fmt: skip
def test_roms_take_as_many_blocks_as_yosys_gives_them(words, bits, blocks):
    assert memories.rom(words, bits).bram18 == blocks


@pytest.mark.parametrize(
    ("words", "bits", "blocks", "luts"),
    [
        *((96, 18, 0, 36), (96, 26, 1, 0), (192, 12, 0, 48), (192, 16, 1, 0)),
        *((6272, 8, 4, 0), (6272, 12, 6, 0), (6272, 16, 7, 0)),  # rows do not share the bytes of a block
    ],
)
def test_memories_lie_where_yosys_puts_them(words, bits, blocks, luts):
    placed = memories.ram(words, bits)
    assert (placed.bram18, placed.luts) == (blocks, luts)


@pytest.mark.parametrize(
    ("library", "words", "bits", "blocks"),  # as yosys 0.70 maps these memories for ECP5 and Gowin parts
    [
        *((memories.ECP5, 96, 8, 0), (memories.ECP5, 448, 8, 1), (memories.ECP5, 672, 32, 2)),
        *((memories.GOWIN, 48, 32, 0), (memories.GOWIN, 24, 32, 0), (memories.GOWIN, 672, 8, 1)),
    ],
)
def test_memories_of_parts_with_luts_of_four_inputs(library, words, bits, blocks):
    assert memories.ram(words, bits, library).bram18 == blocks
    assert memories.distributed(17, 4, library).luts == 8 and memories.distributed(17, 4).luts == 4


def test_a_design_is_priced_for_the_family_of_its_board(schedule):
    """Registers stand outside of DSP blocks, none lie in LUTs, a LUT has four inputs: more of both (measured, too)."""
    boards = ("pynq-z2", "ulx3s", "tangnano20k")
    found = [estimate(replace(schedule, backend=RTL, board=load_board(board))) for board in boards]
    assert all(one.routed.lut > 1.2 * found[0].routed.lut for one in found[1:])
    assert all(one.routed.ff > 1.2 * found[0].routed.ff for one in found[1:])
    assert len({one.error for one in found}) == 3


@pytest.fixture(scope="module")
def schedule():
    return next(c for c in cases(False) if c.name == "block 8, 3 x 2 x 4, 12 bits").make().schedule


def test_the_back_end_chooses_whose_resources_count(schedule):
    of = {one.name: estimate(replace(schedule, backend=one)) for one in (VITIS, GENERIC, RTL)}
    assert of["vitis"] == of["generic"] and of["vitis"].error == RESOURCE_ERROR
    assert of["rtl"].error == ERROR and of["rtl"].hls == of["rtl"].routed
    assert of["rtl"].routed.lut != of["vitis"].routed.lut
    assert of["rtl"].routed.dsp == of["vitis"].routed.dsp == 66


def test_a_module_that_is_not_counted_keeps_its_operators(schedule):
    edges = {edge.name: edge for edge in schedule.edges}
    layer = next(la for la in schedule.layers if la.spec.kind == "circulant")
    other = replace(layer, processes=tuple(replace(p, kernel=f"no_{p.kernel}") for p in layer.processes))
    assert process_costs(other, edges, RTL) == process_costs(layer, edges, VITIS)


def test_only_what_stands_in_the_list_is_counted(schedule):
    built = next(la.built for la in schedule.layers if la.spec.kind == "circulant")
    assert counted("spectral_mac", built) and not counted("no_spectral_mac", built)
    assert counted("dense", kind("conv").minimal(CONV)) and counted("window", kind("conv").minimal(CONV))
    pairs = RegroupSpec("l", (TensorShape(4, 8, 2),), TensorShape(8, 8, 1))
    assert not counted("dense", kind("regroup").minimal(pairs))


@pytest.mark.parametrize("name", [*IMAGES, *CELLS, *ATTENTION])
def test_a_design_of_any_kind_has_its_modules_counted(name):
    """Every process of such a design, without its numbers and with them: narrower, but for what a shift leaves."""
    made = next(c for c in cases(False) if c.name == name and c.family == "xc7").make()
    layers = {layer.spec.name: layer for layer in made.graph.layers}
    for layer in made.schedule.layers:
        for process in layer.processes:
            depths = (2,) * len({port.stream for port in process.program.writes})
            free, known = (count(process, layer.built, depths, n) for n in (None, layers.get(layer.spec.name)))
            assert all(value >= 0 for value in free.located()[:-1])
            one, other = (price(process.kernel, bits, process.cost.dsp) for bits in (free, known))
            assert 0 < other.lut <= 1.05 * one.lut + 1 and 0 < other.ff <= 1.1 * one.ff + 1


def test_the_ring_of_a_line_buffer_lies_where_yosys_puts_it():
    """LeNet's pooling (docs/rtl.md): 16 bits of 392 words are a block RAM, where the C++ model has LUTRAM."""
    conv = kind("conv").minimal(CONV)
    line = kind("conv").processes(conv, load_board("pynq-z2").dsp_ports)[0]
    assert count(line, conv, (2,)).located().bram18 == 0
    shapes = {"inputs": (TensorShape(2, 8, 30 * 60),), "output": TensorShape(4, 8, 28 * 58)}
    wide = replace(CONV, **shapes, geometry=Geometry.of((30, 60), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0)))
    assert count(line, kind("conv").minimal(wide), (2,)).located().bram18 == 1


def test_registers_stay_outside_where_yosys_leaves_them_there(schedule):
    packed, ff = estimate(schedule).routed.ff, estimate(replace(schedule, board=load_board("zcu104"))).routed.ff
    assert ff > 1.4 * packed  # measured, edges aside: 8,830 of 5,461


def test_the_last_of_nine_summands_waits_in_registers_or_in_a_shift_register():
    """Of a sum of the bundled network's first layer, as yosys 0.70 maps it."""
    tree = products.sum_rows(29, 9, 35, 0, 0, 1, spare=1)
    inside, outside = placed(tree, PACKS), placed(tree, "ultrascale+")
    assert (inside.register, inside.shift, inside.post) == (31 + 31 + 32 + 33 + 2 * 28 + 35, 0, 4 * 30)
    assert inside.operand == 4 * 30 + 28  # behind the first level; the register of the product is counted with it
    assert (outside.register, outside.shift) == (4 * 30 + 31 + 31 + 32 + 33 + 35 - 28, 28)  # product and three behind
    assert placed(tree, "ecp5").register == outside.register + 4 * 28
    later = placed(products.sum_rows(24, 12, 31, 0, 0, 1), PACKS)  # the third sum of four waits for a level
    assert later.register == 3 * 26 + 27 + 26 + 28 + 31 and later.shift == 0


def test_registers_behind_a_memory_are_a_multipliers_or_a_chain():
    """In LUTs a memory has three registers down to the multiplier: one and the DSP block's, or a shift register."""
    straight = counts.ram(22, 100, 60, 2)
    assert placed(straight, PACKS)[:15] == counts.Count(register=2 * 40 + 60, operand=2 * 60, table=68)[:15]
    assert (placed(straight, "ultrascale+").register, placed(straight, "ultrascale+").shift) == (2 * 40, 60)
    deep = counts.ram(1024, 18, 18, 2)  # a block has the first of them
    assert (placed(deep, PACKS).register, placed(deep, PACKS).operand, placed(deep, PACKS).bram18) == (0, 36, 1)
    assert placed(deep, "ultrascale+").register == 36


def test_registers_of_products_are_those_that_yosys_counts():
    """Of the rows of `swm bench area`, each register a flip-flop, without a fit."""
    kept = json.loads((ROOT / "benchmarks" / "results" / "area.json").read_text())["rows"]
    of = [row for row in kept if row["process"] in ("dense", "spectral_mac")]
    off = {
        (row["family"], row["case"]): counted / row["measured"]["ff"] - 1
        for row in of
        if abs((counted := row["counted"]["state"] + row["counted"]["register"]) / row["measured"]["ff"] - 1) > 0.1
    }
    assert len(of) > 70 and off == {}


def test_deeper_streams_take_more():
    shallow, deep = (counts.fifo(12, depth, 8).located() for depth in (2, 200))
    assert (shallow.table, shallow.bram18, shallow.choice) == (8, 0, 0)
    assert deep.state > shallow.state and (deep.bram18, deep.table) == (1, 0)
    assert price("fork", shallow, 0).bram18 == 0 and price("fork", deep, 0).lut > price("fork", shallow, 0).lut
