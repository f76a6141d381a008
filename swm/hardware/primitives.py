# SPDX-License-Identifier: Apache-2.0
"""What one operator, memory or FIFO costs, as HLS reports it.

The rules were read out of about 250 csynth reports in public repositories, of nine HLS versions. Kind of every figure:
modelled.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from swm.hardware.board import DspPorts

__all__ = [
    "LUT_MULTIPLIER_LIMIT",
    "NOTHING",
    "Cost",
    "adder",
    "bram18",
    "fifo",
    "fifo_bram18",
    "memory",
    "multiplier",
    "register",
]

LUT_MULTIPLIER_LIMIT = 70
"""A multiplier of a x b bits with a * b up to this is built of LUTs, a wider one of DSPs (the cut lies at 70..80)."""
_LUTRAM_BITS = 1024  # memories up to this size take no block RAM
_SRL_DEPTH = 32  # FIFOs up to this depth are shift registers
_FIFO_SHAPES = (
    (18, 1024),
    (9, 2048),
    (4, 4096),
    (2, 8192),
    (1, 16384),
)  # width, depth; never the 36-wide shape
_RAM_SHAPES = ((36, 512), *_FIFO_SHAPES)  # simple dual port: one write and one read port


class Cost(NamedTuple):
    """Raw cost at HLS level. `logic` and `memory` are LUTs, kept apart because only logic shrinks in Vivado."""

    dsp: int = 0
    bram18: int = 0
    logic: float = 0.0
    memory: float = 0.0
    ff: float = 0.0

    def plus(self, *others: Cost) -> Cost:
        """Sum of this and the others."""
        return Cost(*map(sum, zip(self, *others, strict=True)))

    def times(self, n: int) -> Cost:
        """N copies."""
        return Cost(self.dsp * n, self.bram18 * n, self.logic * n, self.memory * n, self.ff * n)


NOTHING = Cost()


def multiplier(a: int, b: int, ports: DspPorts) -> Cost:
    """One signed multiplier of a x b bits.

    Args:
        a: Bits of one factor.
        b: Bits of the other.
        ports: Port widths of the device's DSP.

    Returns:
        0.82 a b LUTs for a b <= 70; else 1 DSP and 5 LUTs while it fits the ports; else ceil(a/narrow) ceil(b/wide)
        DSPs, the cheaper way round, with 50 LUTs and 165 FFs to join them.
    """
    if a * b <= LUT_MULTIPLIER_LIMIT:
        return Cost(logic=0.82 * a * b, ff=a + b)
    small, large = min(a, b), max(a, b)
    one = -(-small // ports.narrow) * -(-large // ports.wide)
    other = -(-large // ports.narrow) * -(-small // ports.wide)
    n = min(one, other)
    return Cost(dsp=n, logic=5 if n == 1 else 50, ff=0 if n == 1 else 165)


def adder(bits: int) -> Cost:
    """One adder or subtractor with its result register: bits + 7 LUTs."""
    return Cost(logic=bits + 7, ff=bits)


def register(bits: int) -> Cost:
    """Pipeline registers."""
    return Cost(ff=bits)


@lru_cache(maxsize=65536)
def bram18(depth: int, width: int, two_ports: bool = False) -> int:
    """18 Kb blocks of one memory, the cheapest split of its width into block shapes.

    Args:
        depth: Words.
        width: Bits a word.
        two_ports: Two reads or two writes a cycle (true dual port), which forbids the 36-wide shape.

    Returns:
        Blocks; 614,656 x 32 gives 1,092 where Vivado HLS reported 1,091.
    """
    shapes = _FIFO_SHAPES if two_ports else _RAM_SHAPES
    best = _remainder(depth, width % 36, two_ports) + (width // 36) * _remainder(depth, 36, two_ports) if width else 0
    for shape_width, shape_depth in shapes:
        whole, rest = divmod(width, shape_width)
        best = min(best, whole * -(-depth // shape_depth) + _remainder(depth, rest, two_ports))
    return best


@lru_cache(maxsize=65536)
def _remainder(depth: int, width: int, two_ports: bool) -> int:
    # exact for one remainder of at most 36 bits
    if width == 0:
        return 0
    shapes = _FIFO_SHAPES if two_ports else _RAM_SHAPES
    return min(-(-depth // d) + _remainder(depth, max(0, width - w), two_ports) for w, d in shapes)


@lru_cache(maxsize=65536)
def memory(depth: int, width: int, banks: int = 1, two_ports: bool = False) -> Cost:
    """A RAM or ROM in equal banks.

    Args:
        depth: Words in each bank.
        width: Bits a word.
        banks: Banks that are read or written side by side.
        two_ports: Two accesses of the same kind a cycle in each bank.

    Returns:
        Per bank: LUTRAM up to 1,024 bits (64 x 1 a LUT, twice for two ports; output register), else block RAM.
    """
    if depth * width <= _LUTRAM_BITS:
        luts = -(-depth // 64) * width * (2 if two_ports else 1) if depth > 1 else 0
        return Cost(memory=luts, ff=width).times(banks)
    return Cost(bram18=bram18(depth, width, two_ports)).times(banks)


@lru_cache(maxsize=65536)
def fifo_bram18(depth: int, width: int) -> int:
    """18 Kb blocks of a stream deeper than 32: the widest FIFO shape whose depth holds it, never 36 wide."""
    for shape_width, shape_depth in _FIFO_SHAPES:
        if depth <= shape_depth:
            return -(-width // shape_width)
    return width * -(-depth // _FIFO_SHAPES[-1][1])


@lru_cache(maxsize=65536)
def fifo(depth: int, width: int) -> Cost:
    """A stream between two processes.

    Args:
        depth: Beats.
        width: Bits a beat.

    Returns:
        Up to 32 beats a shift register (two bits a LUT; the emitted pragma has to ask for it, as wide shallow streams
        went to block RAM in a published report), deeper ones block RAM.
    """
    control = 2 * (depth - 1).bit_length() + 10
    if depth <= _SRL_DEPTH:
        return Cost(logic=control, memory=-(-width // 2), ff=99)
    return Cost(bram18=fifo_bram18(depth, width), logic=control + 30, ff=100)
