# SPDX-License-Identifier: Apache-2.0
"""Handlers of QONNX's operators on tensors whose channels come last: transposes around the standard operators."""

from __future__ import annotations

from collections.abc import Sequence

from swm.onnx_io.read.context import Context
from swm.onnx_io.read.decompose import Decomposition
from swm.onnx_io.read.registry import RawNode, Result, handler

__all__: list[str] = []

_DOMAIN = "qonnx.custom_op.channels_last"


@handler("Conv", since=0, becomes="Transpose + Conv", domain=_DOMAIN)
def conv(
    context: Context,
    node: RawNode,
    *,
    auto_pad: bytes = b"NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Result:
    """Its kernel has the channels last, too: (M, kernel..., C/group)."""
    return _wrapped(context, node, transposed=2)


@handler("MaxPool", since=0, becomes="Transpose + MaxPool", domain=_DOMAIN)
def max_pool(
    context: Context,
    node: RawNode,
    *,
    auto_pad: bytes = b"NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    storage_order: int = 0,
    strides: Sequence[int] | None = None,
) -> Result:
    """Of one output."""
    return _wrapped(context, node, transposed=1)


@handler("BatchNormalization", since=0, becomes="Transpose + Affine", domain=_DOMAIN)
def batch_normalization(
    context: Context, node: RawNode, *, epsilon: float = 1e-5, momentum: float = 0.9, training_mode: int = 0
) -> Result:
    """At inference."""
    return _wrapped(context, node, transposed=1)


def _wrapped(context: Context, node: RawNode, transposed: int) -> Result:
    """The standard operator between transposes of its first `transposed` inputs and of its output."""
    x = node.inputs[0] if node.inputs else ""
    rank = context.rank(x)
    if rank is None or rank < 3 or len(node.outputs) != 1 or not all(node.inputs[:transposed]):
        return None
    first, last = (0, rank - 1, *range(1, rank - 1)), (0, *range(2, rank), 1)
    parts = Decomposition(context, node)
    inputs = [parts.transpose(t, first) for t in node.inputs[:transposed]]
    given = tuple(t for t in (*inputs, *node.inputs[transposed:]) if t is not None)
    if len(given) != len(node.inputs):
        return None
    declared = context.dims(node.outputs[0])  # shape inference knows no foreign operators
    dims = (None,) * rank if declared is None or len(declared) != rank else tuple(declared[p] for p in first)
    inner = parts.step(node.op, given, parts.elem(x), dims, protos=node.proto.attribute)
    return None if inner is None else parts.whole(parts.transpose(inner, last, last=True))
