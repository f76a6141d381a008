# SPDX-License-Identifier: Apache-2.0
"""What a product of two streams takes of the device (modelled), and the cheapest that meets an interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import MAX_STREAM_BITS, Cost, adder, control, multiplier, register
from swm.layers.base import Offer, Preference
from swm.layers.finish import finish_cost
from swm.layers.matmul.spec import MatMulBuilt, MatMulSpec
from swm.layers.products import lane_choices, powers_of_two, priced
from swm.layers.values import Implementation, ceil_div

__all__ = ["MatMulOffer", "cost"]

_MOST_LANES = 2048  # multipliers of one layer that the search looks at


@lru_cache(maxsize=65536)
def cost(built: MatMulBuilt, ports: DspPorts) -> Cost:
    """All of the layer's one process: as dense.h, with two halves of a memory in place of the ROM."""
    spec = built.spec
    total = spec.accumulator_bits
    one = multiplier(spec.stored_width, spec.data_bits, ports)
    products = one.times(built.rows * built.columns)
    if one.dsp == 1:  # sums go down the DSPs' own adders; operands wait in SRLs until it is their turn
        sums = Cost(memory=spec.stored_width).times(built.rows * (built.columns - 1))
    else:
        sums = (
            adder(spec.stored_width + spec.data_bits + 1).times(built.columns - 1).plus(adder(total)).times(built.rows)
        )
    holding = Cost(logic=total / 2, ff=total).times(built.rows)
    words = built.in_vec * spec.data_bits
    return control(2).plus(
        products,
        sums,
        holding,
        register(spec.data_bits).times(built.columns * max(1, built.rows // 16)),
        memory(2 * built.column_groups, words, banks=built.columns // built.in_vec),
        memory(2 * spec.stored_heads * built.depth, built.in_vec * spec.stored_width, banks=built.banks),
        finish_cost(spec, spec.value_bits, built.out_vec, ports),
    )


class MatMulOffer(Offer):
    """Every legal parallelism of one shape, with the fewest words a beat out that keep up."""

    def __init__(self, spec: MatMulSpec, ports: DspPorts) -> None:
        """List the options and their prices."""
        self._options = _options(replace(spec, name=""), ports)
        self._spec = spec

    def cheapest(self, interval: int, preference: Preference) -> Implementation | None:
        """See `Offer`."""
        built, periods, prices = self._options
        total = np.where(periods <= interval, prices @ np.array(preference.weights), np.inf)
        least = int(total.argmin())
        return None if np.isinf(total[least]) else replace(built[least], spec=self._spec)


@lru_cache(maxsize=256)
def _options(
    spec: MatMulSpec, ports: DspPorts
) -> tuple[
    tuple[MatMulBuilt, ...],
    np.ndarray[tuple[int], np.dtype[np.int64]],
    np.ndarray[tuple[int, int], np.dtype[np.float64]],
]:
    found = tuple(_every(spec))
    periods = np.array([built.period for built in found])
    return found, periods, np.stack([priced(cost(built, ports)) for built in found])


def _every(spec: MatMulSpec) -> Iterator[MatMulBuilt]:
    line = spec.inputs[1].channels
    widest = MAX_STREAM_BITS // max(spec.data_bits, spec.stored_width, spec.out_bits)
    for vec in powers_of_two(min(widest, 2 * max(spec.n, line) - 1)):
        for columns in (vec * c for c in lane_choices(ceil_div(spec.n, vec))):
            step = 1 if spec.along_inner else vec
            for rows in (step * r for r in lane_choices(ceil_div(spec.m, step))):
                if rows * columns > _MOST_LANES and rows * columns > step * vec:
                    continue
                for out in powers_of_two(widest):
                    built = MatMulBuilt(spec, vec, out, rows, columns)
                    if built.valid:
                        yield built
                        break
