# SPDX-License-Identifier: Apache-2.0
"""Structured weights of Conv, LSTM, GRU and RNN in ONNX files: a function that writes columns out as the weight tensor.

The standard operator follows the call, so its attributes stay where every tool looks for them. The body has constant
inputs only: a runtime folds it when it loads the file.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import FunctionProto, helper

from swm.onnx_io.function import DOMAIN, Body, same_body, standard_opset
from swm.structure import BlockCirculant, BlockCirculantConv, WeightStructure
from swm.structure.circulant import MAX_BLOCK

__all__ = ["Expansion", "expansion_function", "expansion_of", "recognise_expansion"]

_NAME = re.compile(r"Circulant(Kernel|Stack)_([1-9][0-9]{0,9}(?:x[1-9][0-9]{0,9}){2,3})_k([1-9][0-9]{0,3})(?:_[0-9]+)?")


@dataclass(frozen=True)
class Expansion:
    """What a function writes out: a kernel (M, C, kernel...) or a stack of matrices (directions, m, n).

    Attributes:
        kind: "Kernel" or "Stack".
        shape: of the tensor written out.
        block: k.
    """

    kind: str
    shape: tuple[int, ...]
    block: int

    @property
    def matrix(self) -> tuple[int, int]:
        """Rows and columns of each matrix of blocks."""
        m, n = self.shape[:2] if self.kind == "Kernel" else self.shape[1:]
        return m, n

    @property
    def columns_shape(self) -> tuple[int, int, int, int]:
        """(matrices, p, q, k)."""
        m, n = self.matrix
        count = math.prod(self.shape[2:]) if self.kind == "Kernel" else self.shape[0]
        return count, -(-m // self.block), -(-n // self.block), self.block

    def structure(self, columns: NDArray[np.float32]) -> BlockCirculantConv | tuple[BlockCirculant, ...]:
        """The structured weight that a call with these columns stands for."""
        if self.kind == "Kernel":
            return BlockCirculantConv(columns, self.matrix, self.shape[2:])
        return tuple(BlockCirculant(np.ascontiguousarray(matrix), self.matrix) for matrix in columns)


def expansion_of(
    weight: WeightStructure | tuple[WeightStructure, ...],
) -> tuple[Expansion, NDArray[np.float32], object] | None:
    """The expansion of a structured weight, its columns (matrices, p, q, k), and what layers that share them share.

    None if only a dense tensor says what the weight is.
    """
    if isinstance(weight, BlockCirculantConv):
        what = Expansion("Kernel", (*weight.channels, *weight.kernel), weight.block)
        return what, weight.columns, weight.columns
    if not isinstance(weight, tuple):
        return None
    circulant = [w for w in weight if isinstance(w, BlockCirculant)]
    if len(circulant) != len(weight):
        return None
    first = circulant[0]
    what = Expansion("Stack", (len(weight), *first.shape), first.block)
    return what, np.stack([w.columns for w in circulant]), first.columns


def expansion_function(what: Expansion, opset: int, name: str = "") -> FunctionProto:
    """The function columns → tensor.

    Args:
        what: kind, shape and block.
        opset: version of the standard operators in the body, 7 or newer.
        name: the function's name if the usual one is taken.
    """
    (m, n), (count, p, q, k) = what.matrix, what.columns_shape
    body = Body(opset)
    # Columns repeated twice need no remainder in the index: entry k + r - c is w[(r - c) mod k].
    repeated = body.node("Concat", ["columns", "columns"], "repeated", axis=3)
    rows = body.integers("rows", np.arange(k, 2 * k)[:, None])
    cols = body.integers("cols", np.arange(k)[None, :])
    index = body.node("Sub", [rows, cols], "index")
    blocks = body.node("Gather", [repeated, index], "blocks", axis=3)  # (matrices, p, q, r, c)
    interleaved = body.node("Transpose", [blocks], "interleaved", perm=(0, 1, 3, 2, 4))
    padded_shape = body.integers("padded_shape", [count, p * k, q * k])
    padded = body.node("Reshape", [interleaved, padded_shape], "padded")
    stack = body.slice(padded, [m, n], [1, 2], "tensor" if what.kind == "Stack" else "matrices")
    if what.kind == "Kernel":
        last = body.node("Transpose", [stack], "positions_last", perm=(1, 2, 0))
        body.node("Reshape", [last, body.integers("shape", what.shape)], "tensor")
    meaning = "kernel positions" if what.kind == "Kernel" else "directions"
    return FunctionProto(
        name=name or f"Circulant{what.kind}_{'x'.join(map(str, what.shape))}_k{k}",
        domain=DOMAIN,
        input=["columns"],
        output=["tensor"],
        node=body.nodes,
        opset_import=[helper.make_opsetid("", opset)],
        doc_string=(
            f"Weights of shape {what.shape} of {p} x {q} circulant blocks. columns has shape {what.columns_shape}: "
            f"along the first axis {meaning}; columns[s, i, j] is the first column w of block (i, j) of the {m} x {n} "
            f"matrix of s, whose entry in row r and column c is w[(r - c) mod {k}], so that block times vector = "
            f"irfft(rfft(w) * rfft(vector)). Rows from {m} and columns from {n} on are padding and are cut off."
        ),
    )


def recognise_expansion(function: FunctionProto) -> Expansion | None:
    """The expansion that a function is, node by node; None if it is anything else."""
    match = _NAME.fullmatch(function.name)
    if function.domain != DOMAIN or match is None:
        return None
    kind, text, digits = match.groups()
    shape, block = tuple(map(int, text.split("x"))), int(digits)
    version = standard_opset(function)
    if not 2 <= block <= MAX_BLOCK or block & (block - 1) or version is None or (kind == "Stack" and len(shape) != 3):
        return None
    what = Expansion(kind, shape, block)
    return what if same_body(function, expansion_function(what, version, function.name)) else None
