# SPDX-License-Identifier: Apache-2.0
"""Token simulation against two simulators written here: cycle after cycle, and straight from the recurrences."""

import functools
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from token_networks import every, mac, networks, residual, stage

from swm.accelerator.network import Network, Port, Program, Run
from swm.accelerator.tokens import UNBOUNDED, Deadlock, latency, play, simulate
from swm.errors import OptionError


def events_of(program, tokens):
    """(iteration, place, edge, is write) of every beat, in program order."""
    events = []
    for number, port in enumerate((*program.reads, *program.writes)):
        for token in range(tokens):
            runs = port.first if port.first and token == 0 else port.steady
            base = 0 if port.first and token == 0 else program.prologue + token * program.period
            left = port.beats_per_token
            for run in runs:
                for i in range(run.count):
                    for place in range(min(port.beats_per_event, left)):
                        at = base + run.start + i * run.step
                        events.append((at, number >= len(program.reads), place, number, port.edge))
                    left -= port.beats_per_event
    return [(at, place, edge, write) for at, write, place, _, edge in sorted(events)]


def together(program, events, at):
    """Edges that must have room for a write: those of the iteration still to be written, if one beat each."""
    if len(program.writes) < 2 or any(port.beats_per_event > 1 for port in program.writes):
        return [events[at][2]]
    return [edge for iteration, _, edge, write in events[at:] if write and iteration == events[at][0]]


def environment(network):
    beats = {e: b // network.tokens for e, b in network.beats.items()}
    sources = [Program(f"feed {e}", 0, beats[e], 0, 1, 0, (), (every(e, beats[e]),)) for e in network.inputs]
    sinks = [Program(f"drain {e}", 0, beats[e], 0, 1, 0, (every(e, beats[e]),), ()) for e in network.outputs]
    return [*sources, *network.programs, *sinks]


def by_cycles(network, frames, depths):
    """Cycle after cycle: what each process can do now. Latencies of 0 and 1, one beat an event. Ends, or None."""
    tokens = frames * network.tokens
    full, landing, arrivals = dict.fromkeys(network.edges, 0), {}, {e: [] for e in network.outputs}
    states = []
    for p in environment(network):
        assert p.latency <= 1
        states.append({"p": p, "events": events_of(p, tokens), "at": 0, "late": 0})
    held = dict.fromkeys(network.edges, 0)  # in the FIFO or on its way there
    cycle, idle = 0, 0
    while any(s["at"] < len(s["events"]) for s in states):
        for edge in landing.pop(cycle, []):  # to be seen from this cycle on
            full[edge] += 1
        freed, came, moved, again = [], [], False, True
        while again:  # a process may do several things in a cycle, in its order
            again = False
            for s in states:
                if s["at"] == len(s["events"]):
                    continue
                at, place, edge, write = s["events"][s["at"]]
                latency = s["p"].latency
                if cycle < at * s["p"].ii + place + s["late"]:
                    continue
                if write:
                    # seen at cycle + latency; the place must have been freed before that
                    if not all(
                        held[e] - (freed.count(e) if latency else 0) < (depths.get(e, 0) or 10**9)
                        for e in together(s["p"], s["events"], s["at"])
                    ):
                        continue
                    held[edge] += 1
                    (came if not latency else landing.setdefault(cycle + 1 + latency, [])).append(edge)
                else:
                    if not full[edge]:
                        continue
                    full[edge] -= 1
                    freed.append(edge)
                    if edge in arrivals:
                        arrivals[edge].append(cycle)
                s["late"] = max(s["late"], cycle - at * s["p"].ii - place)
                s["at"] += 1
                again = moved = True
        for edge in freed:
            held[edge] -= 1
        for edge in came:
            full[edge] += 1
        cycle += 1
        idle = 0 if moved else idle + 1
        if idle > 200:
            return None
    beats = network.beats
    return tuple(max(arrivals[e][(f + 1) * beats[e] - 1] for e in network.outputs) for f in range(frames))


def by_recurrence(network, frames, depths):
    """Ends straight from the rules, by recursion with memory; None where an event waits for itself."""
    tokens, position, table = frames * network.tokens, {}, {}
    for p in environment(network):
        table[p.name] = (p, events_of(p, tokens))
        counts = {}
        for n, (_, _, edge, write) in enumerate(table[p.name][1]):
            beat = counts[edge] = counts.get(edge, -1) + 1
            position[edge, write, beat] = (p.name, n, beat)
    pending = set()

    @functools.cache
    def late(name, n):
        if n < 0:
            return 0
        if (name, n) in pending:
            raise ZeroDivisionError
        pending.add((name, n))
        p, events = table[name]
        at, place, edge, write = events[n]
        result = late(name, n - 1)
        beat = numbered[name][n]
        if not write:
            result = max(result, time(edge, True, beat) + 1 - at * p.ii - place)
        else:
            for other in together(p, events, n):
                if depths.get(other, 0) and beat >= depths[other]:  # joint writes have one beat an iteration each
                    result = max(result, time(other, False, beat - depths[other]) + 1 - p.latency - at * p.ii - place)
        pending.discard((name, n))
        return result

    def time(edge, write, beat):
        name, n, _ = position[edge, write, beat]
        p, events = table[name]
        return late(name, n) + events[n][0] * p.ii + events[n][1] + (p.latency if write else 0)

    numbered = {name: {} for name in table}
    for name, n, beat in position.values():
        numbered[name][n] = beat
    try:
        for total in range(max(len(e) for _, e in table.values())):  # in steps: recursion stays shallow
            for name, (_, events) in table.items():
                if total < len(events):
                    late(name, total)
        beats = network.beats
        return tuple(max(time(e, False, (f + 1) * beats[e] - 1) for e in network.outputs) for f in range(frames))
    except ZeroDivisionError:
        return None


def compare(network, depths, reference):
    """Three frames end alike; where more frames come to a deadlock, so does the reference."""
    try:
        ends = simulate(network, 3, depths).ends
    except Deadlock:
        assert reference(network, 30, depths) is None
    else:
        assert ends == reference(network, 3, depths)


def depths_for(network):
    return st.fixed_dictionaries({e: st.integers(0, 9) for e in network.edges})


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equals_a_simulation_cycle_after_cycle(data):
    network = data.draw(networks(latencies=1, wide=False))
    depths = data.draw(depths_for(network))
    compare(network, depths, by_cycles)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equals_the_recurrences(data):
    network = data.draw(networks())
    depths = data.draw(depths_for(network))
    compare(network, depths, by_recurrence)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_deeper_is_never_slower(data):
    network = data.draw(networks())
    depths = data.draw(depths_for(network))
    try:
        trace = simulate(network, 3, depths)
    except Deadlock:
        assume(False)
    edge = data.draw(st.sampled_from(network.edges))
    deeper = simulate(network, 3, {**depths, edge: depths[edge] and depths[edge] + 1})
    assert all(a <= b for a, b in zip(deeper.ends, trace.ends, strict=True))
    assert deeper.interval <= trace.interval


def test_interval_is_that_of_the_slowest_process():
    network = Network(
        (stage("a", "in", "x", 6, 2), stage("b", "x", "y", 6, 5), stage("c", "y", "out", 6)), ("in", "x", "y", "out")
    )
    trace = simulate(network, 6, dict.fromkeys(network.edges, 2))
    assert trace.interval == 30
    assert [b - a for a, b in zip(trace.ends, trace.ends[1:], strict=False)] == [30] * 5
    assert trace.processes["b"].stalls == 0
    assert trace.processes["a"].stalls > 0
    assert trace.processes["b"].iterations == 180
    # in at 0, a reads at 1, b at 3, c at 3 + 25 + 2, out one later than that is visible
    assert trace.latency == 1 + 2 + 25 + 2 + 2


def test_paced_input_arrives_no_sooner():
    network = Network((stage("a", "in", "out", 4),), ("in", "out"))
    assert simulate(network, 3, {}, pace=50).ends == tuple(simulate(network, 1, {}).latency + 50 * f for f in range(3))


def test_a_burst_wants_a_deeper_fifo():
    bursty = Program("bursty", 0, 16, 0, 1, 1, (every("in", 8),), (every("x", 8, start=8),))
    network = Network((bursty, stage("even", "x", "out", 8, 2)), ("in", "x", "out"))
    intervals = {depth: simulate(network, 3, {"x": depth}).interval for depth in (1, 2, 3, 4, 5)}
    assert intervals[5] == 16
    assert intervals[1] > intervals[2] > 16
    assert list(intervals.values()) == sorted(intervals.values(), reverse=True)
    assert simulate(network, 4, {}).occupancy["x"] == 5


def test_a_stream_of_registers_has_places_for_what_is_under_way():
    """Eight beats wait for a reader that begins late: four beyond the depth of one have left their writer by then.

    The place that beat 0 leaves in cycle 20 is beat 5's in 21; it is there in 25 and read in 26, one late. Beat 5 stays
    with whoever gave it until then, as a register that reserves takes nothing that has no place.
    """
    writer = Program("w", 0, 8, 0, 1, 4, (every("in", 8),), (every("x", 8),))
    reader = Program("r", 0, 28, 0, 1, 0, (every("x", 8, start=20),), (every("out", 8, start=20),))
    found, taken = {}, {}
    for reserves in (False, True):
        network = Network((replace(writer, reserves=reserves), reader), ("in", "x", "out"))
        found[reserves] = simulate(network, 1, {"x": 1}).ends[0]
        taken[reserves] = play(network, 1, {"in": UNBOUNDED, "x": 1, "out": UNBOUNDED}).read[0]
    assert found == {False: 20 + 2 * 7 + 1, True: 20 + 7 + 1 + 1}
    assert taken[True] == [1, 2, 3, 4, 5, 21, 22, 23]
    assert taken[False][1] == 2  # before its place is free: so the loops of C++ read


def test_a_frame_that_comes_to_a_network_at_rest_finds_done_what_needs_none():
    """Four iterations before the first beat is asked for, which a rest of two cycles or of any more has behind it."""
    network = Network(
        (Program("p", 0, 5, 0, 1, 1, (every("in", 1, start=4),), (every("out", 1, start=4),)),), ("in", "out")
    )
    unbounded = dict.fromkeys(network.edges, UNBOUNDED)
    assert [latency(network, unbounded, rest) for rest in (0, 2, 100)] == [6, 4, 3]


def test_a_shortcut_one_too_small_is_named():
    network = residual(beats=4)
    assert simulate(network, 4, {"skip": 4, "main": 1}).ends
    with pytest.raises(Deadlock, match="'fork' waits for edge 'skip', which is full \\(depth 2\\)") as caught:
        simulate(network, 4, {"skip": 2, "main": 1})
    assert {(b.process, b.edge, b.full) for b in caught.value.cycle} == {
        ("fork", "skip", True),
        ("gather", "main", False),
        ("add", "back", False),
    }
    assert ("input in", "in", True) not in {(b.process, b.edge, b.full) for b in caught.value.cycle}


def test_double_buffered_mac_keeps_its_period():
    network = Network(
        (stage("a", "in", "x", 8), mac("mac", "x", "y", 8, 24, 5, 4), stage("b", "y", "out", 5)),
        ("in", "x", "y", "out"),
        tokens=3,
    )
    trace = simulate(network, 4, dict.fromkeys(network.edges, 2))
    assert trace.processes["mac"].iterations == 8 + 12 * 24 + 17
    assert trace.interval == 3 * 24
    assert trace.ends[2] - trace.ends[1] == 72
    # loads of token t + 1 at 24 t + 3 j; the first drained beat of token t at 8 + 24 (t + 1)
    assert trace.processes["mac"].start == 3
    assert trace.ends[0] == 3 + 8 + 3 * 24 + 4 * 4 + 2 + 1 + 2


def test_what_a_read_ahead_of_the_next_token_costs():
    """A fast MAC behind a slow process holds a token back until it has the next; alone, a frame is through sooner."""
    network = Network(
        (stage("slow", "in", "x", 4, 20), mac("mac", "x", "y", 4, 8, 2, 2), stage("b", "y", "out", 2)),
        ("in", "x", "y", "out"),
    )
    trace = simulate(network, 6, {})
    steps = [b - a for a, b in zip(trace.ends, trace.ends[1:], strict=False)]
    assert trace.interval == 80
    assert steps[:3] == [80] * 3
    assert steps[-1] < 80
    assert trace.ends[0] > trace.latency


def test_several_beats_an_iteration():
    """Four beats an iteration of four cycles; the last event of a token moves one."""
    wide = Program("wide", 0, 3, 0, 4, 6, (every("in", 3, beats_per_event=4, beats=9),), (every("out", 3),))
    network = Network((wide,), ("in", "out"))
    trace = simulate(network, 2, {})
    assert network.beats == {"in": 9, "out": 3}
    # beat 8 of a frame is read 8 cycles after beat 0; its write is seen 6 cycles after its iteration starts
    assert trace.ends == (1 + 8 + 6 + 1, 1 + 8 + 6 + 1 + 12)


def test_work_is_counted_in_events_not_in_cycles():
    """A hundred times as many cycles are as many events: a read and a write a beat and process, and the two outside."""
    for step in (1, 100):
        programs = tuple(stage(f"p{i}", f"e{i}", f"e{i + 1}", 50, step) for i in range(100))
        network = Network(programs, tuple(f"e{i}" for i in range(101)))
        assert simulate(network, 4, dict.fromkeys(network.edges, 2)).events == 2 * 101 * 50 * 4


OK = stage("a", "x", "y", 4)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Run(0, 0, 3), "step and count"),
        (lambda: Port("x", (), ()), "no iterations"),
        (lambda: Port("x", (Run(0, 1, 2),), (Run(0, 1, 3),)), "another number of iterations"),
        (lambda: Port("x", (), (Run(0, 1, 3), Run(2, 1, 1))), "do not ascend"),
        (lambda: Port("x", (), (Run(0, 1, 3),), 2, 4), "but for the last"),
        (lambda: Program("a", 0, 4, 0, 1, 0, (), ()), "neither reads nor writes"),
        (lambda: Program("a", 0, 4, 0, 1, 0, (every("x", 2, beats_per_event=2),), ()), "iteration of 1 cycles"),
        (lambda: Program("a", 0, 4, 0, 1, 0, (every("x", 2, start=-2),), ()), "before iteration 0"),
        (lambda: Program("a", 0, 4, 9, 1, 0, (every("x", 5),), ()), "interleave"),
        (lambda: Program("a", 0, 4, 1, 1, 0, (), (every("x", 3, start=3),)), "epilogue is too short"),
        (lambda: Network((OK, OK), ("x", "y")), "more than once"),
        (lambda: Network((OK,), ("x", "x", "y")), "more than once"),
        (lambda: Network((OK,), ("x",)), "'y' is no edge"),
        (lambda: Network((OK, stage("b", "x", "z", 4)), ("x", "y", "z")), "'x' is read twice, by 'a' and 'b'"),
        (lambda: Network((OK, stage("b", "z", "y", 4)), ("x", "y", "z")), "'y' is written twice"),
        (lambda: Network((OK,), ("x", "y", "z")), "'z' has neither"),
        (lambda: Network((OK, stage("b", "y", "z", 3)), ("x", "y", "z")), "'a' writes 4 beats a token, 'b' reads 3"),
        (lambda: Network((OK, stage("b", "y", ("x", "z"), 4)), ("x", "y", "z")), "not acyclic"),
        (lambda: Network((OK,), ("x", "y"), 0), "tokens a frame"),
        (lambda: simulate(Network((OK,), ("x", "y")), 0, {}), "0 frames"),
        (lambda: simulate(Network((OK,), ("x", "y")), 2, {"z": 2}), "no such edge"),
        (lambda: simulate(Network((OK,), ("x", "y")), 2, {"x": -1}), "negative"),
    ],
)
def test_what_makes_no_sense_is_named(make, words):
    with pytest.raises(OptionError, match=words):
        make()
