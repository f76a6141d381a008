# SPDX-License-Identifier: Apache-2.0
"""What modules of hls/rtl are counted and priced as, and that only back end rtl asks."""

from dataclasses import replace

import pytest

from swm.accelerator.backend import GENERIC, RTL, VITIS
from swm.accelerator.resources import RESOURCE_ERROR, estimate, process_costs
from swm.bench.area_grid import cases
from swm.device import load_board
from swm.layers.conv import ConvSpec
from swm.layers.geometry import Geometry
from swm.layers.registry import kind
from swm.layers.rtl.area import counts, memories
from swm.layers.rtl.area.coefficients import ERROR, FF, LUT
from swm.layers.rtl.area.price import outside, price
from swm.layers.rtl.area.registry import counted
from swm.layers.values import TensorShape

GEOMETRY = Geometry.of((6, 6), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0))
CONV = ConvSpec("l", (TensorShape(2, 8, 36),), TensorShape(4, 8, 16), geometry=GEOMETRY, weight_bits=8)


@pytest.mark.parametrize(
    ("words", "bits", "blocks"),  # as yosys 0.70 maps these ROMs for xc7
    [(9216, 8, 4), (9216, 12, 6), (9216, 16, 8), (2304, 16, 3), (2304, 24, 4), (2304, 32, 5), (1152, 16, 2)],
)  # fmt: skip
def test_roms_take_as_many_blocks_as_yosys_gives_them(words, bits, blocks):
    assert memories.rom(words, bits).bram18 == blocks


@pytest.mark.parametrize(
    ("words", "bits", "blocks", "luts"), [(96, 18, 0, 36), (96, 26, 1, 0), (192, 12, 0, 48), (192, 16, 1, 0)]
)
def test_memories_lie_where_yosys_puts_them(words, bits, blocks, luts):
    placed = memories.ram(words, bits)
    assert (placed.bram18, placed.luts) == (blocks, luts)


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


def test_blocks_above_16_and_convolutions_keep_theirs(schedule):
    built = next(la.built for la in schedule.layers if la.spec.kind == "circulant")
    assert counted("spectral_mac", built) and not counted(
        "spectral_mac", replace(built, spec=replace(built.spec, block=32))
    )
    assert not counted("dense", kind("conv").minimal(CONV))


def test_registers_stay_outside_where_yosys_leaves_them_there(schedule):
    packed, ff = estimate(schedule).routed.ff, estimate(replace(schedule, board=load_board("zcu104"))).routed.ff
    assert ff > 1.5 * packed  # measured: 22,829 of 12,025 for the bundled network
    assert outside(LUT)["post"] == LUT["adder"] and outside(FF)["operand"] == FF["register"]


def test_deeper_streams_take_more():
    shallow, deep = counts.fifo(12, 2, 8), counts.fifo(12, 200, 8)
    assert (shallow.table, shallow.bram18, shallow.choice) == (8, 0, 0)
    assert deep.state > shallow.state and (deep.bram18, deep.table) == (1, 0)
    assert price("fork", shallow, 0).bram18 == 0 and price("fork", deep, 0).lut > price("fork", shallow, 0).lut
