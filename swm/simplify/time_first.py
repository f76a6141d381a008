# SPDX-License-Identifier: Apache-2.0
"""What follows a recurrent layer step by step, with the samples along the first axis.

Recurrent layers give (steps, samples, values). Exporters of models that go on so (torch without batch_first, as CRNN
has it) make rows of all steps of all samples for the layers behind them. Hardware takes samples one after the other:
the sequence is turned once behind the recurrent layer, each layer of the head works along its last axis, and what the
network returns, or what else reads it, is turned back. Whether that computes the same, a trial shows, not this module.
"""

from __future__ import annotations

from dataclasses import replace

from swm.graph import (
    Activation,
    Affine,
    Graph,
    LayerNormalization,
    Linear,
    LogSoftmax,
    Node,
    Recurrent,
    Reshape,
    RMSNormalization,
    Softmax,
    Squeeze,
    Transpose,
    Unsqueeze,
    node_names,
    reads,
    tensor_names,
)
from swm.onnx_io import reread
from swm.simplify.cleanup import without_dead_nodes

__all__ = ["samples_before_steps"]

_VIEWS = Reshape, Squeeze, Transpose, Unsqueeze
Shape = tuple[int | str | None, ...]
_LAYERS = Activation, Affine, LayerNormalization, Linear, LogSoftmax, RMSNormalization, Softmax


def samples_before_steps(graph: Graph) -> Graph:
    """The graph with samples first in the heads of recurrent layers that have steps first; itself where none has."""
    walk = _Walk(graph)
    for node in graph.nodes:
        walk.take(node)
    return walk.graph() if walk.changed else graph


class _Walk:
    """The nodes so far, and of tensors that have steps before samples, (samples, steps, values) beside them."""

    def __init__(self, graph: Graph) -> None:
        self.changed = False
        self._graph = graph
        self._nodes: list[Node] = []
        self._names, self._tensors = node_names(graph), tensor_names(graph)
        self._layers: dict[str, Recurrent] = {}  # by the tensors that are views of their sequence, steps first
        self._turned: dict[str, str] = {}  # by the sequence of a layer
        self._first: dict[str, tuple[str, int]] = {}  # (samples, steps, values), and steps, by what has steps first
        self._given: set[str] = set()  # tensors that were turned back

    def take(self, node: Node) -> None:
        """Add a node, or what it is with the samples first."""
        source = node.inputs[0] if node.inputs else ""
        if isinstance(node, Recurrent) and not node.layout and node.outputs[0]:
            self._layers[node.outputs[0]] = node
        if isinstance(node, _LAYERS) and self._along_the_last(node):
            found = self._first.get(source) or self._begun(source)
            if found is not None and isinstance((self._shape(node.outputs[0]) or (None,))[-1], int):
                tensor, steps = found
                output = self._tensors.unique(f"{node.outputs[0]}/samples_first")
                made = replace(node, inputs=(tensor, *node.inputs[1:]), outputs=(output,))
                self._nodes.append(replace(made, axis=-1) if hasattr(made, "axis") else made)  # type: ignore[arg-type]
                self._first[node.outputs[0]] = output, steps
                self.changed = True
                return
        if isinstance(node, _VIEWS) and source in self._first and self._steps_first(node):
            self._first[node.outputs[0]] = self._first[source]
            return
        if isinstance(node, _VIEWS) and self._begins(node, source):
            self._layers[node.outputs[0]] = self._layers[source]
        for tensor in reads(node):
            self._back(tensor)
        self._nodes.append(node)

    def graph(self) -> Graph:
        """The whole."""
        for value in self._graph.outputs:
            self._back(value.name)
        return reread(without_dead_nodes(replace(self._graph, nodes=tuple(self._nodes), types={})))

    def _shape(self, tensor: str) -> Shape:
        return self._graph.shape_of(tensor) or ()

    def _along_the_last(self, node: Node) -> bool:
        """Whether a layer works on each row alone; its other operands are constant."""
        last = len(self._shape(node.inputs[0])) - 1
        wide = not isinstance(node, Affine) or node.scale.size > 1
        axis = getattr(node, "axis", -1) if wide else -1
        return axis in (-1, last) and all(t in self._graph.constants for t in node.inputs[1:] if t)

    def _begins(self, node: Node, source: str) -> bool:
        """Whether a view of a layer's sequence still has the steps first: (steps, ...), or a row for each of a step."""
        layer = self._layers.get(source)
        made = self._shape(node.outputs[0])
        if layer is None or not made:
            return False
        rows = len(made) == 2 and made[-1] == layer.directions * layer.hidden
        return made[:1] == self._shape(layer.outputs[0])[:1] or rows

    def _begun(self, tensor: str) -> tuple[str, int] | None:
        """A layer's sequence with the samples first, of the tensor that has the steps first, and its steps."""
        layer = self._layers.get(tensor)
        if layer is None or len(shape := self._shape(layer.outputs[0])) != 4 or len(self._shape(tensor)) not in (2, 3):
            return None
        steps, values = shape[0], layer.directions * layer.hidden
        if not isinstance(steps, int) or steps < 2 or self._shape(tensor)[-1] != values:
            return None
        if layer.outputs[0] not in self._turned:
            turned, made = (self._tensors.unique(f"{layer.outputs[0]}/{what}") for what in ("turned", "samples_first"))
            name = self._names.unique(turned)
            self._nodes.append(Transpose(name=name, inputs=layer.outputs[:1], outputs=(turned,), perm=(2, 0, 1, 3)))
            name = self._names.unique(made)
            self._nodes.append(Reshape(name=name, inputs=(turned,), outputs=(made,), shape=(0, steps, values)))
            self._turned[layer.outputs[0]] = made
        return self._turned[layer.outputs[0]], steps

    def _steps_first(self, node: Node) -> bool:
        """Whether a view of rows is one of (steps, samples, values), or of rows again."""
        before, made = self._shape(node.inputs[0]), self._shape(node.outputs[0])
        _, steps = self._first[node.inputs[0]]
        same = len(made) in (2, 3) and made[-1] == before[-1] and not isinstance(node, Transpose)
        return same and (len(made) == 2 or made[0] == steps)

    def _back(self, tensor: str) -> None:
        """A tensor as it was, for those that take it so."""
        if tensor not in self._first or tensor in self._given:
            return
        self._given.add(tensor)
        source, _ = self._first[tensor]
        rows = len(self._shape(tensor)) == 2
        turned = self._tensors.unique(f"{tensor}/steps_first") if rows else tensor
        name = self._names.unique(f"{tensor}/steps_first")
        self._nodes.append(Transpose(name=name, inputs=(source,), outputs=(turned,), perm=(1, 0, 2)))
        if rows:
            shape = (-1, int(self._shape(tensor)[-1] or 0))
            self._nodes.append(
                Reshape(name=self._names.unique(tensor), inputs=(turned,), outputs=(tensor,), shape=shape)
            )
