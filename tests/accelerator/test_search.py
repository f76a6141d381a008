# SPDX-License-Identifier: Apache-2.0
"""The search: its cheap sums equal the estimate of what is placed, and how much work it does for a deep network."""

import itertools
from math import ceil, inf, log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import bundled, deep, small_networks

from swm.accelerator import search as module
from swm.accelerator.backend import RTL, VITIS
from swm.accelerator.judging import Judge
from swm.accelerator.placement import place
from swm.accelerator.resources import estimate_parts
from swm.accelerator.search import FABRIC, WEIGHTS, Search
from swm.device.board import load_board
from swm.device.limits import Limits
from swm.device.primitives import routed
from swm.layers.base import Offer
from swm.layers.products import price
from swm.layers.registry import kind

ROOMY = Limits(lut=4, ff=4, bram18=4, dsp=0.8)
BOARD = load_board("zcu104")
BOARDS = ("arty-a7-100t", "kv260", "pynq-z2", "zcu104")


@settings(max_examples=60, deadline=None)
@given(small_networks(), st.sampled_from(BOARDS), st.integers(1, 5000), st.integers(0, 55), st.data())
def test_sums_equal_the_estimate_of_what_is_placed(network, name, interval, number, data):
    board, backend = load_board(name), data.draw(st.sampled_from([VITIS, RTL]))
    search = Search(network, board, Limits(), backend=backend)
    options = search._choose(interval, search._preferences[number])
    if options is None:
        return
    chosen = [options[n] for n in search._numbers]
    place_of = data.draw(st.integers(0, len(chosen) - 1))
    chosen[place_of] = chosen[place_of].in_luts or chosen[place_of]
    ends = (data.draw(st.sampled_from([1, 4])), data.draw(st.sampled_from([1, 2])))
    placed = place(network, search._named(chosen), ends, board.dsp_ports)
    want = estimate_parts(placed.layers, placed.edges, board, backend).routed
    assert routed(Judge(network, board, backend).cost(chosen, ends)) == want


def test_a_back_end_with_costs_of_its_own_weighs_by_them():
    """Of what an offer names for all weightings, the cheapest by the modules' costs; elsewhere what it names."""
    network, lower = bundled(), []
    search = Search(network, load_board("arty-a7-100t"), Limits(), backend=RTL)
    for interval, preference in itertools.product((300, 700, 2000), search._preferences[: len(WEIGHTS)]):
        by_modules, by_operators = (search._choose(interval, preference, own) for own in (True, False))
        for one, other in zip(by_modules, by_operators, strict=True):
            lower.append(price(one.cost, preference) - price(other.cost, preference))
    assert max(lower) <= 0 and min(lower) < 0
    assert not any(own for _, own in Search(network, BOARD, Limits(), backend=VITIS)._ways)


def counted(monkeypatch, network):
    """How often a search asks offers, costs an implementation, and places one."""
    counts = {"asked": 0, "costed": 0, "placed": 0}

    def spy(owner, name, what):
        real = getattr(owner, name)

        def wrapper(*args, **options):
            counts[what] += 1
            return real(*args, **options)

        monkeypatch.setattr(owner, name, wrapper)

    for spec in {layer.spec.kind: layer.spec for layer in network.layers}.values():
        offer = type(kind(spec.kind).offer(spec, BOARD.dsp_ports))
        assert issubclass(offer, Offer)
        spy(offer, "cheapest", "asked")
        spy(type(kind(spec.kind)), "processes", "costed")
    spy(module, "place", "placed")
    return counts


def test_work_for_sixty_layers(monkeypatch):
    """Bounded by shapes, preferences and halvings; the number of layers does not multiply it."""
    network, slow = deep(), 1 << 16
    shapes = len({module._unnamed(layer.spec) for layer in network.layers})
    assert (len(network.layers), shapes) == (60, 25)
    counts = counted(monkeypatch, network)
    search = Search(network, BOARD, ROOMY)
    found = search.fastest_fitting(slow)
    assert found is not None
    assert found.fits
    halvings = 1 + ceil(log2(slow))
    preferences = len(WEIGHTS) * len(FABRIC)
    assert 0 < counts["asked"] <= shapes * preferences * halvings
    assert counts["placed"] <= halvings  # only what fits
    costed, placed = counts["costed"], counts["placed"]
    assert costed <= len(search._options) * 2 + placed * len(network.layers)
    before = counts["asked"]
    assert search.fastest_fitting(slow).placement == found.placement
    assert counts["asked"] == before, "answers are kept"


def test_layers_of_one_shape_share_their_offer():
    network = deep()
    assert len(Search(network, BOARD, Limits())._offers) == 25


def test_found_layers_carry_their_own_names():
    network = deep(layers=30)
    found = Search(network, BOARD, ROOMY).fastest_fitting(1 << 16)
    names = [la.spec.name for la in found.placement.layers if la.spec.kind in ("circulant", "dense")]
    assert names == [layer.spec.name for layer in network.layers]


@pytest.mark.parametrize("name", BOARDS)
def test_the_interval_found_is_where_fitting_ends(name):
    """The bisection's answer fits and one cycle less does not, though candidates just below may again."""
    search = Search(bundled(), load_board(name), Limits())
    found = search.fastest_fitting(1 << 18)
    cycles = [p.program.cycles for la in found.placement.layers for p in la.processes]
    interval = max(*cycles, *(e.beats for e in (found.placement.edges[0], found.placement.edges[-1])))
    assert search.fitting(interval) is not None
    assert search.fitting(interval - 1) is None


def test_weights_of_the_smallest_layers_leave_block_ram_where_that_is_all_that_lacks():
    board = load_board("pynq-z2")
    free = dict.fromkeys(("lut", "ff", "dsp"), inf)

    def spared(blocks):
        search = Search(bundled(), board, Limits(**free, bram18=blocks / board.resources.bram18))
        options = search._choose(2000, search._preferences[0])
        chosen, fits = search._with_blocks_spared([options[n] for n in search._numbers], (1, 1))
        return chosen, fits, Judge(bundled(), board).cost(chosen, (1, 1)).bram18

    chosen, fits, used = spared(1000)
    storages = [o.built.storage for o in chosen]
    assert fits
    assert storages.count("bram") >= 2
    moved, fits, less = spared(used - 1)
    assert fits
    assert less < used
    order = sorted(range(3), key=lambda i: chosen[i].built.spec.stored_bits)
    smallest = next(i for i in order if storages[i] == "bram")
    assert [i for i in range(3) if moved[i].built.storage != storages[i]] == [smallest]
    assert not spared(0.1)[1] or spared(0.1)[2] == 0


def test_limits_without_end_take_the_fastest():
    unlimited = Limits(**dict.fromkeys(("lut", "ff", "bram18", "dsp", "uram"), inf))
    search = Search(bundled(), BOARD, unlimited)
    found = search.fastest_fitting(1 << 18)
    assert found.placement.edges[0].beats == search.fastest(1 << 18)  # the AXI stream is the bottleneck


def test_intervals_above_a_fitting_one_are_reached():
    search = Search(bundled(), BOARD, Limits())
    fast = search.fastest(1 << 18)
    reached = [search.at(i) is not None for i in range(1, 2 * fast)]
    assert reached == [i >= fast for i in range(1, 2 * fast)]
    assert list(itertools.dropwhile(lambda r: not r, reached)) == [True] * fast
