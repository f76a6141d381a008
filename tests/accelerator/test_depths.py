# SPDX-License-Identifier: Apache-2.0
"""Depths: they keep the interval, none can be smaller, and what keeps an interval is what long simulations show."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from token_networks import every, mac, networks, residual, stage

from swm.accelerator.depths import deadlock_free, smallest_depths, steady_interval
from swm.accelerator.network import Network, Program
from swm.accelerator.periodic import Schedules
from swm.accelerator.tokens import Deadlock, simulate
from swm.errors import OptionError


def long_run(network, depths):
    """Cycles a frame by nothing but simulation: the most of all spans of 12 frames but the first."""
    ends = simulate(network, 48, depths).ends
    return max(b - a for a, b in zip(ends[8:], ends[20:], strict=False)) / 12


@settings(max_examples=60, deadline=None)
@given(networks(), st.data())
def test_the_interval_is_that_of_long_runs(network, data):
    depths = data.draw(st.fixed_dictionaries({e: st.integers(0, 6) for e in network.edges}))
    assume(deadlock_free(network, depths))
    interval = steady_interval(network, depths)
    assert interval - 1 <= long_run(network, depths) <= interval + 1


@settings(max_examples=60, deadline=None)
@given(networks(), st.integers(1, 2), st.integers(0, 3))
def test_none_of_the_depths_can_be_smaller(network, minimum, slack):
    interval = steady_interval(network, {}) + slack
    depths = smallest_depths(network, interval, minimum)
    assert steady_interval(network, depths) <= interval
    assert min(depths.values()) >= minimum
    for edge, depth in depths.items():
        if depth > minimum:
            shallower = {**depths, edge: depth - 1}
            assert not deadlock_free(network, shallower) or steady_interval(network, shallower) > interval


@settings(max_examples=40, deadline=None)
@given(networks(), st.data())
def test_a_deadlock_is_one_of_the_simulation(network, data):
    depths = data.draw(st.fixed_dictionaries({e: st.integers(1, 6) for e in network.edges}))
    if deadlock_free(network, depths):
        assert len(simulate(network, 9, depths).ends) == 9
    else:
        with pytest.raises(Deadlock, match=r"deadlock: .* waits for edge .* full \(depth"):
            simulate(network, 30, depths)


def test_a_chain_needs_no_more_than_the_minimum():
    network = Network((stage("a", "in", "x", 6, 2), stage("b", "x", "out", 6)), ("in", "x", "out"))
    assert smallest_depths(network, 12) == {"in": 2, "x": 2, "out": 2}
    assert smallest_depths(network, 12, 1)["x"] == 1


def test_a_burst_is_given_what_it_needs():
    bursty = Program("bursty", 0, 16, 0, 1, 1, (every("in", 8),), (every("x", 8, start=8),))
    network = Network((bursty, stage("even", "x", "out", 8, 2)), ("in", "x", "out"))
    depths = smallest_depths(network, 16)
    assert depths["in"] == depths["out"] == 2
    assert depths["x"] > 2
    assert steady_interval(network, depths) == 16
    assert steady_interval(network, {**depths, "x": depths["x"] - 1}) > 16
    # with twice the time the burst may wait
    assert smallest_depths(network, 32)["x"] == 2


def test_a_shortcut_one_too_small_deadlocks():
    network = residual(beats=6)
    smallest = next(d for d in range(1, 20) if deadlock_free(network, {"skip": d, "main": 2, "back": 2}))
    assert smallest == 6  # `gather` wants six beats, and the fork writes none to `main` without room in `skip`
    with pytest.raises(Deadlock, match=f"'skip', which is full \\(depth {smallest - 1}\\)"):
        steady_interval(network, {"skip": smallest - 1, "main": 2, "back": 2})
    depths = smallest_depths(network, steady_interval(network, {}))
    assert depths["skip"] >= smallest
    assert depths["main"] == depths["back"] == 2


def test_a_shortcut_past_double_buffers_holds_tokens():
    """Every MAC holds a token and the next: so does the shortcut, whatever the latencies of the pipelines are."""
    for latency in (0, 40):
        network = Network(
            (
                stage("fork", "in", ("a", "skip"), 4),
                mac("m0", "a", "b", 4, 16, 4, 2, latency),
                mac("m1", "b", "c", 4, 16, 4, 2, latency),
                stage("add", ("c", "skip"), "out", 4),
            ),
            ("in", "a", "skip", "b", "c", "out"),
        )
        assert steady_interval(network, {}) == 16
        depths = smallest_depths(network, 16)
        assert depths["skip"] >= 8
        assert steady_interval(network, depths) == 16
        shallower = {**depths, "skip": depths["skip"] - 1}
        assert not deadlock_free(network, shallower) or steady_interval(network, shallower) > 16


def test_depths_that_only_a_pipeline_could_keep_going_are_not_taken():
    """What the first process has on its way fills no stream; a C simulation, without pipelines, would stand still.

    It writes four beats before it reads; their reader waits for one who cannot go on before that read.
    """
    network = Network(
        (
            Program("first", 0, 8, 0, 1, 40, (every("e", 2, start=4),), (every("s", 4),)),
            Program("side", 0, 4, 0, 1, 0, (every("in", 1),), (every("e", 2), every("w", 1, start=3))),
            Program("last", 0, 6, 0, 1, 0, (every("w", 1), every("s", 4, start=1)), (every("out", 1, start=5),)),
        ),
        ("in", "e", "s", "w", "out"),
    )
    depths = smallest_depths(network, 200, 1)
    assert Schedules(network, None).bound(list(depths.values()))
    deep = [edge for edge, depth in depths.items() if depth > 1]
    assert deep
    for edge in deep:
        fewer = list({**depths, edge: depths[edge] - 1}.values())
        assert Schedules(network, 200).bound(fewer, only_first=True)  # the interval alone would have let them pass
        assert not Schedules(network, None).bound(fewer)


def test_depths_are_one_and_the_same_each_time():
    network = residual(beats=9)
    assert smallest_depths(network, 36) == smallest_depths(network, 36)


def test_an_interval_out_of_reach_names_the_process():
    with pytest.raises(OptionError, match="'gather' alone takes 16 a frame"):
        smallest_depths(residual(beats=4), 15)
    with pytest.raises(OptionError, match="at least 1"):
        smallest_depths(residual(beats=4), 16, 0)
