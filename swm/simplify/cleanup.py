# SPDX-License-Identifier: Apache-2.0
"""Nodes that nothing needs."""

from __future__ import annotations

from dataclasses import replace

from swm.graph import Graph, Node, reads

__all__ = ["without_dead_nodes"]


def without_dead_nodes(graph: Graph) -> Graph:
    """Only what the outputs depend on."""
    wanted = {v.name for v in graph.outputs}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs):
            kept.append(node)
            wanted.update(reads(node))
    if len(kept) == len(graph.nodes):
        return graph
    left = {t for node in kept for t in node.outputs}
    known = left | {v.name for v in graph.inputs} | wanted
    return replace(
        graph,
        nodes=tuple(reversed(kept)),
        constants={name: value for name, value in graph.constants.items() if name in wanted},
        types={name: kind for name, kind in graph.types.items() if name in known},
    )
