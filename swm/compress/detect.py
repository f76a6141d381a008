# SPDX-License-Identifier: Apache-2.0
"""Structure that a file does not declare: layers trained with it and exported as ordinary dense matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from swm.graph import Conv, Graph, Linear, Node, Recurrent
from swm.structure import (
    BlockCirculant,
    BlockCirculantConv,
    CoarseGrain,
    Dense,
    WeightStructure,
    circulant_columns,
    coarse_few_bits,
    few_bits,
    sparse_structure,
)

__all__ = ["detect_structure"]


def detect_structure(graph: Graph, *, bits: bool = True) -> Graph:
    """The same network with each dense weight that *is* structured held as what it is, whatever wrote the file.

    Block-circulant, ternary, coarse-grain and N:M ones are found (`swm.structure.sparse_structure`), and weights of few
    bits (`swm.structure.few_bits`), those in the blocks of a coarse-grain matrix among them; of recurrent
    layers in two directions where both have one structure and size.

    Elements of a block that must be equal may differ by float noise (`swm.structure.detect.TOLERANCE` of the largest
    weight); they become their mean. Blocks may not straddle two gates of a recurrent layer, nor two groups of a
    convolution, where no other structure is looked for. A graph in which nothing is found is returned itself.

    Args:
        graph: a float graph.
        bits: whether few bits count: weights that are dense, but whole multiples of a number a row.
    """
    for node in graph.nodes:
        found = _detected(node, bits=bits)
        if found is not node:
            graph = graph.with_replaced(node, found)
    return graph


def _detected(node: Node, *, bits: bool = True) -> Node:
    match node:
        case Linear(weight=Dense()):
            columns = circulant_columns(node.weight.to_dense()[None])
            if columns is not None:
                return replace(node, weight=BlockCirculant(columns[0], node.weight.shape))
            other = _other(node.weight, bits=bits)
            return node if other is None else replace(node, weight=other)
        case Conv(weight=Dense()):
            m, groups = node.weight.shape[0], node.group
            tensor = node.weight.to_dense().reshape(m, node.channels, -1)
            sizes = m // groups | node.channels
            limit = {} if groups == 1 else {"limit": sizes & -sizes}  # the largest size that divides both
            columns = circulant_columns(tensor.transpose(2, 0, 1), **limit)
            if columns is not None:
                return replace(node, weight=BlockCirculantConv(columns, (m, node.channels), node.kernel))
            other = None if groups > 1 else _other(node.weight, bits=bits)
            return node if other is None else replace(node, weight=other)
        case Recurrent():
            return _sides(node, bits=bits)
        case _:
            return node


def _other(weight: WeightStructure, *, bits: bool) -> WeightStructure | None:
    """What a matrix is that is not block-circulant: the structure of fewest bits."""
    sparse = sparse_structure(weight.to_dense())
    if not bits:
        return sparse
    if isinstance(sparse, CoarseGrain):
        sparse = coarse_few_bits(sparse) or sparse
    few = few_bits(weight.to_dense())
    kept = [one for one in (sparse, few) if one is not None]
    return min(kept, key=lambda one: one.bits(32), default=None)


def _sides(node: Recurrent, *, bits: bool) -> Recurrent:
    """A recurrent layer with W, R or both structured; gates and directions share one block size."""
    w, r = (_side(node, side, bits=bits) for side in (node.input_weight, node.recurrent_weight))
    if w is None and r is None:
        return node
    return replace(node, input_weight=w or node.input_weight, recurrent_weight=r or node.recurrent_weight)


def _side(node: Recurrent, weights: tuple[WeightStructure, ...], *, bits: bool) -> tuple[WeightStructure, ...] | None:
    if not all(isinstance(weight, Dense) for weight in weights):
        return None
    gates = np.concatenate([weight.to_dense().reshape(node.gates, node.hidden, -1) for weight in weights])
    # Each gate as a matrix of its own: no block straddles two. A size that does not divide the cells would leave gaps
    # between the gates.
    limit = node.hidden & -node.hidden
    columns = circulant_columns(gates, limit=limit)
    if columns is None:
        found = [_other(weight, bits=bits) for weight in weights]
        kept = tuple(one for one in found if one is not None)
        alike = len(kept) == len(weights) and len({(type(one), one.size) for one in kept}) == 1
        return kept if alike else None  # files hold directions of one structure and size
    p, q, k = columns.shape[1:]
    stacked = columns.reshape(len(weights), node.gates * p, q, k)
    return tuple(BlockCirculant(part, weight.shape) for part, weight in zip(stacked, weights, strict=True))
