# SPDX-License-Identifier: Apache-2.0
"""Handler of Conv: attributes made explicit, auto_pad resolved, constant kernels typed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from swm.frontend._context import Context
from swm.frontend._registry import RawNode, Result, handler
from swm.graph import Conv
from swm.structure import CirculantKernel, Dense, WeightStructure


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


def _weight(context: Context, node: RawNode, name: str) -> tuple[WeightStructure, tuple[int, ...]] | None:
    """The kernel and its shape (M, C/group, kernel...); None if it is not constant, float32 and of rank 3 or 4."""
    structured = context.structured.get(name)
    if isinstance(structured, CirculantKernel):
        return structured, (*structured.channels, *structured.kernel)
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
