# SPDX-License-Identifier: Apache-2.0
"""Counts of modules over images: the line buffer, what stands behind it, other sizes and orders."""

from __future__ import annotations

from swm.layers.depth_to_space import DepthToSpaceSpec
from swm.layers.depthwise import DepthwiseBuilt
from swm.layers.global_pool import GlobalPoolSpec
from swm.layers.pad import PadSpec
from swm.layers.pool import PoolBuilt, PoolSpec
from swm.layers.reorder import Reorder, ReorderSpec
from swm.layers.reverse import ReverseSpec
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
    walk,
)
from swm.layers.rtl.area.products import sum_rows
from swm.layers.rtl.base import finish_cycles
from swm.layers.upsample import UpsampleSpec
from swm.layers.values import FixedLayer, Implementation, ceil_div, clog2
from swm.layers.window import WindowBuilt

__all__ = ["depth_to_space", "depthwise", "global_pool", "pad", "pool", "reorder", "reverse", "upsample", "window"]


def window(built: WindowBuilt, depth: int) -> Count:
    """swm_window."""
    g, word = built.geometry, built.words * built.bits
    tap_rows, tap_columns = built.tap_rows, built.tap_columns
    taps, rows = tap_rows * tap_columns, built.kept if tap_rows > 1 else 1
    banks, line = rows * tap_columns, ceil_div(g.grid[1], tap_columns) * built.beats
    deep = built.kept // rows * line
    spans = [(k - 1) * d + 1 for k, d in zip(g.kernel, g.dilations, strict=True)]
    row, column = (
        clog2(n + o * s + 2 * span + p) + 1
        for n, o, s, span, p in zip(g.grid, g.out, g.strides, spans, g.pads, strict=True)
    )
    address, slot, bank = clog2(deep), clog2(built.kept * (1 if rows > 1 else line)), clog2(tap_columns)
    count = clog2(built.used + built.kept + 1)
    steps = (built.beats, tap_columns, *g.grid, built.run, built.beats // built.run, *g.out)
    groups = (g.kernel[0] // tap_rows, g.kernel[1] // tap_columns)
    always = not any(g.pads) and all(
        (o - 1) * s + span <= n for o, s, span, n in zip(g.out, g.strides, spans, g.grid, strict=True)
    )

    def step(at: int, slots: int, place: int) -> Count:  # swm_window_tap
        return Count(adder=at + (2 * (slots + 1) if slots else 0) + place, choice=slots)

    walked = step(0, slot, 0).plus(step(row, slot, 0).times(2), step(column, bank, address).times(2))
    seen = step(column, bank, address).times(tap_columns - 1).plus(step(row, slot, 0).times(tap_rows - 1))
    inside = NOTHING if always else Count(adder=tap_columns * column + tap_rows * row)
    next_ones = Count(choice=slot + 2 * (row + slot) + 2 * (column + bank + address) + address)
    kept = Count(register=3 * slot + 2 * row + 2 * (column + bank + address) + address + 2 * count + address + word)
    found = Count(choice=tap_columns * tap_columns * address / 2 if tap_columns > 1 else 0)
    places = Count(adder=(2 * tap_columns + 2) * address, register=tap_columns * address + banks)
    chosen = Count(choice=taps * word * ((banks - 1) / 2 + (0 if always else 0.5)), register=taps * word)
    late = delayed(0 if always else taps, 3).plus(delayed(taps * clog2(banks) if banks > 1 else 0, 3))
    counters = [counter(n) for n in (*steps, *groups)]
    return Count(state=2 * count + slot + address, adder=row + 3 * count).plus(
        *counters, walked, seen, inside, next_ones, kept, found, places, chosen, late, marks(4),
        ram(deep, word).times(banks), fifo(taps * word, depth, 4),
    )  # fmt: skip


def depthwise(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_depthwise."""
    assert isinstance(built, DepthwiseBuilt)
    spec, vec, taps = built.spec, built.in_vec, built.tap_rows * built.tap_columns
    beats, lanes = ceil_div(spec.n, vec), taps * vec
    product, late = spec.weight_bits + spec.data_bits, 5 + clog2(taps)
    cycles, weights = late + finish_cycles(spec), lanes * spec.weight_bits
    inside = 0 if built.fabric else 2
    stored = rom(beats * built.groups, weights, built.storage == "lutram", weights, inside)
    one = sum_rows(product, taps, spec.accumulator_bits, 0, built.fabric, 1, taps == 1 and not built.fabric)
    operands = delayed(lanes * spec.data_bits, 3, inside)
    multiplied = Count(operand=0 if built.fabric else lanes * product)
    return counter(built.groups).plus(
        counter(beats * built.groups),
        counter(beats),
        stored.plus(operands, multiplied),
        one.times(vec),
        rom(beats, vec * offset_bits(spec, known)),
        finish(spec, spec.accumulator_bits, vec, known=known),
        marks(2 * late + cycles),
        fifo(vec * spec.out_bits, depth, cycles),
    )


def pool(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_pool."""
    assert isinstance(built, PoolBuilt)
    spec, vec, taps = built.spec, built.in_vec, built.tap_rows * built.tap_columns
    bits, total, value = spec.data_bits, spec.sum_bits, spec.value_bits
    levels, beats = clog2(taps), ceil_div(spec.n, vec)
    table = spec.mean and spec.reciprocals.constant is None
    cycles = levels + 1 + (0 if not spec.mean else 4 if table else 2) + finish_cycles(spec)
    if spec.mean:
        tree = Count(adder=(taps - 1) * (bits + 1), register=(taps - 1) * (bits + 1))
        held = Count(restart=total, register=total)
        factor = Count(operand=total + 3 * total + value) if table else _constant(total, spec)
    else:
        tree = Count(adder=(taps - 1) * bits, choice=(taps - 1) * bits, register=(taps - 1) * bits)
        held, factor = Count(adder=bits, choice=bits, register=bits), NOTHING
    counts = _counts(spec, cycles) if table else NOTHING
    more = counter(built.groups).plus(counter(beats), delayed(1, cycles), delayed(1, levels), counts)
    lanes = tree.plus(held, factor).times(vec)
    ends = _plain_end(spec, value, vec, known)
    return more.plus(lanes, ends, marks(levels + cycles), fifo(vec * spec.out_bits, depth, cycles))


def global_pool(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_global_pool."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, GlobalPoolSpec)
    beats, total, mean = ceil_div(spec.n, vec), spec.sum_bits, spec.mode == "mean"
    cycles = 1 + (2 if mean else 0) + finish_cycles(spec)
    running = Count(register=vec * total).plus(delayed(vec * total, beats - 1))
    joined = Count(adder=total, choice=2 * total) if spec.mode == "max" else Count(restart=total)
    factor = _constant(total, spec) if mean else NOTHING
    steps = counter(beats).plus(counter(spec.positions), delayed(1, cycles), marks(cycles))
    ends = _plain_end(spec, spec.value_bits, vec, known)
    return steps.plus(running, joined.plus(factor).times(vec), ends, fifo(vec * spec.out_bits, depth, cycles))


def _constant(bits: int, spec: PoolSpec | GlobalPoolSpec) -> Count:
    """A product by one reciprocal, in LUTs: its rows are those of the smaller operand's bits, of a constant few."""
    factor, wide = spec.reciprocals.constant or 1, spec.reciprocals.bits
    rows = bin(factor).count("1") - 1
    return Count(rows=rows * (bits + 1) if wide <= bits else (bits - 1) * wide / 2, register=2 * bits + wide)


def _plain_end(spec: PoolSpec | GlobalPoolSpec, bits: int, vec: int, known: FixedLayer | None) -> Count:
    """The end of a layer without offsets; the greatest value alone is not even rounded."""
    greatest = not spec.mean if isinstance(spec, PoolSpec) else spec.mode == "max"
    if greatest and spec.activation == "identity":
        return Count(register=3 * bits).times(vec)
    return finish(spec, bits, vec, known=known).plus(Count(adder=-bits).times(vec))


def _counts(spec: PoolSpec, late: int) -> Count:
    """swm_pool_count, and the reciprocal on its way."""
    g, entry = spec.geometry, spec.reciprocals.bits
    widths = [
        clog2(k * d + o * s + p + high + 1) + 1
        for k, d, o, s, p, (_, high) in zip(g.kernel, g.dilations, g.out, g.strides, g.pads, spec.bounds, strict=True)
    ]
    entries = (g.kernel[0] + 1) * (g.kernel[1] + 1)
    address = clog2(entries)
    taps = [Count(adder=2 * w + address, choice=w / 2).times(k) for k, w in zip(g.kernel, widths, strict=True)]
    walked = Count(adder=sum(widths), choice=sum(widths), register=sum(widths) + address)
    outputs = counter(g.out[0]).plus(counter(g.out[1]))
    return walked.plus(*taps, outputs, rom(entries, entry, smooth=True), delayed(entry, max(0, late - 3)))


def pad(built: Implementation, depth: int) -> Count:
    """swm_pad."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, PadSpec)
    rows, columns = spec.margins.walk
    word = vec * spec.data_bits
    compared = Count(choice=2 * (clog2(rows) + clog2(columns)))
    steps = counter(ceil_div(spec.n, vec)).plus(counter(rows), counter(columns), marks(1))
    return steps.plus(compared, Count(choice=word / 2, register=word), fifo(word, depth, 1))


def upsample(built: Implementation, depth: int) -> Count:
    """swm_upsample."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, UpsampleSpec)
    beats, columns, (tall, wide) = ceil_div(spec.n, vec), spec.rows_columns[1], spec.factors
    word, address = vec * spec.data_bits, clog2(columns * beats)
    steps = [counter(n) for n in (beats, wide, columns, tall)]
    return Count(state=address, adder=2 * address, choice=word, register=3 * word + 2).plus(
        *steps, ram(columns * beats, word), marks(3), fifo(word, depth, 3)
    )


def reorder(built: Implementation, depth: int) -> Count:
    """swm_reorder."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, ReorderSpec)
    come, half = Reorder.moves(spec, vec)
    word, address, turn = vec * spec.data_bits, clog2(2 * half), clog2(vec)
    steps = [counter(n) for n in (come // spec.rows, spec.rows, half)]
    turned = Count(choice=2 * turn * word, state=2 * turn, adder=2 * turn)
    bank = Count(adder=(3 if vec > 1 else 2) * address, choice=spec.data_bits / 2, register=address)
    banks = bank.plus(ram(2 * half, spec.data_bits)).times(vec)
    straight = Count(state=address, adder=2 * address, register=address + 2 * word)
    late = delayed(turn + 1, 3)
    return straight.plus(*steps, walk(come, half), turned, banks, late, marks(5), fifo(word, depth, 4))


def depth_to_space(built: Implementation, depth: int) -> Count:
    """swm_depth_to_space."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, DepthToSpaceSpec)
    columns, word = spec.rows_columns[1], vec * spec.data_bits
    part = spec.n // spec.side // vec
    row = columns * part * spec.side
    address = clog2(2 * row)
    steps = [counter(n) for n in (part, columns, spec.side)]
    places = Count(state=2 * address, adder=5 * address, choice=2 * address, register=address)
    return places.plus(*steps, walk(row, row), ram(2 * row, word), marks(3), fifo(word, depth, 3))


def reverse(built: Implementation, depth: int) -> Count:
    """swm_reverse."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, ReverseSpec)
    beats = ceil_div(spec.n, vec)
    period, word = spec.positions * beats, vec * spec.data_bits
    places = Count(state=clog2(period), adder=clog2(period) + 3 * clog2(2 * period), choice=clog2(period))
    steps = counter(spec.sequences * beats).plus(walk(period, period), marks(2))
    return places.plus(steps, ram(2 * period, word), fifo(word, depth, 2))
