# SPDX-License-Identifier: Apache-2.0
"""Handlers of activations and of operators that move or convert numbers without arithmetic."""

from __future__ import annotations

import math

import numpy as np

from swm.frontend._constants import reshaped
from swm.frontend._context import Context
from swm.frontend._registry import Folded, Forwarded, RawNode, Result, handler
from swm.graph import Relu, Reshape, Sigmoid, Softmax, Tanh

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


@handler("Flatten", since=1, becomes="Reshape")
def flatten(context: Context, node: RawNode, *, axis: int = 1) -> Result:
    """To a matrix; typed where one Reshape says the same for every input."""
    (x,) = node.inputs
    dims = context.dims(x)
    if axis < 0:
        if dims is None:
            return None
        axis += len(dims)
    if dims is not None and not 0 <= axis <= len(dims):
        raise node.error(f"axis {axis} does not exist in a tensor of rank {len(dims)}; export the model again")
    head, tail = (None, None) if dims is None else (_product(dims[:axis]), _product(dims[axis:]))
    if context.constant(x) is not None:
        return Folded(context.constants[x].reshape(head or 0, tail or 0)) if head is not None else None
    if axis == 1:
        shape = (0, -1)
    elif axis == 0:
        shape = (1, -1)
    elif tail:
        shape = (-1, tail)
    elif head:
        shape = (head, -1)
    else:
        return None
    return Reshape(name=node.name, inputs=(x,), outputs=node.outputs, shape=shape)


def _product(dims: tuple[int | str | None, ...]) -> int | None:
    known = [d for d in dims if isinstance(d, int)]
    return math.prod(known) if len(known) == len(dims) else None


@handler("Reshape", since=5, becomes="Reshape")
def reshape_5(context: Context, node: RawNode) -> Result:
    """To a constant shape."""
    return _reshape(context, node, allow_zero=False)


@handler("Reshape", since=14, becomes="Reshape")
def reshape_14(context: Context, node: RawNode, *, allowzero: int = 0) -> Result:
    """To a constant shape, in which 0 may mean 0."""
    return _reshape(context, node, allow_zero=bool(allowzero))


def _reshape(context: Context, node: RawNode, *, allow_zero: bool) -> Result:
    x, name = node.inputs
    target = context.constant(name)
    if target is None or target.dtype != np.int64 or target.ndim != 1:
        return None
    shape = tuple(int(d) for d in target)
    if shape.count(-1) > 1 or min(shape, default=0) < -1:
        raise node.error(f"the shape {list(shape)} cannot be resolved; export the model again")
    source = context.constant(x)
    if source is not None:
        return reshaped(node, source, shape, allow_zero=allow_zero)
    return Reshape(name=node.name, inputs=(x,), outputs=node.outputs, shape=shape, allowzero=allow_zero)


@handler("Identity", since=1, becomes="removed")
def identity(context: Context, node: RawNode) -> Result:
    """Nothing."""
    return Forwarded(node.inputs[0])


@handler("Dropout", since=7, becomes="removed")
def dropout_7(context: Context, node: RawNode, *, ratio: float = 0.5) -> Result:
    """Nothing, at inference."""
    return None if context.read.intersection(node.outputs[1:]) else Forwarded(node.inputs[0])


@handler("Dropout", since=12, becomes="removed")
def dropout_12(context: Context, node: RawNode, *, seed: int | None = None) -> Result:
    """Nothing, unless training."""
    training = node.inputs[2] if len(node.inputs) > 2 else ""
    if training:
        mode = context.constant(training)
        if mode is None or bool(mode.any()):
            return None
    return None if context.read.intersection(node.outputs[1:]) else Forwarded(node.inputs[0])
