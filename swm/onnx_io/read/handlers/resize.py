# SPDX-License-Identifier: Apache-2.0
"""Handlers of Pad and Resize, whose forms changed most between opsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import helper

from swm.graph import Pad, Resize
from swm.onnx_io.read.arguments import from_front, given, integers, text
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import RawNode, Result, handler

__all__: list[str] = []


@handler("Pad", since=2, becomes="Pad")
def pad_2(
    context: Context, node: RawNode, *, mode: bytes = b"constant", pads: Sequence[int], value: float = 0.0
) -> Result:
    """Everything an attribute."""
    return _pad(context, node, tuple(pads), mode, value)


@handler("Pad", since=11, becomes="Pad")
def pad_11(context: Context, node: RawNode, *, mode: bytes = b"constant") -> Result:
    """Pads, and since opset 18 axes, as constant inputs."""
    pads, value = integers(context, node, 1), 0.0
    if pads is None:
        return None
    if given(node, 2):
        constant = context.constant(node.inputs[2])
        kind = context.types.get(node.inputs[0])
        if constant is None or constant.size != 1 or constant.dtype.kind not in "fiub" or kind is None:
            return None
        if helper.np_dtype_to_tensor_dtype(np.dtype(constant.dtype)) != kind.elem:
            return None
        value = constant.reshape(()).item()
        number = float(value)
        if (number == 0 and np.signbit(number)) or not (np.isfinite(number) or number == -np.inf):
            return None  # -inf stands before a MaxPool
    if given(node, 3):
        axes, rank = integers(context, node, 3), context.rank(node.inputs[0])
        if axes is None or rank is None or len(pads) != 2 * len(axes):
            return None
        full = [0] * (2 * rank)
        for i, axis in enumerate(axes):
            place = from_front(node, axis, rank)
            full[place], full[place + rank] = pads[i], pads[i + len(axes)]
        pads = tuple(full)
    return _pad(context, node, pads, mode, value)


def _pad(context: Context, node: RawNode, pads: tuple[int, ...], mode: bytes, value: float) -> Result:
    rank = context.rank(node.inputs[0])
    if rank is not None and len(pads) != 2 * rank:
        raise node.error(f"pads {list(pads)} do not fit a tensor of rank {rank}; export the model again")
    return Pad(name=node.name, inputs=node.inputs[:1], outputs=node.outputs, pads=pads, mode=text(mode), value=value)


@handler("Resize", since=10, becomes="Resize")
def resize_10(context: Context, node: RawNode, *, mode: bytes = b"nearest") -> Result:
    """By constant scales."""
    scales = _scales(context, node, 1)
    if scales is None or mode not in (b"nearest", b"linear"):
        return None
    return Resize(
        name=node.name,
        inputs=node.inputs[:1],
        outputs=node.outputs,
        mode=text(mode),
        scales=scales,
        coordinates="",
        nearest="",
    )


@handler("Resize", since=11, becomes="Resize")
def resize_11(
    context: Context,
    node: RawNode,
    *,
    coordinate_transformation_mode: bytes = b"half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    mode: bytes = b"nearest",
    nearest_mode: bytes = b"round_prefer_floor",
) -> Result:
    """Nearest and linear, by constant scales or to constant sizes, of every axis."""
    return _resize(context, node, mode, coordinate_transformation_mode, nearest_mode, extrapolation_value)


@handler("Resize", since=18, becomes="Resize")
def resize_18(
    context: Context,
    node: RawNode,
    *,
    antialias: int = 0,
    axes: Sequence[int] | None = None,
    coordinate_transformation_mode: bytes = b"half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: bytes = b"stretch",
    mode: bytes = b"nearest",
    nearest_mode: bytes = b"round_prefer_floor",
) -> Result:
    """The same, also of chosen axes; antialiasing is carried along."""
    kept = keep_aspect_ratio_policy != b"stretch"
    if antialias or (kept and axes is not None and min(axes, default=0) < 0):
        return None  # onnxruntime 1.31 overlooks negative axes when it keeps the ratio: it has the last word
    found = _resize(context, node, mode, coordinate_transformation_mode, nearest_mode, extrapolation_value)
    if found is None:
        return None
    rank = context.rank(node.inputs[0])
    places = None if axes is None else tuple(from_front(node, a, rank) for a in axes)
    return replace(found, axes=places, policy=text(keep_aspect_ratio_policy) if found.sizes else "stretch")


def _resize(
    context: Context, node: RawNode, mode: bytes, coordinates: bytes, nearest: bytes, extrapolation: float
) -> Resize | None:
    scales, sizes = _scales(context, node, 2), integers(context, node, 3)
    if mode not in (b"nearest", b"linear"):
        return None
    empty = given(node, 2) and (constant := context.constant(node.inputs[2])) is not None and constant.size == 0
    if given(node, 3):
        if sizes is None or (given(node, 2) and not empty):
            return None
        scales = None
    elif not scales:
        return None
    cropped = coordinates == b"tf_crop_and_resize"
    roi = _scales(context, node, 1) if cropped else None
    if cropped and not roi:
        return None
    return Resize(
        name=node.name,
        inputs=node.inputs[:1],
        outputs=node.outputs,
        mode=text(mode),
        scales=scales,
        sizes=sizes,
        coordinates=text(coordinates),
        nearest=text(nearest),
        roi=roi,
        extrapolation=extrapolation if cropped else 0.0,
    )


def _scales(context: Context, node: RawNode, place: int) -> tuple[float, ...] | None:
    value = context.constant(node.inputs[place]) if given(node, place) else None
    if value is None or value.dtype != np.float32 or value.ndim != 1 or not np.isfinite(value).all():
        return None
    return tuple(float(v) for v in value)
