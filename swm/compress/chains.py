# SPDX-License-Identifier: Apache-2.0
"""Two layers with weights and what lies between them: channels that the one writes and only the other reads."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from swm.graph import (
    Activation,
    Affine,
    AveragePool,
    Conv,
    Elementwise,
    GlobalAveragePool,
    GlobalMaxPool,
    Graph,
    Linear,
    MaxPool,
    Node,
    Reshape,
)
from swm.structure import Dense

__all__ = ["Chain", "chain_behind"]


@dataclass(frozen=True, eq=False)
class Chain:
    """A layer, what acts on each channel alone behind it, and the layer that reads them."""

    first: Linear | Conv
    between: tuple[Node, ...]
    last: Linear | Conv


def chain_behind(graph: Graph, first: Linear | Conv, *, depthwise: bool = False) -> Chain | None:
    """The chain of dense weights behind a layer; None where its channels have more than one reader, or are given out.

    Args:
        graph: float, prepared for conversion.
        first: one of its nodes.
        depthwise: whether convolutions of each channel alone count too; else none with groups do.
    """
    if not isinstance(first.weight, Dense) or (isinstance(first, Conv) and first.group > 1 and not depthwise):
        return None
    readers = graph.readers()
    m, tensor = first.weight.shape[0], first.outputs[0]
    between: list[Node] = []
    flat = isinstance(first, Linear)  # whether channels are the last axis
    while True:
        following = readers.get(tensor, [])
        node = following[0] if len(following) == 1 else None
        if node is None:
            return None
        if isinstance(node, Linear | Conv):
            read = _reads(first, node, m, flat=flat, depthwise=depthwise)
            return Chain(first, tuple(between), node) if read else None
        if isinstance(node, Reshape) and not flat:
            flat = _flattens(graph, node, m)
            if not flat:
                return None
        elif not _keeps_channels(node, first, flat=flat):
            return None
        between.append(node)
        tensor = node.outputs[0]


def _keeps_channels(node: Node, first: Linear | Conv, *, flat: bool) -> bool:
    """Whether a node does the same to every channel, or has a number for each, which can move along."""
    if isinstance(node, Affine):
        channels = (
            (-1, 1) if isinstance(first, Linear) else (1, -1 - len(first.kernel))
        )  # axis 1 of a matrix is its last
        along = node.axis in channels and (flat == isinstance(first, Linear))
        return len(node.scale) == 1 or (along and len(node.scale) == first.weight.shape[0])
    pools = MaxPool | AveragePool | GlobalAveragePool | GlobalMaxPool
    alone = isinstance(node, Activation | Elementwise) and len([t for t in node.inputs if t]) == 1
    return alone or (isinstance(node, pools) and not flat)


def _flattens(graph: Graph, node: Reshape, m: int) -> bool:
    """Whether a Reshape puts the pixels of a channel side by side, channel after channel, sample for sample."""
    before, after = graph.sample_shape(node.inputs[0]), graph.shape_of(node.outputs[0])
    if not before or before[0] != m or after is None or len(after) != 2:
        return False
    wanted = prod(before)
    return after[1] == wanted or node.shape[1] in (-1, wanted)


def _reads(first: Linear | Conv, last: Linear | Conv, m: int, *, flat: bool, depthwise: bool) -> bool:
    if not isinstance(last.weight, Dense):
        return False
    if isinstance(last, Conv):
        alone = depthwise and last.group == m == last.weight.shape[0]
        return isinstance(first, Conv) and not flat and (alone or (last.group == 1 and last.channels == m))
    n = last.weight.shape[1]
    return flat and (n == m if isinstance(first, Linear) else n % m == 0)
