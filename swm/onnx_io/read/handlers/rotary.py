# SPDX-License-Identifier: Apache-2.0
"""Handlers of rotary position embeddings in one node, as the products with cosines and sines that they are."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from swm.onnx_io.proto import MICROSOFT
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.decompose import Decomposition
from swm.onnx_io.read.registry import RawNode, Result, handler

__all__: list[str] = []

_MOST_VALUES = 1 << 22  # of a table that is written out
Table = NDArray[np.float32]


@handler("RotaryEmbedding", since=23, becomes="Slice, Concat, Mul, Add")
def rotary_embedding(
    context: Context,
    node: RawNode,
    *,
    interleaved: int = 0,
    num_heads: int | None = None,
    rotary_embedding_dim: int = 0,
) -> Result:
    """With constant caches, and positions that are constant or those of the caches."""
    heads = num_heads or 0
    return _rotated(context, node, node.inputs[1:3], node.inputs[3:4], interleaved, heads, rotary_embedding_dim)


@handler("RotaryEmbedding", since=1, becomes="Slice, Concat, Mul, Add", domain=MICROSOFT)
def rotary_embedding_microsoft(
    context: Context,
    node: RawNode,
    *,
    interleaved: int = 0,
    is_packed_batching: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
    scale: float = 1.0,
) -> Result:
    """Likewise; positions may be one number, that of the first token."""
    if is_packed_batching or scale != 1:
        return None
    return _rotated(context, node, node.inputs[2:4], node.inputs[1:2], interleaved, num_heads, rotary_embedding_dim)


def _rotated(
    context: Context,
    node: RawNode,
    caches: tuple[str, ...],
    positions: tuple[str, ...],
    interleaved: int,
    heads: int,
    turned: int,
) -> Result:
    """Pairs of channels as two halves of an axis of their own, which change places."""
    parts, dims = Decomposition(context, node), context.dims(node.inputs[0])
    elem = parts.elem(node.inputs[0])
    known = [context.constant(t) for t in caches]
    held = [v for v in known if v is not None and v.dtype == np.float32 and v.ndim in (2, 3)]
    if dims is None or len(dims) not in (3, 4) or elem != TensorProto.FLOAT or len(held) != 2:
        return None
    apart = len(dims) == 4  # heads are an axis before the tokens
    tokens, width = dims[-2], dims[-1]
    head = width if apart else (width // heads if isinstance(width, int) and heads > 0 else 2 * held[0].shape[-1])
    if not isinstance(tokens, int) or not isinstance(head, int) or not isinstance(width, int) or head < 2:
        return None
    rows = [_of_tokens(cache, context, positions, tokens) for cache in held]
    pairs = (turned or head) // 2
    if width % head or any(r is None or r.shape != (tokens, pairs) for r in rows) or (turned or head) > head:
        return None
    half = 1 if interleaved else pairs
    groups = head // (2 * half)
    if head % (2 * half) or tokens * head > _MOST_VALUES:
        return None
    cosine, sine = (_table(r, half, groups) for r in rows if r is not None)
    cosine[:, pairs // half :], sine[:, pairs // half :] = 1, 0  # channels behind those that are turned
    sine[:, :, 0] *= -1
    middle = (dims[1],) if apart else ()
    inner = (groups, 2 * half) if groups > 1 else (2 * half,)
    whole = (*middle, tokens, *(() if apart else (width // head,)), *inner)
    if not all(isinstance(d, int) and d > 0 for d in whole) or prod(whole) > _MOST_VALUES:
        return None
    shape = (tokens, *(() if apart else (1,)), *inner)
    return _written(parts, (dims[0], *whole), half, cosine.reshape(shape), sine.reshape(shape))


def _written(parts: Decomposition, dims: tuple[Any, ...], half: int, cosine: Table, sine: Table) -> Result:
    """The nodes: both halves, their places changed, two products and a sum."""
    node, elem, own = parts.node, TensorProto.FLOAT, parts.context.dims(parts.node.inputs[0])
    axis = len(dims) - 1
    split = own is None or dims != own
    x: str | None = node.inputs[0]
    if split:
        x = parts.step("Reshape", (node.inputs[0], parts.constant(np.array([-1, *dims[1:]]), "pairs")), elem, dims)

    def part(start: int) -> str | None:
        bounds = ((start, "start"), (start + half, "end"), (axis, "axis"))
        given = (parts.constant(np.array([value]), role) for value, role in bounds)
        return x and parts.step("Slice", (x, *given), elem, (*dims[:-1], half))

    lower, upper = part(0), part(half)
    other = lower and upper and parts.step("Concat", (upper, lower), elem, dims, axis=axis)
    one = x and parts.step("Mul", (x, parts.constant(cosine, "cosines")), elem, dims)
    two = other and parts.step("Mul", (other, parts.constant(sine, "sines")), elem, dims)
    made = one and two and parts.step("Add", (one, two), elem, dims, last=not split)
    if not made or not split or own is None:
        return parts.whole(made or None)
    back = parts.constant(np.array([-1, *own[1:]]), "joined")
    return parts.whole(parts.step("Reshape", (made, back), elem, own, last=True))


def _of_tokens(cache: Table, context: Context, positions: tuple[str, ...], tokens: int) -> Table | None:
    """The row of each token, (tokens, pairs); None where samples differ, or positions are not constant."""
    if not any(positions):
        return cache[0] if cache.ndim == 3 and len(cache) and (cache == cache[:1]).all() else None
    places = context.constant(positions[0])
    if places is None or cache.ndim != 2 or not places.size or places.dtype.kind != "i":
        return None
    if places.ndim == 2:
        if (places != places[:1]).any():
            return None
        row = places[0]
    else:
        row = int(places.reshape(-1)[0]) + np.arange(tokens) if places.size == 1 else np.zeros(0, np.int64)
    return cache[row] if len(row) == tokens and row.min() >= 0 and row.max() < len(cache) else None


def _table(rows: Table, half: int, groups: int) -> Table:
    """(tokens, pairs) → (tokens, groups, 2, half), both channels of a pair alike; groups behind the pairs are zeros."""
    tokens, pairs = rows.shape
    table = np.zeros((tokens, groups, 2, half), np.float32)
    table[:, : pairs // half] = rows.reshape(tokens, -1, 1, half)
    return table
