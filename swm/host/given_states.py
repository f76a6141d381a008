# SPDX-License-Identifier: Apache-2.0
"""States that a caller gives, in the frame of the input: hardware reads one tensor.

A frame holds the states of all recurrent layers, then what the first of them reads. The host joins both; hardware takes
them apart again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from swm.accelerator.backend import Backend
from swm.graph import (
    Graph,
    Node,
    Recurrent,
    TensorType,
    Transpose,
    node_names,
    reads,
    tensor_names,
)
from swm.host.joined import Joining
from swm.host.search import FLOAT, Cuts
from swm.host.work import is_weighted

__all__ = ["states_in_frames"]

_TURNED = (1, 0, 2)  # (directions, batch, cells) and (batch, directions, cells)


def states_in_frames(graph: Graph, backend: Backend) -> Graph:
    """The same network, in which one tensor holds given states and the input; itself where no layer is given any.

    Args:
        graph: a float graph.
        backend: whose hardware.
    """
    nodes = graph.needed([v.name for v in graph.outputs])
    given = _given(graph, nodes)
    if not given:
        return graph
    without = [_without(node, given) for node in nodes]
    found = Cuts(replace(graph, nodes=tuple(without)), without, backend).largest()
    if found is None:
        return graph
    start, _, inside = found
    names = {node.name for node in inside}
    wanted = [t for t in given if any(n.name in names and t in n.inputs for n in nodes)]
    sizes = graph.sample_shape(start)
    kind = graph.type_of(start)
    if not wanted or not sizes or kind is None or kind.elem != FLOAT or kind.shape is None:
        return graph
    return _Joined(graph, start, kind.shape, {t: given[t] for t in wanted}).graph(names)


def _given(graph: Graph, nodes: list[Node]) -> dict[str, Recurrent]:
    """Tensors of initial states that follow from inputs without any product, and a layer that begins with each."""
    live = {v.name for v in graph.inputs}
    behind: set[str] = set()  # what products give
    for node in nodes:
        if live.intersection(reads(node)):
            live.update(t for t in node.outputs if t)
        if is_weighted(node, graph) or behind.intersection(reads(node)):
            behind.update(t for t in node.outputs if t)
    layers = [n for n in nodes if isinstance(n, Recurrent) and not n.layout]
    return {t: n for n in layers for t in n.inputs[2:4] if t in live and t not in behind}


def _without(node: Node, given: Mapping[str, Recurrent]) -> Node:
    if not isinstance(node, Recurrent) or not any(t in given for t in node.inputs[2:]):
        return node
    return replace(node, inputs=(*node.inputs[:2], *("" if t in given else t for t in node.inputs[2:])))


class _Joined:
    """The nodes that join, and those that take apart."""

    def __init__(
        self, graph: Graph, start: str, shape: tuple[int | str | None, ...], given: Mapping[str, Recurrent]
    ) -> None:
        self._graph, self._types, self._batch = graph, dict(graph.types), shape[0]
        self._names, self._tensors = node_names(graph), tensor_names(graph)
        self._before: list[Node] = []
        self._inside: list[Node] = []
        self._moved: dict[str, str] = {}
        self._sources = [*given, start]
        joining = Joining(self._tensors.unique(f"{start}/with_states"), self._names, self._tensors, self._types)
        for tensor, layer in given.items():
            sizes = layer.directions, layer.hidden
            first = self._turned(self._before, tensor, "samples first", (self._batch, *sizes))
            made = joining.add(first, tensor)
            shape_inside = (layer.directions, self._batch, layer.hidden)
            self._moved[tensor] = self._turned(self._inside, made, "inside", shape_inside)
        self._moved[start] = joining.add(start, start)
        joining.close(f"states before {start}")
        self._before += joining.before
        self._inside[:0] = joining.behind

    def graph(self, inside: set[str]) -> Graph:
        """The graph, in which these nodes read what was taken apart."""
        first = self._graph.needed(self._sources)
        early = {node.name for node in first}
        late = [node for node in self._graph.nodes if node.name not in early]
        late = [self._reading(node) if node.name in inside else node for node in late]
        nodes = (*first, *self._before, *self._inside, *late)
        return replace(self._graph, nodes=nodes, types=self._types)

    def _reading(self, node: Node) -> Node:
        return replace(node, inputs=tuple(self._moved.get(t, t) for t in node.inputs))

    def _turned(self, nodes: list[Node], tensor: str, what: str, shape: tuple[int | str | None, ...]) -> str:
        """States as (batch, directions, cells) that were (directions, batch, cells), or back."""
        output, name = self._tensors.unique(f"{tensor}/{what}"), self._names.unique(f"{tensor}, {what}")
        nodes.append(Transpose(name=name, inputs=(tensor,), outputs=(output,), perm=_TURNED))
        self._types[output] = TensorType(FLOAT, shape)
        return output
