# SPDX-License-Identifier: Apache-2.0
"""One range of elements along one axis, as Slice and Gather take it."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.operands import Held, Streams
from swm.graph import Gather, Node, Slice
from swm.layers import registry
from swm.layers.pad import Pad
from swm.layers.values import FloatLayer

__all__ = ["Shape", "cut_tokens", "range_along", "take_values"]

_FAR = 2**31 - 1
Shape: TypeAlias = tuple[int | str | None, ...]


def range_along(node: Node, constants: Mapping[str, NDArray[np.generic]], shape: Shape) -> tuple[int, int, int] | None:
    """The axis along which a Slice or Gather takes one range, its first element, the one behind its last; or None."""
    if isinstance(node, Slice) and len(node.axes) == 1 and node.steps == (1,):
        axis, start, end = node.axes[0] % max(1, len(shape)), node.starts[0], node.ends[0]
    elif isinstance(node, Gather) and node.inputs[1] in constants and constants[node.inputs[1]].size == 1:
        axis, start = node.axis % max(1, len(shape)), int(np.reshape(constants[node.inputs[1]], -1)[0])
        end = start + 1 if start != -1 else _FAR
    else:
        return None
    size = shape[axis] if axis < len(shape) else None
    if not isinstance(size, int):
        return None
    first, behind, _ = slice(start, end).indices(size)
    return (axis, first, behind) if first < behind else None


def cut_tokens(
    streams: Streams, node: Node, tensors: tuple[str, str], shape: tuple[int, int], more: int, before: int = 0
) -> FloatLayer:
    """A layer with tokens of zeros behind a stream and before it, or (negative) tokens left away.

    Args:
        streams: where it is placed.
        node: what it is named for.
        tensors: that it reads and writes.
        shape: channels and tokens that come.
        more: tokens behind.
        before: tokens before.
    """
    kind = registry.kind(Pad.name)
    assert isinstance(kind, Pad)
    layer = kind.lengthened(f"l{len(streams.layers)}_steps", node.name, tensors, shape, more, before)
    streams.layers.append(layer)
    return layer


def take_values(streams: Streams, node: Node, source: str) -> bool:
    """Place the layer of a Slice of values of a sample, (batch, values); whether the node is that.

    The values pass as tokens of as many as the ends of the range allow.
    """
    shape = streams.shape(source) or ()
    taken = range_along(node, streams.graph.constants, shape) if isinstance(node, Slice) else None
    if taken is None or len(shape) != 2 or taken[0] != 1 or streams.orders[source] is not None:
        return False
    _, first, behind = taken
    size = streams.of(source).size
    if size is None or size != shape[1]:
        return False
    channels = gcd(first, behind, size)
    tokens = size // channels
    tensors = streams.origin[source], node.outputs[0]
    cut_tokens(streams, node, tensors, (channels, tokens), behind // channels - tokens, -first // channels)
    streams.write(node.outputs[0], Held(behind - first, channels), None)
    return True
