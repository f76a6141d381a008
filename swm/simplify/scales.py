# SPDX-License-Identifier: Apache-2.0
"""Scales of queries and keys behind their product, where the Softmax takes them into its exponents.

torch writes `scaled_dot_product_attention` with the root of the scale at both operands.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from swm.graph import MOVES, Add, Affine, Expand, Graph, MatMul, Node, Softmax, node_names, tensor_names

__all__ = ["scales_behind_products"]


def scales_behind_products(graph: Graph) -> Graph:
    """Each product of two activations before a Softmax with the scales of its operands as one scale behind it."""
    writers, readers = graph.producers(), graph.readers()
    names, tensors, types = node_names(graph), tensor_names(graph), dict(graph.types)
    gone: dict[str, str] = {}  # outputs of scales, and what they scale
    behind: dict[str, Affine] = {}
    for node in graph.nodes:
        if not isinstance(node, MatMul) or any(t in graph.constants for t in node.inputs) or len(set(node.inputs)) != 2:
            continue
        found = [_scale(writers, readers, t) for t in node.inputs]
        scales = [scale for scale in found if scale is not None]
        if not scales or not _softened(graph, readers, node.outputs[0]):
            continue
        output = tensors.unique(f"{node.outputs[0]}/unscaled")
        if node.outputs[0] in types:
            types[output] = types[node.outputs[0]]
        gone.update((scale.outputs[0], scale.inputs[0]) for scale in scales)
        factor = np.prod([scale.scale for scale in scales], axis=0).astype(np.float32)
        behind[node.name] = Affine(
            name=names.unique(f"{node.name}/scale"),
            inputs=(output,),
            outputs=node.outputs,
            scale=factor,
            shift=np.zeros(1, np.float32),
        )
    if not gone:
        return graph
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.outputs[0] in gone:
            continue
        made = replace(node, inputs=tuple(gone.get(t, t) for t in node.inputs))
        scale = behind.get(node.name)
        nodes += [made] if scale is None else [replace(made, outputs=scale.inputs), scale]
    return replace(graph, nodes=tuple(nodes), types=types)


def _scale(writers: dict[str, Node], readers: dict[str, list[Node | None]], tensor: str) -> Affine | None:
    """The scale of all values alike that a tensor is moved from, where nothing else reads it on the way."""
    while len(readers.get(tensor, [])) == 1:
        node = writers.get(tensor)
        if isinstance(node, Affine):
            return node if len(node.scale) == 1 and not node.shift.any() else None
        if node is None or not isinstance(node, (*MOVES, Expand)) or len(node.outputs) != 1:
            return None
        tensor = node.inputs[0]
    return None


def _softened(graph: Graph, readers: dict[str, list[Node | None]], tensor: str) -> bool:
    """Whether nothing but a Softmax reads a tensor, a constant added at most."""
    while len(readers.get(tensor, [])) == 1:
        (node,) = readers[tensor]
        if isinstance(node, Softmax):
            return True
        if not isinstance(node, Add) or not any(t in graph.constants for t in node.inputs):
            return False
        (tensor,) = node.outputs
    return False
