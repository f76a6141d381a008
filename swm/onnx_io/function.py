# SPDX-License-Identifier: Apache-2.0
"""Structured layers as model-local functions of domain `ai.swm`: written, and recognised by their body.

The body uses standard operators on the constant columns, so a runtime folds it into one matrix when it loads the file,
while the file stays as small as the columns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import FunctionProto, NodeProto, TensorProto, helper, numpy_helper

from swm.errors import ModelError, OptionError
from swm.structure import WeightStructure, structure_called

__all__ = ["DOMAIN", "VERSION", "Body", "Structured", "recognise", "same_body", "standard_opset", "structure_function"]

DOMAIN = "ai.swm"
VERSION = 1

_NAME = re.compile(r"([A-Za-z]+)_([1-9][0-9]{0,9})x([1-9][0-9]{0,9})_([a-z])([1-9][0-9]{0,3})(?:_[0-9]+)?")


class Body:
    """The nodes of a function at one opset; what structures write into (`swm.structure.FunctionBody`)."""

    def __init__(self, opset: int) -> None:
        """Start without nodes."""
        self.nodes: list[NodeProto] = []
        self._opset = opset

    def integers(self, name: str, values: Sequence[int] | NDArray[np.integer]) -> str:
        """A constant of int64; before opset 9 a Constant holds floating point only."""
        array = np.asarray(values)
        if self._opset >= 9:
            return self.node("Constant", [], name, value=numpy_helper.from_array(array.astype(np.int64)))
        self.node("Constant", [], f"{name}_double", value=numpy_helper.from_array(array.astype(np.float64)))
        return self.node("Cast", [f"{name}_double"], name, to=TensorProto.INT64)

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """A standard operator."""
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def slice(self, x: str, ends: Sequence[int], axes: Sequence[int], output: str) -> str:
        """The first elements of a tensor along some axes."""
        starts = [0] * len(ends)
        if self._opset < 10:
            return self.node("Slice", [x], output, axes=axes, starts=starts, ends=ends)
        inputs = [x, self.integers("starts", starts), self.integers("ends", ends)]
        if list(axes) != list(range(len(axes))):
            inputs.append(self.integers("axes", axes))
        return self.node("Slice", inputs, output)


@dataclass(frozen=True)
class Structured:
    """The matrix that a function of domain `ai.swm` multiplies by: its structure, shape and size."""

    kind: type[WeightStructure]
    shape: tuple[int, int]
    size: int


def structure_function(
    kind: type[WeightStructure], shape: tuple[int, int], size: int, opset: int, name: str = ""
) -> FunctionProto:
    """The function `y = x W^T` for a structured W.

    Args:
        kind: the structure.
        shape: (m, n).
        size: of the structure.
        opset: version of the standard operators in the body, 7 or newer.
        name: the function's name if the usual one is taken.

    Raises:
        ModelError: the structure has no form in files.
    """
    if not kind.function:
        raise ModelError(f"weights of {kind.__name__} have no ONNX form; give the class a function (WeightStructure)")
    body = Body(opset)
    body.node("MatMul", ["x", kind.write_transposed(body, shape, size)], "y")
    return FunctionProto(
        name=name or f"{kind.function}_{shape[0]}x{shape[1]}_{kind.letter}{size}",
        domain=DOMAIN,
        input=["x", *kind.array_shapes(shape, size)],
        output=["y"],
        node=body.nodes,
        opset_import=[helper.make_opsetid("", opset)],
        doc_string=kind.describe(shape, size),
    )


def recognise(function: FunctionProto) -> Structured | None:
    """What a function multiplies by, if it is, node by node, what `structure_function` writes; else None."""
    match = _NAME.fullmatch(function.name)
    kind = None if match is None else structure_called(match[1])
    if function.domain != DOMAIN or match is None or kind is None or match[4] != kind.letter:
        return None
    found = Structured(kind, (int(match[2]), int(match[3])), int(match[5]))
    try:
        kind.check_size(found.size)
    except OptionError:
        return None
    version = standard_opset(function)
    if version is None:
        return None
    own = structure_function(kind, found.shape, found.size, version, function.name)
    return found if same_body(function, own) else None


def standard_opset(function: FunctionProto) -> int | None:
    """Version of the standard operators in a function; None if it does not name one."""
    versions = [int(e.version) for e in function.opset_import if e.domain in ("", "ai.onnx")]
    return versions[0] if len(versions) == 1 else None


def same_body(function: FunctionProto, own: FunctionProto) -> bool:
    """Whether a function does, node by node, what one of ours does."""
    return (
        list(function.input) == list(own.input)
        and list(function.output) == list(own.output)
        and not function.attribute
        and not function.attribute_proto
        and [_content(node) for node in function.node] == [_content(node) for node in own.node]
    )


def _content(node: NodeProto) -> tuple[object, ...]:
    """What a node does, without its name and documentation."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    attributes = sorted(a.SerializeToString(deterministic=True) for a in node.attribute)
    return (domain, node.op_type, tuple(node.input), tuple(node.output), tuple(attributes))
