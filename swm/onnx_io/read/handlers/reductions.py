# SPDX-License-Identifier: Apache-2.0
"""Handlers of ReduceMean, ReduceSum, ReduceMax and ArgMax."""

from __future__ import annotations

from collections.abc import Sequence

from swm.graph import ArgMax, ReduceMax, ReduceMean, ReduceSum
from swm.onnx_io.read.arguments import axes_of, from_front, given, integers
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import Forwarded, Function, RawNode, Result, handler

__all__: list[str] = []

_Reduction = type[ReduceMean] | type[ReduceSum] | type[ReduceMax]


def _by_attribute(kind: _Reduction) -> Function:
    """Up to opset 12 (sum) or 17."""

    def convert(context: Context, node: RawNode, *, axes: Sequence[int] | None = None, keepdims: int = 1) -> Result:
        return _reduce(context, node, kind, axes, keepdims)

    return convert


def _by_input(kind: _Reduction) -> Function:
    """From then on."""

    def convert(context: Context, node: RawNode, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Result:
        axes = integers(context, node, 1)
        if given(node, 1) and axes is None:
            return None
        if not axes and noop_with_empty_axes:
            return Forwarded(node.inputs[0])
        return _reduce(context, node, kind, axes, keepdims)

    return convert


def _reduce(context: Context, node: RawNode, kind: _Reduction, axes: Sequence[int] | None, keepdims: int) -> Result:
    chosen = axes_of(node, axes, context.rank(node.inputs[0])) if axes else None
    return kind(name=node.name, inputs=node.inputs[:1], outputs=node.outputs, axes=chosen, keepdims=bool(keepdims))


for _kind, _changed in ((ReduceMean, 18), (ReduceMax, 18), (ReduceSum, 13)):
    handler(_kind.op, since=1, becomes=_kind.op)(_by_attribute(_kind))
    handler(_kind.op, since=_changed, becomes=_kind.op)(_by_input(_kind))


@handler("ArgMax", since=1, becomes="ArgMax")
def arg_max_1(context: Context, node: RawNode, *, axis: int = 0, keepdims: int = 1) -> Result:
    """The first of equals."""
    return _arg_max(context, node, axis, keepdims, 0)


@handler("ArgMax", since=12, becomes="ArgMax")
def arg_max_12(
    context: Context, node: RawNode, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0
) -> Result:
    """The first or last of equals."""
    return _arg_max(context, node, axis, keepdims, select_last_index)


def _arg_max(context: Context, node: RawNode, axis: int, keepdims: int, last: int) -> Result:
    rank = context.rank(node.inputs[0])
    if rank == 0:
        return None
    return ArgMax(
        name=node.name,
        inputs=node.inputs,
        outputs=node.outputs,
        axis=from_front(node, axis, rank),
        keepdims=bool(keepdims),
        last=bool(last),
    )
