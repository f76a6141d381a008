# SPDX-License-Identifier: Apache-2.0
"""Handlers of Conv and ConvTranspose: attributes made explicit, auto_pad resolved, constant kernels typed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from swm.graph import Conv, ConvTranspose, TensorType
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import RawNode, Result, handler
from swm.structure import ConvStructure, Dense, WeightStructure


@handler("Conv", since=1, becomes="Conv")
def conv(
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
    """Over one or two spatial axes, with a constant float32 kernel and bias."""
    x, w, *rest = node.inputs
    bias_name = rest[0] if rest else ""
    bias = context.weight(bias_name, node) if bias_name else None
    if (bias_name and bias is None) or context.constant(x) is not None:
        return None
    found = _weight(context, node, w)
    if found is None:
        return None
    weight, (m, channels, *kernel) = found
    rank = len(kernel)
    if kernel_shape is not None and list(kernel_shape) != kernel:
        raise node.error(f"kernel_shape {list(kernel_shape)} contradicts the kernel {w!r} of {kernel}; export again")
    steps, spread = tuple(strides or (1,) * rank), tuple(dilations or (1,) * rank)
    if len(steps) != rank or len(spread) != rank or min(*steps, *spread) < 1 or group < 1 or m % group:
        return None  # the runtime has the last word on what it makes of these
    if bias is not None and bias.shape != (m,):
        raise node.error(f"the bias {bias_name!r} has shape {list(bias.shape)}, needs {[m]}; export the model again")
    dims = context.dims(x)
    if dims is not None and (len(dims) != rank + 2 or (isinstance(dims[1], int) and dims[1] != channels * group)):
        raise node.error(
            f"its kernel takes {channels * group} channels and {rank} spatial axes, but {x!r} has shape {list(dims)}; "
            "the model contradicts itself, export it again"
        )
    effective = [d * (k - 1) + 1 for d, k in zip(spread, kernel, strict=True)]
    resolved = _pads(auto_pad, pads, effective, steps, dims)
    if resolved is None:
        return None
    return Conv(
        name=node.name,
        inputs=(x,),
        outputs=node.outputs,
        weight=weight,
        bias=bias,
        channels=channels,
        kernel=tuple(kernel),
        strides=steps,
        dilations=spread,
        pads=resolved,
        group=group,
    )


@handler("ConvTranspose", since=1, becomes="ConvTranspose")
def conv_transpose(
    context: Context,
    node: RawNode,
    *,
    auto_pad: bytes = b"NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    output_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Result:
    """Over one or two spatial axes, with a constant float32 kernel and bias."""
    x, w, *rest = node.inputs
    bias_name = rest[0] if rest else ""
    bias = context.weight(bias_name, node) if bias_name else None
    weight = context.weight(w, node)
    if (bias_name and bias is None) or context.constant(x) is not None:
        return None
    if weight is None or weight.ndim not in (3, 4) or not weight.size:
        return None
    channels, each, *kernel = weight.shape
    rank = len(kernel)
    if kernel_shape is not None and list(kernel_shape) != kernel:
        raise node.error(f"kernel_shape {list(kernel_shape)} contradicts the kernel {w!r} of {kernel}; export again")
    steps, spread = tuple(strides or (1,) * rank), tuple(dilations or (1,) * rank)
    behind = tuple(output_padding or (0,) * rank)
    if not len(steps) == len(spread) == len(behind) == rank or min(*steps, *spread) < 1 or min(behind) < 0:
        return None  # the runtime has the last word on what it makes of these
    if group < 1 or channels % group or (auto_pad != b"NOTSET" and any(pads or ())):
        return None
    if bias is not None and bias.shape != (each * group,):
        raise node.error(
            f"the bias {bias_name!r} has shape {list(bias.shape)}, needs {[each * group]}; export the model again"
        )
    dims = context.dims(x)
    if dims is not None and (len(dims) != rank + 2 or (isinstance(dims[1], int) and dims[1] != channels)):
        raise node.error(
            f"its kernel takes {channels} channels and {rank} spatial axes, but {x!r} has shape {list(dims)}; "
            "the model contradicts itself, export it again"
        )
    effective = [d * (k - 1) + 1 for d, k in zip(spread, kernel, strict=True)]
    least = [e + b for e, b in zip(effective, behind, strict=True)]  # what one pixel of input becomes
    if output_shape:
        resolved = _pads_to(output_shape, auto_pad, least, steps, dims)
        if resolved is None:
            return None
        around, more = resolved
        behind = tuple(b + m for b, m in zip(behind, more, strict=True))
        least = [k + m for k, m in zip(least, more, strict=True)]
        if any(b >= max(s, d) for b, m, s, d in zip(behind, more, steps, spread, strict=True) if m):
            return None  # ONNX allows no more
    else:
        found = _pads_cut(auto_pad, pads, least, steps)
        if found is None:
            return None
        around = found
    # ONNX's inference gives up, and leaves a wrong rank, where output_shape is smaller than the input.
    context.types[node.outputs[0]] = TensorType(
        TensorProto.FLOAT, _upsampled(dims or (None,) * (rank + 2), each * group, steps, least, around)
    )
    return ConvTranspose(
        name=node.name,
        inputs=(x,),
        outputs=node.outputs,
        weight=weight,
        bias=bias,
        strides=steps,
        dilations=spread,
        pads=around,
        output_padding=behind,
        group=group,
    )


def _upsampled(
    dims: Sequence[int | str | None],
    outputs: int,
    strides: Sequence[int],
    least: Sequence[int],
    pads: Sequence[int],
) -> tuple[int | str | None, ...]:
    """Shape of the output of a transposed convolution."""
    cut = [a + b for a, b in zip(pads[: len(least)], pads[len(least) :], strict=True)]
    sizes = [
        (d - 1) * s + k - c if isinstance(d, int) else None
        for d, s, k, c in zip(dims[2:], strides, least, cut, strict=True)
    ]
    return dims[0], outputs, *sizes


def _pads_cut(
    auto_pad: bytes, pads: Sequence[int] | None, least: Sequence[int], strides: Sequence[int]
) -> tuple[int, ...] | None:
    """What a transposed convolution cuts off; SAME leaves input times stride, whatever the size of the input."""
    rank = len(least)
    if auto_pad == b"NOTSET":
        given = tuple(pads or (0,) * (2 * rank))
        return given if len(given) == 2 * rank and min(given) >= 0 else None
    if auto_pad == b"VALID":
        return (0,) * (2 * rank)
    if auto_pad not in (b"SAME_UPPER", b"SAME_LOWER"):
        return None
    return _shared([max(k - s, 0) for k, s in zip(least, strides, strict=True)], auto_pad)


def _pads_to(
    output_shape: Sequence[int],
    auto_pad: bytes,
    least: Sequence[int],
    strides: Sequence[int],
    dims: Sequence[int | str | None] | None,
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """What is cut off and what is added behind to reach an output shape; None where the input's sizes are unknown."""
    sizes = [s for s in (dims or ())[2:] if isinstance(s, int)]
    if not len(output_shape) == len(sizes) == len(least) or min(output_shape) < 0:
        return None
    totals = [(i - 1) * s + k - w for i, s, k, w in zip(sizes, strides, least, output_shape, strict=True)]
    return _shared([max(t, 0) for t in totals], auto_pad), tuple(max(-t, 0) for t in totals)


def _shared(totals: Sequence[int], auto_pad: bytes) -> tuple[int, ...]:
    """Shares before and behind; of an odd total SAME_UPPER gives the greater one to the end, all else to the start."""
    small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return (*small, *large) if auto_pad == b"SAME_UPPER" else (*large, *small)


def _weight(context: Context, node: RawNode, name: str) -> tuple[WeightStructure, tuple[int, ...]] | None:
    """The kernel and its shape (M, C/group, kernel...); None if it is not constant, float32 and of rank 3 or 4."""
    structured = context.structured.get(name)
    if isinstance(structured, ConvStructure):
        return structured, (*structured.channels, *structured.kernel)
    if name in context.kernels:
        return context.kernels[name]
    tensor = context.weight(name, node)
    if tensor is None or tensor.ndim not in (3, 4) or not tensor.size:
        return None
    key = ("conv", name)
    if key not in context.shared:
        context.shared[key] = Dense(np.ascontiguousarray(tensor).reshape(len(tensor), math.prod(tensor.shape[1:])))
    return context.shared[key], tensor.shape


def _pads(
    auto_pad: bytes,
    pads: Sequence[int] | None,
    effective: Sequence[int],
    strides: Sequence[int],
    dims: Sequence[int | str | None] | None,
) -> tuple[int, ...] | None:
    """Explicit zeros before and after each axis; None where they depend on a size that is not known."""
    rank = len(effective)
    if auto_pad == b"VALID":
        return (0,) * (2 * rank)
    if auto_pad == b"NOTSET":
        given = tuple(pads or (0,) * (2 * rank))
        return given if len(given) == 2 * rank and min(given) >= 0 else None
    if auto_pad not in (b"SAME_UPPER", b"SAME_LOWER"):
        return None
    before, after = [], []
    for axis, (k, stride) in enumerate(zip(effective, strides, strict=True)):
        size = dims[2 + axis] if dims is not None else None
        if stride == 1:
            total = k - 1
        elif isinstance(size, int) and size > 0:
            total = max((-(-size // stride) - 1) * stride + k - size, 0)
        else:
            return None
        small, large = total // 2, total - total // 2
        before.append(small if auto_pad == b"SAME_UPPER" else large)
        after.append(large if auto_pad == b"SAME_UPPER" else small)
    return (*before, *after)
