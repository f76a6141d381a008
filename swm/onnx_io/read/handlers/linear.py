# SPDX-License-Identifier: Apache-2.0
"""Handlers of matrix products and per-channel arithmetic: MatMul, BatchNormalization, Add, Sub, Mul, Div."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from swm.graph import Add, Affine, Div, Linear, MatMul, Mul, Sub
from swm.onnx_io.read.arguments import only_first
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import Forwarded, RawNode, Result, handler
from swm.structure import Dense

__all__ = ["check_width", "linear", "linear_product", "scaled"]

FloatArray = NDArray[np.float32]


@handler("MatMul", since=1, becomes="Linear, MatMul")
def matmul(context: Context, node: RawNode) -> Result:
    """`x W`, or `W x` with a vector x; any other product is one of two variables."""
    product = MatMul(name=node.name, inputs=node.inputs, outputs=node.outputs)
    return _matmul(context, node) or product


def linear_product(context: Context, node: RawNode, x: str, name: str, *, rows_first: bool) -> Result:
    """`x W`, or `x W^T` if the rows of W are the outputs; None if W is not a constant float32 matrix."""
    matrix = context.weight(name, node)
    if matrix is None or matrix.ndim != 2 or context.constant(x) is not None:
        return None
    check_width(context, node, x, matrix.shape[1 if rows_first else 0])
    return linear(context, node, x, (name, rows_first, 1.0), None)


def _matmul(context: Context, node: RawNode) -> Result:
    left, right = node.inputs
    w_left, w_right = context.constant(left), context.constant(right)
    if (w_left is None) == (w_right is None):
        return None
    if w_right is not None:
        x, name, transposed, matrix = left, right, False, w_right
    elif context.rank(right) == 1 and w_left is not None:
        x, name, transposed, matrix = right, left, True, w_left
    else:
        return None
    if matrix.ndim != 2 or context.rank(x) == 0:
        return None
    check_width(context, node, x, matrix.shape[1 if transposed else 0])
    return linear(context, node, x, (name, transposed, 1.0), None)


def check_width(context: Context, node: RawNode, x: str, n: int) -> None:
    """Raise ModelError if the last axis of x is known and not n."""
    width = context.width(x)
    if width is not None and width != n:
        raise node.error(
            f"its matrix takes {n} inputs, but {x!r} has shape {list(context.dims(x) or (width,))}; the model "
            "contradicts itself, export it again"
        )


def linear(
    context: Context, node: RawNode, x: str, key: tuple[str, bool, float], bias: FloatArray | None
) -> Linear | None:
    """Linear with the matrix `key`: initialiser, whether rows are outputs already, factor."""
    name, rows_first, alpha = key
    matrix = context.weight(name, node)
    if matrix is None or matrix.size == 0:
        return None
    weight = context.shared.get(key)
    if weight is None:
        factored = scaled(matrix, alpha)
        if factored is None:
            return None
        weight = Dense(np.ascontiguousarray(factored if rows_first else factored.T))
        context.shared[key] = weight
    context.widths[node.outputs[0]] = weight.shape[0]
    return Linear(name=node.name, inputs=(x,), outputs=node.outputs, weight=weight, bias=bias)


def scaled(values: FloatArray, factor: float) -> FloatArray | None:
    """The product rounded once, or None if it overflows where the original, which multiplies later, may not."""
    if factor == 1:
        return values
    with np.errstate(over="ignore"):
        product = (values.astype(np.float64) * factor).astype(np.float32)
    return product if np.isfinite(product).all() else None


@handler("BatchNormalization", since=7, becomes="Affine")
def batch_normalization_7(
    context: Context, node: RawNode, *, epsilon: float = 1e-5, momentum: float = 0.9, spatial: int = 1
) -> Result:
    """By channel; a mean for every position (`spatial` = 0) is carried along, but vectors have no positions."""
    if not spatial and context.rank(node.inputs[0]) != 2:
        return None
    return _batch_normalization(context, node, epsilon)


@handler("BatchNormalization", since=9, becomes="Affine")
def batch_normalization_9(context: Context, node: RawNode, *, epsilon: float = 1e-5, momentum: float = 0.9) -> Result:
    """By channel."""
    return _batch_normalization(context, node, epsilon)


@handler("BatchNormalization", since=14, becomes="Affine")
def batch_normalization_14(
    context: Context, node: RawNode, *, epsilon: float = 1e-5, momentum: float = 0.9, training_mode: int = 0
) -> Result:
    """By channel, at inference."""
    return None if training_mode else _batch_normalization(context, node, epsilon)


def _batch_normalization(context: Context, node: RawNode, epsilon: float) -> Result:
    x, *names = node.inputs
    parameters = [context.weight(name, node) for name in names]
    gamma, beta, mean, variance = parameters
    rank = context.rank(x)
    if rank is None or rank < 2 or context.constant(x) is not None or not only_first(context, node):
        return None
    if gamma is None or beta is None or mean is None or variance is None:
        return None
    if len({p.shape for p in (gamma, beta, mean, variance)}) != 1 or gamma.ndim != 1:
        raise node.error(f"scale, bias, mean and variance {names!r} must be vectors of one length; export again")
    channels = (context.dims(x) or (None, None))[1]
    if (channels if isinstance(channels, int) else len(gamma)) != len(gamma):
        raise node.error(f"has {len(gamma)} channels, but {x!r} has shape {list(context.dims(x) or ())}; export again")
    with np.errstate(all="ignore"):
        factor = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
        scale = factor.astype(np.float32)
        shift = (beta - mean * factor).astype(np.float32)
    return _affine(context, node, x, scale, shift, 1 - rank)


@handler("Add", since=7, becomes="Affine, Add")
def add(context: Context, node: RawNode) -> Result:
    """`x + c`, else `a + b`."""
    x, c, axis, _ = _operands(context, node)
    found = None if c is None else _affine(context, node, x, np.ones_like(c), c, axis)
    return found or Add(name=node.name, inputs=node.inputs, outputs=node.outputs)


@handler("Sub", since=7, becomes="Affine, Sub")
def sub(context: Context, node: RawNode) -> Result:
    """`x - c`, `c - x`, else `a - b`."""
    x, c, axis, constant_first = _operands(context, node)
    found: Result = None
    if c is not None and constant_first:
        found = _affine(context, node, x, np.full_like(c, -1), c, axis)
    elif c is not None:
        found = _affine(context, node, x, np.ones_like(c), -c, axis)
    return found or Sub(name=node.name, inputs=node.inputs, outputs=node.outputs)


@handler("Mul", since=7, becomes="Affine, Mul")
def mul(context: Context, node: RawNode) -> Result:
    """`x * c`, else `a * b`."""
    x, c, axis, _ = _operands(context, node)
    found = None if c is None else _affine(context, node, x, c, np.zeros_like(c), axis)
    return found or Mul(name=node.name, inputs=node.inputs, outputs=node.outputs)


@handler("Div", since=7, becomes="Affine, Div")
def div(context: Context, node: RawNode) -> Result:
    """`x / c`, else `a / b`."""
    quotient = Div(name=node.name, inputs=node.inputs, outputs=node.outputs)
    x, c, axis, constant_first = _operands(context, node)
    if c is None or constant_first:
        return quotient
    with np.errstate(all="ignore"):
        reciprocal = (1 / c.astype(np.float64)).astype(np.float32)
    # Below the normal numbers a reciprocal has lost digits that the quotient would have.
    if np.any(np.abs(reciprocal) < np.finfo(np.float32).tiny):
        return quotient
    return _affine(context, node, x, reciprocal, np.zeros_like(reciprocal), axis) or quotient


def _operands(context: Context, node: RawNode) -> tuple[str, FloatArray | None, int, bool]:
    """The variable operand, the constant one as a vector, the axis it lies along, and whether the constant is first.

    The vector is None unless one operand is constant, float32, has values along one axis at most and does not widen
    the other. The axis is negative.
    """
    left, right = node.inputs
    constant_first = context.constant(left) is not None
    x, name = (right, left) if constant_first else (left, right)
    c = context.constant(name)
    if c is None or context.constant(x) is not None or c.dtype != np.float32 or c.ndim > context.min_rank(x):
        return x, None, -1, constant_first
    axis = next((a - c.ndim for a, size in enumerate(c.shape) if size != 1), -1)
    dims = context.dims(x)
    length = context.width(x) if axis == -1 else dims[axis] if dims is not None else None
    fits = c.size == 1 or (c.ndim > 0 and c.shape[axis] == c.size == length)
    return x, c.reshape(-1) if fits and c.size else None, axis, constant_first


def _affine(context: Context, node: RawNode, x: str, scale: FloatArray, shift: FloatArray, axis: int) -> Result:
    if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
        return None  # a mask of -inf, say, is not a weight
    if (scale == 1).all() and (shift == 0).all():
        return Forwarded(x)
    if context.width(x) is not None and context.min_rank(x):
        context.widths.setdefault(node.outputs[0], context.width(x) or 0)
    return Affine(name=node.name, inputs=(x,), outputs=node.outputs[:1], scale=scale, shift=shift, axis=axis)
