# SPDX-License-Identifier: Apache-2.0
"""What would make a design fit that does not: larger blocks, fewer bits, another board; by shapes alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from swm.accelerator.backend import Backend
from swm.accelerator.design import Design
from swm.accelerator.lower import lower
from swm.accelerator.quantize import network_shape
from swm.accelerator.schedule import can_fit
from swm.api import dense_twin
from swm.compress import convert
from swm.device import Board, board_names, load_board
from swm.errors import DoesNotFit, SwmError
from swm.graph import Conv, Graph, Linear, Recurrent
from swm.host import split
from swm.report import Report

__all__ = ["does_not_fit", "with_remedies"]

BLOCKS = (2, 4, 8, 16, 32, 64, 128, 256)
BITS = (16, 14, 12, 10, 8, 6, 4)
BOARDS = 3  # that are named


def does_not_fit(design: Design) -> DoesNotFit:
    """The error for a design that is larger than its board, with the remedies that the resource model knows of.

    Each remedy stands for itself; the smallest change of its kind is named. Where neither blocks nor bits help alone,
    both are tried together: the smallest block that fits at 8 bits or more (else at fewer), with the most bits at which
    it does. All are judged by the search that would make the design. A block size is that of `swm convert --block` on
    the dense network: converted without calibration, for only shapes count here. A design that was read back from a
    project has no float source to try them on.
    """
    graph, plan = design.graph, design.schedule
    tried = _Fitting.of(graph.source, graph.hardware, design.backend)
    return _refused(tried, graph.bits, plan.board, plan.overflow)


def with_remedies(report: Report, source: Graph | None, hardware: Graph | None, bits: int) -> Report:
    """A report that says of each design larger than its board what would fit; by `does_not_fit`.

    Args:
        report: of a network.
        source: the network in float; None where nobody has it.
        hardware: the part of it that becomes hardware, likewise.
        bits: of data and weights.
    """
    tried = None
    rows = []
    for row in report.boards:
        plan, words = row.structured.plan, ""
        if not plan.fits:
            tried = tried or _Fitting.of(source, hardware, plan.backend)
            words = _refused(tried, bits, plan.board, plan.overflow).remedy
        rows.append(replace(row, remedy=words))
    return replace(report, boards=tuple(rows))


def _refused(tried: _Fitting | None, bits: int, board: Board, overflow: str) -> DoesNotFit:
    if tried is None:
        return DoesNotFit(board.name, overflow, block=None, bits=None)
    blocks = [k for k in BLOCKS if k > tried.largest]
    block = next((k for k in blocks if tried.fits(bits, board, k)), None)
    fewer = next((b for b in BITS if b < bits and tried.fits(b, board)), None)
    both = tried.both(blocks, [b for b in BITS if b < bits], board) if block is None and fewer is None else None
    larger = tuple(islice((b.name for b in _others(board) if tried.fits(bits, b)), BOARDS))
    return DoesNotFit(board.name, overflow, block=block, bits=fewer, both=both, boards=larger, tried=True)


class _Fitting:
    """Whether a network would fit, with other blocks, bits or boards; conversions are kept."""

    @classmethod
    def of(cls, source: Graph | None, hardware: Graph | None, backend: Backend) -> _Fitting | None:
        """None where nobody has the float network."""
        return None if source is None or hardware is None else cls(source, hardware, backend)

    def __init__(self, source: Graph, hardware: Graph, backend: Backend) -> None:
        self._source, self._backend = source, backend
        self._hardware: dict[int | None, Graph | None] = {None: hardware}
        self.largest = _largest(source)

    def fits(self, bits: int, board: Board, block: int | None = None) -> bool:
        """At so many bits, on a board, with its own blocks or with those of one size."""
        try:
            if block not in self._hardware:
                self._hardware[block] = self._converted(block)
            hardware = self._hardware[block]
            return hardware is not None and can_fit(network_shape(lower(hardware), bits), board, self._backend)
        except SwmError:  # too many bits for a block of that size, and the like
            return False

    def both(self, blocks: list[int], fewer: list[int], board: Board) -> tuple[int, int] | None:
        """The smallest block that fits with fewer bits, and the most bits at which it does; few bits are tried last."""
        for some in ([b for b in fewer if b >= 8], [b for b in fewer if b < 8]):
            for block in blocks if some else ():
                if self.fits(some[-1], board, block):  # what does not fit at the fewest bits, fits at none
                    return block, next(b for b in some if self.fits(b, board, block))
        return None

    def _converted(self, block: int | None) -> Graph | None:
        """What `swm emit` would build; None where it would refuse, as a layer takes no blocks of that size."""
        made = split(convert(dense_twin(self._source), None, block=block, permute=False).graph, self._backend)
        return None if made.verdict == "none" else made.hardware


def _largest(graph: Graph) -> int:
    """The largest block in use; 1 where all weights are dense."""
    linear = [n.weight.size for n in graph.nodes if isinstance(n, Linear | Conv)]
    recurrent = [
        w.size for n in graph.nodes if isinstance(n, Recurrent) for w in (*n.input_weight, *n.recurrent_weight)
    ]
    return max([*linear, *recurrent], default=1)


def _others(board: Board) -> Iterator[Board]:
    """The other boards with a device of the same vendor, the smallest first."""
    boards = [load_board(name) for name in board_names() if name != board.name]
    yield from sorted((b for b in boards if b.vendor == board.vendor), key=lambda b: b.resources.lut)
