# SPDX-License-Identifier: Apache-2.0
"""The table of operators that become typed nodes, and how a node's attributes reach their handler.

A handler carries the ONNX attribute names and defaults in its signature, so that none can be forgotten:

    @handler("Softmax", since=13, becomes="Softmax")
    def softmax(context, node, *, axis: int = -1) -> Result: ...

It returns a typed node, a tuple of them (in execution order; the last one writes the output), `Folded` (the output is a
constant), `Forwarded` (the output is one of the inputs), or None: the node is carried along opaque. The version with
the greatest `since` not above the model's opset is called.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args

import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, SparseTensorProto, TensorProto

from swm.errors import ModelError, OptionError
from swm.graph import Node
from swm.onnx_io.proto import OLDEST_OPSET

if TYPE_CHECKING:
    from swm.onnx_io.read.context import Context

__all__ = [
    "Folded",
    "Forwarded",
    "Function",
    "Handler",
    "Operator",
    "RawNode",
    "Result",
    "add_handler",
    "find",
    "handler",
    "operators",
    "remove_handlers",
]


@dataclass(frozen=True)
class RawNode:
    """An ONNX node on its way in: unique name, resolved inputs, and the proto for all the rest."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    proto: NodeProto

    @property
    def op(self) -> str:
        """ONNX operator."""
        return str(self.proto.op_type)

    @property
    def domain(self) -> str:
        """Operator domain; "" is the default one."""
        return "" if self.proto.domain == "ai.onnx" else str(self.proto.domain)

    def error(self, problem: str) -> ModelError:
        """An error about this node."""
        return ModelError(f"{self.op} node {self.name!r}: {problem}")


@dataclass(frozen=True)
class Folded:
    """The node's only output is this constant."""

    value: NDArray[Any]


@dataclass(frozen=True)
class Forwarded:
    """The node's first output equals this input, and no other output is used."""

    source: str


Result = Node | tuple[Node, ...] | Folded | Forwarded | None
Function = Callable[..., Result]


@dataclass(frozen=True)
class Handler:
    """One version of one operator."""

    op: str
    domain: str
    since: int
    becomes: str
    function: Function
    parameters: dict[str, inspect.Parameter]

    def __call__(self, context: Context, node: RawNode) -> Result:
        """Read the attributes, check the arity, convert.

        Raises:
            ModelError: illegal or unknown attributes, missing inputs, or what the handler finds.
        """
        self._check_arity(context.opset, node)
        return self.function(context, node, **self.attributes(node))

    def attributes(self, node: RawNode) -> dict[str, Any]:
        """Attributes present on the node, by name.

        Raises:
            ModelError: unknown, repeated or of the wrong type, or a required one is missing.
        """
        values: dict[str, Any] = {}
        for attribute in node.proto.attribute:
            name = attribute.name
            if name not in self.parameters:
                raise node.error(
                    f"attribute {name!r} does not exist in this version of the operator (known: "
                    f"{', '.join(self.parameters) or 'none'}); export the model again"
                )
            if name in values:
                raise node.error(f"attribute {name!r} is given twice; export the model again")
            values[name] = _value(node, attribute, self.parameters[name])
        for name, parameter in self.parameters.items():
            if parameter.default is inspect.Parameter.empty and name not in values:
                raise node.error(f"the required attribute {name!r} is missing; export the model again")
        return values

    def _check_arity(self, opset: int, node: RawNode) -> None:
        if not onnx.defs.has(self.op, opset, self.domain):
            return  # an operator from outside ONNX: its handler knows
        schema = onnx.defs.get_schema(self.op, opset, self.domain)
        if not schema.min_input <= len(node.inputs) <= schema.max_input:
            raise node.error(f"has {len(node.inputs)} inputs, needs {schema.min_input} to {schema.max_input}")
        if not schema.min_output <= len(node.outputs) <= schema.max_output:
            raise node.error(f"has {len(node.outputs)} outputs, needs {schema.min_output} to {schema.max_output}")
        if not all(node.inputs[: schema.min_input]) or not all(node.outputs[: schema.min_output]):
            raise node.error("a required input or output has an empty name; export the model again")


_REGISTRY: dict[tuple[str, str], list[Handler]] = {}
_KINDS: dict[Any, tuple[int, str]] = {
    float: (AttributeProto.FLOAT, "f"),
    int: (AttributeProto.INT, "i"),
    bytes: (AttributeProto.STRING, "s"),
    TensorProto: (AttributeProto.TENSOR, "t"),
    SparseTensorProto: (AttributeProto.SPARSE_TENSOR, "sparse_tensor"),
    Sequence[float]: (AttributeProto.FLOATS, "floats"),
    Sequence[int]: (AttributeProto.INTS, "ints"),
    Sequence[bytes]: (AttributeProto.STRINGS, "strings"),
}


def handler(
    op: str, *, since: int, becomes: str, domain: str = ""
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Register a function as the handler of an operator from opset `since` on, up to the next one registered."""

    def register(function: Function) -> Function:
        add_handler(op, domain=domain, since=since, becomes=becomes, function=function)
        return function

    return register


def add_handler(op: str, *, domain: str, since: int, becomes: str, function: Function, sole: bool = False) -> None:
    """Register a function as the handler of an operator from opset `since` on, up to the next one registered.

    Raises:
        OptionError: `sole` was asked for, and the operator has a handler.
    """
    if sole and (domain, op) in _REGISTRY:
        raise OptionError(f"swm reads {op!r} of domain {domain!r} already")
    signature = inspect.signature(function, eval_str=True)
    parameters = {n: p for n, p in signature.parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    versions = _REGISTRY.setdefault((domain, op), [])
    versions.append(Handler(op, domain, since, becomes, function, parameters))
    versions.sort(key=lambda h: h.since)


def remove_handlers(op: str, *, domain: str) -> None:
    """Forget every handler of an operator."""
    _REGISTRY.pop((domain, op), None)


def find(domain: str, op: str, opset: int) -> Handler | None:
    """The handler of an operator at an opset; None if there is none and the node is carried along."""
    fitting = [h for h in _REGISTRY.get((domain, op), ()) if h.since <= opset]
    return fitting[-1] if fitting else None


@dataclass(frozen=True)
class Operator:
    """An operator, the opsets of its domain at which it is typed, and what it becomes in the graph."""

    domain: str
    op: str
    first: int
    last: int
    becomes: str


def operators() -> tuple[Operator, ...]:
    """What is typed, by domain and operator. Every operator that is not listed is carried along opaque."""
    newest = onnx.defs.onnx_opset_version()
    rows: list[Operator] = []
    for (domain, op), versions in sorted(_REGISTRY.items()):
        ends = [h.since - 1 for h in versions[1:]] + [newest]
        for version, end in zip(versions, ends, strict=True):
            standard = not domain and onnx.defs.has(op)
            first = max(version.since, OLDEST_OPSET) if standard else 1
            end = end if standard else 1  # of the other domains' operators there has been no other version yet
            if rows and (rows[-1].domain, rows[-1].op, rows[-1].becomes) == (domain, op, version.becomes):
                first = rows.pop().first
            rows.append(Operator(domain, op, first, end, version.becomes))
    return tuple(rows)


def _value(node: RawNode, attribute: AttributeProto, parameter: inspect.Parameter) -> Any:
    kind = parameter.annotation
    if isinstance(kind, UnionType):
        (kind,) = (k for k in get_args(kind) if k is not NoneType)
    number, field = _KINDS[kind]
    if attribute.ref_attr_name:
        raise node.error(f"attribute {attribute.name!r} refers to a function's attribute outside of any function")
    if attribute.type != number:
        given = AttributeProto.AttributeType.Name(attribute.type) if attribute.type else "no type"
        raise node.error(
            f"attribute {attribute.name!r} must be {AttributeProto.AttributeType.Name(number)}, not {given}; export "
            "the model again"
        )
    value = getattr(attribute, field)
    return tuple(value) if field.endswith("s") and field != "s" else value
