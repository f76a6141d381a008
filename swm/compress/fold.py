# SPDX-License-Identifier: Apache-2.0
"""Fold per-channel scales into dense neighbours before projection; afterwards it would break the structure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from swm.graph import (
    Affine,
    Graph,
    Linear,
    Node,
    Reshape,
    plain_last_states,
    without_whole_lengths,
    without_zero_states,
)
from swm.structure import Dense, FewBits, WeightStructure

__all__ = ["fold_affine"]


def fold_affine(graph: Graph) -> Graph:
    """Merge every Affine node with a dense Linear node right before it, else right after it, where shapes allow.

    `(x W^T + b) * s + t` becomes one Linear with rows scaled, `(x * s + t) W^T + b` one with columns scaled: before
    projection, for a circulant block with scaled rows is none any more; weights of few bits stay that under scaled
    rows. Two Affine nodes in a row become one, and one with a single factor moves behind a Reshape, towards the matrix
    (input normalisation stands before the Flatten in many exports). A tensor that something else reads, or that the
    graph returns, stays. Initial states of recurrent nodes that are zeros are left out (`without_zero_states`), lengths
    that are whole too (`without_whole_lengths`), and what is taken of their last states is plain (`plain_last_states`).
    """
    graph = plain_last_states(without_whole_lengths(without_zero_states(graph)))
    while (pair := _find(graph)) is not None:
        first, second = pair
        if isinstance(first, Affine) and isinstance(second, Reshape):
            graph = _swap(graph, first, second)
            continue
        merged = (
            _join(first, second) if isinstance(first, Affine) and isinstance(second, Affine) else _merge(first, second)
        )
        nodes = [merged if n is second else n for n in graph.nodes if n is not first]
        graph = graph.with_nodes(nodes)
    return graph


def _find(graph: Graph) -> tuple[Node, Node] | None:
    readers = graph.readers()
    for node in graph.nodes:
        followers = readers.get(node.outputs[0], []) if node.outputs else []
        follower = followers[0] if len(followers) == 1 else None
        if follower is None:
            continue
        pair = (node, follower)
        match pair:
            case (Linear() as linear, Affine() as affine) if _fits(affine, linear, 0):
                return pair
            case (Affine() as affine, Linear() as linear) if _fits(affine, linear, 1):
                return pair
            case (Affine() as one, Affine() as other) if _same_channels(one, other):
                return pair
            case (Affine() as affine, Reshape()) if len(affine.scale) == 1:
                return pair
            case _:
                continue
    return None


def _join(first: Affine, second: Affine) -> Affine:
    scale, shift = first.scale * second.scale, first.shift * second.scale + second.shift
    axis = second.axis if len(first.scale) == 1 else first.axis
    return replace(second, inputs=first.inputs, scale=scale, shift=shift, axis=axis)


def _swap(graph: Graph, affine: Affine, reshape: Reshape) -> Graph:
    """Affine then Reshape → Reshape then Affine; the tensor between them changes shape, so its known type goes."""
    between = affine.outputs
    first = replace(reshape, inputs=affine.inputs, outputs=between)
    second = replace(affine, inputs=between, outputs=reshape.outputs, axis=-1)
    nodes = [first if n is affine else second if n is reshape else n for n in graph.nodes]
    types = {t: known for t, known in graph.types.items() if t not in between}
    known = graph.types.get(reshape.outputs[0])
    return replace(graph, types=types | ({between[0]: known} if known else {})).with_nodes(nodes)


def _same_channels(one: Affine, other: Affine) -> bool:
    if 1 in (len(one.scale), len(other.scale)):
        return True
    return one.axis == other.axis and len(one.scale) == len(other.scale)


def _fits(affine: Affine, linear: Linear, side: int) -> bool:
    if not isinstance(linear.weight, Dense | FewBits):
        return False
    width = linear.weight.shape[side]
    # On a matrix axis 1 is the last axis; the importer types an Affine on axis 1 only for rank 2.
    return affine.axis in (-1, 1) and len(affine.scale) in (1, width)


def _merge(first: Node, second: Node) -> Linear:
    linear, affine = (first, second) if isinstance(first, Linear) else (second, first)
    assert isinstance(linear, Linear)  # _find pairs one of each kind
    assert isinstance(affine, Affine)
    matrix = linear.weight.to_dense().astype(np.float64)
    weight: WeightStructure | None = None
    m, n = matrix.shape
    bias = np.zeros(m) if linear.bias is None else linear.bias.astype(np.float64)
    if first is linear:
        scale, shift = (np.broadcast_to(v, (m,)) for v in (affine.scale, affine.shift))
        if isinstance(linear.weight, FewBits):
            weight = linear.weight.with_rows_scaled(scale)
        matrix, bias = matrix * scale[:, None], bias * scale + shift
    else:
        scale, shift = (np.broadcast_to(v, (n,)) for v in (affine.scale, affine.shift))
        matrix, bias = matrix * scale, bias + matrix @ shift
    return replace(
        linear,
        inputs=first.inputs[:1],
        outputs=second.outputs,
        weight=weight or Dense(matrix.astype(np.float32)),
        bias=bias.astype(np.float32),
    )
