# SPDX-License-Identifier: Apache-2.0
"""Constant masks of attention in one form: a table of zeros and of what hides a value, added before the Softmax.

`Where(mask, scores, -inf)` (torch's `masked_fill`) is such a sum, and what `scaled_dot_product_attention` writes behind
a Softmax, `Where(IsNaN(p), 0, p)`, changes nothing where every row of the mask leaves a value.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.graph import Add, Graph, Node, Opaque, Softmax, tensor_names

__all__ = ["added_masks"]

_INPUTS = {"Where": 3, "IsNaN": 1}
_HIDES = -99.0  # exp of it is 0 in float32 beside that of 0


def added_masks(graph: Graph) -> Graph:
    """Each constant mask before a Softmax as a table that is added; a mask that hides a whole row stays as it is."""
    constants: dict[str, NDArray[Any]] = dict(graph.constants)
    names, readers = tensor_names(graph), graph.readers()
    nodes: list[Node] = []
    for node in graph.nodes:
        found = _selected(graph, node) if _is(node, "Where") else None
        if found is None or not all(isinstance(reader, Softmax) for reader in readers.get(node.outputs[0], [None])):
            nodes.append(node)
            continue
        scores, table = found
        name = names.unique(f"{node.name}/mask")
        constants[name] = table
        nodes.append(Add(name=node.name, inputs=(scores, name), outputs=node.outputs))
    return _without_nan(replace(graph, nodes=tuple(nodes), constants=constants))


def _is(node: Node, op: str) -> bool:
    """Whether it is that operator, with the inputs that it should have: nobody has checked an opaque node's."""
    return isinstance(node, Opaque) and node.op_type == op and not node.domain and len(node.inputs) == _INPUTS[op]


def _selected(graph: Graph, node: Node) -> tuple[str, NDArray[np.float32]] | None:
    """The scores and the table of a Where of a constant mask and one low number."""
    mask, yes, no = (graph.constants.get(t) for t in node.inputs)
    if mask is None or mask.dtype != np.bool_ or (yes is None) == (no is None):
        return None
    low, scores = (no, node.inputs[1]) if yes is None else (yes, node.inputs[2])
    if low is None or low.size != 1 or low.dtype != np.float32 or not low.item() <= _HIDES:
        return None
    hidden = ~mask if yes is None else mask
    sample = graph.sample_shape(scores)
    if sample is None or sample != graph.sample_shape(node.outputs[0]) or mask.ndim > len(sample) + 1:
        return None
    if not mask.ndim or hidden.all(axis=-1).any() or (mask.ndim == len(sample) + 1 and len(mask) != 1):
        return None
    return scores, np.where(hidden, np.float32(low.item()), np.float32(0))


def _without_nan(graph: Graph) -> Graph:
    """Softmaxes without what stands behind them for rows that are hidden as a whole, where there is no such row."""
    writers = graph.producers()
    reads = Counter(t for node in graph.nodes for t in node.inputs)
    reads.update(v.name for v in graph.outputs)
    written: dict[str, str] = {}
    gone: set[str] = set()
    for node in graph.nodes:
        test = writers.get(node.inputs[0]) if _is(node, "Where") else None
        if test is None or not _is(test, "IsNaN") or node.inputs[1] not in graph.constants:
            continue
        soft = writers.get(node.inputs[2])
        if not isinstance(soft, Softmax) or test.inputs != soft.outputs or not _leaves_values(graph, writers, soft):
            continue
        if reads[soft.outputs[0]] == 2 and reads[test.outputs[0]] == 1:
            written[soft.outputs[0]] = node.outputs[0]
            gone |= {node.outputs[0], test.outputs[0]}
    if not gone:
        return graph
    kept: list[Node] = []
    for node in graph.nodes:
        if isinstance(node, Softmax) and node.outputs[0] in written:
            kept.append(replace(node, outputs=(written[node.outputs[0]],)))
        elif not (isinstance(node, Opaque) and node.outputs[0] in gone):
            kept.append(node)
    return replace(graph, nodes=tuple(kept))


def _leaves_values(graph: Graph, writers: dict[str, Node], soft: Softmax) -> bool:
    """Whether no row of finite scores before a Softmax is hidden as a whole."""
    masked = writers.get(soft.inputs[0])
    if not isinstance(masked, Add):
        return masked is not None and not isinstance(masked, Opaque)
    table = next((graph.constants[t] for t in masked.inputs if t in graph.constants), None)
    return table is not None and bool(np.isfinite(table).any(axis=-1).all())
