# SPDX-License-Identifier: Apache-2.0
"""Weights that are no float32 numbers any more, and what to start from instead."""

from __future__ import annotations

from collections import Counter

import numpy as np

from swm.graph import (
    ConvInteger,
    DequantizeLinear,
    Graph,
    MatMul,
    MatMulInteger,
    Node,
    Opaque,
    QLinearConv,
    QLinearMatMul,
    Transpose,
)
from swm.words import many

__all__ = ["WEIGHTED", "float32_advice", "other_weights"]

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Einsum", "GRU", "Gemm", "LSTM", "MatMul", "RNN"})
INTEGERS = "integers"
# Of onnxruntime's own domain, as its quantizers write them.
_MICROSOFT = frozenset(
    {"DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulNBits", "QAttention", "QGemm"}
)


def other_weights(node: Node, graph: Graph) -> str:
    """What a layer's weights are if not float32, as "float16" or "integers"; empty if they are, or it has none.

    Integers are those of integer operators, and what a DequantizeLinear gives (QDQ models).
    """
    if isinstance(node, QLinearConv | QLinearMatMul | ConvInteger | MatMulInteger):
        return INTEGERS
    if isinstance(node, Opaque) and node.domain == "com.microsoft" and node.op_type in _MICROSOFT:
        return INTEGERS
    op = node.op_type if isinstance(node, Opaque) else node.op
    if not isinstance(node, MatMul | Opaque) or op not in WEIGHTED or (isinstance(node, Opaque) and node.domain):
        return ""
    constants = [graph.constants[t] for t in node.inputs if t in graph.constants]
    other = next((str(a.dtype) for a in constants if a.dtype != np.float32), "")
    return other or (INTEGERS if any(_dequantized(t, graph) for t in node.inputs[:2]) else "")


def _dequantized(tensor: str, graph: Graph) -> bool:
    """Whether a tensor is constant integers, scaled."""
    made = {t: n for n in graph.nodes if isinstance(n, DequantizeLinear | Transpose) for t in n.outputs}
    while isinstance(made.get(tensor), Transpose):
        tensor = made[tensor].inputs[0]
    source = made.get(tensor)
    return isinstance(source, DequantizeLinear) and source.inputs[0] in graph.constants


def float32_advice(graph: Graph) -> str:
    """One sentence on the layers that cannot be structured for their number format; empty if there are none."""
    found = Counter(kind for node in graph.nodes if (kind := other_weights(node, graph)))
    if not found:
        return ""
    kind, _ = found.most_common(1)[0]
    total = sum(found.values())
    layers = many(total, "layer")
    if kind == INTEGERS:
        return (
            f"the model is quantized already: the weights of {layers} are integers, and only float32 weights can be "
            "structured; start from the float32 model that it was made from, swm quantizes what it converted itself "
            "(emit --bits, in Python swm.quantize)"
        )
    return (
        f"the weights of {layers} are {kind}, and only float32 weights can be structured; start from the float32 model "
        f"(export it without the conversion to {kind})"
    )
