# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers in SystemVerilog: the transform of x, and all steps of a sequence in one module."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from swm.layers.curves import Table
from swm.layers.program import Port, ProcessModel, Program, Run
from swm.layers.recurrent.built import RecurrentBuilt
from swm.layers.recurrent.points import start_shifts
from swm.layers.recurrent.spec import RecurrentSpec
from swm.layers.registry import kind
from swm.layers.rtl.base import (
    Parameter,
    RtlKind,
    RtlModule,
    activation_cycles,
    activation_parameters,
    in_luts,
    rom_file,
)
from swm.layers.rtl.loops import Loop, even_runs, inner_streams, one_loop
from swm.layers.values import FixedLayer, Implementation, LayerSpec, clog2

__all__ = ["RecurrentRtl"]

_PLACES = "FGH"
_SAME = """cell n hidden m k steps sequences last fft_shifts acc_shift acc_shift_b join_shift out_vec mac_rows
    mac_columns products first_bias initial peephole clip clip_low clip_high peephole_shift state_shift kept_shift
    new_shift unit_shift out_shift inner_shift reset_shift project_shift"""  # members of the C++ configuration


class RecurrentRtl(RtlKind):
    """`swm_rfft_unrolled` (block-circulant), `swm_recurrent_steps`."""

    def obstacle(self, spec: LayerSpec) -> str:
        """The last cells have no port."""
        cells = isinstance(spec, RecurrentSpec) and spec.cells
        return "cells that leave behind the outputs have no RTL" if cells else ""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Of the transform of x; from a drained beat of the steps to its place in the stream."""
        assert isinstance(built, RecurrentBuilt)
        spec, steps = built.spec, 5 + clog2(built.mac_columns) + _back(built.spec) + _cell(built.spec)
        if spec.block == 1:
            return (steps,)
        return max(1, spec.block // built.in_vec) + _forward(spec), steps

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """The transform of x; loads, products, drains, and the way of a state back to the products."""
        assert isinstance(built, RecurrentBuilt)
        *front, late = self.latencies(built)
        first = one_loop(processes[0], front[0]) if front else ()
        return *first, *_step_loops(built, processes[-1], late)

    def rom_bits(self, layer: FixedLayer, built: Implementation, rom: str) -> int:
        """The vectors of the cells are as wide as biases."""
        assert isinstance(built, RecurrentBuilt)
        return built.spec.bias_bits if rom == "vectors" else built.spec.weight_bits

    def tables(self, layer: FixedLayer) -> dict[str, Table]:
        """Those of the gates."""
        pairs = zip(_PLACES, layer.inner, strict=False)
        return {_rom(place): curve for place, curve in pairs if isinstance(curve, Table)}

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One each."""
        assert isinstance(built, RecurrentBuilt)
        assert layer is not None
        spec = built.spec
        steps = RtlModule("swm_recurrent_steps", _parameters(layer, built))
        if spec.block == 1:
            return (steps,)
        front: dict[str, Parameter] = {
            "K": spec.block,
            "IN_BITS": spec.data_bits,
            "FFT_SHIFTS": spec.fft_shifts,
            "IN_VEC": built.in_vec,
            "IN_BEATS": built.in_beats,
            "GROUPS": built.loads,
        }
        return RtlModule("swm_rfft_unrolled", front), steps


def _forward(spec: RecurrentSpec) -> int:
    """Registers of swm_forward_block."""
    return 0 if spec.block == 1 else 1 + 4 * max(0, clog2(spec.block) - 2)


def _back(spec: RecurrentSpec) -> int:
    """Registers of swm_recurrent_back."""
    if spec.block == 1:
        return 0
    return 4 if spec.block == 2 else 5 + 4 * (clog2(spec.block) - 2)


def _cell(spec: RecurrentSpec) -> int:
    """Registers of swm_recurrent_cell, whatever leaves."""
    f, g, h = (activation_cycles(name) for name in (*spec.activations, "identity", "identity")[:3])
    f += 5 if spec.peephole else 2 if spec.clip else 0
    g += 2 if spec.clip else 0
    if spec.cell == "rnn":
        return f
    if spec.cell == "gru":
        return max(f + 4, g + 8)
    if spec.cell == "gru_after":
        return f + g + 12
    return max(f, g) + 9 + (max(f, h) if spec.peephole else h)


def _step_loops(built: RecurrentBuilt, process: ProcessModel, late: int) -> tuple[Loop, ...]:
    """What swm_recurrent_walk does.

    Products ask for the state of their sequence where the columns of h begin. No stream may lead back to them, so a
    full one tells them to wait: `state` holds as many beats as there are sequences, and a beat of it is read when the
    state lies in memory. So it is with `middle`, what phase A gives to B: it holds one beat, which A writes, and which
    is read when B may go on. Where states come, a token of them is in front: it loads nothing, and its drain waits
    for them. There products also wait for the one place of their sums: until the cycle behind its last beat (`held`).
    """
    spec, two = built.spec, built.spec.phases == 2
    names = ("full", "free", "state", "done", "held", "ended", "settled", "ended_a", "half", "middle", "leaves")
    full, free, state, done, held, ended, settled, ended_a, half, middle, leaves = (
        f"{process.name}.{name}" for name in names
    )
    (read, *given), (write,) = process.program.reads, process.program.writes
    loads, (first, second), (groups, groups_b) = built.loads, built.products_of, built.groups
    columns_b = built.column_groups[1]
    of_x = built.in_groups if spec.second_reads_input else 0  # columns of phase B
    starts, beats = _drains(built)
    whole = first + second
    ends = [Run(built.group_products - 1, built.group_products, groups)]
    if two:
        ends.append(Run(first + columns_b - 1, columns_b, groups_b))
    load = Program(
        loads,
        (Port(read.stream, (Run(0, 1, loads),)),),
        (Port(free, (Run(0, 1, 1),)), Port(full, (Run(loads - 1, 1, 1),))),
    )
    waits = [(full, 0), (free, whole - 1)]
    over = [(ended, whole - 1), *([(ended_a, first - 1)] if two else [])]
    marks = [(state, built.in_groups), *([] if spec.start else over)]
    reads = [Port(name, (Run(at, 1, 1),), tail=spec.positions if spec.start else 0) for name, at in waits]
    writes = [Port(name, (Run(at, 1, 1),)) for name, at in marks]
    if two:  # the last product of A, not the first: that of the next token would wait for a beat that is read as late
        writes.append(Port(middle, (Run(first - 1, 1, 1), Run(first + of_x, 1, 1))))
    inner = {**inner_streams((done, ended)), state: spec.sequences}
    inner |= {**inner_streams((ended_a,)), middle: 1} if two else {}
    sums = (done, held) if spec.start else (done,)
    multiply = Program(whole, tuple(reads), (*writes, *(Port(name, tuple(ends)) for name in sums)))
    total = sum(beats)
    gives = sum(beats[: groups if two else 0])  # where what leaves the layer begins
    leaving = (Run(gives, 1, total - gives),)
    out = Port(write.stream, leaving, tail=write.tail)
    way = late + _forward(spec)

    def after(source: str, target: str, count: int) -> tuple[Program, int]:
        """From the first of so many beats that end a phase, or from the last one where a drain may wait."""
        wait = 0 if spec.start else count - 1
        marked = Port(source, (Run(0, 1, 1),)), Port(target, (Run(wait, 1, 1),))
        return Program(wait + 1, marked[:1], marked[1:]), way - 1 - spec.start

    found = [
        (f"{process.name}.load", load, 0, inner_streams((full, free)), spec.positions),
        (process.name, multiply, 0, inner | ({held: 1} if spec.start else {}), process.repeats),
    ]
    if spec.start:
        last = (end - 1 for end in accumulate(beats))
        come = [Port(port.stream, leaving, head=port.head) for port in given]
        come.append(Port(held, tuple(Run(at, 1, 1) for at in last)))
        left = [Port(name, (Run(at, 1, 1),)) for name, at in zip((ended, ended_a), (total - 1, gives - 1), strict=True)]
        go = Port(leaves, leaving, tail=write.tail)
        drain = Program(total, (Port(done, starts), *come), (go, *left[: 1 + two]))
        found.append((f"{process.name}.drain", drain, 0, inner_streams((leaves,)), process.repeats))
        each = (Run(0, 1, total - gives),)
        ways = Program(total - gives, (Port(leaves, each),), (Port(write.stream, each),))
        found.append((f"{process.name}.way", ways, late - 1, {}, write.tail))
    else:
        drain = Program(total, (Port(done, starts),), (out,))
        found.append((f"{process.name}.drain", drain, late, {}, process.repeats))
    back = after(ended, settled, built.last_beats)
    settle = Program(1, tuple(Port(name, (Run(0, 1, 1),)) for name in (settled, state)), ())
    found.append((f"{process.name}.back", *back, inner_streams((settled,)), process.repeats))
    found.append((f"{process.name}.settle", settle, 0, {}, process.repeats))
    if two:
        turn = after(ended_a, half, built.beats[0][1])
        read_half = Program(2, (Port(half, (Run(0, 1, 1),)), Port(middle, (Run(0, 1, 2),))), ())
        found.append((f"{process.name}.middle", *turn, inner_streams((half,)), process.repeats))
        found.append((f"{process.name}.proceed", read_half, 0, {}, process.repeats))
    return tuple(Loop(*one) for one in found)


def _drains(built: RecurrentBuilt) -> tuple[tuple[Run, ...], tuple[int, ...]]:
    """Iterations at which the drain of a group begins, and the beats of all groups."""
    phases = [
        (*(full,) * (count - 1), last) for count, (full, last) in zip(built.groups, built.beats, strict=True) if count
    ]
    beats = tuple(beat for phase in phases for beat in phase)
    starts = tuple(end - beat for end, beat in zip(accumulate(beats), beats, strict=True))
    first = built.groups[0]
    return (*even_runs(starts[:first]), *even_runs(starts[first:])), beats


def _rom(place: str) -> str:
    return f"gate_{place.lower()}"


def _parameters(layer: FixedLayer, built: RecurrentBuilt) -> dict[str, Parameter]:
    spec = built.spec
    known = kind("recurrent").configuration(layer, built)
    values: dict[str, Any] = {name.upper(): known[name] for name in _SAME.split()}
    values |= {
        "BITS": spec.data_bits,
        "WEIGHT": spec.weight_bits,
        "BIAS": spec.bias_bits,
        "STATE": spec.state_bits,
        "ACC": spec.accumulator_bits,
        "IN_LANES": built.in_lanes,
        "GATES": spec.gates,
        "BIASES": spec.biases,
        "LATE": _cell(spec),
        "WEIGHTS": rom_file(spec.name, "weights"),
        "VECTORS": rom_file(spec.name, "vectors"),
        "LUTRAM": int(built.storage == "lutram"),
        "VECTORS_LUTRAM": in_luts(built.cell_beats, built.vector_sets * built.out_vec * spec.bias_bits),
    }
    if spec.start:
        values |= {"START": 1, **{name.upper(): shift for name, shift in start_shifts(layer).items()}}
    for place, activation, curve in zip(_PLACES, spec.activations, layer.inner, strict=False):
        found = activation_parameters(activation, curve, rom_file(spec.name, _rom(place)))
        values |= {f"{place}_SHIFT": known[f"{place.lower()}_shift"]}
        values |= {f"{place}_{name}": value for name, value in found.items()}
    return values
