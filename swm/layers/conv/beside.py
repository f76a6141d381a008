# SPDX-License-Identifier: Apache-2.0
"""A dense convolution that computes several output positions of a row at once (hls/swm/conv_beside.h)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from swm.device.board import DspPorts
from swm.device.memories import Storage, memory
from swm.device.primitives import MAX_STREAM_BITS, Cost, packs, register
from swm.layers.base import Preference
from swm.layers.beats import every_beat
from swm.layers.beside import Beside, beat_of, beside
from swm.layers.conv.spec import ConvSpec
from swm.layers.dense import DenseBuilt, DenseSpec
from swm.layers.dense.build import dense_roms
from swm.layers.dense.cost import several_positions
from swm.layers.finish import finish_cost
from swm.layers.products import NARROW_WEIGHT, ROM_STORAGE, price
from swm.layers.program import Port, ProcessModel, Program, Rom, Run
from swm.layers.values import FixedLayer, Implementation, TensorShape
from swm.layers.window import WindowBuilt

__all__ = ["ConvBesideBuilt", "ConvBesideOffer", "beside_members", "beside_process", "beside_roms"]

_MOST_LANES = 8192  # multipliers of one layer that the search looks at
_TRIED = 4  # line buffers priced for an interval: the fewest multipliers that are fast enough


@dataclass(frozen=True)
class ConvBesideBuilt(Implementation):
    """A dense convolution as it is built, some output positions side by side; its spec counts tokens of as many.

    Attributes:
        tap_rows: kernel rows multiplied at once.
        fabric_rows: how many of the outputs multiply in LUTs.
        packed: 1 if two outputs share each multiplier (two products a DSP).
        storage: where the weights lie.
    """

    spec: ConvSpec
    tap_rows: int = 1
    fabric_rows: int = 0
    packed: int = 0
    storage: Storage = "bram"

    @classmethod
    def of(cls, spec: ConvSpec, columns: int, tap_rows: int) -> ConvBesideBuilt:
        """With so many input positions in a token, of a layer whose tokens are one position."""
        wide = beside(spec, columns)
        return cls(wide, beat_of(wide.inputs[0].channels), beat_of(wide.output.channels), tap_rows)

    @property
    def seen(self) -> Beside:
        """What the positions see."""
        spec = self.spec
        return Beside(spec.geometry, spec.inputs[0].channels // spec.n, spec.n)

    @property
    def window(self) -> WindowBuilt:
        """The line buffer: whole kernel rows, a token a beat."""
        geometry = self.seen.geometry
        return WindowBuilt(geometry, 1, 1, self.in_vec, self.spec.data_bits, self.tap_rows, geometry.kernel[1])

    @property
    def groups(self) -> int:
        """Beats of the line buffer for a token."""
        return self.spec.geometry.kernel[0] // self.tap_rows

    @property
    def product(self) -> DenseBuilt:
        """The product of one position: all outputs, all that some kernel rows hold."""
        spec = self.spec
        columns = self.tap_rows * spec.geometry.kernel[1] * spec.n
        tokens = spec.output.positions
        lane = DenseSpec(
            spec.name,
            (TensorShape(spec.patch, spec.data_bits, tokens),),
            TensorShape(spec.m, spec.out_bits, tokens),
            spec.activation,
            parameters=spec.parameters,
            weight_bits=spec.weight_bits,
        )
        return DenseBuilt(lane, columns, beat_of(spec.m), spec.m, columns, self.fabric_rows, self.packed, self.storage)

    @property
    def multipliers(self) -> int:
        """Products side by side."""
        return self.seen.outputs * self.spec.m * self.product.columns

    @property
    def period(self) -> int:
        """Cycles a frame of the slower of its two processes."""
        return max(self.window.program("in0", "windows").period, self.spec.output.positions * self.groups)


def beside_process(built: ConvBesideBuilt, ports: DspPorts) -> ProcessModel:
    """A beat of the line buffer an iteration; all outputs of a token leave with the last."""
    groups, spec, product = built.groups, built.spec, built.product
    program = Program(groups, (Port("windows", every_beat(groups)),), (Port("out0", (Run(groups - 1, groups, 1),)),))
    on_dsp = (product.rows - product.fabric_rows) / product.rows
    useful = round(spec.stored_words * built.seen.outputs * on_dsp / (1 + built.packed))
    names = ("weights", "bias")
    return ProcessModel(
        "conv", "conv_beside", program, _cost(built, ports), names, products=useful, repeats=spec.output.positions
    )


def _cost(built: ConvBesideBuilt, ports: DspPorts) -> Cost:
    """Weights once; multipliers, sums and the end of the layer for each position (modelled)."""
    lane, outputs, spec = built.product, built.seen.outputs, built.spec
    bias = memory(1, lane.rows * lane.spec.bias_bits, writes=0)
    end = finish_cost(lane.spec, lane.spec.value_bits, outputs * spec.m, ports)
    products = several_positions(lane, outputs, ports)
    return products.plus(register(built.window.out_words * spec.data_bits), bias, end)._replace(
        dsp=ceil(products.dsp) + end.dsp
    )


def beside_roms(layer: FixedLayer, built: ConvBesideBuilt) -> tuple[Rom, ...]:
    """Weights in the order of the kernel rows, which they have, and the bias."""
    return dense_roms(built.product, layer.arrays["weights"], layer.arrays["bias"])


def beside_members(built: ConvBesideBuilt) -> dict[str, Any]:
    """As window.h, beside.h and conv_beside.h ask, the end of the layer aside."""
    spec, product = built.spec, built.product
    return {
        **built.window.configuration(),
        **built.seen.configuration(),
        "m": spec.m,
        "n": spec.n,
        "in_bits": spec.data_bits,
        "weight_bits": spec.weight_bits,
        "bias_bits": spec.bias_bits,
        "in_vec": built.in_vec,
        "out_vec": built.out_vec,
        "fabric_rows": product.fabric_rows,
        "packed": product.packed,
        "rom_banks": product.rom_banks,
        "rom_lanes": product.rom_lanes,
    }


class ConvBesideOffer:
    """Positions side by side, for intervals that are shorter than one position a cycle takes."""

    def __init__(self, spec: ConvSpec, ports: DspPorts) -> None:
        """List the ways, those of few multipliers first."""
        self._ports = ports
        self._small = spec.weight_bits <= NARROW_WEIGHT
        self._pairs = packs(spec.weight_bits, spec.data_bits, ports) and spec.m % 2 == 0
        ways = [(built.multipliers, built.period, built) for built in _ways(spec)]
        self._ways = sorted(ways, key=lambda way: way[:2])

    def cheapest(self, interval: int, preference: Preference) -> ConvBesideBuilt | None:
        """See `Offer`."""
        fast = [built for _, period, built in self._ways if period <= interval][:_TRIED]
        share = preference.fabric if preference.wide or self._small else 0.0
        found = []
        for built in fast:
            for packed in (0, 1) if self._pairs else (0,):
                step = 1 + packed
                fabric = round(built.spec.m * share / step) * step
                for storage in ROM_STORAGE:
                    one = replace(built, fabric_rows=fabric, packed=packed, storage=storage)
                    found.append((price(_cost(one, self._ports).plus(one.window.cost()), preference), one))
        return min(found, key=lambda pair: pair[0])[1] if found else None


def _ways(spec: ConvSpec) -> Iterator[ConvBesideBuilt]:
    geometry, bits = spec.geometry, max(spec.data_bits, spec.out_bits)
    for columns in Beside.choices(geometry, spec.n, spec.m, bits):
        for tap_rows in (r for r in range(1, geometry.kernel[0] + 1) if geometry.kernel[0] % r == 0):
            built = ConvBesideBuilt.of(spec, columns, tap_rows)
            wide = built.window.out_words * spec.data_bits <= MAX_STREAM_BITS
            lanes = built.product.rom_lanes * spec.weight_bits <= MAX_STREAM_BITS
            if wide and lanes and built.multipliers <= _MOST_LANES:
                yield built
