# SPDX-License-Identifier: Apache-2.0
"""A bound on what an import makes out of a file: a few nodes can ask for a large weight again and again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.errors import ModelError
from swm.graph import Node

__all__ = ["Budget"]

_FREE, _A_BYTE = 1 << 30, 8  # bytes that any model may take, and more for each byte of its file


class Budget:
    """Counts the bytes of arrays made on import. Views and arrays met before cost nothing.

    Args:
        size: bytes of the model.
    """

    def __init__(self, size: int) -> None:
        """Nothing is spent yet."""
        self._most = _FREE + _A_BYTE * size
        self._spent = 0
        self._known: dict[int, NDArray[Any]] = {}  # holds the arrays, so that no number is given out twice

    def reserve(self, size: int, what: str) -> None:
        """Spend bytes before they are allocated.

        Raises:
            ModelError: that is more than the model may take.
        """
        self._spent += size
        if self._spent > self._most:
            raise ModelError(
                f"{what} would bring the arrays made on import to {self._spent >> 20} MiB, more than the "
                f"{self._most >> 20} MiB that a file of this size may need; fold its constants and store them once"
            )

    def keep(self, value: NDArray[Any], what: str) -> None:
        """Spend the bytes of an array, unless it lies in one that is known."""
        while isinstance(value.base, np.ndarray):
            value = value.base
        if id(value) not in self._known:
            self._known[id(value)] = value
            self.reserve(value.nbytes, what)

    def keep_node(self, node: Node) -> None:
        """Spend the bytes of a typed node's weights."""
        for value in _arrays(vars(node).values()):
            self.keep(value, f"{node.op} node {node.name!r}")


def _arrays(values: Iterable[Any]) -> Iterable[NDArray[Any]]:
    """Arrays among the values, in tuples of them, and in weight structures."""
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, tuple):
            yield from _arrays(value)
        elif hasattr(value, "to_dense"):
            yield from _arrays(vars(value).values())
