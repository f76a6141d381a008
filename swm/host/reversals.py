# SPDX-License-Identifier: Apache-2.0
"""Layers that run backwards over sequences whose lengths are an input, as layers that run forward.

A backward direction begins at the end of each sequence, which hardware does not know. So the host turns each sequence
around within its length, before the hardware and behind it. Of a layer that runs both ways it gives both, the sequence
and the turned one, in one frame.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from onnx import TensorProto

from swm.graph import (
    Cast,
    Concat,
    Graph,
    Node,
    Recurrent,
    Slice,
    TensorType,
    Transpose,
    node_names,
    one_direction,
    reads,
    tensor_names,
)
from swm.host.joined import Joining
from swm.host.search import FLOAT
from swm.host.work import is_weighted
from swm.onnx_io import standard

__all__ = ["forward_layers"]

_OPSET = 10  # has ReverseSequence
_TURNED = (1, 0, 2)  # (time, batch, values) and (batch, time, values)


def forward_layers(graph: Graph) -> Graph:
    """The same network; itself where no layer with lengths runs backwards over what comes without any product.

    Args:
        graph: a float graph.
    """
    if graph.opset < _OPSET:
        return graph
    nodes = graph.needed([v.name for v in graph.outputs])
    read = {v.name for v in graph.outputs}.union(*(reads(node) for node in nodes))
    live, behind = {v.name for v in graph.inputs}, set[str]()  # behind: what products give
    made = _Rewriting(graph)
    for node in nodes:
        tensors = set(reads(node))
        if live & tensors:
            live.update(t for t in node.outputs if t)
        if isinstance(node, Recurrent) and node.direction != "forward" and not behind & tensors:
            lengths = node.inputs[1] if len(node.inputs) > 1 else ""
            if lengths in live and not node.layout and not read.intersection(t for t in node.outputs[2:] if t):
                made.turn(node, lengths)
        if is_weighted(node, graph) or behind & tensors:
            behind.update(t for t in node.outputs if t)
        if node.name not in made.turned:
            made.nodes.append(node)
    return replace(graph, nodes=tuple(made.nodes), types=made.types) if made.turned else graph


class _Rewriting:
    """The nodes so far."""

    def __init__(self, graph: Graph) -> None:
        self.nodes: list[Node] = []
        self.types = dict(graph.types)
        self.turned: set[str] = set()  # names of layers that were written again
        self._names, self._tensors = node_names(graph), tensor_names(graph)

    def turn(self, node: Recurrent, lengths: str) -> None:
        """A layer, if the sizes of its sequences are known."""
        kind = self.types.get(node.inputs[0])
        if kind is None or kind.shape is None or len(kind.shape) != 3:
            return
        steps, batch, values = kind.shape
        if not isinstance(steps, int) or not isinstance(values, int):
            return
        self.turned.add(node.name)
        first = self._step(Transpose, node, node.inputs[0], "samples first", (batch, steps, values), perm=_TURNED)
        ends = self._step(Cast, node, lengths, "lengths", (batch,), TensorProto.INT64, to=TensorProto.INT64)
        sources = [self._around(node, first, ends)]
        if node.directions == 2:
            whole = self._tensors.unique(f"{first}/both ways")
            joining = Joining(whole, self._names, self._tensors, self.types)
            sources = [joining.add(tensor, f"{node.name}, {tensor}") for tensor in (first, *sources)]
            joining.close(node.name)
            self.nodes += joining.before + joining.behind
        found: list[list[str]] = [[], []]  # Y and Y_h, of each direction
        for d, source in enumerate(sources):
            x = self._step(Transpose, node, source, "time first", (steps, batch, values), perm=_TURNED)
            states = [self._state(node, t, d) for t in node.inputs[2:]]
            outputs = [self._tensors.unique(f"{node.name}/{what} {d}") if t else "" for t, what in self._wanted(node)]
            layer = replace(one_direction(node, d), inputs=(x, lengths, *states), outputs=tuple(outputs))
            self.nodes.append(replace(layer, name=self._names.unique(f"{node.name}, backwards")) if d else layer)
            for tensor, sizes in zip(outputs, ((steps, 1, batch, node.hidden), (1, batch, node.hidden)), strict=False):
                self.types[tensor] = TensorType(FLOAT, sizes)
            if outputs[0] and (d or node.directions == 1):
                back = self._step(
                    Transpose, node, outputs[0], "to turn", (batch, steps, 1, node.hidden), perm=(2, 0, 1, 3)
                )
                back = self._around(node, back, ends)
                perm = (1, 2, 0, 3)
                outputs[0] = self._step(Transpose, node, back, "turned", (steps, 1, batch, node.hidden), perm=perm)
            for of, tensor in zip(found, outputs, strict=False):
                of.append(tensor)
        for (tensor, what), of, axis in zip(self._wanted(node), found, (1, 0), strict=False):
            if tensor:
                name = self._names.unique(f"{node.name}, {what}")
                self.nodes.append(Concat(name=name, inputs=tuple(of), outputs=(tensor,), axis=axis))

    def _wanted(self, node: Recurrent) -> list[tuple[str, str]]:
        return list(zip(node.outputs[:2], ("Y", "Y_h"), strict=False))

    def _state(self, node: Recurrent, tensor: str, d: int) -> str:
        """One direction of initial states."""
        if not tensor or node.directions == 1:
            return tensor
        kind = self.types.get(tensor)
        sizes = (1, *kind.shape[1:]) if kind is not None and kind.shape else None
        cut: dict[str, Any] = {"starts": (d,), "ends": (d + 1,), "axes": (0,), "steps": (1,)}
        return self._step(Slice, node, tensor, f"direction {d}", sizes, **cut)

    def _around(self, node: Recurrent, tensor: str, lengths: str) -> str:
        """Each sequence of (batch, time, ...) turned around within its length."""
        output = self._tensors.unique(f"{tensor}/around")
        name = self._names.unique(f"{node.name}, {tensor} around")
        axes = {"batch_axis": 0, "time_axis": 1}
        self.nodes.append(standard("ReverseSequence", name, (tensor, lengths), (output,), **axes))
        self.types[output] = self.types[tensor]
        return output

    def _step(
        self,
        make: type[Node],
        node: Recurrent,
        source: str,
        what: str,
        sizes: tuple[int | str | None, ...] | None,
        elem: int = FLOAT,
        **options: object,
    ) -> str:
        """A node of one tensor, whose output has a type."""
        output, name = self._tensors.unique(f"{source}/{what}"), self._names.unique(f"{node.name}, {source} {what}")
        self.nodes.append(make(name=name, inputs=(source,), outputs=(output,), **options))
        self.types[output] = TensorType(elem, sizes)
        return output
