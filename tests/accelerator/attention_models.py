# SPDX-License-Identifier: Apache-2.0
"""Attention as exporters write it: heads split by Reshape and Transpose, products of activations, Softmax."""

from __future__ import annotations

import numpy as np
from networks import Model


def masked(model, scores, tokens, how):
    """Scores of later tokens are hidden, as torch's exporters write it; of "a row", all scores of the first token."""
    later = np.triu(np.ones((1, 1, tokens, tokens), bool), 0 if how == "a row" else 1)
    if how == "where":
        return model.node("Where", model.constant(~later, bool), scores, model.constant(np.float32(-1e9)))
    if how == "fill":
        return model.node("Where", model.constant(later, bool), model.constant(np.float32(-np.inf)), scores)
    low = -np.inf if how == "a row" else np.finfo(np.float32).min if how == "nan" else -100
    table = np.where(later, low, 0.3 if how == "biased" else 0).astype(np.float32)
    return model.node("Add", scores, model.constant(table), name="mask")


def rotated(model, tensor, shape, how):
    """Values of (batch, *shape) turned by angles of their token, in the ways that people write it; channels are last.

    "halves": x cos + rotate_half(x) sin; "whole": both halves on their own; "pairs" and "neighbours": every other
    channel, of an axis of two or by steps; "stacked": halves of an axis of two; "part": the first half of the channels
    only; "early": tokens are the first axis, heads the second.
    """
    tokens, inner = shape[0] if how == "early" else shape[-2], shape[-1]
    angles = model.rng.uniform(0, 6, size=(tokens, 1, inner // 4 if how == "part" else inner // 2))
    angles = angles if how == "early" else angles[:, 0]
    cosine, sine = (model.constant(table) for table in (np.cos(angles), np.sin(angles)))
    both = [model.constant(np.concatenate([table] * 2, axis=-1)) for table in (np.cos(angles), np.sin(angles))]

    def cut(source, start, end, step=1):
        bounds = (model.constant([value], np.int64) for value in (start, end, -1, step))
        return model.node("Slice", source, *bounds)

    def turned(a, b):
        left = model.node("Sub", model.node("Mul", a, cosine), model.node("Mul", b, sine))
        return left, model.node("Add", model.node("Mul", a, sine), model.node("Mul", b, cosine))

    if how in ("halves", "early", "part"):
        count = inner // 2 if how == "part" else inner
        source = cut(tensor, 0, count) if how == "part" else tensor
        swapped = (model.node("Neg", cut(source, count // 2, count)), cut(source, 0, count // 2))
        other = model.node("Mul", model.node("Concat", *swapped, axis=-1), both[1])
        found = model.node("Add", model.node("Mul", source, both[0]), other)
        return model.node("Concat", found, cut(tensor, count, inner), axis=-1) if how == "part" else found
    if how == "whole":
        return model.node("Concat", *turned(cut(tensor, 0, inner // 2), cut(tensor, inner // 2, inner)), axis=-1)
    axis, split = (-2, (2, inner // 2)) if how == "stacked" else (-1, (inner // 2, 2))
    if how in ("pairs", "stacked"):
        apart = model.node("Reshape", tensor, model.constant([-1, *shape[:-1], *split], np.int64))
        sides = [model.node("Gather", apart, model.constant(place, np.int64), axis=axis) for place in (0, 1)]
    else:
        sides = [cut(tensor, place, inner, 2) for place in (0, 1)]
    last = [model.node("Unsqueeze", side, model.constant([axis], np.int64)) for side in turned(*sides)]
    return model.node("Reshape", model.node("Concat", *last, axis=axis), model.constant([-1, *shape], np.int64))


def attention(model, tensor, tokens, width, heads, *, scaled="scores", mask="", rotary=""):
    """Multi-head self attention of a (batch, tokens, width) tensor, its output projection included."""
    inner = width // heads

    def split(name, perm):
        product = model.linear(tensor, width, width, name)
        shaped = model.node("Reshape", product, model.constant([-1, tokens, heads, inner], np.int64))
        if rotary == "early" and name != "v":
            shaped = rotated(model, shaped, (tokens, heads, inner), rotary)
        turned = rotary and rotary != "early" and name != "v"
        found = model.node("Transpose", shaped, perm=[0, 2, 1, 3] if turned else perm)
        found = rotated(model, found, (heads, tokens, inner), rotary) if turned else found
        return model.node("Transpose", found, perm=[0, 1, 3, 2]) if turned and name == "k" else found

    query, key, value = split("q", [0, 2, 1, 3]), split("k", [0, 2, 3, 1]), split("v", [0, 2, 1, 3])
    factor = model.constant(np.float32(1 / np.sqrt(inner)))
    if scaled == "query":
        query = model.node("Mul", query, factor)
    scores = model.node("MatMul", query, key, name="scores")
    if scaled == "scores":
        scores = model.node("Mul", scores, factor)
    if mask:
        scores = masked(model, scores, tokens, mask)
    soft = model.node("Softmax", scores, axis=-1, name="soft")
    if mask == "nan":  # as torch writes scaled_dot_product_attention
        soft = model.node("Where", model.node("IsNaN", soft), model.constant(np.float32(0)), soft)
    mixed = model.node("MatMul", soft, value, name="mixed")
    joined = model.node("Transpose", mixed, perm=[0, 2, 1, 3])
    joined = model.node("Reshape", joined, model.constant([-1, tokens, width], np.int64))
    return model.linear(joined, width, width, "proj")


def encoder(path, tokens=5, width=12, heads=3, outputs=4, scaled="scores", seed=0, mask="", rotary=""):
    """Positions added, attention and a feed-forward part with residuals, a normalisation, a head over every token."""
    model = Model(tokens, width, seed=seed)
    x = model.node("Add", "x", model.constant(model.rng.normal(size=(1, tokens, width)) / 3), name="positions")
    x = model.node(
        "Add", x, attention(model, x, tokens, width, heads, scaled=scaled, mask=mask, rotary=rotary), name="residual"
    )
    gains, offsets = 1 + model.rng.normal(size=width) / 5, model.rng.normal(size=width) / 3
    x = model.node("LayerNormalization", x, model.constant(gains), model.constant(offsets))
    return model.save(path, model.linear(x, width, outputs, "head"), tokens, outputs)


def classifier(path, tokens=4, width=6, outputs=3):
    """A class token before the others, made as torch's `expand` is exported; its answer alone leaves.

    The token is read back by a mean over all, which hardware has; a Gather of the first is not taken.
    """
    model = Model(tokens, width)
    token = model.constant(model.rng.normal(size=(1, 1, width)))
    batch = model.node("Gather", model.node("Shape", "x"), model.constant(0, np.int64), axis=0)
    batch = model.node("Unsqueeze", batch, model.constant([0], np.int64))
    rest = model.constant([1, width], np.int64)
    expanded = model.node("Expand", token, model.node("Concat", batch, rest, axis=0), name="expand")
    joined = model.node("Concat", expanded, "x", axis=1, name="join")
    places = model.constant(model.rng.normal(size=(tokens + 1, width)))
    x = model.node("Relu", model.node("Add", joined, places, name="positions"))
    mean = model.node("ReduceMean", model.linear(x, width, 8, "up"), axes=[1], keepdims=0)
    return model.save(path, model.linear(mean, 8, outputs, "head"), outputs)


def grouped(path, tokens=4, heads=4, groups=2, inner=3, op="Expand", turns=False):
    """A gate behind attention where heads share keys and values, which `op` repeats, each in a row or all in turns."""
    model, width = Model(tokens, heads * inner), heads * inner

    def split(name, count, perm):
        weight = model.rng.normal(size=(width, count * inner)) / np.sqrt(width)
        product = model.node("MatMul", "x", model.constant(weight), name=name)
        shaped = model.node("Reshape", product, model.constant([-1, tokens, count, inner], np.int64))
        return model.node("Transpose", shaped, perm=perm)

    def shared(name, perm, shape):
        apart = model.node("Unsqueeze", split(name, groups, perm), model.constant([1 if turns else 2], np.int64))
        have = [1 if op == "Tile" else groups, heads // groups]
        times = [1, *(have[::-1] if turns else have), *((1, 1) if op == "Tile" else shape)]
        repeated = model.node(op, apart, model.constant(times, np.int64), name=f"{name} repeated")
        return model.node("Reshape", repeated, model.constant([-1, heads, *shape], np.int64))

    query = split("q", heads, [0, 2, 1, 3])
    key, value = shared("k", [0, 2, 3, 1], (inner, tokens)), shared("v", [0, 2, 1, 3], (tokens, inner))
    soft = model.node("Softmax", model.node("MatMul", query, key), axis=-1)
    joined = model.node("Transpose", model.node("MatMul", soft, value), perm=[0, 2, 1, 3])
    joined = model.node("Reshape", joined, model.constant([-1, tokens, width], np.int64))
    gated = model.node("Mul", joined, model.linear(joined, width, width, "gate"))
    return model.save(path, model.linear(gated, width, 3, "head"), tokens, 3)
