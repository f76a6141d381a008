# SPDX-License-Identifier: Apache-2.0
"""Counts of products: dense matrices, and the three modules of a block-circulant one."""

from __future__ import annotations

from swm.layers.circulant.built import CirculantBuilt
from swm.layers.dense.spec import DenseBuilt
from swm.layers.rtl.area.counts import (
    NOTHING,
    Count,
    counter,
    delayed,
    fifo,
    finish,
    marks,
    offset_bits,
    ram,
    rom,
    rounded,
)
from swm.layers.rtl.base import finish_cycles
from swm.layers.values import FixedLayer, Implementation, ceil_div, clog2

__all__ = [
    "block_cycles",
    "dense",
    "eighth",
    "forward_block",
    "inverse",
    "inverse_block",
    "product_walk",
    "products",
    "sum_rows",
    "sums_leaving",
    "transforms",
]

_TURN = 3  # registers of a rotation, which what passes it waits for


def dense(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_dense."""
    assert isinstance(built, DenseBuilt)
    spec, rows, columns, vec = built.spec, built.rows, built.columns, built.out_vec
    product, total, tree = spec.weight_bits + spec.data_bits, spec.accumulator_bits, clog2(columns)
    cycles, beats = 5 + built.packed + tree, ceil_div(rows, vec)
    sums = sum_rows(product, columns, total, built.packed, built.fabric_rows, rows, columns == 1 and not built.packed)
    weights = rows * columns * spec.weight_bits
    straight = columns * spec.data_bits + (0 if built.packed else weights)  # from a memory to a multiplier
    sets = built.out_beats * spec.groups
    ends = finish(spec, total, vec, known=known).plus(rom(sets, vec * offset_bits(spec, known)))
    pipeline = finish_cycles(spec)
    walk = product_walk(
        built.loads, columns // built.in_vec, built.row_groups, 1, built.column_groups, beats, spec.groups
    )
    return walk.plus(
        ram(2 * built.column_groups, built.in_vec * spec.data_bits).times(columns // built.in_vec),
        rom(built.rom_depth, weights, built.storage == "lutram"),
        Count(register=-straight, operand=straight + rows * columns * product + columns * spec.data_bits),
        sums,
        sums_leaving(beats, vec * total, rows * total),
        ends,
        counter(sets),
        marks(4 * cycles + pipeline),
        fifo(vec * spec.out_bits, depth, cycles + pipeline),
    )


def products(built: Implementation, depth: int) -> Count:
    """swm_spectral_mac."""
    assert isinstance(built, CirculantBuilt)
    spec, rows, columns, bins, lanes = built.spec, built.mac_rows, built.mac_columns, built.mac_bins, built.out_lanes
    spectrum, weight, total, each = spec.spectrum_bits, spec.weight_bits, spec.accumulator_bits, built.products
    three, alone = each == 3, built.word_groups == 1
    tree = clog2(columns)
    cycles, beats = 5 + built.packed + tree, ceil_div(rows, lanes)
    made = bins * each - (each - 2 if alone else 0)  # sums of a row in a cycle
    leaving = built.drain_words  # words of a row that leave together
    held = leaving * each - (each - 2 if spec.unrolled else 0)  # and their sums
    complex_lanes = bins - alone
    product = spectrum + weight + (2 if three else 0)
    shared = Count(adder=columns * complex_lanes * (spectrum + 1)) if three else NOTHING
    turned = Count(adder=rows * columns * complex_lanes * 2 * (weight + 1)) if three else NOTHING
    units = spec.words // built.beat_words  # beats of a block
    subs = max(1, bins // built.beat_words)  # memories that hold the words of a cycle together
    memory = ram(2 * built.column_groups * units // subs, 2 * built.beat_words * spectrum).times(subs)
    select = Count(choice=2 * columns * bins * 2 * spectrum * _choices(built.word_groups)) if units == 1 else NOTHING
    sums = sum_rows(product, columns, total, built.packed, built.fabric_rows, rows).times(made)
    kept = Count(register=rows * total * max(0, held - made))
    # joined, then rounded
    joined = Count(adder=2 * total * (leaving - spec.unrolled), register=2 * total * leaving)
    drain = joined.plus(rounded(total, spec.rounded_bits).times(2 * leaving)).times(lanes)
    return product_walk(built.loads, max(1, columns // built.fft_lanes), built.row_groups, built.word_groups,
                 built.column_groups, beats, spec.groups).plus(
        memory.times(columns),
        rom(built.rom_depth, rows * columns * bins * 2 * weight, built.storage == "lutram"),
        shared,
        turned,
        select,
        Count(operand=rows * columns * made * (product + weight + 1) + columns * made * (spectrum + 1)),
        sums,
        kept,
        sums_leaving(beats, lanes * held * total, rows * held * total),
        drain,
        marks(4 * cycles + 3),
        fifo(lanes * 2 * leaving * spec.rounded_bits, depth, cycles + 3),
    )  # fmt: skip


def transforms(built: Implementation, depth: int) -> Count:
    """swm_rfft_unrolled."""
    assert isinstance(built, CirculantBuilt)
    spec, lanes = built.spec, built.fft_lanes
    cycles = 1 + block_cycles(spec.block, 1)
    whole = Count(register=lanes * spec.block * spec.data_bits)
    taken = Count(choice=built.in_vec * spec.data_bits / 2)
    block = forward_block(spec.block, spec.data_bits, spec.spectrum_bits).times(lanes)
    width = lanes * spec.block * spec.spectrum_bits
    steps = counter(built.in_parts).plus(counter(built.fft_groups))
    return whole.plus(taken, block, steps, marks(cycles), fifo(width, depth, cycles))


def inverse(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_irfft_unrolled."""
    assert isinstance(built, CirculantBuilt)
    spec, lanes, vec = built.spec, built.out_lanes, built.out_vec
    stands = 1 + block_cycles(spec.block, 2)
    cycles = stands + finish_cycles(spec)
    taken = Count(register=lanes * spec.block * spec.rounded_bits)
    block = inverse_block(spec.block, spec.inverse_pass_bits, spec.inverse_bits).times(lanes)
    width = spec.block * spec.inverse_bits
    parts = Count(choice=width, register=width) if built.out_parts > 1 else NOTHING
    steps = counter(built.out_parts).plus(counter(built.row_groups), counter(built.out_beats))
    bias = rom(built.out_beats, vec * offset_bits(spec, known))
    ends = finish(spec, spec.inverse_bits, vec, known=known).plus(bias)
    more = marks(stands + cycles + 2)
    return taken.plus(block, parts, steps, ends, more, fifo(vec * spec.out_bits, depth, cycles))


def product_walk(loads: int, banks: int, rows: int, words: int, columns: int, beats: int, groups: int = 1) -> Count:
    """swm_product_walk."""
    steps = sum(map(clog2, (loads, banks, columns, columns, words, rows, rows * words * columns * groups, beats + 1)))
    return Count(state=steps + 4 + clog2(max(1, columns * words // beats)), adder=2 * clog2(2 * columns))


def sum_rows(
    product: int, columns: int, total: int, packed: int, fabric: int, rows: int, inside: bool = False
) -> Count:
    """Adder trees and running sums of all rows, for one product of a column; of those in LUTs the multipliers, too.

    `inside`: DSP blocks hold the running sums.
    """
    first, later, width = NOTHING, NOTHING, product
    left, alone = columns, 0
    while left > 1:
        width += 1
        pairs = left // 2
        if width == product + 1:
            first = Count(post=pairs * width, operand=pairs * width)
        else:
            later = later.plus(Count(adder=pairs * width, register=pairs * width))
        if left % 2:
            alone += 1
        elif alone:
            later, alone = later.plus(delayed(width - 1, alone)), 0
        left = -(-left // 2)
    later = later.plus(delayed(width, alone))
    running = Count(restart=total, register=total)
    in_dsp = first.plus(later, Count(post=total, operand=total) if inside else running)
    in_luts = Count(adder=first.post, register=first.operand).plus(later, running)
    multiplier = Count(rows=columns * (product // 2 + 1) * (product // 2 - 1), register=2 * columns * product)
    split = Count(adder=columns * product / 2, register=columns * product) if packed else NOTHING
    dsp_rows = (in_luts if packed else in_dsp).plus(split).times(rows - fabric)
    return dsp_rows.plus(in_luts.plus(multiplier).times(fabric))


def sums_leaving(beats: int, beat: int, bits: int) -> Count:
    """Sums in a shift register on their way out: a choice but for those of the last beat."""
    return Count(register=bits, choice=max(0, bits - beat) if beats > 1 else 0)


def _choices(words: int) -> float:
    """Choices of two in one of `words`."""
    return 0.0 if words == 1 else max(0.5, (words - 1) / 2)


def block_cycles(block: int, last: int) -> int:
    """Registers of a transform of one block: `last` for stages 1 and 2, four for every other."""
    return 1 if block == 2 else last + 4 * (clog2(block) - 2)


def forward_block(block: int, bits: int, width: int) -> Count:
    """swm_forward_block."""
    if block == 2:
        return Count(adder=2 * width, register=2 * width)
    first = Count(adder=4 * (bits + 1) + 2 * width, register=4 * width).times(block // 4)
    joined = Count(adder=4 * (width + 1), register=4 * width)
    real = Count(adder=3 * (width + 1), register=4 * width)
    return first.plus(*_stages(block, width, joined, real, width))


def inverse_block(block: int, width: int, last: int) -> Count:
    """swm_inverse_block: a sum that is halved has its rounding as a third summand, which is an adder more."""
    if block == 2:
        return Count(adder=4 * last, register=2 * last)
    ends = Count(adder=8 * last, register=4 * (width + 2) + 4 * last).times(block // 4)
    joined = Count(adder=6 * width, register=4 * width)
    real = Count(adder=5 * width, register=4 * width)
    return ends.plus(*_stages(block, width, joined, real, width + 1))


def _stages(block: int, width: int, joined: Count, real: Count, turned: int) -> list[Count]:
    """Stages that rotate: for each unit two words that are joined, one of them turned, the other waiting."""
    found, size = [], 8
    waiting = delayed(2 * width, _TURN).plus(Count(register=-2 * width))  # and the register in front
    while size <= block:
        subs = block // size
        half = joined.plus(waiting, eighth(turned))
        general = joined.plus(waiting, _general(turned)).times(size // 4 - 2)
        found.append(real.plus(waiting.times(2), half, general).times(subs))
        size *= 2
    return found


def eighth(width: int) -> Count:
    """swm_turn by an eighth: five, the most, and the sum with the rounding."""
    one = Count(adder=(width + 1) + (width + 4) + 2 * (width + 9) + (width + 19), register=3 * width + 14 + width)
    return one.times(2)


def _general(width: int) -> Count:
    """swm_turn by another angle: three products by constants in DSP blocks."""
    return Count(adder=width + 1, post=2 * (width + 19), operand=3 * width + 3 * (width + 18), register=2 * width)
