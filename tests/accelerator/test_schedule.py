# SPDX-License-Identifier: Apache-2.0
"""Schedules: cycles against the token simulation, promises of the search, impossible options."""

from dataclasses import replace

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from shapes import Factors, bundled, chain, product, residual, scaled, slowest, small_networks, stream_bits

from swm.accelerator import schedule as scheduling
from swm.accelerator.backend import GENERIC, RTL
from swm.accelerator.depths import deadlock_free, steady_interval
from swm.accelerator.line import line_pace
from swm.accelerator.placement import Placement
from swm.accelerator.resources import container_bits, estimate
from swm.accelerator.schedule import make_schedule
from swm.accelerator.simulation import frame_network, pipeline_fill
from swm.accelerator.tokens import simulate
from swm.device.board import Clock, load_board
from swm.device.limits import Limits
from swm.errors import OptionError
from swm.layers.products import bank_lanes

BOARDS = ("arty-a7-100t", "kv260", "pynq-z2", "zcu104")  # small and large, with URAM and without
WIDEST = 4096
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # to shrink a failing network would take minutes


def simulated_again(schedule):
    """The network of a schedule and its emitted depths, by name."""
    network = frame_network(Placement(schedule.layers, schedule.edges), schedule.clock_mhz)
    depths = {e.name: e.depth for e in schedule.edges}
    depths |= {f"{la.spec.name}.{name}": depth for la in schedule.layers for name, depth in la.depths}
    return network, depths


def check(schedule):
    """What holds for every schedule of the search."""
    network, depths = simulated_again(schedule)
    assert set(network.edges) - {"in", "out"} == set(depths)
    assert min(depths.values()) >= 2
    assert schedule.interval == slowest(schedule) == steady_interval(network, depths)
    assert deadlock_free(network, depths)
    assert schedule.latency == simulate(network, 1, depths).latency
    assert max(stream_bits(schedule)) <= WIDEST
    for layer in schedule.layers:
        built, spec = layer.built, layer.spec
        if spec.kind in ("circulant", "dense"):
            assert built.valid
            lanes = 2 * built.lanes if spec.kind == "circulant" else built.rows * built.columns
            assert bank_lanes(lanes, spec.weight_bits) * spec.weight_bits <= WIDEST
            assert built.out_vec * spec.bias_bits <= WIDEST
    for edge in (schedule.input, schedule.output):
        assert edge.vec * container_bits(edge.bits) <= schedule.board.stream.bits
    assert bool(schedule.overflow) != schedule.fits


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("block", [2, 8, 32])
def test_bundled_network(name, block):
    schedule = make_schedule(bundled(block), load_board(name))
    check(schedule)


def test_a_path_around_layers_waits_in_its_stream():
    schedule = make_schedule(residual(), load_board("pynq-z2"))
    check(schedule)
    network, depths = simulated_again(schedule)
    deep = max(depths, key=depths.__getitem__)
    assert depths[deep] > 2
    shallow = {**depths, deep: 1}
    assert not deadlock_free(network, shallow) or steady_interval(network, shallow) > schedule.interval


@settings(phases=PHASES, max_examples=15, deadline=None)
@given(small_networks(), st.sampled_from(BOARDS), st.floats(0.02, 1.0))
def test_small_networks(network, name, dsp):
    schedule = make_schedule(network, load_board(name), limits=Limits(dsp=dsp))
    if schedule.fits:
        check(schedule)
    least = make_schedule(network, load_board(name), backend=GENERIC)
    assert schedule.interval <= least.interval


@settings(phases=PHASES, max_examples=20, deadline=None)
@given(
    small_networks(),
    st.sampled_from(BOARDS),
    st.builds(Factors, *[st.floats(0.01, 1.0)] * 4),
    st.builds(Factors, *[st.floats(1.0, 4.0)] * 4),
)
# FIFOs that depths made too large, at an interval after which the next has the same design.
@example(
    residual(37, 49, 2, 6), "arty-a7-100t", Factors(0.2522, 0.8275, 0.4530, 0.9877), Factors(1.0764, 1.5, 3.27, 1.9)
)
def test_a_board_with_more_of_everything_is_never_slower(network, name, small, growth):
    larger = Factors(*(a * b for a, b in zip(vars(small).values(), vars(growth).values(), strict=True)))
    few, many = (make_schedule(network, scaled(name, factors)) for factors in (small, larger))
    if few.fits:
        assert many.fits
        assert many.interval <= few.interval


@settings(phases=PHASES, max_examples=20, deadline=None)
@given(
    small_networks(),
    st.sampled_from(BOARDS),
    st.builds(Limits, *[st.floats(0.02, 1.0)] * 4),
    st.lists(st.floats(0.2, 1.0), min_size=4, max_size=4),
)
def test_tighter_limits_are_never_faster(network, name, limits, tighter):
    tight = replace(
        limits, **{k: getattr(limits, k) * f for k, f in zip(("lut", "ff", "bram18", "dsp"), tighter, strict=True)}
    )
    board = load_board(name)
    less, more = make_schedule(network, board, limits=tight), make_schedule(network, board, limits=limits)
    if less.fits:
        assert more.fits
        assert more.interval <= less.interval


@settings(phases=PHASES, max_examples=12, deadline=None)
@given(small_networks(), st.sampled_from(BOARDS), st.floats(0.01, 0.3))
def test_multipliers_of_luts_never_slow_it_down(network, name, dsp):
    board, limits = load_board(name), Limits(dsp=dsp)
    plain, hybrid = (make_schedule(network, board, limits=limits, hybrid=h) for h in (False, True))
    if plain.fits:
        assert hybrid.fits
        assert hybrid.interval <= plain.interval


@pytest.mark.parametrize("name", BOARDS)
def test_larger_blocks_are_never_slower_on_the_bundled_network(name):
    board = load_board(name)
    schedules = {block: make_schedule(bundled(block), board) for block in (None, 2, 4, 8, 16, 32)}
    fitting = [s.interval for s in schedules.values() if s.fits]
    assert len(fitting) >= 3
    assert fitting == sorted(fitting, reverse=True), {k: s.interval for k, s in schedules.items()}


def test_luts_make_up_for_missing_multipliers():
    board = load_board("zcu104")
    plain, hybrid = (make_schedule(bundled(2), board, limits=Limits(dsp=0.1), hybrid=h) for h in (False, True))
    assert plain.fits
    assert hybrid.fits
    assert hybrid.interval < plain.interval


@pytest.mark.parametrize("name", ["kv260", "zcu104"])
@pytest.mark.parametrize(("block", "bits"), [(4, 12), (8, 16)])
def test_no_word_is_wider_than_a_stream_may_be(name, block, bits):
    """These were 10,976 and 5,120 bits wide once."""
    board = load_board(name)
    fast = make_schedule(bundled(block, bits), board)
    assert fast.fits
    check(fast)
    unlimited = Limits(**dict.fromkeys(("lut", "ff", "bram18", "dsp", "uram"), float("inf")))
    check(make_schedule(bundled(block, bits), board, limits=unlimited))


def test_target_interval():
    board, network = load_board("pynq-z2"), bundled()
    fastest = make_schedule(network, board)
    relaxed = make_schedule(network, board, target_interval=4 * fastest.interval)
    assert fastest.interval < relaxed.interval <= 4 * fastest.interval
    assert estimate(relaxed).routed.dsp < estimate(fastest).routed.dsp
    check(relaxed)
    assert make_schedule(network, board, target_interval=fastest.interval).interval == fastest.interval
    beyond = make_schedule(network, board, target_interval=fastest.interval - 1)
    assert not beyond.fits
    assert beyond.overflow


def test_the_smallest_design_that_keeps_up_with_a_serial_line():
    """784 bytes and 8 around them, ten bits each, at 1,000,000 baud and 25 MHz: 198,000 cycles."""
    board, network = load_board("ulx3s"), bundled(bits=8)
    slow = make_schedule(network, board, backend=RTL)  # no frame comes another way
    fast = make_schedule(network, board, backend=RTL, target_interval="fastest")
    assert slow.target == line_pace(slow) == line_pace(fast) == 792 * 10 * 25
    assert fast.target is None
    assert make_schedule(network, board, backend=RTL, target_interval="line").layers == slow.layers
    other = load_board("arty-a7-100t")  # its serial line is one of two ways: swm_top is an IP, too
    assert make_schedule(network, other, backend=RTL).target is None
    assert fast.interval < slow.interval <= slow.target
    assert 4 * estimate(slow).routed.lut < estimate(fast).routed.lut
    hasty = board.model_copy(update={"link": board.link.model_copy(update={"baud": 10**12})})
    assert make_schedule(network, hasty, backend=RTL, target_interval="line").interval == fast.interval  # none keeps up


def test_the_best_of_several_clocks():
    board = load_board("pynq-z2")
    clocks = tuple(Clock(mhz=mhz, reason="a test") for mhz in (50.0, 200.0, 125.0))
    several = make_schedule(residual(), board.model_copy(update={"clocks": clocks}))
    single = [make_schedule(residual(), board, clock_mhz=clock.mhz) for clock in clocks]
    best = max(single, key=lambda s: s.inferences_per_s)
    assert (several.clock_mhz, several.interval) == (best.clock_mhz, best.interval) == (200.0, several.interval)
    assert make_schedule(residual(), board).clock_mhz == board.clock.mhz


def test_minimal_back_end_takes_one_lane():
    schedule = make_schedule(bundled(), load_board("pynq-z2"), backend=GENERIC)
    assert {la.built.in_vec for la in schedule.layers} == {1}
    assert schedule.backend is GENERIC
    programs = [(p.program, la.spec.positions) for la in schedule.layers for p in la.processes]
    work = sum(program.iterations(tokens) * program.ii for program, tokens in programs)
    assert schedule.interval == schedule.latency == work + len(programs) * pipeline_fill(100)  # one after the other


def test_what_does_not_fit_says_so():
    schedule = make_schedule(bundled(None), load_board("pynq-z2"))
    assert not schedule.fits
    assert "BRAM18" in schedule.overflow
    assert schedule.interval == 784 * 512


def test_a_rate_that_is_asked_for_bounds_the_work(monkeypatch):
    """What cannot reach the rate is not simulated; what reaches it is the schedule that `make_schedule` makes."""
    network, board = residual(), load_board("pynq-z2")
    made = make_schedule(network, board)
    assert make_schedule(network, board, least=made.inferences_per_s) == made
    simulated = []
    monkeypatch.setattr(scheduling, "simulated", lambda *a: simulated.append(a))
    slow = make_schedule(network, board, least=1.001 * made.inferences_per_s)
    assert not slow.fits
    assert "inferences per second" in slow.overflow
    assert not simulated


def test_the_same_network_gives_the_same_schedule():
    assert make_schedule(residual(), load_board("kv260")) == make_schedule(residual(), load_board("kv260"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target_interval": 5}, "no parallelism reaches 5 cycles per inference; the shortest is"),
        ({"target_interval": 0}, "at least one cycle"),
        ({"target_interval": 900, "backend": GENERIC}, "back end generic takes one lane everywhere"),
        ({"target_interval": "line"}, "board pynq-z2 has none; give a number of cycles"),
        ({"clock_mhz": 0}, "clock"),
        ({"clock_mhz": float("nan")}, "clock"),
        ({"clock_mhz": 1e9}, "clock"),
    ],
)
def test_impossible_options(options, said):
    with pytest.raises(OptionError, match=said):
        make_schedule(bundled(), load_board("pynq-z2"), **options)


def test_the_shortest_that_is_named_is_reached():
    network = chain(product("a", 400, 24, 4), product("b", 24, 10))
    with pytest.raises(OptionError, match="the shortest is") as caught:
        make_schedule(network, load_board("pynq-z2"), target_interval=1)
    shortest = int(str(caught.value).rsplit(" ", 1)[1])
    assert shortest == 400 * 16 // load_board("pynq-z2").stream.bits  # all that the AXI stream brings
    assert make_schedule(network, load_board("pynq-z2"), target_interval=shortest).interval <= shortest
    with pytest.raises(OptionError):
        make_schedule(network, load_board("pynq-z2"), target_interval=shortest - 1)
