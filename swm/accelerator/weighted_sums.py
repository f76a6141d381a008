# SPDX-License-Identifier: Apache-2.0
"""Attention that pools a sequence: the sum of its steps, each times a weight of its own, is a product."""

from __future__ import annotations

from dataclasses import replace

from swm.graph import Graph, MatMul, Mul, Node, ReduceSum, Reshape, Softmax, TensorType, tensor_names

__all__ = ["with_weighted_sums"]


def with_weighted_sums(graph: Graph) -> Graph:
    """The graph with each sum over the steps of `weights * values` as `weights @ values`.

    Weights are (batch, steps, 1) and values (batch, steps, channels). Their Softmax over the steps runs along the last
    axis of (batch, 1, steps), which holds the same values in the same order.
    """
    writers, readers = graph.producers(), graph.consumers()
    returned = {v.name for v in graph.outputs}
    names, types = tensor_names(graph), dict(graph.types)
    made: dict[str, list[Node]] = {}  # by the name of the node whose place they take
    for node in graph.nodes:
        product = writers.get(node.inputs[0]) if isinstance(node, ReduceSum) and node.axes == (1,) else None
        if not isinstance(product, Mul) or len(readers[product.outputs[0]]) != 1 or product.outputs[0] in returned:
            continue
        shapes = {t: graph.sample_shape(t) for t in product.inputs}
        weights = next((t for t, s in shapes.items() if s is not None and len(s) == 2 and s[1] == 1), "")
        values = next((t for t, s in shapes.items() if t != weights and s is not None and len(s) == 2), "")
        if not weights or not values or {weights, values} & graph.constants.keys() or weights not in types:
            continue
        (steps, _), kind = shapes[weights] or (0, 0), types[weights]
        if (shapes[values] or (0,))[0] != steps or kind.shape is None:
            continue
        row = TensorType(kind.elem, (kind.shape[0], 1, steps))
        soft, tensor = writers.get(weights), weights
        alone = isinstance(soft, Softmax) and len(readers[weights]) == 1 and weights not in returned
        if alone and isinstance(soft, Softmax) and soft.axis in (1, -2) and not soft.flattened:
            tensor = soft.inputs[0]
        turned = names.unique(f"{tensor}, as a row")
        types[turned] = row
        view = Reshape(name=turned, inputs=(tensor,), outputs=(turned,), shape=(0, 1, steps))
        if isinstance(soft, Softmax) and tensor != weights:
            types[weights] = row
            made[soft.name] = [view, replace(soft, inputs=(turned,), axis=-1)]
            before: list[Node] = []
        else:
            before = [view]
        summed = MatMul(name=node.name, inputs=(weights if not before else turned, values), outputs=node.outputs)
        made[node.name], made[product.name] = [*before, summed], []
    if not made:
        return graph
    nodes = tuple(n for node in graph.nodes for n in made.get(node.name, [node]))
    return replace(graph, nodes=nodes, types=types)
