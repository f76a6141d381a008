# SPDX-License-Identifier: Apache-2.0
"""The cost of hardware, and what operators cost; memories and FIFOs stand in `swm/device/memories.py`.

A `Cost` is at the level *after mapping and routing*: its LUTs are those that a synthesiser makes of an operator.
`routed` rounds it; `hls_level` says what csynth would report for it, about twice the LUTs of logic (`LUT_ROUTED`). The
rules were checked against yosys 0.23 (`synth_xilinx -family xc7`, `tests/device/test_yosys.py`) and against the
operators in about 250 csynth reports of public repositories. Kind of every figure: modelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from swm.device.board import DspPorts

__all__ = [
    "FF_ROUTED",
    "LUT_ROUTED",
    "MAX_STREAM_BITS",
    "NOTHING",
    "PREFERRED_BITS",
    "Cost",
    "Usage",
    "adder",
    "constant_adders",
    "constant_multiplier",
    "control",
    "hls_level",
    "multiplexer",
    "multiplier",
    "packed_multiplier",
    "packing_guard",
    "packs",
    "register",
    "routed",
]

MAX_STREAM_BITS = 4096
"""Widest stream, port or reshaped word: beyond it Vitis HLS 2023.2 stops with an error (Xilinx/Vitis-Tutorials issue
426; so did 2021.2, "integer constant between 1 and 4096", spcl/gemm_hls issue 24)."""
PREFERRED_BITS = 1024
"""Streams up to this width are preferred: wider ones load routing and FIFOs. A choice, no measurement of ours."""
LUT_ROUTED = 0.5
"""Routed LUTs of logic for each LUT of csynth: 1 / (1.66 .. 2.33) over whole public designs."""
FF_ROUTED = 0.55
"""Routed FFs for each FF of csynth: geometric middle of 1 / (1.0 .. 3.3)."""


class Cost(NamedTuple):
    """Resources after mapping. `logic` and `memory` are LUTs; `memory` those that hold data (LUTRAM, SRL, LUT ROM)."""

    dsp: int = 0
    bram18: int = 0
    uram: int = 0
    logic: float = 0.0
    memory: float = 0.0
    ff: float = 0.0

    @property
    def lut(self) -> float:
        """All LUTs, routed."""
        return self.logic + self.memory

    def plus(self, *others: Cost) -> Cost:
        """Sum of this and the others."""
        return Cost(*map(sum, zip(self, *others, strict=True)))

    def times(self, n: int) -> Cost:
        """N copies."""
        return Cost(self.dsp * n, self.bram18 * n, self.uram * n, self.logic * n, self.memory * n, self.ff * n)


NOTHING = Cost()


@dataclass(frozen=True)
class Usage:
    """Whole resources at one level.

    Attributes:
        dsp: DSP blocks.
        bram18: memories of 18 Kb; of 10 Kb (M10K) on family cyclonev.
        lut: LUTs; ALUTs on family cyclonev, of which an ALM has two.
        ff: flip-flops.
        uram: memories of 288 Kb.
    """

    dsp: int
    bram18: int
    lut: int
    ff: int
    uram: int = 0


def routed(cost: Cost, multipliers: int = 1) -> Usage:
    """The cost in whole resources, after routing.

    Args:
        cost: `dsp` counts multipliers.
        multipliers: that a DSP block is (`DspPorts.multipliers`).
    """
    return Usage(-(-cost.dsp // multipliers), cost.bram18, ceil(cost.lut), ceil(cost.ff), cost.uram)


def hls_level(cost: Cost) -> Usage:
    """What csynth would report for it: more logic and flip-flops than are left after routing, the same memories."""
    lut = ceil(cost.logic / LUT_ROUTED + cost.memory)
    return Usage(cost.dsp, cost.bram18, lut, ceil(cost.ff / FF_ROUTED), cost.uram)


def adder(bits: int, registered: bool = True) -> Cost:
    """One adder or subtractor: a LUT a bit on the carry chain (csynth reports bits + 7).

    Args:
        bits: Width of the result.
        registered: With a register for the result.
    """
    return Cost(logic=bits, ff=bits if registered else 0)


def register(bits: int) -> Cost:
    """Pipeline registers."""
    return Cost(ff=bits)


def control(loops: int = 1) -> Cost:
    """State machine and counters of one process: 60 LUTs and 30 more for each loop.

    Half of FINN's 300 LUTs for a unit of three loops, which is at HLS level (finn/custom_op/fpgadataflow).
    """
    return Cost(logic=60 + 30 * loops, ff=44 + 33 * loops)


@lru_cache(maxsize=65536)
def multiplexer(inputs: int, bits: int = 1) -> Cost:
    """An n:1 multiplexer.

    Args:
        inputs: Words to choose from.
        bits: Width of a word.

    Returns:
        2:1 half a LUT a bit (two share a LUT6_2), up to 4:1 one, 8:1 two with MUXF7, 16:1 four with MUXF8; wider ones a
        second level over groups of 16.
    """
    return Cost(logic=_selection(inputs) * bits)


def _selection(inputs: int) -> float:
    if inputs <= 1:
        return 0.0
    if inputs == 2:
        return 0.5
    return -(-inputs // 4) + (_selection(-(-inputs // 16)) if inputs > 16 else 0.0)


def multiplier(a: int, b: int, ports: DspPorts, fabric: bool = False) -> Cost:
    """One signed multiplier of a x b bits.

    Args:
        a: Bits of one factor.
        b: Bits of the other.
        ports: Port widths of the device's DSP.
        fabric: Built of LUTs instead of DSPs (the emitted pragma asks for it).

    Returns:
        One DSP while the factors fit its ports; else ceil(a/narrow) ceil(b/wide), the cheaper way round, a rest of
        fewer bits than `DspPorts.least` left out, with LUTs and FFs to join them (18x32 takes 165 FF and 50 LUT in
        csynth). In LUTs a row of max + 1 for each bit of the smaller factor but the first.

    The rows lie between the two tables known: csynth of 6x5, 8x6, 9x7, 10x7 gives 23, 40, 50, 62 LUT (0.82 a b),
    FINN's formula (2 ceil((a+b)/6) - 1)(a+b) gives 33, 70, 80, 85; rows 28, 45, 60, 66. yosys 0.23 counts 30 for
    5x5 and 180 for 12x12 where the rows are 24 and 143: it does not pair small LUTs in one LUT6_2. (Its own `*` is a
    carry-save tree without carry chains, 41 and 345 LUT: no vendor tool does this.)
    """
    small, large = min(a, b), max(a, b)
    if fabric:
        return Cost(logic=max((large + 1) * (small - 1), large / 2), ff=a + b)

    def blocks(bits: int, port: int) -> int:
        whole, rest = divmod(bits, port)
        return max(1, whole + (rest >= ports.least))

    one = blocks(small, ports.narrow) * blocks(large, ports.wide)
    other = blocks(large, ports.narrow) * blocks(small, ports.wide)
    if small <= ports.narrow and large <= ports.wide:
        return Cost(dsp=1)
    return Cost(dsp=min(one, other), logic=50 * LUT_ROUTED, ff=ceil(165 * FF_ROUTED))


def packing_guard(a_bits: int, b_bits: int, ports: DspPorts) -> int:
    """Spare bits between two products that share one factor in one DSP; negative where they do not fit.

    The pre-adder joins two factors, (x1 << s) + x2 with s = a_bits + b_bits + guard, so a_bits + s + 1 bits have to fit
    the wide port. Sums of up to 2^(guard + 1) - 1 products stay apart: 7 for the two guard bits of AMD WP486.

    Args:
        a_bits: Bits of each of the two factors that are joined.
        b_bits: Bits of the factor that they share.
        ports: Port widths of the device's DSP.
    """
    if not ports.preadder or b_bits > ports.narrow:
        return -1
    return max(-1, ports.wide - 2 * a_bits - b_bits - 1)


def packs(a_bits: int, b_bits: int, ports: DspPorts) -> bool:
    """Whether two products a1 * b and a2 * b fit one DSP.

    Each pair is split as it leaves the multiplier and summed in LUTs, so (a1 << s) + a2 needs s = a_bits + b_bits - 1
    only, and 2 a_bits + b_bits bits have to fit the wide port (hls/swm/fixed.h `multiply_pair`). AMD WP486 keeps guard
    bits, for seven sums inside a DSP48E2.

    Args:
        a_bits: Bits of each of the two factors that are joined.
        b_bits: Bits of the factor that they share.
        ports: Port widths of the device's DSP.
    """
    return ports.preadder and b_bits <= ports.narrow and 2 * a_bits + b_bits <= ports.wide


def packed_multiplier(a_bits: int, b_bits: int, ports: DspPorts) -> Cost:
    """Two products with a shared factor in one DSP, and the adder that takes the low one's sign out of the high one.

    Args:
        a_bits: Bits of each of the two factors that are joined.
        b_bits: Bits of the factor that they share.
        ports: Port widths of the device's DSP.

    Raises:
        ValueError: They do not fit; ask `packs`.
    """
    if not packs(a_bits, b_bits, ports):
        raise ValueError(f"two products of {a_bits} x {b_bits} bits do not fit a DSP of {ports.wide} x {ports.narrow}")
    return Cost(dsp=1).plus(adder(a_bits + b_bits))


@lru_cache(maxsize=1024)
def constant_adders(constant: int) -> int:
    """Adders and subtractors of a multiplication by a constant, in canonical signed digits with shared pairs.

    Hartley's greedy form: of the pairs of digits (equal distance, equal relative sign) the one that occurs most is
    built once; binary digits are tried too, and the better is taken.

    Args:
        constant: The factor.

    Returns:
        Its adders: 0 for a power of two, 4 for 46,341 (5x, 1285x = 257 * 5x, 11x = 16x - 5x, or another such form).
    """
    value = abs(constant)
    binary = tuple((i, 1) for i in range(value.bit_length()) if value >> i & 1)
    return min(_shared_adders(binary), _shared_adders(_signed_digits(value)))


def _signed_digits(value: int) -> tuple[tuple[int, int], ...]:
    digits, place = [], 0
    while value:
        if value & 1:
            sign = 2 - (value & 3)
            digits.append((place, sign))
            value -= sign
        value, place = value >> 1, place + 1
    return tuple(digits)


def _shared_adders(digits: tuple[tuple[int, int], ...]) -> int:
    # one pair of digits is shared, the best; pairs of pairs are not looked for
    plain = max(0, len(digits) - 1)
    best = plain
    shapes = {(j - i, s * t) for n, (i, s) in enumerate(digits) for j, t in digits[n + 1 :]}
    for distance, sign in shapes:
        left, pairs = dict(digits), 0
        for i, s in digits:
            if i in left and left.get(i + distance) == s * sign:
                del left[i], left[i + distance]
                pairs += 1
        best = min(best, 1 + pairs + len(left) - 1 if pairs else plain)
    return best


def constant_multiplier(bits: int, constant: int) -> Cost:
    """A multiplication by a constant, of adders.

    Args:
        bits: Bits of the factor.
        constant: The constant.

    Returns:
        `constant_adders` adders, each as wide as the factor and a third of the constant (14 bits by 46,341: 4 adders of
        20 = 80 LUT; yosys 0.23 makes 82 of the four written out), and the register of the result. A plain `*` in the
        source is another matter: yosys makes 219 LUT of it, and a vendor tool may take a DSP.
    """
    length = abs(constant).bit_length()
    return Cost(logic=constant_adders(constant) * (bits + -(-length // 3)), ff=bits + length)
