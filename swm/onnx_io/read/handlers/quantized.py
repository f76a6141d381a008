# SPDX-License-Identifier: Apache-2.0
"""Handlers of ONNX's quantization operators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper

from swm.graph import ConvInteger, DequantizeLinear, MatMulInteger, QLinearConv, QLinearMatMul, QuantizeLinear
from swm.onnx_io.read.arguments import from_front, given, windows
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import RawNode, Result, handler

__all__: list[str] = []

_INTEGERS = frozenset({TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16})


@handler("QuantizeLinear", since=10, becomes="QuantizeLinear")
def quantize_linear_10(context: Context, node: RawNode) -> Result:
    """One scale."""
    return _quantize(context, node, 1, 0)


@handler("QuantizeLinear", since=13, becomes="QuantizeLinear")
def quantize_linear_13(context: Context, node: RawNode, *, axis: int = 1) -> Result:
    """A scale, or one a channel."""
    return _quantize(context, node, axis, 0)


@handler("QuantizeLinear", since=19, becomes="QuantizeLinear")
def quantize_linear_19(context: Context, node: RawNode, *, axis: int = 1, saturate: int = 1) -> Result:
    """`saturate` concerns only 8-bit floats, which are carried along."""
    return _quantize(context, node, axis, 0)


@handler("QuantizeLinear", since=21, becomes="QuantizeLinear")
def quantize_linear_21(
    context: Context, node: RawNode, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0, saturate: int = 1
) -> Result:
    """A scale, one a channel, or one a block."""
    return _quantize(context, node, axis, output_dtype, block_size)


@handler("QuantizeLinear", since=23, becomes="QuantizeLinear")
def quantize_linear_23(
    context: Context,
    node: RawNode,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Result:
    """The same, divided in a precision of its own."""
    return _quantize(context, node, axis, output_dtype, block_size, precision)


def _quantize(
    context: Context, node: RawNode, axis: int, output_dtype: int, block: int = 0, precision: int = 0
) -> Result:
    to = output_dtype or TensorProto.UINT8
    if given(node, 2):
        constant, kind = context.constant(node.inputs[2]), context.types.get(node.inputs[2])
        if constant is not None:
            to = helper.np_dtype_to_tensor_dtype(np.dtype(constant.dtype))
        elif kind is not None:
            to = kind.elem
        else:
            return None
    if to not in _INTEGERS or not _axis_exists(context, node, axis):
        return None
    axis = _axis(context, node, axis)
    return QuantizeLinear(
        name=node.name, inputs=node.inputs, outputs=node.outputs, to=to, axis=axis, block=block, precision=precision
    )


@handler("DequantizeLinear", since=10, becomes="DequantizeLinear")
def dequantize_linear_10(context: Context, node: RawNode) -> Result:
    """One scale."""
    return _dequantize(context, node, 1)


@handler("DequantizeLinear", since=13, becomes="DequantizeLinear")
def dequantize_linear_13(context: Context, node: RawNode, *, axis: int = 1) -> Result:
    """A scale, or one a channel."""
    return _dequantize(context, node, axis)


@handler("DequantizeLinear", since=21, becomes="DequantizeLinear")
def dequantize_linear_21(context: Context, node: RawNode, *, axis: int = 1, block_size: int = 0) -> Result:
    """A scale, one a channel, or one a block."""
    return _dequantize(context, node, axis, block_size)


@handler("DequantizeLinear", since=23, becomes="DequantizeLinear")
def dequantize_linear_23(
    context: Context, node: RawNode, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0
) -> Result:
    """The same, to a type of its own."""
    return _dequantize(context, node, axis, block_size, output_dtype)


def _dequantize(context: Context, node: RawNode, axis: int, block: int = 0, to: int = 0) -> Result:
    if not _axis_exists(context, node, axis):
        return None
    axis = _axis(context, node, axis)
    return DequantizeLinear(name=node.name, inputs=node.inputs, outputs=node.outputs, axis=axis, block=block, to=to)


def _axis_exists(context: Context, node: RawNode, axis: int) -> bool:
    rank = context.rank(node.inputs[0])
    return rank is None or -rank <= axis < rank or context.rank(node.inputs[1]) == 0


def _axis(context: Context, node: RawNode, axis: int) -> int:
    """Of a vector of scales; a single one has none, which is written as 1."""
    return 1 if context.rank(node.inputs[1]) == 0 else from_front(node, axis, context.rank(node.inputs[0]))


@handler("QLinearConv", since=10, becomes="QLinearConv")
def qlinear_conv(
    context: Context,
    node: RawNode,
    *,
    auto_pad: bytes = b"NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Result:
    """Where the size of the kernel is known."""
    kernel = _kernel(context, node, node.inputs[3], kernel_shape)
    if kernel is None:
        return None
    steps, around, gaps, rest = windows(context, node, kernel, strides, pads, dilations, auto_pad)
    return QLinearConv(
        name=node.name,
        inputs=node.inputs,
        outputs=node.outputs,
        kernel=kernel,
        strides=steps,
        pads=around,
        dilations=gaps,
        groups=group,
        auto_pad=rest,
    )


@handler("ConvInteger", since=10, becomes="ConvInteger")
def conv_integer(
    context: Context,
    node: RawNode,
    *,
    auto_pad: bytes = b"NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Result:
    """Where the size of the kernel is known."""
    kernel = _kernel(context, node, node.inputs[1], kernel_shape)
    if kernel is None:
        return None
    steps, around, gaps, rest = windows(context, node, kernel, strides, pads, dilations, auto_pad)
    return ConvInteger(
        name=node.name,
        inputs=node.inputs,
        outputs=node.outputs,
        kernel=kernel,
        strides=steps,
        pads=around,
        dilations=gaps,
        groups=group,
        auto_pad=rest,
    )


def _kernel(context: Context, node: RawNode, weight: str, given_shape: Sequence[int] | None) -> tuple[int, ...] | None:
    if given_shape is not None:
        return tuple(given_shape)
    sizes = (context.dims(weight) or ())[2:]
    known = tuple(s for s in sizes if isinstance(s, int))
    return known if known and len(known) == len(sizes) else None


@handler("QLinearMatMul", since=10, becomes="QLinearMatMul")
def qlinear_matmul(context: Context, node: RawNode) -> Result:
    """All."""
    return QLinearMatMul(name=node.name, inputs=node.inputs, outputs=node.outputs)


@handler("MatMulInteger", since=10, becomes="MatMulInteger")
def matmul_integer(context: Context, node: RawNode) -> Result:
    """All."""
    return MatMulInteger(name=node.name, inputs=node.inputs, outputs=node.outputs)
