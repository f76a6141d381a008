# SPDX-License-Identifier: Apache-2.0
"""The line buffer in SystemVerilog: its two loops, and the parameters of its module."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from swm.layers.program import Port, ProcessModel, Program, Run
from swm.layers.rtl.base import Parameter, RtlModule
from swm.layers.rtl.loops import Loop
from swm.layers.window import WindowBuilt

__all__ = ["blind", "window_loops", "window_module"]

WINDOW_CYCLES = 4
"""Registers from the start of an iteration to its beat: address, memory 2, taps chosen."""
_IN_TIME = 2
"""Cycles by which a write may come before there is room: from a group that is read to rows that are free, a cycle."""


def blind(window: WindowBuilt) -> str:
    """Why a line buffer has no RTL, as a clause: where it needs no input, nothing says when a frame begins."""
    return "" if window.used else "its kernels see nothing but padding"


def window_module(window: WindowBuilt) -> RtlModule:
    """An instance of `swm_window`."""
    geometry = (
        *("grid_rows", "grid_columns", "kernel_rows", "kernel_columns", "stride_rows", "stride_columns"),
        *("dilation_rows", "dilation_columns", "pad_rows", "pad_columns", "out_rows", "out_columns"),
    )
    known = window.configuration()
    parameters: dict[str, Parameter] = {name.upper(): known[name] for name in geometry}
    parameters |= {
        "TAP_ROWS": window.tap_rows,
        "TAP_COLUMNS": window.tap_columns,
        "POSITION_BEATS": window.beats,
        "RUN_BEATS": window.run,
        "WORDS": window.words,
        "BITS": window.bits,
        "FILL": window.fill,
        "USED": window.used,
        "KEPT": window.kept,
    }
    return RtlModule("swm_window", parameters)


def window_loops(process: ProcessModel, window: WindowBuilt) -> tuple[Loop, ...]:
    """Loads, free rows and windows of swm_window.

    In C++ they are iterations of one loop, so that the last windows of a frame wait for the next frame; here a row of
    outputs waits for the input rows that it sees, and loads for a free row of the ring.

    Args:
        process: of the line buffer.
        window: as it is built.
    """
    (read,), (write,) = process.program.reads, process.program.writes
    g, line = window.geometry, window.line
    rows = range(g.out[0])
    reach = [min(max(1, row * g.strides[0] - g.pads[0] + _span(window)), window.used) for row in rows]
    unseen = [min(max(0, row * g.strides[0] - g.pads[0]), window.used) for row in rows]
    begins = [row for row in rows if row == 0 or reach[row] > reach[row - 1]]  # rows of outputs that wait for input
    writes = g.out[1] * window.window_beats
    full, free, low = (f"{process.name}.{name}" for name in ("full", "free", "low"))
    load = Program(
        g.grid[0] * line,
        (Port(read.stream, (Run(0, 1, g.grid[0] * line),)),),
        (
            Port(free, (Run(0, line, window.used),)),
            Port(full, tuple(Run(reach[row] * line - 1, 1, 1) for row in begins)),
        ),
    )
    ends = [row for row, (here, there) in enumerate(pairwise([*unseen, window.used])) if there > here]
    emit = Program(
        g.out[0] * writes,
        (
            Port(full, tuple(Run(row * writes, 1, 1) for row in begins)),
            Port(low, tuple(Run((row + 1) * writes - 1, 1, 1) for row in ends)),
        ),
        (Port(write.stream, (Run(0, 1, g.out[0] * writes),)),),
    )
    return (
        Loop(f"{process.name}.load", load, 0, dict.fromkeys((full, free), window.kept)),
        _frees([unseen[row] for row in ends], window.used, f"{process.name}.free", free, low),
        Loop(process.name, emit, WINDOW_CYCLES),
    )


def _frees(starts: list[int], used: int, name: str, free: str, low: str) -> Loop:
    """Rows that become free together.

    `low` is read in the last window of a row of outputs. Where that is full, this loop waits in front of the rows that
    no later window sees: so it has them free in the cycle behind that window, all in time for their loads, whatever the
    windows wait for next. What is full at first are the groups that windows have not come to.

    Args:
        starts: the first row of each group that becomes free together.
        used: rows of a frame.
        name: of the loop.
        free: stream of free rows.
        low: stream of groups.
    """
    ahead = 2 if len(starts) > 2 else 1
    before = [start - 1 for start in starts]  # iterations that wait for the windows of each group
    last, early = [place - used for place in before[-ahead:]], before[:-ahead]
    first = (*range(ahead), *(place + ahead + 1 for place in early))
    steady = Port(low, _single((*last, *early)), _single(first))
    program = Program(used, (Port(free, (Run(0, 1, used),)),), (steady,), prologue=ahead + 1)
    return Loop(name, program, _IN_TIME, {low: ahead})


def _single(places: Iterable[int]) -> tuple[Run, ...]:
    return tuple(Run(place, 1, 1) for place in places)


def _span(window: WindowBuilt) -> int:
    """Input rows from the first tap to the last."""
    g = window.geometry
    return (g.kernel[0] - 1) * g.dilations[0] + 1
