# SPDX-License-Identifier: Apache-2.0
"""What is pooling by another name: a reduction of some axes of an image, and a padding that only a MaxPool sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from swm.graph import AveragePool, Graph, MaxPool, Node, Pad, ReduceMax, ReduceMean

__all__ = ["pooled"]

_LOWEST = float(np.finfo(np.float32).min)


def pooled(graph: Graph, writers: Mapping[str, Node], node: Node) -> Node | None:
    """The pooling that a node is; None where it is none, or pooling already.

    The greatest value or the mean along one of two axes behind the channels: a window as long as it. Without `keepdims`
    what it writes has an axis less, and the same values in the same order. A MaxPool behind a Pad by the lowest number
    (-inf too) pads by itself.
    """
    if isinstance(node, ReduceMean | ReduceMax):
        return _window(graph, node)
    if isinstance(node, MaxPool):
        return _padded(node, writers.get(node.inputs[0]))
    return None


def _window(graph: Graph, node: ReduceMean | ReduceMax) -> Node | None:
    sizes, axes = graph.sample_shape(node.inputs[0]), node.axes or ()
    if sizes is None or len(sizes) != 3 or axes not in ((2,), (3,)):
        return None
    kernel = tuple(size if 2 + i in axes else 1 for i, size in enumerate(sizes[1:]))
    kind = AveragePool if isinstance(node, ReduceMean) else MaxPool
    return kind(
        name=node.name,
        inputs=node.inputs,
        outputs=node.outputs,
        kernel=kernel,
        strides=(1, 1),
        pads=(0,) * 4,
        dilations=(1, 1),
    )


def _padded(node: MaxPool, before: Node | None) -> Node | None:
    if not isinstance(before, Pad) or before.mode != "constant" or not before.value <= _LOWEST:
        return None
    rank = len(before.pads) // 2
    begins, ends = before.pads[:rank], before.pads[rank:]
    more = (*begins[2:], *ends[2:])
    if any((*begins[:2], *ends[:2])) or min(more, default=-1) < 0 or node.ceil or node.auto_pad:
        return None  # where the size is rounded up, it matters whose padding it is
    if len(more) != len(node.pads):
        return None
    return replace(node, inputs=before.inputs, pads=tuple(p + m for p, m in zip(node.pads, more, strict=True)))
