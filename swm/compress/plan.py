# SPDX-License-Identifier: Apache-2.0
"""Which weights become structured, and why the others stay dense: decided here alone, for `convert` and `check`."""

from __future__ import annotations

from dataclasses import dataclass

from swm.compress.fold import fold_affine
from swm.compress.fold_convolution import fold_conv
from swm.compress.weights import Blocks, WeightRef, asked_by_name, dense_weights, reason_to_stay_dense, resolve_blocks
from swm.graph import Conv, Graph, Linear, Node, Recurrent
from swm.structure import BlockCirculant, WeightStructure
from swm.structure.circulant import MAX_BLOCK

__all__ = ["Planned", "last_weighted", "plan", "possible_blocks", "prepared"]


@dataclass(frozen=True, eq=False)
class Planned:
    """One dense weight and what becomes of it.

    Attributes:
        ref: the weight.
        block: size asked for; 0 where a map does not name the weight.
        reason: the rule by which it stays dense; empty where it is converted.
        last: whether it stays dense because it gives the network's answer and no map names it.
    """

    ref: WeightRef
    block: int
    reason: str
    last: bool = False


def prepared(graph: Graph) -> Graph:
    """The graph with per-channel scales folded: what conversion starts from. Nodes keep their names."""
    return fold_conv(fold_affine(graph))


def last_weighted(graph: Graph) -> Node | None:
    """The layer that gives the network's answer: the last Linear or Conv, if no recurrent layer comes after it."""
    weighted = [n for n in graph.nodes if isinstance(n, Linear | Conv | Recurrent)]
    return None if not weighted or isinstance(weighted[-1], Recurrent) else weighted[-1]


def plan(
    graph: Graph, blocks: Blocks, structure: type[WeightStructure] = BlockCirculant, *, chosen: bool = False
) -> tuple[Planned, ...]:
    """What becomes of every dense weight of a prepared graph, in execution order.

    Args:
        graph: see `prepared`.
        blocks: one size, or sizes by layer name or pattern.
        structure: of the new weights.
        chosen: the sizes come from a budget, not from a user: that they name the last layer does not convert it.

    Raises:
        OptionError: an impossible size, or a name that matches nothing.
    """
    found, last = dense_weights(graph), last_weighted(graph)
    sizes = resolve_blocks(found, blocks, structure)
    named = frozenset() if chosen else asked_by_name(found, blocks)
    return tuple(_planned(ref, last if ref.name not in named else None, sizes[ref.name], structure) for ref in found)


def _planned(ref: WeightRef, last: Node | None, block: int, structure: type[WeightStructure]) -> Planned:
    if block == 0 and ref.node is not last:
        return Planned(ref, block, "not named in the map of block sizes")
    return Planned(ref, block, reason_to_stay_dense(ref, last, block or 1, structure), ref.node is last)


def possible_blocks(ref: WeightRef, most: int = MAX_BLOCK) -> tuple[int, ...]:
    """The block sizes up to `most` that the rules allow a weight, the last layer's exception aside."""
    sizes = (1 << i for i in range(1, most.bit_length()))
    return tuple(k for k in sizes if k <= most and not reason_to_stay_dense(ref, None, k))
