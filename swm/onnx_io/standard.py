# SPDX-License-Identifier: Apache-2.0
"""Standard operators that have no typed node, as nodes of a graph."""

from __future__ import annotations

from typing import Any

from onnx import helper

from swm.graph import Opaque

__all__ = ["standard"]


def standard(op: str, name: str, inputs: tuple[str, ...], outputs: tuple[str, ...], **attributes: Any) -> Opaque:
    """A node of the default ONNX domain that onnxruntime runs.

    Args:
        op: the operator.
        name: of the node.
        inputs: tensors that it reads.
        outputs: those that it writes.
        attributes: of the operator.
    """
    proto = helper.make_node(op, inputs, outputs, name, **attributes)
    stored = proto.SerializeToString(deterministic=True)
    return Opaque(name=name, inputs=inputs, outputs=outputs, op_type=op, domain="", proto=stored)
