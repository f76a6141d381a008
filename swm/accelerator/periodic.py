# SPDX-License-Identifier: Apache-2.0
"""Steady state of a process network, exactly: periodic schedules instead of long simulations.

Whether a network keeps an interval of `T` cycles a frame for ever is a question about one frame. In max-plus algebra
the interval is the largest mean weight of a cycle of the marked graph, and `T` is no smaller than it exactly if there
is a *periodic schedule*: times `x` of the events of one frame, the event in frame `f` taking place at `x + f * T`, with

    read of beat b        x >= written[b] + 1
    write of beat b       x >= read[b - depth] + 1 - latency     (b - depth < 0: of a frame before, `T` less for each)
    every event           x >= x of the event before it in the process + the slots between them
    first of the frame    x >= x of the frame's last event + the slots between them - T

Otherwise these have a cycle of positive weight (F. Baccelli, G. Cohen, G. J. Olsder, J.-P. Quadrat, "Synchronization
and Linearity", Wiley 1992). A solution is found by relaxation, a running maximum over all events of a process at a
time, forwards and backwards through the network until nothing moves; each event remembers what raised it last, and a
circle in that is a cycle of positive weight, the proof that there is no solution.

A schedule must also be possible without counting on pipelines as storage, because the C simulation has none: the same
system with every latency 0, all events of an iteration at its start and `T` beyond the weight of any path is solvable
exactly if no run of frames comes to a deadlock (a cycle within one run has positive weight then, every other a
negative one).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from swm.accelerator.network import (
    UNBOUNDED,
    Network,
    Program,
    Times,
    beats_of,
    program_order,
)
from swm.errors import OptionError

__all__ = ["Periodic", "Schedules", "interval_of"]

State: TypeAlias = tuple[list[Times], list[Times], list[Times], list[Times], list[int]]

_PUSHES = {6 << k: 8**k for k in range(6)}
"""After which sweeps processes are pushed, by how many 256ths of the interval; ever rarer, as a push has to settle."""

_CHECKED = 8
"""Every so many sweeps a circle of causes is looked for; a walk over all that moved costs as much as many sweeps."""

_BEFORE_ALL = -(1 << 58)


@dataclass(frozen=True)
class Table:
    """The events of a process in one frame, in program order.

    Attributes:
        reads: edges read, as numbers.
        rooms: edges that must have room before any is written.
        writes: edges written.
        at: of each port, in this order, where its beats stand among the events.
        start: start of the iteration of each event, in cycles after that of the frame's first.
        slot: cycle of each event, likewise.
        shift: frames by which the event is later (read-ahead: -1) than the period it stands in.
        slots: cycles a frame.
        port: of each event.
        beat: of each event, the beat of its edge.
    """

    name: str
    reads: tuple[int, ...]
    rooms: tuple[int, ...]
    writes: tuple[int, ...]
    at: tuple[Times, ...]
    start: Times
    slot: Times
    shift: Times
    slots: int
    latency: int
    port: Times
    beat: Times


def table_of(program: Program, tokens: int, index: Mapping[str, int]) -> Table:
    frame = tokens * program.period
    iterations, places, shifts, beats = [], [], [], []
    for port in (*program.reads, *program.rooms, *program.writes):
        iteration, place = beats_of(port, tokens, program.period)
        shift, iteration = np.divmod(iteration, frame)
        iterations.append(iteration)
        places.append(place)
        shifts.append(shift)
        beats.append(np.arange(len(iteration), dtype=np.int64))
    order, port_of = program_order(iterations, places, len(program.reads), len(program.rooms))
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    start = (np.concatenate(iterations) * program.ii)[order]
    return Table(
        name=program.name,
        reads=tuple(index[p.edge] for p in program.reads),
        rooms=tuple(index[p.edge] for p in program.rooms),
        writes=tuple(index[p.edge] for p in program.writes),
        at=tuple(np.split(back, np.cumsum([len(b) for b in beats])[:-1])),
        start=start,
        slot=start + np.concatenate(places)[order],
        shift=np.concatenate(shifts)[order],
        slots=frame * program.ii,
        latency=program.latency,
        port=port_of[order],
        beat=np.concatenate(beats)[order],
    )


def tables_of(network: Network) -> list[Table]:
    """Tables of all processes, those at the edge of the network included, every writer before its readers."""
    index = {e: i for i, e in enumerate(network.edges)}
    return [table_of(program, network.tokens, index) for program in network.closed]


class Periodic:
    """The least periodic schedule of interval `interval` under depths that shrink from call to call.

    Lateness `u = x - slot` of each event is kept for each process; smaller depths only ever raise it, so that each
    search goes on from the schedule before.

    Args:
        tables: the processes, every writer before its readers.
        edges: number of edges.
        interval: cycles a frame.
        timed: False: no latencies, and the events of an iteration all at its start.
    """

    def __init__(self, tables: list[Table], edges: int, interval: int, timed: bool) -> None:
        self.tables = tables
        self.interval = interval
        self.latency = [t.latency if timed else 0 for t in tables]
        self.slot = [t.slot if timed else t.start for t in tables]
        self.offset = [slot + t.shift * interval for slot, t in zip(self.slot, tables, strict=True)]
        self.reader, self.writer = [0] * edges, [0] * edges
        for number, table in enumerate(tables):
            for edge in table.reads:
                self.reader[edge] = number
            for edge in table.writes:
                self.writer[edge] = number
        self.cause: list[Times] = [np.full(len(t.slot), -1) for t in tables]
        self.late: list[Times] = [np.full(len(t.slot), 0 if not t.reads else _BEFORE_ALL) for t in tables]
        self.written: list[Times] = [np.empty(0, np.int64)] * edges
        self.read: list[Times] = [np.empty(0, np.int64)] * edges
        self.depths = [UNBOUNDED] * edges
        for number in range(len(tables)):  # nothing is ever full: one sweep is the whole solution
            self._settle(number, self.late[number])
            self._raise(number)
        self.cause = [np.full(len(t.slot), -1) for t in tables]

    def _waits(self, number: int) -> Times:
        """What each event of a process waits for on its edge, as lateness."""
        table, ports = self.tables[number], len(self.tables[number].reads)
        waits = np.empty(len(table.slot), np.int64)
        for edge, at in zip(table.reads, table.at[:ports], strict=True):
            waits[at] = self.written[edge] + 1
        for edge, at in zip((*table.rooms, *table.writes), table.at[ports:], strict=True):
            depth = self.depths[edge]
            if depth >= UNBOUNDED:
                waits[at] = _BEFORE_ALL
                continue
            frames, rest = divmod(depth, len(at))
            gone = np.roll(self.read[edge], rest) - frames * self.interval
            gone[:rest] -= self.interval
            waits[at] = gone + (1 - self.latency[number])
        waits -= self.offset[number]
        return waits

    def _raise(self, number: int) -> int:
        """Raise the lateness of a process to what its events wait for; the first event that moved, or -1."""
        waits, before = self._waits(number), self.late[number]
        if not (waits > before).any():  # a schedule so far, which meets its own constraints
            return -1
        raised = np.maximum(waits, before)
        late = np.maximum.accumulate(raised)
        cause = np.maximum.accumulate(np.where(raised == late, np.arange(len(late)), 0))
        around = late[-1] + self.tables[number].slots - self.interval
        cause[late < around] = cause[-1]
        np.maximum(late, around, out=late)
        moved = late > before
        first = int(np.argmax(moved))
        self.cause[number] = np.where(moved, cause, self.cause[number])
        self._settle(number, late)
        return first

    def _settle(self, number: int, late: Times) -> None:
        """Take over the lateness of a process: the times of its beats."""
        table = self.tables[number]
        self.late[number] = late
        times = late + self.offset[number]
        for edge, at in zip(table.reads, table.at[: len(table.reads)], strict=True):
            self.read[edge] = times[at]
        for edge, at in zip(table.writes, table.at[len(table.reads) + len(table.rooms) :], strict=True):
            self.written[edge] = times[at] + self.latency[number]

    def sufficient(self) -> list[int]:
        """Of each edge, the smallest depth that leaves the schedule as it is."""
        depths = []
        for written, read in zip(self.written, self.read, strict=True):
            # the last beat read before beat b can be seen frees its place, if it is at most b - depth
            frames, rest = np.divmod(written - 1 - read[0], self.interval)
            last = frames * len(read) + np.searchsorted(read, rest + read[0], "right") - 1
            depths.append(max(1, int(np.max(np.arange(len(read)) - last))))
        return depths

    def bound(self, depths: list[int]) -> bool:
        """Go on to other depths. False, and everything as before, if there is no schedule."""
        before = self.state()
        self.cause = [np.full(len(late), -1) for late in self.late]  # of other depths
        dirty = [False] * len(self.tables)
        for edge, (old, new) in enumerate(zip(self.depths, depths, strict=True)):
            if old != new:
                dirty[self.writer[edge]] = True
        self.depths = depths
        for sweep in itertools.count():
            moved = []
            numbers = range(len(self.tables)) if sweep % 2 else range(len(self.tables) - 1, -1, -1)
            for number in numbers:
                if dirty[number]:
                    dirty[number] = False
                    first = self._raise(number)
                    if first >= 0:
                        moved.append((number, first))
                        self._wake(number, dirty)
            if not any(dirty):
                return True
            if (sweep % _CHECKED == 0 or sweep in _PUSHES) and self._circular(moved):
                self.restore(before)
                return False
            if sweep in _PUSHES:
                self._push(moved, max(1, self.interval * _PUSHES[sweep] // 256), dirty)
        raise AssertionError

    def _wake(self, number: int, dirty: list[bool]) -> None:
        """Mark the neighbours of a process that moved."""
        for edge in self.tables[number].writes:
            dirty[self.reader[edge]] = True
        for edge in self.tables[number].reads:
            if self.depths[edge] < UNBOUNDED:
                dirty[self.writer[edge]] = True

    def _push(self, moved: list[tuple[int, int]], cycles: int, dirty: list[bool]) -> None:
        """Make processes later than they need be.

        A cycle of small positive weight would otherwise have to eat up the slack of its constraints lap by lap. Any
        start leads to a schedule if there is one, and to a circle of causes if there is none, so nothing is lost.
        """
        for number, _ in moved:
            self._settle(number, self.late[number] + cycles)
            self.cause[number] = np.full(len(self.cause[number]), -1)
            self._wake(number, dirty)
            dirty[number] = True

    def state(self) -> State:
        """What `restore` takes."""
        return self.late[:], self.written[:], self.read[:], self.cause[:], self.depths

    def restore(self, state: State) -> None:
        """Go back to a schedule from before."""
        self.late, self.written, self.read, self.cause, self.depths = state

    def _circular(self, starts: list[tuple[int, int]]) -> bool:
        """Whether what raised some events leads back to one of them: a cycle of positive weight."""
        known: set[tuple[int, int]] = set()
        for start in starts:
            trail, node = set(), start
            while node not in known:
                known.add(node)
                trail.add(node)
                number, event = node
                event = int(self.cause[number][event])
                if event < 0:
                    break
                node = self._other_end(number, event)
                if node in trail:
                    return True
        return False

    def _other_end(self, number: int, event: int) -> tuple[int, int]:
        """The event on the other side of the edge that an event waits for."""
        table = self.tables[number]
        port, beat = int(table.port[event]), int(table.beat[event])
        if port < len(table.reads):
            edge = table.reads[port]
            other = self.tables[self.writer[edge]]
            return self.writer[edge], int(
                other.at[len(other.reads) + len(other.rooms) + other.writes.index(edge)][beat]
            )
        edge = (*table.rooms, *table.writes)[port - len(table.reads)]
        other = self.tables[self.reader[edge]]
        at = other.at[other.reads.index(edge)]
        return self.reader[edge], int(at[(beat - self.depths[edge]) % len(at)])


class Schedules:
    """The two systems that depths must satisfy: keeping the interval, and free of deadlocks without pipelines."""

    def __init__(self, network: Network, interval: int | None) -> None:
        tables, edges = tables_of(network), len(network.edges)
        slowest = max(tables, key=lambda t: t.slots)
        if interval is not None and interval < slowest.slots:
            raise OptionError(f"interval of {interval} cycles: {slowest.name!r} alone takes {slowest.slots} a frame")
        beyond = 1 + sum(t.slots + 2 * len(t.slot) for t in tables)
        self.systems = [Periodic(tables, edges, beyond, False)]
        if interval is not None:  # first, for it settles sooner
            self.systems.insert(0, Periodic(tables, edges, interval, True))

    def bound(self, depths: list[int], only_first: bool = False) -> bool:
        """Go on to other depths; False, and everything as before, if they will not do.

        Args:
            depths: of every edge.
            only_first: leave the second system as it is.
        """
        systems = self.systems[:1] if only_first else self.systems
        before = [system.state() for system in systems]
        if all(system.bound(depths) for system in systems):
            return True
        for system, state in zip(systems, before, strict=True):
            system.restore(state)
        return False


def interval_of(network: Network, depths: Mapping[str, int]) -> int:
    """The smallest whole interval that the network keeps for ever, in cycles a frame.

    Args:
        network: the processes.
        depths: of every edge; without deadlocks.

    Returns:
        The interval. A mean that is not whole is rounded up.
    """
    known = [depths[e] for e in network.edges]
    tables = tables_of(network)

    def keeps(interval: int) -> bool:
        return Periodic(tables, len(known), interval, True).bound(known)

    low, step = max(t.slots for t in tables), 1  # bracketed by growing steps, then halved
    if keeps(low):
        return low
    while not keeps(low + step):
        low, step = low + step, 2 * step
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return high
