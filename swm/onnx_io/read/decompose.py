# SPDX-License-Identifier: Apache-2.0
"""One ONNX node taken apart into several operators, each typed by its own handler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, helper

from swm.graph import Node, TensorType
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import Folded, Forwarded, RawNode, find

__all__ = ["Decomposition"]

Dims = tuple[int | str | None, ...]


class Decomposition:
    """Collects what the operators become.

    Attributes:
        context: of the import.
        node: the ONNX node; the last operator takes its name and its output.
        nodes: typed nodes so far.
    """

    def __init__(self, context: Context, node: RawNode) -> None:
        """Begin with none."""
        self.context = context
        self.node = node
        self.nodes: list[Node] = []

    def elem(self, name: str) -> int | None:
        """Element type of a tensor, if known."""
        value = self.context.constant(name)
        if value is not None:
            return int(helper.np_dtype_to_tensor_dtype(value.dtype))
        kind = self.context.types.get(name)
        return None if kind is None else kind.elem

    def constant(self, value: NDArray[Any] | np.float32, role: str) -> str:
        """A new constant."""
        name = self.context.tensors.unique(f"{self.node.name}.{role}")
        self.context.constants[name] = np.asarray(value)
        return name

    def transpose(self, name: str, perm: Sequence[int], *, last: bool = False) -> str | None:
        """A tensor with its axes in another order."""
        dims = self.context.dims(name)
        transposed = None if dims is None or len(dims) != len(perm) else tuple(dims[p] for p in perm)
        return self.step("Transpose", (name,), self.elem(name), transposed, last=last, perm=tuple(perm))

    def step(
        self,
        operator: str,
        inputs: tuple[str, ...],
        elem: int | None,
        dims: Dims | None,
        *,
        last: bool = False,
        output: str = "",
        protos: Sequence[AttributeProto] = (),
        **attributes: Any,
    ) -> str | None:
        """Append what an operator becomes.

        Args:
            operator: of the default domain.
            inputs: tensors.
            elem: element type of the output, if known.
            dims: its dimensions, if known.
            last: whether it takes the node's own name and output.
            output: what it writes, where that is another output of the node.
            protos: attributes as they stand in a file.
            attributes: others, by name.

        Returns:
            The output; None if the operator cannot be typed, and so the whole node cannot.
        """
        context, node = self.context, self.node
        name = node.name if last else context.names.unique(f"{node.name}/{operator}")
        output = node.outputs[0] if last else output or context.tensors.unique(f"{node.name}/{operator}")
        proto = helper.make_node(operator, inputs, [output], name, **attributes)
        proto.attribute.extend(protos)
        if elem is not None:
            context.types[output] = TensorType(elem, dims)
        convert = find("", operator, context.opset)
        match None if convert is None else convert(context, RawNode(name, inputs, (output,), proto)):
            case Node() as made:
                self.nodes.append(made)
            case tuple() as several:
                self.nodes += several
            case Folded(value):
                context.constants[output] = value
            case Forwarded(source):
                return source
            case _:
                return None
        return output

    def whole(self, result: str | None) -> tuple[Node, ...] | None:
        """All nodes, if the last one writes the node's output."""
        return tuple(self.nodes) if result == self.node.outputs[0] else None
