# SPDX-License-Identifier: Apache-2.0
"""What a dense layer takes of the device (modelled from the shapes of its kernel)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from math import ceil

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import (
    Cost,
    adder,
    control,
    multiplier,
    packed_multiplier,
    register,
)
from swm.layers.dense.spec import DenseBuilt, DenseSpec
from swm.layers.finish import finish_cost
from swm.layers.products import (
    Parts,
    weight_rom_cost,
)
from swm.layers.values import (
    ceil_div,
)

__all__ = ["cost", "input_cost", "output_cost", "parts", "several_positions"]


@lru_cache(maxsize=65536)
def parts(built: DenseBuilt, ports: DspPorts) -> Parts:
    """Multipliers, sums, holding registers and weights: what does not depend on the beats."""
    spec = built.spec
    product, total = spec.weight_bits + spec.data_bits, spec.accumulator_bits
    tree = adder(product + 1).times(built.columns - 1).plus(adder(total))
    one = multiplier(spec.weight_bits, spec.data_bits, ports)
    if built.packed:  # a DSP serves two rows; its sums are split in LUTs
        pair = packed_multiplier(spec.weight_bits, spec.data_bits, ports).times(built.columns)
        dsp_row = Cost(pair.dsp / 2, 0, 0, pair.logic / 2, 0, pair.ff / 2).plus(tree)  # type: ignore[arg-type]
    elif one.dsp == 1:  # sums go down the DSPs' own adders; operands wait in SRLs until it is their turn
        dsp_row = one.times(built.columns).plus(Cost(memory=spec.weight_bits).times(built.columns - 1))
    else:
        dsp_row = one.times(built.columns).plus(tree)
    fabric = multiplier(spec.weight_bits, spec.data_bits, ports, fabric=True).times(built.columns).plus(tree)
    # A finished sum waits in a shift register: a 2:1 multiplexer (two in a LUT) and a flip-flop a bit.
    holding = Cost(logic=total / 2, ff=total).times(built.rows)
    operands = register(spec.data_bits).times(built.columns * max(1, built.rows // 16))  # to many rows in trees
    rom = partial(weight_rom_cost, built.rom_depth, built.rows * built.columns, spec.weight_bits)
    return Parts(control(1).plus(holding, operands), dsp_row, fabric, rom)


@lru_cache(maxsize=4096)
def input_cost(spec: DenseSpec, columns: int, in_vec: int) -> Cost:
    """Two halves of the input, one beat in and `columns` words out a cycle."""
    return memory(2 * ceil_div(spec.n, columns), in_vec * spec.data_bits, banks=columns // in_vec)


@lru_cache(maxsize=4096)
def output_cost(spec: DenseSpec, out_vec: int, ports: DspPorts) -> Cost:
    """Bias, activation and rounding of a beat."""
    bias = memory(ceil_div(spec.m, out_vec) * spec.groups, out_vec * spec.bias_bits, writes=0)
    return finish_cost(spec, spec.value_bits, out_vec, ports).plus(bias)


def cost(built: DenseBuilt, ports: DspPorts) -> Cost:
    """All of the layer's one process."""
    bare = replace(built, in_vec=1, out_vec=1, fabric_rows=0, storage="bram")
    products = parts(bare, ports).total(built.rows, built.fabric_rows, built.storage)
    ends = (input_cost(built.spec, built.columns, built.in_vec), output_cost(built.spec, built.out_vec, ports))
    return products.plus(*ends)._replace(dsp=ceil(products.dsp) + ends[1].dsp)


def several_positions(lane: DenseBuilt, positions: int, ports: DspPorts) -> Cost:
    """Products of several positions side by side: weights once, multipliers and sums for each."""
    bare = replace(lane, in_vec=1, out_vec=1, fabric_rows=0, storage="bram")
    found = parts(bare, ports)
    rows = found.dsp_row.times(lane.rows - lane.fabric_rows).plus(found.fabric_row.times(lane.fabric_rows))
    more = rows.plus(register(lane.spec.accumulator_bits * lane.rows)).times(positions - 1)
    return found.total(lane.rows, lane.fabric_rows, lane.storage).plus(more)
