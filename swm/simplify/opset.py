# SPDX-License-Identifier: Apache-2.0
"""How far the opset of a graph may rise: typed nodes are written at any, opaque ones mean what their opset says."""

from __future__ import annotations

from dataclasses import replace

import onnx
from onnx import NodeProto

from swm.graph import Graph, GroupNormalization, LogSoftmax, Opaque, Resize, Softmax
from swm.onnx_io import inner_nodes

__all__ = ["Reach"]


class Reach:
    """Answers for one graph, and for what becomes of it by removing nodes."""

    def __init__(self, graph: Graph) -> None:
        """Find the opaque nodes and the typed ones that follow a rule of old opsets."""
        self._opset = graph.opset
        protos = [NodeProto.FromString(n.proto) for n in graph.nodes if isinstance(n, Opaque)]
        self._operators = {p.op_type for node in protos for p in (node, *inner_nodes(node)) if not p.domain}
        self._bound = bool(graph.functions) or any(
            (isinstance(n, Resize) and not n.coordinates)
            or (isinstance(n, GroupNormalization) and n.per_group)
            or (isinstance(n, Softmax | LogSoftmax) and n.flattened)
            for n in graph.nodes
        )

    def reaches(self, opset: int) -> bool:
        """Whether the graph can be written at an opset (or stands above it) and still means the same."""
        if self._opset >= opset:
            return True
        return not self._bound and all(self._same(op, opset) for op in self._operators)

    def raised(self, graph: Graph, opset: int) -> Graph:
        """The graph at the opset, or higher if it stands there already."""
        return replace(graph, opset=max(graph.opset, opset))

    def _same(self, op: str, opset: int) -> bool:
        if not onnx.defs.has(op, self._opset) or not onnx.defs.has(op, opset):
            return False
        old, new = (onnx.defs.get_schema(op, version) for version in (self._opset, opset))
        return bool(old.since_version == new.since_version)
