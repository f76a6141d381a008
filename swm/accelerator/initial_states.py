# SPDX-License-Identifier: Apache-2.0
"""What a recurrent node begins with: constants, or tensors of the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.operands import Streams
from swm.graph import LSTM, Gather, Graph, Recurrent, Reshape, Slice, Squeeze, Transpose, Unsqueeze

__all__ = ["Start", "start_of", "taken_from"]

_PARTS = (Transpose, Reshape, Squeeze, Unsqueeze, Slice, Gather)


@dataclass(frozen=True, eq=False)
class Start:
    """The states of a node.

    Attributes:
        known: h and c, (directions, hidden) each, the same for every sample; zeros where tensors bring them.
        tensors: of the layers, h and (LSTM) c, directions * hidden values a sample each; empty where they are known.
    """

    known: tuple[NDArray[np.float32], NDArray[np.float32]]
    tensors: tuple[str, ...] = ()


def start_of(graph: Graph, streams: Streams, node: Recurrent, samples: Callable[[str], int | None]) -> Start | None:
    """What a node begins with; None where hardware does not take it, or it depends on lengths that differ.

    Args:
        graph: the network.
        streams: what is known of its tensors.
        node: with `layout` 0.
        samples: the axis of samples of a tensor, None where it may be any.
    """
    lengths, *given = [*node.inputs, "", "", "", ""][1:4]
    if lengths and lengths not in graph.constants:
        return None  # lengths of their own
    zeros = np.zeros((node.directions, node.hidden), np.float32)
    wanted = given[: 1 + isinstance(node, LSTM)]
    if all(t and t in streams.origin for t in wanted):
        size = node.directions * node.hidden
        plain = all(streams.of(t).size == size and streams.orders[t] is None for t in wanted)
        if not plain or any(samples(t) not in (1, None) for t in wanted):
            return None
        return Start((zeros, zeros), tuple(streams.origin[t] for t in wanted))
    found = []
    for tensor in given:
        values = zeros[:, None]
        if tensor:
            if tensor not in graph.constants:
                return None
            values = np.asarray(graph.constants[tensor], np.float32)
        if values.ndim != 3 or (values != values[:, :1]).any():
            return None
        found.append(values[:, 0])
    return Start((found[0], found[1]))


def taken_from(graph: Graph, tensor: str) -> str:
    """The tensor of which another is a part or a view: an input, where an exporter takes states out of it."""
    writers = graph.producers()
    while isinstance(writer := writers.get(tensor), _PARTS):
        tensor = writer.inputs[0]
    return tensor
