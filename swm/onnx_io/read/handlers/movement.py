# SPDX-License-Identifier: Apache-2.0
"""Handlers of operators that move elements: Concat, Split, Slice, Gather, (Un)Squeeze, Expand, Tile, DepthToSpace."""

from __future__ import annotations

from collections.abc import Sequence

from swm.graph import Concat, DepthToSpace, Expand, Gather, Slice, Split, Squeeze, Unsqueeze
from swm.onnx_io.read.arguments import axes_of, from_front, given, integers, text
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import Forwarded, RawNode, Result, handler

__all__: list[str] = []


@handler("Concat", since=4, becomes="Concat")
def concat(context: Context, node: RawNode, *, axis: int) -> Result:
    """All; one tensor joined to none is that tensor (torchvision's DenseNet)."""
    ranks = {context.rank(t) for t in node.inputs} - {None}
    axis = from_front(node, axis, ranks.pop() if len(ranks) == 1 else None)
    if len(node.inputs) == 1:
        return Forwarded(node.inputs[0])
    return Concat(name=node.name, inputs=node.inputs, outputs=node.outputs, axis=axis)


@handler("Split", since=2, becomes="Split")
def split_2(context: Context, node: RawNode, *, axis: int = 0, split: Sequence[int] | None = None) -> Result:
    """Sizes as an attribute."""
    return _split(context, node, axis, split)


@handler("Split", since=13, becomes="Split")
def split_13(context: Context, node: RawNode, *, axis: int = 0) -> Result:
    """Sizes as a constant input."""
    sizes = integers(context, node, 1)
    return None if given(node, 1) and sizes is None else _split(context, node, axis, sizes)


@handler("Split", since=18, becomes="Split")
def split_18(context: Context, node: RawNode, *, axis: int = 0, num_outputs: int | None = None) -> Result:
    """Sizes as a constant input, or a number of parts."""
    sizes = integers(context, node, 1)
    if given(node, 1) == (num_outputs is not None) or (given(node, 1) and sizes is None):
        return None
    if num_outputs not in (None, len(node.outputs)):
        raise node.error(f"has {len(node.outputs)} outputs for {num_outputs} parts; export the model again")
    return _split(context, node, axis, sizes)


def _split(context: Context, node: RawNode, axis: int, sizes: Sequence[int] | None) -> Result:
    dims = context.dims(node.inputs[0])
    if not all(node.outputs) or (sizes is not None and len(sizes) != len(node.outputs)):
        return None
    axis = from_front(node, axis, None if dims is None else len(dims))
    length = dims[axis] if dims else None
    if sizes is None and isinstance(length, int):
        part = -(-length // len(node.outputs))
        if part * (len(node.outputs) - 1) > length:
            return None
        sizes = [part] * (len(node.outputs) - 1) + [length - part * (len(node.outputs) - 1)]
    chosen = None if sizes is None else tuple(sizes)
    return Split(name=node.name, inputs=node.inputs[:1], outputs=node.outputs, axis=axis, sizes=chosen)


@handler("Slice", since=1, becomes="Slice")
def slice_1(
    context: Context, node: RawNode, *, axes: Sequence[int] | None = None, ends: Sequence[int], starts: Sequence[int]
) -> Result:
    """Everything an attribute, no steps."""
    return _slice(context, node, starts, ends, axes, None)


@handler("Slice", since=10, becomes="Slice")
def slice_10(context: Context, node: RawNode) -> Result:
    """Everything a constant input."""
    starts, ends, axes, steps = (integers(context, node, place) for place in (1, 2, 3, 4))
    if starts is None or ends is None or (given(node, 3) and axes is None) or (given(node, 4) and steps is None):
        return None
    return _slice(context, node, starts, ends, axes, steps)


def _slice(
    context: Context,
    node: RawNode,
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None,
    steps: Sequence[int] | None,
) -> Result:
    rank = context.rank(node.inputs[0])
    axes = [from_front(node, a, rank) for a in (range(len(starts)) if axes is None else axes)]
    steps = [1] * len(starts) if steps is None else steps
    if len({len(starts), len(ends), len(axes), len(steps)}) != 1 or len(set(axes)) != len(axes) or 0 in steps:
        raise node.error(
            f"starts {list(starts)}, ends {list(ends)}, axes {list(axes)} and steps {list(steps)} do not fit each "
            "other; export the model again"
        )
    return Slice(
        name=node.name,
        inputs=node.inputs[:1],
        outputs=node.outputs,
        starts=tuple(starts),
        ends=tuple(ends),
        axes=tuple(axes),
        steps=tuple(steps),
    )


@handler("Gather", since=1, becomes="Gather")
def gather(context: Context, node: RawNode, *, axis: int = 0) -> Result:
    """All."""
    rank = context.rank(node.inputs[0])
    if rank == 0:
        return None
    return Gather(name=node.name, inputs=node.inputs, outputs=node.outputs, axis=from_front(node, axis, rank))


@handler("Squeeze", since=1, becomes="Squeeze")
def squeeze_1(context: Context, node: RawNode, *, axes: Sequence[int] | None = None) -> Result:
    """Axes as an attribute."""
    chosen = None if axes is None else axes_of(node, axes, context.rank(node.inputs[0]))
    return Squeeze(name=node.name, inputs=node.inputs[:1], outputs=node.outputs, axes=chosen)


@handler("Squeeze", since=13, becomes="Squeeze")
def squeeze_13(context: Context, node: RawNode) -> Result:
    """Axes as a constant input."""
    axes = integers(context, node, 1)
    if given(node, 1) and axes is None:
        return None
    chosen = None if axes is None else axes_of(node, axes, context.rank(node.inputs[0]))
    return Squeeze(name=node.name, inputs=node.inputs[:1], outputs=node.outputs, axes=chosen)


@handler("Unsqueeze", since=1, becomes="Unsqueeze")
def unsqueeze_1(context: Context, node: RawNode, *, axes: Sequence[int]) -> Result:
    """Axes as an attribute."""
    return _unsqueeze(context, node, axes)


@handler("Unsqueeze", since=13, becomes="Unsqueeze")
def unsqueeze_13(context: Context, node: RawNode) -> Result:
    """Axes as a constant input."""
    axes = integers(context, node, 1)
    return None if axes is None else _unsqueeze(context, node, axes)


def _unsqueeze(context: Context, node: RawNode, axes: Sequence[int]) -> Result:
    rank = context.rank(node.inputs[0])
    chosen = axes_of(node, axes, None if rank is None else rank + len(axes))
    return Unsqueeze(name=node.name, inputs=node.inputs[:1], outputs=node.outputs, axes=chosen)


@handler("Expand", since=8, becomes="Expand")
def expand(context: Context, node: RawNode) -> Result:
    """To a constant shape."""
    shape = integers(context, node, 1)
    if shape is None:
        return None
    return Expand(name=node.name, inputs=node.inputs[:1], outputs=node.outputs, shape=shape)


@handler("Tile", since=6, becomes="Expand")
def tile(context: Context, node: RawNode) -> Result:
    """Constant repeats of axes of one value, which is a broadcast."""
    times, dims = integers(context, node, 1), context.dims(node.inputs[0])
    if times is None or dims is None or len(times) != len(dims):
        return None
    if any(count < 1 or (count > 1 and size != 1) for count, size in zip(times, dims, strict=True)):
        return None
    return Expand(name=node.name, inputs=node.inputs[:1], outputs=node.outputs, shape=tuple(times))


@handler("DepthToSpace", since=1, becomes="DepthToSpace")
def depth_to_space_1(context: Context, node: RawNode, *, blocksize: int) -> Result:
    """Depth first."""
    return DepthToSpace(name=node.name, inputs=node.inputs, outputs=node.outputs, block=blocksize)


@handler("DepthToSpace", since=11, becomes="DepthToSpace")
def depth_to_space_11(context: Context, node: RawNode, *, blocksize: int, mode: bytes = b"DCR") -> Result:
    """Depth or column first."""
    if mode not in (b"DCR", b"CRD"):
        raise node.error(f"the mode {text(mode)!r} does not exist; export the model again")
    return DepthToSpace(name=node.name, inputs=node.inputs, outputs=node.outputs, block=blocksize, mode=text(mode))
