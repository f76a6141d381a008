# SPDX-License-Identifier: Apache-2.0
"""Lengths of sequences (ONNX: sequence_lens) that are one number, and recurrent layers that need none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from swm.graph.graph import Graph
from swm.graph.nodes import Cast, Node, Reshape
from swm.graph.shape_ops import Expand, Squeeze, Unsqueeze
from swm.graph.weighted import Recurrent

__all__ = ["one_length", "without_whole_lengths"]

_KEEPING = (Cast, Expand, Reshape, Squeeze, Unsqueeze)


def one_length(graph: Graph, tensor: str) -> int | None:
    """The number that all elements of a constant tensor are; None where they differ, or are not known."""
    values = np.asarray(graph.constants[tensor]) if tensor in graph.constants else np.zeros(0)
    return int(values.flat[0]) if values.size and (values == values.flat[0]).all() else None


def without_whole_lengths(graph: Graph, known: Mapping[str, float] | None = None) -> Graph:
    """Recurrent layers without lengths that are those of their whole sequences, which is ONNX's default.

    Args:
        graph: any graph; what gave the lengths stays in it.
        known: tensors that hold one number everywhere, beside the constants.
    """
    if not any(isinstance(node, Recurrent) and len(node.inputs) > 1 and node.inputs[1] for node in graph.nodes):
        return graph
    numbers: dict[str, float | None] = dict(known or {})
    nodes: list[Node] = []

    def number(tensor: str) -> float | None:
        return numbers[tensor] if tensor in numbers else one_length(graph, tensor)

    for node in graph.nodes:
        if isinstance(node, _KEEPING):
            numbers[node.outputs[0]] = number(node.inputs[0])
        lengths = node.inputs[1] if isinstance(node, Recurrent) and len(node.inputs) > 1 else ""
        if isinstance(node, Recurrent) and lengths:
            shape = graph.shape_of(node.inputs[0])
            if shape is not None and isinstance(shape[node.layout], int) and number(lengths) == shape[node.layout]:
                inputs = [node.inputs[0], "", *node.inputs[2:]]
                while not inputs[-1]:
                    inputs.pop()
                node = replace(node, inputs=tuple(inputs))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))
