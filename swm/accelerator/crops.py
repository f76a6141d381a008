# SPDX-License-Identifier: Apache-2.0
"""Parts of a tensor as what is left when the rest is cut off: the last step of a sequence, the token of a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from swm.graph import Gather, Graph, Node, Pad, Recurrent, Reshape, Slice, Split, Squeeze, Transpose, Unsqueeze

__all__ = ["with_crops"]

_FREE = (Transpose, Reshape, Squeeze, Unsqueeze)
_IMAGES = (3, 4)  # ranks that hardware cuts
Range: TypeAlias = tuple[int, int]  # first and behind the last


def with_crops(graph: Graph) -> Graph:
    """The graph with Slice, Split and Gather of one index as Pad of negative widths; tensors keep their names.

    Those behind a recurrent layer stay: it can leave steps out that nobody reads.
    """
    steps = {t for node in graph.nodes if isinstance(node, Recurrent) for t in node.outputs}
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node, _FREE) and node.inputs[0] in steps:
            steps.update(node.outputs)
        taken = isinstance(node, Slice | Split | Gather) and node.inputs[0] not in {*steps, *graph.constants}
        nodes += (_crops(graph, node) if taken else None) or [node]
    return replace(graph, nodes=tuple(nodes))


def _crops(graph: Graph, node: Node) -> list[Node] | None:
    """The nodes that take the place of one; None where it takes something else than one range of each axis.

    What a Gather of one index writes has one axis less, and the same values.
    """
    sizes = graph.sample_shape(node.inputs[0])
    if sizes is None or 1 + len(sizes) not in _IMAGES:
        return None
    if isinstance(node, Split):
        return _split(graph, node, sizes)
    cut = _slice(node, sizes) if isinstance(node, Slice) else _index(node, graph.constants, sizes)
    return None if cut is None else [_pad(node, node.name, node.outputs[0], cut, sizes)]


def _split(graph: Graph, node: Split, sizes: tuple[int, ...]) -> list[Node] | None:
    parts = [graph.types.get(t) for t in node.outputs]
    if node.axis < 1 or any(p is None or p.shape is None for p in parts):
        return None
    found: list[Node] = []
    start = 0
    for number, (tensor, part) in enumerate(zip(node.outputs, parts, strict=True)):
        length = part.shape[node.axis] if part is not None and part.shape is not None else None
        if not isinstance(length, int):
            return None
        name = node.name if not number else f"{node.name}, part {number}"
        found.append(_pad(node, name, tensor, {node.axis: (start, start + length)}, sizes))
        start += length
    return found


def _slice(node: Slice, sizes: tuple[int, ...]) -> dict[int, Range] | None:
    cut: dict[int, Range] = {}
    for axis, start, end, step in zip(node.axes, node.starts, node.ends, node.steps, strict=True):
        if step != 1 or not 1 <= axis <= len(sizes):
            return None
        first, last, _ = slice(start, end, step).indices(sizes[axis - 1])
        if first >= last:
            return None
        cut[axis] = (first, last)
    return cut


def _index(node: Node, constants: Mapping[str, NDArray[np.generic]], sizes: tuple[int, ...]) -> dict[int, Range] | None:
    places = constants.get(node.inputs[1])
    axis = node.axis if isinstance(node, Gather) else 0
    if places is None or np.ndim(places) > 1 or np.size(places) != 1 or not 1 <= axis <= len(sizes):
        return None
    place = int(np.reshape(places, -1)[0])
    place += sizes[axis - 1] if place < 0 else 0
    return {axis: (place, place + 1)} if 0 <= place < sizes[axis - 1] else None


def _pad(node: Node, name: str, output: str, cut: dict[int, Range], sizes: tuple[int, ...]) -> Pad:
    rank = len(sizes) + 1
    pads = [0] * (2 * rank)
    for axis, (first, behind) in cut.items():
        pads[axis], pads[axis + rank] = -first, behind - sizes[axis - 1]
    return Pad(name=name, inputs=node.inputs[:1], outputs=(output,), pads=tuple(pads))
