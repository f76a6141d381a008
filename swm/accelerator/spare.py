# SPDX-License-Identifier: Apache-2.0
"""Where weights go when block RAM is all that lacks: UltraRAM first, then LUTs.

UltraRAM blocks are deep, so it takes those of the largest layers first; LUTs take those of the smallest layers first.

A candidate (u, l) has the weights of the u largest layers in UltraRAM, and of the others those of the l smallest in
LUTs. Which candidates there are does not depend on the board, every move takes more of what it moves to and never less
of anything but block RAM, and the first candidate that fits is taken, if any does. So what fits a board fits every
larger one, and a board with UltraRAM does all that the same board without it can: there the candidates (0, l) are left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.judging import Option
from swm.accelerator.resources import load_cost
from swm.device.board import Board
from swm.device.limits import Limits
from swm.device.primitives import Cost

__all__ = ["spared"]

_BRAM18 = 1  # place among the resources below


def spared(chosen: Sequence[Option], cost: Cost, board: Board, limits: Limits, *, uram: bool) -> list[Option] | None:
    """The first candidate that fits; None where none does.

    Args:
        chosen: all layers of a design that goes beyond the block RAM of the board, and beyond nothing else.
        cost: of the whole design.
        board: the device.
        limits: fractions of it that may be used.
        uram: whether memories can be filled at start.
    """
    allowed = _allowed(board, limits)
    by_size = sorted(range(len(chosen)), key=lambda i: chosen[i].built.spec.stored_bits)
    filled = _Moves(chosen, by_size[::-1], board, lambda option: option.in_uram, loaded=True) if uram else None
    in_luts = _Moves(chosen, by_size, board, lambda option: option.in_luts)
    used, starts = _row(cost), []
    for count in range(1 + (len(filled.order) if filled else 0)):
        if filled and count:
            used = used + filled.costs[count - 1]
            used += _row(load_cost(board, 0)) if count == 1 else 0
        over = np.ceil(used) > allowed
        if not over.any():
            assert filled is not None
            return filled.applied(chosen, filled.order[:count])
        over[_BRAM18] = False
        if over.any():
            break  # and further moves take still more of it
        starts.append(used)
    for count, start in reversed(list(enumerate(starts))):
        taken = filled.order[:count] if filled else []
        free = [n for n, index in enumerate(in_luts.order) if index not in taken]
        fits = (np.ceil(start + np.cumsum(in_luts.costs[free], axis=0)) <= allowed).all(axis=1)
        if fits.any():
            moved = [in_luts.order[n] for n in free[: int(fits.argmax()) + 1]]
            made = filled.applied(chosen, taken) if filled else list(chosen)
            return in_luts.applied(made, moved)
    return None


class _Moves:
    """Layers whose weights can move, in their order, and what each move adds to the cost."""

    def __init__(
        self,
        chosen: Sequence[Option],
        order: Sequence[int],
        board: Board,
        move: Callable[[Option], Option | None],
        *,
        loaded: bool = False,
    ) -> None:
        self._made: dict[int, Option] = {}
        costs = []
        for index in order:
            made = move(chosen[index])
            if made is None:
                continue
            self._made[index] = made
            stream = _row(load_cost(board, 1)) - _row(load_cost(board, 0)) if loaded else 0
            costs.append(_row(made.cost) - _row(chosen[index].cost) + stream)
        self.order = list(self._made)
        self.costs: NDArray[np.float64] = np.array(costs, np.float64).reshape(-1, 5)

    def applied(self, chosen: Sequence[Option], moved: Sequence[int]) -> list[Option]:
        """All layers, those of the places `moved` changed."""
        return [self._made[i] if i in moved else option for i, option in enumerate(chosen)]


def _row(cost: Cost) -> NDArray[np.float64]:
    return np.array([cost.dsp, cost.bram18, cost.uram, cost.lut, cost.ff], np.float64)


def _allowed(board: Board, limits: Limits) -> NDArray[np.float64]:
    held = {key: limits.allowed(key, board.resources) for key in ("dsp", "bram18", "uram", "lut", "ff")}
    held["dsp"] *= board.dsp_ports.multipliers  # a cost counts these
    return np.array(list(held.values()))
