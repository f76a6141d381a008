# SPDX-License-Identifier: Apache-2.0
"""GELU spelt out, `x / 2 * (1 + erf(x / sqrt 2))` or its form by tanh, becomes one node."""

from __future__ import annotations

import math
from dataclasses import replace

from swm.graph import Erf, Gelu, Graph, Node, Tanh
from swm.simplify.opset import Reach
from swm.simplify.polynomial import Algebra, Polynomial, same

__all__ = ["name_gelu"]

_SINCE = 20
_ERF = math.sqrt(0.5)
_TANH = math.sqrt(2 / math.pi)


def name_gelu(graph: Graph, reach: Reach) -> Graph:
    """Each spelt-out GELU as a Gelu node; what only it needed is left without readers."""
    if not reach.reaches(_SINCE):
        return graph
    algebra = Algebra.of(graph)
    found: dict[str, Gelu] = {}  # by the tensor written
    for node in graph.nodes:
        if isinstance(node, Erf | Tanh):
            gelu = _match(algebra, node)
            if gelu is not None:
                found[gelu.outputs[0]] = gelu
    if not found:
        return graph
    nodes: list[Node] = [found.get(n.outputs[0], n) if n.outputs else n for n in graph.nodes]
    return reach.raised(replace(graph, nodes=tuple(nodes)), _SINCE)


def _match(algebra: Algebra, inner: Erf | Tanh) -> Gelu | None:
    argument, curve = inner.inputs[0], inner.outputs[0]
    for x in algebra.below(argument, 6):
        wanted: Polynomial = {(x,): _ERF}
        if isinstance(inner, Tanh):
            wanted = {(x,): _TANH, (x, x, x): 0.044715 * _TANH}
        if not same(algebra.terms(argument, frozenset({x})), wanted):
            continue
        whole: Polynomial = {(x,): 0.5, (*sorted((x, curve)),): 0.5}
        for y in algebra.above(curve, 5):
            if same(algebra.terms(y, frozenset({x, curve})), whole):
                name = algebra.producers[y].name
                return Gelu(name=name, inputs=(x,), outputs=(y,), tanh=isinstance(inner, Tanh))
    return None
