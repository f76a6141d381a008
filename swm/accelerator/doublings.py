# SPDX-License-Identifier: Apache-2.0
"""Scales by powers of two that move a binary point, behind a range or before a Concat, and cost no hardware."""

from __future__ import annotations

from dataclasses import fields, replace
from math import frexp

from swm.accelerator.operands import Streams
from swm.graph import Affine, Concat, Node
from swm.layers.concat import ConcatLayer
from swm.layers.pad import PadLayer
from swm.layers.values import FloatLayer

__all__ = ["doublings_of", "joined_layer", "take_doublings"]


def doublings_of(node: Affine) -> int | None:
    """How often an Affine doubles every value (halves: below 0); None where it does something else."""
    if len(node.scale) != 1 or node.shift.any() or not node.scale[0] > 0:
        return None
    mantissa, exponent = frexp(float(node.scale[0]))
    return exponent - 1 if mantissa == 0.5 else None


def take_doublings(streams: Streams, node: Node, source: str) -> bool:
    """Take the doublings of an Affine along with the layer before it, or the Concat behind it; whether it is that."""
    doublings = doublings_of(node) if isinstance(node, Affine) else None
    if doublings is None or len(streams.shape(source) or ()) != 2 or streams.orders[source] is not None:
        return False
    output, readers = node.outputs[0], streams.graph.readers()
    alone = len(readers[source]) == 1 and streams.origin[source] == source
    place = next((i for i, la in enumerate(streams.layers) if la.output == source), None)
    layer = None if place is None else streams.layers[place]
    if place is not None and isinstance(layer, PadLayer) and not layer.doublings and alone:
        streams.layers[place] = replace(layer, output=output, doublings=doublings)
        streams.write(output, streams.held[source], None)
        return True
    behind = readers.get(output, [])
    if len(behind) != 1 or not isinstance(behind[0], Concat):
        return False
    streams.alias(node, source, None)
    streams.doublings[output] = doublings
    return True


def joined_layer(streams: Streams, node: Node, layer: FloatLayer) -> FloatLayer:
    """A layer with the doublings of what it joins."""
    found = tuple(streams.doublings.get(t, 0) for t in node.inputs) if isinstance(node, Concat) else ()
    if not any(found):
        return layer
    return ConcatLayer(**{f.name: getattr(layer, f.name) for f in fields(FloatLayer)}, doublings=found)
