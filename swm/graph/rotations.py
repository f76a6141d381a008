# SPDX-License-Identifier: Apache-2.0
"""Rotary position embeddings (Su et al., "RoFormer", 2021), however exporters spell them out.

Of a tensor some operations take halves, or every other channel, change their signs and places, multiply by constant
cosines and sines and add: what comes out is, place by place, `x[i] * cosine[i] + x[partner of i] * sine[i]`. So every
tensor that is made of one other tensor alone is followed as such sums, whatever the operations are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swm.graph.elementwise import Add, Mul, Neg, Sub
from swm.graph.graph import Graph, reads
from swm.graph.moves import MOVES, Labels, moved
from swm.graph.nodes import Affine, Node
from swm.graph.shape_ops import Concat, Split

__all__ = ["Rotation", "rotations_of"]

_MOST_VALUES = 1 << 22  # of a sample, each of which is followed by a number
_LONGEST = 24  # nodes that one is spelt out in
_MADE_OF: tuple[type[Node], ...] = (*MOVES, Neg, Mul, Affine, Add, Sub, Concat)
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Rotation:
    """A tensor that is another one with its values turned in pairs.

    Attributes:
        source: the other tensor; it holds as many values.
        output: the tensor.
        nodes: the nodes that made it of the source, and that make nothing else.
        cosines: float32, in the shape of the output.
        sines: likewise.
        partner: of each value the place of the other one of its pair, in the same shape.
        half: how far they lie apart, in groups of twice as many.
    """

    source: str
    output: str
    nodes: tuple[Node, ...]
    cosines: NDArray[np.float32]
    sines: NDArray[np.float32]
    partner: Labels
    half: int


class _Term(NamedTuple):
    """What a tensor holds a multiple of: places of the source, and factors."""

    labels: Labels
    factors: NDArray[np.float32]


def rotations_of(graph: Graph, shape_of: Callable[[str], Shape | None]) -> tuple[Rotation, ...]:
    """All rotations of a graph, in execution order; none shares a node with another.

    Args:
        graph: any graph.
        shape_of: the shape of a tensor for a batch of one; None where it is not known.
    """
    if not any(isinstance(node, Mul) and _table(graph, node) is not None for node in graph.nodes):
        return ()
    readers = graph.readers()
    at = {id(node): place for place, node in enumerate(graph.nodes)}
    found: list[Rotation] = []
    taken: set[str] = set()
    for source in (*(v.name for v in graph.inputs), *(t for node in graph.nodes for t in node.outputs)):
        there = [node for node in readers.get(source, []) if isinstance(node, Node)]
        apart = len(there) > 1 or any(isinstance(node, Split) for node in there)
        shape = shape_of(source) if apart and source not in taken else None
        if shape is None or not 0 < prod(shape) <= _MOST_VALUES:
            continue
        try:
            rotation = _Trace(graph, readers, shape_of, source, shape).rotation(at)
        except (ValueError, IndexError):  # numpy refuses shapes that contradict each other, as damaged files say
            continue
        if rotation is not None:
            found.append(rotation)
            taken.update(t for node in rotation.nodes for t in node.outputs)
    return tuple(found)


def _table(graph: Graph, node: Mul) -> NDArray[np.float32] | None:
    """A constant that a node multiplies by, of more than one axis."""
    constants = [v for t in node.inputs if (v := graph.constants.get(t)) is not None and v.dtype == np.float32]
    return constants[0] if len(constants) == 1 and sum(size > 1 for size in constants[0].shape) > 1 else None


class _Trace:
    """What is made of one tensor alone."""

    def __init__(
        self,
        graph: Graph,
        readers: dict[str, list[Node | None]],
        shape_of: Callable[[str], Shape | None],
        source: str,
        shape: Shape,
    ) -> None:
        self._graph, self._readers, self._shape_of, self._source = graph, readers, shape_of, source
        labels = np.arange(prod(shape)).reshape(shape)
        self._terms: dict[str, tuple[_Term, ...]] = {source: (_Term(labels, np.ones(shape, np.float32)),)}

    def rotation(self, at: Mapping[int, int]) -> Rotation | None:
        """The first tensor that is a rotation of the source and that nothing but it is made of.

        Args:
            at: place of each node, by its `id`, in execution order.
        """
        nodes: list[Node] = []
        for node in sorted(self._reached(), key=lambda node: at[id(node)]):
            inputs = [t for t in reads(node) if t not in self._graph.constants]
            if not inputs or not all(t in self._terms for t in inputs) or len(nodes) > _LONGEST:
                continue
            made = self._made(node)
            if made is None:
                continue
            nodes.append(node)
            self._terms.update(zip(node.outputs, made, strict=True))
            turned = self._turned(node.outputs[0]) if len(node.outputs) == 1 else None
            if turned is not None:
                needed = self._needed(nodes, node)
                return None if needed is None else Rotation(self._source, node.outputs[0], needed, *turned)
        return None

    def _reached(self) -> list[Node]:
        """The nodes that a tensor of the trace may reach."""
        seen: dict[int, Node] = {}
        front = [self._source]
        while front and len(seen) < 4 * _LONGEST:
            for node in self._readers.get(front.pop(0), []):
                if isinstance(node, _MADE_OF) and id(node) not in seen:
                    seen[id(node)] = node
                    front += node.outputs
        return [*seen.values()]

    def _needed(self, nodes: list[Node], last: Node) -> tuple[Node, ...] | None:
        """The nodes that the last one depends on; None where others read what they write."""
        wanted, kept = {*last.outputs}, []
        for node in reversed(nodes):
            if wanted.intersection(node.outputs):
                kept.append(node)
                wanted.update(reads(node))
        inside = {id(node) for node in kept}
        made = [t for node in kept if node is not last for t in node.outputs]
        alone = all(node is not None and id(node) in inside for t in made for node in self._readers.get(t, []))
        return tuple(reversed(kept)) if alone else None

    def _made(self, node: Node) -> list[tuple[_Term, ...]] | None:
        """What a node writes; None where that is no sum of at most two multiples."""
        shapes = [self._shape_of(t) for t in node.outputs]
        known = [shape for shape in shapes if shape is not None]
        terms = [self._terms[t] for t in node.inputs if t in self._terms]
        if len(known) != len(shapes):
            return None
        if isinstance(node, MOVES):
            return self._moved(node, terms[0], known)
        (shape,) = known
        made: tuple[_Term, ...] | None = None
        if isinstance(node, Neg):
            made = _times(terms[0], np.float32(-1))
        elif isinstance(node, Affine) and not node.shift.any():
            along = [1] * len(shape)
            along[node.axis if len(node.scale) > 1 else -1] = len(node.scale)
            made = _times(terms[0], node.scale.reshape(along))
        elif isinstance(node, Mul) and len(terms) == 1:
            table = next((v for t in node.inputs if (v := self._graph.constants.get(t)) is not None), None)
            made = None if table is None or table.dtype != np.float32 else _times(terms[0], table)
        elif isinstance(node, Add | Sub) and len(terms) == 2:
            made = (*terms[0], *(terms[1] if isinstance(node, Add) else _times(terms[1], np.float32(-1))))
        elif isinstance(node, Concat) and len(terms) == len(node.inputs):
            made = _joined(terms, node.axis)
        fits = made is not None and len(made) <= 2 and all(v.shape == shape for term in made for v in term)
        return [made] if made is not None and fits else None

    def _moved(self, node: Node, terms: tuple[_Term, ...], shapes: list[Shape]) -> list[tuple[_Term, ...]] | None:
        constants = self._graph.constants
        each = [(moved(node, t.labels, shapes, constants), moved(node, t.factors, shapes, constants)) for t in terms]
        outputs: list[tuple[_Term, ...]] = [()] * len(shapes)
        for labels, factors in each:
            if labels is None or factors is None:
                return None
            outputs = [(*o, _Term(a, b)) for o, a, b in zip(outputs, labels, factors, strict=True)]
        return outputs

    def _turned(self, tensor: str) -> tuple[NDArray[np.float32], NDArray[np.float32], Labels, int] | None:
        """Cosines, sines and partners of a tensor; None where it is no rotation of the source."""
        terms, size = self._terms[tensor], self._terms[self._source][0].labels.size
        if len(terms) != 2 or terms[0].labels.size != size:
            return None
        shape, own = terms[0].labels.shape, np.arange(size)
        (one, first), (two, second) = ((t.labels.reshape(-1), t.factors.reshape(-1)) for t in terms)
        swap = one != own
        mine, other = np.where(swap, two, one), np.where(swap, one, two)
        cosines, sines = np.where(swap, second, first), np.where(swap, first, second)
        away = np.abs(other - own)[other != own]
        if not away.size or (mine != own).any() or sines[other == own].any():
            return None
        half = int(away[0])
        partner = np.where(own // half % 2 == 0, own + half, own - half)
        if size % (2 * half) or (partner != other)[other != own].any():
            return None
        return cosines.reshape(shape), sines.reshape(shape), partner.reshape(shape), half


def _times(terms: tuple[_Term, ...], factor: NDArray[Any] | np.float32) -> tuple[_Term, ...]:
    return tuple(_Term(term.labels, np.asarray(term.factors * factor, np.float32)) for term in terms)


def _joined(terms: list[tuple[_Term, ...]], axis: int) -> tuple[_Term, ...]:
    """What a Concat writes; where sums are shorter than others, nothing is added."""
    longest = max(map(len, terms))
    full = [(*t, *(_Term(t[0].labels, np.zeros_like(t[0].factors)) for _ in range(longest - len(t)))) for t in terms]
    columns = zip(*full, strict=True)
    return tuple(
        _Term(np.concatenate([t.labels for t in c], axis), np.concatenate([t.factors for t in c], axis))
        for c in columns
    )
