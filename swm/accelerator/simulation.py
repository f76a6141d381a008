# SPDX-License-Identifier: Apache-2.0
"""A placement as a network of processes for the token simulation: depths, interval and latency come from there.

Programs of layers are written for one token; here they become programs for one frame of `positions` tokens, so that
layers that count a frame differently (a reshape between them) meet beat for beat.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from swm.accelerator.backend import VITIS, Backend
from swm.accelerator.depths import smallest_depths, steady_interval
from swm.accelerator.design import PlacedLayer
from swm.accelerator.network import Network
from swm.accelerator.network import Port as FramePort
from swm.accelerator.network import Program as FrameProgram
from swm.accelerator.network import Run as FrameRun
from swm.accelerator.placement import Placement
from swm.accelerator.tokens import latency
from swm.layers.program import Port, Program, Run
from swm.layers.rtl.loops import Loop, one_loop
from swm.layers.rtl.registry import rtl

__all__ = ["Simulated", "axi_program", "frame_network", "pipeline_fill", "sequential", "simulated"]

FILL_SLOW, FILL_FAST = 10, 14
"""Cycles from the start of an iteration to its writes: address, memory read 2, multiply 3, adds, round and write
(modelled, no synthesis of ours behind it); more where the clock asks for more registers."""
_FAST_MHZ = 150.0
RTL_EDGE = 1
"""The same of the AXI edges in hls/rtl (counted)."""


def pipeline_fill(clock_mhz: float) -> int:
    """Cycles from the start of an iteration to its writes (modelled)."""
    return FILL_FAST if clock_mhz > _FAST_MHZ else FILL_SLOW


@dataclass(frozen=True)
class Simulated:
    """A placement with its depths filled in, and its cycles."""

    placement: Placement
    interval: int
    latency: int


def axi_program(source: str, target: str, beats: int) -> Program:
    """An AXI edge: one beat a cycle."""
    run = (Run(0, 1, beats),)
    return Program(beats, (Port(source, run),), (Port(target, run),))


def sequential(placement: Placement, clock_mhz: float) -> Simulated:
    """Cycles where processes are called one after the other: all iterations of a frame, and a pipeline's fill each."""
    fill = pipeline_fill(clock_mhz)
    cycles = sum(
        process.program.iterations(process.tokens(layer.spec)) * process.program.ii + fill
        for layer in placement.layers
        for process in layer.processes
    )
    return Simulated(placement, cycles, cycles)


def simulated(placement: Placement, clock_mhz: float, backend: Backend = VITIS) -> Simulated:
    """Find the smallest depths that keep the interval of unbounded FIFOs, and the cycles at these depths."""
    network = frame_network(placement, clock_mhz, backend)
    fixed = _inner(placement, backend)
    interval = steady_interval(network, fixed)
    depths = smallest_depths(network, interval, fixed=fixed)
    edges = tuple(replace(e, depth=depths[e.name]) for e in placement.edges)
    layers = tuple(
        replace(
            layer,
            depths=tuple(
                (name.split(".", 1)[1], depth)
                for name, depth in depths.items()
                if name.startswith(f"{layer.spec.name}.") and name not in fixed
            ),
        )
        for layer in placement.layers
    )
    rest = interval if backend.language == "systemverilog" else 0  # as long as sim/testbench.cpp waits
    return Simulated(Placement(layers, edges), interval, latency(network, depths, rest))


def frame_network(placement: Placement, clock_mhz: float, backend: Backend = VITIS) -> Network:
    """All processes of a placement, the AXI edges included; names are "layer.process", "axi_in" and "axi_out".

    Where the back end is SystemVerilog, the pipeline of each process is as deep as its module has registers.
    """
    registers = backend.language == "systemverilog"
    fill = RTL_EDGE if registers else pipeline_fill(clock_mhz)
    first, last = placement.edges[0], placement.edges[-1]
    ends = axi_program("in", first.name, first.beats), axi_program(last.name, "out", last.beats)
    same = {name: name for name in ("in", "out", first.name, last.name)}
    programs = [_framed("axi_in", ends[0], first.positions, fill, same, registers)]
    names = [edge.name for edge in placement.edges]
    for layer in placement.layers:
        local = {f"in{i}": name for i, name in enumerate(layer.inputs)}
        local |= {f"out{i}": name for i, name in enumerate(layer.outputs)}
        loops = _loops(layer, fill, backend)
        inner = {name for loop in loops for name in loop.inner}
        for loop in loops:
            for port in (*loop.program.reads, *loop.program.writes):
                if port.stream not in local:
                    local[port.stream] = f"{layer.spec.name}.{port.stream}"
                    names.append(local[port.stream])
        programs += [
            _framed(
                f"{layer.spec.name}.{loop.name}",
                loop.program,
                layer.spec.tokens * loop.repeats,
                loop.latency,
                local,
                registers and inner.isdisjoint(port.stream for port in loop.program.writes),
            )
            for loop in loops
        ]
    programs.append(_framed("axi_out", ends[1], last.positions, fill, same, registers))
    return Network(tuple(programs), ("in", *names, "out"))


def _loops(layer: PlacedLayer, fill: int, backend: Backend) -> tuple[Loop, ...]:
    """Each process is one loop in C++; in RTL its kind says what it is."""
    if backend.language == "systemverilog":
        return rtl(layer.spec.kind).loops(layer.built, layer.processes)
    return tuple(loop for process in layer.processes for loop in one_loop(process, fill))


def _inner(placement: Placement, backend: Backend) -> dict[str, int]:
    """Depths that the modules have, whatever the schedule: between the loops of one process."""
    loops = [(layer.spec.name, loop) for layer in placement.layers for loop in _loops(layer, 0, backend)]
    return {f"{layer}.{name}": depth for layer, loop in loops for name, depth in loop.inner.items()}


def _framed(name: str, program: Program, tokens: int, fill: int, edges: dict[str, str], reserves: bool) -> FrameProgram:
    """A token's program repeated over the tokens of a frame."""

    def port(one: Port) -> FramePort:
        begin, end = tokens - one.tail if one.tail else 0, one.head or tokens
        steady = _repeat(one.steady, program.period, begin, end)
        first: tuple[Run, ...] = ()
        if one.first:
            rest = _repeat(one.steady, program.period, 1, tokens)
            first = (*one.first, *(_later(r, program.prologue) for r in rest))
        runs = tuple(map(_run, first)), tuple(map(_run, steady))
        return FramePort(edges[one.stream], *runs, one.beats, one.total, end - begin)

    return FrameProgram(
        name=name,
        prologue=program.prologue,
        period=program.period * tokens,
        epilogue=program.epilogue,
        ii=program.ii,
        latency=fill,
        reads=tuple(map(port, program.reads)),
        writes=tuple(map(port, program.writes)),
        reserves=reserves,
    )


def _later(run: Run, by: int) -> Run:
    """The same run, later."""
    return Run(run.start + by, run.step, run.count)


def _run(run: Run) -> FrameRun:
    return FrameRun(run.start, run.step, run.count)


def _repeat(runs: tuple[Run, ...], period: int, start: int, stop: int) -> tuple[Run, ...]:
    """The runs of tokens start .. stop - 1, runs that continue each other joined."""
    found: list[Run] = []
    for token in range(start, stop):
        for run in runs:
            here = _later(run, token * period)
            before = found[-1] if found else None
            if before is not None and _continues(before, here):
                step = here.start - before.start if before.count == 1 else before.step
                found[-1] = Run(before.start, step, before.count + here.count)
            else:
                found.append(here)
    return tuple(found)


def _continues(before: Run, here: Run) -> bool:
    gap = here.start - (before.start + before.step * (before.count - 1))
    return (before.count == 1 or gap == before.step) and (here.count == 1 or gap == here.step)
