# SPDX-License-Identifier: Apache-2.0
"""Kernels and gate matrices of any structure in ONNX files: a function that writes out what is stored as a tensor.

As `expand` for block-circulant ones: the standard operator follows the call. The body is that of the matrix product's
function (`swm.onnx_io.function`) up to the matrix, which then takes the tensor's shape.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from onnx import FunctionProto, NodeProto, helper

from swm.errors import OptionError
from swm.onnx_io.function import DOMAIN, Body, same_body, standard_opset
from swm.structure import BlockCirculant, ConvStructure, WeightStructure, structure_called

__all__ = ["StoredTensor", "recognise_stored", "stored_function", "stored_tensor"]

_NAME = re.compile(
    r"([A-Za-z]+)(Kernel|Stack)_([1-9][0-9]{0,9}(?:x[1-9][0-9]{0,9}){2,3})_([a-z])([1-9][0-9]{0,3})(?:_[0-9]+)?"
)
_SUFFIXES = {1: ("",), 2: ("_forward", "_reverse")}


@dataclass(frozen=True)
class StoredTensor:
    """What a function writes out: a kernel (M, C, kernel...), or the gate matrices of each direction, (1 or 2, m, n).

    Attributes:
        role: "Kernel" or "Stack".
        shape: of the tensor.
        kind: the structure of its matrix: (M, C * positions), or (m, n).
        size: of the structure.
    """

    role: str
    shape: tuple[int, ...]
    kind: type[WeightStructure]
    size: int

    @property
    def matrix(self) -> tuple[int, int]:
        """Shape of the matrix."""
        shape = self.shape if self.role == "Kernel" else self.shape[1:]
        return shape[0], math.prod(shape[1:])

    @property
    def directions(self) -> int:
        """Matrices in the tensor: 2 of a recurrent layer that runs both ways, else 1."""
        return self.shape[0] if self.role == "Stack" else 1

    @property
    def array_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what is stored of one matrix, in the order of the function's inputs."""
        return self.kind.array_shapes(self.matrix, self.size)

    @property
    def inputs(self) -> list[str]:
        """Names of the function's inputs, matrix after matrix."""
        return [f"{name}{suffix}" for suffix in _SUFFIXES[self.directions] for name in self.array_shapes]

    def weight(self, arrays: Mapping[str, NDArray[Any]]) -> WeightStructure:
        """The matrix that these arrays, of one direction, stand for.

        Raises:
            OptionError: they contradict themselves.
        """
        return self.kind.from_arrays(self.matrix, self.size, arrays)


def stored_tensor(weight: WeightStructure | tuple[WeightStructure, ...], shape: tuple[int, ...]) -> StoredTensor | None:
    """How files hold a kernel of this shape, or the matrices of each direction; None if only as a dense tensor."""
    role, one = ("Stack", weight[0]) if isinstance(weight, tuple) else ("Kernel", weight)
    if not one.function or isinstance(one, BlockCirculant | ConvStructure):
        return None
    return StoredTensor(role, shape, type(one), one.size)


def stored_function(what: StoredTensor, opset: int, name: str = "") -> FunctionProto:
    """The function from what is stored to the tensor.

    Args:
        what: structure and shape.
        opset: version of the standard operators in the body, 7 or newer.
        name: the function's name if the usual one is taken.
    """
    kind, body = what.kind, Body(opset)
    if what.directions == 1:
        _write(body, what, what.shape)
    else:
        for suffix in _SUFFIXES[what.directions]:
            part = Body(opset)
            _write(part, what, (1, *what.matrix))
            body.nodes += [_renamed(node, suffix) for node in part.nodes]
        body.node("Concat", [f"tensor{suffix}" for suffix in _SUFFIXES[what.directions]], "tensor", axis=0)
    return FunctionProto(
        name=name or f"{kind.function}{what.role}_{'x'.join(map(str, what.shape))}_{kind.letter}{what.size}",
        domain=DOMAIN,
        input=what.inputs,
        output=["tensor"],
        node=body.nodes,
        opset_import=[helper.make_opsetid("", opset)],
        doc_string=f"W as a tensor of shape {what.shape}. {kind.describe(what.matrix, what.size)}",
    )


def _write(body: Body, what: StoredTensor, shape: tuple[int, ...]) -> None:
    """One matrix as a tensor."""
    transposed = what.kind.write_transposed(body, what.matrix, what.size)
    turned = body.node("Transpose", [transposed], "written_out", perm=(1, 0))
    body.node("Reshape", [turned, body.integers("tensor_shape", shape)], "tensor")


def _renamed(node: NodeProto, suffix: str) -> NodeProto:
    """The same node with other tensors, and a name of its own, which onnxruntime wants."""
    made = NodeProto()
    made.CopyFrom(node)
    made.name = f"{node.name}{suffix}"
    for names in (made.input, made.output):
        names[:] = [f"{name}{suffix}" if name else "" for name in names]
    return made


def recognise_stored(function: FunctionProto) -> StoredTensor | None:
    """What a function writes out, if it is, node by node, what `stored_function` writes; else None."""
    match = _NAME.fullmatch(function.name)
    kind = None if match is None else structure_called(match[1])
    if function.domain != DOMAIN or match is None or kind is None or match[4] != kind.letter or kind is BlockCirculant:
        return None
    shape = tuple(map(int, match[3].split("x")))
    version = standard_opset(function)
    if version is None or (match[2] == "Stack" and (len(shape) != 3 or shape[0] not in _SUFFIXES)):
        return None
    what = StoredTensor(match[2], shape, kind, int(match[5]))
    try:
        kind.check_size(what.size)
    except OptionError:
        return None
    return what if same_body(function, stored_function(what, version, function.name)) else None
