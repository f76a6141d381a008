# SPDX-License-Identifier: Apache-2.0
"""What would make a design fit that does not: larger blocks, fewer bits, another board; by shapes alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from swm.accelerator.design import Design
from swm.accelerator.lower import lower
from swm.accelerator.quantize import network_shape
from swm.accelerator.search import Search
from swm.device import Board, Limits, board_names, load_board
from swm.errors import DoesNotFit, SwmError
from swm.graph import Graph, Linear
from swm.host import split
from swm.structure import BlockCirculant

__all__ = ["does_not_fit"]

BLOCKS = (2, 4, 8, 16, 32, 64, 128, 256)
BITS = (16, 14, 12, 10, 8, 6, 4)


def does_not_fit(design: Design) -> DoesNotFit:
    """The error for a design that is larger than its board, with the remedies that the resource model knows of.

    Each remedy stands for itself; the smallest change of its kind is named. All are judged with the least parallelism,
    which takes milliseconds; a design that was read back from a project has no float source to try them on.
    """
    source, bits, board = design.graph.source, design.graph.bits, design.schedule.board
    block = fewer = None
    larger: tuple[str, ...] = ()
    source = None if source is None else split(source).hardware
    if source is not None:
        largest = max([n.weight.size for n in source.linear()], default=1)
        bigger = (k for k in BLOCKS if k > largest)
        block = next((k for k in bigger if _fits(_with_block(source, k), bits, board)), None)
        fewer = next((b for b in BITS if b < bits and _fits(source, b, board)), None)
        larger = tuple(b.name for b in _others(board) if _fits(source, bits, b))
    return DoesNotFit(board.name, design.schedule.overflow, block=block, bits=fewer, boards=larger)


def _others(board: Board) -> Iterator[Board]:
    """The other boards with a device of the same vendor, the smallest first."""
    boards = [load_board(name) for name in board_names() if name != board.name]
    yield from sorted((b for b in boards if b.vendor == board.vendor), key=lambda b: b.resources.lut)


def _with_block(graph: Graph, block: int) -> Graph:
    """The graph with every matrix that may have it in blocks of a size, without numbers."""
    last = graph.linear()[-1]
    nodes = []
    for node in graph.nodes:
        if isinstance(node, Linear) and (node is not last or isinstance(node.weight, BlockCirculant)):
            m, n = node.weight.shape
            if not BlockCirculant.reason_against((m, n), block):
                columns = np.zeros((-(-m // block), -(-n // block), block), np.float32)
                node = replace(node, weight=BlockCirculant(columns, (m, n)))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _fits(graph: Graph, bits: int, board: Board) -> bool:
    try:
        return Search(network_shape(lower(graph), bits), board, Limits()).minimal().fits
    except SwmError:  # too many bits for a block of that size, and the like
        return False
