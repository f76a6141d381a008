# SPDX-License-Identifier: Apache-2.0
"""How often frames can come over a board's serial line: an accelerator behind it that is faster only waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from swm.accelerator.backend import Backend
from swm.accelerator.design import Edge, Schedule
from swm.accelerator.fixed_graph import NetworkShape
from swm.accelerator.resources import container_bits
from swm.device.board import Board, Link
from swm.errors import OptionError
from swm.layers.values import TensorShape

__all__ = ["Pace", "line_alone", "line_interval", "line_pace", "line_target", "pace_sentence"]

Pace: TypeAlias = int | Literal["line", "fastest"] | None
"""Cycles a frame that a design may take: a number; those of the board's serial line; as few as fit the board; None:
"line" where that line is the only way in (`line_alone`), else "fastest"."""

FRAME_BYTES = 8  # around a payload: two flags, command, sequence number, four of the CRC (docs/link.md)
BYTE_BITS = 10  # on the line: start, eight, stop


def line_alone(board: Board, backend: Backend) -> bool:
    """Whether a serial line is the only way into a design: so it is in a bitstream by open tools."""
    return board.link is not None and board.nextpnr is not None and bool(backend.linked)


def line_interval(network: NetworkShape, board: Board, backend: Backend) -> int:
    """Cycles in which one frame can pass a board's serial line, both ways at once.

    They are cycles of the oscillator, which drives the accelerator without a PLL. Escaped bytes, zeros that fill up a
    token, and the host's pauses make frames come slower, never faster.

    Args:
        network: what comes in and goes out.
        board: with a `[link]`.
        backend: that writes a top with the link.

    Raises:
        OptionError: the board has no serial line, or the back end does not use it.
    """
    if board.link is None or not backend.linked:
        what = f"back end {backend.name} does not use one" if board.link else f"board {board.name} has none"
        raise OptionError(f"the interval of a serial line: {what}; give a number of cycles")
    return _cycles(board.link, max(_bytes(shape) for shape in (network.entering, network.leaving)))


def line_pace(schedule: Schedule) -> int | None:
    """The same of a design, with the zeros that fill its beats; None where no serial line feeds it."""
    return _of_ends(schedule, lambda end: end.beats * end.vec)


def line_target(schedule: Schedule) -> int | None:
    """The interval that "line" asks for, before beats are chosen; None where no serial line feeds a design."""
    return _of_ends(schedule, lambda end: end.channels)


def pace_sentence(schedule: Schedule) -> str:
    """Whether a design was made as fast as its serial line, and what the other choice is; empty without such a line."""
    pace, board = line_pace(schedule), schedule.board
    if pace is None:
        return ""
    brings = f"the serial line of {board.name} brings one in {pace:,} at best"
    frame = f"It takes a frame in {schedule.interval:,} cycles; {brings}"
    if schedule.target is None and schedule.interval < pace:
        return f"{frame}: --interval line makes a smaller design that is built sooner."
    if schedule.target is None:
        return f"{frame}: none that keeps up with it fits, this is the fastest that does."
    if schedule.target == line_target(schedule):
        why = ", its only way in" if line_alone(board, schedule.backend) else ""
        return f"{frame}{why}: the smallest design that keeps up (--interval line; --interval fastest fills the board)."
    return f"{frame}: the smallest design for the {schedule.target:,} cycles that were asked for."


def _of_ends(schedule: Schedule, words: Callable[[Edge], int]) -> int | None:
    link = schedule.board.link
    if link is None or not schedule.backend.linked:
        return None
    ends = (schedule.input, schedule.output)
    return _cycles(link, max(e.positions * words(e) * container_bits(e.bits) // 8 for e in ends))


def _cycles(link: Link, payload: int) -> int:
    return (payload + FRAME_BYTES) * BYTE_BITS * link.clock_hz // link.baud


def _bytes(shape: TensorShape) -> int:
    return shape.channels * shape.positions * container_bits(shape.bits) // 8
