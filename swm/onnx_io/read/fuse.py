# SPDX-License-Identifier: Apache-2.0
"""Pairs of typed nodes that are one layer: MatMul + Add, Mul + Add."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from swm.graph import Affine, Linear, Node, Opaque

__all__ = ["fuse"]


def fuse(nodes: Sequence[Node], protected: frozenset[str]) -> list[Node]:
    """Merge an addition into the Linear or the multiplication before it, if nothing else reads what lies between.

    Args:
        nodes: in execution order.
        protected: tensors that must go on existing: outputs of the graph, captures of subgraphs.
    """
    readers = Counter(tensor for node in nodes for tensor in node.inputs)
    readers.update(tensor for node in nodes if isinstance(node, Opaque) for tensor in node.reads)
    done: dict[int, Node] = {}
    producer: dict[str, int] = {}
    for i, node in enumerate(nodes):
        current = node
        between = node.inputs[0] if node.inputs else ""
        if isinstance(node, Affine) and between in producer and readers[between] == 1 and between not in protected:
            merged = _merge(done[producer[between]], node)
            if merged is not None:
                del done[producer[between]]
                current = merged
        done[i] = current
        producer.update(dict.fromkeys(current.outputs, i))
    return list(done.values())


def _merge(first: Node, second: Affine) -> Node | None:
    """One node for both, or None where a rounding would differ."""
    if (second.scale != 1).any():
        return None
    if isinstance(first, Linear) and first.bias is None and second.axis == -1:
        bias = np.array(np.broadcast_to(second.shift, (first.weight.shape[0],)))
        return replace(first, outputs=second.outputs, bias=bias)
    if isinstance(first, Affine) and not first.shift.any():
        axes = {a.axis for a, values in ((first, first.scale), (second, second.shift)) if values.size != 1}
        if len(axes) > 1:
            return None
        scale, shift = np.broadcast_arrays(first.scale, second.shift)
        axis = axes.pop() if axes else -1
        return replace(first, outputs=second.outputs, scale=np.array(scale), shift=np.array(shift), axis=axis)
    return None
