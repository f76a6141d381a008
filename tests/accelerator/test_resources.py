# SPDX-License-Identifier: Apache-2.0
"""Resources of a schedule: multipliers and memories by hand, sums, limits."""

from dataclasses import replace

import pytest
from shapes import bundled, chain, product, residual

from swm.accelerator.backend import VITIS
from swm.accelerator.design import Schedule
from swm.accelerator.placement import place
from swm.accelerator.resources import container_bits, estimate, lacking, overflow
from swm.accelerator.schedule import make_schedule
from swm.device.board import Overhead, load_board
from swm.device.limits import Limits
from swm.device.memories import bram18
from swm.device.primitives import Usage
from swm.layers.registry import kind

BOARD = load_board("pynq-z2")


def placed(spec, **built):
    """A schedule of one layer, made by hand."""
    network = chain(spec)
    chosen = replace(kind(spec.kind).minimal(spec), **built)
    placement = place(network, [chosen], (1, 1), BOARD.dsp_ports)
    return Schedule(BOARD, 100.0, VITIS, placement.layers, placement.edges, 1, 1)


def usage(schedule, layer=None):
    """Routed usage by process of one layer."""
    rows = estimate(schedule).layers
    row = rows[0] if layer is None else next(r for r in rows if r.name == layer)
    return {p.name: p.routed for p in row.processes}


def test_complex_products_take_three_multipliers_and_the_packed_word_two():
    spec = product("x", 784, 512, 8)
    one_group = usage(placed(spec, mac_rows=6, mac_columns=2, mac_bins=4))
    assert one_group["mac"].dsp == 6 * 2 * (3 * 3 + 2)
    shared = usage(placed(spec, mac_rows=6, mac_columns=2, mac_bins=2))
    assert shared["mac"].dsp == 6 * 2 * 3 * 2  # the packed word comes to lanes that see others too
    wide = product("x", 784, 512, 8, bits=18)
    assert usage(placed(wide, mac_rows=3, mac_bins=4, products=4))["mac"].dsp == 3 * (3 * 4 + 2)


def test_transforms_up_to_eight_points_take_no_multiplier():
    for block in (2, 4, 8):
        rows = usage(placed(product("x", 64, 64, block)))
        assert (rows["rfft"].dsp, rows["irfft"].dsp) == (0, 0)
    rows = usage(placed(product("x", 64, 64, 16)))
    assert min(rows["rfft"].dsp, rows["irfft"].dsp) > 0


def test_rows_in_luts_and_pairs_take_fewer_multipliers():
    spec = product("x", 64, 64, 8)
    full = usage(placed(spec, mac_rows=4, mac_bins=4))["mac"]
    half = usage(placed(spec, mac_rows=4, mac_bins=4, fabric_rows=2))["mac"]
    assert half.dsp * 2 == full.dsp
    assert half.lut > full.lut
    dense = product("d", 32, 16, bits=6)
    single = usage(placed(dense, rows=4, columns=8))["dense"]
    pairs = usage(placed(dense, rows=4, columns=8, packed=1))["dense"]
    assert (single.dsp, pairs.dsp) == (32, 16)


def test_weights_in_block_ram_are_counted_by_banks():
    dense = product("d", 784, 512)
    built = placed(dense, rows=8, columns=8)
    bram = usage(built)["dense"].bram18
    assert bram >= bram18(64 * 98, 64 * 12)
    assert bram - usage(placed(dense, rows=8, columns=8, storage="lutram"))["dense"].bram18 == bram18(64 * 98, 768)


def test_tables_of_activations():
    plain = usage(placed(product("x", 64, 64, activation="identity")))["dense"]
    table = usage(placed(product("x", 64, 64, activation="tanh")))["dense"]
    assert table.dsp == plain.dsp + 1
    assert table.lut + 150 * table.bram18 > plain.lut + 150 * plain.bram18


@pytest.mark.parametrize("level", ["hls", "routed"])
@pytest.mark.parametrize("network", [bundled, residual])
def test_totals_are_the_sum(network, level):
    schedule = make_schedule(network(), BOARD)
    result = estimate(schedule)
    total = getattr(result, level)
    rows = [getattr(p, level) for layer in result.layers for p in layer.processes]
    for exact in ("dsp", "bram18", "uram"):
        assert getattr(total, exact) == sum(getattr(r, exact) for r in rows)
    for rounded in ("lut", "ff"):
        assert 0 <= sum(getattr(r, rounded) for r in rows) - getattr(total, rounded) <= len(rows)
    assert [la.name for la in result.layers] == [*(la.spec.name for la in schedule.layers), ""]
    assert "not calibrated" in result.error


def test_deeper_streams_cost_more():
    schedule = make_schedule(residual(), BOARD)
    deeper = replace(schedule, edges=tuple(replace(e, depth=400) for e in schedule.edges))
    assert estimate(deeper).routed.lut > estimate(schedule).routed.lut
    inner = replace(
        schedule,
        layers=tuple(replace(la, depths=tuple((n, 400) for n, _ in la.depths)) for la in schedule.layers),
    )
    assert estimate(inner).routed.lut > estimate(schedule).routed.lut


def test_known_overhead_counts():
    extra = Overhead(kind="measured", source="a test", lut=4000, ff=5000, bram18=6, dsp=1)
    schedule = placed(product("x", 8, 8))
    with_shell = replace(schedule, board=BOARD.model_copy(update={"overhead": extra}))
    a, b = estimate(schedule).routed, estimate(with_shell).routed
    assert (b.dsp - a.dsp, b.bram18 - a.bram18, b.lut - a.lut, b.ff - a.ff) == (1, 6, 4000, 5000)


def test_overflow_names_every_resource_beyond_its_limit():
    full = BOARD.resources
    within = Usage(dsp=0, bram18=0, lut=0, ff=0)
    assert overflow(within, BOARD, Limits()) == ""
    for key, label in (("dsp", "DSP"), ("bram18", "BRAM18"), ("lut", "LUT"), ("ff", "FF")):
        share, has = getattr(Limits(), key), getattr(full, key)
        edge = replace(within, **{key: int(share * has)})
        assert not lacking(edge, BOARD, Limits())
        beyond = replace(within, **{key: int(share * has) + 1})
        assert lacking(beyond, BOARD, Limits()) == (key,)
        assert overflow(beyond, BOARD, Limits()).startswith(f"{label} {int(share * has) + 1} of {has}")
        assert not lacking(beyond, BOARD, Limits(**{key: float("inf")}))
    assert "the device has none" in overflow(replace(within, uram=1), BOARD, Limits())
    both = overflow(replace(within, dsp=10**6, lut=10**7), BOARD, Limits())
    assert both.count(";") == 1


@pytest.mark.parametrize(("bits", "container"), [(4, 8), (8, 8), (9, 16), (16, 16), (17, 32), (18, 32)])
def test_containers_of_axi_words(bits, container):
    assert container_bits(bits) == container
