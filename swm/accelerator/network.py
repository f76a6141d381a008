# SPDX-License-Identifier: Apache-2.0
"""Networks of processes: what is simulated (`tokens`), bounded (`depths`) and may be executed untimed by anyone.

A `Network` is a directed acyclic graph of processes joined by FIFO edges. A process (`Program`) runs one flat pipelined
loop whose reads and writes stand at fixed iterations; each is blocking. For `T` tokens it runs

    prologue + T * period + epilogue

iterations, whatever the data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from swm.errors import OptionError

__all__ = [
    "UNBOUNDED",
    "Network",
    "Port",
    "Program",
    "Run",
    "Times",
    "beats_of",
    "checked_depths",
    "numbers",
    "program_order",
]

Times: TypeAlias = npt.NDArray[np.int64]

UNBOUNDED = 1 << 60
"""Depth of an edge that never fills (also what a missing or zero depth stands for)."""


@dataclass(frozen=True)
class Run:
    """`count` iteration numbers `start, start + step, ...`."""

    start: int
    step: int
    count: int

    def __post_init__(self) -> None:
        if self.step < 1 or self.count < 1:
            raise OptionError(f"run of iterations {self}: step and count must be at least 1")


@dataclass(frozen=True)
class Port:
    """Where a process reads or writes one edge.

    Attributes:
        edge: name of the edge.
        first: absolute iteration numbers for token 0, in place of `steady` (loads in the prologue); empty: as `steady`.
        steady: for token t, iteration numbers relative to `prologue + t * period`. Negative: read ahead in the period
            of the token before. From `period` on: drained in the next period, or in the epilogue.
        beats_per_event: beats moved in one such iteration, one a cycle; at most the `ii` of the process.
        beats: beats a token, where the last event moves fewer than `beats_per_event`; 0: all events are full.
        parts: equal parts that the runs consist of, each of which has `beats` beats; a token made of several tokens.
    """

    edge: str
    first: tuple[Run, ...]
    steady: tuple[Run, ...]
    beats_per_event: int = 1
    beats: int = 0
    parts: int = 1

    def __post_init__(self) -> None:
        def fault(text: str) -> OptionError:
            return OptionError(f"port of edge {self.edge!r}: {text}")

        if not self.steady:
            raise fault("no iterations in `steady`")
        if self.beats_per_event < 1:
            raise fault(f"beats_per_event is {self.beats_per_event}, must be at least 1")
        if self.first and sum(r.count for r in self.first) != self.events:
            raise fault("`first` has another number of iterations than `steady`")
        events, rest = divmod(self.events, self.parts)
        if rest:
            raise fault(f"{self.events} events are not {self.parts} equal parts")
        if self.beats and not 0 < self.beats - (events - 1) * self.beats_per_event <= self.beats_per_event:
            raise fault(f"{self.beats} beats do not fill {events} events of {self.beats_per_event} but for the last")
        for runs, what in ((self.first, "first"), (self.steady, "steady")):
            if np.any(np.diff(numbers(runs)) < 1):
                raise fault(f"iterations of `{what}` do not ascend")

    @property
    def events(self) -> int:
        """Iterations a token in which the port moves something."""
        return sum(r.count for r in self.steady)

    @property
    def beats_per_token(self) -> int:
        """Beats a token."""
        return self.beats * self.parts or self.events * self.beats_per_event

    @property
    def moves(self) -> tuple[Times, Times]:
        """Of each beat of a token: its event, and its place in the event."""
        beat = np.arange(self.beats_per_token // self.parts, dtype=np.int64)
        part = np.arange(self.parts, dtype=np.int64)[:, None] * (self.events // self.parts)
        return (part + beat // self.beats_per_event).ravel(), np.tile(beat % self.beats_per_event, self.parts)


@dataclass(frozen=True)
class Program:
    """One process: a flat pipelined loop with its reads and writes at fixed iterations.

    Attributes:
        name: unique in the network.
        prologue: iterations before the period of token 0.
        period: iterations a token.
        epilogue: iterations after the period of the last token.
        ii: cycles from one iteration to the next.
        latency: cycles from the start of an iteration until its writes can be seen.
        reads: ports read, in the order of the C++ loop.
        writes: ports written, in that order, after the reads of the iteration.
        reserves: a beat takes its place in a stream when its iteration starts, and streams have `latency` places more
            than their depth for beats that are under way (hls/rtl/swm_fifo.sv).
    """

    name: str
    prologue: int
    period: int
    epilogue: int
    ii: int
    latency: int
    reads: tuple[Port, ...]
    writes: tuple[Port, ...]
    reserves: bool = False

    def __post_init__(self) -> None:
        def fault(text: str) -> OptionError:
            return OptionError(f"process {self.name!r}: {text}")

        if self.period < 1 or self.ii < 1 or min(self.prologue, self.epilogue, self.latency) < 0:
            raise fault("period and ii must be at least 1; prologue, epilogue and latency at least 0")
        if not self.reads and not self.writes:
            raise fault("neither reads nor writes")
        for port in (*self.reads, *self.writes):
            if port.beats_per_event > self.ii:
                raise fault(f"moves {port.beats_per_event} beats of {port.edge!r} in an iteration of {self.ii} cycles")
            steady, first = numbers(port.steady), numbers(port.first or port.steady)
            if not port.first:
                first += self.prologue
            if first[0] < 0:
                raise fault(f"token 0 moves beats of {port.edge!r} before iteration 0: give the port its `first`")
            if steady[-1] - steady[0] >= self.period or first[-1] >= self.prologue + self.period + steady[0]:
                raise fault(f"beats of {port.edge!r} of neighbouring tokens interleave")
            if steady[-1] >= self.period + self.epilogue or first[-1] >= self.prologue + self.period + self.epilogue:
                raise fault(f"moves beats of {port.edge!r} after its last iteration: the epilogue is too short")

    @property
    def rooms(self) -> tuple[Port, ...]:
        """Ports written that must all have room before any of them is written.

        The stage of a pipeline that writes several streams stands still until each takes its beat; several beats an
        iteration stand in stages of their own.
        """
        joint = len(self.writes) > 1 and all(port.beats_per_event == 1 for port in self.writes)
        return self.writes if joint else ()

    def iterations(self, tokens: int) -> int:
        """Iterations for `tokens` tokens."""
        return self.prologue + tokens * self.period + self.epilogue


@dataclass(frozen=True)
class Network:
    """Processes and the FIFO edges that join them; checked when made.

    Attributes:
        programs: the processes.
        edges: names of the edges, in the order in which depths are searched. Without a writer: an input; without a
            reader: an output.
        tokens: tokens a frame.
    """

    programs: tuple[Program, ...]
    edges: tuple[str, ...]
    tokens: int = 1

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise OptionError(f"{self.tokens} tokens a frame: must be at least 1")
        for names, what in (([p.name for p in self.programs], "process"), (list(self.edges), "edge")):
            twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
            if twice:
                raise OptionError(f"{what} {twice[0]!r} is there more than once")
        known = set(self.edges)
        ends: tuple[dict[str, tuple[str, int]], ...] = ({}, {})
        for program in self.programs:
            for end, ports, verb in ((ends[0], program.writes, "written"), (ends[1], program.reads, "read")):
                for port in ports:
                    if port.edge not in known:
                        raise OptionError(f"process {program.name!r}: {port.edge!r} is no edge of the network")
                    if port.edge in end:
                        raise OptionError(
                            f"edge {port.edge!r} is {verb} twice, by {end[port.edge][0]!r} and {program.name!r}"
                        )
                    end[port.edge] = (program.name, port.beats_per_token)
        for edge in self.edges:
            writer, reader = ends[0].get(edge), ends[1].get(edge)
            if writer is None and reader is None:
                raise OptionError(f"edge {edge!r} has neither writer nor reader")
            if writer and reader and writer[1] != reader[1]:
                raise OptionError(
                    f"edge {edge!r}: {writer[0]!r} writes {writer[1]} beats a token, {reader[0]!r} reads {reader[1]}"
                )
        if not self.outputs:
            raise OptionError("no edge is an output of the network: every one has a reader")
        if len(self.order) < len(self.programs):
            rest = sorted({p.name for p in self.programs} - {p.name for p in self.order})
            raise OptionError(f"the network is not acyclic: {', '.join(map(repr, rest))} lie on or behind a cycle")

    @cached_property
    def writers(self) -> dict[str, Program]:
        """Writer of each edge that has one."""
        return {port.edge: program for program in self.programs for port in program.writes}

    @cached_property
    def readers(self) -> dict[str, Program]:
        """Reader of each edge that has one."""
        return {port.edge: program for program in self.programs for port in program.reads}

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Edges without a writer."""
        return tuple(e for e in self.edges if e not in self.writers)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Edges without a reader."""
        return tuple(e for e in self.edges if e not in self.readers)

    @cached_property
    def beats(self) -> dict[str, int]:
        """Beats a frame on each edge."""
        ports = [port for program in self.programs for port in (*program.reads, *program.writes)]
        return {port.edge: port.beats_per_token * self.tokens for port in ports}

    @cached_property
    def order(self) -> tuple[Program, ...]:
        """The processes, every writer before its readers (those on or behind a cycle missing)."""
        waits = {p.name: sum(port.edge in self.writers for port in p.reads) for p in self.programs}
        ready, done = deque(p for p in self.programs if not waits[p.name]), []
        while ready:
            program = ready.popleft()
            done.append(program)
            for port in program.writes:
                reader = self.readers.get(port.edge)
                if reader is not None:
                    waits[reader.name] -= 1
                    if not waits[reader.name]:
                        ready.append(reader)
        return tuple(done)

    @cached_property
    def closed(self) -> tuple[Program, ...]:
        """`order` between the processes that feed the inputs and those that drain the outputs, a beat a cycle."""

        def outside(name: str, edge: str, feeds: bool) -> Program:
            beats = self.beats[edge] // self.tokens
            ports = (Port(edge, (), (Run(0, 1, beats),)),)
            return Program(name, 0, beats, 0, 1, 0, () if feeds else ports, ports if feeds else ())

        sources = (outside(f"input {e}", e, True) for e in self.inputs)
        sinks = (outside(f"output {e}", e, False) for e in self.outputs)
        return (*sources, *self.order, *sinks)


def numbers(runs: tuple[Run, ...]) -> Times:
    """The iteration numbers of some runs, one after the other."""
    return np.concatenate(
        [np.empty(0, np.int64), *(r.start + r.step * np.arange(r.count, dtype=np.int64) for r in runs)]
    )


def beats_of(port: Port, tokens: int, period: int) -> tuple[Times, Times]:
    """Of each beat of `tokens` tokens: its iteration relative to the period of token 0, and its place in the event.

    Takes every token as steady; `simulate` puts `first` in its place.
    """
    event, place = port.moves
    iteration = numbers(port.steady)[event] + period * np.arange(tokens, dtype=np.int64)[:, None]
    return iteration.ravel(), np.tile(place, tokens)


def program_order(
    iterations: list[Times], places: list[Times], reads: int, rooms: int, first: bool = False
) -> tuple[Times, Times]:
    """Order of the events of a process: iteration; reads, waits for room, writes; place in the event; port.

    Args:
        iterations: of each beat of each port: those read, those that wait for room, those written.
        places: places in the event, likewise.
        reads: how many ports are read.
        rooms: how many wait for room (`Program.rooms`).
        first: these come before the reads.

    Returns:
        The permutation that sorts all events, and the port of each event before it.
    """
    port = np.repeat(np.arange(len(iterations), dtype=np.int64), [len(i) for i in iterations])
    rank = (port >= reads).astype(np.int64) + (port >= reads + rooms)
    rank = np.where(first & (rank == 1), -1, rank)
    return np.lexsort((port, np.concatenate(places), rank, np.concatenate(iterations))), port


def checked_depths(network: Network, depths: Mapping[str, int]) -> dict[str, int]:
    """A depth for every edge of the network; those missing or zero are unbounded.

    Raises:
        OptionError: a name that is not an edge, or a negative depth.
    """
    for edge, depth in depths.items():
        if edge not in network.beats or depth < 0:
            raise OptionError(f"depth {depth} of edge {edge!r}: " + ("negative" if depth < 0 else "no such edge"))
    return {e: depths.get(e, 0) or UNBOUNDED for e in network.edges}
