# SPDX-License-Identifier: Apache-2.0
"""ONNX in and out: files and protos to `Graph`, and back. Nothing here runs a model."""

from swm.frontend._reader import from_proto, load
from swm.frontend._registry import Operator, operators
from swm.frontend._scope import inner_nodes
from swm.frontend._writer import save, serialized, subgraph_proto, to_proto

__all__ = [
    "Operator",
    "from_proto",
    "inner_nodes",
    "load",
    "operators",
    "save",
    "serialized",
    "subgraph_proto",
    "to_proto",
]
