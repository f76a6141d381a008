# SPDX-License-Identifier: Apache-2.0
"""Handler of Gemm: one Linear where its matrix is constant, else the transposes, product and sum that it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from swm.graph import Linear
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.decompose import Decomposition
from swm.onnx_io.read.handlers.linear import check_width, linear, scaled
from swm.onnx_io.read.registry import RawNode, Result, handler

__all__: list[str] = []

FloatArray = NDArray[np.float32]


@handler("Gemm", since=7, becomes="Linear, MatMul")
def gemm(
    context: Context, node: RawNode, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0
) -> Result:
    """`alpha * A B + beta * C`."""
    addend = node.inputs[2] if len(node.inputs) > 2 and beta != 0 else ""
    if not transA:
        found = _layer(context, node, alpha, beta, addend, transB=bool(transB))
        if found is not None:
            return found
    for letter, name in zip("AB", node.inputs[:2], strict=True):
        if context.rank(name) not in (None, 2):
            raise node.error(f"{letter} is {name!r} of shape {list(context.dims(name) or ())}; Gemm needs a matrix")
    return _Pieces(context, node).build(alpha, beta, addend, bool(transA), bool(transB))


def _layer(context: Context, node: RawNode, alpha: float, beta: float, addend: str, *, transB: bool) -> Linear | None:
    """With constant B, and C constant and the same for every row."""
    x, b = node.inputs[:2]
    matrix = context.weight(b, node)
    if matrix is None or context.constant(x) is not None:
        return None
    if matrix.ndim != 2:
        raise node.error(f"B is {b!r} of shape {list(matrix.shape)}; Gemm needs a matrix, use MatMul for others")
    if context.rank(x) not in (None, 2):
        raise node.error(f"A is {x!r} of shape {list(context.dims(x) or ())}; Gemm needs a matrix, add a Flatten")
    m, n = matrix.shape if transB else matrix.shape[::-1]
    check_width(context, node, x, n)
    bias: FloatArray | None = None
    if addend:
        vector = context.weight(addend, node)
        if vector is None or vector.ndim > 2 or (vector.ndim == 2 and vector.shape[0] != 1):
            return None
        if vector.ndim and vector.shape[-1] not in (1, m):
            raise node.error(f"C is {addend!r} of shape {list(vector.shape)}, which does not fit {m} outputs")
        factored = scaled(vector.reshape(-1), beta)
        if factored is None:
            return None
        bias = np.array(np.broadcast_to(factored, (m,)))
    return linear(context, node, x, (b, transB, alpha), bias)


class _Pieces(Decomposition):
    """Takes a Gemm apart."""

    def build(self, alpha: float, beta: float, addend: str, transA: bool, transB: bool) -> Result:
        """The nodes; None where C may not fit as Gemm wants it, or a factor is of a type that is not float32."""
        context = self.context
        a, b = self.node.inputs[:2]
        elem = self.elem(a) or self.elem(b)
        addend = "" if self._is_zero(addend) else addend
        if (alpha != 1 or (addend and beta != 1)) and elem != TensorProto.FLOAT:
            return None
        rows, inner = self._dims(a, swapped=transA)
        again, columns = self._dims(b, swapped=transB)
        if isinstance(inner, int) and isinstance(again, int) and inner != again:
            raise self.node.error(
                f"{a!r} has {inner} columns and {b!r} {again} rows; the model contradicts itself, export it again"
            )
        if addend and not _fits(context.dims(addend), (rows, columns)):
            return None
        steps: list[tuple[str, Any]] = []  # what remains behind the product
        if alpha != 1:
            steps.append(("Mul", np.float32(alpha)))
        if addend:
            steps.append(("Add", addend))
        left = self.transpose(a, (1, 0)) if transA else a
        right = self.transpose(b, (1, 0)) if transB else b
        if left is None or right is None:
            return None
        result = self.step("MatMul", (left, right), elem, (rows, columns), last=not steps)
        for operator, operand in steps:
            last = operator == steps[-1][0]
            if operator == "Mul":
                operand = self.constant(operand, "alpha")
            elif beta != 1:
                operand = self._scaled(operand, beta, elem)
            if result is None or operand is None:
                return None
            result = self.step(operator, (result, operand), elem, (rows, columns), last=last)
        return self.whole(result)

    def _dims(self, name: str, *, swapped: bool) -> tuple[int | str | None, int | str | None]:
        dims = self.context.dims(name)
        if dims is None:
            return None, None
        return (dims[1], dims[0]) if swapped else (dims[0], dims[1])

    def _is_zero(self, name: str) -> bool:
        value = self.context.constant(name)
        return value is not None and not value.any()

    def _scaled(self, name: str, beta: float, elem: int | None) -> str | None:
        value = self.context.weight(name, self.node)
        if value is None:
            factor = self.constant(np.float32(beta), "beta")
            return self.step("Mul", (name, factor), elem, self.context.dims(name))
        factored = scaled(value, beta)
        return None if factored is None else self.constant(factored, "C")


def _fits(dims: tuple[int | str | None, ...] | None, product: tuple[int | str | None, ...]) -> bool:
    """Whether C surely broadcasts to the product, and not the product to C."""
    if dims is None or len(dims) > len(product):
        return False
    ends = product[len(product) - len(dims) :]
    return all(d == 1 or (d is not None and d == p) for d, p in zip(dims, ends, strict=True))
