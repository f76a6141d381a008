# SPDX-License-Identifier: Apache-2.0
"""Handlers that make constants, and that fold the short chains exporters put between a weight and its layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import SparseTensorProto, TensorProto

from swm.graph import Cast, Transpose
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import Folded, Forwarded, RawNode, Result, handler
from swm.onnx_io.tensors import has_native, is_native, to_array

__all__ = ["reshaped"]


@handler("Constant", since=1, becomes="constant")
def constant_1(context: Context, node: RawNode, *, value: TensorProto) -> Result:
    """A tensor."""
    return _tensor(value)


@handler("Constant", since=11, becomes="constant")
def constant_11(
    context: Context,
    node: RawNode,
    *,
    sparse_value: SparseTensorProto | None = None,
    value: TensorProto | None = None,
) -> Result:
    """A tensor; a sparse one is carried along."""
    _check_one(node)
    return None if value is None else _tensor(value)


@handler("Constant", since=12, becomes="constant")
def constant_12(
    context: Context,
    node: RawNode,
    *,
    sparse_value: SparseTensorProto | None = None,
    value: TensorProto | None = None,
    value_float: float | None = None,
    value_floats: Sequence[float] | None = None,
    value_int: int | None = None,
    value_ints: Sequence[int] | None = None,
    value_string: bytes | None = None,
    value_strings: Sequence[bytes] | None = None,
) -> Result:
    """A tensor or numbers; sparse tensors and text are carried along."""
    _check_one(node)
    if value is not None:
        return _tensor(value)
    for numbers, kind in (
        (value_float, np.float32),
        (value_floats, np.float32),
        (value_int, np.int64),
        (value_ints, np.int64),
    ):
        if numbers is not None:
            return Folded(np.array(numbers, dtype=kind))
    return None


def _check_one(node: RawNode) -> None:
    names = [a.name for a in node.proto.attribute]
    if len(names) != 1:
        raise node.error(f"needs exactly one value, has {names!r}; export the model again")


def _tensor(value: TensorProto) -> Result:
    return Folded(to_array(value)) if is_native(value) else None


@handler("Cast", since=6, becomes="Cast")
def cast_6(context: Context, node: RawNode, *, to: int) -> Result:
    """To an element type that numpy has too."""
    return _cast(context, node, to)


@handler("Cast", since=19, becomes="Cast")
def cast_19(context: Context, node: RawNode, *, to: int, saturate: int = 1) -> Result:
    """`saturate` concerns only 8-bit floats, which are carried along."""
    return _cast(context, node, to)


@handler("Cast", since=24, becomes="Cast")
def cast_24(context: Context, node: RawNode, *, to: int, saturate: int = 1, round_mode: bytes = b"up") -> Result:
    """`saturate` and `round_mode` concern only 8-bit floats, which are carried along."""
    return _cast(context, node, to)


@handler("CastLike", since=15, becomes="Cast")
def cast_like_15(context: Context, node: RawNode) -> Result:
    """To the type of another tensor, where that is known. torch casts the zeros of an absent bias so."""
    return _cast_like(context, node)


@handler("CastLike", since=19, becomes="Cast")
def cast_like_19(context: Context, node: RawNode, *, saturate: int = 1) -> Result:
    """As Cast of the same opset."""
    return _cast_like(context, node)


@handler("CastLike", since=24, becomes="Cast")
def cast_like_24(context: Context, node: RawNode, *, saturate: int = 1, round_mode: bytes = b"up") -> Result:
    """As Cast of the same opset."""
    return _cast_like(context, node)


def _cast_like(context: Context, node: RawNode) -> Result:
    target, value = node.inputs[1], context.constant(node.inputs[1])
    kind = context.types.get(target)
    if value is not None:
        return _cast(context, node, onnx.helper.np_dtype_to_tensor_dtype(value.dtype))
    return None if kind is None else _cast(context, node, kind.elem)


def _cast(context: Context, node: RawNode, to: int) -> Result:
    x = node.inputs[0]
    kind = context.types.get(x)
    if not has_native(to) or (kind and not has_native(kind.elem)):
        return None
    value = context.constant(x)
    if value is None and kind is not None and kind.elem == to:
        return Forwarded(x)  # exporters cast to the type that is there, between what would otherwise be one layer
    if value is None:
        return Cast(name=node.name, inputs=(x,), outputs=node.outputs, to=to)
    target = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(to))
    if target.kind in "iu" and value.dtype.kind != "b" and value.size:
        # Out of range the result differs between machines: the runtime shall decide, not this import.
        limits = np.iinfo(target)
        if not np.isfinite(value).all() or value.min() < limits.min or value.max() > limits.max:
            return None
    with np.errstate(over="ignore"):
        return Folded(value.astype(target))


@handler("Transpose", since=1, becomes="Transpose")
def transpose(context: Context, node: RawNode, *, perm: Sequence[int] | None = None) -> Result:
    """Of a variable; of a constant it is folded."""
    value = context.constant(node.inputs[0])
    if value is None:
        rank = context.rank(node.inputs[0])
        if rank is not None and perm is not None and sorted(perm) != list(range(rank)):
            raise node.error(f"perm {list(perm)} does not fit a tensor of rank {rank}; export the model again")
        if perm is None and rank is None:
            return None
        order = tuple(range(rank or 0))[::-1] if perm is None else tuple(perm)
        return Transpose(name=node.name, inputs=node.inputs, outputs=node.outputs, perm=order)
    if perm is not None and sorted(perm) != list(range(value.ndim)):
        raise node.error(f"perm {list(perm)} does not fit a tensor of rank {value.ndim}; export the model again")
    return Folded(np.transpose(value, perm))


def reshaped(node: RawNode, value: NDArray[Any], shape: tuple[int, ...], *, allow_zero: bool) -> Result:
    """ONNX Reshape of a constant.

    Raises:
        ModelError: the element counts differ.
    """
    target = list(shape)
    if not allow_zero:
        if any(d == 0 and i >= value.ndim for i, d in enumerate(target)):
            raise node.error(f"the shape {target} copies an axis that the constant of shape {list(value.shape)} lacks")
        target = [value.shape[i] if d == 0 else d for i, d in enumerate(target)]
    known = math.prod(d for d in target if d != -1)
    if known != value.size if -1 not in target else (not known or value.size % known):
        raise node.error(f"a constant of shape {list(value.shape)} cannot take the shape {list(shape)}; export again")
    return Folded(value.reshape(target))
