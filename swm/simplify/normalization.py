# SPDX-License-Identifier: Apache-2.0
"""LayerNormalization and RMSNormalization spelt out in means, squares and roots become one node.

Where the mean runs along another axis than the last, as ConvNeXt normalises the channels of an image, a Transpose
before that node brings this axis to the end, and one behind it brings it back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.graph import (
    Add,
    Affine,
    Div,
    Graph,
    LayerNormalization,
    Mul,
    Node,
    Pow,
    Reciprocal,
    ReduceMean,
    RMSNormalization,
    Sqrt,
    Sub,
    Transpose,
    node_names,
    tensor_names,
)
from swm.simplify.opset import Reach
from swm.simplify.polynomial import Algebra

__all__ = ["name_normalization"]

FloatArray = NDArray[np.float32]
_SINCE = {LayerNormalization: 17, RMSNormalization: 23}


@dataclass(frozen=True, eq=False)
class _Match:
    """A normalisation found: the node that writes its result, and what it means.

    Attributes:
        order: the axes of x with the one along which it works at the end; empty where it is the last.
    """

    last: Node
    kind: type[LayerNormalization] | type[RMSNormalization]
    x: str
    epsilon: float
    scale: FloatArray
    shift: FloatArray
    order: tuple[int, ...]


def name_normalization(graph: Graph, reach: Reach) -> Graph:
    """Each spelt-out normalisation of one axis as one node; what only it needed is left without readers."""
    finder = _Finder(graph)
    matches = [m for node in graph.nodes for m in finder.around(node) if reach.reaches(_SINCE[m.kind])]
    if not matches:
        return graph
    constants: dict[str, NDArray[Any]] = dict(graph.constants)
    types, names, tensors = dict(graph.types), node_names(graph), tensor_names(graph)
    nodes: dict[int, tuple[Node, ...]] = {}
    for match in matches:
        name, outputs = match.last.name, match.last.outputs
        inputs = [match.x]
        for role, values in (("scale", match.scale), ("bias", match.shift)):
            if role == "bias" and (match.kind is RMSNormalization or not values.any()):
                continue
            inputs.append(tensors.unique(f"{name}.{role}"))
            constants[inputs[-1]] = values
        if not match.order:
            nodes[id(match.last)] = (
                match.kind(name=name, inputs=tuple(inputs), outputs=outputs, epsilon=match.epsilon),
            )
            continue
        first, last = (tensors.unique(f"{name}/{what}") for what in ("axis last", "axis last, normalized"))
        kind = types[match.x]
        types[first] = types[last] = replace(kind, shape=tuple((kind.shape or ())[a] for a in match.order))
        back = tuple(match.order.index(a) for a in range(len(match.order)))
        nodes[id(match.last)] = (
            Transpose(name=names.unique(first), inputs=(match.x,), outputs=(first,), perm=match.order),
            match.kind(name=name, inputs=(first, *inputs[1:]), outputs=(last,), epsilon=match.epsilon),
            Transpose(name=names.unique(last), inputs=(last,), outputs=outputs, perm=back),
        )
    opset = max(_SINCE[m.kind] for m in matches)
    made = tuple(new for node in graph.nodes for new in nodes.get(id(node), (node,)))
    return reach.raised(replace(graph, nodes=made, constants=constants, types=types), opset)


class _Finder:
    """Looks for normalisations in one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.algebra = Algebra.of(graph)
        self.producers, self.consumers = self.algebra.producers, self.algebra.consumers
        self.outputs = {v.name for v in graph.outputs}

    def around(self, node: Node) -> list[_Match]:
        """Those whose root this node takes."""
        if not isinstance(node, Sqrt) and not (isinstance(node, Pow) and self._exponent(node) in (0.5, -0.5)):
            return []
        inverse = isinstance(node, Pow) and self._exponent(node) == -0.5
        found = self._variance(node.inputs[0])
        if found is None:
            return []
        deviation, epsilon, axis = found
        quotients = self._quotients(node, deviation, axis, inverse)
        matches = [self._match(quotient, deviation, epsilon, axis) for quotient in quotients]
        return [m for m in matches if m is not None]

    def _variance(self, tensor: str) -> tuple[str, float, int] | None:
        """The tensor d, epsilon and the axis, if this is `mean(d * d) + epsilon` along one axis."""
        node = self.producers.get(tensor)
        if isinstance(node, Affine) and node.scale.size == 1 and node.scale[0] == 1:
            mean, epsilon = node.inputs[0], float(node.shift[0])
        elif isinstance(node, Add) and self.algebra.scalar(node.inputs[1]) is not None:
            mean, epsilon = node.inputs[0], self.algebra.scalar(node.inputs[1]) or 0.0
        else:
            return None
        squares, axis = self._mean_of(mean) or ("", 0)
        root = self.producers.get(squares)
        match root:
            case Mul() if root.inputs[0] == root.inputs[1]:
                return root.inputs[0], epsilon, axis
            case Pow() if self._exponent(root) == 2:
                return root.inputs[0], epsilon, axis
        return None

    def _mean_of(self, tensor: str) -> tuple[str, int] | None:
        """What this is the mean of along an axis, counted from the last as -1, which stays as one of length 1."""
        node = self.producers.get(tensor)
        if not isinstance(node, ReduceMean) or not node.keepdims or node.axes is None or len(node.axes) != 1:
            return None
        (axis,), shape = node.axes, self.graph.shape_of(node.inputs[0])
        if axis == -1 or shape is None:
            return (node.inputs[0], axis) if axis == -1 else None
        axis = axis if axis < 0 else axis - len(shape)
        return (node.inputs[0], axis) if axis == -1 or axis > -len(shape) else None  # the first is that of samples

    def _centred(self, tensor: str, axis: int) -> str | None:
        """x, if this is x less its mean along the axis."""
        node = self.producers.get(tensor)
        if isinstance(node, Sub) and self._mean_of(node.inputs[1]) == (node.inputs[0], axis):
            return node.inputs[0]
        return None

    def _quotients(self, root: Node, deviation: str, axis: int, inverse: bool) -> list[Node]:
        """Nodes that divide the deviation by a root, or multiply it by the root's reciprocal."""
        if inverse:
            return self._products(root.outputs[0], deviation, axis)
        found: list[Node] = []
        for node in self.consumers.get(root.outputs[0], ()):
            if isinstance(node, Div) and node.inputs[1] == root.outputs[0]:
                if self._is_deviation(node.inputs[0], deviation, axis):
                    found.append(node)
                elif self.algebra.scalar(node.inputs[0]) == 1:
                    found += self._products(node.outputs[0], deviation, axis)
            elif isinstance(node, Reciprocal):
                found += self._products(node.outputs[0], deviation, axis)
        return found

    def _products(self, factor: str, deviation: str, axis: int) -> list[Node]:
        return [
            n
            for n in self.consumers.get(factor, ())
            if isinstance(n, Mul) and any(t != factor and self._is_deviation(t, deviation, axis) for t in n.inputs)
        ]

    def _is_deviation(self, tensor: str, deviation: str, axis: int) -> bool:
        """Whether a tensor is this deviation; old exporters compute it twice."""
        x = self._centred(deviation, axis)
        return tensor == deviation or (x is not None and self._centred(tensor, axis) == x)

    def _match(self, quotient: Node, deviation: str, epsilon: float, axis: int) -> _Match | None:
        x = self._centred(deviation, axis)
        kind: type[LayerNormalization] | type[RMSNormalization] = RMSNormalization
        if x is not None:
            kind = LayerNormalization
        last, scale, shift = self._scaled(quotient, axis, with_shift=kind is LayerNormalization)
        shape = self.graph.shape_of(x or deviation)
        width = self._width(x or deviation, axis) or (scale.size if scale.size > 1 else None)
        if width is None or epsilon < 0 or scale.size not in (1, width) or shift.size not in (1, width):
            return None
        scale, shift = (np.array(np.broadcast_to(v, (width,))) for v in (scale, shift))
        rank = len(shape or ())
        order = () if axis == -1 else (*(a for a in range(rank) if a != axis + rank), axis + rank)
        return _Match(last, kind, x or deviation, epsilon, scale, shift, order)

    def _scaled(self, node: Node, axis: int, *, with_shift: bool) -> tuple[Node, FloatArray, FloatArray]:
        """The last of the scalings by constants behind a node, and what they amount to."""
        scale, shift = np.ones(1, np.float32), np.zeros(1, np.float32)
        while node.outputs[0] not in self.outputs:
            readers = self.consumers.get(node.outputs[0], [])
            if len(readers) != 1:
                break
            step = self._step(readers[0], axis)
            if step is None or (step[1].any() and not with_shift):
                break
            node = readers[0]
            scale, shift = scale * step[0], shift * step[0] + step[1]
        return node, scale, shift

    def _step(self, node: Node, axis: int) -> tuple[FloatArray, FloatArray] | None:
        """Scale and shift along the axis that a node applies."""
        one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
        if isinstance(node, Affine):
            return (node.scale, node.shift) if node.scale.size == 1 or node.axis == axis else None
        if not isinstance(node, Mul | Add):
            return None
        values = [v for t in node.inputs if (v := self.graph.constants.get(t)) is not None]
        if len(values) != 1 or values[0].dtype != np.float32:
            return None
        if values[0].ndim != -axis or values[0].shape[axis] != values[0].size:
            return None
        along = values[0].reshape(-1)
        return (along, zero) if isinstance(node, Mul) else (one, along)

    def _width(self, tensor: str, axis: int) -> int | None:
        shape = self.graph.shape_of(tensor)
        length = shape[axis] if shape else None
        return length if isinstance(length, int) else None

    def _exponent(self, node: Pow) -> float | None:
        return self.algebra.scalar(node.inputs[1])
