# SPDX-License-Identifier: Apache-2.0
"""Nodes that move values and compute nothing, and where they move them."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from swm.graph.nodes import Node, Reshape
from swm.graph.shape_ops import Gather, Slice, Split, Squeeze, Transpose, Unsqueeze

__all__ = ["MOVES", "Labels", "moved"]

Number = TypeVar("Number", bound=np.generic)
MOVES: tuple[type[Node], ...] = (Reshape, Squeeze, Unsqueeze, Transpose, Gather, Slice, Split)
Labels: TypeAlias = NDArray[np.int64]
"""Of each place of a tensor, the place in another one whose value it holds."""


def moved(
    node: Node, values: NDArray[Number], shapes: list[tuple[int, ...]], constants: Mapping[str, NDArray[Any]]
) -> list[NDArray[Number]] | None:
    """The outputs of a node of `MOVES`; None where its indices are not constant, or it does not fit its shapes.

    Args:
        node: the node.
        values: its first input.
        shapes: of its outputs.
        constants: of the graph.
    """
    made: list[NDArray[Number]]
    if isinstance(node, Transpose):
        made = [values.transpose(node.perm)]
    elif isinstance(node, Gather):
        places = constants.get(node.inputs[1])
        if places is None or node.inputs[0] in constants:
            return None
        length = values.shape[node.axis]
        if np.any(places < -length) or np.any(places >= length):
            return None
        made = [np.take(values, np.asarray(places, np.int64), axis=node.axis)]
    elif isinstance(node, Slice):
        cut = [slice(None)] * values.ndim
        for axis, start, end, step in zip(node.axes, node.starts, node.ends, node.steps, strict=True):
            cut[axis] = slice(start, end, step)
        made = [values[tuple(cut)]]
    elif isinstance(node, Split):
        made = np.split(values, np.cumsum([shape[node.axis] for shape in shapes])[:-1], axis=node.axis)
    else:
        made = [values.reshape(shapes[0])] if values.size == prod(shapes[0]) else []
    return made if [m.shape for m in made] == shapes else None
