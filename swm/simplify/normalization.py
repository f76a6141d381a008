# SPDX-License-Identifier: Apache-2.0
"""LayerNormalization and RMSNormalization spelt out in means, squares and roots become one node."""

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
    tensor_names,
)
from swm.simplify.opset import Reach
from swm.simplify.polynomial import Algebra

__all__ = ["name_normalization"]

FloatArray = NDArray[np.float32]
_SINCE = {LayerNormalization: 17, RMSNormalization: 23}


@dataclass(frozen=True, eq=False)
class _Match:
    """A normalisation found: the node that writes its result, and what it means."""

    last: Node
    kind: type[LayerNormalization] | type[RMSNormalization]
    x: str
    epsilon: float
    scale: FloatArray
    shift: FloatArray


def name_normalization(graph: Graph, reach: Reach) -> Graph:
    """Each spelt-out normalisation of the last axis as one node; what only it needed is left without readers."""
    finder = _Finder(graph)
    matches = [m for node in graph.nodes for m in finder.around(node) if reach.reaches(_SINCE[m.kind])]
    if not matches:
        return graph
    constants: dict[str, NDArray[Any]] = dict(graph.constants)
    names = tensor_names(graph)
    nodes = {id(n): n for n in graph.nodes}
    for match in matches:
        inputs = [match.x]
        for role, values in (("scale", match.scale), ("bias", match.shift)):
            if role == "bias" and (match.kind is RMSNormalization or not values.any()):
                continue
            name = names.unique(f"{match.last.name}.{role}")
            constants[name] = values
            inputs.append(name)
        nodes[id(match.last)] = match.kind(
            name=match.last.name, inputs=tuple(inputs), outputs=match.last.outputs, epsilon=match.epsilon
        )
    opset = max(_SINCE[m.kind] for m in matches)
    return reach.raised(replace(graph, nodes=tuple(nodes[id(n)] for n in graph.nodes), constants=constants), opset)


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
        deviation, epsilon = found
        matches = [self._match(quotient, deviation, epsilon) for quotient in self._quotients(node, deviation, inverse)]
        return [m for m in matches if m is not None]

    def _variance(self, tensor: str) -> tuple[str, float] | None:
        """The tensor d and epsilon, if this is `mean(d * d) + epsilon` along the last axis."""
        node = self.producers.get(tensor)
        if isinstance(node, Affine) and node.scale.size == 1 and node.scale[0] == 1:
            mean, epsilon = node.inputs[0], float(node.shift[0])
        elif isinstance(node, Add) and self.algebra.scalar(node.inputs[1]) is not None:
            mean, epsilon = node.inputs[0], self.algebra.scalar(node.inputs[1]) or 0.0
        else:
            return None
        squares = self._mean_of(mean)
        root = self.producers.get(squares or "")
        match root:
            case Mul() if root.inputs[0] == root.inputs[1]:
                return root.inputs[0], epsilon
            case Pow() if self._exponent(root) == 2:
                return root.inputs[0], epsilon
        return None

    def _mean_of(self, tensor: str) -> str | None:
        """What this is the mean of along its last axis, which stays as one of length 1."""
        node = self.producers.get(tensor)
        if not isinstance(node, ReduceMean) or not node.keepdims or node.axes is None or len(node.axes) != 1:
            return None
        shape = self.graph.shape_of(node.inputs[0])
        rank = None if shape is None else len(shape)
        return node.inputs[0] if node.axes[0] == -1 or (rank is not None and node.axes[0] == rank - 1) else None

    def _centred(self, tensor: str) -> str | None:
        """x, if this is x less its mean along the last axis."""
        node = self.producers.get(tensor)
        if isinstance(node, Sub) and self._mean_of(node.inputs[1]) == node.inputs[0]:
            return node.inputs[0]
        return None

    def _quotients(self, root: Node, deviation: str, inverse: bool) -> list[Node]:
        """Nodes that divide the deviation by a root, or multiply it by the root's reciprocal."""
        if inverse:
            return self._products(root.outputs[0], deviation)
        found: list[Node] = []
        for node in self.consumers.get(root.outputs[0], ()):
            if isinstance(node, Div) and node.inputs[1] == root.outputs[0]:
                if self._is_deviation(node.inputs[0], deviation):
                    found.append(node)
                elif self.algebra.scalar(node.inputs[0]) == 1:
                    found += self._products(node.outputs[0], deviation)
            elif isinstance(node, Reciprocal):
                found += self._products(node.outputs[0], deviation)
        return found

    def _products(self, factor: str, deviation: str) -> list[Node]:
        return [
            n
            for n in self.consumers.get(factor, ())
            if isinstance(n, Mul) and any(t != factor and self._is_deviation(t, deviation) for t in n.inputs)
        ]

    def _is_deviation(self, tensor: str, deviation: str) -> bool:
        """Whether a tensor is this deviation; old exporters compute it twice."""
        x = self._centred(deviation)
        return tensor == deviation or (x is not None and self._centred(tensor) == x)

    def _match(self, quotient: Node, deviation: str, epsilon: float) -> _Match | None:
        x = self._centred(deviation)
        kind: type[LayerNormalization] | type[RMSNormalization] = RMSNormalization
        if x is not None:
            kind = LayerNormalization
        last, scale, shift = self._scaled(quotient, with_shift=kind is LayerNormalization)
        width = self._width(x or deviation) or (scale.size if scale.size > 1 else None)
        if width is None or epsilon < 0 or scale.size not in (1, width) or shift.size not in (1, width):
            return None
        scale, shift = (np.array(np.broadcast_to(v, (width,))) for v in (scale, shift))
        return _Match(last, kind, x or deviation, epsilon, scale, shift)

    def _scaled(self, node: Node, *, with_shift: bool) -> tuple[Node, FloatArray, FloatArray]:
        """The last of the scalings by constants behind a node, and what they amount to."""
        scale, shift = np.ones(1, np.float32), np.zeros(1, np.float32)
        while node.outputs[0] not in self.outputs:
            readers = self.consumers.get(node.outputs[0], [])
            if len(readers) != 1:
                break
            step = self._step(readers[0])
            if step is None or (step[1].any() and not with_shift):
                break
            node = readers[0]
            scale, shift = scale * step[0], shift * step[0] + step[1]
        return node, scale, shift

    def _step(self, node: Node) -> tuple[FloatArray, FloatArray] | None:
        """Scale and shift along the last axis that a node applies."""
        one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
        if isinstance(node, Affine):
            return (node.scale, node.shift) if node.scale.size == 1 or node.axis == -1 else None
        if not isinstance(node, Mul | Add):
            return None
        values = [v for t in node.inputs if (v := self.graph.constants.get(t)) is not None]
        if len(values) != 1 or values[0].ndim != 1 or values[0].dtype != np.float32:
            return None
        return (values[0], zero) if isinstance(node, Mul) else (one, values[0])

    def _width(self, tensor: str) -> int | None:
        shape = self.graph.shape_of(tensor)
        last = shape[-1] if shape else None
        return last if isinstance(last, int) else None

    def _exponent(self, node: Pow) -> float | None:
        return self.algebra.scalar(node.inputs[1])
