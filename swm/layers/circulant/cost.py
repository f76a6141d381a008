# SPDX-License-Identifier: Apache-2.0
"""Processes of a block-circulant layer with what each takes of the device (modelled from the shapes of the kernels)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from math import ceil, floor

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import (
    Cost,
    adder,
    constant_multiplier,
    control,
    multiplexer,
    multiplier,
    packed_multiplier,
    packs,
    register,
)
from swm.layers.circulant.built import CirculantBuilt
from swm.layers.circulant.passes import HALF_TURN, forward_processes, inverse_processes, pass_end_costs
from swm.layers.circulant.spec import CirculantSpec
from swm.layers.finish import finish_cost
from swm.layers.products import Parts, weight_rom_cost
from swm.layers.program import ProcessModel
from swm.layers.values import TWIDDLE_FRAC

__all__ = ["end_costs", "forward", "inverse", "packs_pairs", "processes", "product_parts", "products", "transform_cost"]


def packs_pairs(spec: CirculantSpec, ports: DspPorts) -> bool:
    """Whether two weights share a multiplier for a common spectral word (products in the four-multiplier form)."""
    return packs(spec.weight_bits, spec.spectrum_bits, ports)


def processes(built: CirculantBuilt, ports: DspPorts) -> tuple[ProcessModel, ...]:
    """The processes in the order of the data."""
    return (*forward(built, ports), *products(built, ports, built.spec.q))


def forward(built: CirculantBuilt, ports: DspPorts) -> tuple[ProcessModel, ...]:
    """The forward transforms."""
    spec = built.spec
    if not spec.unrolled:
        return forward_processes(built, ports)
    front, _ = end_costs(built, ports)
    turns = 3 * _general_rotations(spec.block) * spec.q
    return (ProcessModel("rfft", "rfft_unrolled", built.rfft_program(), front, products=turns),)


def products(built: CirculantBuilt, ports: DspPorts, columns: int) -> tuple[ProcessModel, ...]:
    """Products and inverse transforms.

    Args:
        built: the layer as it is built.
        ports: port widths of the device's DSP.
        columns: block columns of the network; others are padding.
    """
    useful = _useful_products(built, columns)
    program, cost = built.mac_program(), _mac_cost(built, ports)
    return (ProcessModel("mac", "spectral_mac", program, cost, ("weights",), products=useful), *inverse(built, ports))


def inverse(built: CirculantBuilt, ports: DspPorts) -> tuple[ProcessModel, ...]:
    """The inverse transforms."""
    spec = built.spec
    if not spec.unrolled:
        return inverse_processes(built, ports)
    _, back = end_costs(built, ports)
    turns = 3 * _general_rotations(spec.block) * spec.p
    return (ProcessModel("irfft", "irfft_unrolled", built.irfft_program(), back, ("bias",), products=turns),)


def end_costs(built: CirculantBuilt, ports: DspPorts) -> tuple[Cost, Cost]:
    """Forward and inverse transform with what hangs on their beats: all but the products."""
    spec = built.spec
    spectra, sums = _spectra_cost(built), _combine_cost(built)
    if not spec.unrolled:
        front, back = pass_end_costs(built, ports)
        return front.plus(spectra), back.plus(sums)
    collect = register(spec.block * spec.data_bits) if built.in_parts > 1 else Cost()
    forward = transform_cost(spec.block, spec.spectrum_bits, ports).times(built.fft_lanes)
    inverse = transform_cost(spec.block, spec.inverse_bits, ports).times(built.out_lanes)
    # a block leaves in parts through a multiplexer
    select = multiplexer(built.out_parts, spec.inverse_bits * min(built.out_vec, spec.block))
    bias = memory(built.out_beats * spec.groups, built.out_vec * spec.bias_bits, writes=0)
    tail = finish_cost(spec, spec.value_bits, built.out_vec, ports)
    front = control(1).plus(collect, forward, spectra)
    return front, control(1).plus(inverse, select, bias, tail, sums)


@lru_cache(maxsize=65536)
def product_parts(built: CirculantBuilt, ports: DspPorts) -> Parts:
    """Multipliers, sums, holding registers, spectra and weights: all but what hangs on the beats."""
    spec = built.spec
    rows, columns, bins = built.mac_rows, built.mac_columns, built.mac_bins
    weight, word, total = spec.weight_bits, spec.spectrum_bits, spec.accumulator_bits
    complex_lanes, real_lanes = (bins - 1, 1) if built.word_groups == 1 else (bins, 0)
    multipliers = built.products * complex_lanes + 2 * real_lanes  # a row and column
    sums = adder(total).times(columns * multipliers)

    def lanes(fabric: bool) -> Cost:
        """The words of one row."""
        real = multiplier(weight, word, ports, fabric=fabric)
        complex_ = real.times(4)
        if built.products == 3:
            wide = multiplier(weight + 1, word, ports, fabric=fabric).times(2)
            joined = adder(weight + 1).times(2)  # w_i - w_r and w_r + w_i
            complex_ = multiplier(weight, word + 1, ports, fabric=fabric).plus(wide, joined)
        return complex_.times(complex_lanes).plus(real.times(2 * real_lanes)).times(columns)

    if built.packed:  # a DSP serves two rows; its sums are split in LUTs
        pair = packed_multiplier(weight, word, ports).times(columns * multipliers)
        dsp_row = Cost(pair.dsp / 2, 0, 0, pair.logic / 2, 0, pair.ff / 2).plus(sums)  # type: ignore[arg-type]
    else:
        dsp_row = lanes(fabric=False)
    shared = adder(word + 1).times(columns * complex_lanes) if built.products == 3 else Cost()  # x_r + x_i
    # A finished sum waits in a shift register: a 2:1 multiplexer (two in a LUT) and a flip-flop a bit.
    products = 3 if built.products == 3 else 2
    parts = products * (complex_lanes * built.word_groups if spec.unrolled else bins) + 2 * real_lanes
    holding = Cost(logic=total / 2, ff=total).times(rows * parts)
    # Products of columns add up along a chain of DSPs: operands wait in SRLs until it is their turn.
    skew = (
        Cost(memory=2 * weight)
        .times(rows * (columns - 1) * bins)
        .plus(Cost(memory=2 * word).times((columns - 1) * bins))
    )
    # Operands reach many rows through trees of registers.
    operands = register(2 * word * bins * columns).times(max(1, rows // 16))
    select = Cost()
    if bins < built.beat_words:
        select = multiplexer(built.beat_words // bins, 2 * word * bins * columns)
    depth = 2 * built.column_groups * max(1, spec.words // max(built.beat_words, bins))
    spectra = memory(depth, built.beat_words * 2 * word, banks=columns * max(1, bins // built.beat_words))
    return Parts(
        control(2).plus(shared, holding, skew, operands, select, spectra),
        dsp_row,
        lanes(fabric=True).plus(sums),
        partial(weight_rom_cost, built.rom_depth, rows * columns * bins * 2, weight),
    )


def _spectra_cost(built: CirculantBuilt) -> Cost:
    """What the words side by side in an input beat add: nothing but registers of the beat."""
    return register(built.fft_lanes * built.beat_words * 2 * built.spec.spectrum_bits)


def _combine_cost(built: CirculantBuilt) -> Cost:
    """The sums of the three products, joined and rounded for the words of a drained beat."""
    spec = built.spec
    words = built.out_lanes * built.drain_words
    joined = adder(spec.accumulator_bits).times(2) if built.products == 3 else Cost()
    rounding = adder(spec.accumulator_bits).plus(Cost(logic=2 * spec.rounded_bits, ff=spec.rounded_bits)).times(2)
    return joined.plus(rounding).times(words)


def _mac_cost(built: CirculantBuilt, ports: DspPorts) -> Cost:
    bare = replace(built, in_vec=1, out_vec=1, fabric_rows=0, storage="bram")
    cost = product_parts(bare, ports).total(built.mac_rows, built.fabric_rows, built.storage)
    return cost._replace(dsp=ceil(cost.dsp))


def _useful_products(built: CirculantBuilt, columns: int) -> int:
    """DSP-cycles a token that multiply a weight of the network (padding left out)."""
    spec = built.spec
    block = 2 + 3 * (spec.words - 1) if not built.packed else (2 + 4 * (spec.words - 1)) / 2
    on_dsp = (built.mac_rows - built.fabric_rows) / built.mac_rows
    return floor(spec.p * columns * block * on_dsp)


def _general_rotations(block: int) -> int:
    """Rotations of one transform that take multipliers: neither by 0 nor by an eighth of a turn."""
    return sum((block // size) * (size // 4 - 2) for size in (1 << s for s in range(4, block.bit_length())))


@lru_cache(maxsize=4096)
def transform_cost(block: int, width: int, ports: DspPorts) -> Cost:
    """A real transform of one block as straight-line code (docs/arithmetic.md 2 and 4), registers after every stage."""
    if block == 2:
        return adder(width).times(2)
    total = adder(width).times(7 * (block // 4))  # two stages without rotations: 6 sums and a sign a unit
    size = 8
    while size <= block:
        subs = block // size
        total = total.plus(adder(width).times(3 * subs))  # words 0 and N/4: two sums, a sign
        eighth = adder(width + 1).times(2).plus(constant_multiplier(width + 1, HALF_TURN).times(2))
        general = multiplier(TWIDDLE_FRAC + 2, width + 1, ports).times(3).plus(adder(width + TWIDDLE_FRAC).times(3))
        rotations = size // 4 - 1
        total = total.plus(eighth.times(subs), general.times(subs * (rotations - 1)))
        total = total.plus(adder(width).times(4 * rotations * subs), register(2 * width * (block // 2)))
        size *= 2
    return total
