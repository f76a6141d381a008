# SPDX-License-Identifier: Apache-2.0
"""Counts of recurrent layers: the transform of x, and all steps of a sequence in one module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swm.layers.fit import widest_curve
from swm.layers.recurrent.built import RecurrentBuilt
from swm.layers.recurrent.spec import RecurrentSpec
from swm.layers.rtl.area.counts import (
    NOTHING,
    Count,
    counter,
    delayed,
    ended,
    fifo,
    marks,
    ram,
    rom,
    rounded,
)
from swm.layers.rtl.area.products import block_cycles, forward_block, inverse_block, sum_rows
from swm.layers.rtl.base import activation_cycles, in_luts
from swm.layers.values import FixedLayer, ceil_div, clog2

__all__ = ["entering", "steps"]

_Gate = Callable[[int, int], Count]  # of a place (f, g, h): 0, 1, 2, and the bits of what it takes


def entering(built: RecurrentBuilt, depth: int) -> Count:
    """swm_rfft_unrolled, of x."""
    spec, lanes = built.spec, built.in_lanes
    parts = max(1, spec.block // built.in_vec)
    cycles = 1 + block_cycles(spec.block, 1)
    whole = Count(register=lanes * spec.block * spec.data_bits, choice=built.in_vec * spec.data_bits / 2)
    block = forward_block(spec.block, spec.data_bits, spec.word_bits).times(lanes)
    ends = fifo(lanes * spec.block * spec.word_bits, depth, cycles)
    return whole.plus(block, counter(parts), counter(built.loads), marks(cycles), ends)


def steps(built: RecurrentBuilt, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_recurrent_steps."""
    spec, vec = built.spec, built.out_vec
    sums, word = built.lanes * spec.sums, spec.block * spec.word_bits
    first = 5 + clog2(built.mac_columns)
    behind = first + _back_cycles(spec)
    late = _cell_cycles(spec)
    fed = max(0, block_cycles(spec.block, 1)) if spec.block > 1 else 0
    cell = _cell(spec, _gates(spec, known))
    two = spec.phases == 2
    beats = built.cell_beats
    vectors = built.vector_sets * vec * spec.bias_bits
    stored = rom(beats, vectors, bool(in_luts(beats, vectors)))
    chosen = Count(choice=vec * (spec.biases * spec.bias_bits * spec.first_bias + spec.state_bits * spec.initial))
    states = ram(spec.sequences * beats, vec * spec.state_bits) if spec.cell != "rnn" else NOTHING
    updates = ram(beats, vec * spec.data_bits) if spec.cell == "gru" else NOTHING
    of_parts = Count(choice=vec * spec.sums * spec.sum_bits * (built.parts - 1) / 2)
    whole = Count(register=(spec.block - vec) * spec.data_bits) if built.parts > 1 else NOTHING
    forward = forward_block(spec.block, spec.data_bits, spec.word_bits) if spec.block > 1 else NOTHING
    place = clog2(spec.sequences * beats)
    ways = delayed(place + clog2(beats), 2 + late).plus(
        delayed(8, behind), delayed(6 + clog2(built.parts), behind + late)
    )
    return _walk(built).plus(
        _values(built, word, two),
        _products(built),
        _group(built),
        _back(spec).times(sums),
        stored, chosen, states, updates, of_parts, whole, ways,
        cell.times(vec),
        forward.times(built.lanes),
        Count(state=clog2(beats), adder=2 * place, choice=vec * spec.state_bits),
        _begun(spec, behind + late).times(vec),
        marks(3 * first + behind + 2 * (behind + late) + fed),
        fifo(vec * spec.data_bits, depth, behind + late),
    )  # fmt: skip


def _begun(spec: RecurrentSpec, wait: int) -> Count:
    """States that come, which wait for the sums whose place they take."""
    if not spec.start:
        return NOTHING
    bits, state = spec.data_bits, spec.state_bits if spec.cell != "rnn" else 0
    held = delayed((len(spec.inputs) - 1) * bits, wait - 2).plus(rounded(bits, bits), Count(choice=bits + state))
    return held.plus(rounded(bits, state)) if state else held


def _walk(built: RecurrentBuilt) -> Count:
    """swm_recurrent_walk."""
    spec, (first, second) = built.spec, built.groups
    columns, columns_b = built.column_groups
    loads = (built.loads, built.in_groups, max(1, built.mac_columns // built.in_lanes))
    products = (max(columns, columns_b) + 1, built.turns, max(first, second) + 1, built.rom_depth)
    beats = [max(pair) + 1 for pair in built.beats]
    where = (spec.sequences, spec.turns // spec.sequences) * 2 + (spec.sequences + 1,)
    bits = sum(map(clog2, (*loads, *products, max(beats), built.parts, *where)))
    return Count(state=bits + 14, adder=3 * clog2(2 * max(columns, columns_b)), choice=2 * clog2(max(beats)))


def _values(built: RecurrentBuilt, word: int, two: bool) -> Count:
    """Memories of x, of states and of what phase A gives to B; and of weights."""
    spec = built.spec
    of_h = ceil_div(spec.out_units, built.mac_columns)
    memories = [ram(2 * built.in_groups, word), ram(2 * spec.sequences * of_h, word)]
    if two:
        memories.append(ram(ceil_div(spec.units, built.mac_columns), word))
    bank = Count(choice=word * len(memories) / 2).plus(*memories)
    weights = built.weight_lanes * spec.weight_bits
    straight = Count(register=-weights, operand=weights)
    stored = rom(built.rom_depth, weights, built.storage == "lutram").plus(straight)
    return bank.times(built.mac_columns).plus(stored, Count(register=6))


def _products(built: RecurrentBuilt) -> Count:
    """swm_recurrent_products of every row."""
    spec, columns, rows = built.spec, built.mac_columns, built.mac_rows
    total, word, weight = spec.accumulator_bits, spec.word_bits, spec.weight_bits
    three = spec.block > 1 and built.products == 3
    product = word + weight + (2 if three else 0)
    numbers, lanes = _numbers(built), spec.block // 2
    row = sum_rows(product, columns, total, 0, 0, 1).times(numbers)
    row = row.plus(Count(choice=numbers * total, operand=columns * numbers * (product + weight + 1)))
    if three:
        row = row.plus(Count(adder=columns * lanes * 2 * (weight + 1)))
    if spec.cell == "gru_after":
        row = row.plus(Count(register=numbers * total))
    shared = Count(adder=columns * lanes * (word + 1)) if three else NOTHING
    return row.times(rows).plus(shared, Count(operand=columns * numbers * (word + 1)))


def _numbers(built: RecurrentBuilt) -> int:
    """Sums of a row."""
    return built.spec.block // 2 * built.products if built.spec.block > 1 else 1


def _group(built: RecurrentBuilt) -> Count:
    """swm_recurrent_group."""
    spec, unit = built.spec, _numbers(built) * built.spec.accumulator_bits
    lanes = built.lanes
    held = ceil_div(built.units_side, lanes) * lanes
    if spec.phases == 2:
        held = max(held, ceil_div(built.mac_rows, lanes) * lanes)
    bits = held * spec.sums * unit
    moves = bits - lanes * spec.sums * unit
    turns = Count(choice=spec.sums * unit, register=spec.sums * unit) if built.turns > 1 else NOTHING
    return Count(register=bits, choice=moves + (held * unit if spec.phases == 2 else 0)).plus(turns)


def _back(spec: RecurrentSpec) -> Count:
    """swm_recurrent_back of a sum."""
    if spec.block == 1:
        return NOTHING
    total, width = spec.accumulator_bits, spec.rounded_bits
    joined = Count(adder=spec.block * total, register=spec.block * total)
    narrowed = rounded(total, width).times(spec.block)
    return joined.plus(narrowed, inverse_block(spec.block, width + 1, spec.sum_bits))


def _back_cycles(spec: RecurrentSpec) -> int:
    return 0 if spec.block == 1 else 3 + block_cycles(spec.block, 2)


def _cell_cycles(spec: RecurrentSpec) -> int:
    """Registers of swm_recurrent_cell, as `swm.layers.rtl.recurrent` has them."""
    f, g, h = (activation_cycles(name) for name in (*spec.activations, "identity", "identity")[:3])
    f += 5 if spec.peephole else 2 if spec.clip else 0
    g += 2 if spec.clip else 0
    return {
        "rnn": f,
        "lstm": max(f, g) + 9 + (max(f, h) if spec.peephole else h),
        "gru": max(f + 4, g + 8),
        "gru_after": f + g + 12,
    }[spec.cell]


def _gates(spec: RecurrentSpec, known: FixedLayer | None) -> _Gate:
    """Ends of gates; of a layer whose numbers are not known, with the table of the finest output."""

    def gate(place: int, bits: int) -> Count:
        name, parameters = spec.activations[place], spec.activation_parameters[place]
        curve: Any = known.inner[place] if known else widest_curve(name, parameters, spec.data_bits)
        clip = Count(adder=3 * bits, choice=bits, register=2 * bits) if spec.clip else NOTHING
        return clip.plus(Count(adder=bits, register=bits), ended(curve, name, bits, spec.data_bits))

    return gate


def _cell(spec: RecurrentSpec, gate: _Gate) -> Count:
    """swm_recurrent_cell: gates, products by two or more of them, values that wait for others."""
    bits, state, value = spec.data_bits, spec.state_bits, spec.value_bits
    f, g, h = (activation_cycles(name) for name in (*spec.activations, "identity", "identity")[:3])
    narrowed = rounded(value, bits).plus(delayed(bits, _cell_cycles(spec) - 2), Count(choice=bits))
    projected = narrowed if spec.projected else NOTHING

    def product(a: int, b: int) -> Count:
        return Count(operand=a + b + a + b)

    if spec.cell == "rnn":
        return gate(0, value).plus(projected)
    if spec.cell == "lstm":
        gates = max(f, g)
        wide = bits + state + 1
        at, out = gates + 5, gates + 5 + (max(f, h) if spec.peephole else h)
        waits = delayed(2 * bits, gates - f).plus(delayed(bits, gates - g), delayed(state, gates))
        seen = delayed(bits, out - f)
        if spec.peephole:
            extra = product(spec.weight_bits, state).plus(
                rounded(spec.weight_bits + state, value), delayed(value, 3), Count(adder=value + 1, register=value + 1)
            )
            seen = extra.times(3).plus(delayed(2 * spec.sum_bits + spec.weight_bits, at))
        new = product(bits, state).plus(product(bits, bits), Count(post=wide, operand=wide), rounded(wide, state))
        given = product(bits, bits).plus(rounded(2 * bits, bits), delayed(state, _cell_cycles(spec) - at))
        return gate(0, value).times(3).plus(gate(1, value), gate(2, state), waits, seen, new, given, projected)
    gap = state + 2
    wide = gap + bits + 1
    blend = product(gap, bits).plus(Count(adder=gap + wide, register=gap + 2 * wide), rounded(wide, state))
    reset = product(bits, state).plus(rounded(bits + state, bits))
    both = gate(0, value).times(2).plus(blend, reset, rounded(state, bits), delayed(wide, 2), projected)
    late = _cell_cycles(spec)
    if spec.cell == "gru":
        waits = delayed(state, f).plus(delayed(bits, late - f - 4), delayed(2 * bits, late - f), delayed(state, g))
        return both.plus(gate(1, value), waits, Count(choice=bits), delayed(state, late - g - 6))
    inner = Count(adder=2 * value, register=2 * value).plus(rounded(value, state), delayed(value, f + 3))
    waits = delayed(state, f - 3).plus(delayed(bits, g + 4), delayed(state, f + 4 + g), delayed(state, 2))
    return both.plus(gate(1, value + 2), inner, waits)
