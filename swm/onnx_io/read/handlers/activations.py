# SPDX-License-Identifier: Apache-2.0
"""Handlers of the activations that the hardware computes: ReLU, sigmoid, tanh, softmax."""

from __future__ import annotations

from swm.graph import Relu, Sigmoid, Softmax, Tanh
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import RawNode, Result, handler

__all__: list[str] = []


@handler("Relu", since=6, becomes="Relu")
def relu(context: Context, node: RawNode) -> Result:
    """On float32; integers since opset 14 are carried along."""
    return _activation(context, node, Relu)


@handler("Sigmoid", since=6, becomes="Sigmoid")
def sigmoid(context: Context, node: RawNode) -> Result:
    """On float32."""
    return _activation(context, node, Sigmoid)


@handler("Tanh", since=6, becomes="Tanh")
def tanh(context: Context, node: RawNode) -> Result:
    """On float32."""
    return _activation(context, node, Tanh)


def _activation(context: Context, node: RawNode, kind: type[Relu] | type[Sigmoid] | type[Tanh]) -> Result:
    (x,) = node.inputs
    width = context.width(x)
    if width is not None and context.min_rank(x):
        context.widths.setdefault(node.outputs[0], width)
    return kind(name=node.name, inputs=(x,), outputs=node.outputs) if context.may_be_float(x) else None


@handler("Softmax", since=1, becomes="Softmax")
def softmax_1(context: Context, node: RawNode, *, axis: int = 1) -> Result:
    """Over all axes from `axis` on, viewed as one."""
    (x,) = node.inputs
    if not context.may_be_float(x):
        return None
    last = _last_axis(context, node, axis)
    return Softmax(name=node.name, inputs=(x,), outputs=node.outputs, axis=-1 if last else axis, flattened=not last)


@handler("Softmax", since=13, becomes="Softmax")
def softmax_13(context: Context, node: RawNode, *, axis: int = -1) -> Result:
    """Along one axis."""
    (x,) = node.inputs
    if not context.may_be_float(x):
        return None
    last = _last_axis(context, node, axis)
    return Softmax(name=node.name, inputs=(x,), outputs=node.outputs, axis=-1 if last else axis)


def _last_axis(context: Context, node: RawNode, axis: int) -> bool:
    rank = context.rank(node.inputs[0])
    if rank is not None and not -rank <= axis < max(rank, 1):
        raise node.error(f"axis {axis} does not exist in a tensor of rank {rank}; export the model again")
    return axis == -1 or (rank is not None and axis == rank - 1)
