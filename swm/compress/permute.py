# SPDX-License-Identifier: Apache-2.0
"""Hidden channels in an order in which the weights before them are closer to circulant blocks.

The order of hidden channels is free: rows of one layer and columns of the next change places together, and the network
computes what it computed. Rows of a circulant block are rotations of each other, so rows that are nearly that should
stand in one block. On the bundled network at block 8 this takes one-shot accuracy from 95.6 to 97.9 % (measured).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.compress.chains import Chain, chain_behind
from swm.graph import Affine, Conv, Graph, Linear, Node
from swm.structure import Dense

__all__ = ["grouped_rows", "permuted"]

MOST_WORK = 20_000_000_000  # multiplications that the search for one order may take, some seconds; more is left alone
Array = NDArray[Any]


def permuted(graph: Graph, blocks: Mapping[str, int], error: Callable[[Graph, str, int], float]) -> Graph:
    """The same network with hidden channels in another order, where that makes a layer's fit better.

    Args:
        graph: float, prepared for conversion.
        blocks: block sizes of the layers that become block-circulant, by node name.
        error: the error of a layer's fit at a block size, in a graph; an order is taken only if it is lower.

    Returns:
        A graph with the same names; itself where nothing is gained.
    """
    for name, block in blocks.items():
        node = next((n for n in graph.nodes if n.name == name), None)
        chain = chain_behind(graph, node) if isinstance(node, Linear | Conv) else None
        if chain is None:
            continue
        order = grouped_rows(_rows(chain.first), block)
        if order is None:
            continue
        other = _reordered(graph, chain, order)
        if error(other, name, block) < error(graph, name, block):
            graph = other
    return graph


def grouped_rows(rows: NDArray[np.floating], block: int) -> NDArray[np.int64] | None:
    """An order of rows in which blocks of consecutive ones are nearly rotations of each other.

    The projection of a block of rows keeps the energy `|sum_r S^-r x_r|^2 / k`, S^-r being the rotation of each k
    columns by r (docs/arithmetic.md). Greedily: a block begins with the largest row left; each next place gets the
    row whose rotation has the largest inner product with the sum so far.

    Args:
        rows: (m, positions, n): each position is cut into blocks of its own.
        block: k.

    Returns:
        (m,) places of the rows, None where the search would take too long.
    """
    m, positions, n = rows.shape
    if m * m * positions * n > MOST_WORK:
        return None
    q = -(-n // block)
    padded = np.zeros((m, positions * q, block), np.float32)
    padded.reshape(m, positions, q * block)[:, :, :n] = rows
    flat = padded.reshape(m, -1)
    size = np.einsum("ij,ij->i", flat, flat)
    turns = (np.arange(block)[:, None] - np.arange(block)[None, :]) % block  # what place r turns an entry to
    left = np.ones(m, bool)
    order: list[int] = []
    total = np.zeros_like(padded[0])
    for place in range(m):
        r = place % block
        if r == 0:
            found = int(np.argmax(np.where(left, size, -np.inf)))
            total = padded[found][:, turns[0]].copy()
        else:
            found = int(np.argmax(np.where(left, flat @ total[:, turns[r]].reshape(-1), -np.inf)))
            total += padded[found][:, turns[r]]
        left[found] = False
        order.append(found)
    return np.array(order)


def _rows(node: Linear | Conv) -> Array:
    """(m, positions, n)."""
    matrix = node.weight.to_dense()
    if isinstance(node, Linear):
        return matrix[:, None, :]
    return matrix.reshape(len(matrix), node.channels, -1).transpose(0, 2, 1)


def _reordered(graph: Graph, chain: Chain, order: NDArray[np.int64]) -> Graph:
    first, last, m = chain.first, chain.last, len(order)
    rows = np.ascontiguousarray(first.weight.to_dense()[order])
    new: dict[str, Node] = {
        first.name: replace(first, weight=Dense(rows), bias=None if first.bias is None else first.bias[order])
    }
    for node in chain.between:
        if isinstance(node, Affine) and len(node.scale) > 1:
            new[node.name] = replace(node, scale=node.scale[order], shift=node.shift[order])
    matrix = last.weight.to_dense()
    columns = matrix.reshape(len(matrix), m, -1)[:, order].reshape(matrix.shape)
    new[last.name] = replace(last, weight=Dense(np.ascontiguousarray(columns)))
    return graph.with_nodes([new.get(n.name, n) for n in graph.nodes])
