# SPDX-License-Identifier: Apache-2.0
"""What a memory, shift register or FIFO costs, and which storage is the cheaper.

The emitted code asks for the storage of weights and FIFOs by pragmas, so the choice is made here: the cheaper in LUTs,
with `LUTS_PER_BRAM18` as the exchange rate; of other memories a tool is taken to choose alike. Shapes: a LUT holds
64 x 1; RAM64M, four LUTs, 64 x 3 with a write and a read address; RAM32M 32 x 6; a LUT of ROM 64 x 1; SRL32 32 x 1 (AMD
UG953). Block RAM 36 x 512 to 1 x 16K with one write and one read port; in true dual-port mode never 36 wide. UltraRAM
72 x 4,096, without initial contents. Kind of every figure: modelled.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from swm.device.primitives import NOTHING, Cost, multiplexer, register

__all__ = [
    "LUTS_PER_BRAM18",
    "URAM_WIDTH",
    "Storage",
    "bram18",
    "fifo",
    "fifo_bram18",
    "memory",
    "shift_register",
    "storage",
]

Storage = Literal["registers", "lutram", "bram", "uram"]
LUTS_PER_BRAM18 = 200
"""LUTs that an 18 Kb block is worth: what the smallest shipped device has of each, 53,200 / 280 = 190, and less than
the 370 to 410 of the UltraScale+ ones, where blocks are scarcer and the caller may give a higher rate."""
_SRL_DEPTH = 32
_FIFO_SHAPES = ((18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))  # width, depth; never the 36-wide shape
_RAM_SHAPES = ((36, 512), *_FIFO_SHAPES)  # simple dual port: one write and one read port
URAM_WIDTH, _URAM_DEPTH = 72, 4096


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
def memory(
    depth: int,
    width: int,
    *,
    banks: int = 1,
    reads: int = 1,
    writes: int = 1,
    kind: Storage | None = None,
    luts_per_bram18: float = LUTS_PER_BRAM18,
) -> Cost:
    """A RAM, or a ROM (`writes=0`), in equal banks.

    Args:
        depth: Words in each bank.
        width: Bits a word.
        banks: Banks side by side.
        reads: Reads a cycle of one bank.
        writes: Writes a cycle of one bank: 0 (ROM), 1, or 2. Two writes take a true dual-port block, which has two
            ports in all: its reads fall into other cycles.
        kind: Storage; the cheaper of LUTRAM and block RAM when absent.
        luts_per_bram18: Exchange rate of that choice.

    Returns:
        Cost of all banks, with an output register for each read.

    Raises:
        ValueError: The storage cannot do this: two writes a cycle into LUTs, a ROM in UltraRAM, more than two writes.
    """
    if depth < 1 or width < 1 or reads < 1 or writes not in (0, 1, 2):
        raise ValueError(f"memory of {depth} x {width} bits, {reads} reads and {writes} writes a cycle: no such memory")
    kind = kind or storage(depth, width, reads=reads, writes=writes, luts_per_bram18=luts_per_bram18)
    return _one(kind, depth, width, reads, writes).times(banks)


def storage(
    depth: int,
    width: int,
    *,
    reads: int = 1,
    writes: int = 1,
    luts_per_bram18: float = LUTS_PER_BRAM18,
) -> Storage:
    """The cheaper storage of one bank, never UltraRAM: that needs a load path, so it is asked for by name.

    Args:
        depth: Words.
        width: Bits a word.
        reads: Reads a cycle.
        writes: Writes a cycle; 0 for a ROM.
        luts_per_bram18: LUTs that an 18 Kb block is worth.
    """
    if depth == 1:
        return "registers"
    if writes > 1:
        return "bram"
    blocks = _one("bram", depth, width, reads, writes).bram18
    return "lutram" if _one("lutram", depth, width, reads, writes).lut <= blocks * luts_per_bram18 else "bram"


def _one(kind: Storage, depth: int, width: int, reads: int, writes: int) -> Cost:
    out = register(width * reads)
    if kind == "registers":
        words = Cost(ff=depth * width) if writes else NOTHING
        return words.plus(multiplexer(depth, width * reads)) if depth > 1 else words
    if kind == "bram":
        return Cost(bram18=_blocks(depth, width, reads, writes), ff=width * reads)
    if kind == "uram":
        if not writes:
            raise ValueError("UltraRAM has no initial contents: a ROM there needs a load path (writes=1)")
        copies = reads if writes == 1 else -(-reads // 2)  # two ports in all, like block RAM
        return Cost(uram=copies * -(-width // URAM_WIDTH) * -(-depth // _URAM_DEPTH), ff=width * reads)
    if writes > 1:
        raise ValueError("two writes a cycle into LUTRAM: it has one write port; take banks or block RAM")
    return (_lut_ram(depth, width, reads) if writes else _lut_rom(depth, width, reads)).plus(out)


def _blocks(depth: int, width: int, reads: int, writes: int) -> int:
    if writes == 2:
        return -(-reads // 2) * bram18(depth, width, two_ports=True)
    single = reads * bram18(depth, width)
    if writes == 1:
        return single  # one copy a read, all written together
    return min(single, (reads // 2) * bram18(depth, width, two_ports=True) + (reads % 2) * bram18(depth, width))


def _lut_ram(depth: int, width: int, reads: int) -> Cost:
    # Simple dual port: RAM32M holds 6 bits of 32 words and RAM64M 3 bits of 64 in four LUTs. Deeper ones are rows of
    # RAM64M, a decoder of the write enable and multiplexers behind.
    if depth <= 32:
        return Cost(memory=4 * -(-width * reads // 6))
    rows = -(-depth // 64)
    return Cost(memory=4 * rows * -(-width * reads // 3), logic=rows if rows > 1 else 0).plus(
        Cost(logic=max(1.0, multiplexer(rows).logic) * width * reads if rows > 1 else 0.0)
    )


def _lut_rom(depth: int, width: int, reads: int) -> Cost:
    # 64 words a LUT, two bits of 32 words or less; MUXF7 and MUXF8 join four LUTs, deeper ones need multiplexers.
    if depth <= 32:
        return Cost(memory=-(-width // 2) * reads)
    groups = -(-depth // 256)
    return Cost(memory=-(-depth // 64) * width * reads).plus(multiplexer(groups, width * reads))


def shift_register(depth: int, width: int) -> Cost:
    """A delay line: flip-flops for one or two cycles, else a LUT for each bit and 32 cycles (SRL32).

    Two 16-deep registers could share a LUT, but tools seldom place them so: 929 of them in 921 LUTs in one placed
    design (I-am-VarunM/ZCU104_src_power), 77 in 61 in another (NotCleo/TPU-Cores).

    Args:
        depth: Cycles.
        width: Bits.
    """
    if depth <= 2:
        return register(depth * width)
    return Cost(memory=-(-depth // 32) * width)


@lru_cache(maxsize=65536)
def fifo_bram18(depth: int, width: int) -> int:
    """18 Kb blocks of a stream in block RAM: the widest FIFO shape whose depth holds it, never 36 wide."""
    for shape_width, shape_depth in _FIFO_SHAPES:
        if depth <= shape_depth:
            return -(-width // shape_width)
    return width * -(-depth // _FIFO_SHAPES[-1][1])


@lru_cache(maxsize=65536)
def fifo(depth: int, width: int, *, kind: Storage | None = None, luts_per_bram18: float = LUTS_PER_BRAM18) -> Cost:
    """A stream between two processes; the emitted pragma has to ask for the storage.

    Args:
        depth: Beats.
        width: Bits a beat.
        kind: "lutram" (a shift register up to 32 beats), "bram", "uram" or "registers"; by depth and price when absent.
        luts_per_bram18: Exchange rate of that choice.

    Returns:
        Registers at depth 1, a shift register up to 32 beats (a published wide shallow stream, 2 x 1,400 bits, went to
        78 blocks for want of a pragma), LUTRAM while it is the cheaper, else block RAM.
    """
    address = (depth - 1).bit_length()
    if kind is None:
        blocks, rows = fifo_bram18(depth, width), _lut_ram(depth, width, 1).lut
        deep: Storage = "lutram" if depth <= _SRL_DEPTH or rows <= blocks * luts_per_bram18 else "bram"
        kind = "registers" if depth == 1 else deep
    state = Cost(logic=2 * address + 4, ff=3 * address + 2 + width)
    if kind == "registers":
        return state.plus(Cost(ff=depth * width)).plus(multiplexer(depth, width))
    if kind == "bram":
        return state.plus(Cost(bram18=fifo_bram18(depth, width), logic=15))
    if kind == "uram":
        return state.plus(Cost(uram=-(-width // URAM_WIDTH) * -(-depth // _URAM_DEPTH), logic=15))
    return state.plus(shift_register(max(3, depth), width) if depth <= _SRL_DEPTH else _lut_ram(depth, width, 1))
