# SPDX-License-Identifier: Apache-2.0
"""Counts of transforms of blocks of 32 values and more, a module for every pass."""

from __future__ import annotations

from swm.layers.circulant.built import CirculantBuilt
from swm.layers.circulant.passes import collect_period
from swm.layers.rtl.area.counts import Count, counter, delayed, fifo, finish, marks, offset_bits, ram, rom, walk
from swm.layers.rtl.area.products import eighth
from swm.layers.rtl.base import finish_cycles
from swm.layers.values import FixedLayer, ceil_div, clog2

__all__ = ["collect", "forward_pass", "inverse_pass", "load", "store"]

_TWIDDLE = 18  # bits of an entry of a rotation


def _slow(vec: int) -> int:
    """Cycles between two units of a pass."""
    return max(1, 4 // vec)


def _turns(vec: int, units: int, banks: int) -> tuple[int, int]:
    """Bits by which a beat is turned into the banks, and by which a unit is turned out of them."""
    part = min(vec, units)
    along = clog2(banks // (vec // part))
    return along, min(clog2(part), along)


def load(built: CirculantBuilt, depth: int) -> Count:
    """swm_rfft_load."""
    spec, lanes, vec, units = built.spec, built.fft_lanes, built.in_vec, built.spec.block // 4
    banks, bits, width = 4 * lanes, spec.data_bits, spec.spectrum_bits
    time = units if vec > 4 else spec.block // vec
    into, out = _turns(vec, units, banks)
    word = banks * bits
    turned = Count(choice=word * (into + out) + word / 2, register=2 * word + clog2(units) + 1 + clog2(time))
    addresses = Count(adder=banks * clog2(banks * units)) if banks > vec or vec > 1 else Count()
    summed = Count(adder=4 * (bits + 1) + 4 * (bits + 2), register=4 * width).times(lanes)
    steps = counter(built.fft_groups * time).plus(walk(time, units), delayed(out, 3), marks(6))
    store = ram(2 * units, bits).times(banks)
    return turned.plus(addresses, summed, steps, store, fifo(lanes * 4 * width, depth, 5))


def forward_pass(built: CirculantBuilt, depth: int, stage: int) -> Count:
    """swm_rfft_pass of a stage."""
    spec, lanes, ii, units = built.spec, built.fft_lanes, _slow(built.in_vec), built.spec.block // 4
    grown = spec.stages - spec.fft_shifts
    width, wide = spec.data_bits + min(stage - 1, grown), spec.spectrum_bits
    turn = _late(stage, ii)
    late = 3 + turn
    waits = delayed(4 * width, turn).plus(Count(choice=8 * width + 4 * (width + 3)))
    joined = Count(adder=4 * (width + 3) * (2 if stage > grown else 1), register=4 * wide)
    rotated = eighth(width) if stage == 3 else _rotation(width, width + 2, stage, ii)
    store = ram(2 * units, 2 * width).times(2)
    addresses = Count(adder=clog2(units), choice=2 * clog2(units), register=4)
    lane = waits.plus(joined, rotated, store)
    steps = walk(units, units, 1, ii).plus(marks(2 + late), delayed(1, turn))
    return lane.times(lanes).plus(addresses, steps, fifo(lanes * 4 * wide, depth, late))


def collect(built: CirculantBuilt, depth: int) -> Count:
    """swm_irfft_collect."""
    spec, lanes, ii, units = built.spec, built.out_lanes, _slow(built.out_vec), built.spec.block // 4
    rows, _, _, _ = collect_period(built)
    words, banks, word = built.word_groups, built.mac_bins // 2, 4 * spec.rounded_bits
    places, wide = 2 * rows * words, spec.inverse_pass_bits
    late = 3 + 1 + _late(spec.stages, ii)
    chosen = Count(choice=(banks - 1) * word / 2, register=word).plus(ram(places, word).times(banks))
    unit = _unit(spec.rounded_bits, wide, spec.stages, ii, halves=True)
    steps = [counter(n) for n in (rows, rows, words, units, built.row_groups, built.row_groups)]
    addresses = Count(adder=2 * clog2(places) if rows > 1 or words > 1 else 0)
    walked = walk(rows * words, rows * units, built.row_groups, ii).plus(marks(3 + late), delayed(clog2(units), 2))
    return chosen.plus(unit).times(lanes).plus(*steps, addresses, walked, fifo(lanes * 4 * wide, depth, late))


def inverse_pass(built: CirculantBuilt, depth: int, stage: int) -> Count:
    """swm_irfft_pass of a stage."""
    spec, lanes, ii, units = built.spec, built.out_lanes, _slow(built.out_vec), built.spec.block // 4
    done, halvings = spec.stages - stage, spec.stages - spec.fft_shifts
    width, wide = spec.rounded_bits + 1 + max(0, done - halvings), spec.inverse_pass_bits
    late = 3 + _late(stage, ii)
    unit = _unit(width, wide, stage, ii, halves=done < halvings)
    lane = Count(choice=8 * width).plus(unit, ram(2 * units, 2 * width).times(2))
    addresses = Count(adder=clog2(units), choice=2 * clog2(units), register=4)
    steps = walk(units, units, 1, ii).plus(marks(2 + late))
    return lane.times(lanes).plus(addresses, steps, fifo(lanes * 4 * wide, depth, late))


def store(built: CirculantBuilt, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_irfft_store."""
    spec, lanes, vec, units = built.spec, built.out_lanes, built.out_vec, built.spec.block // 4
    banks, width, value = 4 * lanes, spec.inverse_pass_bits, spec.inverse_bits
    time = units if vec > 4 else spec.block // vec
    into, _ = _turns(vec, units, banks)
    turn = clog2(min(vec, units))
    cycles = 7 + finish_cycles(spec)
    groups = ceil_div(spec.p, lanes)
    summed = Count(
        adder=4 * (width + 3) + 4 * value, choice=4 * width, register=8 * width + 4 * (width + 3) + 4 * value
    ).times(lanes)
    word = banks * value
    back = vec * value if vec < banks else word
    turned = Count(choice=(word * into if turn else 0) + (2 * back if vec < banks else word * into))
    kept = Count(register=word + back).plus(ram(2 * units, value).times(banks))
    addresses = Count(adder=banks * clog2(units) / 2) if vec > 1 else Count()
    steps = counter(built.out_beats).plus(
        walk(units, time, groups), marks(3 + 5 + cycles), delayed(2 * clog2(units) + clog2(time), 4)
    )
    bias = rom(built.out_beats, vec * offset_bits(spec, known))
    ends = finish(spec, value, vec, known=known)
    return summed.plus(turned, kept, addresses, steps, bias, ends, fifo(vec * spec.out_bits, depth, cycles))


def _late(stage: int, ii: int) -> int:
    """Registers of a rotation."""
    return 3 if stage == 3 else {1: 3, 2: 4, 4: 5}[ii]


def _unit(width: int, out: int, stage: int, ii: int, *, halves: bool) -> Count:
    """swm_inverse_unit."""
    summed = Count(
        adder=4 * (width + 3) * (2 if halves else 1) + 2 * (width + 1),
        choice=2 * (width + 3) + 2 * out,
        register=4 * out + 2 * (width + 1),
    )
    rotated = eighth(width + 1) if stage == 3 else _rotation(width + 1, out, stage, ii)
    return summed.plus(delayed(4 * out, _late(stage, ii)), rotated)


def _rotation(width: int, out: int, stage: int, ii: int) -> Count:
    """swm_rotation: three multipliers, or two or one that take turns."""
    product, entries = width + _TWIDDLE + 1, 1 << (stage - 2)
    multipliers = {1: 3, 2: 2, 4: 1}[ii]
    table = rom(entries, 3 * _TWIDDLE, smooth=True).plus(Count(register=-3 * _TWIDDLE, operand=3 * _TWIDDLE))
    made = Count(operand=multipliers * (width + _TWIDDLE + product))
    joined = Count(adder=width + 1 + 2 * product, post=2 * product, register=2 * out)
    if ii == 1:
        return table.plus(made, joined)
    kept = Count(register=2 * width + 2 * _TWIDDLE + product * (ii // 2), choice=(width + _TWIDDLE) * (ii // 2))
    return table.plus(made, joined, kept, delayed(out, ii // 2))
