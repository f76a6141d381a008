# SPDX-License-Identifier: Apache-2.0
"""ONNX → Graph: files and protos, read node by node through the handlers."""

from swm.onnx_io.read.reader import from_proto, load
from swm.onnx_io.read.registry import Operator, operators

__all__ = ["Operator", "from_proto", "load", "operators"]
