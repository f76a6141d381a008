# SPDX-License-Identifier: Apache-2.0
"""A tensor as a polynomial in other tensors: however an exporter orders sums and products, the polynomial is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from swm.graph import Add, Affine, Graph, Mul, Neg, Node, Pow, Sub

__all__ = ["Algebra", "Polynomial", "same"]

Polynomial = Mapping[tuple[str, ...], float]  # coefficient by the sorted factors of a term
_TERMS, _DEGREE = 16, 6  # of what is worth recognising
_RTOL = 1e-5  # constants in files are single precision, often with fewer digits


@dataclass(frozen=True, eq=False)
class Algebra:
    """Sums and products of a graph."""

    graph: Graph
    producers: Mapping[str, Node]
    consumers: Mapping[str, list[Node]]

    @classmethod
    def of(cls, graph: Graph) -> Algebra:
        """Ready for questions about a graph."""
        return cls(graph, graph.producers(), graph.consumers())

    def scalar(self, tensor: str) -> float | None:
        """The value of a constant of one element."""
        value = self.graph.constants.get(tensor)
        return (
            float(value.reshape(-1)[0]) if value is not None and value.size == 1 and value.dtype.kind == "f" else None
        )

    def terms(self, tensor: str, stops: frozenset[str]) -> Polynomial | None:
        """The tensor as a polynomial in `stops` and whatever is not a sum or product; None if it is too long."""
        if tensor in stops:
            return {(tensor,): 1.0}
        constant = self.scalar(tensor)
        if constant is not None:
            return {(): constant}
        node = self.producers.get(tensor)
        match node:
            case Affine() if node.scale.size == 1:
                found = _times(self.terms(node.inputs[0], stops), {(): float(node.scale[0])})
                return _plus(found, {(): float(node.shift[0])}) if node.shift[0] else found
            case Neg():
                return _times(self.terms(node.inputs[0], stops), {(): -1.0})
            case Add():
                return _plus(*(self.terms(t, stops) for t in node.inputs))
            case Sub():
                right = _times(self.terms(node.inputs[1], stops), {(): -1.0})
                return _plus(self.terms(node.inputs[0], stops), right)
            case Mul():
                return _times(*(self.terms(t, stops) for t in node.inputs))
            case Pow():
                return self._power(node, stops)
        return {(tensor,): 1.0}

    def _power(self, node: Pow, stops: frozenset[str]) -> Polynomial | None:
        exponent = self.scalar(node.inputs[1])
        if exponent not in (1, 2, 3):
            return {(node.outputs[0],): 1.0}
        base = result = self.terms(node.inputs[0], stops)
        for _ in range(int(exponent) - 1):
            result = _times(result, base)
        return result

    def below(self, tensor: str, depth: int) -> Iterator[str]:
        """The variable tensors that sums and products make a tensor of, nearest first."""
        layer = [tensor]
        for _ in range(depth):
            nodes = [self.producers.get(t) for t in layer]
            read = [t for n in nodes if isinstance(n, Affine | Add | Sub | Mul | Neg | Pow) for t in n.inputs]
            layer = [t for t in dict.fromkeys(read) if t not in self.graph.constants]
            yield from layer

    def above(self, tensor: str, depth: int) -> Iterator[str]:
        """The tensors that sums and products make of a tensor, nearest first."""
        layer = [tensor]
        for _ in range(depth):
            readers = [n for t in layer for n in self.consumers.get(t, ())]
            layer = [n.outputs[0] for n in readers if isinstance(n, Affine | Add | Sub | Mul | Neg)]
            yield from dict.fromkeys(layer)


def same(found: Polynomial | None, wanted: Polynomial) -> bool:
    """Whether two polynomials agree to single precision."""
    if found is None:
        return False
    real = {k: v for k, v in found.items() if v}
    return real.keys() == wanted.keys() and all(abs(v - wanted[k]) <= _RTOL * abs(wanted[k]) for k, v in real.items())


def _plus(left: Polynomial | None, right: Polynomial | None) -> Polynomial | None:
    if left is None or right is None:
        return None
    total = dict(left)
    for factors, value in right.items():
        total[factors] = total.get(factors, 0.0) + value
    return total if len(total) <= _TERMS else None


def _times(left: Polynomial | None, right: Polynomial | None) -> Polynomial | None:
    if left is None or right is None:
        return None
    total: dict[tuple[str, ...], float] = {}
    for a, x in left.items():
        for b, y in right.items():
            factors = tuple(sorted((*a, *b)))
            if len(factors) > _DEGREE:
                return None
            total[factors] = total.get(factors, 0.0) + x * y
    return total if len(total) <= _TERMS else None
