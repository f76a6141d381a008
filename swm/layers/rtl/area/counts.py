# SPDX-License-Identifier: Apache-2.0
"""Bits of each sort of logic in a module of hls/rtl, and the parts that modules share."""

from __future__ import annotations

from typing import Any, NamedTuple

from swm.device.memories import memory
from swm.layers.curves import Curve, Ramp, Steps, Table
from swm.layers.fit import widest_curve
from swm.layers.functions import Activation
from swm.layers.rtl.area import memories
from swm.layers.values import FixedLayer, LayerSpec, clog2

__all__ = [
    "INTEL",
    "LUTRAM_PLACES",
    "NOTHING",
    "Count",
    "counter",
    "delayed",
    "ended",
    "fifo",
    "finish",
    "marks",
    "offset_bits",
    "ram",
    "rom",
    "rounded",
    "walk",
]

INTEL = "cyclonev"
"""The family whose memories lie elsewhere, with prices of its own."""
LUTRAM_PLACES = 32
"""Beats that swm_fifo keeps in LUTRAM; more lie in a memory with a registered read port."""
ROM_WORDS = 16
"""Of a ROM in LUTs for each of them, roughly: what is left open is a price."""
LEAST_PRODUCT = 9
"""Bits of the narrowest product that yosys gives a DSP block (`DSP_Y_MINWIDTH` of its synth_xilinx)."""
_SRL = 3  # registers one behind the other of which yosys makes a shift register
_POINT = 3  # bits of a rounded value above its output, before saturation: not known before calibration


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
        constant: LUTs of ROMs.
        state: counters and marks with a reset.
        register: other registers.
        operand: registers at a multiplier, which a DSP block may hold.
        bram18: blocks of 18 Kb.
        rows: sums of multipliers in LUTs, a row for each bit of the smaller operand.
        narrow: multipliers whose product is below 9 bits, for which yosys takes LUTs, or that a table does not need.
        m10k: blocks of 10 Kb that the memories take on Cyclone V; there `mlab` stands for `table`, `spread` for
            `constant`, `apart` registers stand beside the others, and `lines` beside `choice`.
        mlab: see there.
        spread: see there.
        apart: see there.
        lines: see there.
    """

    adder: float = 0
    post: float = 0
    restart: float = 0
    choice: float = 0
    clip: float = 0
    shift: float = 0
    table: float = 0
    constant: float = 0
    state: float = 0
    register: float = 0
    operand: float = 0
    bram18: float = 0
    rows: float = 0
    narrow: float = 0
    m10k: float = 0
    mlab: float = 0
    spread: float = 0
    apart: float = 0
    lines: float = 0

    def of(self, family: str) -> Count:
        """The same on devices of a family, in the fields before `m10k`.

        Cyclone V has memories of 10 Kb (`bram18` counts these), no shift registers, and in yosys's flow nothing beside
        a multiplier in its block.
        """
        if family != INTEL:
            return self._replace(m10k=0, mlab=0, spread=0, apart=0, lines=0)
        return Count(
            adder=self.adder + self.post,
            restart=self.restart,
            choice=self.choice + self.lines,
            clip=self.clip,
            table=self.mlab,
            constant=self.spread,
            state=self.state,
            register=self.register + self.operand + self.apart,
            bram18=self.m10k,
            rows=self.rows,
        )

    def plus(self, *others: Count) -> Count:
        """Sum of this and the others."""
        return Count(*map(sum, zip(self, *others, strict=True)))

    def times(self, n: float) -> Count:
        """N copies."""
        return Count(*(n * value for value in self))


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


def delayed(bits: int, n: int) -> Count:
    """swm_delay."""
    return Count(register=n * bits) if n < _SRL else Count(shift=-(-n // 32) * bits, apart=n * bits)


def rom(words: int, bits: int, in_luts: bool = True) -> Count:
    """swm_rom; in LUTs where these are asked for, else where yosys puts it."""
    other = memories.intel(words, bits)  # Cyclone V has no storage that a ROM may ask for
    spread = 0.0 if other.bram18 else _constants(words, bits)
    if in_luts:
        return Count(
            constant=_constants(words, bits),
            register=2 * bits,
            m10k=other.bram18,
            spread=spread,
            apart=-bits if other.bram18 else 0,
        )
    placed = _placed(memories.rom(words, bits), other, bits)
    return placed._replace(table=0, constant=_constants(words, bits) if placed.table else 0, mlab=0, spread=spread)


def _constants(words: int, bits: int) -> float:
    """LUTs of a ROM: yosys makes logic of it, not tables of 64 words."""
    return words * bits / ROM_WORDS if words > 1 else 0.0


def ram(words: int, bits: int) -> Count:
    """swm_ram, where yosys puts it."""
    return _placed(memories.ram(words, bits), memories.intel(words, bits), bits)


def _placed(placed: memories.Placed, other: memories.Placed, bits: int) -> Count:
    """Two registers behind the address; block RAM has one of them. `other`: on Cyclone V."""
    rows, lines = ((place.rows - 1) / 2 * bits for place in (placed, other))
    read, there = (0 if place.bram18 else bits for place in (placed, other))
    return Count(
        table=placed.luts,
        choice=rows,
        register=bits + read,
        bram18=placed.bram18,
        m10k=other.bram18,
        mlab=other.luts,
        apart=there - read,
        lines=lines - rows,
    )


def fifo(bits: int, depth: int, pipeline: int) -> Count:
    """swm_fifo with its places, counters and memory."""
    places = depth + pipeline
    state = 2 * clog2(places) + 2 * clog2(places + 1)
    if places <= LUTRAM_PLACES:
        return Count(state=state, table=4 * -(-bits // 6), mlab=memories.intel(places, bits, clocked=False).luts)
    # a way past the memory for a beat that is read as it is written, and the address of the beat after this one
    past = Count(state=state, register=bits + 1, choice=bits + clog2(places), adder=clog2(places))
    return past.plus(ram(places, bits), Count(register=-bits))


def rounded(bits: int, out: int) -> Count:
    """swm_round of a value of so many bits to `out`."""
    kept = min(bits + 1, out + _POINT)
    return Count(adder=bits, clip=out, register=kept + out)


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
    bias = Count(post=bits, operand=bits) if product else Count(adder=bits, register=bits)
    curve = known.curve if known else widest_curve(spec.activation, spec.parameters, spec.out_bits)
    return bias.plus(ended(curve, spec.activation, bits, spec.out_bits)).times(vec)


def ended(curve: Curve | None, activation: Activation, bits: int, out: int) -> Count:
    """An activation of a value of so many bits, behind its offset: the integers of its curve, where it has any."""
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
    return rounded(bits, out).plus(more)


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
    return ends.plus(rom(entries, word, in_luts), base, line, rounded(value, out))
