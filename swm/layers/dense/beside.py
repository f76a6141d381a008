# SPDX-License-Identifier: Apache-2.0
"""A dense layer that computes several positions at once (hls/swm/dense_beside.h)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from swm.device.board import DspPorts
from swm.device.memories import Storage, memory
from swm.device.primitives import MAX_STREAM_BITS, Cost, multiplexer, packs
from swm.layers.base import Preference
from swm.layers.beside import beat_of, beside
from swm.layers.dense.build import dense_members, dense_roms
from swm.layers.dense.cost import several_positions
from swm.layers.dense.spec import DenseBuilt, DenseSpec
from swm.layers.finish import finish_cost
from swm.layers.products import NARROW_WEIGHT, ROM_STORAGE, powers_of_two, price, product_program
from swm.layers.program import ProcessModel, Program, Rom
from swm.layers.values import FixedLayer, Implementation, TensorShape

__all__ = ["DenseBesideBuilt", "DenseBesideOffer", "beside_members", "beside_process", "beside_roms"]

_MOST_LANES = 8192  # multipliers of one layer that the search looks at
_MOST_POSITIONS = 32  # of a token
_TRIED = 2  # ways priced for an interval: the fewest multipliers that are fast enough


@dataclass(frozen=True)
class DenseBesideBuilt(Implementation):
    """A dense layer as it is built, some positions side by side; its spec counts tokens of as many.

    Attributes:
        columns: inputs of each position multiplied side by side, for all outputs.
        fabric_rows: how many of the outputs multiply in LUTs.
        packed: 1 if two outputs share each multiplier (two products a DSP).
        storage: where the weights lie.
    """

    spec: DenseSpec
    columns: int = 1
    fabric_rows: int = 0
    packed: int = 0
    storage: Storage = "bram"

    @staticmethod
    def ways(spec: DenseSpec) -> Iterator[DenseBesideBuilt]:
        """Of a layer whose tokens are one position: products never wait, neither for loads nor for sums that leave."""
        for positions in (p for p in range(2, _MOST_POSITIONS + 1) if spec.positions % p == 0):
            for columns in powers_of_two(spec.n):
                in_vec = beat_of(positions * columns)
                if spec.n % in_vec or positions * columns * spec.m > _MOST_LANES:
                    continue
                made, groups = positions * spec.m, spec.n // columns
                out_vec = next((u for u in powers_of_two(made & -made) if made // u <= groups), 0)
                wide = max(in_vec * spec.data_bits, out_vec * max(spec.out_bits, spec.bias_bits))
                if out_vec and wide <= MAX_STREAM_BITS:
                    yield DenseBesideBuilt(beside(spec, positions), in_vec, out_vec, columns)

    @property
    def product(self) -> DenseBuilt:
        """The product of one position."""
        spec, tokens = self.spec, self.spec.positions
        shapes = TensorShape(spec.n, spec.data_bits, tokens), TensorShape(spec.m, spec.out_bits, tokens)
        lane = replace(spec, inputs=shapes[:1], output=shapes[1], beside=1)
        forms = self.fabric_rows, self.packed, self.storage
        return DenseBuilt(lane, self.columns, beat_of(spec.m), spec.m, self.columns, *forms)

    @property
    def multipliers(self) -> int:
        """Products side by side."""
        return self.spec.beside * self.spec.m * self.columns

    @property
    def program(self) -> Program:
        """Loads, products and drain of a token."""
        groups, beats = self.spec.n // self.columns, self.spec.output.channels // self.out_vec
        loads, step = self.spec.inputs[0].channels // self.in_vec, max(1, groups // beats)
        options = {"depth": groups, "loads": loads, "drain_group": groups, "drain_step": step}
        return product_program("in0", "out0", **options, drains=[beats])

    def cost(self, ports: DspPorts) -> Cost:
        """Weights once; inputs, multipliers and sums of each position, and the end of the layer (modelled)."""
        spec, lane = self.spec, self.product
        products = several_positions(lane, spec.beside, ports)
        store = memory(2 * spec.n // self.in_vec, self.in_vec * spec.data_bits, banks=spec.beside)
        parts = multiplexer(self.in_vec // self.columns, spec.data_bits).times(self.columns * spec.beside)
        waiting = Cost(logic=spec.accumulator_bits / 2, ff=spec.accumulator_bits).times(spec.m * (spec.beside - 1))
        bias = memory(spec.output.channels // self.out_vec, self.out_vec * spec.bias_bits, writes=0)
        end = finish_cost(lane.spec, spec.value_bits, self.out_vec, ports)
        return products.plus(store, parts, waiting, bias, end)._replace(dsp=ceil(products.dsp) + end.dsp)


def beside_process(built: DenseBesideBuilt, ports: DspPorts) -> ProcessModel:
    """One loop over tokens of several positions."""
    spec, product = built.spec, built.product
    on_dsp = (product.rows - product.fabric_rows) / product.rows
    useful = round(spec.m * spec.n * spec.beside * on_dsp / (1 + built.packed))
    names = ("weights", "bias")
    return ProcessModel("dense", "dense_beside", built.program, built.cost(ports), names, products=useful)


def beside_roms(layer: FixedLayer, built: DenseBesideBuilt) -> tuple[Rom, ...]:
    """Weights in the order of the products, and the bias of every position."""
    weights, _ = dense_roms(built.product, layer.arrays["weights"], layer.arrays["bias"])
    return weights, Rom("bias", "bias_t", np.tile(layer.arrays["bias"], built.spec.beside))


def beside_members(built: DenseBesideBuilt) -> dict[str, Any]:
    """As dense_beside.h asks, the end of the layer aside."""
    beats = {"in_vec": built.in_vec, "out_vec": built.out_vec}
    return {**dense_members(built.product), **beats, "beside": built.spec.beside}


class DenseBesideOffer:
    """Positions side by side: numbers of multipliers between those of one position, and more than it can use."""

    def __init__(self, spec: DenseSpec, ports: DspPorts) -> None:
        """List the ways, those of few multipliers first."""
        self._ports = ports
        self._small = spec.weight_bits <= NARROW_WEIGHT
        self._pairs = packs(spec.weight_bits, spec.data_bits, ports) and spec.m % 2 == 0
        ways = [
            (built.multipliers, built.spec.positions * built.program.period, built)
            for built in DenseBesideBuilt.ways(spec)
        ]
        self._ways = sorted(ways, key=lambda way: way[:2])
        self._costs: dict[tuple[int, int, int, Storage], Cost] = {}  # a search asks for the same ones at every interval

    def best(self, interval: int, preference: Preference) -> tuple[float, DenseBesideBuilt] | None:
        """The cheapest, and its price."""
        share = preference.fabric if preference.wide or self._small else 0.0
        found = []
        for place in [place for place, (_, period, _) in enumerate(self._ways) if period <= interval][:_TRIED]:
            built = self._ways[place][2]
            for packed in (0, 1) if self._pairs else (0,):
                fabric = round(built.spec.m * share / (1 + packed)) * (1 + packed)
                for storage in ROM_STORAGE:
                    form = place, fabric, packed, storage
                    if form not in self._costs:
                        one = replace(built, fabric_rows=fabric, packed=packed, storage=storage)
                        self._costs[form] = one.cost(self._ports)
                    found.append((price(self._costs[form], preference), form))
        if not found:
            return None
        total, (place, fabric, packed, storage) = min(found, key=lambda pair: pair[0])
        return total, replace(self._ways[place][2], fabric_rows=fabric, packed=packed, storage=storage)
