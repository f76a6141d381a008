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
from onnx import FunctionProto, helper

from swm.errors import OptionError
from swm.onnx_io.function import DOMAIN, Body, same_body, standard_opset
from swm.structure import BlockCirculant, ConvStructure, WeightStructure, structure_called

__all__ = ["StoredTensor", "recognise_stored", "stored_function", "stored_tensor"]

_NAME = re.compile(
    r"([A-Za-z]+)(Kernel|Stack)_([1-9][0-9]{0,9}(?:x[1-9][0-9]{0,9}){2,3})_([a-z])([1-9][0-9]{0,3})(?:_[0-9]+)?"
)


@dataclass(frozen=True)
class StoredTensor:
    """What a function writes out: a kernel (M, C, kernel...), or the gate matrices of one direction, (1, m, n).

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
    def array_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what is stored, in the order of the function's inputs."""
        return self.kind.array_shapes(self.matrix, self.size)

    def weight(self, arrays: Mapping[str, NDArray[Any]]) -> WeightStructure:
        """The matrix that a call with these arrays stands for.

        Raises:
            OptionError: they contradict themselves.
        """
        return self.kind.from_arrays(self.matrix, self.size, arrays)


def stored_tensor(weight: WeightStructure | tuple[WeightStructure, ...], shape: tuple[int, ...]) -> StoredTensor | None:
    """How files hold a kernel of this shape, or the matrices of each direction; None if only as a dense tensor."""
    role, one = ("Stack", weight[0]) if isinstance(weight, tuple) else ("Kernel", weight)
    several = isinstance(weight, tuple) and len(weight) > 1
    if several or not one.function or isinstance(one, BlockCirculant | ConvStructure):
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
    transposed = kind.write_transposed(body, what.matrix, what.size)
    turned = body.node("Transpose", [transposed], "written_out", perm=(1, 0))
    body.node("Reshape", [turned, body.integers("tensor_shape", what.shape)], "tensor")
    return FunctionProto(
        name=name or f"{kind.function}{what.role}_{'x'.join(map(str, what.shape))}_{kind.letter}{what.size}",
        domain=DOMAIN,
        input=list(what.array_shapes),
        output=["tensor"],
        node=body.nodes,
        opset_import=[helper.make_opsetid("", opset)],
        doc_string=f"W as a tensor of shape {what.shape}. {kind.describe(what.matrix, what.size)}",
    )


def recognise_stored(function: FunctionProto) -> StoredTensor | None:
    """What a function writes out, if it is, node by node, what `stored_function` writes; else None."""
    match = _NAME.fullmatch(function.name)
    kind = None if match is None else structure_called(match[1])
    if function.domain != DOMAIN or match is None or kind is None or match[4] != kind.letter or kind is BlockCirculant:
        return None
    shape = tuple(map(int, match[3].split("x")))
    version = standard_opset(function)
    if version is None or (match[2] == "Stack" and (len(shape) != 3 or shape[0] != 1)):
        return None
    what = StoredTensor(match[2], shape, kind, int(match[5]))
    try:
        kind.check_size(what.size)
    except OptionError:
        return None
    return what if same_body(function, stored_function(what, version, function.name)) else None
