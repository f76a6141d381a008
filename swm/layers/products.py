# SPDX-License-Identifier: Apache-2.0
"""What layers that multiply a matrix share: the loop of the products, and the banks of their weight ROM.

The next token is loaded behind the products of this one, and finished sums drain behind the products that follow; both
are spread evenly over the period, so that neighbours see a steady rate (hls/swm/product_walk.h counts the same).
"""

from __future__ import annotations

from collections.abc import Sequence

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from swm.device.memories import Storage, memory, storage
from swm.device.primitives import PREFERRED_BITS, Cost
from swm.layers.base import Port, Program, Run

__all__ = [
    "bank_lanes",
    "fabric_choices",
    "lane_choices",
    "powers_of_two",
    "priced",
    "product_program",
    "weight_rom_cost",
    "weight_storage",
]


def product_program(
    source: str, target: str, *, depth: int, loads: int, drain_group: int, drain_step: int, drains: Sequence[int]
) -> Program:
    """The loop of the products.

    Args:
        source: stream that brings the inputs.
        target: stream that takes the sums.
        depth: iterations that multiply, a token.
        loads: beats that bring one token.
        drain_group: iterations between two drains.
        drain_step: iterations between two beats of a drain.
        drains: beats of each drain, in order.
    """
    period = max(depth, loads)
    read = Port(source, (Run(-period, period // loads, loads),), (Run(0, 1, loads),))
    write = Port(target, tuple(Run((g + 1) * drain_group, drain_step, beats) for g, beats in enumerate(drains)))
    return Program(period, (read,), (write,), prologue=loads, epilogue=drain_step * (drains[-1] - 1) + 1)


def lane_choices(count: int) -> list[int]:
    """Numbers of lanes worth trying for `count` items: the smallest for each distinct ceil(count / lanes)."""
    found, lane = [], 1
    while True:
        found.append(lane)
        groups = -(-count // lane)
        if groups == 1:
            return found
        lane = -(-count // (groups - 1))


def bank_lanes(lanes: int, bits: int) -> int:
    """Lanes of one bank of a weight ROM: the most that divide `lanes` and keep a word within `PREFERRED_BITS`."""
    return max((d for d in range(1, lanes + 1) if lanes % d == 0 and d * bits <= PREFERRED_BITS), default=1)


def powers_of_two(largest: int) -> list[int]:
    """1, 2, 4, ... up to `largest`."""
    return [1 << e for e in range(largest.bit_length())]


def fabric_choices(rows: int, *, packed: bool) -> list[int]:
    """How many of `rows` may multiply in LUTs: none, quarters, all; pairs of rows stay together."""
    step = 2 if packed else 1
    return sorted({rows * quarter // 4 // step * step for quarter in range(5)})


def priced(cost: Cost) -> NDArray[np.float64]:
    """DSP, BRAM18, URAM, routed LUT and routed FF, as the search weighs them."""
    return np.array([cost.dsp, cost.bram18, cost.uram, cost.lut, cost.ff], np.float64)


@lru_cache(maxsize=65536)
def weight_rom_cost(depth: int, lanes: int, bits: int) -> Cost:
    """The weight ROM: `lanes` weights of `bits` bits a cycle, in banks of at most `PREFERRED_BITS`."""
    width = bank_lanes(lanes, bits)
    return memory(depth, width * bits, banks=lanes // width, writes=0)


def weight_storage(depth: int, lanes: int, bits: int) -> Storage:
    """Where the weight ROM lies, the same as `weight_rom_cost` charges."""
    return storage(depth, bank_lanes(lanes, bits) * bits, writes=0)
