# SPDX-License-Identifier: Apache-2.0
"""How often frames can come over a board's serial line: an accelerator behind it that is faster only waits."""

from __future__ import annotations

from swm.accelerator.backend import Backend
from swm.accelerator.design import Schedule
from swm.accelerator.fixed_graph import NetworkShape
from swm.accelerator.resources import container_bits
from swm.device.board import Board, Link
from swm.errors import OptionError
from swm.layers.values import TensorShape

__all__ = ["line_interval", "line_pace"]

FRAME_BYTES = 8  # around a payload: two flags, command, sequence number, four of the CRC (docs/link.md)
BYTE_BITS = 10  # on the line: start, eight, stop


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
    link = schedule.board.link
    if link is None or not schedule.backend.linked:
        return None
    ends = (schedule.input, schedule.output)
    return _cycles(link, max(e.positions * e.beats * e.vec * container_bits(e.bits) // 8 for e in ends))


def _cycles(link: Link, payload: int) -> int:
    return (payload + FRAME_BYTES) * BYTE_BITS * link.clock_hz // link.baud


def _bytes(shape: TensorShape) -> int:
    return shape.channels * shape.positions * container_bits(shape.bits) // 8
