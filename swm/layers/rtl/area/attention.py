# SPDX-License-Identifier: Apache-2.0
"""Counts of what attention is made of: constants of a frame, rotations, Softmax, products of two streams."""

from __future__ import annotations

from swm.device.memories import memory
from swm.layers.curves import Table
from swm.layers.fit import widest_curve
from swm.layers.matmul import MatMulBuilt
from swm.layers.offset import OffsetSpec, shifts
from swm.layers.rotary import RotarySpec
from swm.layers.rtl.area.counts import NOTHING, Count, counter, delayed, ended, fifo, finish, marks, ram, rom, walk
from swm.layers.rtl.area.products import product_walk, sum_rows, sums_leaving
from swm.layers.rtl.base import activation_cycles, finish_cycles
from swm.layers.rtl.products import matmul_cycles
from swm.layers.rtl.softmax import divide_cycles, power_cycles
from swm.layers.softmax import SoftmaxSpec
from swm.layers.values import FixedLayer, Implementation, ceil_div, clog2

__all__ = [
    "matmul",
    "offset",
    "rotary",
    "softmax_divide",
    "softmax_factor",
    "softmax_power",
    "softmax_scale",
    "softmax_top",
]


_STRAIGHT = 2  # registers in front of a multiplier that a DSP block has


def offset(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_offset."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, OffsetSpec)
    cycles, beats = 2 + finish_cycles(spec), ceil_div(spec.n, vec)
    words, constants = spec.output.positions * beats, vec * spec.weight_bits
    in_luts = not memory(words, constants, writes=0).bram18
    value = spec.value_bits
    if known:
        x, y = shifts(known)
        value = max(spec.data_bits + x, spec.weight_bits + y) + 1
    gate = 0 if spec.positions == spec.output.positions else vec * spec.data_bits / 2
    return counter(words).plus(
        counter(beats),
        Count(register=2 * vec * spec.data_bits, choice=gate),
        rom(words, constants, in_luts),
        finish(spec, value, vec, known=known),
        delayed(1, cycles),
        marks(cycles),
        fifo(vec * spec.out_bits, depth, cycles),
    )


def rotary(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_rotary."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, RotarySpec)
    cycles, beats, waits = 4 + finish_cycles(spec), ceil_div(spec.n, vec), spec.waits(vec)
    words, word, constants = spec.rows * beats, vec * spec.data_bits, vec * spec.weight_bits
    address, product = clog2(words), spec.data_bits + spec.weight_bits
    in_luts = not memory(words, constants, writes=0).bram18
    row = Count(state=address, adder=2 * address, choice=address) if spec.rows > 1 else NOTHING
    if waits:
        halves = ram(waits, word).times(2).plus(Count(choice=2 * word, operand=2 * word), delayed(1, 2))
        pairs = halves.plus(walk(waits, waits), Count(adder=4 * clog2(waits)))
    else:
        pairs = delayed(word, 3, inside=_STRAIGHT)  # the last one a multiplier's
    table = rom(words, constants, in_luts, onward=constants, inside=_STRAIGHT)
    return counter(beats).plus(
        counter(spec.each),
        row,
        pairs,
        table.times(2),
        Count(operand=2 * vec * product),
        finish(spec, product, vec, product=True, known=known),
        delayed(1 if spec.n % vec else 0, cycles),
        marks(cycles),
        fifo(vec * spec.out_bits, depth, cycles),
    )


def softmax_top(built: Implementation, tokens: int, tops: int) -> Count:
    """swm_softmax_top."""
    spec, vec = built.spec, built.in_vec
    bits, cycles = spec.data_bits, 1 + clog2(vec)
    greater = Count(adder=bits, choice=bits, register=bits)
    return counter(ceil_div(spec.n, vec)).plus(
        greater.times(vec),
        delayed(vec * bits, cycles),
        marks(2 * cycles),
        fifo(vec * bits, tokens, cycles),
        fifo(bits, tops, cycles),
    )


def softmax_power(built: Implementation, powers: int, totals: int, known: FixedLayer | None = None) -> Count:
    """swm_softmax_power."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, SoftmaxSpec)
    bits, power, total, levels = spec.data_bits, spec.power_bits, spec.total_bits, clog2(vec)
    cycles, table = power_cycles(built), activation_cycles("exponential")
    widest = widest_curve("exponential", (spec.rate,), power)
    curve = known.inner[0] if known else widest
    steps = isinstance(curve, Table) and isinstance(widest, Table) and not curve.rises and bool(widest.rises)
    below = Count(adder=bits + 2, register=bits + 2)
    lane = below.plus(ended(curve, "exponential", bits + 2, power), Count(register=bits + power, choice=power / 2))
    tree = Count(adder=(vec - 1) * (power + 1), register=(vec - 1) * (power + 1))
    return counter(ceil_div(spec.n, vec)).plus(
        Count(adder=bits + 1, register=bits + 1, narrow=vec * steps),  # constants alone need no multiplier
        lane.times(vec),
        tree,
        Count(restart=total, register=total),
        delayed(vec * power, levels + 1),
        delayed(2, table + levels),
        marks(2 * cycles),  # a prefix of one tells when to add
        fifo(vec * power, powers, cycles),
        fifo(total, totals, cycles),
    )


def softmax_factor(built: Implementation, depth: int) -> Count:
    """swm_softmax_factor."""
    spec = built.spec
    assert isinstance(spec, SoftmaxSpec)
    table, total, half = spec.table, spec.total_bits, clog2(spec.total_bits)
    frac, entry = table.frac, table.frac + 4
    line = entry + table.step_bits + 2
    in_luts = not memory(len(table.starts), 2 * entry, writes=0).bram18
    return Count(
        adder=line,
        post=line,
        choice=total + half * (frac + 1),
        register=half + total + frac + 1 + line,
        operand=entry + line,
    ).plus(
        rom(len(table.starts), 2 * entry, in_luts, smooth=True).plus(Count(register=-2 * entry, operand=2 * entry)),
        delayed(entry, 2),
        delayed(half, 7),
        marks(8),
        fifo(frac + 1 + half, depth, 8),
    )


def softmax_scale(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_softmax_scale."""
    spec, vec, cycles = built.spec, built.in_vec, 5 + finish_cycles(built.spec)
    assert isinstance(spec, SoftmaxSpec)
    power, reciprocal, more = spec.power_bits, spec.table.frac + 2, clog2(spec.total_bits - spec.power_bits + 3)
    product = power + reciprocal
    lane = Count(post=product, operand=2 * power + 2 * product, choice=more * spec.value_bits, register=spec.value_bits)
    return counter(ceil_div(spec.n, vec)).plus(
        Count(register=reciprocal + 4 * more, choice=2 * product / 2),
        lane.plus(finish(spec, spec.value_bits, 1, known=known)).times(vec),
        delayed(1, cycles),
        marks(cycles),
        fifo(vec * spec.out_bits, depth, cycles),
    )


def softmax_divide(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_softmax_divide: a stage for each bit of the quotients."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, SoftmaxSpec)
    cycles, total, stages = divide_cycles(spec), spec.total_bits, spec.quotient_frac + 1
    numerator = spec.power_bits + stages
    stage = Count(adder=total + 1, choice=total, register=total)
    waiting = Count(shift=2 * stages)  # bits of the numerator, then those of the quotient
    lane = Count(adder=numerator, register=spec.power_bits + numerator).plus(stage.times(stages), waiting)
    return counter(ceil_div(spec.n, vec)).plus(
        Count(register=total * (stages + 1)),
        lane.plus(finish(spec, spec.value_bits, 1, known=known)).times(vec),
        delayed(1, cycles),
        marks(cycles),
        fifo(vec * spec.out_bits, depth, cycles),
    )


def matmul(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_matmul."""
    assert isinstance(built, MatMulBuilt)
    spec, rows, columns, vec = built.spec, built.rows, built.columns, built.out_vec
    product, total = spec.stored_width + spec.data_bits, spec.accumulator_bits
    pipeline = finish_cycles(spec)
    sums, beats = matmul_cycles(built) - pipeline, ceil_div(rows, vec)
    word, address = built.in_vec * spec.stored_width, clog2(2 * spec.stored_heads * built.depth)
    lanes = rows * columns * spec.stored_width
    short = rows * (built.column_groups * columns - spec.n) * spec.stored_width if built.column_groups > 1 else 0
    straight = columns * spec.data_bits + (lanes if not short else 0)
    heads, lines = spec.stored_heads, spec.inputs[1].positions // spec.stored_heads
    walks = (built.loads * spec.positions, heads, spec.rows, built.stored_beats // lines // heads, lines)
    return product_walk(built.loads, columns // built.in_vec, built.row_groups, 1, built.column_groups, beats).plus(
        ram(2 * built.column_groups, built.in_vec * spec.data_bits).times(columns // built.in_vec),
        ram(2 * spec.stored_heads * built.depth, word).times(built.banks),
        Count(register=-straight, operand=straight + rows * columns * product + columns * spec.data_bits),
        Count(choice=short / 2),
        sum_rows(product, columns, total, 0, 0, rows, columns == 1),
        sums_leaving(beats, vec * total, rows * total),
        finish(spec, total, vec, known=known),
        *(counter(steps) for steps in (*walks, spec.heads, clog2(max(2, rows)), ceil_div(spec.m, vec))),
        Count(state=4 * address + 4, adder=4 * address, register=word + address + built.banks, choice=built.banks / 2),
        marks(4 * sums + pipeline),
        fifo(vec * spec.out_bits, depth, sums + pipeline),
    )
