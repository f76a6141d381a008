# SPDX-License-Identifier: Apache-2.0
"""The depthwise convolution: a line buffer, and a kernel of its own for each channel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.memories import Storage, memory
from swm.device.primitives import Cost, adder, control, multiplier
from swm.graph import Conv, Node
from swm.layers.base import LayerKind, Obstacle, Offer, Operand, Preference
from swm.layers.beats import every_beat
from swm.layers.beside import ImageSpec
from swm.layers.channelwise import ChannelwiseBuilt
from swm.layers.convolution import geometry_of, tap_major
from swm.layers.finish import finish, finish_configuration, finish_cost
from swm.layers.formats import quantized_weights
from swm.layers.products import NARROW_WEIGHT, bank_lanes, price, weight_rom_cost
from swm.layers.program import BeatStream, Port, ProcessModel, Program, Rom, Run
from swm.layers.values import (
    FixedLayer,
    FloatLayer,
    Format,
    Implementation,
    Ints,
    LayerSpec,
    TensorShape,
    clog2,
)
from swm.layers.weight_memory import stored_in
from swm.layers.window import seen
from swm.package_data import hls_dir
from swm.structure import Dense

__all__ = ["Depthwise", "DepthwiseBuilt", "DepthwiseSpec"]

_MOST_WORDS = 512  # of a beat out of the line buffer: multipliers side by side
_MOST_LANES = 1024  # multipliers of positions side by side that the search looks at
_TRIED = 4  # line buffers priced for an interval: the narrowest beats that are fast enough


@dataclass(frozen=True)
class DepthwiseSpec(ImageSpec):
    """A depthwise convolution by its shapes."""

    kind: ClassVar[str] = "depthwise"

    weight_bits: int = 0

    @property
    def accumulator_bits(self) -> int:
        """Bits that hold the exact sum over the taps."""
        return self.weight_bits + self.data_bits + clog2(self.geometry.taps)

    @property
    def bias_bits(self) -> int:
        """Bits of a bias, at the binary point of the sums."""
        return self.accumulator_bits

    @property
    def value_bits(self) -> int:
        """Bits of the pre-activation value: sum plus bias."""
        return self.accumulator_bits + 1

    @property
    def working_values(self) -> int:
        """What all kernels of a frame see."""
        return max(super().working_values, self.n * self.geometry.taps * prod(self.geometry.out))

    @property
    def stored_words(self) -> int:
        """A weight a tap and channel (counted)."""
        return self.n * self.geometry.taps

    @property
    def stored_bits(self) -> int:
        """Bits of all stored weights (counted)."""
        return self.stored_words * self.weight_bits

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates a frame, taps that lie on the padding among them."""
        return self.stored_words * prod(self.geometry.out)


@dataclass(frozen=True)
class DepthwiseBuilt(ChannelwiseBuilt):
    """A depthwise convolution as it is built.

    Attributes:
        fabric: 1 if it multiplies in LUTs.
        storage: where the weights lie.
    """

    spec: DepthwiseSpec
    fabric: int = 0
    storage: Storage = "bram"

    @property
    def weights(self) -> int:
        """Weights of a cycle: positions side by side share them."""
        return self.taps * (self.spec.n if self.seen else self.in_vec)

    @property
    def lanes(self) -> int:
        """Multipliers."""
        return self.weights * (self.seen.outputs if self.seen else 1)

    @property
    def rom_lanes(self) -> int:
        """Weights of a word of each bank."""
        return bank_lanes(self.weights, self.spec.weight_bits, self.storage)

    @property
    def program(self) -> Program:
        """A beat of the line buffer an iteration."""
        window = self.window
        period = window.window_beats
        write = Port("out0", (Run(self.groups - 1, self.groups, window.beats),))
        return Program(period, (Port("windows", every_beat(period)),), (write,))

    def cost(self, ports: DspPorts) -> Cost:
        """Multipliers, sums, weights and the end of the layer (modelled)."""
        spec, window, lanes, v = self.spec, self.window, self.lanes, self.out_vec
        products = multiplier(spec.weight_bits, spec.data_bits, ports, fabric=bool(self.fabric)).times(lanes)
        sums = adder(spec.accumulator_bits).times(lanes)
        rom = weight_rom_cost(window.window_beats, self.weights, spec.weight_bits, self.storage)
        bias = memory(window.beats, v * spec.bias_bits, writes=0)
        return control().plus(products, sums, rom, bias, finish_cost(spec, spec.value_bits, v, ports))


class Depthwise(LayerKind):
    """A convolution with as many groups as channels and outputs."""

    name: ClassVar[str] = "depthwise"
    takes: ClassVar[tuple[type[Node], ...]] = (Conv,)
    rescales: ClassVar[bool] = True

    @property
    def headers(self) -> tuple[Path, ...]:
        """The line buffer and the product."""
        return tuple(hls_dir() / "swm" / f"{name}.h" for name in ("depthwise", "window"))

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A Conv node with one input and one output channel a group."""
        if not isinstance(node, Conv) or not isinstance(node.weight, Dense):
            return None
        (operand,) = operands
        m = node.weight.shape[0]
        if node.group == 1 or node.group != m or node.channels != 1:
            return None
        geometry = geometry_of(node, operand)
        if isinstance(geometry, Obstacle):
            return geometry
        return FloatLayer(
            self.name,
            name,
            node.name,
            (operand.tensor,),
            node.outputs[0],
            ((m, operand.positions),),
            m,
            prod(geometry.out),
            Dense(tap_major(node.weight.to_dense(), 1)),
            bias=np.zeros(m, np.float32) if node.bias is None else node.bias,
            grid=geometry.out[: len(operand.grid or ())],
            geometry=geometry,
            groups=m,
        )

    def spec(self, layer: FloatLayer, bits: int) -> DepthwiseSpec:
        """Shapes and widths."""
        assert layer.geometry is not None  # lower sets it
        ((n, positions),) = layer.shapes
        return DepthwiseSpec(
            name=layer.name,
            inputs=(TensorShape(n, bits, positions),),
            output=TensorShape(layer.m, bits, layer.positions),
            activation=layer.activation,
            parameters=layer.parameters,
            geometry=layer.geometry,
            weight_bits=bits,
        )

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """The kernels at their best binary point that leaves the bias room, bias at the binary point of the sums."""
        assert isinstance(spec, DepthwiseSpec)
        assert layer.weight is not None
        values = layer.weight.to_dense().astype(np.float64)
        return quantized_weights(
            spec, layer, values, outputs, formats, weight_bits=spec.weight_bits, bias_bits=spec.bias_bits
        )

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Exact sums over the taps, of whole frames."""
        spec = layer.spec
        assert isinstance(spec, DepthwiseSpec)
        patches = seen(values[0].reshape(-1, *spec.geometry.grid, spec.n), spec.geometry)
        sums = np.einsum("...tc,ct->...c", patches, layer.arrays["weights"]).reshape(-1, spec.n)
        out, lost = finish(sums + layer.arrays["bias"], layer)
        return out, {"output": lost}

    def offer(self, spec: LayerSpec, ports: DspPorts) -> Offer:
        """Channels and taps side by side."""
        assert isinstance(spec, DepthwiseSpec)
        return _DepthwiseOffer(spec, ports)

    def minimal(self, spec: LayerSpec) -> DepthwiseBuilt:
        """One multiplier."""
        assert isinstance(spec, DepthwiseSpec)
        return DepthwiseBuilt(spec)

    def spare_blocks(self, built: Implementation) -> Implementation | None:
        """Weights in LUTs."""
        return stored_in(built, "lutram")

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """The line buffer, a frame a token; the products, an output position a token."""
        assert isinstance(built, DepthwiseBuilt)
        spec, window, cost = built.spec, built.window, built.cost(ports)
        useful = 0 if built.fabric else spec.stored_words * (built.seen.outputs if built.seen else 1)
        names = ("weights", "bias")
        return (
            ProcessModel("window", "window", window.program("in0", "windows"), window.cost()),
            ProcessModel(
                "conv", "depthwise", built.program, cost, names, products=useful, repeats=spec.output.positions
            ),
        )

    def streams(self, built: Implementation) -> tuple[BeatStream, ...]:
        """What the kernels see."""
        assert isinstance(built, DepthwiseBuilt)
        window = built.window
        return (BeatStream("windows", "in_t", window.out_words, window.bits, window.out_beats),)

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """Weights in the order of the line buffer's beats, and the bias; padded with zeros."""
        assert isinstance(built, DepthwiseBuilt)
        spec, window, v = built.spec, built.window, built.out_vec
        (rows, columns), taps = spec.geometry.kernel, spec.geometry.taps
        weights, offsets = layer.arrays["weights"].T, layer.arrays["bias"]
        if built.seen:  # kernel rows whole
            words = weights.reshape(window.window_beats, -1)
            offsets = np.tile(offsets, built.seen.outputs)
        else:
            padded = np.zeros((taps, window.beats * v), np.int64)
            padded[:, : spec.n] = weights
            groups = (rows // built.tap_rows, built.tap_rows, columns // built.tap_columns, built.tap_columns)
            words = padded.reshape(*groups, window.beats, v).transpose(4, 0, 2, 1, 3, 5)
        banks = words.reshape(window.window_beats, -1, built.rom_lanes).transpose(1, 0, 2)
        bias = np.zeros(window.beats * v, np.int64)
        bias[: len(offsets)] = offsets
        return (Rom("weights", "weight_t", banks, built.storage), Rom("bias", "bias_t", bias))

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As window.h and depthwise.h ask."""
        assert isinstance(built, DepthwiseBuilt)
        assert layer is not None
        spec = built.spec
        return {
            **built.window.configuration(),
            **(built.seen.configuration() if built.seen else {}),
            "n": spec.n,
            "in_bits": spec.data_bits,
            "weight_bits": spec.weight_bits,
            "bias_bits": spec.bias_bits,
            "in_vec": built.in_vec,
            "out_vec": built.out_vec,
            "fabric": built.fabric,
            "rom_banks": built.weights // built.rom_lanes,
            "rom_lanes": built.rom_lanes,
            **finish_configuration(layer),
        }

    def parallelism(self, built: Implementation) -> dict[str, int]:
        """Where positions lie side by side, how many, too."""
        assert isinstance(built, DepthwiseBuilt)
        return {**built.beside, **super().parallelism(built)}


class _DepthwiseOffer(Offer):
    """Channels and taps side by side, the narrowest beats first; where none is fast enough, positions side by side."""

    def __init__(self, spec: DepthwiseSpec, ports: DspPorts) -> None:
        self._small, self._ports = spec.weight_bits <= NARROW_WEIGHT, ports
        one = DepthwiseBuilt.one_position(spec, max(spec.bias_bits, spec.out_bits), _MOST_WORDS)
        several = [built for built in DepthwiseBuilt.several_positions(spec) if built.lanes <= _MOST_LANES]
        self._ways, self._beside = ([(_cycles(built), built) for built in ways] for ways in (one, several))

    def cheapest(self, interval: int, preference: Preference) -> Implementation | None:
        """See `Offer`; all multipliers of the layer lie in LUTs where most of a layer's rows would."""
        fabric = int(preference.fabric > 0.5 and (preference.wide or self._small))
        fast = [built for period, built in self._ways if period <= interval][:_TRIED]
        if not fast and preference.beside:
            fast = [built for period, built in self._beside if period <= interval][:_TRIED]
        placed = [replace(b, fabric=fabric, storage=kind) for b in fast for kind in ("lutram", "bram")]
        priced = [price(b.cost(self._ports).plus(b.window.cost()), preference) for b in placed]
        return placed[int(np.argmin(priced))] if placed else None


def _cycles(built: DepthwiseBuilt) -> int:
    """A frame of the slower of the two processes."""
    return max(built.window.program("in0", "windows").period, built.spec.output.positions * built.program.period)
