# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers, and products of blocks above 16, that `swm bench area` maps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from swm.accelerator.design import Design
from swm.bench.area_designs import HELD_OUT, SEEN, Case, Chain, bound
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


def step_cases(fitted: str) -> Iterator[Case]:
    """All of them for a family, and of UltraScale+ one of each sort beside 7-series parts."""
    _, widths, _ = SEEN[fitted][0]
    yield from (_passed(fitted, bits, way) for way in range(len(PASSES)) for bits in widths)
    yield from (_stepped(fitted, bits, place) for place in range(len(CELLS)) for bits in widths)
    if fitted == "xc7":
        yield _passed("xcup", HELD_OUT, 1)
        yield _stepped("xcup", HELD_OUT, 1)


def _passed(family: str, bits: int, way: int) -> Case:
    name = f"block {BLOCK}, beats of {PASSES[way]['in_vec']}, {bits} bits"
    return Case(name, family, bits, BLOCK, bound(_passes, family, bits, way))


def _stepped(family: str, bits: int, place: int) -> Case:
    cell, block, _, _ = CELLS[place]
    weights = "dense" if block == 1 else f"block {block}"
    return Case(f"{cell}, {weights}, {bits} bits", family, bits, block, bound(_steps, family, bits, place))


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
