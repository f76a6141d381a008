# SPDX-License-Identifier: Apache-2.0
"""Graph → ONNX, at the opset of the graph."""

from swm.onnx_io.write.writer import save, serialized, subgraph_proto, to_proto

__all__ = ["save", "serialized", "subgraph_proto", "to_proto"]
