# SPDX-License-Identifier: Apache-2.0
"""Names that a graph has, and new ones beside them."""

from __future__ import annotations

from collections.abc import Iterable

from swm.graph.graph import Graph

__all__ = ["Names", "node_names", "tensor_names"]


class Names:
    """A set of taken names that gives out new ones."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        """Start with the names that exist already."""
        self._taken = set(taken)
        self._next: dict[str, int] = {}  # so that a thousand nodes of one name stay linear

    def add(self, names: Iterable[str]) -> None:
        """Take further names."""
        self._taken.update(names)

    def unique(self, requested_name: str) -> str:
        """The wished name if it is free, else with a number behind it."""
        name, number = requested_name, self._next.get(requested_name, 1)
        while name in self._taken:
            name, number = f"{requested_name}_{number}", number + 1
        self._next[requested_name] = number
        self._taken.add(name)
        return name


def node_names(graph: Graph) -> Names:
    """Those of its nodes."""
    return Names(node.name for node in graph.nodes)


def tensor_names(graph: Graph) -> Names:
    """Those of its inputs, its constants and all that its nodes write."""
    return Names({*graph.constants, *graph.producers(), *(v.name for v in graph.inputs)})
