# SPDX-License-Identifier: Apache-2.0
"""Counts of modules that take a beat an iteration, and of those of a layer normalisation."""

from __future__ import annotations

from typing import Any

from swm.device.memories import memory
from swm.layers.fork import ForkSpec
from swm.layers.hadamard import HadamardSpec
from swm.layers.layernorm import LayerNormSpec
from swm.layers.prelu import PReluSpec
from swm.layers.roots import roots
from swm.layers.rtl.area.counts import NOTHING, Count, counter, delayed, fifo, finish, marks, offset_bits, rom, rounded
from swm.layers.rtl.base import finish_cycles
from swm.layers.scale import ScaleSpec
from swm.layers.values import FixedLayer, Implementation, ceil_div, clog2

__all__ = [
    "add",
    "concat",
    "first",
    "fork",
    "hadamard",
    "last",
    "prelu",
    "scale",
    "sums",
    "token_ends",
    "token_root",
    "width",
]


def scale(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_scale."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, ScaleSpec)
    cycles, beats, product = 4 + finish_cycles(spec), ceil_div(spec.n, vec), spec.data_bits + spec.weight_bits
    gains, late = vec * spec.weight_bits, vec * offset_bits(spec, known)
    return counter(beats).plus(
        Count(operand=3 * vec * spec.data_bits + vec * product),
        rom(beats, gains).plus(Count(register=-2 * gains, operand=2 * gains)),
        rom(beats, late).plus(Count(register=-2 * late), delayed(late, 4)),  # one chain of registers
        finish(spec, product, vec, product=True, known=known),
        marks(cycles),
        fifo(vec * spec.out_bits, depth, cycles),
    )


def prelu(built: Implementation, depth: int) -> Count:
    """swm_prelu."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, PReluSpec)
    beats, value = ceil_div(spec.n, vec), spec.data_bits + spec.weight_bits
    lane = Count(operand=3 * spec.data_bits + value, choice=value, register=value)
    return counter(beats).plus(
        lane.plus(delayed(spec.data_bits, 4), rounded(value, spec.out_bits)).times(vec),
        rom(beats, vec * spec.weight_bits),
        marks(7),
        fifo(vec * spec.out_bits, depth, 7),
    )


def add(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_add."""
    spec, vec, cycles = built.spec, built.in_vec, finish_cycles(built.spec)
    ends = finish(spec, spec.data_bits, vec, known=known)
    return counter(ceil_div(spec.n, vec)).plus(ends, marks(cycles), fifo(vec * spec.out_bits, depth, cycles))


def hadamard(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_hadamard."""
    spec, vec, cycles = built.spec, built.in_vec, 2 + finish_cycles(built.spec)
    assert isinstance(spec, HadamardSpec)
    beats, product, factor = ceil_div(spec.n, vec), spec.value_bits, vec * spec.inputs[1].bits
    lanes = Count(operand=vec * (spec.inputs[0].bits + spec.inputs[1].bits + product))
    held = Count(choice=factor).plus(delayed(factor, beats), counter(spec.positions + 1)) if spec.held else NOTHING
    ends = finish(spec, product, vec, product=True, known=known).plus(Count(adder=-product).times(vec))
    steps = counter(beats).plus(delayed(1, cycles), marks(cycles))
    return steps.plus(lanes, held, ends, fifo(vec * spec.out_bits, depth, cycles))


def concat(built: Implementation, depth: int) -> Count:
    """swm_concat."""
    spec, vec = built.spec, built.in_vec
    inputs = len(spec.inputs)
    lanes = [rounded(shape.bits, spec.out_bits) for shape in spec.inputs]
    chosen = Count(choice=(inputs - 1) * spec.out_bits, register=spec.out_bits)
    steps = [counter(ceil_div(shape.channels, vec)) for shape in spec.inputs]
    more = marks(3).plus(counter(inputs), fifo(vec * spec.out_bits, depth, 3))
    return chosen.plus(*lanes).times(vec).plus(*steps, more)


def fork(built: Implementation, *depths: int) -> Count:
    """swm_fork."""
    spec, bits = built.spec, built.in_vec * built.spec.data_bits
    assert isinstance(spec, ForkSpec)
    return Count(register=bits, state=1).plus(*(fifo(bits, depth, 1) for depth in depths))


def width(built: Implementation, depth: int) -> Count:
    """swm_width."""
    spec, narrow, wide = built.spec, min(built.in_vec, built.out_vec), max(built.in_vec, built.out_vec)
    bits = wide * spec.data_bits
    widens = built.in_vec < built.out_vec
    words = Count(register=bits) if widens else Count(register=bits, choice=bits)
    steps = counter(ceil_div(spec.n, narrow)).plus(counter(wide // narrow))
    return words.plus(steps, marks(1), fifo(built.out_vec * spec.data_bits, depth, 1))


def sums(built: Implementation, tokens: int, ends: int) -> Count:
    """swm_layernorm_sums."""
    spec, vec = built.spec, built.in_vec
    assert isinstance(spec, LayerNormSpec)
    bits, levels = spec.data_bits, clog2(vec)
    cycles = 3 + levels
    tree = Count(adder=(vec - 1) * (bits + 1), register=(vec - 1) * (bits + 1))
    squares = Count(post=(vec - 1) * (2 * bits + 1), operand=vec * 4 * bits + (vec - 1) * (2 * bits + 1))
    plain = NOTHING if spec.mean_free else Count(restart=bits + clog2(spec.n), register=bits + clog2(spec.n))
    tree = NOTHING if spec.mean_free else tree
    running = Count(restart=spec.sum_bits, register=spec.sum_bits) if vec > 1 else Count(post=spec.sum_bits)
    return counter(ceil_div(spec.n, vec)).plus(
        # one chain with what is summed, which looks into it
        delayed(vec * bits, cycles) if spec.mean_free else Count(register=vec * bits * cycles),
        tree,
        squares,
        plain,
        running,
        marks(3 * cycles),
        fifo(vec * bits, tokens, cycles),
        fifo(spec.sum_bits + (0 if spec.mean_free else bits + clog2(spec.n)), ends, cycles),
    )


def token_root(built: Implementation, depth: int) -> Count:
    """swm_layernorm_root."""
    spec: Any = built.spec
    total, spread = spec.data_bits + clog2(spec.n), 2 * (spec.data_bits - 1 + clog2(spec.n)) + 2
    total = 0 if spec.mean_free else total
    table = roots(min(spec.out_bits + 2, 18))
    frac, entry = table.frac, table.frac + 4
    line = entry + table.step_bits + 2
    half = clog2(spread // 2 + 1)
    in_luts = not memory(len(table.starts), 2 * entry, writes=0).bram18
    return Count(
        adder=(1 if spec.mean_free else 2) * spread + (frac + 2) + line,
        post=line,
        choice=spread + half * (frac + 2),
        register=3 * spread + half + frac + 2 + line,
        operand=4 * total + line,
    ).plus(
        rom(len(table.starts), 2 * entry, in_luts, smooth=True),
        delayed(line, 2),
        delayed(total + half, 11),
        marks(11),
        fifo(total + frac + 2 + half, depth, 11),
    )


def token_ends(built: Implementation, depth: int, known: FixedLayer | None = None) -> Count:
    """swm_layernorm_apply."""
    spec, vec, cycles = built.spec, built.in_vec, 10 + finish_cycles(built.spec)
    assert isinstance(spec, LayerNormSpec)
    beats, total = ceil_div(spec.n, vec), spec.data_bits + clog2(spec.n)
    frac, root = spec.out_bits, min(spec.out_bits + 2, 18) + 2
    half = clog2(total + 1)
    held = (0 if spec.mean_free else total) + root + half
    shifted = total + 1 + frac + 2
    normal, narrowed = spec.normal_bits, spec.normal_bits + 1
    lane = Count(
        adder=total + shifted + normal,
        choice=half * narrowed,
        register=spec.data_bits + total + shifted + narrowed,
        operand=narrowed + 2 * (narrowed + root) + 2 * normal + spec.weight_bits,
    )
    product = normal + spec.weight_bits
    return counter(beats).plus(
        Count(register=held + total + 2 * half, choice=half * root / 2),
        delayed(root, 4),
        lane.plus(finish(spec, product, 1, product=True, known=known)).times(vec),
        delayed(2 * clog2(beats), 6),
        rom(beats, vec * spec.weight_bits),
        rom(beats, vec * offset_bits(spec, known)),
        marks(cycles),
        fifo(vec * spec.out_bits, depth, cycles),
    )


def first(edge_bits: int, period: int, token: int, depth: int) -> Count:
    """swm_axis_input.

    Args:
        edge_bits: of a beat.
        period: beats a frame.
        token: beats a token.
        depth: of the stream behind.
    """
    return Count(state=3, register=3 * 32 + edge_bits).plus(counter(period), counter(token), fifo(edge_bits, depth, 1))


def last(port_bits: int, period: int) -> Count:
    """swm_axis_output: `port_bits` of a beat at the port, `period` beats a frame."""
    return Count(register=port_bits + 1, state=1).plus(counter(period), fifo(port_bits + 1, 2, 1))
