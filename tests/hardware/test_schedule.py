# SPDX-License-Identifier: Apache-2.0
"""Schedules: the cycle formulas by hand, the constraints on every lane, and what the search promises."""

import time
from dataclasses import replace
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swm.errors import OptionError
from swm.fixed.spec import LayerSpec
from swm.hardware import FILL, LayerSchedule, Limits, board_names, estimate, load_board, schedule
from swm.hardware.layout import container_bits
from swm.hardware.search import Chain, edge_choices, lanes

BOARDS = {name: load_board(name) for name in board_names()}


def _power_of_two(n: int) -> bool:
    return n > 0 and n & (n - 1) == 0


@st.composite
def networks(draw: st.DrawFn) -> tuple[LayerSpec, ...]:
    bits = draw(st.sampled_from([6, 8, 12, 16, 18]))
    sizes = draw(st.lists(st.integers(1, 300), min_size=2, max_size=4))
    specs = []
    for i, (n, m) in enumerate(pairwise(sizes)):
        kind = (
            draw(st.sampled_from(["circulant", "dense", "scale"]))
            if m == n
            else draw(st.sampled_from(["circulant", "dense"]))
        )
        block = draw(st.sampled_from([2, 4, 8, 16, 64, 256])) if kind == "circulant" else 1
        activation = draw(st.sampled_from(["identity", "relu", "sigmoid", "tanh"]))
        specs.append(LayerSpec(f"l{i}", kind, m, n, block, bits, bits, bits, activation, 16))
        if draw(st.booleans()):
            specs.append(LayerSpec(f"s{i}", "scale", m, m, 1, bits, bits, bits, "identity", 16))
    return tuple(specs)


def _check(plan, limits):
    board = plan.board
    assert len(plan.edges) == len(plan.layers) + 1
    for i, layer in enumerate(plan.layers):
        s = layer.spec
        assert (layer.in_vec, layer.out_vec) == (plan.edges[i], plan.edges[i + 1])
        assert _power_of_two(layer.in_vec) and _power_of_two(layer.out_vec) and _power_of_two(layer.columns)
        if s.kind == "circulant":
            assert max(layer.in_vec, layer.out_vec) <= s.block
            assert layer.mac_blocks % layer.ifft_lanes == 0
            assert _power_of_two(layer.mac_bins) and (s.block // 2) % layer.mac_bins == 0
            assert layer.fft_lanes in lanes(s.q) and layer.mac_blocks in lanes(s.p)
            assert layer.fifo_spectrum == 2 and layer.fifo_accumulated >= 3
        if s.kind == "dense":
            assert layer.rows % layer.out_vec == 0
        if s.kind == "scale":
            assert layer.in_vec == layer.out_vec
    for vec, bits in (
        (plan.edges[0], plan.layers[0].spec.data_bits),
        (plan.edges[-1], plan.layers[-1].spec.out_bits),
    ):
        assert vec * container_bits(bits) <= board.stream.bits
    cycles = [p.iterations + p.loops * FILL for _, p in plan.processes]
    assert plan.interval == max(cycles)
    assert plan.latency == sum(cycles)
    used = estimate(plan).routed
    fits = all(
        getattr(used, r) <= getattr(limits, r) * getattr(board.resources, r) for r in ("lut", "ff", "bram18", "dsp")
    )
    assert plan.fits == fits
    assert bool(plan.overflow) != plan.fits


@settings(max_examples=60, deadline=None)
@given(networks(), st.sampled_from(board_names()), st.floats(0.02, 1.0))
def test_invariants(specs, name, dsp):
    limits = Limits(dsp=dsp)
    plan = schedule(specs, BOARDS[name], limits=limits)
    _check(plan, limits)
    _check(schedule(specs, BOARDS[name], parallelism="minimal"), Limits())
    assert plan.interval <= schedule(specs, BOARDS[name], parallelism="minimal").interval


@settings(max_examples=40, deadline=None)
@given(networks(), st.sampled_from(board_names()), st.floats(0.05, 0.8), st.floats(1.0, 3.0))
def test_more_dsps_never_slow_it_down(specs, name, dsp, factor):
    few = schedule(specs, BOARDS[name], limits=Limits(dsp=dsp))
    many = schedule(specs, BOARDS[name], limits=Limits(dsp=dsp * factor))
    if few.fits:
        assert many.fits
        assert many.interval <= few.interval


@settings(max_examples=30, deadline=None)
@given(networks(), st.sampled_from(board_names()))
def test_target_interval_is_met_and_never_needs_more(specs, name):
    fastest = schedule(specs, BOARDS[name])
    relaxed = schedule(specs, BOARDS[name], target_interval=2 * fastest.interval)
    assert relaxed.interval <= 2 * fastest.interval
    assert schedule(specs, BOARDS[name], target_interval=fastest.interval).fits == fastest.fits


def test_circulant_cycles_by_hand(make_layer):
    # k = 8: units 2, P 2; p = 64, q = 98
    spec = make_layer("fc1", "circulant", 512, 784, 8)
    layer = LayerSchedule(spec, in_vec=4, out_vec=2, fft_lanes=3, mac_blocks=6, mac_bins=2, ifft_lanes=3)
    rfft, mac, irfft = layer.processes
    assert (rfft.iterations, rfft.loops) == (33 * 3 * 8 // 4 + 2 * 33 * 2, 3)  # GF = 33
    assert (mac.iterations, mac.loops) == (33 * 2 + 11 * 2 * 98, 2)  # GP = 11
    assert (irfft.iterations, irfft.loops) == (11 * 2 + 2 * 22 * 2 + 256, 4)  # GI = 22
    assert rfft.cycles == rfft.iterations + 3 * FILL
    assert layer.fifo_accumulated == -(-(2 * 22 * 2 + 256 + 3 * FILL) // 98) + 2


@pytest.mark.parametrize(("k", "expected"), [(2, (8 + 4, 4 + 16, 4 + 4 + 8)), (4, (8 + 2, 2 + 8, 4 + 2 + 8))])
def test_smallest_blocks_by_hand(make_layer, k, expected):
    layer = LayerSchedule(make_layer("x", "circulant", 8, 8, k))
    assert tuple(p.iterations for p in layer.processes) == expected
    assert [p.loops for p in layer.processes] == [2, 2, 3]


def test_dense_and_scale_cycles_by_hand(make_layer):
    dense = LayerSchedule(make_layer("d", "dense", 10, 50), in_vec=4, out_vec=2, rows=3, columns=8)
    assert dense.n_pad == 56
    assert (dense.processes[0].iterations, dense.processes[0].loops) == (14 + 4 * 7 + 5, 3)
    scale = LayerSchedule(make_layer("s", "scale", 50, 50), in_vec=4, out_vec=4)
    assert (scale.processes[0].iterations, scale.processes[0].loops) == (13, 1)


def test_a_fifo_never_holds_more_than_one_inference(make_layer):
    layer = LayerSchedule(make_layer("x", "circulant", 512, 8, 8), mac_blocks=64, mac_bins=4)
    assert layer.fifo_accumulated == 1 + 2


def test_lanes_are_the_smallest_of_their_groups():
    assert lanes(10) == [1, 2, 3, 4, 5, 10]
    for count in (1, 7, 98, 512):
        groups = [-(-count // lane) for lane in lanes(count)]
        assert sorted(set(groups), reverse=True) == groups
        assert set(groups) == {-(-count // lane) for lane in range(1, count + 1)}


def test_edges(make_layer, structured):
    assert [c[-1] for c in edge_choices(structured, 64)] == [4, 8, 8, 4]  # a beat never crosses a block
    wide = [make_layer("w", "dense", 4, 40, bits=18)]
    assert [c[-1] for c in edge_choices(wide, 64)] == [2, 2]


def test_example(structured, dense):
    for name, board in BOARDS.items():
        plan, twin = schedule(structured, board), schedule(dense, board)
        assert plan.fits
        assert twin.fits == (name == "zcu104")
        unlimited = schedule(dense, board, limits=Limits(bram18=inf))
        assert unlimited.fits
        assert unlimited.interval > 2 * plan.interval
    assert "BRAM18" in schedule(dense, BOARDS["pynq-z2"]).overflow
    assert schedule(dense, BOARDS["pynq-z2"]).edges == (1, 1, 1, 1)


def test_deterministic(structured):
    assert schedule(structured, BOARDS["kv260"]) == schedule(structured, load_board("kv260"))


def test_exact_minimum_on_a_small_layer(make_layer):
    board = BOARDS["pynq-z2"]
    spec = make_layer("x", "dense", 6, 8)
    best = schedule([spec], board)
    for pe in range(1, 7):
        for simd in (1, 2, 4, 8):
            layer = LayerSchedule(spec, best.edges[0], best.edges[1], rows=pe, columns=simd)
            assert replace(best, layers=(layer,)).interval >= best.interval


def test_found_layers_carry_their_own_names(make_layer):
    specs = [make_layer(f"n{i}", "circulant", 64, 64, 8) for i in range(3)]
    found = Chain(specs, BOARDS["pynq-z2"]).cheapest(10_000, 0)
    assert found is not None
    assert [la.spec for la in found.layers] == specs


def test_clock(structured):
    plan = schedule(structured, BOARDS["zcu104"], clock_mhz=250)
    assert plan.inferences_per_s == pytest.approx(250e6 / plan.interval)


def test_ten_large_layers_are_quick(make_layer):
    specs = [make_layer(f"l{i}", "circulant", 4096, 4096, 64) for i in range(10)]
    start = time.process_time()
    plan = schedule(specs, BOARDS["zcu104"], limits=Limits(bram18=inf))
    assert plan.fits
    assert time.process_time() - start < 3  # about 0.5 s on an idle core


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target_interval": 5}, "the shortest is"),
        ({"target_interval": 0}, "at least one cycle"),
        ({"clock_mhz": 0}, "clock"),
        ({"clock_mhz": float("nan")}, "clock"),
        ({"parallelism": "huge"}, "parallelism"),
    ],
)
def test_impossible_options(structured, options, said):
    with pytest.raises(OptionError, match=said):
        schedule(structured, BOARDS["pynq-z2"], **options)


def test_layers_that_do_not_join(make_layer):
    with pytest.raises(OptionError, match="do not join"):
        schedule([make_layer("a", "dense", 4, 8), make_layer("b", "dense", 4, 5)], BOARDS["pynq-z2"])
    with pytest.raises(OptionError, match="at least one layer"):
        schedule([], BOARDS["pynq-z2"])


@pytest.mark.parametrize("share", [0, -1, float("nan")])
def test_limits_are_shares(share):
    with pytest.raises(OptionError, match="limit dsp"):
        Limits(dsp=share)
