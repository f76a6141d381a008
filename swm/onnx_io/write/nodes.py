# SPDX-License-Identifier: Apache-2.0
"""Each typed node as ONNX nodes that mean the same at the graph's opset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, FunctionProto, NodeProto, TensorProto, helper, numpy_helper

from swm.errors import ModelError
from swm.graph import Graph, Names, Node, Opaque
from swm.onnx_io.function import DOMAIN
from swm.onnx_io.scope import captured, inner_names
from swm.onnx_io.write import basic, operators, qonnx, weighted  # noqa: F401  their writers register themselves
from swm.onnx_io.write.registry import find_writer

__all__ = ["NodeWriter"]


class NodeWriter:
    """Collects the ONNX nodes, initialisers and functions of some nodes of a graph.

    Attributes:
        nodes: ONNX nodes in execution order.
        initialisers: weights of typed nodes.
        functions: those of domain `ai.swm` that the nodes call.
        read: tensors that the nodes and their subgraphs read.
    """

    def __init__(self, graph: Graph, nodes: Iterable[Node]) -> None:
        """Prepare for `nodes` of `graph`, in which new names must not collide with any other."""
        self.nodes: list[NodeProto] = []
        self.initialisers: list[TensorProto] = []
        self.functions: list[FunctionProto] = []
        self.read: set[str] = set()
        self._graph = graph
        self._opset = graph.opset
        self._tensors = Names([*graph.constants, *(v.name for v in (*graph.inputs, *graph.outputs))])
        self._names = Names(n.name for n in graph.nodes)
        self._opaque: dict[str, NodeProto] = {}
        for node in nodes:
            self._tensors.add((*node.inputs, *node.outputs))
            if isinstance(node, Opaque):
                proto = NodeProto.FromString(node.proto)
                self._opaque[node.name] = proto
                self._tensors.add(inner_names(proto))
        self._functions = {(f.domain, f.name): f for f in map(FunctionProto.FromString, graph.functions)}
        self._stored: dict[tuple[int, str], tuple[str, Any]] = {}

    def write(self, node: Node) -> None:
        """Append the ONNX form of a node.

        Raises:
            ModelError: it has none at the graph's opset.
        """
        function = find_writer(type(node))
        if isinstance(node, Opaque):
            self._write_opaque(node)
        elif function is not None:
            function(self, node)
        else:
            raise ModelError(
                f"{node.op} node {node.name!r} has no ONNX form; register a writer for {type(node).__name__}"
            )

    def _write_opaque(self, node: Opaque) -> None:
        proto = self._opaque[node.name]
        proto.name = node.name
        proto.domain = node.domain
        # The graph may have been rewired since the proto was read.
        del proto.input[:], proto.output[:]
        proto.input.extend(node.inputs)
        proto.output.extend(node.outputs)
        self.read.update(captured(proto))
        self._append(proto)

    @property
    def opset(self) -> int:
        """Version of the standard operators."""
        return self._opset

    def add(
        self, node: Node, operator: str, inputs: Sequence[str] | None = None, output: str = "", **attributes: Any
    ) -> None:
        """The ONNX node that carries the node's name; inputs default to the node's, and so do outputs."""
        given = node.inputs if inputs is None else inputs
        self._append(_made(operator, given, [output] if output else node.outputs, node.name, attributes))

    def extra(
        self, node: Node, operator: str, inputs: Sequence[str], output: str, suffix: str, **attributes: Any
    ) -> None:
        """A further ONNX node of a node."""
        name = self._names.unique(f"{node.name}/{suffix}")
        self._append(_made(operator, inputs, [output], name, attributes))

    def tensor(self, requested_name: str) -> str:
        """A new tensor name."""
        return self._tensors.unique(requested_name)

    def constant(self, node: Node, values: Any, role: str) -> str:
        """A new initialiser for a node."""
        name = self._tensors.unique(f"{node.name}.{role}")
        self.initialisers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def integers(self, node: Node, values: Sequence[int], role: str) -> str:
        """A new initialiser of int64."""
        return self.constant(node, np.array(values, np.int64), role)

    def elem(self, tensor: str) -> int | None:
        """Element type of a tensor, if known."""
        kind = self._graph.types.get(tensor)
        return None if kind is None else kind.elem

    def value(self, tensor: str) -> NDArray[Any] | None:
        """The value of a constant."""
        return self._graph.constants.get(tensor)

    def _append(self, proto: NodeProto) -> None:
        self.read.update(proto.input)
        self.nodes.append(proto)

    def rank(self, tensor: str) -> int | None:
        """Number of dimensions of a tensor, if known."""
        kind = self._graph.types.get(tensor)
        return None if kind is None or kind.shape is None else len(kind.shape)

    def shared(self, node: Node, key: object, role: str, make: Callable[[], NDArray[Any]]) -> str:
        """The initialiser made before for this very object and role, else a new one."""
        place = (id(key), role)
        if place not in self._stored:
            name = self.constant(node, make(), role.removesuffix(".T"))  # a transposed weight has the same name
            self._stored[place] = (name, key)  # held, so that the id stays its own
        return self._stored[place][0]

    def call(self, node: Node, function: FunctionProto, inputs: Sequence[str], output: str, suffix: str = "") -> None:
        """A call of a function of domain `ai.swm`, which is added on first use; named like `add`, or like `extra`."""
        name = self._names.unique(f"{node.name}/{suffix}") if suffix else node.name
        self._append(helper.make_node(self._function(function), inputs, [output], name, domain=DOMAIN))

    def _function(self, wanted: FunctionProto) -> str:
        """Name of a function, added on first use."""
        usual = name = str(wanted.name)
        number = 1
        while (existing := self._functions.get((DOMAIN, name))) is not None:
            wanted.name = name
            if existing.SerializeToString(deterministic=True) == wanted.SerializeToString(deterministic=True):
                return name
            name, number = f"{usual}_{number}", number + 1
        wanted.name = name
        self._functions[DOMAIN, name] = wanted
        self.functions.append(wanted)
        return name


def _made(
    operator: str, inputs: Sequence[str], outputs: Sequence[str], name: str, attributes: Mapping[str, Any]
) -> NodeProto:
    """A node, also with an empty list for an attribute (the perm of a scalar), whose type onnx's helper cannot tell."""
    empty = [key for key, value in attributes.items() if isinstance(value, tuple | list) and not value]
    node = helper.make_node(operator, inputs, outputs, name, **{k: v for k, v in attributes.items() if k not in empty})
    node.attribute.extend(helper.make_attribute(key, [], attr_type=AttributeProto.INTS) for key in empty)
    return node
