# SPDX-License-Identifier: Apache-2.0
"""What layers that multiply a matrix share: the loop of the products, and the banks of their weight ROM.

The next token is loaded behind the products of this one, and finished sums drain behind the products that follow; both
are spread evenly over the period, so that neighbours see a steady rate (hls/swm/product_walk.h counts the same).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from swm.device.memories import URAM_WIDTH, Storage, memory
from swm.device.primitives import PREFERRED_BITS, Cost, control, register
from swm.layers.base import Preference
from swm.layers.program import Port, Program, Run

__all__ = [
    "NARROW_WEIGHT",
    "ROM_STORAGE",
    "Parts",
    "ProductTable",
    "bank_lanes",
    "banked",
    "lane_choices",
    "powers_of_two",
    "price",
    "priced",
    "product_program",
    "weight_rom_cost",
]

NARROW_WEIGHT = 8
"""Bits of a weight up to which the search builds multipliers of LUTs, too, where DSPs run out: a row of LUTs for each
bit, as many as two or three adders. Wider ones only where it is asked for (`hybrid`): they take the energy of several
DSPs."""

ROM_STORAGE: tuple[Storage, ...] = ("lutram", "bram")
"""Where weights may lie; the search chooses by the prices of LUTs and block RAM.

UltraRAM comes in where block RAM lacks (`swm.accelerator.spare`)."""


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


@lru_cache(maxsize=65536)
def bank_lanes(lanes: int, bits: int, kind: Storage = "bram") -> int:
    """Lanes of one bank of a weight memory: the most that divide `lanes` and keep a word within `PREFERRED_BITS`.

    UltraRAM has one width only: there the number that leaves the fewest of its columns empty comes first.
    """
    found = [d for d in range(1, lanes + 1) if lanes % d == 0 and d * bits <= PREFERRED_BITS] or [1]
    if kind == "uram":
        return min(found, key=lambda d: (lanes // d * -(-d * bits // URAM_WIDTH), -d))
    return found[-1]


def banked(table: NDArray[np.int64], vec: int, bits: int) -> NDArray[np.int64]:
    """Constants (rows, n) as a ROM [bank][row, beat][lane], a beat of `vec` of them a word; padded with zeros."""
    (rows, n), lanes = table.shape, bank_lanes(vec, bits)
    padded = np.zeros((rows, -(-n // vec) * vec), np.int64)
    padded[:, :n] = table
    return padded.reshape(-1, vec // lanes, lanes).transpose(1, 0, 2)


def powers_of_two(largest: int) -> list[int]:
    """1, 2, 4, ... up to `largest`."""
    return [1 << e for e in range(largest.bit_length())]


def price(cost: Cost, preference: Preference) -> float:
    """The weighted sum."""
    return float(priced(cost) @ np.array(preference.weights))


def priced(cost: Cost) -> NDArray[np.float64]:
    """DSP, BRAM18, URAM, LUT and FF, as the search weighs them."""
    return np.array([cost.dsp, cost.bram18, cost.uram, cost.lut, cost.ff], np.float64)


@lru_cache(maxsize=65536)
def weight_rom_cost(depth: int, lanes: int, bits: int, kind: Storage) -> Cost:
    """The weight ROM: `lanes` weights of `bits` bits a cycle, in banks of at most `PREFERRED_BITS`.

    In UltraRAM it is a memory with one write port, and a loop that collects a word and stores it (hls/swm/load.h).
    """
    width = bank_lanes(lanes, bits, kind)
    rom = memory(depth, width * bits, banks=lanes // width, writes=int(kind == "uram"), kind=kind)
    return rom.plus(control(1), register(width * bits)) if kind == "uram" else rom


class Parts(NamedTuple):
    """What the products of a layer cost, apart by what grows with what."""

    base: Cost
    dsp_row: Cost  # of each row that multiplies in DSPs
    fabric_row: Cost  # of each row that multiplies in LUTs
    rom: Callable[[Storage], Cost]

    def total(self, rows: int, fabric_rows: int, kind: Storage) -> Cost:
        """All of them."""
        rows_cost = (self.dsp_row.times(rows - fabric_rows), self.fabric_row.times(fabric_rows))
        return self.base.plus(*rows_cost, self.rom(kind))


class ProductTable:
    """Options of the products of a layer, and their prices under any preference."""

    def __init__(self, parts: Sequence[Parts], rows: Sequence[int], pairs: Sequence[int], small: bool) -> None:
        """Table the parts.

        Args:
            parts: of each option.
            rows: of each option.
            pairs: 2 where two rows share multipliers, else 1.
            small: whether weights are narrow (`NARROW_WEIGHT`).
        """
        self._base = np.stack([priced(p.base) for p in parts])
        self._dsp = np.stack([priced(p.dsp_row) for p in parts])
        self._fabric = np.stack([priced(p.fabric_row) for p in parts])
        self._roms = {kind: np.stack([priced(p.rom(kind)) for p in parts]) for kind in ROM_STORAGE}
        self._rows, self._pairs, self._small = np.array(rows), np.array(pairs), small
        self._known: dict[Preference, tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]] = {}

    def prices(self, preference: Preference) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Price, rows in LUTs and index into `ROM_STORAGE` of every option."""
        if preference not in self._known:
            share = preference.fabric if preference.wide or self._small else 0.0
            fabric = np.rint(self._rows * share / self._pairs).astype(np.int64) * self._pairs
            weights = np.array(preference.weights)
            roms = np.stack([self._roms[kind] @ weights for kind in ROM_STORAGE])
            price = self._base @ weights + (self._rows - fabric) * (self._dsp @ weights)
            price += fabric * (self._fabric @ weights) + roms.min(0)
            self._known[preference] = price, fabric, roms.argmin(0)
        return self._known[preference]
