# SPDX-License-Identifier: Apache-2.0
"""Cuts a graph into parts for onnxruntime and single layers for our kernels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from swm.graph import Conv, Graph, Linear, Node, Relu, is_structured
from swm.graph.graph import reads

__all__ = ["Segment", "cut", "whole"]


@dataclass(frozen=True, eq=False)
class Segment:
    """Nodes that run together in one onnxruntime session, or one layer of ours.

    Attributes:
        nodes: in execution order; of a layer of ours itself and the Relu that it takes along.
        inputs: tensors read, constants of the graph left out but for a layer of ours.
        outputs: tensors that others read.
        layer: the layer of ours, None for onnxruntime.
        relu: whether that layer ends in `max(y, 0)`.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layer: Node | None = None
    relu: bool = False


def whole(graph: Graph) -> Segment:
    """The whole graph for onnxruntime."""
    return Segment(graph.nodes, tuple(v.name for v in graph.inputs), tuple(v.name for v in graph.outputs))


def cut(
    graph: Graph, outputs: Sequence[str], ours: Collection[str], joined: Collection[str] = ()
) -> tuple[Segment, ...]:
    """Group nodes by how many layers of ours lie before them: as few parts for onnxruntime as possible.

    Args:
        graph: any.
        outputs: tensors wanted.
        ours: names of the structured layers that our kernels run; onnxruntime runs the others dense.
        joined: names of those that take a Relu along, if it is all that reads them.
    """
    needed = graph.needed(outputs)
    relus = _relus(needed, set(outputs), joined)
    taken = {id(r) for r in relus.values()}
    depth: dict[str, int] = {}
    groups: dict[int, list[Node]] = {}
    layers: dict[int, list[Segment]] = {}
    for node in needed:
        if id(node) in taken:
            continue  # with its layer
        level = max((depth.get(t, 0) for t in reads(node)), default=0)
        written = node.outputs
        if node.name in ours and is_structured(node):
            relu = relus.get(node.name)
            written = node.outputs if relu is None else relu.outputs
            both = (node,) if relu is None else (node, relu)
            layers.setdefault(level, []).append(Segment(both, node.inputs, written, node, relu is not None))
            level += 1
        else:
            groups.setdefault(level, []).append(node)
        depth.update(dict.fromkeys(written, level))
    wanted = set(outputs)
    segments: list[Segment] = []
    for level in range(max([*groups, *layers], default=-1) + 1):
        if level in groups:
            segments.append(_segment(groups[level], graph, needed, wanted))
        segments += layers.get(level, [])
    return tuple(segments)


def _relus(needed: Sequence[Node], wanted: set[str], joined: Collection[str]) -> dict[str, Relu]:
    """By layer, the Relu that is all that reads it."""
    readers: dict[str, list[Node]] = {}
    for node in needed:
        for tensor in set(reads(node)):
            readers.setdefault(tensor, []).append(node)
    found = {}
    for node in needed:
        if node.name in joined and isinstance(node, Linear | Conv) and node.outputs[0] not in wanted:
            after = readers.get(node.outputs[0], [])
            if len(after) == 1 and isinstance(after[0], Relu):
                found[node.name] = after[0]
    return found


def _segment(nodes: Sequence[Node], graph: Graph, needed: Sequence[Node], wanted: set[str]) -> Segment:
    inside = {id(n) for n in nodes}
    written = [t for n in nodes for t in n.outputs if t]
    read_inside = dict.fromkeys(t for n in nodes for t in reads(n))
    read_outside = {t for n in needed if id(n) not in inside for t in reads(n)} | wanted
    inputs = tuple(t for t in read_inside if t not in written and t not in graph.constants)
    return Segment(tuple(nodes), inputs, tuple(t for t in written if t in read_outside))
