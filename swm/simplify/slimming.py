# SPDX-License-Identifier: Apache-2.0
"""onnxslim's work: constants folded, exporters' Shape-Gather-Concat-Reshape chains and no-ops gone."""

from __future__ import annotations

from dataclasses import replace

from onnx import ModelProto

from swm.errors import SwmError
from swm.graph import BipolarQuant, Graph, Node, Opaque, Quant, Trunc
from swm.guard import guarded
from swm.onnx_io import from_proto, standard, to_proto

__all__ = ["slimmed"]

_MODULES = ("onnxslim", "onnxruntime")  # the second is imported by the first when it runs
_QUANTIZERS = (BipolarQuant, Quant, Trunc)
# What chains of shape arithmetic start from, besides constants.
_SOURCES = frozenset({"ConstantOfShape", "Range", "Shape", "Size"})


def slimmed(graph: Graph) -> Graph | None:
    """The graph after onnxslim; None where there is nothing to fold, for onnxslim takes half a second to import.

    QONNX's quantizers, which onnxslim does not know, wait as sums of their inputs, which have the same shape.

    Raises:
        SwmError: onnxslim failed, crashed or hung.
    """
    if not any(_foldable(node, graph) for node in graph.nodes):
        return None
    waiting: dict[str, Node] = {n.name: n for n in graph.nodes if isinstance(n, _QUANTIZERS)}
    model = to_proto(replace(graph, nodes=tuple(_stand_in(n) if n.name in waiting else n for n in graph.nodes)))
    size = model.ByteSize()
    seconds = 4 + (size >> 20)  # ten times what models of their size have taken
    outcome = guarded(_slim, model, seconds=seconds, memory=(5 << 28) + 16 * size, modules=_MODULES)
    if outcome.data is None:
        raise SwmError(f"onnxslim {outcome.fate or f'failed: {outcome.error}'}")
    found = from_proto(ModelProto.FromString(outcome.data), graph.source)
    nodes = [_restored(n, waiting) for n in found.nodes]
    lost = len(waiting) - sum(isinstance(n, _QUANTIZERS) for n in nodes)
    if lost:
        raise SwmError(f"onnxslim lost {lost} quantizers")
    return replace(found, metadata=graph.metadata, sha256=graph.sha256).with_nodes(_named_as_before(nodes, graph))


def _named_as_before(nodes: list[Node], graph: Graph) -> list[Node]:
    """Nodes that write the tensor of an old node under its name, by which users and weight formats know it."""
    before = {n.outputs[0]: n.name for n in graph.nodes if n.outputs}
    taken = {n.name for n in nodes}
    named = []
    for node in nodes:
        name = before.get(node.outputs[0], node.name) if node.outputs else node.name
        named.append(node if name in taken else replace(node, name=name))
        taken.add(name)
    return named


def _foldable(node: Node, graph: Graph) -> bool:
    if isinstance(node, Opaque) and not node.domain and node.op_type in _SOURCES:
        return True
    given = [t for t in node.inputs if t]
    return bool(given) and all(t in graph.constants for t in given)


def _stand_in(node: Node) -> Node:
    return standard("Sum", node.name, node.inputs, node.outputs)


def _restored(node: Node, waiting: dict[str, Node]) -> Node:
    if not isinstance(node, Opaque) or node.op_type != "Sum" or node.name not in waiting:
        return node
    return replace(waiting[node.name], inputs=node.inputs, outputs=node.outputs)


def _slim(model: ModelProto) -> bytes:
    """What happens in a child process: onnxslim calls onnx's and onnxruntime's C++."""
    import onnxslim  # here, because it brings sympy, a third of a second that no other command should pay

    found = onnxslim.slim(model)
    if not isinstance(found, ModelProto):
        raise SwmError("it returned no model")
    return bytes(found.SerializeToString())
