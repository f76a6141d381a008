# SPDX-License-Identifier: Apache-2.0
"""Nodes that hardware computes for each step of each sequence alone, and where time and samples lie behind them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from swm.accelerator.places import fixed_places
from swm.accelerator.sequences import same_place
from swm.graph import (
    Activation,
    Affine,
    Elementwise,
    Graph,
    LayerNormalization,
    Linear,
    Node,
    Reshape,
    RMSNormalization,
    Squeeze,
    Transpose,
    Unsqueeze,
)

__all__ = ["VIEWS", "Axes", "axes_behind"]

VIEWS = (Reshape, Squeeze, Transpose, Unsqueeze)
Shape = tuple[int | str | None, ...]


class Axes(NamedTuple):
    """Where a tensor has its steps, and where its samples."""

    time: int
    samples: int


def axes_behind(graph: Graph, node: Node, sequences: dict[str, Axes]) -> Axes | None:
    """The axes of what a node writes; None where a step of it depends on more than this step of one sample.

    Args:
        graph: the network.
        node: it reads at least one of the sequences.
        sequences: the axes of tensors; whatever else the node reads has to be constant.
    """
    first = node.inputs[0] in sequences or not isinstance(node, Elementwise)
    source = node.inputs[0 if first else -1]
    axes, shape = sequences.get(source), graph.shape_of(source)
    if axes is None or shape is None or len(node.outputs) != 1:
        return None
    if isinstance(node, VIEWS):
        return _viewed(node, axes, shape, graph.shape_of(node.outputs[0]))
    others = [t for t in node.inputs if t and t != source]
    for tensor in others:
        constant = graph.constants.get(tensor)
        alone = constant is not None and _same_for_all(np.shape(constant), axes, len(shape))
        if not alone and (sequences.get(tensor) != axes or len(graph.shape_of(tensor) or ()) != len(shape)):
            return None
    made = graph.shape_of(node.outputs[0])
    kept = made is not None and len(made) == len(shape) and made[axes.time] == shape[axes.time]
    in_hardware = isinstance(node, tuple(fixed_places())) and axes.samples == 0  # it computes with samples first only
    return axes if kept and in_hardware and _stepwise(node, axes, len(shape)) else None


def _stepwise(node: Node, axes: Axes, rank: int) -> bool:
    channels = rank - 1 not in axes
    match node:
        case Activation() | Elementwise():
            return True
        case Affine():
            return node.scale.size == 1 or node.axis % rank != axes.samples
        case Linear():
            return channels
        case LayerNormalization() | RMSNormalization():
            return channels and node.axis == -1
        case _:
            return False


def _same_for_all(shape: tuple[int, ...], axes: Axes, rank: int) -> bool:
    """Whether a constant is the same for all samples of a tensor of some rank, to which it is broadcast."""
    place = axes.samples - rank + len(shape)
    return len(shape) <= rank and (place < 0 or shape[place] == 1)


def _viewed(node: Node, axes: Axes, shape: Shape, made: Shape | None) -> Axes | None:
    rank = len(shape)
    if isinstance(node, Transpose):
        return Axes(*(node.perm.index(a) for a in axes))
    if isinstance(node, Squeeze):
        gone = {a % rank for a in node.axes or ()}
        return None if node.axes is None or gone & set(axes) else Axes(*(a - sum(g < a for g in gone) for a in axes))
    if isinstance(node, Unsqueeze):
        many = rank + len(node.axes)
        kept = sorted(set(range(many)) - {a % many for a in node.axes})
        return Axes(*(kept[a] for a in axes))
    places = [same_place(shape, made, a) for a in axes] if made is not None else []
    known = [place for place in places if place is not None]
    return Axes(*known) if len(known) == len(axes) else None
