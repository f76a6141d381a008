# SPDX-License-Identifier: Apache-2.0
"""Where yosys puts a memory, and how many blocks it takes.

AMD parts, after its pass `memory_libmap` and the costs in its `share/xilinx/brams_xc4v.txt` and `lutrams_xc5v.txt`
(0.70): an 18 Kb block costs 129, a 36 Kb one 257, four LUTs of RAM 8 for 6 bits of 32 words or 3 bits of 64, 64 bits
of ROM in LUTs 1. Rows of a memory deeper than a block's shape lie side by side in its width, where it is written each
in bytes of its own (9 bits, with a write enable); each bit of each row but the first costs half of one for the
multiplexer behind. Parts with LUTs of four inputs, after `share/gowin/` and `share/lattice/` (brams, lutrams): a block
costs 128, four LUTs of RAM 4 for 4 bits of 16 words, 16 bits of ROM in LUTs 1. The widest block of ECP5 (512 x 36) is
written whole. Counted so, all memories of the grid of `swm bench area` have as many blocks as yosys gives them.

Cyclone V, after its pass `memory_bram` with `share/intel_alm/common/bram_m10k.txt` and `lutram_mlab.txt` (0.70): of the
shapes of an M10K the one that wastes least, by whole percents, then the fewest blocks side by side, then in depth;
none where a twentieth of the bits would not be used. What is left and written lies in MLABs, a LUT for 32 x 1 bits.

A vendor's tool chooses otherwise.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

__all__ = ["AMD", "ECP5", "GOWIN", "INTEL", "Library", "Placed", "Shape", "distributed", "ram", "rom"]

Shape = tuple[int, int]  # words, bits

_HALF = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))  # words, bits
_FULL = ((512, 72), (1024, 36), (2048, 18), (4096, 9), (8192, 4), (16384, 2), (32768, 1))
_MUX = 0.5
_BYTE = 9  # bits that a write enable is for
_M10K = ((256, 40), (512, 20), (1024, 10), (2048, 5), (4096, 2), (8192, 1))
_LEAST_USED = 5  # percent of a block's bits


class Library(NamedTuple):
    """Memories of a family of devices, and what yosys charges for them.

    Attributes:
        blocks: cost, 18 Kb blocks and shapes of a block.
        luts: shapes of four LUTs of RAM.
        four_luts: their cost.
        rom_bit: cost of a bit of ROM in LUTs.
        rom_word: words of ROM that a LUT holds a bit of.
        whole: bits of a shape that is written as one word, without enables; 0 where there is none.
    """

    blocks: tuple[tuple[int, int, tuple[Shape, ...]], ...]
    luts: tuple[Shape, ...]
    four_luts: float
    rom_bit: float
    rom_word: int
    whole: int = 0


AMD = Library(((129, 1, _HALF), (257, 2, _FULL)), ((32, 6), (64, 3)), 8, 1 / 64, 64)
GOWIN = Library(((128, 1, _HALF),), ((16, 4),), 4, 1 / 16, 16)
ECP5 = GOWIN._replace(whole=36)
INTEL = Library(((1, 1, _M10K),), ((32, 4),), 4, 1 / 32, 32)
"""Cyclone V, whose memories are placed by another rule, without costs."""


class Placed(NamedTuple):
    """A memory in its place: blocks of 18 Kb (Cyclone V: 10 Kb), or LUTs; and rows that a multiplexer chooses from."""

    bram18: int
    luts: int
    rows: int


@lru_cache(maxsize=65536)
def rom(words: int, bits: int, library: Library = AMD) -> Placed:
    """A ROM for which nothing is asked."""
    if library is INTEL:
        return _in_m10k(words, bits)
    cost, placed = _in_blocks(words, bits, library, written=False)
    if words * bits * library.rom_bit < cost:
        return Placed(0, -(-words // library.rom_word) * bits, 1)
    return placed


@lru_cache(maxsize=65536)
def ram(words: int, bits: int, library: Library = AMD) -> Placed:
    """A memory with a write port and a registered read port."""
    if library is INTEL:
        return _in_m10k(words, bits)
    found = []
    for depth, width in library.luts:
        rows = -(-words // depth)
        cost = library.four_luts * rows * bits / width + (rows - 1) * bits * _MUX
        found.append((cost, Placed(0, 4 * rows * -(-bits // width), rows)))
    found.append(_in_blocks(words, bits, library, written=True))  # the last, as LUTs are taken where both cost the same
    return min(found, key=lambda one: one[0])[1]


@lru_cache(maxsize=65536)
def distributed(words: int, bits: int, library: Library = AMD) -> Placed:
    """A memory that is asked to lie in LUTs."""
    if library is INTEL:
        return _in_mlabs(words, bits)
    depth, width = library.luts[0]
    rows = -(-words // depth)
    return Placed(0, 4 * rows * -(-bits // width), rows)


def _in_m10k(words: int, bits: int) -> Placed:
    """A memory of Cyclone V whose reads are clocked."""
    rows, wide, used = 1, 1, 0
    for depth, width in _M10K:
        down, across = -(-words // depth), -(-bits // width)
        part = 100 * words * bits // (down * across * depth * width)
        if (part, -across, -down) > (used, -wide, -rows):
            rows, wide, used = down, across, part
    return Placed(rows * wide, 0, rows) if used >= _LEAST_USED else _in_mlabs(words, bits)


def _in_mlabs(words: int, bits: int) -> Placed:
    rows = -(-words // INTEL.rom_word)
    return Placed(0, rows * bits, rows)


def _in_blocks(words: int, bits: int, library: Library, *, written: bool) -> tuple[float, Placed]:
    found = []
    for cost, size, shapes in library.blocks:
        for depth, width in shapes:
            rows = -(-words // depth)
            byte = min(_BYTE, width) if written and rows > 1 else 1
            if byte > 1 and width == library.whole:
                byte = width
            blocks = -(-rows * -(-bits // byte) * byte // width)
            found.append((cost * blocks + (rows - 1) * bits * _MUX, Placed(size * blocks, 0, rows)))
    return min(found, key=lambda one: one[0])
