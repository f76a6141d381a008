# SPDX-License-Identifier: Apache-2.0
"""Operators of one's own: a file that defines a node, how it is read and how it is written, and registers the three.

    @dataclass(frozen=True, kw_only=True, eq=False)
    class Sign(Node):
        op: ClassVar[str] = "Sign"

    def read(context: Context, node: RawNode) -> Result:
        return Sign(name=node.name, inputs=node.inputs, outputs=node.outputs)

    def write(target: Target, node: Sign) -> None:
        target.add(node, "Sign")

    register_operator("Sign", since=9, node=Sign, read=read, write=write)

Loading then gives the typed node, saving and the float engine write it. An operator of another domain is written in
standard operators, for onnxruntime must run it; swm's own operators are registered the same way, by `handler` and
`writer` (`read/registry.py`, `write/registry.py`).
"""

from __future__ import annotations

from swm.errors import OptionError
from swm.graph import Node
from swm.onnx_io.read.registry import Function, add_handler, remove_handlers
from swm.onnx_io.write.registry import Writer, find_writer, register_writer, unregister_writer

__all__ = ["register_operator", "unregister_operator"]

_OWN: dict[tuple[str, str], type[Node]] = {}


def register_operator(
    operator: str, *, node: type[Node], read: Function, write: Writer, domain: str = "", since: int = 1
) -> None:
    """Read an ONNX operator as a node of one's own type, and write such nodes.

    Args:
        operator: its name in ONNX.
        node: the type, a subclass of `swm.graph.Node`.
        read: `read(context, node, *, attribute: type = default)` gives a `Result`, see `swm.onnx_io.read.registry`.
        write: `write(target, node)` appends ONNX nodes, see `swm.onnx_io.write.target`.
        domain: of the operator, "" for ONNX's own.
        since: the opset from which on this holds. Call again for another form, with the same node and writer.

    Raises:
        OptionError: swm types the operator already, or another operator's writer writes this type of node.
    """
    key = (domain, operator)
    known = _OWN.get(key)
    if known is not None and known is not node:
        raise OptionError(f"{operator!r} of domain {domain!r} is registered as {known.__name__}; unregister it first")
    if known is None and find_writer(node) not in (None, write):
        raise OptionError(f"nodes of {node.__name__} are written already; define a type of node for {operator!r}")
    add_handler(operator, domain=domain, since=since, becomes=node.op, function=read, sole=known is None)
    register_writer(node, write)
    _OWN[key] = node


def unregister_operator(operator: str, *, domain: str = "") -> None:
    """Carry an operator along opaque again that `register_operator` made typed.

    Raises:
        OptionError: it is not registered.
    """
    node = _OWN.pop((domain, operator), None)
    if node is None:
        raise OptionError(f"{operator!r} of domain {domain!r} was not registered")
    remove_handlers(operator, domain=domain)
    if node not in _OWN.values():
        unregister_writer(node)
