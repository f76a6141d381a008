# SPDX-License-Identifier: Apache-2.0
"""Handlers of operators that rename or reshape a tensor: Flatten, Reshape, Identity, Dropout."""

from __future__ import annotations

import math

import numpy as np

from swm.graph import Reshape
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.handlers.constants import reshaped
from swm.onnx_io.read.registry import Folded, Forwarded, RawNode, Result, handler

__all__: list[str] = []


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
