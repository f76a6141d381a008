# SPDX-License-Identifier: Apache-2.0
"""What nodes without weights of their own compute, as torch functions with gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from swm import graph as g

__all__ = ["OPERATORS", "operator_of"]

Inputs = Sequence[Tensor | None]
Operator = Callable[[Any, Inputs], Tensor | tuple[Tensor, ...]]
_TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float16, 11: torch.float64}


def operator_of(node: g.Node) -> Operator | None:
    """The function of a node's kind, called with the node and its inputs; None if there is none."""
    if isinstance(node, g.Cast) and node.to not in _TYPES:
        return None
    if isinstance(node, g.Pad) and (node.mode not in ("constant", "reflect", "edge")):
        return None
    return OPERATORS.get(type(node))


def _unary(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda _node, x: function(_given(x[0]))


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda _node, x: function(_given(x[0]), _given(x[1]))


def _given(x: Tensor | None) -> Tensor:
    assert x is not None  # only inputs that ONNX lets be omitted may be
    return x


def _many(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    def operator(_node: Any, x: Inputs) -> Tensor:
        found = _given(x[0])
        for other in x[1:]:
            found = function(found, _given(other))
        return found

    return operator


def _soft(function: Callable[..., Tensor]) -> Operator:
    def operator(node: Any, x: Inputs) -> Tensor:
        value = _given(x[0])
        if not node.flattened:
            return function(value, dim=node.axis)
        axis = node.axis % value.ndim
        rows = value.reshape(math.prod(value.shape[:axis]), -1)
        return function(rows, dim=1).reshape(value.shape)

    return operator


def _divide(a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _matmul(node: Any, x: Inputs) -> Tensor:
    a, b = _given(x[0]), _given(x[1])
    return a @ (b.transpose(-1, -2) if node.transpose_b else b)


def _pads(node: Any, x: Tensor) -> list[int]:
    """Begins, then ends, of the spatial axes."""
    if not node.auto_pad:
        return list(node.pads)
    begins, ends = [], []
    for size, k, s, d in zip(x.shape[2:], node.kernel, node.strides, node.dilations, strict=True):
        total = max((-(-size // s) - 1) * s + d * (k - 1) + 1 - size, 0)
        less, more = total // 2, total - total // 2
        begins.append(less if node.auto_pad == "SAME_UPPER" else more)
        ends.append(more if node.auto_pad == "SAME_UPPER" else less)
    return begins + ends


def padded(x: Tensor, pads: Sequence[int], value: float = 0.0) -> Tensor:
    """Constants around the spatial axes; `pads` holds begins, then ends."""
    rank = len(pads) // 2
    if not any(pads):
        return x
    return functional.pad(x, [p for i in reversed(range(rank)) for p in (pads[i], pads[rank + i])], value=value)


def _max_pool(node: Any, x: Inputs) -> Tensor:
    value = _given(x[0])
    pool = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}[len(node.kernel)]
    found: Tensor = pool(
        padded(value, _pads(node, value), -math.inf),
        node.kernel,
        node.strides,
        dilation=node.dilations,
        ceil_mode=node.ceil,
    )
    return found


def _average_pool(node: Any, x: Inputs) -> Tensor:
    value = _given(x[0])
    pads = _pads(node, value)
    pool = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}[len(node.kernel)]

    def mean(values: Tensor) -> Tensor:
        found: Tensor = pool(padded(values, pads), node.kernel, node.strides, ceil_mode=node.ceil)
        return found

    if node.include_pad or not any(pads):
        return mean(value)
    return mean(value) / mean(torch.ones_like(value[:1, :1]))


def _reduce(function: Callable[..., Tensor]) -> Operator:
    def operator(node: Any, x: Inputs) -> Tensor:
        value = _given(x[0])
        axes = tuple(range(value.ndim)) if node.axes is None else node.axes
        return function(value, dim=axes, keepdim=node.keepdims) if axes else value

    return operator


def _slice(node: Any, x: Inputs) -> Tensor:
    value = _given(x[0])
    for start, end, axis, step in zip(node.starts, node.ends, node.axes, node.steps, strict=True):
        taken = range(value.shape[axis])[slice(start, end if step > 0 or end >= -value.shape[axis] else None, step)]
        if step > 0:
            index = [slice(None)] * value.ndim
            index[axis] = slice(taken.start, taken.stop, step)
            value = value[tuple(index)]
        else:
            value = value.index_select(axis, torch.tensor(list(taken), device=value.device, dtype=torch.int64))
    return value


def _split(node: Any, x: Inputs) -> tuple[Tensor, ...]:
    value = _given(x[0])
    if node.sizes is not None:
        return tuple(value.split(list(node.sizes), dim=node.axis))
    return tuple(value.split(-(-value.shape[node.axis] // len(node.outputs)), dim=node.axis))


def _gather(node: Any, x: Inputs) -> Tensor:
    value, index = _given(x[0]), _given(x[1]).long()
    axis = node.axis % value.ndim
    index = torch.where(index < 0, index + value.shape[axis], index)
    taken = value.index_select(axis, index.reshape(-1))
    return taken.reshape(*value.shape[:axis], *index.shape, *value.shape[axis + 1 :])


def _pad(node: Any, x: Inputs) -> Tensor:
    value, rank = _given(x[0]), len(node.pads) // 2
    if node.mode == "constant":
        return padded(value, node.pads, float(node.value))
    for axis in range(rank):  # by index: torch pads the last axes only in these ways
        places = np.pad(np.arange(value.shape[axis]), (node.pads[axis], node.pads[rank + axis]), mode=node.mode)
        value = value.index_select(axis, torch.from_numpy(places).to(value.device))
    return value


def _squeeze(node: Any, x: Inputs) -> Tensor:
    value = _given(x[0])
    return value.squeeze() if node.axes is None else value.squeeze(node.axes)


def _unsqueeze(node: Any, x: Inputs) -> Tensor:
    value = _given(x[0])
    rank = value.ndim + len(node.axes)
    for axis in sorted(a % rank for a in node.axes):
        value = value.unsqueeze(axis)
    return value


def _expand(node: Any, x: Inputs) -> Tensor:
    value = _given(x[0])
    return value.broadcast_to(torch.broadcast_shapes(value.shape, tuple(node.shape)))


def _reshape(node: Any, x: Inputs) -> Tensor:
    value = _given(x[0])
    sizes = [value.shape[i] if d == 0 and not node.allowzero else d for i, d in enumerate(node.shape)]
    return value.reshape(sizes)


def _depth_to_space(node: Any, x: Inputs) -> Tensor:
    value, b = _given(x[0]), node.block
    n, c, height, width = value.shape
    if node.mode == "CRD":
        return functional.pixel_shuffle(value, b)
    moved = value.reshape(n, b, b, c // (b * b), height, width).permute(0, 3, 4, 1, 5, 2)
    return moved.reshape(n, c // (b * b), height * b, width * b)


def _layer_norm(node: Any, x: Inputs) -> Tensor:
    value = _given(x[0])
    axes = tuple(range(node.axis, 0))
    centred = value - value.mean(axes, keepdim=True)
    scaled = centred * torch.rsqrt(centred.square().mean(axes, keepdim=True) + node.epsilon) * _given(x[1])
    return scaled if len(x) < 3 or x[2] is None else scaled + x[2]


def _rms_norm(node: Any, x: Inputs) -> Tensor:
    value = _given(x[0])
    return value * torch.rsqrt(value.square().mean(tuple(range(node.axis, 0)), keepdim=True) + node.epsilon) * x[1]


def _group_norm(node: Any, x: Inputs) -> Tensor:
    value, scale, bias = (_given(t) for t in x[:3])
    repeat = value.shape[1] // node.groups if node.per_group else 1
    return functional.group_norm(
        value, node.groups, scale.repeat_interleave(repeat), bias.repeat_interleave(repeat), node.epsilon
    )


def _instance_norm(node: Any, x: Inputs) -> Tensor:
    value, scale, bias = (_given(t) for t in x[:3])
    return functional.group_norm(value, value.shape[1], scale, bias, node.epsilon)


def _prelu(_node: Any, x: Inputs) -> Tensor:
    value = _given(x[0])
    return torch.where(value < 0, value * x[1], value)


def _affine_free(function: Callable[[Any, Tensor], Tensor]) -> Operator:
    return lambda node, x: function(node, _given(x[0]))


OPERATORS: dict[type[g.Node], Operator] = {
    g.Relu: _unary(torch.relu),
    g.Sigmoid: _unary(torch.sigmoid),
    g.Tanh: _unary(torch.tanh),
    g.Softmax: _soft(torch.softmax),
    g.LogSoftmax: _soft(torch.log_softmax),
    g.Abs: _unary(torch.abs),
    g.Neg: _unary(torch.neg),
    g.Reciprocal: _unary(torch.reciprocal),
    g.Exp: _unary(torch.exp),
    g.Sqrt: _unary(torch.sqrt),
    g.Erf: _unary(torch.erf),
    g.Softplus: _unary(functional.softplus),
    g.Mish: _unary(functional.mish),
    g.HardSwish: _unary(functional.hardswish),
    g.LeakyRelu: _affine_free(lambda node, x: functional.leaky_relu(x, node.alpha)),
    g.Elu: _affine_free(lambda node, x: functional.elu(x, node.alpha)),
    g.Selu: _affine_free(lambda node, x: node.gamma * functional.elu(x, node.alpha)),
    g.HardSigmoid: _affine_free(lambda node, x: (x * node.alpha + node.beta).clamp(0, 1)),
    g.Swish: _affine_free(lambda node, x: x * torch.sigmoid(node.alpha * x)),
    g.Gelu: _affine_free(lambda node, x: functional.gelu(x, approximate="tanh" if node.tanh else "none")),
    g.Clip: _affine_free(lambda node, x: x if node.low is None and node.high is None else x.clamp(node.low, node.high)),
    g.PRelu: _prelu,
    g.Add: _binary(torch.add),
    g.Sub: _binary(torch.sub),
    g.Mul: _binary(torch.mul),
    g.Div: _binary(_divide),
    g.Pow: _binary(torch.pow),
    g.Min: _many(torch.minimum),
    g.Max: _many(torch.maximum),
    g.MatMul: _matmul,
    g.MaxPool: _max_pool,
    g.AveragePool: _average_pool,
    g.GlobalAveragePool: _affine_free(lambda _node, x: x.mean(tuple(range(2, x.ndim)), keepdim=True)),
    g.GlobalMaxPool: _affine_free(lambda _node, x: x.amax(tuple(range(2, x.ndim)), keepdim=True)),
    g.ReduceMean: _reduce(torch.mean),
    g.ReduceSum: _reduce(torch.sum),
    g.ReduceMax: _reduce(torch.amax),
    g.Pad: _pad,
    g.Concat: lambda node, x: torch.cat([_given(t) for t in x], dim=node.axis),
    g.Split: _split,
    g.Slice: _slice,
    g.Gather: _gather,
    g.Transpose: _affine_free(lambda node, x: x.permute(node.perm)),
    g.Squeeze: _squeeze,
    g.Unsqueeze: _unsqueeze,
    g.Expand: _expand,
    g.Reshape: _reshape,
    g.DepthToSpace: _depth_to_space,
    g.Cast: _affine_free(lambda node, x: x.to(_TYPES[node.to])),
    g.LayerNormalization: _layer_norm,
    g.RMSNormalization: _rms_norm,
    g.GroupNormalization: _group_norm,
    g.InstanceNormalization: _instance_norm,
}
