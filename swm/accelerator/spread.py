# SPDX-License-Identifier: Apache-2.0
"""A vector that is spread over many positions: what repeats it is a Resize by another name."""

from __future__ import annotations

from math import prod

from swm.graph import Expand, Graph, Resize

__all__ = ["spread"]


def spread(graph: Graph, node: Expand) -> Resize | None:
    """An Expand (or Tile) of one position with all its channels, to a sequence or an image; None where it is none.

    The channels lie along axis 1, or along the last one, as the code of an autoencoder before its LSTM does. Heads that
    repeat keys and values have more axes or positions, and products take those as they are.
    """
    sizes, wide = graph.sample_shape(node.inputs[0]), graph.sample_shape(node.outputs[0])
    if sizes is None or wide is None or len(sizes) != len(wide) or not 2 <= len(sizes) <= 3:
        return None
    if len(node.shape) != len(wide) + 1 or node.shape[0] != 1:  # samples are not repeated
        return None
    channels = [place for place in (0, len(sizes) - 1) if sizes[place] == wide[place] == prod(sizes)]
    if not channels or sizes == wide:
        return None
    scales = (1.0, *(float(w // h) for h, w in zip(sizes, wide, strict=True)))
    return Resize(name=node.name, inputs=node.inputs, outputs=node.outputs, mode="nearest", scales=scales)
