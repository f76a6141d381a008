# SPDX-License-Identifier: Apache-2.0
"""Several inputs of a network in one frame: hardware reads one tensor.

A network that compares two images, or reads an image and some numbers, has several inputs. The host joins them as
(batch, values), and hardware takes them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from swm.accelerator.backend import Backend
from swm.graph import Graph, Node, node_names, reads, tensor_names
from swm.host.joined import Joining
from swm.host.search import Cuts
from swm.host.work import of_products

__all__ = ["inputs_in_frames"]


def inputs_in_frames(graph: Graph, backend: Backend) -> Graph:
    """The same network, in which products read parts of one tensor that holds all inputs.

    Args:
        graph: a float graph.
        backend: whose hardware.

    Returns:
        The graph itself where one input alone leads to products, or one that does has an unknown shape.
    """
    nodes = graph.needed([v.name for v in graph.outputs])
    cuts = Cuts(graph, nodes, backend)
    inside = of_products(graph, nodes)
    entering = [_entering(cuts, value.name) for value in graph.inputs]
    entering = [t for t in entering if t and any(t in reads(node) for node in inside)]
    return graph if len(entering) < 2 else _joined(graph, {node.name for node in inside}, entering)


def _entering(cuts: Cuts, tensor: str) -> str:
    """What hardware could read of an input: the first tensor of samples that a node with a form in hardware reads."""
    while True:
        readers = cuts.readers.get(tensor, [])
        known = cuts.cuttable(tensor) and bool(cuts.graph.sample_shape(tensor))
        if known and any(isinstance(node, cuts.types) for node in readers):
            return tensor
        if len(readers) != 1 or len(readers[0].outputs) != 1:
            return ""
        tensor = readers[0].outputs[0]


def _joined(graph: Graph, inside: set[str], entering: Sequence[str]) -> Graph:
    """The graph, in which nodes inside read parts of what was joined."""
    names, tensors, types = (
        node_names(graph),
        tensor_names(graph),
        {**{v.name: v.type for v in graph.inputs if v.type}, **graph.types},
    )
    joining = Joining(tensors.unique(f"{entering[0]}/and_others"), names, tensors, types)
    parts = {t: joining.add(t, t, image=len(types[t].shape or ()) == 4) for t in entering}
    joining.close("inputs")
    first = {node.name for node in graph.needed(list(entering))}
    early = [node for node in graph.nodes if node.name in first]
    late = [_reading(node, parts) if node.name in inside else node for node in graph.nodes if node.name not in first]
    return replace(graph, nodes=(*early, *joining.before, *joining.behind, *late), types=types)


def _reading(node: Node, parts: dict[str, str]) -> Node:
    return replace(node, inputs=tuple(parts.get(t, t) for t in node.inputs))
