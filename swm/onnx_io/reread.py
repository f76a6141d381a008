# SPDX-License-Identifier: Apache-2.0
"""A graph that was changed, as a reader of its file would have it."""

from __future__ import annotations

from dataclasses import replace

from swm.graph import Graph
from swm.onnx_io.read import from_proto
from swm.onnx_io.write import to_proto

__all__ = ["reread"]


def reread(graph: Graph) -> Graph:
    """The graph with the types of its new tensors, and products of constants as Linear and Conv.

    What is known of the file that it came from stays.
    """
    found = from_proto(to_proto(graph), graph.source)
    return replace(found, metadata=graph.metadata, sha256=graph.sha256)
