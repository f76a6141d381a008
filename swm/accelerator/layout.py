# SPDX-License-Identifier: Apache-2.0
"""In which order the values of a tensor pass through hardware.

A stream is positions one after the other, the channels of each together. ONNX has the channels of an image before its
positions, so an image passes in another order than it lies in an array: its channels come last. A tensor of the graph
is related to its stream by an `Order`. A reshape keeps it, since it keeps the order of the values; a Transpose changes
it and moves nothing. Where a node wants another order than a tensor has, the lowering places a layer `reorder`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from swm.graph import (
    Activation,
    Affine,
    AveragePool,
    Concat,
    Conv,
    DepthToSpace,
    Elementwise,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool,
    Node,
    Pad,
    ReduceMax,
    ReduceMean,
    ReduceSum,
    Resize,
)
from swm.layers.prelu import ChannelSlopes

__all__ = ["ChannelsLast", "Demand", "Order", "channels_first", "demand", "image_order", "transposed"]

Size = TypeVar("Size", int, float)
Number = TypeVar("Number", bound=np.generic)
Demand: TypeAlias = Literal["image", "last", "model", "any"]
_IMAGES: tuple[type[Node], ...] = (Conv, DepthToSpace, MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool, Resize)


@dataclass(frozen=True)
class ChannelsLast:
    """The order of a tensor that holds `channels` rows of `positions` values: it passes as columns of `channels`.

    Attributes:
        channels: rows of the tensor as the model has it, words of a token of the stream.
        positions: the other way about.
    """

    channels: int
    positions: int

    @property
    def size(self) -> int:
        """Values a frame."""
        return self.channels * self.positions

    def to_words(self, values: NDArray[Number]) -> NDArray[Number]:
        """(samples, ...) in the model's order → (samples, size) in that of the stream."""
        return values.reshape(len(values), self.channels, self.positions).swapaxes(1, 2).reshape(len(values), self.size)

    def to_model(self, values: NDArray[Number]) -> NDArray[Number]:
        """(samples, ...) in the order of the stream → (samples, size) in the model's."""
        return values.reshape(len(values), self.positions, self.channels).swapaxes(1, 2).reshape(len(values), self.size)


Order: TypeAlias = ChannelsLast | None
"""How a tensor passes; None: in the model's order."""


def image_order(channels: int, positions: int) -> Order:
    """The order of an image; of one channel or one position that is the model's."""
    return ChannelsLast(channels, positions) if min(channels, positions) > 1 else None


def transposed(order: Order, shape: tuple[int, ...], perm: tuple[int, ...]) -> Order | Literal["other"]:
    """The order of what a Transpose makes of a tensor, while its stream stays as it is; "other" if none of ours.

    Args:
        order: of the tensor.
        shape: of the tensor without its axis of samples.
        perm: of these axes.
    """
    passing = _axes(order, shape)
    if passing is None:
        return "other"
    there = {axis: place for place, axis in enumerate(perm)}  # where each axis lies in the result
    along = [there[axis] for axis in passing if shape[axis] > 1]
    sizes = {there[axis]: shape[axis] for axis in passing}
    first = along.index(min(along)) if along else 0
    if along[first:] + along[:first] != sorted(along):
        return "other"
    return image_order(prod(sizes[a] for a in along[first:]), prod(sizes[a] for a in along[:first]))


def _axes(order: Order, shape: tuple[int, ...]) -> list[int] | None:
    """The axes of a tensor in the order in which its stream walks over them, the last fastest; None: it splits one."""
    axes = list(range(len(shape)))
    if order is None:
        return axes
    for split in axes:
        if prod(shape[:split]) == order.channels and prod(shape[split:]) == order.positions:
            return axes[split:] + axes[:split]
    return None


def demand(node: Node, rank: int | None) -> Demand:
    """In which order a node takes its inputs: an image's (channels along axis 1, or last), the model's, or any.

    Args:
        node: of the float graph.
        rank: of its first input; None if it is not known.
    """
    deep = rank is not None and rank > 2
    moved = _along_axes(node)
    if moved is not None and len(moved) == rank and moved[1] and not moved[-1]:
        return "last"
    if isinstance(node, _IMAGES) or (isinstance(node, Pad) and deep):
        return "image"
    if isinstance(
        node, ReduceMean | ReduceMax | ReduceSum
    ):  # over the positions of an image, or of a sequence of tokens
        return "image" if deep and node.axes == tuple(range(2, rank or 0)) else "model"
    if isinstance(node, Affine):
        if len(node.scale) == 1:
            return "any"
        return "image" if deep and node.axis in (1, 1 - (rank or 0)) else "model"
    if isinstance(node, ChannelSlopes):
        return "image" if deep and _first_axis(node, rank or 0) == 1 else "model"
    if isinstance(node, Concat):
        return "image" if deep and node.axis in (1, 1 - (rank or 0)) else "model"
    return "any" if isinstance(node, Elementwise | Activation) else "model"


def _along_axes(node: Node) -> list[bool] | None:
    """Of each axis: whether a Pad or Resize changes its length; None where that is not known, and for other nodes."""
    if isinstance(node, Pad):
        rank = len(node.pads) // 2
        return [bool(node.pads[axis] or node.pads[rank + axis]) for axis in range(rank)]
    if isinstance(node, Resize) and node.scales is not None and node.axes is None:
        return [scale != 1 for scale in node.scales]
    return None


def channels_first(node: Node) -> Node:
    """A Pad or Resize of an image with its channels last, as one of an image with its channels first."""
    if isinstance(node, Pad):
        rank = len(node.pads) // 2
        before, behind = node.pads[:rank], node.pads[rank:]
        return replace(node, pads=_turned(before) + _turned(behind))
    return replace(node, scales=_turned(node.scales)) if isinstance(node, Resize) and node.scales else node


def _turned(values: tuple[Size, ...]) -> tuple[Size, ...]:
    """Of axes samples, positions, channels: samples, channels, positions."""
    return values[:1] + values[-1:] + values[1:-1]


def _first_axis(node: ChannelSlopes, rank: int) -> int:
    """The axis of the slopes, where they lie along one."""
    sizes = node.slopes.shape
    along = [axis for axis, size in enumerate(sizes) if size > 1]
    return rank - len(sizes) + along[0] if len(along) == 1 else -1
