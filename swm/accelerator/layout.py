# SPDX-License-Identifier: Apache-2.0
"""In which order the values of a tensor pass through hardware.

A stream is positions one after the other, the channels of each together. ONNX has the channels of an image before its
positions, so an image passes in another order than it lies in an array: its channels come last. The heads of attention
lie before the tokens in the graph and inside them in the stream. A tensor of the graph is related to its stream by an
`Order`. A reshape keeps it, since it keeps the order of the values; a Transpose changes it and moves nothing. Where a
node wants another order than a tensor has, the lowering places a layer `reorder`, if that is the transpose of a matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Literal, NamedTuple, TypeAlias, TypeVar

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

__all__ = [
    "ChannelsLast",
    "Demand",
    "Order",
    "Part",
    "Permuted",
    "channels_first",
    "demand",
    "image_order",
    "order_of",
    "passing_axes",
    "repeated",
    "repeated_parts",
    "repeats",
    "transposed",
]

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


@dataclass(frozen=True)
class Permuted:
    """The order of a tensor of several axes that pass in another order, the last of `perm` fastest.

    Attributes:
        sizes: the tensor as the model has it, row-major.
        perm: its axes in the order in which the stream walks over them; along an axis that is not here, values repeat.
    """

    sizes: tuple[int, ...]
    perm: tuple[int, ...]

    def __post_init__(self) -> None:
        known = len({*self.perm}) == len(self.perm) and {*self.perm} <= {*range(len(self.sizes))}
        if not known or not self.perm or min(self.sizes, default=0) < 1:
            raise ValueError(f"{self.perm} is no order of axes {self.sizes}")

    @property
    def size(self) -> int:
        """Values a frame."""
        return prod(self.sizes[axis] for axis in self.perm)

    @property
    def repeats(self) -> int:
        """How often each of them stands in the tensor."""
        return prod(self.sizes) // self.size

    @property
    def channels(self) -> int:
        """Values of the axis that passes fastest."""
        return self.sizes[self.perm[-1]]

    @property
    def positions(self) -> int:
        """How often it passes."""
        return self.size // self.channels

    def to_words(self, values: NDArray[Number]) -> NDArray[Number]:
        """(samples, ...) in the model's order → (samples, size) in that of the stream."""
        first = tuple(slice(None) if axis in self.perm else slice(1) for axis in range(len(self.sizes)))
        once = values.reshape(len(values), *self.sizes)[:, *first]
        return once.transpose(self._axes).reshape(len(values), self.size)

    def to_model(self, values: NDArray[Number]) -> NDArray[Number]:
        """(samples, ...) in the order of the stream → (samples, size * repeats) in the model's."""
        along = [axis - 1 for axis in self._axes[1:]]
        passing = values.reshape(len(values), *(self.sizes[axis] if axis in self.perm else 1 for axis in along))
        there = passing.transpose(0, *(along.index(axis) + 1 for axis in range(len(along))))
        return np.broadcast_to(there, (len(values), *self.sizes)).reshape(len(values), -1)

    @property
    def _axes(self) -> tuple[int, ...]:
        """Samples, then the axes in the order in which they pass; those along which values repeat are the last."""
        again = (axis for axis in range(len(self.sizes)) if axis not in self.perm)
        return (0, *(axis + 1 for axis in (*self.perm, *again)))


Order: TypeAlias = ChannelsLast | Permuted | None
"""How a tensor passes; None: in the model's order."""


def repeats(order: Order) -> int:
    """How often each value of a stream stands in the tensor."""
    return order.repeats if isinstance(order, Permuted) else 1


def image_order(channels: int, positions: int) -> Order:
    """The order of an image; of one channel or one position that is the model's."""
    return ChannelsLast(channels, positions) if min(channels, positions) > 1 else None


def order_of(sizes: tuple[int, ...], passing: tuple[int, ...]) -> Order:
    """The order of a tensor whose axes pass in the order `passing`; axes that stay together become one.

    Along axes that are not in `passing` values repeat.
    """
    real = [axis for axis in passing if sizes[axis] > 1]
    there = [axis for axis, size in enumerate(sizes) if size > 1]
    place = {axis: i for i, axis in enumerate(there)}
    groups: list[list[int]] = []
    for axis in real:
        if groups and place[axis] == place[groups[-1][-1]] + 1:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    again = [[axis] for axis in there if axis not in real]
    rows = sorted([*groups, *again])  # as they lie in the tensor
    grouped = tuple(prod(sizes[axis] for axis in row) for row in rows)
    if len(rows) < 3 and not again:
        return ChannelsLast(*grouped) if len(rows) == 2 else None
    return Permuted(grouped, tuple(map(rows.index, groups)))


def passing_axes(order: Order, shape: tuple[int, ...]) -> tuple[Part, ...] | None:
    """Over what a stream walks, the last fastest; axes of one value are left out, one that is split comes in parts.

    Parts along which values repeat are none of them. None where the order does not belong to this shape.
    """
    found = _parts(order, shape)
    return None if found is None else found[1]


def repeated_parts(order: Order, shape: tuple[int, ...]) -> tuple[Part, ...] | None:
    """The parts of axes along which values repeat; None where the order does not belong to this shape."""
    found = _parts(order, shape)
    return None if found is None else tuple(part for part in found[0] if part not in found[1])


def _parts(order: Order, shape: tuple[int, ...]) -> tuple[tuple[Part, ...], tuple[Part, ...]] | None:
    """All parts of a tensor's axes, as they lie in it; and those that pass, in the order in which they do."""
    sizes, perm = (shape, tuple(range(len(shape)))) if order is None else _sizes_of(order)
    parts = _common(sizes, shape) if prod(sizes) == prod(shape) else None
    if parts is None:
        return None
    placed = [(one, Part(place, axis, size)) for place, (one, axis, size) in enumerate(parts)]
    return tuple(part for _, part in placed), tuple(part for axis in perm for one, part in placed if one == axis)


class Part(NamedTuple):
    """An axis of a tensor, or a part of one.

    Attributes:
        place: among all parts, as they lie in the tensor.
        axis: of the tensor.
        size: values.
    """

    place: int
    axis: int
    size: int


def _sizes_of(order: ChannelsLast | Permuted) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if isinstance(order, Permuted):
        return order.sizes, order.perm
    return (order.channels, order.positions), (1, 0)


def _common(first: tuple[int, ...], second: tuple[int, ...]) -> list[tuple[int, int, int]] | None:
    """Parts into which two shapes of the same values split: (axis of the first, axis of the second, values)."""
    parts, i, j = [], 0, 0
    left, right = [*first], [*second]
    while i < len(left) and j < len(right):
        size = min(left[i], right[j])
        if size < 1 or left[i] % size or right[j] % size:
            return None
        if size > 1:
            parts.append((i, j, size))
        left[i], right[j] = left[i] // size, right[j] // size
        i, j = i + (left[i] == 1), j + (right[j] == 1)
    return parts


def transposed(order: Order, shape: tuple[int, ...], perm: tuple[int, ...]) -> Order | Literal["other"]:
    """The order of what a Transpose makes of a tensor, while its stream stays as it is; "other" if that is not known.

    Args:
        order: of the tensor.
        shape: of the tensor without its axis of samples.
        perm: of these axes.
    """
    found = _parts(order, shape)
    if found is None:
        return "other"
    every, passing = found
    there = {axis: place for place, axis in enumerate(perm)}  # where each axis lies in the result
    parts = sorted(every, key=lambda part: (there[part.axis], part.place))
    return order_of(tuple(part.size for part in parts), tuple(parts.index(part) for part in passing))


def repeated(order: Order, shape: tuple[int, ...], wide: tuple[int, ...]) -> Order | Literal["other"]:
    """The order of what an Expand or a Tile makes of a tensor, while its stream stays as it is; "other" if none is.

    Args:
        order: of the tensor.
        shape: of the tensor without its axis of samples.
        wide: that of the result; where an axis is longer, what lies along it follows again and again.
    """
    found = _parts(order, shape)
    if found is None or not found[1] or len(shape) != len(wide) or any(w % h for h, w in zip(shape, wide, strict=True)):
        return "other"
    every, passing = found
    again = [Part(-1, axis, w // h) for axis, (h, w) in enumerate(zip(shape, wide, strict=True)) if w > h]
    parts = sorted([*every, *again], key=lambda part: (part.axis, part.place))
    return order_of(tuple(part.size for part in parts), tuple(parts.index(part) for part in passing))


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
