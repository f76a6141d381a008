# SPDX-License-Identifier: Apache-2.0
"""Some channels of every position: what passes is cut where it is, without another order."""

from __future__ import annotations

from math import gcd, prod

from swm.accelerator.layout import Order, image_order
from swm.accelerator.operands import Held, Streams
from swm.graph import Node, Pad
from swm.layers.pad import MOST_POSITIONS, Margins, PadLayer

__all__ = ["take_channels"]


def take_channels(streams: Streams, node: Node, source: str) -> bool:
    """Place the layer of a Pad that cuts channels off, where a position's pass together; whether it is that.

    Those of an image lie along axis 1 in the model, those of a token along the last axis. Channels pass as pieces that
    the ends of the range allow, the pieces of a position as the columns of a grid.
    """
    sizes, held = streams.sizes(source), streams.of(source)
    if not isinstance(node, Pad) or sizes is None or len(sizes) < 2 or held.size != prod(sizes):
        return False
    rank, order = len(sizes) + 1, streams.orders[source]
    axes = {axis % rank for axis, pad in enumerate(node.pads) if pad}
    if len(node.pads) != 2 * rank or max(node.pads) > 0 or len(axes) != 1:
        return False
    image = axes == {1} and _passes_as_image(streams, source, sizes)
    if not image and not (axes == {rank - 1} and order is None):
        return False
    (axis,) = axes
    channels, positions = sizes[axis - 1], prod(sizes) // sizes[axis - 1]
    first, kept = -node.pads[axis], channels + node.pads[axis] + node.pads[axis + rank]
    piece = gcd(channels, gcd(first, kept))
    if kept < 1 or positions * channels // piece > MOST_POSITIONS:
        return False
    made: Order = image_order(kept, positions) if image else None
    margins = Margins(
        (positions, channels // piece), before=(0, -first // piece), behind=(0, node.pads[axis + rank] // piece)
    )
    brought = streams.brought(source, image_order(channels, positions) if image else None, channels)
    layer = PadLayer(
        kind="pad",
        name=f"l{len(streams.layers)}_channels",
        node=node.name,
        inputs=(brought,),
        output=node.outputs[0],
        shapes=((piece, positions * channels // piece),),
        m=piece,
        positions=prod(margins.out),
        margins=margins,
    )
    streams.layers.append(layer)
    streams.write(layer.output, Held(kept * positions, kept, held.grid), made)
    return True


def _passes_as_image(streams: Streams, source: str, sizes: tuple[int, ...]) -> bool:
    """Whether the channels of a position pass together, or groups of them are shuffled in hardware to do so."""
    order = streams.orders[source]
    return order is not None and (order == image_order(sizes[0], prod(sizes[1:])) or streams.shuffles(source))
