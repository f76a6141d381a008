# SPDX-License-Identifier: Apache-2.0
"""Bits of each sort of logic in a module of hls/rtl, and the parts that modules share."""

from __future__ import annotations

from itertools import chain
from typing import Any, Literal, NamedTuple

from swm.device.memories import memory
from swm.layers.curves import Curve, Ramp, Steps, Table
from swm.layers.fit import widest_curve
from swm.layers.functions import Activation
from swm.layers.rtl.area import memories
from swm.layers.rtl.area.memories import AMD, INTEL, Library
from swm.layers.values import FixedLayer, LayerSpec, clog2

__all__ = [
    "LUTRAM_PLACES",
    "NOTHING",
    "Count",
    "Memory",
    "counter",
    "delayed",
    "ended",
    "fifo",
    "finish",
    "kept_bits",
    "marks",
    "offset_bits",
    "ram",
    "rom",
    "rounded",
    "walk",
]

LUTRAM_PLACES = 32
"""Beats that swm_fifo keeps in LUTRAM; more lie in a memory with a registered read port."""
ROM_WORDS = 16
"""Of a ROM in LUTs for each of them, roughly: what is left open is a price."""
LEAST_PRODUCT = 9
"""Bits of the narrowest product that yosys gives a DSP block (`DSP_Y_MINWIDTH` of its synth_xilinx)."""
_SRL = 3  # registers one behind the other of which yosys makes a shift register
_POINT = 3  # bits of a rounded value above its output, before saturation: not known before calibration


class Memory(NamedTuple):
    """A memory of a module; where it lies and what stands behind it depend on the device.

    Attributes:
        kind: "rom" and "ram" lie where yosys puts them, "table" is a ROM for which LUTs are asked, "fifo" lies in LUTs
            and is read at once, "line" is one register behind the other, as many as `words`.
        copies: how many.
        onward: bits that move on into a register of a multiplier, and nowhere else.
        inside: registers of these bits, the last ones, or of a line, the first ones, that a DSP block may hold.
        smooth: a ROM holds a function, whose words resemble their neighbours.
    """

    kind: Literal["rom", "ram", "table", "fifo", "line"]
    words: int
    bits: int
    copies: float = 1.0
    onward: int = 0
    inside: int = 0
    smooth: bool = False


class Count(NamedTuple):
    """Counted from the text of a module, in bits unless said otherwise.

    Attributes:
        adder: results of sums and differences on carry chains.
        post: the same, of two of which one is a product: a DSP block may have an adder for it.
        restart: running sums that start anew.
        choice: of two words.
        clip: saturated words.
        shift: shift registers, each 32 registers long at most.
        table: LUTs of memories that are written.
        constant: LUTs of ROMs, about.
        smooth: the same of those that hold a function.
        state: counters and marks with a reset.
        register: other registers.
        operand: registers at a multiplier, which a DSP block may hold.
        bram18: blocks of 18 Kb.
        rows: sums of multipliers in LUTs, a row for each bit of the smaller operand.
        narrow: multipliers whose product is below 9 bits, for which yosys takes LUTs, or that a table does not need.
        memories: whose LUTs, blocks and registers `located` counts.
    """

    adder: float = 0
    post: float = 0
    restart: float = 0
    choice: float = 0
    clip: float = 0
    shift: float = 0
    table: float = 0
    constant: float = 0
    smooth: float = 0
    state: float = 0
    register: float = 0
    operand: float = 0
    bram18: float = 0
    rows: float = 0
    narrow: float = 0
    memories: tuple[Memory, ...] = ()

    def plus(self, *others: Count) -> Count:
        """Sum of this and the others."""
        parts = (self, *others)
        numbers = map(sum, zip(*(part[:-1] for part in parts), strict=True))
        return Count._make((*numbers, tuple(chain.from_iterable(part.memories for part in parts))))

    def times(self, n: float) -> Count:
        """N copies."""
        memories = tuple(one._replace(copies=n * one.copies) for one in self.memories)
        return Count._make((*(n * value for value in self[:-1]), memories))

    def located(self, library: Library = AMD, packs: bool = False) -> Count:
        """The same with its memories in their places on a device.

        Where LUTs have four inputs, and on Cyclone V, none is a shift register. On Cyclone V `bram18` counts blocks of
        10 Kb, and there are no multipliers of LUTs.

        Args:
            library: memories of the device.
            packs: yosys puts registers and adders into its DSP blocks.
        """
        own = self._replace(memories=())
        if library is not AMD:
            own = own._replace(shift=0)
        if library is INTEL:
            own = own._replace(narrow=0)
        found = own.plus(*(_located(one, library, packs).times(one.copies) for one in self.memories))
        return found if packs else found.outside()

    def outside(self) -> Count:
        """The same where no DSP block holds anything of it."""
        register, adder = self.register + self.operand, self.adder + self.post
        return self._replace(register=register, adder=adder, operand=0, post=0)


NOTHING = Count()


def counter(n: int) -> Count:
    """swm_counter of N steps."""
    return Count(state=clog2(n))


def walk(loads: int, emits: int, groups: int = 1, ii: int = 1) -> Count:
    """swm_block_walk of so many groups of loads and emissions, one of these each `ii` cycles."""
    return Count(state=4 + clog2(loads) + clog2(emits) + 2 * clog2(groups) + clog2(ii))


def marks(n: int) -> Count:
    """swm_valid of N cycles: registers with a reset."""
    return Count(state=n)


def delayed(bits: int, n: int, inside: int = 0) -> Count:
    """swm_delay; of its registers the first ones may be a multiplier's."""
    return Count(memories=(Memory("line", n, bits, inside=inside),)) if n else NOTHING


def rom(
    words: int, bits: int, in_luts: bool = True, onward: int = 0, inside: int = 0, *, smooth: bool = False
) -> Count:
    """swm_rom; in LUTs where these are asked for, else where yosys puts it.

    Args:
        words: of it.
        bits: of a word.
        in_luts: whether LUTs are asked for.
        onward: bits with another register behind it, which is a multiplier's and counted here, too.
        inside: how many of their last registers a DSP block may hold.
        smooth: it holds a function.
    """
    kind: Literal["table", "rom"] = "table" if in_luts else "rom"
    return Count(memories=(Memory(kind, words, bits, onward=onward, inside=inside, smooth=smooth),))


def _constants(one: Memory) -> Count:
    """LUTs of a ROM: yosys makes logic of it, not tables of 64 words."""
    luts = one.words * one.bits / ROM_WORDS if one.words > 1 else 0.0
    return Count(smooth=luts) if one.smooth else Count(constant=luts)


def ram(words: int, bits: int, onward: int = 0, inside: int = 0) -> Count:
    """swm_ram, where yosys puts it; see `rom`."""
    return Count(memories=(Memory("ram", words, bits, onward=onward, inside=inside),))


def _located(one: Memory, library: Library, packs: bool) -> Count:
    """Two registers behind the address, but for a FIFO's; block RAM has one of them."""
    words, bits = one.words, one.bits
    if one.kind == "line":
        return _line(bits, words, one.inside, library, packs)
    asked = one.kind == "table" and library is not INTEL  # which has no storage that a ROM may ask for
    if asked:
        found, outside = _constants(one), 2
    else:
        put = {"rom": memories.rom, "table": memories.rom, "ram": memories.ram, "fifo": memories.distributed}[one.kind]
        placed = put(words, bits, library)
        found, outside = Count(choice=(placed.rows - 1) / 2 * bits), 1 if placed.bram18 else 2
        if one.kind == "fifo":
            return found._replace(table=placed.luts)
        found = found._replace(bram18=placed.bram18)
        if one.kind == "ram":
            found = found._replace(table=placed.luts)
        elif placed.luts:
            found = found.plus(_constants(one))
    return found.plus(
        Count(register=outside * (bits - one.onward)), _line(one.onward, outside + 1, one.inside, library, packs)
    )


def _line(bits: int, n: int, inside: int, library: Library, packs: bool) -> Count:
    """Registers one behind the other; those in a DSP block first, so that what is left may be too short for an SRL."""
    held = min(n, inside) if packs else 0
    rest, found = n - held, Count(operand=held * bits)
    if library is AMD and rest >= _SRL:
        return found.plus(Count(shift=-(-rest // 32) * bits))
    return found.plus(Count(register=rest * bits))


def fifo(bits: int, depth: int, pipeline: int) -> Count:
    """swm_fifo with its places, counters and memory."""
    places = depth + pipeline
    state = 2 * clog2(places) + 2 * clog2(places + 1)
    if places <= LUTRAM_PLACES:
        return Count(state=state, memories=(Memory("fifo", places, bits),))
    # a way past the memory for a beat that is read as it is written, and the address of the beat after this one
    past = Count(state=state, register=bits + 1, choice=bits + clog2(places), adder=clog2(places))
    return past.plus(ram(places, bits), Count(register=-bits))


def kept_bits(bits: int, out: int, shift: int | None = None) -> int:
    """Bits of a rounded value before it saturates to `out`; `shift` to the right, where it is known."""
    if shift is None:
        return min(bits + 1, out + _POINT)
    return max(2, bits + 1 - shift) if shift > 0 else bits + min(-shift, out)


def rounded(bits: int, out: int, kept: int = 0) -> Count:
    """swm_round of a value of so many bits to `out`; `kept` before it saturates, where that is known."""
    return Count(adder=bits, clip=out, register=(kept or kept_bits(bits, out)) + out)


def offset_bits(spec: Any, known: FixedLayer | None) -> int:
    """Bits that the offsets of a layer take; as many as they may, where they are not known."""
    if known is None:
        return int(spec.bias_bits)
    bias = known.arrays["bias"]
    return min(int(spec.bias_bits), 1 + max(int(bias.max()), -int(bias.min()) - 1, 0).bit_length())


def finish(spec: LayerSpec, bits: int, vec: int, *, product: bool = False, known: FixedLayer | None = None) -> Count:
    """swm_finish of `vec` sums.

    Args:
        spec: the layer.
        bits: of a sum; the offset is added here.
        vec: how many.
        product: the sum comes straight from a multiplier.
        known: the layer with its numbers; else its table is the one of the finest output.
    """
    curve = known.curve if known else widest_curve(spec.activation, spec.parameters, spec.out_bits)
    shift = known.value_frac - known.output_format.frac if known else None
    kept = kept_bits(bits + 1, spec.out_bits, shift) if curve is None else 0
    bias = Count(post=bits, operand=bits) if product else Count(adder=bits, register=min(bits, kept or bits))
    return bias.plus(ended(curve, spec.activation, bits, spec.out_bits, kept)).times(vec)


def ended(curve: Curve | None, activation: Activation, bits: int, out: int, kept: int = 0) -> Count:
    """An activation of a value of so many bits, behind its offset: the integers of its curve, where it has any.

    `kept`: bits that are left without a curve, before they saturate, where that is known.
    """
    if isinstance(curve, Table):
        return rounded(bits, curve.input_bits).plus(_table(curve, out))
    if isinstance(curve, Ramp | Steps):
        ramp = curve.ramp if isinstance(curve, Steps) else curve
        total = rounded(bits, ramp.input_bits).plus(_ramp(ramp, out))
        if isinstance(curve, Steps):
            word = curve.code_bits + curve.width_bits
            return total.plus(Count(operand=word), rounded(word, out))
        if curve.leaky:
            return total.plus(rounded(bits, out), delayed(out, 5), Count(choice=out))
        return total
    more = Count(adder=2 * out, choice=out) if activation == "clip" else NOTHING
    return rounded(bits, out, kept).plus(more)


def _ramp(ramp: Ramp, out: int) -> Count:
    product = ramp.input_bits + ramp.slope_bits
    bounds = Count(adder=2 * out, choice=out)
    return Count(operand=product, post=product + 1).plus(rounded(product + 1, out), bounds)


def _table(table: Table, out: int) -> Count:
    entries, word = len(table.starts), table.start_bits + table.rise_bits
    at, value = clog2(entries) + table.step_bits, table.value_bits
    ends = Count(adder=2 * table.input_bits, choice=at, register=at)
    base = Count(register=2 * value).plus(delayed(table.step_bits, 2))
    if table.rectified:
        base = base.plus(Count(adder=value), delayed(table.input_bits, 3))
    in_luts = not memory(entries, word, writes=0).bram18  # as `swm.layers.rtl.base.in_luts`
    line = Count(register=value)
    if table.rises:
        narrow = table.rise_bits + table.step_bits + 1 < LEAST_PRODUCT
        line = Count(post=value, operand=value + table.rise_bits, narrow=narrow)
    return ends.plus(rom(entries, word, in_luts, smooth=True), base, line, rounded(value, out))
