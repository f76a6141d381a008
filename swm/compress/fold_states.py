# SPDX-License-Identifier: Apache-2.0
"""Initial states of recurrent nodes that are zeros whatever the batch: exporters compute them from a shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx

from swm.graph import Cast, Expand, Graph, Node, Opaque, Recurrent, Reshape, Squeeze, Transpose, Unsqueeze

__all__ = ["fold_states"]

_KEEPS = (Cast, Expand, Reshape, Squeeze, Transpose, Unsqueeze)  # zeros stay zeros


def fold_states(graph: Graph) -> Graph:
    """Leave out initial states that are zeros, which is what they are by default.

    What computed them may then be read by nothing; such nodes stay, and are needed by nobody.
    """
    if not any(isinstance(node, Recurrent) for node in graph.nodes):
        return graph
    writers = graph.producers()
    return replace(graph, nodes=tuple(_folded(graph, writers, node) for node in graph.nodes))


def _folded(graph: Graph, writers: dict[str, Node], node: Node) -> Node:
    if not isinstance(node, Recurrent):
        return node
    kept = [t if i < 2 or not t or not _zero(graph, writers, t) else "" for i, t in enumerate(node.inputs)]
    while kept and not kept[-1]:
        kept.pop()
    return node if tuple(kept) == node.inputs else replace(node, inputs=tuple(kept))


def _zero(graph: Graph, writers: dict[str, Node], tensor: str) -> bool:
    """Whether a tensor holds zeros, whatever its shape."""
    while True:
        if tensor in graph.constants:
            return not np.any(graph.constants[tensor])
        node = writers.get(tensor)
        if isinstance(node, Opaque) and not node.domain and node.op_type in ("ConstantOfShape", "Expand"):
            if node.op_type == "ConstantOfShape":
                return _fills_zeros(node)
        elif not isinstance(node, _KEEPS):
            return False
        tensor = node.inputs[0]


def _fills_zeros(node: Opaque) -> bool:
    """Whether a ConstantOfShape fills with its default, or with zeros; False for a damaged value."""
    proto = onnx.NodeProto.FromString(node.proto)
    try:
        values = [onnx.numpy_helper.to_array(a.t) for a in proto.attribute if a.name == "value"]
    except (TypeError, ValueError):  # no element type, or data of another size than the shape says
        return False
    return not any(np.any(value) for value in values)
