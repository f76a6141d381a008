# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers, and products of blocks above 16, that `swm bench area` maps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from swm.accelerator.design import Design
from swm.bench.area_designs import BITS, HELD_OUT, Case, Chain, bound
from swm.layers.recurrent import RecurrentLayer
from swm.structure import BlockCirculant, Dense, project

__all__ = ["step_cases"]

BLOCK = 32
"""Of a product whose transforms go pass by pass."""
PASSES: tuple[dict[str, Any], ...] = (
    {"in_vec": 1, "out_vec": 2, "mac_bins": 2},
    {"in_vec": 4, "out_vec": 4, "mac_bins": 4, "mac_rows": 2},
)
"""How it is built: rotations that share multipliers, and one each cycle."""
CELLS: tuple[tuple[str, int, bool, dict[str, Any]], ...] = (
    ("rnn", 1, False, {"in_vec": 2, "out_vec": 1, "mac_columns": 2}),
    ("lstm", 1, False, {"in_vec": 1, "out_vec": 1, "mac_rows": 2, "mac_columns": 2}),
    ("lstm", 4, True, {"in_vec": 2, "out_vec": 4, "mac_rows": 4}),
    ("gru", 4, False, {"in_vec": 4, "out_vec": 2, "mac_rows": 2}),
    ("gru_after", 1, False, {"in_vec": 1, "out_vec": 1, "mac_rows": 3, "mac_columns": 2}),
)
"""Cell, block size (1: dense), peepholes, and how it is built."""
_N, _HIDDEN, _STEPS = 16, 24, 4


def step_cases() -> Iterator[Case]:
    """All of them."""
    for way in range(len(PASSES)):
        for bits in BITS:
            name = f"block {BLOCK}, beats of {PASSES[way]['in_vec']}, {bits} bits"
            yield Case(name, "xc7", bits, BLOCK, bound(_passes, "xc7", bits, way))
    for place, (cell, block, _, _) in enumerate(CELLS):
        for bits in BITS:
            weights = "dense" if block == 1 else f"block {block}"
            yield Case(f"{cell}, {weights}, {bits} bits", "xc7", bits, block, bound(_steps, "xc7", bits, place))
    vec = PASSES[1]["in_vec"]
    yield Case(
        f"block {BLOCK}, beats of {vec}, {HELD_OUT} bits", "xcup", HELD_OUT, BLOCK, bound(_passes, "xcup", HELD_OUT, 1)
    )
    yield Case(f"lstm, dense, {HELD_OUT} bits", "xcup", HELD_OUT, 1, bound(_steps, "xcup", HELD_OUT, 1))


def _weight(chain: Chain, m: int, n: int, block: int) -> Dense | BlockCirculant:
    matrix = chain.numbers(m, n)
    if block == 1:
        return Dense(matrix)
    return BlockCirculant(project(matrix, block).astype(np.float32), (m, n))


def _passes(family: str, bits: int, way: int) -> Design:
    """A product of two block rows and columns."""
    chain, size = Chain(bits, 2 * BLOCK, (1,)), 2 * BLOCK
    weight = _weight(chain, size, size, BLOCK)
    chain.add("circulant", size, (1,), PASSES[way], weight=weight, bias=chain.numbers(size), activation="relu")
    return chain.design(family)


def _steps(family: str, bits: int, place: int) -> Design:
    """A recurrent layer over a few steps."""
    cell, block, peepholes, lanes = CELLS[place]
    chain = Chain(bits, _N, (_STEPS,))
    rows = _HIDDEN * {"rnn": 1, "lstm": 4, "gru": 3, "gru_after": 3}[cell]
    gates = (("tanh", ()),) if cell == "rnn" else (("sigmoid", ()), ("tanh", ()), ("tanh", ()))
    chain.add(
        "recurrent",
        _HIDDEN,
        (_STEPS,),
        lanes,
        RecurrentLayer,
        weight=_weight(chain, rows, _N, block),
        recurrent=_weight(chain, rows, _HIDDEN, block),
        peepholes=chain.numbers(3, _HIDDEN) if peepholes else None,
        input_bias=chain.numbers(rows),
        state_bias=chain.numbers(rows),
        initial_h=np.zeros(_HIDDEN, np.float32),
        initial_c=np.zeros(_HIDDEN, np.float32),
        gates=gates[:2] if cell.startswith("gru") else gates,
        cell=cell,
        hidden=_HIDDEN,
    )
    return chain.design(family)
