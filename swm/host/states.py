# SPDX-License-Identifier: Apache-2.0
"""Last states of recurrent layers taken from their sequences: hardware gives the sequence, the host its end.

Where a network reads Y and Y_h of a layer, Y_h is the step of Y at which each direction ends. Y then leaves a layer
with the samples first, so that the hardware may end there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from swm.graph import (
    Concat,
    Graph,
    Node,
    Recurrent,
    Slice,
    Squeeze,
    TensorType,
    Transpose,
    node_names,
    one_length,
    reads,
    tensor_names,
)

__all__ = ["states_from_sequences"]

_FIRST = (2, 0, 1, 3)  # Y, (time, directions, batch, outputs), with the batch first
_BACK = (1, 2, 0, 3)
_FAR = 2**31 - 1


def states_from_sequences(graph: Graph) -> Graph:
    """The same network, in which nobody reads Y_h of a recurrent layer whose Y is read; itself where that is so."""
    read = Counter(t for n in graph.needed([v.name for v in graph.outputs]) for t in reads(n))
    read.update(v.name for v in graph.outputs)
    made = _Rewriting(graph)
    for node in graph.nodes:
        both = isinstance(node, Recurrent) and len(node.outputs) > 1 and not node.layout and _ends(graph, node)
        if both and all(t and read[t] for t in node.outputs[:2]) and not any(read[t] for t in node.outputs[2:] if t):
            assert isinstance(node, Recurrent)
            lengths = node.inputs[1] if len(node.inputs) > 1 else ""
            made.rewrite(node, one_length(graph, lengths) if lengths else None)
        else:
            made.nodes.append(node)
    return replace(graph, nodes=tuple(made.nodes), types=made.types) if made.changed else graph


def _ends(graph: Graph, node: Recurrent) -> bool:
    """Whether the step at which sequences end is known."""
    return len(node.inputs) < 2 or not node.inputs[1] or (one_length(graph, node.inputs[1]) or 0) > 0


class _Rewriting:
    """The nodes so far."""

    def __init__(self, graph: Graph) -> None:
        self.nodes: list[Node] = []
        self.types = dict(graph.types)
        self.changed = False
        self._names, self._tensors = node_names(graph), tensor_names(graph)

    def rewrite(self, node: Recurrent, length: int | None) -> None:
        """Y with the samples first, then as it was, and Y_h out of it; `length`: where sequences end before Y does."""
        y, h = node.outputs[:2]
        inside, first = self._tensors.unique(f"{y}/inside"), self._tensors.unique(f"{y}/batch_first")
        self.nodes.append(replace(node, outputs=(inside, "", *node.outputs[2:])))
        kind = self.types.get(y)
        if kind is not None and kind.shape is not None and len(kind.shape) == len(_FIRST):
            self.types[inside] = kind
            self.types[first] = TensorType(kind.elem, tuple(kind.shape[p] for p in _FIRST))
        self._add(Transpose, node, "samples first", (inside,), first, perm=_FIRST)
        self._add(Transpose, node, "time first", (first,), y, perm=_BACK)
        ends = []
        for d in range(node.directions):
            backward = node.direction == "reverse" or d == 1
            start, end = (0, 1) if backward else (-1, _FAR) if length is None else (length - 1, length)
            one = self._tensors.unique(f"{h}/{d}")
            cut = {"starts": (start, d), "ends": (end, d + 1), "axes": (1, 2), "steps": (1, 1)}
            self._add(Slice, node, f"end of direction {d}", (first,), one, **cut)  # (batch, 1, 1, outputs)
            ends.append(one)
        joined = ends[0]
        if len(ends) > 1:
            joined = self._tensors.unique(f"{h}/both")
            self._add(Concat, node, "both ends", tuple(ends), joined, axis=2)
        turned = self._tensors.unique(f"{h}/turned")
        self._add(Transpose, node, "states", (joined,), turned, perm=(1, 2, 0, 3))
        self._add(Squeeze, node, "states squeezed", (turned,), h, axes=(0,))
        self.changed = True

    def _add(
        self, make: type[Node], node: Recurrent, what: str, inputs: tuple[str, ...], output: str, **options: object
    ) -> None:
        name = self._names.unique(f"{node.name}, {what}")
        self.nodes.append(make(name=name, inputs=inputs, outputs=(output,), **options))
