# SPDX-License-Identifier: Apache-2.0
"""Last states of recurrent layers taken from their sequences: hardware gives the sequence, the host its end.

Where a network reads Y and Y_h of a layer, Y_h is the step of Y at which each direction ends. Where it reads Y_c of an
LSTM, hardware gives it as one more step behind Y, or behind Y_h alone. What leaves a layer has the samples first, so
that the hardware may end there. Where products follow a layer whose states are read, their result leaves beside these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from swm.graph import (
    LSTM,
    Affine,
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
from swm.host.joined import Joining, plain
from swm.host.work import is_weighted

__all__ = ["BACK", "RANGE_OF_CELLS", "states_from_sequences"]

_FIRST = (2, 0, 1, 3)  # Y, (time, directions, batch, outputs), with the batch first
_BACK = (1, 2, 0, 3)
_FAR = 2**31 - 1
RANGE_OF_CELLS, BACK = "range of cells", ", back"  # names of nodes: what brings cells to the range of outputs


def states_from_sequences(graph: Graph) -> Graph:
    """The same network, in which nobody reads two outputs of a recurrent layer; itself where that is so."""
    nodes = graph.needed([v.name for v in graph.outputs])  # others may read what a layer gives no more
    read = Counter(t for n in nodes for t in reads(n))
    read.update(v.name for v in graph.outputs)
    made = _Rewriting(graph)
    for node in nodes:
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
    if not made.changed:
        return graph
    made.join(_result(graph))
    return replace(graph, nodes=tuple(made.nodes), types=made.types)


def _ends(graph: Graph, node: Recurrent) -> bool:
    """Whether the step at which sequences end is known."""
    return len(node.inputs) < 2 or not node.inputs[1] or (one_length(graph, node.inputs[1]) or 0) > 0


def _gives_cells(graph: Graph, node: LSTM, read: Mapping[str, int]) -> bool:
    """Whether the cells of the last step are read, of a layer that ends where its input does."""
    if node.layout or len(node.outputs) < 3 or not read[node.outputs[2]]:
        return False
    lengths = node.inputs[1] if len(node.inputs) > 1 else ""
    kinds = [graph.types.get(t) for t in node.outputs if t and read[t]]
    return not lengths and all(k is not None and k.shape is not None for k in kinds)


def _result(graph: Graph) -> str:
    """The one output of the network that products behind its recurrent layers give; empty where there is none."""
    behind: set[str] = set()  # what a recurrent layer gives
    found: set[str] = set()  # what products give behind one
    for node in graph.nodes:
        tensors = set(reads(node))
        if behind & tensors:
            behind.update(node.outputs)
            if found & tensors or (is_weighted(node, graph) and not isinstance(node, Recurrent)):
                found.update(node.outputs)
        if isinstance(node, Recurrent):
            behind.update(t for t in node.outputs if t)
    named = [v.name for v in graph.outputs if v.name in found]
    return named[0] if len(named) == 1 else ""


class _End(NamedTuple):
    """What leaves a layer: its steps with the samples first, the last of which are states (0: others are).

    `sequence` is the name of the node that takes the layer's outputs out of it; empty where nobody reads them.
    """

    node: Recurrent
    first: str
    states: int
    sequence: str


class _Rewriting:
    """The nodes so far."""

    def __init__(self, graph: Graph) -> None:
        self.nodes: list[Node] = []
        self.types = dict(graph.types)
        self.changed = False
        self._ends: list[_End] = []
        self._names, self._tensors = node_names(graph), tensor_names(graph)

    def append_cells(self, node: LSTM, others: list[str]) -> None:
        """Y_c behind Y, or behind Y_h where nobody reads Y, as a tensor of its own; what is read is cut out of it."""
        y, h, c = node.outputs[:3]
        whole = y in others
        cells, joined, first = (self._tensors.unique(f"{c}/{what}") for what in ("inside", "behind", "batch_first"))
        start = self._tensors.unique(f"{y if whole else c}/outputs")
        self.nodes.append(replace(node, outputs=(start, "", cells) if whole else ("", start, cells)))
        kind = self.types[c]
        last = ranged = self._tensors.unique(f"{c}/ranged")
        self._add(Affine, node, RANGE_OF_CELLS, (cells,), ranged, **plain())
        if whole:
            last = self._tensors.unique(f"{c}/as a step")
            self._add(Unsqueeze, node, "cells as a step", (ranged,), last, axes=(0,))
        self._add(Concat, node, "cells behind the outputs", (start, last), joined, axis=0)
        forth, back = (_FIRST, _BACK) if whole else ((1, 0, 2), (1, 0, 2))
        self._add(Transpose, node, "samples first", (joined,), first, perm=forth)
        assert kind.shape is not None
        of_outputs = self.types[y].shape if whole else None
        length = of_outputs[0] if of_outputs else None
        steps = length + 1 if isinstance(length, int) else None
        _, batch, m = kind.shape
        d = node.directions
        made: dict[str, tuple[int | str | None, ...]] = {cells: kind.shape, ranged: kind.shape, last: kind.shape}
        if whole:
            made |= {start: (length, d, batch, m), last: (1, d, batch, m)}
            made |= {joined: (steps, d, batch, m), first: (batch, steps, d, m)}
        else:
            made |= {start: kind.shape, joined: (2 * d, batch, m), first: (batch, 2 * d, m)}
        self.types |= {tensor: TensorType(kind.elem, shape) for tensor, shape in made.items()}
        cuts = {c: (-1, _FAR), h: (-2, -1), y: (0, -1)} if whole else {c: (-d, _FAR), h: (-2 * d, -d)}
        states = 2 if node.direction == "forward" else 0
        self._ends.append(_End(node, first, states, f"{node.name}, cut of {y}" if whole else ""))
        if whole and not states and h in others:  # of a backward direction it is no step before the cells
            self._last_states(node, first, (-2, -1))
            others = [t for t in others if t != h]
        for tensor in (*others, c):
            place = cuts[tensor]
            one, turned = (self._tensors.unique(f"{tensor}/{what}") for what in ("cut", "turned"))
            self.nodes.append(self._cut(node, f"cut of {tensor}", first, one, place))
            flat, end = whole and tensor != y, self._tensors.unique(f"{c}/outside") if tensor == c else tensor
            self._add(Transpose, node, f"{tensor} turned", (one,), turned if flat else end, perm=back)
            if flat:
                self._add(Squeeze, node, f"{tensor} squeezed", (turned,), end, axes=(0,))
            if tensor == c:
                self._add(Affine, node, RANGE_OF_CELLS + BACK, (end,), c, **plain())
        self.changed = True

    def rewrite(self, node: Recurrent, length: int | None) -> None:
        """Y with the samples first, then as it was, and Y_h out of it; `length`: where sequences end before Y does."""
        y = node.outputs[0]
        inside, first = self._tensors.unique(f"{y}/inside"), self._tensors.unique(f"{y}/batch_first")
        self.nodes.append(replace(node, outputs=(inside, "", *node.outputs[2:])))
        kind = self.types.get(y)
        if kind is not None and kind.shape is not None and len(kind.shape) == len(_FIRST):
            self.types[inside] = kind
            self.types[first] = TensorType(kind.elem, tuple(kind.shape[p] for p in _FIRST))
        self._add(Transpose, node, "samples first", (inside,), first, perm=_FIRST)
        self._add(Transpose, node, "time first", (first,), y, perm=_BACK)
        forward = node.direction == "forward" and length is None
        self._ends.append(_End(node, first, 1 if forward else 0, self.nodes[-1].name))
        self._last_states(node, first, (-1, _FAR) if length is None else (length - 1, length))
        self.changed = True

    def _last_states(self, node: Recurrent, first: str, last: tuple[int, int]) -> None:
        """Y_h out of Y with the samples first: a forward direction ends at `last`, a backward one at step 0."""
        h, ends = node.outputs[1], []
        for d in range(node.directions):
            start, end = (0, 1) if node.direction == "reverse" or d == 1 else last
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

    def join(self, result: str) -> None:
        """What leaves several layers as one tensor, (batch, values): hardware writes one.

        Of all layers but the last the steps that hold their states leave, and their sequences stay inside; so does that
        of the last where a result of products behind it leaves, too.
        """
        ends = [(end, size) for end in self._ends if end.states and (size := self._size(end.first))]
        outside = _apart(self.nodes, {end.first: ("", end.sequence) for end in self._ends})[1]
        behind = any(result in node.outputs for node in outside)  # what needs the states cannot leave beside them
        sizes = self._size(result) if result and not behind else None
        if len(ends) + bool(sizes) < 2 or len(ends) < len(self._ends):
            return
        last = ends[-1][0]
        joining = Joining(self._tensors.unique(f"{last.first}/joined"), self._names, self._tensors, self.types)
        to_parts: list[Node] = []
        parts: dict[str, tuple[str, str]] = {}
        for end, size in ends:
            inner = (end is not last or sizes is not None) and bool(end.sequence)
            kept = end.first
            if inner and end.states < size[0]:
                kept = self._tensors.unique(f"{end.first}/states")
                to_parts.append(self._cut(end.node, "states alone", end.first, kept, (-end.states, _FAR)))
                self._typed(end.first, kept, end.states, *size[1:])
            parts[end.first] = joining.add(kept, end.node.name), end.sequence if inner else ""
        if sizes is not None:
            inside = self._tensors.unique(f"{result}/inside")
            self.types[inside] = self.types[result]
            self.nodes = [_renamed(node, result, inside) for node in self.nodes]
            parts[inside] = joining.add(inside, result, result), ""
        joining.close(last.node.name)
        self.nodes = _behind(self.nodes, parts, to_parts + joining.before + joining.behind)

    def _size(self, tensor: str) -> tuple[int, ...] | None:
        """The shape of a tensor behind its samples; None if some of it is not known."""
        kind = self.types.get(tensor)
        shape = kind.shape if kind is not None and kind.shape else ()
        sizes = tuple(d for d in shape[1:] if isinstance(d, int))
        return sizes if sizes and len(sizes) == len(shape) - 1 else None

    def _typed(self, like: str, tensor: str, *sizes: int) -> None:
        """A tensor has the samples of another, and a shape of its own behind them."""
        kind = self.types[like]
        assert kind.shape is not None
        self.types[tensor] = TensorType(kind.elem, (kind.shape[0], *sizes))

    def _cut(self, node: Recurrent, what: str, tensor: str, output: str, ends: tuple[int, int]) -> Node:
        cut = {"starts": ends[:1], "ends": ends[1:], "axes": (1,), "steps": (1,)}
        return self._node(Slice, node, what, (tensor,), output, **cut)

    def _node(
        self, make: type[Node], node: Recurrent, what: str, inputs: tuple[str, ...], output: str, **options: object
    ) -> Node:
        return make(name=self._names.unique(f"{node.name}, {what}"), inputs=inputs, outputs=(output,), **options)

    def _add(
        self, make: type[Node], node: Recurrent, what: str, inputs: tuple[str, ...], output: str, **options: object
    ) -> None:
        self.nodes.append(self._node(make, node, what, inputs, output, **options))


def _renamed(node: Node, tensor: str, name: str) -> Node:
    """A node for which a tensor has another name."""
    inputs, outputs = (tuple(name if t == tensor else t for t in ts) for ts in (node.inputs, node.outputs))
    return replace(node, inputs=inputs, outputs=outputs)


def _behind(nodes: list[Node], parts: Mapping[str, tuple[str, str]], flat: list[Node]) -> list[Node]:
    """Nodes that read a tensor read its part instead, behind `flat`; but one of this name reads the whole."""
    early, late = _apart(nodes, parts)
    return early + flat + late


def _apart(nodes: list[Node], parts: Mapping[str, tuple[str, str]]) -> tuple[list[Node], list[Node]]:
    """Nodes that need no part, and those that do, of which they read."""
    early: list[Node] = []
    late: list[Node] = []
    outside: set[str] = set()
    for node in nodes:
        moved = {t: part for t, (part, kept) in parts.items() if t in node.inputs and node.name != kept}
        if moved or outside.intersection(reads(node)):
            late.append(replace(node, inputs=tuple(moved.get(t, t) for t in node.inputs)))
            outside.update(t for t in node.outputs if t)
        else:
            early.append(node)
    return early, late
