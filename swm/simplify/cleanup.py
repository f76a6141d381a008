# SPDX-License-Identifier: Apache-2.0
"""Nodes that nothing needs: those that nobody reads, and the zeros that recurrent layers start from anyway."""

from __future__ import annotations

from dataclasses import replace

from onnx import AttributeProto, NodeProto, numpy_helper

from swm.graph import Cast, Expand, Graph, Node, Opaque, Recurrent, Reshape, Squeeze, Transpose, Unsqueeze, reads
from swm.simplify.opset import Reach

__all__ = ["without_dead_nodes", "without_zero_states"]

_MOVING = (Cast, Expand, Reshape, Squeeze, Transpose, Unsqueeze)  # whose first input alone gives their values


def without_dead_nodes(graph: Graph) -> Graph:
    """Only what the outputs depend on."""
    wanted = {v.name for v in graph.outputs}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs):
            kept.append(node)
            wanted.update(reads(node))
    if len(kept) == len(graph.nodes):
        return graph
    left = {t for node in kept for t in node.outputs}
    known = left | {v.name for v in graph.inputs} | wanted
    return replace(
        graph,
        nodes=tuple(reversed(kept)),
        constants={name: value for name, value in graph.constants.items() if name in wanted},
        types={name: kind for name, kind in graph.types.items() if name in known},
    )


def without_zero_states(graph: Graph, reach: Reach) -> Graph:
    """Recurrent layers without the initial states that are zeros of the batch's size, which is ONNX's default."""
    zeros = {name for name, value in graph.constants.items() if value.size and not value.any()}
    nodes: list[Node] = []
    for node in graph.nodes:
        if _gives_zeros(node, zeros):
            zeros.update(node.outputs)
        nodes.append(_started_at_zero(node, zeros) if isinstance(node, Recurrent) else node)
    return replace(graph, nodes=tuple(nodes))


def _gives_zeros(node: Node, zeros: set[str]) -> bool:
    if not isinstance(node, Opaque):
        return isinstance(node, _MOVING) and node.inputs[0] in zeros
    if node.domain or node.op_type not in ("ConstantOfShape", "Expand", "Reshape", "Tile"):
        return False
    if node.op_type != "ConstantOfShape":
        return node.inputs[0] in zeros
    given = [a for a in NodeProto.FromString(node.proto).attribute if a.name == "value"]
    try:
        return all(a.type == AttributeProto.TENSOR and not numpy_helper.to_array(a.t).any() for a in given)
    except (TypeError, ValueError):  # no element type, or data of another size than the shape says
        return False


def _started_at_zero(node: Recurrent, zeros: set[str]) -> Recurrent:
    x, *rest = node.inputs
    inputs = [x, *rest[:1], *("" if t in zeros else t for t in rest[1:])]
    while not inputs[-1]:
        inputs.pop()
    return node if tuple(inputs) == node.inputs else replace(node, inputs=tuple(inputs))
