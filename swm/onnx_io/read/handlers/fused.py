# SPDX-License-Identifier: Apache-2.0
"""Handlers of what onnxruntime's optimizer fuses, as what it was: sums, normalisations, GELU, products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from swm.onnx_io.proto import MICROSOFT
from swm.onnx_io.read.arguments import from_front, given, text
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.decompose import Decomposition, Dims
from swm.onnx_io.read.registry import RawNode, Result, handler

__all__: list[str] = []

_SINCE = {"LayerNormalization": 17, "RMSNormalization": 23}
_GELU = 20
_AXES = 18
"""From which on the axes of ReduceMean are an input."""
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "Relu": (),
    "Sigmoid": (),
    "Tanh": (),
    "LeakyRelu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
    "Clip": ("min", "max"),
}
_BOUNDS = 11
"""From which on those of Clip are inputs."""
_SUM = 3  # the output that holds what was normalised


@handler("SkipLayerNormalization", since=1, becomes="Add, LayerNormalization", domain=MICROSOFT)
def skip_layer_normalization(context: Context, node: RawNode, *, epsilon: float = 1e-12) -> Result:
    """Of the sum of two tensors and maybe a bias; inputs x, skip, gamma, beta, bias."""
    beta, bias = (node.inputs[p] if given(node, p) else "" for p in (3, 4))
    return _skipped(context, node, "LayerNormalization", epsilon, beta, bias)


@handler("SkipSimplifiedLayerNormalization", since=1, becomes="Add, RMSNormalization", domain=MICROSOFT)
def skip_simplified(context: Context, node: RawNode, *, epsilon: float = 1e-12) -> Result:
    """The same without a mean; inputs x, skip, gamma, bias."""
    return _skipped(context, node, "RMSNormalization", epsilon, "", node.inputs[3] if given(node, 3) else "")


@handler("SimplifiedLayerNormalization", since=1, becomes="RMSNormalization")
def simplified(
    context: Context, node: RawNode, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Result:
    """Onnxruntime's RMSNormalization, which stands in the domain of ONNX's own operators."""
    rank = context.rank(node.inputs[0])
    last = axis == -1 or (rank is not None and from_front(node, axis, rank) == rank - 1)
    if len(node.inputs) != 2 or not last or stash_type != 1 or context.read.intersection(node.outputs[1:]):
        return None
    parts = Decomposition(context, node)
    return _normal(parts, node.inputs[0], "RMSNormalization", (node.inputs[1], ""), epsilon)


@handler("EmbedLayerNormalization", since=1, becomes="Gather + Add + LayerNormalization", domain=MICROSOFT)
def embedded(context: Context, node: RawNode, *, epsilon: float = 1e-12, mask_index_type: int = 0) -> Result:
    """Rows of two or three tables, added and normalised; places are those of the tokens, unless they are given."""
    ids, segments, words, places, kinds, gamma, beta = (*node.inputs[:7], *[""] * (7 - len(node.inputs)))
    parts, dims, table = Decomposition(context, node), context.dims(ids), context.constant(places)
    if context.read.intersection(node.outputs[1:2]) or dims is None or len(dims) != 2 or table is None:
        return None
    tokens, width, elem = dims[1], table.shape[-1], parts.elem(words)
    if not isinstance(tokens, int) or tokens > len(table) or table.dtype != np.float32 or table.ndim != 2:
        return None
    whole = (*dims, width)
    x = parts.step("Gather", (words, ids), elem, whole, axis=0)
    if given(node, 8):
        rows = parts.step("Gather", (places, node.inputs[8]), elem, whole, axis=0)
    else:
        rows = parts.constant(table[:tokens], "places")
    kind = parts.step("Gather", (kinds, segments), elem, whole, axis=0) if kinds and segments else ""
    summed = _sum(parts, [x, *([kind] if kind != "" else []), rows], elem, whole, node.outputs[2:3])
    return _normal(parts, summed, "LayerNormalization", (gamma, beta), epsilon) if summed else None


@handler("Gelu", since=1, becomes="Gelu", domain=MICROSOFT)
def gelu(context: Context, node: RawNode) -> Result:
    """Exact."""
    return _gelu(Decomposition(context, node), node.inputs[0], tanh=False)


@handler("BiasGelu", since=1, becomes="Add, Gelu", domain=MICROSOFT)
def bias_gelu(context: Context, node: RawNode) -> Result:
    """Exact, of a sum."""
    return _biased(context, node, tanh=False)


@handler("FastGelu", since=1, becomes="Add, Gelu", domain=MICROSOFT)
def fast_gelu(context: Context, node: RawNode) -> Result:
    """By tanh, maybe of a sum."""
    return _biased(context, node, tanh=True)


@handler("QuickGelu", since=1, becomes="Sigmoid, Mul", domain=MICROSOFT)
def quick_gelu(context: Context, node: RawNode, *, alpha: float = 1.702) -> Result:
    """`x sigmoid(alpha x)`."""
    parts, x = Decomposition(context, node), node.inputs[0]
    elem, dims = parts.elem(x), context.dims(x)
    inner = parts.step("Mul", (x, parts.constant(np.float32(alpha), "alpha")), elem, dims)
    curve = inner and parts.step("Sigmoid", (inner,), elem, dims)
    return parts.whole((curve and parts.step("Mul", (x, curve), elem, dims, last=True)) or None)


@handler("FusedMatMul", since=1, becomes="Linear, MatMul", domain=MICROSOFT)
def fused_matmul(
    context: Context,
    node: RawNode,
    *,
    alpha: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    transBatchA: int = 0,
    transBatchB: int = 0,
) -> Result:
    """A product of transposed operands, times a number."""
    if len(node.inputs) != 2:
        return None
    parts, operands = Decomposition(context, node), []
    for name, turned in zip(node.inputs, (transA, transB), strict=True):
        rank, value = context.rank(name), context.constant(name)
        if turned and value is not None and value.ndim >= 2:
            name = parts.constant(np.ascontiguousarray(np.swapaxes(value, -1, -2)), "turned")
        elif turned:
            if rank is None or rank < 2:
                return None
            name = parts.transpose(name, (*range(rank - 2), rank - 1, rank - 2)) or ""
        operands.append(name)
    elem, dims = parts.elem(node.inputs[0]), _product_dims(*(context.dims(t) for t in operands if t))
    if transBatchA or transBatchB or not all(operands) or elem != TensorProto.FLOAT:
        return None
    made = parts.step("MatMul", tuple(operands), elem, dims, last=alpha == 1)
    if made and alpha != 1:
        made = parts.step("Mul", (made, parts.constant(np.float32(alpha), "alpha")), elem, dims, last=True)
    return parts.whole(made)


@handler("FusedConv", since=1, becomes="Conv, Relu", domain=MICROSOFT)
def fused_conv(
    context: Context,
    node: RawNode,
    *,
    activation: bytes = b"",
    activation_params: Sequence[float] | None = None,
    auto_pad: bytes = b"NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Result:
    """A convolution and an activation, without a tensor that is added between them."""
    return None if given(node, 3) else _activated(context, node, "Conv", text(activation), activation_params or ())


@handler("FusedGemm", since=1, becomes="Linear, Relu", domain=MICROSOFT)
def fused_gemm(
    context: Context,
    node: RawNode,
    *,
    activation: bytes = b"",
    activation_alpha: float | None = None,
    activation_beta: float | None = None,
    activation_gamma: float | None = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Result:
    """A product and an activation."""
    numbers = [v for v in (activation_alpha, activation_beta) if v is not None]
    return _activated(context, node, "Gemm", text(activation), numbers)


def _activated(context: Context, node: RawNode, operator: str, activation: str, numbers: Sequence[float]) -> Result:
    """A layer, by its own attributes, and an activation with all of its numbers."""
    names = _PARAMETERS.get(activation)
    if names is None or len(numbers) < len(names):
        return None
    parts, dims = Decomposition(context, node), context.dims(node.outputs[0])
    own = [a for a in node.proto.attribute if not a.name.startswith("activation")]
    elem = TensorProto.FLOAT
    made = parts.step(operator, node.inputs, elem, dims, protos=own)
    more: dict[str, Any] = dict(zip(names, map(float, numbers), strict=False))
    bounds: list[str] = []
    if activation == "Clip" and context.opset >= _BOUNDS:
        bounds, more = [parts.constant(np.float32(v), name) for name, v in more.items()], {}
    return parts.whole((made and parts.step(activation, (made, *bounds), elem, dims, last=True, **more)) or None)


def _product_dims(a: Dims | None = None, b: Dims | None = None) -> Dims | None:
    """Of a product; None where they are not known, or batches broadcast."""
    if a is None or b is None or len(a) < 2 or not (len(b) == 2 or (len(a) == len(b) and a[:-2] == b[:-2])):
        return None
    return (*a[:-1], b[-1])


def _skipped(context: Context, node: RawNode, operator: str, epsilon: float, beta: str, bias: str) -> Result:
    if len(node.inputs) < 3 or context.read.intersection(node.outputs[1:_SUM]):  # mean and deviation
        return None
    parts, (x, skip, gamma) = Decomposition(context, node), node.inputs[:3]
    terms = [x, skip, *([bias] if bias else [])]
    summed = _sum(parts, terms, parts.elem(x), context.dims(x), node.outputs[_SUM : _SUM + 1])
    return _normal(parts, summed, operator, (gamma, beta), epsilon) if summed else None


def _sum(
    parts: Decomposition, terms: Sequence[str | None], elem: int | None, dims: Dims | None, named: tuple[str, ...]
) -> str | None:
    """The sum, under a name that something reads, if any; None where it cannot be typed so."""
    (name,) = (*named, "")[:1]
    wanted = name if name in parts.context.read else ""
    total = terms[0]
    for place, term in enumerate(terms[1:], 2):
        output = wanted if place == len(terms) else ""
        total = parts.step("Add", (total, term), elem, dims, output=output) if total and term else None
    return total if not wanted or total == wanted else None


def _normal(
    parts: Decomposition, x: str, operator: str, parameters: tuple[str, str], epsilon: float
) -> tuple[Any, ...] | None:
    """A normalisation of the last axis; spelt out where the opset has none, which simplification names."""
    context, (gamma, beta), dims = parts.context, parameters, parts.context.dims(x)
    if parts.elem(gamma) != TensorProto.FLOAT or parts.elem(x) not in (None, TensorProto.FLOAT):
        return None
    elem = TensorProto.FLOAT
    if context.opset >= _SINCE[operator]:
        inputs = (x, gamma, beta) if beta else (x, gamma)
        return parts.whole(parts.step(operator, inputs, elem, dims, last=True, axis=-1, epsilon=epsilon))
    narrow: Dims | None = None if dims is None else (*dims[:-1], 1)

    def mean(tensor: str) -> str | None:
        if context.opset < _AXES:
            return parts.step("ReduceMean", (tensor,), elem, narrow, axes=[-1])
        return parts.step("ReduceMean", (tensor, parts.constant(np.array([-1]), "axes")), elem, narrow)

    centred: str | None = x
    if operator == "LayerNormalization":
        middle = mean(x)
        centred = middle and parts.step("Sub", (x, middle), elem, dims)
    square = centred and parts.step("Mul", (centred, centred), elem, dims)
    spread = square and mean(square)
    more = spread and parts.step("Add", (spread, parts.constant(np.float32(epsilon), "epsilon")), elem, narrow)
    root = more and parts.step("Sqrt", (more,), elem, narrow)
    steps = [("Div", root), ("Mul", "" if _only(context, gamma, 1) else gamma)]
    steps = [s for s in (*steps, ("Add", "" if _only(context, beta, 0) else beta)) if s[1] or s[0] == "Div"]
    made = centred
    for place, (step, operand) in enumerate(steps, 1):
        made = parts.step(step, (made, operand), elem, dims, last=place == len(steps)) if made and operand else None
    return parts.whole(made or None)


def _only(context: Context, name: str, number: float) -> bool:
    """Whether a tensor is constant and holds nothing else."""
    value = context.constant(name)
    return not name or (value is not None and bool((value == number).all()))


def _biased(context: Context, node: RawNode, *, tanh: bool) -> Result:
    parts, x = Decomposition(context, node), node.inputs[0]
    if given(node, 1):
        x = parts.step("Add", (x, node.inputs[1]), parts.elem(x), context.dims(x)) or ""
    return _gelu(parts, x, tanh=tanh) if x else None


def _gelu(parts: Decomposition, x: str, *, tanh: bool) -> tuple[Any, ...] | None:
    """GELU; spelt out where the opset has none, which simplification names."""
    elem, dims = parts.elem(x), parts.context.dims(x)
    if elem != TensorProto.FLOAT:
        return None
    if parts.context.opset >= _GELU:
        mode = "tanh" if tanh else "none"
        return parts.whole(parts.step("Gelu", (x,), elem, dims, last=True, approximate=mode))

    def step(operator: str, a: str | None, b: str | float, *, last: bool = False) -> str | None:
        """Of a tensor and another, or a number."""
        other = b if isinstance(b, str) else parts.constant(np.float32(b), "factor")
        return a and parts.step(operator, (a, other), elem, dims, last=last)

    inner = step("Mul", x, np.sqrt(0.5))
    if tanh:
        cube = step("Mul", step("Mul", x, x), x)
        inner = step("Mul", step("Add", step("Mul", cube, 0.044715), x), np.sqrt(2 / np.pi))
    curve = inner and parts.step("Tanh" if tanh else "Erf", (inner,), elem, dims)
    return parts.whole(step("Mul", step("Mul", step("Add", curve, 1.0), x), 0.5, last=True))
