# SPDX-License-Identifier: Apache-2.0
"""In which order the values of a tensor pass through hardware.

A stream is positions one after the other, the channels of each together. ONNX has the channels of an image before its
positions, so an image passes in another order than it lies in an array: its channels come last. A tensor of the graph
is related to its stream by an `Order`. A reshape keeps it, since it keeps the order of the values; a Transpose changes
it and moves nothing. Where a node wants another order than a tensor has, the lowering places a layer `reorder`.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    ConvTranspose,
    Elementwise,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool,
    Node,
    Pad,
    ReduceMax,
    ReduceMean,
    Resize,
)
from swm.layers.prelu import ChannelSlopes

__all__ = ["ChannelsLast", "Demand", "Order", "demand", "image_order", "transposed"]

Number = TypeVar("Number", bound=np.generic)
Demand: TypeAlias = Literal["image", "model", "any"]
_IMAGES: tuple[type[Node], ...] = (Conv, ConvTranspose, MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool, Resize)
_MOST_VALUES = 1 << 24  # of a tensor that is transposed; a model file may declare any shape


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
    size = prod(shape)
    if size > _MOST_VALUES:
        return "other"
    before = np.arange(size)
    stream = before[None] if order is None else order.to_words(before[None])
    moved = before.reshape(shape).transpose(perm).ravel()  # of each value of the result, where it lay
    place = np.empty_like(moved)
    place[moved] = before
    found = place[stream[0]]
    if size < 2 or (found == before).all():
        return None
    positions = int(found[1])
    made = ChannelsLast(size // max(positions, 1), positions)
    right = made.size == size and (made.to_words(before[None])[0] == found).all()
    return made if right else "other"


def demand(node: Node, rank: int | None) -> Demand:
    """In which order a node takes its inputs: as images (channels along axis 1), as the model has them, or in any.

    Args:
        node: of the float graph.
        rank: of its first input; None if it is not known.
    """
    deep = rank is not None and rank > 2
    if isinstance(node, _IMAGES) or (isinstance(node, Pad) and deep):
        return "image"
    if isinstance(node, ReduceMean | ReduceMax):  # over the positions of an image, or of a sequence of tokens
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


def _first_axis(node: ChannelSlopes, rank: int) -> int:
    """The axis of the slopes, where they lie along one."""
    sizes = node.slopes.shape
    along = [axis for axis, size in enumerate(sizes) if size > 1]
    return rank - len(sizes) + along[0] if len(along) == 1 else -1
