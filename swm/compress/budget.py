# SPDX-License-Identifier: Apache-2.0
"""Block sizes under a budget: the error that each layer alone causes, and the best choice by integer programming."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from swm.errors import OptionError

__all__ = ["DENSE", "BlockOption", "choose", "parse_budget"]

DENSE = 0  # stands for no structure: 1 is a size that some have


@dataclass(frozen=True)
class BlockOption:
    """One block size of one layer: stored bits, and the error that it alone causes."""

    layer: str
    block: int
    bits: int
    error: float


def parse_budget(budget: int | str, dense_bits: int) -> int:
    """Bits of a budget: a number of bits, or a compression like `8x` of `dense_bits`.

    Raises:
        OptionError: neither, or not positive.
    """
    text = str(budget).strip().replace("_", "")
    number = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(x?)", text)
    if isinstance(budget, bool) or number is None or float(number[1]) <= 0 or (not number[2] and "." in text):
        raise OptionError(f"budget {budget!r} is neither a number of bits nor a compression like '8x'")
    return int(dense_bits / float(number[1])) if number[2] else int(number[1])


def choose(choices: Sequence[BlockOption], budget_bits: int, fixed_bits: int = 0) -> dict[str, int]:
    """The block size of each layer that causes the least total error within the budget.

    Args:
        choices: every block size that each layer may have.
        budget_bits: for all weights.
        fixed_bits: of layers that stay dense in any case.

    Raises:
        OptionError: even the largest blocks need more.
    """
    layers = list(dict.fromkeys(c.layer for c in choices))
    least = fixed_bits + sum(min(c.bits for c in choices if c.layer == name) for name in layers)
    if least > budget_bits:
        raise OptionError(
            f"the budget of {budget_bits:,} bits cannot be met: with the largest blocks that the rules allow, and the "
            f"layers that stay dense, the weights still need {least:,} bits"
        )
    if not choices:
        return {}
    one_each = np.array([[float(c.layer == name) for c in choices] for name in layers])
    sizes = np.array([[float(c.bits) for c in choices]])
    cost = np.array([c.error for c in choices])
    # Ties, and errors that rounding makes equal, go to the smaller weights.
    cost = cost / max(float(cost.max()), 1e-30) + 1e-9 * sizes[0] / max(float(sizes.max()), 1.0)
    from scipy.optimize import Bounds, LinearConstraint, milp  # here, as it takes a tenth of a second

    result = milp(
        cost,
        integrality=np.ones(len(choices), np.int64),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(one_each, 1, 1),
            LinearConstraint(sizes, -np.inf, float(budget_bits - fixed_bits)),
        ],
        options={"mip_rel_gap": 0.0},
    )
    if result.x is None:
        raise OptionError(f"no choice of block sizes was found for {budget_bits:,} bits: {result.message}")
    return {c.layer: c.block for c, taken in zip(choices, result.x, strict=True) if taken > 0.5}


def measure(
    layers: Mapping[str, tuple[int, Sequence[int]]], error: Callable[[str, int], tuple[int, float]]
) -> list[BlockOption]:
    """Ask for the error of each layer at each block size.

    Args:
        layers: bits of each layer while dense, and the block sizes that its rules allow.
        error: gives stored bits and error of a layer at a block size, all others dense.
    """
    choices = []
    for name, (bits, blocks) in layers.items():
        choices.append(BlockOption(name, DENSE, bits, 0.0))
        for block in blocks:
            stored, loss = error(name, block)
            choices.append(BlockOption(name, block, stored, loss))
    return choices
