# SPDX-License-Identifier: Apache-2.0
"""Each typed node as ONNX nodes that mean the same at the graph's opset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, FunctionProto, NodeProto, TensorProto, helper, numpy_helper

from swm.errors import ModelError
from swm.graph import (
    Affine,
    Cast,
    Conv,
    ConvTranspose,
    Graph,
    Linear,
    LogSoftmax,
    Node,
    Opaque,
    Recurrent,
    Relu,
    Reshape,
    Sigmoid,
    Softmax,
    Tanh,
)
from swm.onnx_io.function import DOMAIN, circulant_function
from swm.onnx_io.scope import Names, captured, inner_names
from swm.onnx_io.write.operators import write_operator
from swm.onnx_io.write.weighted import conv_node, conv_transpose_node, recurrent_node
from swm.structure import BlockCirculant, Dense

__all__ = ["NodeWriter"]

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)


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

    def emit(self, node: Node) -> None:
        """Append the ONNX form of a node.

        Raises:
            ModelError: it has none at the graph's opset.
        """
        match node:
            case Opaque():
                self._emit_opaque(node)
            case Linear():
                self._emit_linear(node)
            case Conv():
                self._append(conv_node(self, node))
            case ConvTranspose():
                self._append(conv_transpose_node(self, node))
            case Recurrent():
                self._append(recurrent_node(self, node))
            case Affine():
                self._emit_affine(node)
            case Relu() | Sigmoid() | Tanh():
                self.add(node, node.op)
            case Softmax() | LogSoftmax():
                self._emit_softmax(node)
            case Reshape():
                self._emit_reshape(node)
            case Cast():
                self.add(node, "Cast", to=node.to)
            case _ if write_operator(self, node):
                pass
            case _:
                raise ModelError(f"{node.op} node {node.name!r} has no ONNX form; this is a gap in swm, report it")

    def _emit_opaque(self, node: Opaque) -> None:
        proto = self._opaque[node.name]
        proto.name = node.name
        proto.domain = node.domain
        # The graph may have been rewired since the proto was read.
        del proto.input[:], proto.output[:]
        proto.input.extend(node.inputs)
        proto.output.extend(node.outputs)
        self.read.update(captured(proto))
        self._append(proto)

    def _emit_linear(self, node: Linear) -> None:
        (x,), (y,) = node.inputs, node.outputs
        weight = node.weight
        match weight:
            case Dense() if self.rank(x) == 2:
                inputs = [x, self._weight(node, weight.matrix, "weight")]
                if node.bias is not None:
                    inputs.append(self._store(node, node.bias, "bias"))
                elif self._opset < 11:  # C was not optional yet
                    inputs.append(self._store(node, np.zeros(weight.shape[0], np.float32), "bias"))
                self._append(helper.make_node("Gemm", inputs, [y], node.name, transB=1))
                return
            case Dense():
                operator, domain, operand = "MatMul", "", self._weight(node, weight.matrix, "weight", transposed=True)
            case BlockCirculant():
                operator, domain, operand = (
                    self._function(weight),
                    DOMAIN,
                    self._weight(node, weight.columns, "columns"),
                )
            case _:
                raise ModelError(
                    f"Linear node {node.name!r} has the structure {type(weight).__name__}, which has no ONNX form; "
                    "this is a gap in swm, report it"
                )
        product = y if node.bias is None else self._tensors.unique(f"{node.name}/product")
        self._append(helper.make_node(operator, [x, operand], [product], node.name, domain=domain))
        if node.bias is not None:
            self.extra(node, "Add", [product, self._store(node, node.bias, "bias")], y, "add")

    def _function(self, weight: BlockCirculant) -> str:
        """Name of the function for a shape and block, made on first use."""
        return self.function(circulant_function(*weight.shape, weight.block, self._opset))

    def function(self, wanted: FunctionProto) -> str:
        """Name of a function of domain `ai.swm`, added on first use."""
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

    def _emit_affine(self, node: Affine) -> None:
        (x,), (y,) = node.inputs, node.outputs
        scales, shifts = bool((node.scale != 1).any()), bool(node.shift.any())
        if not (scales or shifts):
            self.add(node, "Identity")
            return
        if scales:
            product = self._tensors.unique(f"{node.name}/product") if shifts else y
            scale = self._store(node, self._along_axis(node, node.scale), "scale")
            self._append(helper.make_node("Mul", [x, scale], [product], node.name))
            x = product
        if shifts:
            shift = self._store(node, self._along_axis(node, node.shift), "shift")
            if scales:
                self.extra(node, "Add", [x, shift], y, "add")
            else:
                self._append(helper.make_node("Add", [x, shift], [y], node.name))

    def _along_axis(self, node: Affine, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values shaped so that they broadcast along the node's axis."""
        if values.size == 1:
            return values.reshape(())
        axis = node.axis
        if axis >= 0:
            rank = self.rank(node.inputs[0])
            if rank is None:
                raise ModelError(
                    f"Affine node {node.name!r}: axis {axis} of a tensor of unknown rank; use a negative one"
                )
            axis -= rank
        return values.reshape(-1, *[1] * (-axis - 1))

    def _emit_softmax(self, node: Softmax | LogSoftmax) -> None:
        x, y = node.inputs[0], node.outputs[0]
        rank = self.rank(x)
        if node.flattened == (self._opset < 13):
            self.add(node, node.op, axis=node.axis)
        elif not node.flattened:
            if node.axis != -1 and (rank is None or node.axis != rank - 1):
                raise ModelError(
                    f"{node.op} node {node.name!r} along axis {node.axis} cannot be said at opset {self._opset}; "
                    "convert the model to opset 13 or newer"
                )
            self.add(node, node.op, axis=-1 if rank is None else rank - 1)  # the last axis is a matrix' second one
        else:
            shape, flat, normal = (self._tensors.unique(f"{node.name}/{part}") for part in ("shape", "flat", "normal"))
            self.extra(node, "Shape", [x], shape, "shape")
            self.extra(node, "Flatten", [x], flat, "flatten", axis=node.axis)
            self._append(helper.make_node(node.op, [flat], [normal], node.name, axis=-1))
            self.extra(node, "Reshape", [normal, shape], y, "reshape")

    def _emit_reshape(self, node: Reshape) -> None:
        (x,), (y,) = node.inputs, node.outputs
        known = self._graph.types.get(x)
        flat = node.shape == (0, -1) and not node.allowzero
        if flat and (self._opset >= 9 or known is None or known.elem in _FLOATS):
            self.add(node, "Flatten", axis=1)  # which works on an empty batch too
            return
        shape = self._store(node, np.array(node.shape, np.int64), "shape")
        if node.allowzero and self._opset < 14 and 0 in node.shape:
            raise ModelError(f"Reshape node {node.name!r} with allowzero cannot be said at opset {self._opset}")
        allow: dict[str, Any] = {"allowzero": 1} if node.allowzero and self._opset >= 14 else {}
        self._append(helper.make_node("Reshape", [x, shape], [y], node.name, **allow))

    @property
    def opset(self) -> int:
        """Version of the standard operators."""
        return self._opset

    def add(self, node: Node, operator: str, inputs: Sequence[str] | None = None, **attributes: Any) -> None:
        """The ONNX node that carries the node's name and writes its outputs."""
        given = node.inputs if inputs is None else inputs
        self._append(_made(operator, given, node.outputs, node.name, attributes))

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
        return self._store(node, np.asarray(values), role)

    def integers(self, node: Node, values: Sequence[int], role: str) -> str:
        """A new initialiser of int64."""
        return self._store(node, np.array(values, np.int64), role)

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

    def store(self, node: Node, values: NDArray[Any], role: str) -> str:
        """A new initialiser for a node."""
        return self._store(node, values, role)

    def shared(self, node: Node, key: object, role: str, make: Callable[[], NDArray[Any]]) -> str:
        """The initialiser made before for this very object, else a new one."""
        place = (id(key), role)
        if place not in self._stored:
            self._stored[place] = (self._store(node, make(), role), key)  # held, so that the id stays its own
        return self._stored[place][0]

    def call(self, node: Node, function: str, inputs: list[str], role: str) -> str:
        """A call of a function of domain `ai.swm` before a node; gives its output."""
        output = self._tensors.unique(f"{node.name}/{role}")
        name = self._names.unique(f"{node.name}/{role}")
        self._append(helper.make_node(function, inputs, [output], name, domain=DOMAIN))
        return output

    def _store(self, node: Node, values: NDArray[Any], role: str) -> str:
        """A new initialiser for a node."""
        name = self._tensors.unique(f"{node.name}.{role}")
        self.initialisers.append(numpy_helper.from_array(values, name))
        return name

    def _weight(self, node: Node, values: NDArray[Any], role: str, *, transposed: bool = False) -> str:
        """An initialiser for a weight; layers that share the array share the initialiser."""
        key = (id(values), f"{role}{transposed}")
        if key not in self._stored:
            single = values.astype(np.float32, copy=False)
            written = np.ascontiguousarray(single.T) if transposed else single
            self._stored[key] = (self._store(node, written, role), values)  # held, so that the id stays its own
        return self._stored[key][0]


def _made(
    operator: str, inputs: Sequence[str], outputs: Sequence[str], name: str, attributes: Mapping[str, Any]
) -> NodeProto:
    """A node, also with an empty list for an attribute (the perm of a scalar), whose type onnx's helper cannot tell."""
    empty = [key for key, value in attributes.items() if isinstance(value, tuple | list) and not value]
    node = helper.make_node(operator, inputs, outputs, name, **{k: v for k, v in attributes.items() if k not in empty})
    node.attribute.extend(helper.make_attribute(key, [], attr_type=AttributeProto.INTS) for key in empty)
    return node
