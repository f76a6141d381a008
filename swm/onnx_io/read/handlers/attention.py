# SPDX-License-Identifier: Apache-2.0
"""Handlers of attention in one node, as the products, the mask and the Softmax that it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.onnx_io.proto import MICROSOFT
from swm.onnx_io.read.arguments import given, only_first
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.decompose import Decomposition, Dims
from swm.onnx_io.read.registry import RawNode, Result, handler

__all__: list[str] = []

_MOST_SCORES = 1 << 22  # of a mask that is written out


@dataclass(frozen=True)
class _Form:
    """How a node attends: heads of queries, and of keys and values; the scale of the scores, if given; causality."""

    heads: int
    groups: int
    scale: float | None
    causal: bool


@handler("Attention", since=23, becomes="MatMul, Softmax")
def attention_23(
    context: Context,
    node: RawNode,
    *,
    is_causal: int = 0,
    kv_num_heads: int | None = None,
    q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: int | None = None,
) -> Result:
    """Without keys of the past; with a constant mask, or none."""
    form = _Form(q_num_heads or 0, kv_num_heads or 0, scale, bool(is_causal))
    return None if softcap else _alone(context, node, form)


@handler("Attention", since=25, becomes="MatMul, Softmax")
def attention_25(
    context: Context,
    node: RawNode,
    *,
    is_causal: int = 0,
    kv_num_heads: int | None = None,
    left_window_size: int = -1,
    q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = -1,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: int | None = None,
) -> Result:
    """The same, and without a window around the diagonal."""
    form = _Form(q_num_heads or 0, kv_num_heads or 0, scale, bool(is_causal))
    windows = left_window_size >= 0 or right_window_size >= 0
    return None if softcap or windows else _alone(context, node, form)


def _alone(context: Context, node: RawNode, form: _Form) -> Result:
    """Where the node reads nothing but queries, keys, values and a mask."""
    if any(node.inputs[4:]) or not only_first(context, node):
        return None
    return _attention(Decomposition(context, node), node.inputs[:3], form, node.inputs[3:4])


@handler("Attention", since=1, becomes="Linear, MatMul, Softmax", domain=MICROSOFT)
def attention_microsoft(
    context: Context,
    node: RawNode,
    *,
    num_heads: int,
    do_rotary: int = 0,
    mask_filter_value: float = -10000.0,
    past_present_share_buffer: int = 0,
    qkv_hidden_sizes: Sequence[int] | None = None,
    rotary_embedding_dim: int = 0,
    scale: float = 0.0,
    unidirectional: int = 0,
) -> Result:
    """Projections of one tensor, by matrices side by side; without past, and with constant masks that hide nothing."""
    if len(node.inputs) < 2:
        return None
    x, name, bias = (*node.inputs[:2], node.inputs[2] if given(node, 2) else "")
    weights, offsets, dims = context.weight(name, node), context.weight(bias, node), context.dims(x)
    hides = given(node, 3) and not _all_seen(context, node.inputs[3], dims)
    if any(node.inputs[4:5]) or any(node.inputs[6:]) or do_rotary or hides or not only_first(context, node):
        return None
    if weights is None or weights.ndim != 2 or dims is None or len(dims) != 3 or (bias and offsets is None):
        return None
    third = weights.shape[1] // 3
    ends = np.cumsum((0, *(qkv_hidden_sizes or (third,) * 3)))
    if len(ends) != 4 or ends[-1] != weights.shape[1] or dims[-1] != len(weights):
        return None
    parts = Decomposition(context, node)
    made = []
    for role, low, high in zip("qkv", ends, ends[1:], strict=False):
        wide, elem = (*dims[:2], int(high - low)), parts.elem(x)
        own = parts.constant(np.ascontiguousarray(weights[:, low:high]), f"{role}.weight")
        made.append(parts.step("MatMul", (x, own), elem, wide))
        if offsets is not None and made[-1]:
            more = parts.constant(offsets[low:high], f"{role}.bias")
            made[-1] = parts.step("Add", (made[-1], more), elem, wide)
    form = _Form(num_heads, num_heads, scale or None, bool(unidirectional))
    found = tuple(t for t in made if t)
    return _attention(parts, found, form, node.inputs[5:6]) if len(found) == 3 else None


@handler("MultiHeadAttention", since=1, becomes="MatMul, Softmax", domain=MICROSOFT)
def multi_head_attention(
    context: Context,
    node: RawNode,
    *,
    num_heads: int,
    mask_filter_value: float = -10000.0,
    scale: float | None = None,
    unidirectional: int = 0,
) -> Result:
    """Queries, keys and values apart, without key padding or past; with a constant mask, or none."""
    operands, parts = node.inputs[:3], Decomposition(context, node)
    if len(operands) < 3 or not all(operands) or any(node.inputs[4:5]) or any(node.inputs[6:]):
        return None
    if not only_first(context, node):
        return None
    if given(node, 3):
        operands = _shifted(parts, operands, node.inputs[3])
    form = _Form(num_heads, num_heads, scale or None, bool(unidirectional))
    return _attention(parts, operands, form, node.inputs[5:6]) if operands else None


@handler("GroupQueryAttention", since=1, becomes="MatMul, Softmax", domain=MICROSOFT)
def group_query_attention(
    context: Context,
    node: RawNode,
    *,
    kv_num_heads: int,
    num_heads: int,
    causal: int = 1,
    do_rotary: int = 0,
    k_norm_epsilon: float = 1e-6,
    k_quant_type: bytes = b"NONE",
    kv_cache_bit_width: int = 0,
    local_window_size: int = -1,
    q_norm_epsilon: float = 1e-6,
    qk_norm_epsilon: float = 1e-6,
    qk_output: int = 0,
    rotary_interleaved: int = 0,
    scale: float = 0.0,
    sliding_window_cache: int = 0,
    smooth_softmax: int = -1,
    softcap: float = 0.0,
    v_quant_type: bytes = b"NONE",
) -> Result:
    """Of a whole sequence at once: no past, constant lengths that are those of the tensors, no rotation inside."""
    more = do_rotary or local_window_size >= 0 or smooth_softmax > 0 or softcap or not causal or qk_output
    dims, operands = context.dims(node.inputs[0]), node.inputs[:3]
    lengths, total = (context.constant(node.inputs[p]) if given(node, p) else None for p in (5, 6))
    if more or any(node.inputs[3:5]) or any(node.inputs[7:]) or not only_first(context, node):
        return None
    if len(operands) < 3 or not all(operands):
        return None
    if lengths is None or total is None or dims is None or len(dims) != 3 or not isinstance(dims[1], int):
        return None
    if (
        (lengths != dims[1] - 1).any()
        or (total != dims[1]).any()
        or context.dims(operands[1]) != context.dims(operands[2])
    ):
        return None
    form = _Form(num_heads, kv_num_heads, scale or None, True)
    return _attention(Decomposition(context, node), operands, form, ())


def _shifted(parts: Decomposition, operands: tuple[str, ...], bias: str) -> tuple[str, ...]:
    """Queries, keys and values with biases that lie side by side in one constant; none where these do not fit."""
    context, made, low = parts.context, [], 0
    values, all_dims = context.weight(bias, parts.node), [context.dims(t) for t in operands]
    if values is None or values.ndim != 1 or any(d is None or len(d) != 3 for d in all_dims):
        return ()
    for role, name, dims in zip("qkv", operands, all_dims, strict=True):
        width = (dims or (0,))[-1]
        if not isinstance(width, int) or low + width > len(values):
            return ()
        part = parts.constant(values[low : low + width], f"{role}.bias")
        made.append(parts.step("Add", (name, part), parts.elem(name), dims) or "")
        low += width
    return tuple(made) if all(made) and low == len(values) else ()


def _all_seen(context: Context, mask: str, dims: tuple[int | str | None, ...] | None) -> bool:
    """Whether a mask is constant, one for each token, and hides none."""
    value = context.constant(mask)
    if value is None or value.ndim != 2 or dims is None or value.shape[1] != dims[1]:
        return False
    return bool(value.all())


def _attention(parts: Decomposition, operands: tuple[str, ...], form: _Form, masks: tuple[str, ...]) -> Result:
    context = parts.context
    apart = context.rank(operands[0]) == 4  # heads are an axis
    split = [_heads(parts, t, h) for t, h in zip(operands, (form.heads, form.groups, form.groups), strict=True)]
    (q, queries), (k, keys), (v, values) = split if all(split) else [("", ())] * 3  # type: ignore[misc]
    if not queries:
        return None
    elem, batch, heads, rows, columns = parts.elem(q), queries[0], queries[1], queries[2], keys[2]
    mask = _mask(context, masks, rows, columns, causal=form.causal)
    if mask is None or elem is None or heads % keys[1] or keys[1] != values[1] or keys[3] != queries[3]:
        return None
    shared = (_repeated(parts, t, dims, heads) for t, dims in ((k, keys), (v, values)))
    k, v = (t or "" for t in shared)
    turned = parts.transpose(k, (0, 1, 3, 2)) if k and v else None
    grid = (batch, heads, rows, columns)
    scores = parts.step("MatMul", (q, turned), elem, grid) if turned else None
    factor = np.float32(form.scale if form.scale is not None else 1 / np.sqrt(queries[3]))
    scores = scores and parts.step("Mul", (scores, parts.constant(factor, "scale")), elem, grid)
    if scores and mask.any():
        scores = parts.step("Add", (scores, parts.constant(mask, "mask")), elem, grid)
    soft = scores and parts.step("Softmax", (scores,), elem, grid, axis=-1)
    wide: Dims = (batch, heads, rows, values[3])
    mixed = soft and parts.step("MatMul", (soft, v), elem, wide, last=apart)
    if not mixed or apart:
        return parts.whole(mixed or None)
    joined = parts.transpose(mixed, (0, 2, 1, 3))
    shape = parts.constant(np.array([-1, rows, heads * values[3]]), "joined")
    together: Dims = (batch, rows, heads * values[3])
    return parts.whole(joined and parts.step("Reshape", (joined, shape), elem, together, last=True))


def _heads(parts: Decomposition, tensor: str, heads: int) -> tuple[str, tuple[Any, ...]] | None:
    """A tensor with its heads along axis 1, and its sizes, of which only the batch may be unknown."""
    dims = parts.context.dims(tensor)
    if dims is None or not all(isinstance(d, int) and d > 0 for d in dims[1:]):
        return None
    if len(dims) == 4:
        return tensor, dims
    width = dims[-1]
    if len(dims) != 3 or heads < 1 or not isinstance(width, int) or width % heads:
        return None
    apart: Dims = (dims[0], dims[1], heads, width // heads)
    shape = parts.constant(np.array([-1, *apart[1:]]), "heads")
    shaped = parts.step("Reshape", (tensor, shape), parts.elem(tensor), apart)
    turned = shaped and parts.transpose(shaped, (0, 2, 1, 3))
    return (turned, (apart[0], apart[2], apart[1], apart[3])) if turned else None


def _repeated(parts: Decomposition, tensor: str, dims: tuple[Any, ...], heads: int) -> str | None:
    """Keys or values with each head as often in a row as heads of queries share it."""
    batch, groups, rows, inner = dims
    if groups == heads:
        return tensor
    elem, times = parts.elem(tensor), heads // groups
    one = parts.constant(np.array([-1, groups, 1, rows, inner]), "apart")
    apart = parts.step("Reshape", (tensor, one), elem, (batch, groups, 1, rows, inner))
    wide = parts.constant(np.array([1, groups, times, rows, inner]), "repeated")
    again = apart and parts.step("Expand", (apart, wide), elem, (batch, groups, times, rows, inner))
    every = parts.constant(np.array([-1, heads, rows, inner]), "every")
    return (again and parts.step("Reshape", (again, every), elem, (batch, heads, rows, inner))) or None


def _mask(
    context: Context, given: tuple[str, ...], rows: int, columns: int, *, causal: bool
) -> NDArray[np.float32] | None:
    """What is added to the scores; None where it is not constant, too large, or hides a row as a whole."""
    if rows * columns > _MOST_SCORES:
        return None
    table = np.zeros((rows, columns), np.float32)
    if any(given):
        values = context.constant(given[0])
        if values is None or values.ndim > 4 or (values.ndim == 4 and len(values) != 1):
            return None
        if values.shape[-1:] != (columns,) or values.shape[-2:-1] not in ((), (1,), (rows,)):
            return None
        hides = np.where(values, np.float32(0), np.float32(-np.inf)) if values.dtype == np.bool_ else values
        if hides.dtype != np.float32:
            return None
        table = table + hides
    if causal:
        table = np.where(np.triu(np.ones((rows, columns), bool), 1), np.float32(-np.inf), table)
    return table if np.isfinite(table).any(axis=-1).all() else None
