# SPDX-License-Identifier: Apache-2.0
"""Which nodes hold weights, and how much a node multiplies: what a cut may leave to the host, and what it may not."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from onnx import NodeProto

from swm.graph import (
    Conv,
    ConvInteger,
    ConvTranspose,
    Graph,
    Linear,
    MatMul,
    MatMulInteger,
    Node,
    Opaque,
    QLinearConv,
    QLinearMatMul,
    Recurrent,
    reads,
)
from swm.onnx_io import inner_nodes

__all__ = ["is_weighted", "multiplications", "of_products"]

_PRODUCTS = (MatMul, MatMulInteger, QLinearMatMul)
_ALWAYS = (Conv, ConvTranspose, Linear, Recurrent, ConvInteger, QLinearConv)
_OPERATORS = frozenset({"Conv", "ConvTranspose", "Einsum", "GRU", "Gemm", "LSTM", "MatMul", "RNN"})
_BODIES = frozenset({"If", "Loop", "Scan"})
_LEARNT = ("Linear", "SVM", "TreeEnsemble")  # beginnings of operators of ai.onnx.ml that hold a whole model


def is_weighted(node: Node, graph: Graph) -> bool:
    """Whether a node multiplies by weights; an opaque one if it may: matrices among its constants or in its bodies."""
    if isinstance(node, Opaque):
        if node.op_type in _BODIES and not node.domain:
            return any(inner.op_type in _OPERATORS for inner in inner_nodes(NodeProto.FromString(node.proto)))
        if node.domain == "ai.onnx.ml" and node.op_type.startswith(_LEARNT):
            return True
        return (bool(node.domain) or node.op_type in _OPERATORS) and bool(_matrices(node, graph))
    return isinstance(node, _ALWAYS) or (isinstance(node, _PRODUCTS) and bool(_matrices(node, graph)))


def multiplications(node: Node, graph: Graph) -> int:
    """Multiplications a sample of a node with its weights written out dense; 0 where it multiplies no matrices.

    All positions and steps count; what the graph's types do not tell counts as one. Of an opaque node each weight
    counts once, so its figure is a lower bound.
    """
    match node:
        case Linear():
            return prod(node.weight.shape) * prod(_known(graph, node.outputs[0])[:-1])
        case Conv():
            return prod(node.weight.shape) * prod(_known(graph, node.outputs[0])[1:])
        case ConvTranspose():
            return int(node.weight.size) * prod(_known(graph, node.inputs[0])[1:])
        case Recurrent():
            weights = sum(prod(w.shape) for w in (*node.input_weight, *node.recurrent_weight))
            return weights * _steps(node, graph)
        case MatMul() | MatMulInteger() | QLinearMatMul():
            return _product(node, graph)
        case ConvInteger() | QLinearConv():
            kernel = max((a.size for a in _matrices(node, graph)), default=0)
            return kernel * prod(_known(graph, node.outputs[0])[1:])
        case Opaque() if is_weighted(node, graph):
            return sum(a.size for a in _matrices(node, graph))
        case _:
            return 0


def of_products(graph: Graph, nodes: Sequence[Node]) -> list[Node]:
    """Those of some nodes, in execution order, that lead to products among them or follow these: the rest passes by."""
    weighted = {node.name for node in nodes if is_weighted(node, graph)}
    behind: set[str] = set()
    before: set[str] = set()
    for node in nodes:
        if node.name in weighted or behind.intersection(reads(node)):
            behind.update(t for t in node.outputs if t)
    for node in reversed(nodes):
        if node.name in weighted or before.intersection(node.outputs):
            before.update(reads(node))
    return [n for n in nodes if behind.intersection(n.outputs) or before.intersection(n.outputs)]


def _matrices(node: Node, graph: Graph) -> list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    """Constants of two axes and more that a node reads."""
    return [a for t in node.inputs if t in graph.constants and (a := graph.constants[t]).ndim > 1]


def _known(graph: Graph, tensor: str) -> list[int]:
    """The sizes of a tensor behind its first axis; 1 for each that is not known."""
    return [size if isinstance(size, int) else 1 for size in (graph.shape_of(tensor) or ())[1:]]


def _steps(node: Recurrent, graph: Graph) -> int:
    shape = graph.shape_of(node.inputs[0])
    steps = shape[node.layout] if shape and len(shape) == 3 else None
    return steps if isinstance(steps, int) else 1


def _product(node: Node, graph: Graph) -> int:
    """Elements of the result times what is summed: the last axis of the first operand."""
    first = node.inputs[0]
    inner = graph.constants[first].shape[-1] if first in graph.constants else (_known(graph, first) or [1])[-1]
    return inner * prod(_known(graph, node.outputs[0]))
