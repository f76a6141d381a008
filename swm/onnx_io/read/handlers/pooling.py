# SPDX-License-Identifier: Apache-2.0
"""Handlers of pooling."""

from __future__ import annotations

from collections.abc import Sequence

from swm.graph import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool
from swm.onnx_io.read.arguments import only_first, windows
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import RawNode, Result, handler

__all__: list[str] = []

_Ints = Sequence[int] | None


@handler("MaxPool", since=1, becomes="MaxPool")
def max_pool_1(
    context: Context,
    node: RawNode,
    *,
    auto_pad: bytes = b"NOTSET",
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Result:
    """Of one output."""
    return _max_pool(context, node, kernel_shape, (strides, pads, None), auto_pad, 0)


@handler("MaxPool", since=8, becomes="MaxPool")
def max_pool_8(
    context: Context,
    node: RawNode,
    *,
    auto_pad: bytes = b"NOTSET",
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    storage_order: int = 0,
    strides: Sequence[int] | None = None,
) -> Result:
    """Where nothing reads the indices, which alone depend on storage_order."""
    return _max_pool(context, node, kernel_shape, (strides, pads, None), auto_pad, 0)


@handler("MaxPool", since=10, becomes="MaxPool")
def max_pool_10(
    context: Context,
    node: RawNode,
    *,
    auto_pad: bytes = b"NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    storage_order: int = 0,
    strides: Sequence[int] | None = None,
) -> Result:
    """Where nothing reads the indices."""
    return _max_pool(context, node, kernel_shape, (strides, pads, dilations), auto_pad, ceil_mode)


def _max_pool(
    context: Context, node: RawNode, kernel: Sequence[int], window: tuple[_Ints, _Ints, _Ints], auto: bytes, ceil: int
) -> Result:
    if not only_first(context, node):
        return None
    strides, pads, dilations, rest = windows(context, node, kernel, *window, auto)
    return MaxPool(
        name=node.name,
        inputs=node.inputs,
        outputs=node.outputs[:1],
        kernel=tuple(kernel),
        strides=strides,
        pads=pads,
        dilations=dilations,
        ceil=_rounds_up(ceil, auto),
        auto_pad=rest,
    )


@handler("AveragePool", since=7, becomes="AveragePool")
def average_pool_7(
    context: Context,
    node: RawNode,
    *,
    auto_pad: bytes = b"NOTSET",
    count_include_pad: int = 0,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Result:
    """All."""
    return _average_pool(context, node, kernel_shape, (strides, pads, None), auto_pad, 0, count_include_pad)


@handler("AveragePool", since=10, becomes="AveragePool")
def average_pool_10(
    context: Context,
    node: RawNode,
    *,
    auto_pad: bytes = b"NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Result:
    """With ceil_mode."""
    return _average_pool(context, node, kernel_shape, (strides, pads, None), auto_pad, ceil_mode, count_include_pad)


@handler("AveragePool", since=19, becomes="AveragePool")
def average_pool_19(
    context: Context,
    node: RawNode,
    *,
    auto_pad: bytes = b"NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Sequence[int] | None = None,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Result:
    """With dilations."""
    window = (strides, pads, dilations)
    return _average_pool(context, node, kernel_shape, window, auto_pad, ceil_mode, count_include_pad)


def _rounds_up(ceil: int, auto: bytes) -> bool:
    """Whether the output size is rounded up; SAME says how large it is.

    Beside VALID it is rounded up, as onnxruntime and onnx's shape inference do; the formula in ONNX's text says no.
    """
    return bool(ceil) and not auto.startswith(b"SAME")


def _average_pool(
    context: Context,
    node: RawNode,
    kernel: Sequence[int],
    window: tuple[_Ints, _Ints, _Ints],
    auto: bytes,
    ceil: int,
    include_pad: int,
) -> Result:
    strides, pads, dilations, rest = windows(context, node, kernel, *window, auto)
    return AveragePool(
        name=node.name,
        inputs=node.inputs,
        outputs=node.outputs,
        kernel=tuple(kernel),
        strides=strides,
        pads=pads,
        dilations=dilations,
        ceil=_rounds_up(ceil, auto),
        auto_pad=rest,
        include_pad=bool(include_pad),
    )


@handler("GlobalAveragePool", since=1, becomes="GlobalAveragePool")
def global_average_pool(context: Context, node: RawNode) -> Result:
    """All."""
    return GlobalAveragePool(name=node.name, inputs=node.inputs, outputs=node.outputs)


@handler("GlobalMaxPool", since=1, becomes="GlobalMaxPool")
def global_max_pool(context: Context, node: RawNode) -> Result:
    """All."""
    return GlobalMaxPool(name=node.name, inputs=node.inputs, outputs=node.outputs)
