# SPDX-License-Identifier: Apache-2.0
"""The loop of a process, its streams and memories.

A *token* is one position of one frame: a vector of channels. Layers pass tokens as streams of beats, `vec` channels a
beat. A process handles all tokens of a call in one pipelined loop; `Program` says at which iteration it reads and
writes.
"""

from __future__ import annotations

from dataclasses import dataclass

from swm.device.primitives import Cost
from swm.layers.values import Ints, LayerSpec

__all__ = [
    "BeatStream",
    "LoadedMemory",
    "Port",
    "ProcessModel",
    "Program",
    "Rom",
    "Run",
]


@dataclass(frozen=True)
class Run:
    """Iterations start, start + step, ... (`count` of them) at which a port is used."""

    start: int
    step: int
    count: int


@dataclass(frozen=True)
class Port:
    """When a process reads or writes one stream.

    Attributes:
        stream: "in0", "in1", ... and "out0", ... for the layer's own edges, else the name of an internal stream.
        steady: iterations relative to the start of a token's period; negative ones read ahead in the period of the
            token before, ones beyond the period drain in the next.
        first: if not empty, takes the place of `steady` for token 0, in iterations of the call.
        beats: beats an iteration, one a cycle (for processes with an II above 1).
        total: beats a token, where the last iteration moves fewer than `beats`; 0: all are full.
        tail: if not 0, the port is used in so many tokens at the end of each frame only.
        head: if not 0, in so many tokens at its beginning only.
    """

    stream: str
    steady: tuple[Run, ...]
    first: tuple[Run, ...] = ()
    beats: int = 1
    total: int = 0
    tail: int = 0
    head: int = 0


@dataclass(frozen=True)
class Program:
    """The loop of one process: `prologue + tokens * period + epilogue` iterations, one each `ii` cycles."""

    period: int
    reads: tuple[Port, ...]
    writes: tuple[Port, ...]
    prologue: int = 0
    epilogue: int = 0
    ii: int = 1

    def iterations(self, tokens: int) -> int:
        """Pipelined iterations of a call over `tokens` tokens; the C++ counts the same."""
        return self.prologue + tokens * self.period + self.epilogue

    @property
    def cycles(self) -> int:
        """Cycles a token takes in the steady state."""
        return self.period * self.ii


@dataclass(frozen=True)
class BeatStream:
    """A stream inside a layer: `words` integers of `bits` bits a beat, of C++ type `net::<layer>_traits::<element>`.

    `beats` are those of a token as the layer counts them (`LayerSpec.tokens`).
    """

    name: str
    element: str
    words: int
    bits: int
    beats: int

    @property
    def width(self) -> int:
        """Bits of a beat."""
        return self.words * self.bits


@dataclass(frozen=True)
class ProcessModel:
    """One process of a layer.

    Attributes:
        name: unique in its layer.
        kernel: name of the function template in namespace swm.
        arguments: further template arguments after the configuration, such as the stage of a pass.
        program: its loop.
        roms: ROMs of the layer that it reads, in the order of the kernel's parameters.
        cost: resources of the process and of the memories in it, not of the streams it writes.
        products: real multiplications a token on DSPs that no cheaper form of the same arithmetic avoids (useful ones).
        repeats: tokens that its loop takes for each that the layer counts (`LayerSpec.tokens`): where the layer counts
            frames, the positions at which this process works.
        view: template in namespace swm that makes the configuration of its kernel of the layer's; empty where that is
            the layer's.
        late: cycles by which its writes come later than those of other processes: a longer pipeline (modelled).
    """

    name: str
    kernel: str
    program: Program
    cost: Cost
    roms: tuple[str, ...] = ()
    arguments: tuple[int, ...] = ()
    products: int = 0
    repeats: int = 1
    view: str = ""
    late: int = 0

    def tokens(self, spec: LayerSpec) -> int:
        """How often its loop goes through its period a frame."""
        return spec.tokens * self.repeats


@dataclass(frozen=True, eq=False)
class Rom:
    """A ROM of a layer: integers (banks, depth, lanes), or (words,) for a bias that is read in beats of `vec`.

    `storage` is "lutram", "bram", "" (the tool's choice), or "uram": no ROM then, but a `LoadedMemory`.
    """

    name: str
    element: str
    values: Ints
    storage: str = ""


@dataclass(frozen=True)
class LoadedMemory:
    """Weights in UltraRAM, which has no initial contents: a memory that is filled once, at start (hls/swm/load.h).

    Attributes:
        rom: name of the `Rom` whose place it takes.
        banks: memories side by side.
        depth: words of each.
        lanes: weights of a word.
        bits: of a weight.
    """

    rom: str
    banks: int
    depth: int
    lanes: int
    bits: int
