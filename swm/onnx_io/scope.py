# SPDX-License-Identifier: Apache-2.0
"""Names: what subgraphs capture, and the execution order that names imply."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from onnx import AttributeProto, GraphProto, NodeProto

from swm.errors import ModelError

__all__ = ["captured", "inner_names", "inner_nodes", "sort_nodes"]


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs in a node's attributes."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH or attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def captured(node: NodeProto) -> tuple[str, ...]:
    """Outer tensors that the node's subgraphs read."""
    names: dict[str, None] = {}
    for graph in subgraphs(node):
        names.update(dict.fromkeys(_free(graph)))
    return tuple(names)


def _free(graph: GraphProto) -> list[str]:
    defined = {v.name for v in graph.input} | {t.name for t in graph.initializer}
    defined |= {s.values.name for s in graph.sparse_initializer}
    reads: list[str] = []
    for node in graph.node:
        reads += [*node.input, *captured(node)]
        defined.update(node.output)
    reads += [v.name for v in graph.output]
    return [name for name in reads if name and name not in defined]


def inner_nodes(node: NodeProto) -> Iterator[NodeProto]:
    """All nodes in the node's subgraphs, at any depth."""
    for graph in subgraphs(node):
        for inner in graph.node:
            yield inner
            yield from inner_nodes(inner)


def inner_names(node: NodeProto) -> Iterator[str]:
    """All tensor names in the node's subgraphs, at any depth."""
    for graph in subgraphs(node):
        yield from (v.name for v in (*graph.input, *graph.output, *graph.initializer))
        for inner in graph.node:
            yield from (*inner.input, *inner.output)
            yield from inner_names(inner)


def sort_nodes(nodes: list[NodeProto]) -> list[NodeProto]:
    """Nodes in an order in which each follows the nodes it reads; a valid order is kept as it is.

    Raises:
        ModelError: the nodes form a cycle.
    """
    producer = {tensor: i for i, node in enumerate(nodes) for tensor in node.output if tensor}
    needs = [{producer[t] for t in (*node.input, *captured(node)) if t in producer} for node in nodes]
    if all(earlier < i for i, wanted in enumerate(needs) for earlier in wanted):
        return nodes
    followers: list[list[int]] = [[] for _ in nodes]
    for i, wanted in enumerate(needs):
        for earlier in wanted:
            followers[earlier].append(i)
    missing = [len(wanted) for wanted in needs]
    ready = [i for i, count in enumerate(missing) if not count]
    order: list[int] = []
    while ready:
        i = heapq.heappop(ready)
        order.append(i)
        for later in followers[i]:
            missing[later] -= 1
            if not missing[later]:
                heapq.heappush(ready, later)
    if len(order) != len(nodes):
        stuck = next(nodes[i] for i, count in enumerate(missing) if count)
        raise ModelError(
            f"the nodes form a cycle that holds up {stuck.op_type} {stuck.name!r} (output {list(stuck.output)!r}); a "
            "network must be acyclic, unroll recurrences or use Loop, Scan or LSTM"
        )
    return [nodes[i] for i in order]
