# SPDX-License-Identifier: Apache-2.0
"""Handlers of activations and functions of single elements, and of Pow, Min and Max."""

from __future__ import annotations

import numpy as np

from swm.graph import (
    Abs,
    Clip,
    Elementwise,
    Elu,
    Erf,
    Exp,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    LogSoftmax,
    Max,
    Min,
    Mish,
    Neg,
    Pow,
    PRelu,
    Reciprocal,
    Selu,
    Softplus,
    Sqrt,
    Swish,
)
from swm.onnx_io.read.arguments import from_front, given, keep_width, scalar, text
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import Function, RawNode, Result, handler

__all__: list[str] = []

_LOWEST, _HIGHEST = (float(f(np.finfo(np.float32))) for f in (lambda i: i.min, lambda i: i.max))


def _plain(kind: type[Elementwise]) -> Function:
    """The handler of an operator without attributes."""

    def convert(context: Context, node: RawNode) -> Result:
        keep_width(context, node)
        return kind(name=node.name, inputs=node.inputs, outputs=node.outputs)

    return convert


_SINCE: dict[type[Elementwise], int] = {
    Abs: 6, Neg: 6, Reciprocal: 6, Exp: 6, Sqrt: 6, Erf: 9, Softplus: 1, Mish: 18, HardSwish: 14, PRelu: 7,
}  # fmt: skip
for _kind, _since in _SINCE.items():
    handler(_kind.op, since=_since, becomes=_kind.op)(_plain(_kind))


def _broadcast(kind: type[Elementwise]) -> Function:
    """The handler of an operator whose operands broadcast: which has the width of the result is not known."""

    def convert(context: Context, node: RawNode) -> Result:
        return kind(name=node.name, inputs=node.inputs, outputs=node.outputs)

    return convert


for _kind, _since in ((Pow, 7), (Min, 6), (Max, 6)):
    handler(_kind.op, since=_since, becomes=_kind.op)(_broadcast(_kind))


@handler("LeakyRelu", since=6, becomes="LeakyRelu")
def leaky_relu(context: Context, node: RawNode, *, alpha: float = 0.01) -> Result:
    """All."""
    keep_width(context, node)
    return LeakyRelu(name=node.name, inputs=node.inputs, outputs=node.outputs, alpha=alpha)


@handler("Elu", since=6, becomes="Elu")
def elu(context: Context, node: RawNode, *, alpha: float = 1.0) -> Result:
    """All."""
    keep_width(context, node)
    return Elu(name=node.name, inputs=node.inputs, outputs=node.outputs, alpha=alpha)


@handler("Selu", since=6, becomes="Selu")
def selu(
    context: Context,
    node: RawNode,
    *,
    alpha: float = 1.67326319217681884765625,
    gamma: float = 1.05070102214813232421875,
) -> Result:
    """All."""
    keep_width(context, node)
    return Selu(name=node.name, inputs=node.inputs, outputs=node.outputs, alpha=alpha, gamma=gamma)


@handler("HardSigmoid", since=6, becomes="HardSigmoid")
def hard_sigmoid(context: Context, node: RawNode, *, alpha: float = 0.2, beta: float = 0.5) -> Result:
    """All."""
    keep_width(context, node)
    return HardSigmoid(name=node.name, inputs=node.inputs, outputs=node.outputs, alpha=alpha, beta=beta)


@handler("Swish", since=24, becomes="Swish")
def swish(context: Context, node: RawNode, *, alpha: float = 1.0) -> Result:
    """All."""
    keep_width(context, node)
    return Swish(name=node.name, inputs=node.inputs, outputs=node.outputs, alpha=alpha)


@handler("Gelu", since=20, becomes="Gelu")
def gelu(context: Context, node: RawNode, *, approximate: bytes = b"none") -> Result:
    """Exact or by tanh."""
    keep_width(context, node)
    mode = text(approximate)
    if mode not in ("none", "tanh"):
        raise node.error(f"the approximation {mode!r} does not exist; export the model again")
    return Gelu(name=node.name, inputs=node.inputs, outputs=node.outputs, tanh=mode == "tanh")


@handler("Clip", since=6, becomes="Clip")
def clip_6(context: Context, node: RawNode, *, max: float = _HIGHEST, min: float = _LOWEST) -> Result:
    """Between two attributes."""
    return _clip(context, node, min, max)


@handler("Clip", since=11, becomes="Clip")
def clip_11(context: Context, node: RawNode) -> Result:
    """Between constants; variable bounds are carried along."""
    low = scalar(context, node.inputs[1]) if given(node, 1) else _LOWEST
    high = scalar(context, node.inputs[2]) if given(node, 2) else _HIGHEST
    if (given(node, 1) and low is None) or (given(node, 2) and high is None):
        return None
    return _clip(context, node, low, high)


def _clip(context: Context, node: RawNode, low: float | None, high: float | None) -> Result:
    """The bounds of float32 are what ONNX means by no bound."""
    if not context.may_be_float(node.inputs[0]) or not np.isfinite([low or 0, high or 0]).all():
        return None
    keep_width(context, node)
    return Clip(
        name=node.name,
        inputs=node.inputs[:1],
        outputs=node.outputs,
        low=None if low == _LOWEST else low,
        high=None if high == _HIGHEST else high,
    )


@handler("LogSoftmax", since=1, becomes="LogSoftmax")
def log_softmax_1(context: Context, node: RawNode, *, axis: int = 1) -> Result:
    """Over all axes from `axis` on, viewed as one."""
    return _log_softmax(context, node, axis, flattened=True)


@handler("LogSoftmax", since=13, becomes="LogSoftmax")
def log_softmax_13(context: Context, node: RawNode, *, axis: int = -1) -> Result:
    """Along one axis."""
    return _log_softmax(context, node, axis, flattened=False)


def _log_softmax(context: Context, node: RawNode, axis: int, *, flattened: bool) -> Result:
    rank = context.rank(node.inputs[0])
    if rank == 0:
        return None
    axis = from_front(node, axis, rank)
    keep_width(context, node)
    if axis == -1 or axis + 1 == rank:
        axis, flattened = -1, False  # on the last axis both rules agree
    return LogSoftmax(name=node.name, inputs=node.inputs, outputs=node.outputs, axis=axis, flattened=flattened)
