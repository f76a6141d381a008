# SPDX-License-Identifier: Apache-2.0
"""Last states of recurrent layers taken from their sequences: hardware gives the sequence, the host its end.

Where a network reads Y and Y_h of a layer, Y_h is the step of Y at which each direction ends. Where it reads Y_c of an
LSTM, hardware gives it as one more step behind Y, or behind Y_h alone. What leaves a layer has the samples first, so
that the hardware may end there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from swm.graph import (
    LSTM,
    Concat,
    Graph,
    Node,
    Recurrent,
    Slice,
    Squeeze,
    TensorType,
    Transpose,
    Unsqueeze,
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
    """The same network, in which nobody reads two outputs of a recurrent layer; itself where that is so."""
    read = Counter(t for n in graph.needed([v.name for v in graph.outputs]) for t in reads(n))
    read.update(v.name for v in graph.outputs)
    made = _Rewriting(graph)
    for node in graph.nodes:
        if isinstance(node, LSTM) and _gives_cells(graph, node, read):
            made.append_cells(node, [t for t in node.outputs[:2] if t and read[t]])
            continue
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


def _gives_cells(graph: Graph, node: LSTM, read: Mapping[str, int]) -> bool:
    """Whether the cells of the last step are read, of a layer whose one direction ends where its input does."""
    if node.layout or node.direction != "forward" or len(node.outputs) < 3 or not read[node.outputs[2]]:
        return False
    lengths = node.inputs[1] if len(node.inputs) > 1 else ""
    kinds = [graph.types.get(t) for t in node.outputs if t and read[t]]
    return not lengths and all(k is not None and k.shape is not None for k in kinds)


class _Rewriting:
    """The nodes so far."""

    def __init__(self, graph: Graph) -> None:
        self.nodes: list[Node] = []
        self.types = dict(graph.types)
        self.changed = False
        self._names, self._tensors = node_names(graph), tensor_names(graph)

    def append_cells(self, node: LSTM, others: list[str]) -> None:
        """Y_c behind Y, or behind Y_h where nobody reads Y, as a tensor of its own; what is read is cut out of it."""
        y, h, c = node.outputs[:3]
        whole = y in others
        cells, joined, first = (self._tensors.unique(f"{c}/{what}") for what in ("inside", "behind", "batch_first"))
        start = self._tensors.unique(f"{y if whole else c}/outputs")
        self.nodes.append(replace(node, outputs=(start, "", cells) if whole else ("", start, cells)))
        kind = self.types[c]
        last = cells
        if whole:
            last = self._tensors.unique(f"{c}/as a step")
            self._add(Unsqueeze, node, "cells as a step", (cells,), last, axes=(0,))
        self._add(Concat, node, "cells behind the outputs", (start, last), joined, axis=0)
        forth, back = (_FIRST, _BACK) if whole else ((1, 0, 2), (1, 0, 2))
        self._add(Transpose, node, "samples first", (joined,), first, perm=forth)
        assert kind.shape is not None
        of_outputs = self.types[y].shape if whole else None
        length = of_outputs[0] if of_outputs else None
        steps = length + 1 if isinstance(length, int) else None
        _, batch, m = kind.shape
        made: dict[str, tuple[int | str | None, ...]] = {cells: kind.shape, last: kind.shape}
        if whole:
            made |= {start: (length, 1, batch, m), last: (1, 1, batch, m)}
            made |= {joined: (steps, 1, batch, m), first: (batch, steps, 1, m)}
        else:
            made |= {start: kind.shape, joined: (2, batch, m), first: (batch, 2, m)}
        self.types |= {tensor: TensorType(kind.elem, shape) for tensor, shape in made.items()}
        cuts = {c: (-1, _FAR), h: (-2, -1), y: (0, -1)}
        for tensor in (*others, c):
            begin, end = cuts[tensor]
            one, turned = (self._tensors.unique(f"{tensor}/{what}") for what in ("cut", "turned"))
            cut = {"starts": (begin,), "ends": (end,), "axes": (1,), "steps": (1,)}
            self._add(Slice, node, f"cut of {tensor}", (first,), one, **cut)
            flat = whole and tensor != y
            self._add(Transpose, node, f"{tensor} turned", (one,), turned if flat else tensor, perm=back)
            if flat:
                self._add(Squeeze, node, f"{tensor} squeezed", (turned,), tensor, axes=(0,))
        self.changed = True

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
