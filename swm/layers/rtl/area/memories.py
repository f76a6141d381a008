# SPDX-License-Identifier: Apache-2.0
"""Where yosys puts a memory of a part of AMD, or of Cyclone V, and how many blocks it takes.

AMD: after its pass `memory_libmap` and the costs in its `share/xilinx/brams_xc4v.txt` and `lutrams_xc5v.txt` (0.70): an
18 Kb block costs 129, a 36 Kb one 257, four LUTs of RAM 8 for 6 bits of 32 words or 3 bits of 64, 64 bits of ROM in
LUTs 1. Rows of a memory deeper than a block's shape lie side by side in its width, where it is written each in bytes of
its own (9 bits, with a write enable); each bit of each row but the first costs half of one for the multiplexer behind.
Counted so, all memories of the grid of `swm bench area` have as many blocks as yosys gives them. A vendor's tool
chooses otherwise.

Cyclone V: after its pass `memory_bram` with `share/intel_alm/common/bram_m10k.txt` and `lutram_mlab.txt` (0.70): of the
shapes of an M10K the one that wastes least, by whole percents, then the fewest blocks side by side, then in depth;
none where a twentieth of the bits would not be used. What is left and written lies in MLABs, a LUT for 32 x 1 bits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

__all__ = ["Placed", "intel", "ram", "rom"]

_HALF = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))  # words, bits
_FULL = ((512, 72), (1024, 36), (2048, 18), (4096, 9), (8192, 4), (16384, 2), (32768, 1))
_BLOCKS = ((129, 1, _HALF), (257, 2, _FULL))  # cost, 18 Kb blocks
_LUTS = ((32, 6), (64, 3))  # of four LUTs
_FOUR_LUTS = 8
_ROM_BIT = 1 / 64
_MUX = 0.5
_BYTE = 9  # bits that a write enable is for
_M10K = ((256, 40), (512, 20), (1024, 10), (2048, 5), (4096, 2), (8192, 1))
_LEAST_USED = 5  # percent of a block's bits
_MLAB_WORDS = 32


class Placed(NamedTuple):
    """A memory in its place: blocks of 18 Kb (Cyclone V: 10 Kb), or LUTs; and rows that a multiplexer chooses from."""

    bram18: int
    luts: int
    rows: int


@lru_cache(maxsize=65536)
def rom(words: int, bits: int) -> Placed:
    """A ROM for which nothing is asked."""
    cost, placed = _in_blocks(words, bits, written=False)
    return Placed(0, -(-words // 64) * bits, 1) if words * bits * _ROM_BIT < cost else placed


@lru_cache(maxsize=65536)
def ram(words: int, bits: int) -> Placed:
    """A memory with a write port and a registered read port."""
    found = [_in_blocks(words, bits, written=True)]
    for depth, width in _LUTS:
        rows = -(-words // depth)
        cost = _FOUR_LUTS * rows * bits / width + (rows - 1) * bits * _MUX
        found.append((cost, Placed(0, 4 * rows * -(-bits // width), rows)))
    return min(found, key=lambda one: one[0])[1]


@lru_cache(maxsize=65536)
def intel(words: int, bits: int, *, clocked: bool = True) -> Placed:
    """A memory of Cyclone V; only one whose reads are clocked may lie in blocks."""
    rows, wide, used = 1, 1, 0
    for depth, width in _M10K if clocked else ():
        down, across = -(-words // depth), -(-bits // width)
        part = 100 * words * bits // (down * across * depth * width)
        if (part, -across, -down) > (used, -wide, -rows):
            rows, wide, used = down, across, part
    if used >= _LEAST_USED:
        return Placed(rows * wide, 0, rows)
    rows = -(-words // _MLAB_WORDS)
    return Placed(0, rows * bits, rows)


def _in_blocks(words: int, bits: int, *, written: bool) -> tuple[float, Placed]:
    found = []
    for cost, size, shapes in _BLOCKS:
        for depth, width in shapes:
            rows = -(-words // depth)
            byte = min(_BYTE, width) if written and rows > 1 else 1
            blocks = -(-rows * -(-bits // byte) * byte // width)
            found.append((cost * blocks + (rows - 1) * bits * _MUX, Placed(size * blocks, 0, rows)))
    return min(found, key=lambda one: one[0])
