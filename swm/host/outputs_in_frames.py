# SPDX-License-Identifier: Apache-2.0
"""Several tensors that leave the hardware, in one frame: hardware writes one tensor.

A network with several heads (a policy and a value, classes and boxes) leaves its hardware by more than one tensor. They
leave it side by side as (batch, values), and the host takes them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from swm.accelerator.backend import Backend
from swm.graph import Graph, Node, node_names, reads, tensor_names
from swm.host.joined import Joining
from swm.host.search import Cuts
from swm.host.work import of_products

__all__ = ["outputs_in_frames"]


def outputs_in_frames(graph: Graph, backend: Backend) -> Graph:
    """The same network, in which all that leaves the largest part that can be hardware leaves it as one tensor.

    Args:
        graph: a float graph.
        backend: whose hardware.

    Returns:
        The graph itself where one tensor leaves, or one of those that leave has an unknown shape.
    """
    cuts = Cuts(graph, graph.needed([v.name for v in graph.outputs]), backend)
    found = cuts.widest()
    if found is None:
        return graph
    start, kept = found
    kept = of_products(graph, kept)
    while unfit := {t for t in cuts.leaving(kept) if not _may_leave(cuts, t)}:
        kept = cuts.behind(start, [node for node in kept if not unfit.intersection(node.outputs)])
        kept = of_products(graph, kept)
    leaving = cuts.leaving(kept)
    return graph if len(leaving) < 2 else _joined(graph, {node.name for node in kept}, leaving)


def _may_leave(cuts: Cuts, tensor: str) -> bool:
    """Whether a tensor has samples, and a known size behind them."""
    return cuts.cuttable(tensor) and bool(cuts.graph.sample_shape(tensor))


def _joined(graph: Graph, inside: set[str], leaving: Sequence[str]) -> Graph:
    """The graph, in which nodes inside give tensors of their own names, joined, and the host gives those that left."""
    names, tensors, types = node_names(graph), tensor_names(graph), dict(graph.types)
    inner = {tensor: tensors.unique(f"{tensor}/inside") for tensor in leaving}
    joining = Joining(tensors.unique(f"{leaving[-1]}/and_others"), names, tensors, types)
    for tensor, made in inner.items():
        types[made] = types[tensor]
        joining.add(made, tensor, tensor, image=len(types[tensor].shape or ()) == 4)
    joining.close("outputs")
    nodes = graph.needed([v.name for v in graph.outputs])
    early = [_renamed(node, inner) for node in nodes if node.name in inside]
    behind = {t for node in early for t in node.outputs} | set(leaving)
    first: list[Node] = []
    late: list[Node] = []
    for node in nodes:
        if node.name in inside:
            continue
        (late if behind.intersection(reads(node)) else first).append(node)
        if behind.intersection(reads(node)):
            behind.update(t for t in node.outputs if t)
    return replace(graph, nodes=(*first, *early, *joining.before, *joining.behind, *late), types=types)


def _renamed(node: Node, names: dict[str, str]) -> Node:
    inputs, outputs = (tuple(names.get(t, t) for t in ts) for ts in (node.inputs, node.outputs))
    return replace(node, inputs=inputs, outputs=outputs)
