# SPDX-License-Identifier: Apache-2.0
"""Token simulation: when every beat of a process network moves through its bounded FIFOs.

**The model.** A `Network` with bounded FIFOs, all of whose reads and writes stand at fixed iterations, is a *marked
graph* (a Petri net in which every place has one producer and one consumer), hence determinate: the order of execution
changes neither the values nor whether it comes to a deadlock, and its earliest times solve a system that is linear in
the max-plus algebra (F. Baccelli, G. Cohen, G. J. Olsder, J.-P. Quadrat, "Synchronization and Linearity", Wiley 1992;
for liveness F. Commoner, A. W. Holt, S. Even, A. Pnueli, "Marked directed graphs", J. Comput. Syst. Sci. 5, 1971).

**The timing rule.** Iteration `i` starts at `t[i] = max(t[i-1] + ii, every wait of the iteration)`:

    read of beat b of an edge      t[i] >= written[b] + 1
    write of beat b of an edge     t[i] >= read[b - depth] + 1 - latency,   written[b] = t[i] + latency
    the same, place reserved       t[i] >= read[b - depth - latency] + 1    (`Program.reserves`)

With `u = t - slot` (`slot = i * ii`, the undisturbed time) this is one running maximum of the waits: a process held up
by `u` cycles stays late by `u`, so the work is one maximum an I/O event and nothing a cycle. Two things make the rule
complete:

- Within an iteration reads come before writes, as in the C++ loops, and a read that could be done *is* done while the
  iteration waits to write; one that writes several edges writes none before all have room (`Program.rooms`). Where a
  place is reserved, it is before the reads: no beat is taken that has none (hls/rtl/swm_fork.sv). The events
  of a process are therefore totally ordered (its *program order*), each waits only for its own condition, and a
  deadlock found here is the deadlock of the bounded C simulation, beat for beat, for any latency.
- A port of `beats_per_event` beats moves one a cycle: beat `j` of the iteration at slot `i * ii + j`.

Edges without a writer are fed one beat a cycle, as fast as accepted, or frame `f` not before `f * pace`; edges without
a reader are drained one beat a cycle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from swm.accelerator.network import (
    UNBOUNDED,
    Network,
    Port,
    Program,
    Run,
    beats_of,
    checked_depths,
    numbers,
    program_order,
)
from swm.accelerator.periodic import Schedules, interval_of
from swm.errors import OptionError

__all__ = [
    "UNBOUNDED",
    "Activity",
    "Blocked",
    "Deadlock",
    "Network",
    "Port",
    "Program",
    "Run",
    "Trace",
    "latency",
    "simulate",
]


@dataclass(frozen=True)
class Blocked:
    """A process that cannot go on: it would write a full edge, or read an empty one."""

    process: str
    edge: str
    full: bool

    def __str__(self) -> str:
        return f"{self.process!r} waits for edge {self.edge!r}, which is {'full' if self.full else 'empty'}"


class Deadlock(OptionError):
    """The depths make every unfinished process wait for another.

    Attributes:
        cycle: the processes that wait for each other in a circle.
        blocked: every process that waits.
    """

    def __init__(self, cycle: tuple[Blocked, ...], blocked: tuple[Blocked, ...], depths: Mapping[str, int]) -> None:
        """Name the processes of the circle, their edges and the depths of the full ones."""
        self.cycle = cycle
        self.blocked = blocked
        depth = {b.edge: f" (depth {depths[b.edge]})" for b in cycle if b.full}
        super().__init__("deadlock: " + "; ".join(f"{b}{depth.get(b.edge, '')}" for b in cycle))


@dataclass(frozen=True)
class Activity:
    """What a process did: the cycles of its first and last iteration, its iterations, cycles lost after its start."""

    start: int
    end: int
    iterations: int
    stalls: int


@dataclass(frozen=True)
class Trace:
    """Result of `simulate`.

    Attributes:
        processes: by name; `end` is when the writes of the last iteration can be seen.
        ends: cycle in which the last beat of each frame leaves the network.
        interval: cycles from frame to frame kept for ever, exactly (`periodic`). The differences of `ends` need not
            show it: it takes frames to build up, and the last frames catch up, as no loads for later ones hold them.
        latency: cycles from the first beat accepted to the last beat out, of one frame alone.
        occupancy: most beats at a time in each edge; also the smallest depth that would have changed nothing.
        events: reads and writes simulated, those at the edge of the network included.
    """

    processes: dict[str, Activity]
    ends: tuple[int, ...]
    interval: int
    latency: int
    occupancy: dict[str, int]
    events: int


class _Process:
    """A process at work: its events in program order, and how late it runs."""

    def __init__(self, program: Program, tokens: int, index: dict[str, int]) -> None:
        self.program = program
        self.reads = [index[p.edge] for p in program.reads]
        self.writes = [index[p.edge] for p in program.writes]
        ports = (*program.reads, *program.writes)
        first = program.reserves and all(port.beats_per_event == 1 for port in ports)
        self.rooms = program.writes if first else program.rooms
        iterations, places = [], []
        for port in (*program.reads, *self.rooms, *program.writes):
            iteration, place = beats_of(port, tokens, program.period)
            iteration += program.prologue
            if port.first:
                event, _ = port.moves
                iteration[: len(event)] = numbers(port.first)[event]
            iterations.append(iteration)
            places.append(place)
        order, port_of = program_order(iterations, places, len(self.reads), len(self.rooms), first)
        self.operations: list[int] = port_of[order].tolist()
        self.slots: list[int] = (np.concatenate(iterations) * program.ii + np.concatenate(places))[order].tolist()
        self.at_start = int(np.searchsorted(np.concatenate(iterations)[order], 1))
        self.late = 0  # u of the module docstring, when done

    def work(
        self, written: list[list[int]], read: list[list[int]], depths: list[int], release: list[int] | None
    ) -> Iterator[int]:
        """Go on as far as possible; yield `2 * edge` at an empty edge, `2 * edge + 1` at a full one.

        To be resumed when there is a beat, or space.
        """
        latency = self.program.latency
        ahead = 0 if self.program.reserves else latency
        ins = [(written[e], read[e], read[e].append, 2 * e) for e in self.reads]
        outs = [(read[e], written[e], written[e].append, 2 * e + 1, depths[e]) for e in self.writes]
        split, late = len(ins), 0
        rooms = split + len(self.rooms)  # operations below it read, or wait for room
        for operation, slot in zip(self.operations, self.slots, strict=True):
            if operation < split:
                there, mine, append, wait = ins[operation]
                beat = len(mine)
                if beat >= len(there):
                    yield wait
                time = there[beat] + 1
                if time > late + slot:
                    late = time - slot
                    append(time)
                else:
                    append(late + slot)
            else:
                there, mine, append, wait, depth = outs[operation - (split if operation < rooms else rooms)]
                beat = len(mine) - depth
                if release is not None and release[len(mine)] > late + slot:
                    late = release[len(mine)] - slot
                if beat >= 0:
                    if beat >= len(there):
                        yield wait
                    time = there[beat] + 1 - ahead - slot
                    if time > late:
                        late = time
                if operation >= rooms:
                    append(late + slot + latency)
        self.late = late

    def activity(self, written: list[list[int]], read: list[list[int]], tokens: int) -> Activity:
        """Start, end and stalls, after the work."""
        program, late = self.program, 0
        if self.at_start:
            operation, slot = self.operations[self.at_start - 1], self.slots[self.at_start - 1]
            beat = self.operations[: self.at_start].count(operation) - 1
            split = len(self.reads)
            late = (
                read[self.reads[operation]][beat]
                if operation < split
                else (written[self.writes[operation - split - len(self.rooms)]][beat] - program.latency)
            )
            late -= slot
        total = program.iterations(tokens)
        end = self.late + (total - 1) * program.ii + program.latency
        return Activity(late, end, total, self.late - late)


@dataclass
class Played:
    """Times of every beat, by the index of its edge."""

    written: list[list[int]]
    read: list[list[int]]
    processes: list[_Process]


def play(network: Network, frames: int, depths: Mapping[str, int], pace: int = 0, rest: int = 0) -> Played:
    """Work through all frames: every process goes as far as it can, then those that it has set free.

    Frame f arrives not before `rest + f * pace`.

    Raises:
        Deadlock: nobody can go on.
    """
    index = {e: i for i, e in enumerate(network.edges)}
    depth = [depths[e] for e in network.edges]
    for program in network.programs:
        for port in program.writes:
            depth[index[port.edge]] += program.latency if program.reserves else 0
    tokens = frames * network.tokens
    written: list[list[int]] = [[] for _ in index]
    read: list[list[int]] = [[] for _ in index]
    processes = [_Process(program, tokens, index) for program in network.closed]
    works, reader, writer = [], [0] * len(index), [0] * len(index)
    for number, process in enumerate(processes):
        release = None
        entry = process.program.name.startswith("input ") and number < len(network.inputs)
        if (pace or rest) and entry and not process.reads:
            beats = network.beats[network.inputs[number]]
            release = [rest + f * pace for f in range(frames) for _ in range(beats)]
        works.append(process.work(written, read, depth, release))
        for edge in process.reads:
            reader[edge] = number
        for edge in process.writes:
            writer[edge] = number
    # (edge, who waits for it, what that one's wait would be, its depth as seen by a reader or a writer)
    downstream = [[(reader[e], 2 * e, written[e], read[e]) for e in p.writes] for p in processes]
    upstream = [[(writer[e], 2 * e + 1, written[e], read[e], depth[e]) for e in p.reads] for p in processes]
    done, queued = -1, -2
    waits = [queued] * len(processes)
    ready = deque(range(len(processes)))
    while ready:
        number = ready.popleft()
        waits[number] = next(works[number], done)
        for other, wait, puts, gets in downstream[number]:
            if waits[other] == wait and len(puts) > len(gets):
                waits[other] = queued
                ready.append(other)
        for other, wait, puts, gets, room in upstream[number]:
            if waits[other] == wait and len(puts) - len(gets) < room:
                waits[other] = queued
                ready.append(other)
    if any(wait != done for wait in waits):
        stuck = {
            n: Blocked(processes[n].program.name, network.edges[w // 2], w % 2 == 1)
            for n, w in enumerate(waits)
            if w >= 0
        }
        trail, at = [], min(stuck)
        while at not in trail:  # each waits for the other end of its edge, which is stuck as well
            trail.append(at)
            at = (reader if waits[at] % 2 else writer)[waits[at] // 2]
        raise Deadlock(tuple(stuck[n] for n in trail[trail.index(at) :]), tuple(stuck.values()), depths)
    return Played(written, read, processes)


def keeps_going(network: Network, depths: Mapping[str, int]) -> bool:
    """Whether the steady state, however many frames it lasts, comes to no deadlock: by proof (`periodic`)."""
    return Schedules(network, None).bound([depths[e] for e in network.edges])


def live(network: Network, depths: Mapping[str, int]) -> None:
    """See that no number of frames comes to a deadlock: in the steady state by proof, at the start and the end by play.

    Args:
        network: the processes.
        depths: of every edge.

    Raises:
        Deadlock: naming the processes and edges, after as many frames as it takes.
    """
    fill = max((-(-d // network.beats[e]) for e, d in depths.items() if d < UNBOUNDED), default=0)
    steady = keeps_going(network, depths)
    for frames in (3 + min(fill, 60),) if steady else (fill + 4, 4 * fill + 64, 4096):
        play(network, frames, depths)


def latency(network: Network, depths: Mapping[str, int], rest: int = 0) -> int:
    """Cycles from the first beat accepted to the last beat out of one frame alone, at depths that are known to be live.

    Args:
        network: the processes.
        depths: of every edge.
        rest: cycles in which they have done before what they can do without a frame.

    Raises:
        Deadlock: that frame cannot finish.
    """
    played, index = play(network, 1, depths, rest=rest), {e: i for i, e in enumerate(network.edges)}
    accepted = min((played.written[index[e]][0] for e in network.inputs), default=0)
    return max(played.read[index[e]][-1] for e in network.outputs) - accepted


def simulate(network: Network, frames: int, depths: Mapping[str, int], *, pace: int = 0) -> Trace:
    """Run frames through the network, one straight after the other.

    Args:
        network: the processes.
        frames: how many, at least one.
        depths: beats each edge holds; missing or 0: unbounded.
        pace: frame f arrives not before `f * pace`; 0: as fast as accepted.

    Returns:
        The times; see `Trace`.

    Raises:
        Deadlock: the depths are too small to finish, be it with more frames than these.
        OptionError: no frames, or a depth for an edge that is not there.
    """
    if frames < 1:
        raise OptionError(f"{frames} frames to simulate: must be at least 1")
    bounded = checked_depths(network, depths)
    index = {e: i for i, e in enumerate(network.edges)}

    def ends_of(played: Played) -> tuple[int, ...]:
        last = [played.read[index[e]][network.beats[e] - 1 :: network.beats[e]] for e in network.outputs]
        return tuple(max(times) for times in zip(*last, strict=True))

    if not keeps_going(network, bounded):
        live(network, bounded)
    played = play(network, frames, bounded, pace)
    occupancy = {}
    for edge, i in index.items():
        puts, gets = np.asarray(played.written[i]), np.asarray(played.read[i])
        occupancy[edge] = int(np.max(np.arange(1, len(puts) + 1) - np.searchsorted(gets, puts, "left")))
    tokens = frames * network.tokens
    known = {p.name for p in network.programs}
    return Trace(
        processes={
            p.program.name: p.activity(played.written, played.read, tokens)
            for p in played.processes
            if p.program.name in known
        },
        ends=ends_of(played),
        interval=interval_of(network, bounded),
        latency=latency(network, bounded),
        occupancy=occupancy,
        events=sum(len(p.slots) for p in played.processes),
    )
