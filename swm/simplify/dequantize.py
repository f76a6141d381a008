# SPDX-License-Identifier: Apache-2.0
"""Integer weights of QDQ models, as the floats that they stand for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from swm.graph import DequantizeLinear, Graph, Node, Opaque
from swm.onnx_io import reread

__all__ = ["written_out"]

_FLOAT = 1  # ONNX's number of float32; 0 is the type of the scale


def written_out(graph: Graph) -> Graph:
    """The graph with every DequantizeLinear of constants as the constant that it gives, `(x - zero_point) * scale`.

    Matrices, kernels and biases then are what they would be in a float model, so that they can be structured and become
    hardware. Only float32 results with a scale for all or one along an axis; what is quantized at run time stays.
    """
    made: dict[str, NDArray[Any]] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        form = _form(node)
        value = None if form is None else _value(graph, form)
        if value is None:
            nodes.append(node)
        else:
            made[node.outputs[0]] = value
    if not made:
        return graph
    plain = replace(graph, nodes=tuple(nodes), constants={**graph.constants, **made})
    return reread(plain)


def _form(node: Node) -> DequantizeLinear | None:
    """The typed node. A scale of shape (1,) leaves a vector opaque: its axis, 1, is none; runtimes take it for all."""
    if isinstance(node, Opaque) and (node.domain, node.op_type) == ("", "DequantizeLinear"):
        if NodeProto.FromString(node.proto).attribute:
            return None
        return DequantizeLinear(name=node.name, inputs=node.inputs, outputs=node.outputs)
    return node if isinstance(node, DequantizeLinear) else None


def _value(graph: Graph, node: DequantizeLinear) -> NDArray[np.float32] | None:
    given = [graph.constants.get(t) for t in node.inputs if t]
    if node.block or node.to not in (0, _FLOAT) or any(v is None for v in given):
        return None
    if node.outputs[0] in {v.name for v in graph.outputs}:
        return None
    x, scale, *zero = (np.asarray(v) for v in given)
    if x.dtype.kind not in "iu" or scale.dtype != np.float32 or scale.ndim > 1:
        return None
    shape = [1] * x.ndim
    if scale.size > 1:
        if not -x.ndim <= node.axis < x.ndim or x.shape[node.axis] != scale.size:
            return None
        shape[node.axis] = scale.size
    offset = zero[0].astype(np.int64).reshape(shape) if zero else 0
    return ((x.astype(np.int64) - offset).astype(np.float32) * scale.reshape(shape)).astype(np.float32)
