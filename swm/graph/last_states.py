# SPDX-License-Identifier: Apache-2.0
"""Last states of recurrent layers as exporters take them out of Y_h, (directions, batch, outputs), in fewer steps.

`h[-1]` of torch gathers one direction out of the states of all layers; `torch.cat([h[0], h[1]], 1)` puts both
directions of a layer beside each other, which is Y_h with the samples first.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from swm.graph.graph import Graph, TensorType
from swm.graph.names import tensor_names
from swm.graph.nodes import Node, Reshape
from swm.graph.shape_ops import Concat, Gather, Squeeze, Transpose
from swm.graph.weighted import Recurrent

__all__ = ["plain_last_states"]


def plain_last_states(graph: Graph) -> Graph:
    """The same network; a direction of Y_h that is the only one is squeezed out, both are turned and reshaped."""
    if not any(isinstance(node, Recurrent) for node in graph.nodes):
        return graph
    walk = _Walk(graph)
    for node in graph.nodes:
        walk.take(node)
    return replace(graph, nodes=tuple(walk.nodes), types=walk.types) if walk.changed else graph


class _Walk:
    """The nodes so far."""

    def __init__(self, graph: Graph) -> None:
        self.nodes: list[Node] = []
        self.types = dict(graph.types)
        self.changed = False
        self._graph, self._writers = graph, graph.producers()
        self._directions: dict[str, tuple[Recurrent, int]] = {}  # of tensors (batch, outputs)
        self._names = tensor_names(graph)
        self._names.add(n.name for n in graph.nodes)  # a new tensor and its node have one name

    def take(self, node: Node) -> None:
        """Add a node, or what it is."""
        if isinstance(node, Gather) and (found := self._gathered(node)) is not None:
            self._directions[node.outputs[0]] = found
            layer, _ = found
            if layer.directions == 1:
                self.changed = True
                squeezed = Squeeze(name=node.name, inputs=layer.outputs[1:2], outputs=node.outputs, axes=(0,))
                self.nodes.append(squeezed)
                return
        beside = isinstance(node, Concat) and node.axis in (1, -1)
        layers = [self._directions.get(t) for t in node.inputs] if beside else []
        both = [one for one in layers if one is not None]
        if len(layers) == len(both) == 2 and both[0][0] is both[1][0] and [d for _, d in both] == [0, 1]:
            self._turned(node, both[0][0])
            return
        self.nodes.append(node)

    def _gathered(self, node: Gather) -> tuple[Recurrent, int] | None:
        """The direction of a layer that a Gather takes; None where it takes something else."""
        index = self._graph.constants.get(node.inputs[1])
        if node.axis != 0 or index is None or np.ndim(index) or np.asarray(index).dtype.kind != "i":
            return None
        writer, tensor = self._writers.get(node.inputs[0]), node.inputs[0]
        parts = list(writer.inputs) if isinstance(writer, Concat) and writer.axis == 0 else [tensor]
        found = [(layer, d) for t in parts if (layer := self._states(t)) is not None for d in range(layer.directions)]
        whole = len({layer.outputs[1] for layer, _ in found}) == len(set(parts)) == len(parts)
        return found[int(index)] if whole and -len(found) <= int(index) < len(found) else None

    def _states(self, tensor: str) -> Recurrent | None:
        """The layer whose Y_h a tensor is."""
        layer = self._writers.get(tensor)
        if not isinstance(layer, Recurrent) or layer.layout or layer.outputs[1:2] != (tensor,):
            return None
        return layer

    def _turned(self, node: Node, layer: Recurrent) -> None:
        """Both directions beside each other."""
        self.changed = True
        tensor = self._names.unique(f"{node.name}, samples first")
        kind = self.types.get(layer.outputs[1])
        if kind is not None and kind.shape is not None and len(kind.shape) == 3:
            self.types[tensor] = TensorType(kind.elem, (kind.shape[1], kind.shape[0], kind.shape[2]))
        turned = Transpose(name=tensor, inputs=layer.outputs[1:2], outputs=(tensor,), perm=(1, 0, 2))
        shape = (0, layer.directions * layer.hidden)
        self.nodes += [turned, Reshape(name=node.name, inputs=(tensor,), outputs=node.outputs, shape=shape)]
