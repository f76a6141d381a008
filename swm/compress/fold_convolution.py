# SPDX-License-Identifier: Apache-2.0
"""Fold what follows a dense convolution, channel by channel, into it: BatchNormalization, constant addends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from swm.graph import Affine, Conv, Graph, Node, Opaque
from swm.structure import Dense, FewBits, WeightStructure

__all__ = ["fold_conv"]

Array = NDArray[Any]


def fold_conv(graph: Graph) -> Graph:
    """Merge each Conv with the scale and shift a channel right after it.

    A tensor that something else reads, or that the graph returns, stays. Decision 4 of the design: a scale after
    projection would break the structure.
    """
    while (found := _find(graph)) is not None:
        conv, follower, scale, shift = found
        m = conv.weight.shape[0]
        bias = np.zeros(m) if conv.bias is None else conv.bias.astype(np.float64)
        merged = replace(
            conv,
            outputs=follower.outputs[:1],
            weight=_scaled(conv.weight, scale),
            bias=(bias * scale + shift).astype(np.float32),
        )
        graph = graph.with_nodes([merged if n is follower else n for n in graph.nodes if n is not conv])
    return graph


def _scaled(weight: WeightStructure, scale: Array) -> WeightStructure:
    if isinstance(weight, FewBits):
        return weight.with_rows_scaled(scale)
    return Dense((weight.to_dense() * scale[:, None]).astype(np.float32))


def _find(graph: Graph) -> tuple[Conv, Node, Array, Array] | None:
    readers = graph.consumers()
    returned = {v.name for v in graph.outputs}
    for node in graph.nodes:
        if not isinstance(node, Conv) or not isinstance(node.weight, Dense | FewBits) or node.outputs[0] in returned:
            continue
        followers = readers.get(node.outputs[0], [])
        if len(followers) != 1 or sum(t == node.outputs[0] for t in followers[0].inputs) != 1:
            continue
        found = _scale_and_shift(graph, node, followers[0])
        if found is not None and all(np.isfinite(v).all() for v in found):
            return node, followers[0], *found
    return None


def _scale_and_shift(graph: Graph, conv: Conv, node: Node) -> tuple[Array, Array] | None:
    """(M,) scale and shift that a node applies to the channels; None if it does anything else."""
    m, rank = conv.weight.shape[0], 2 + len(conv.kernel)
    if isinstance(node, Affine):
        fits = len(node.scale) == 1 or (node.axis in (1, 1 - rank) and len(node.scale) == m)
        one = np.ones(m)
        return (node.scale.astype(np.float64) * one, node.shift.astype(np.float64) * one) if fits else None
    if not isinstance(node, Opaque) or node.domain or node.reads:
        return None
    if node.op_type == "BatchNormalization" and len(node.inputs) == 5 and not any(node.outputs[1:]):
        attributes = {a.name: a for a in NodeProto.FromString(node.proto).attribute}
        given = [graph.constants.get(t) for t in node.inputs[1:]]
        values = [v.astype(np.float64) for v in given if v is not None and v.shape == (m,)]
        if len(values) != 4 or ("training_mode" in attributes and attributes["training_mode"].i):
            return None
        gamma, beta, mean, variance = values
        epsilon = attributes["epsilon"].f if "epsilon" in attributes else 1e-5
        with np.errstate(all="ignore"):
            scale = gamma / np.sqrt(variance + epsilon)
        return scale, beta - mean * scale
    if node.op_type == "Add" and len(node.inputs) == 2:
        other = graph.constants.get(node.inputs[1] if node.inputs[0] == conv.outputs[0] else node.inputs[0])
        if other is None or other.dtype != np.float32 or other.ndim > rank or other.size not in (1, m):
            return None
        channel = other.shape[1 - rank] if other.ndim >= rank - 1 else 1
        if other.size == channel or other.size == 1:
            return np.ones(m), other.reshape(-1) * np.ones(m)
    return None
