# SPDX-License-Identifier: Apache-2.0
"""ONNX in and out: files and protos to `Graph` (`read/`), and back (`write/`). Nothing here runs a model."""

from swm.onnx_io.extension import register_operator, unregister_operator
from swm.onnx_io.proto import parse
from swm.onnx_io.read import Operator, from_proto, load, operators
from swm.onnx_io.reread import reread
from swm.onnx_io.scope import inner_nodes
from swm.onnx_io.standard import standard
from swm.onnx_io.write import save, serialized, subgraph_proto, to_proto

__all__ = [
    "Operator",
    "from_proto",
    "inner_nodes",
    "load",
    "operators",
    "parse",
    "register_operator",
    "reread",
    "save",
    "serialized",
    "standard",
    "subgraph_proto",
    "to_proto",
    "unregister_operator",
]
