# SPDX-License-Identifier: Apache-2.0
"""Constants, RMS normalisation, rotations, Softmax and products of two streams, as `swm bench area` maps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from swm.accelerator.design import Design
from swm.bench.area_designs import BITS, BOARDS, HELD_OUT, Case, Chain, bound, graph_of, placed
from swm.device import load_board
from swm.layers.layernorm import NormLayer
from swm.layers.matmul import MatMulBuilt, MatMulSpec
from swm.layers.offset import OffsetLayer
from swm.layers.rotary import RotaryLayer
from swm.layers.softmax import SoftmaxLayer
from swm.layers.values import FixedLayer, Format, TensorShape

__all__ = ["attention_cases"]

VECTORS = (1, 4)
"""Words a beat."""
PRODUCTS: tuple[tuple[bool, dict[str, Any]], ...] = (
    (True, {"rows": 1, "columns": 1}),
    (False, {"in_vec": 2, "out_vec": 2, "rows": 4, "columns": 4}),
)
"""Whether a line of the stored operand is a column of it, and how the product is built."""
HALVES = (12, 1)
"""How far the channels of a pair lie apart."""
_CHANNELS, _TOKENS, _SIDE, _HEADS = 24, 6, 12, 2


def attention_cases() -> Iterator[Case]:
    """All of them."""
    for vec in VECTORS:
        for bits in BITS:
            yield Case(
                f"normed and softened, beats of {vec}, {bits} bits", "xc7", bits, 0, bound(_rows, "xc7", bits, vec)
            )
            yield Case(f"turned, beats of {vec}, {bits} bits", "xc7", bits, 0, bound(_rotations, "xc7", bits, vec))
    for way, (_, lanes) in enumerate(PRODUCTS):
        size = f"{lanes['rows']} x {lanes['columns']}"
        for bits in BITS:
            yield Case(f"two streams, {size}, {bits} bits", "xc7", bits, 0, bound(_product, "xc7", bits, way))
    vec, bits = VECTORS[-1], HELD_OUT
    yield Case(f"normed and softened, beats of {vec}, {bits} bits", "xcup", bits, 0, bound(_rows, "xcup", bits, vec))
    yield Case(f"turned, beats of {vec}, {bits} bits", "xcup", bits, 0, bound(_rotations, "xcup", bits, vec))
    yield Case(f"two streams, {size}, {bits} bits", "xcup", bits, 0, bound(_product, "xcup", bits, len(PRODUCTS) - 1))


def _rows(family: str, bits: int, vec: int) -> Design:
    """Constants, a normalisation, a Softmax by a table and one that divides."""
    chain, lanes = Chain(bits, _CHANNELS, (_TOKENS,)), {"in_vec": vec, "out_vec": vec}
    ones = chain.numbers(_CHANNELS)
    table = chain.numbers(_TOKENS + 1, _CHANNELS)
    chain.add("offset", _CHANNELS, (_TOKENS + 1,), lanes, OffsetLayer, table=table, before=1)
    chain.add("rmsnorm", _CHANNELS, chain.grid, lanes, NormLayer, gains=1 + ones, bias=ones, epsilon=1e-5)
    chain.add("softmax", _CHANNELS, chain.grid, lanes, SoftmaxLayer, factor=0.5)
    chain.add("softmax", _CHANNELS, chain.grid, lanes, SoftmaxLayer, factor=1.0, exact=True)
    return chain.design(family)


def _rotations(family: str, bits: int, vec: int) -> Design:
    """Pairs half a head apart, and neighbours, each token by angles of its own."""
    chain = Chain(bits, _CHANNELS, (_TOKENS,))
    for half in HALVES:
        angles = chain.numbers(_TOKENS, _CHANNELS) * np.sqrt(_CHANNELS)
        tables = np.stack([np.cos(angles), np.sin(angles)])
        chain.add(
            "rotary", _CHANNELS, chain.grid, {"in_vec": vec, "out_vec": vec}, RotaryLayer, tables=tables, half=half
        )
    return chain.design(family)


def _product(family: str, bits: int, way: int) -> Design:
    """Each row of two heads times all rows, or the matrices times themselves."""
    along, lanes = PRODUCTS[way]
    side = TensorShape(_SIDE, bits, _HEADS * _SIDE)
    spec = MatMulSpec("l", (side, side), side, heads=_HEADS, along_inner=along)
    form, out = Format(bits, bits - 1), Format(bits, bits - 4)
    layer = FixedLayer(spec, "l", ("x", "x"), "y", (form, form), out, acc_shift=-form.frac)
    built = replace(MatMulBuilt(spec), **lanes)
    assert built.valid
    return placed(graph_of(bits, layer), (built,), 2, load_board(BOARDS[family]))
