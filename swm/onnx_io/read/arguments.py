# SPDX-License-Identifier: Apache-2.0
"""What many handlers need to bring old and new forms of an operator to one meaning: axes, numbers, padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import RawNode

__all__ = ["axes_of", "from_front", "integers", "keep_width", "only_first", "scalar", "text", "windows"]


def text(value: bytes) -> str:
    """A string attribute; ONNX's own are ASCII."""
    return value.decode("utf-8", "replace")


def from_front(node: RawNode, axis: int, rank: int | None) -> int:
    """The axis counted from the front, or as it is where the rank is unknown.

    Raises:
        ModelError: there is no such axis.
    """
    if rank is None:
        return axis
    if not -rank <= axis < rank:
        raise node.error(f"axis {axis} does not exist in a tensor of rank {rank}; export the model again")
    return axis % rank


def axes_of(node: RawNode, axes: Sequence[int], rank: int | None) -> tuple[int, ...]:
    """Axes counted from the front where the rank is known, sorted."""
    found = sorted(from_front(node, a, rank) for a in axes)
    if len(set(found)) != len(found):
        raise node.error(f"the axes {list(axes)} name one axis twice; export the model again")
    return tuple(found)


def integers(context: Context, node: RawNode, place: int) -> tuple[int, ...] | None:
    """The input at `place` as numbers, if it is a constant vector of integers; None also where it is left out."""
    value = context.constant(node.inputs[place]) if given(node, place) else None
    if value is None or value.dtype.kind not in "iu" or value.ndim != 1:
        return None
    return tuple(int(v) for v in value)


def given(node: RawNode, place: int) -> bool:
    """Whether the node has an input at `place`."""
    return len(node.inputs) > place and bool(node.inputs[place])


def scalar(context: Context, name: str) -> float | None:
    """A constant float32 of one element, finite."""
    value = context.constant(name)
    if value is None or value.dtype != np.float32 or value.size != 1 or not np.isfinite(value).all():
        return None
    return float(value.reshape(())[()])


def only_first(context: Context, node: RawNode) -> bool:
    """Whether nothing reads any output but the first."""
    return not context.read.intersection(node.outputs[1:])


def keep_width(context: Context, node: RawNode) -> None:
    """The output has the width of the first input, also where shape inference does not know it."""
    width = context.width(node.inputs[0])
    if width is not None and context.min_rank(node.inputs[0]):
        context.widths.setdefault(node.outputs[0], width)


def windows(
    context: Context,
    node: RawNode,
    kernel: Sequence[int],
    strides: Sequence[int] | None,
    pads: Sequence[int] | None,
    dilations: Sequence[int] | None,
    auto_pad: bytes,
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], str]:
    """Strides, pads, dilations and what remains of auto_pad, with every default written out.

    SAME becomes explicit pads where the size of the input is known.

    Raises:
        ModelError: the attributes contradict each other.
    """
    axes = len(kernel)
    strides, dilations = tuple(strides or (1,) * axes), tuple(dilations or (1,) * axes)
    explicit = tuple(pads or (0,) * (2 * axes))
    if (
        len(strides) != axes
        or len(dilations) != axes
        or len(explicit) != 2 * axes
        or min((*strides, *dilations, *kernel), default=1) < 1
    ):
        raise node.error(
            f"kernel {list(kernel)}, strides {list(strides)}, pads {list(explicit)} and dilations {list(dilations)} do "
            "not fit each other; export the model again"
        )
    mode = text(auto_pad)
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise node.error(f"auto_pad {mode!r} does not exist; export the model again")
    if mode == "NOTSET":
        return strides, explicit, dilations, ""
    if mode == "VALID":
        return strides, (0,) * (2 * axes), dilations, ""
    sizes = (context.dims(node.inputs[0]) or ())[2:]
    known = [s for s in sizes if isinstance(s, int)]
    if len(known) != axes:
        return strides, (0,) * (2 * axes), dilations, mode
    begins, ends = [], []
    for size, k, step, gap in zip(known, kernel, strides, dilations, strict=True):
        total = max((-(-size // step) - 1) * step + (k - 1) * gap + 1 - size, 0)
        small, large = total // 2, total - total // 2
        begins.append(small if mode == "SAME_UPPER" else large)
        ends.append(large if mode == "SAME_UPPER" else small)
    return strides, (*begins, *ends), dilations, ""
