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
    kept_bits,
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
_STRAIGHT = 2  # registers in front of a multiplier that a DSP block has


def dense(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_dense."""
    assert isinstance(built, DenseBuilt)
    spec, rows, columns, vec = built.spec, built.rows, built.columns, built.out_vec
    product, total, tree = spec.weight_bits + spec.data_bits, spec.accumulator_bits, clog2(columns)
    cycles, beats = 5 + built.packed + tree, ceil_div(rows, vec)
    sums = sum_rows(product, columns, total, built.packed, built.fabric_rows, rows, columns == 1 and not built.packed)
    fabric = built.fabric_rows
    in_dsp, in_luts = ((rows - fabric) * columns * spec.weight_bits, fabric * columns * spec.weight_bits)
    operands = Count(operand=(rows - fabric) * columns * product, register=in_luts)
    if built.packed:
        operands = _pairs(rows - fabric, columns, spec.weight_bits, spec.data_bits).plus(Count(register=in_luts))
    sets, word = built.out_beats * spec.groups, built.in_vec * spec.data_bits
    mixed = 0 < fabric < rows  # what DSP blocks take, too, is no shift register
    stored = ram(2 * built.column_groups, word, 0 if mixed else word, 0 if fabric else _STRAIGHT)
    stored = stored.plus(Count(register=word * mixed))
    ends = finish(spec, total, vec, known=known).plus(rom(sets, vec * offset_bits(spec, known)))
    pipeline = finish_cycles(spec)
    walk = product_walk(
        built.loads, columns // built.in_vec, built.row_groups, 1, built.column_groups, beats, spec.groups
    )
    return walk.plus(
        stored.times(columns // built.in_vec),
        rom(built.rom_depth, in_dsp + in_luts, built.storage == "lutram", 0 if built.packed else in_dsp, _STRAIGHT),
        operands,
        sums,
        sums_leaving(beats, vec * total, rows * total),
        ends,
        counter(sets),
        marks(4 * cycles + pipeline),
        fifo(vec * spec.out_bits, depth, cycles + pipeline),
    )


def products(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_spectral_mac."""
    assert isinstance(built, CirculantBuilt)
    spec, rows, columns, bins, lanes = built.spec, built.mac_rows, built.mac_columns, built.mac_bins, built.out_lanes
    total, each = spec.accumulator_bits, built.products
    alone = int(built.word_groups == 1)  # word 0 has a lane of its own, and two products
    tree = clog2(columns)
    cycles, beats = 5 + built.packed + tree, ceil_div(rows, lanes)
    made = bins * each - (each - 2) * alone  # sums of a row in a cycle
    leaving = built.drain_words  # words of a row that leave together
    held = leaving * each - (each - 2 if spec.unrolled else 0)  # and their sums
    rounds = kept_bits(total, spec.rounded_bits, known.acc_shift if known else None)
    dropped = max(0, total + 1 - rounds - 1)  # bits of a sum that no rounding looks at
    joined = Count(adder=2 * total * (leaving - spec.unrolled), register=2 * (total - dropped) * leaving)
    drain = joined.plus(rounded(total, spec.rounded_bits, rounds).times(2 * leaving)).times(lanes)
    unseen = Count(register=-2 * rows * dropped * spec.unrolled)  # the real bins of word 0 are not joined
    return product_walk(built.loads, max(1, columns // built.mac_lanes), built.row_groups, built.word_groups,
                 built.column_groups, beats, spec.groups).plus(
        _spectra(built),
        _weights(built),
        _lane_sums(built),
        Count(register=rows * total * max(0, held - made)),
        sums_leaving(beats, lanes * held * total, rows * held * total),
        unseen,
        drain,
        marks(4 * cycles + 3),
        fifo(lanes * 2 * leaving * spec.rounded_bits, depth, cycles + 3),
    )  # fmt: skip


def _spectra(built: CirculantBuilt) -> Count:
    """Memories of X, what of a block a cycle takes, and the operands that all rows share."""
    spec, columns, bins = built.spec, built.mac_columns, built.mac_bins
    x, alone = spec.spectrum_bits, built.word_groups == 1
    units = spec.words // built.beat_words  # beats of a block
    subs = max(1, bins // built.beat_words)  # memories that hold the words of a cycle together
    word = 2 * built.beat_words * x
    chosen = units == 1 and not alone  # words of a block, behind the memory
    three = built.products == 3
    straight = 0 if chosen or built.fabric_rows else 2 * x * bins if not three else 2 * x * alone
    store = ram(2 * built.column_groups * units // subs, word, straight // subs, _STRAIGHT).times(subs)
    select = Count(choice=2 * bins * 2 * x * _choices(built.word_groups)) if chosen else NOTHING
    behind = 2 * x * bins - straight  # operands that are not counted with the memory
    into = NOTHING
    if three:
        lanes = bins - alone
        first = not alone  # a lane that sees word 0 by turns: its sum is chosen, and its words have other readers
        into = Count(adder=(x + 1) * first, choice=(x + 1) * first, post=(x + 1) * (bins - 1), operand=(x + 1) * lanes)
        if not chosen:  # the adder in front of a multiplier takes the registers of both words
            into = into.plus(Count(register=-2 * x * (bins - 1), operand=2 * x * (bins - 1)))
    into = into.plus(Count(operand=behind))
    return store.plus(select, into.outside() if built.fabric_rows else into).times(columns)


def _weights(built: CirculantBuilt) -> Count:
    """ROM of the weights, their sums and differences, and the registers behind them."""
    spec, rows, columns, bins = built.spec, built.mac_rows, built.mac_columns, built.mac_bins
    w, alone = spec.weight_bits, built.word_groups == 1
    in_dsp = rows - built.fabric_rows
    cells, in_luts, fabric = rows * columns, built.storage == "lutram", built.fabric_rows * columns
    if built.packed:
        paired = _pairs(in_dsp, columns, w, spec.spectrum_bits).times(bins * built.products - 2 * alone)
        plain = Count(register=fabric * bins * 2 * w)
        return rom(built.rom_depth, cells * bins * 2 * w, in_luts).plus(paired, plain)
    three = built.products == 3
    lanes = bins - alone if three else 0  # whose weights meet in adders before they are multiplied
    straight = in_dsp * columns * 2 * w * (bins - lanes)
    stored = rom(built.rom_depth, cells * bins * 2 * w, in_luts, straight, _STRAIGHT)
    turned = Count(adder=2 * (w + 1), operand=w + 2 * (w + 1)).times(lanes)
    plain = Count(register=fabric * 2 * w * (bins - lanes))
    return stored.plus(turned.times(in_dsp * columns), turned.outside().times(fabric), plain)


def _lane_sums(built: CirculantBuilt) -> Count:
    """Products and their sums over columns and cycles, of all rows.

    Where several rows share an operand, yosys 0.70 puts the first level of adders of weights that were added before
    into the DSP blocks of one row only.
    """
    spec, rows, columns, bins, each = built.spec, built.mac_rows, built.mac_columns, built.mac_bins, built.products
    alone, three = int(built.word_groups == 1), built.products == 3
    made, total = bins * each - (each - 2) * alone, spec.accumulator_bits
    product = spec.spectrum_bits + spec.weight_bits + (2 if three else 0)
    in_dsp = rows - built.fabric_rows
    outside = max(0, in_dsp - 1) * 2 * (bins - alone) if three and not built.packed else 0
    sums = sum_rows(product, columns, total, built.packed, built.fabric_rows, rows, spare=int(three)).times(made)
    if outside:
        moved = sum_rows(product, columns, total, 0, 0, 1, spare=1)
        plain = sum_rows(product, columns, total, 0, 0, 1, spare=1, absorbed=False)
        sums = sums.plus(moved.times(-outside), plain.times(outside))
    multiplied = 0 if built.packed else in_dsp * columns * made * (product - three)
    return sums.plus(Count(operand=multiplied))


def _pairs(rows: int, columns: int, weight: int, data: int) -> Count:
    """swm_multiply_pair: both weights as one operand, and their product."""
    both = 2 * weight + data
    low = Count(register=-weight, operand=weight)  # behind its memory, which the adder in front of a multiplier takes
    return low.plus(Count(post=weight + 1, operand=both + both + data)).times(rows // 2 * columns)


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
    product: int,
    columns: int,
    total: int,
    packed: int,
    fabric: int,
    rows: int,
    inside: bool = False,
    *,
    spare: int = 0,
    absorbed: bool = True,
) -> Count:
    """Adder trees and running sums of all rows, for one product of a column; of those in LUTs the multipliers, too.

    Args:
        product: bits of a product, whose register is counted with the operands.
        columns: summands.
        total: bits of a running sum.
        packed: whether two rows share a multiplier.
        fabric: rows that multiply in LUTs.
        rows: in all.
        inside: DSP blocks hold the running sums.
        spare: bits of a product that only repeat its sign.
        absorbed: DSP blocks hold the first level of the tree.
    """
    running = Count(restart=total, register=total)
    in_luts = _tree(product, columns, spare, 0).plus(running)
    last = Count(post=total, operand=total) if inside else running
    in_dsp = _tree(product, columns, spare, 2 if absorbed else 1).plus(last)
    multiplier = Count(rows=columns * (product // 2 + 1) * (product // 2 - 1), register=columns * product)
    split = Count(adder=columns * product / 2, register=columns * product) if packed else NOTHING
    dsp_rows = (in_luts if packed else in_dsp).plus(split).times(rows - fabric)
    return dsp_rows.plus(in_luts.plus(multiplier).times(fabric))


def _tree(product: int, columns: int, spare: int, held: int) -> Count:
    """swm_sum; `held`: registers from the product on that a DSP block has, which with two is the first level, too.

    A summand without a partner waits a register a level, behind the one that it came from.
    """
    found, width, left, alone, waits = NOTHING, product, columns, 0, 0
    while left > 1:
        if left % 2:
            waits = waits or width
            alone += 1
        elif alone:
            found, alone, waits = found.plus(_waiting(product, waits, alone, spare, held)), 0, 0
        width += 1
        pairs = left // 2
        if held == 2 and width == product + 1:
            found = found.plus(Count(post=pairs * width, operand=pairs * width))
        else:
            found = found.plus(Count(adder=pairs * width, register=pairs * width))
        left = -(-left // 2)
    return found


def _waiting(product: int, width: int, n: int, spare: int, held: int) -> Count:
    """N registers behind the one of a summand: of a product, which is counted with its multiplier, or of a sum."""
    if width > product:
        return delayed(width, n + 1).plus(Count(register=-width))
    bits = product - spare
    return delayed(bits, n + 1, held).plus(Count(operand=-bits) if held else Count(register=-bits))


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
