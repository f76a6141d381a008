# SPDX-License-Identifier: Apache-2.0
"""Resize to the size of another tensor, as `interpolate(x, size=y.shape[2:])` exports, goes by constant scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from swm.graph import Graph, Node, Opaque, tensor_names
from swm.onnx_io import reread

__all__ = ["scaled_by_constants"]


def scaled_by_constants(graph: Graph) -> Graph:
    """Each Resize whose sizes are computed, while all but that of the batch are known, with whole factors instead.

    Where the sizes are not those of the graph's types, the trial tells.
    """
    nodes: list[Node] = []
    constants, names = dict(graph.constants), tensor_names(graph)
    for node in graph.nodes:
        scales = _scales(graph, node)
        if scales is not None:
            name = names.unique(f"{node.name}/scales")
            constants[name] = scales
            node = replace(node, inputs=(*node.inputs[:2], name))
        nodes.append(node)
    if len(constants) == len(graph.constants):
        return graph
    return reread(replace(graph, nodes=tuple(nodes), constants=constants))


def _scales(graph: Graph, node: Node) -> NDArray[np.float32] | None:
    """Whole factors of every axis; None where there are none, or for another node."""
    if not isinstance(node, Opaque) or node.domain or node.op_type != "Resize" or len(node.inputs) != 4:
        return None
    before, behind = graph.shape_of(node.inputs[0]), graph.shape_of(node.outputs[0])
    if node.inputs[3] in graph.constants or not before or not behind or len(before) != len(behind):
        return None
    factors = [1]
    for have, want in zip(before[1:], behind[1:], strict=True):
        if not isinstance(have, int) or not isinstance(want, int) or have < 1 or want < have or want % have:
            return None
        factors.append(want // have)
    return np.array(factors, np.float32)
