# SPDX-License-Identifier: Apache-2.0
"""Initial states of recurrent layers that are zeros whatever the batch: exporters compute them from a shape."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from swm.graph.graph import Graph
from swm.graph.nodes import Cast, Node, Opaque, Reshape
from swm.graph.shape_ops import Concat, Expand, Gather, Slice, Split, Squeeze, Transpose, Unsqueeze
from swm.graph.weighted import Recurrent

__all__ = ["without_zero_states"]

# Whose first input alone gives their values.
_MOVING = (Cast, Expand, Gather, Reshape, Slice, Split, Squeeze, Transpose, Unsqueeze)


def without_zero_states(graph: Graph, known: Collection[str] = ()) -> Graph:
    """Recurrent layers without the initial states that are zeros, which is ONNX's default; what computed them stays.

    `known`: tensors of zeros beside the constants.
    """
    if not any(isinstance(node, Recurrent) for node in graph.nodes):
        return graph
    zeros = {*known, *(name for name, value in graph.constants.items() if value.size and not value.any())}
    nodes: list[Node] = []
    for node in graph.nodes:
        if _gives_zeros(node, zeros):
            zeros.update(node.outputs)
        nodes.append(_started_at_zero(node, zeros) if isinstance(node, Recurrent) else node)
    return replace(graph, nodes=tuple(nodes))


def _gives_zeros(node: Node, zeros: set[str]) -> bool:
    if isinstance(node, Concat):
        return zeros.issuperset(node.inputs)
    if not isinstance(node, Opaque):
        return isinstance(node, _MOVING) and node.inputs[0] in zeros
    if node.domain or node.op_type not in ("ConstantOfShape", "Expand", "Reshape", "Tile"):
        return False
    if node.op_type != "ConstantOfShape":
        return node.inputs[0] in zeros
    from onnx import AttributeProto, NodeProto, numpy_helper  # here, as `swm boards` should not wait for it

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
