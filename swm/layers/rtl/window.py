# SPDX-License-Identifier: Apache-2.0
"""The line buffer in SystemVerilog: its two loops, and the parameters of its module."""

from __future__ import annotations

from swm.layers.program import Port, ProcessModel, Program, Run
from swm.layers.rtl.base import Parameter, RtlModule
from swm.layers.rtl.loops import Loop
from swm.layers.window import WindowBuilt

__all__ = ["blind", "window_loops", "window_module"]

WINDOW_CYCLES = 4
"""Registers from the start of an iteration to its beat: address, memory 2, taps chosen."""


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
    """Loads and windows of swm_window.

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
    low = [min(max(0, row * g.strides[0] - g.pads[0]), window.used) for row in rows]
    begins = [row for row in rows if row == 0 or reach[row] > reach[row - 1]]  # rows of outputs that wait for input
    writes = g.out[1] * window.window_beats
    full, free = (f"{process.name}.{name}" for name in ("full", "free"))
    load = Program(
        g.grid[0] * line,
        (Port(read.stream, (Run(0, 1, g.grid[0] * line),)),),
        (
            Port(free, (Run(0, line, window.used),)),
            Port(full, tuple(Run(reach[row] * line - 1, 1, 1) for row in begins)),
        ),
    )
    # Rows that become free together are given back one after the other, the last of them in time.
    ends = [row for row, until in enumerate([*low[1:], window.used]) for _ in range(until - low[row])]
    given, place = [], g.out[0] * writes
    for row in reversed(ends):
        place = min(place - 1, (row + 1) * writes - 1)
        given.append(place)
    emit = Program(
        g.out[0] * writes,
        (
            Port(full, tuple(Run(row * writes, 1, 1) for row in begins)),
            Port(free, tuple(Run(one, 1, 1) for one in reversed(given))),
        ),
        (Port(write.stream, (Run(0, 1, g.out[0] * writes),)),),
    )
    return (
        Loop(f"{process.name}.load", load, 0, dict.fromkeys((full, free), window.kept)),
        Loop(process.name, emit, WINDOW_CYCLES),
    )


def _span(window: WindowBuilt) -> int:
    """Input rows from the first tap to the last."""
    g = window.geometry
    return (g.kernel[0] - 1) * g.dilations[0] + 1
