# SPDX-License-Identifier: Apache-2.0
"""The scale layer: `y = activation(g x + b)` a channel; what could not be folded, and activations that stand alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import control, multiplier
from swm.graph import Affine, Node
from swm.layers.activations import ACTIVATIONS, Chosen, activation_of
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import BeatKind, every_beat, vectors
from swm.layers.finish import finish, finish_configuration, finish_cost
from swm.layers.formats import MIN_BITS, quantized_weights
from swm.layers.products import bank_lanes, banked
from swm.layers.program import Port, ProcessModel, Program, Rom
from swm.layers.values import (
    FixedLayer,
    FloatLayer,
    Format,
    Implementation,
    Ints,
    LayerSpec,
    TensorShape,
    ceil_div,
)
from swm.layers.work import Work, additions, multiplications

__all__ = ["Scale", "ScaleSpec"]

_WIDEST = 1 << 20  # channels; a model file may declare any shape, and gains are written out


@dataclass(frozen=True)
class ScaleSpec(LayerSpec):
    """A scale layer by its shapes.

    Attributes:
        weight_bits: bits of a gain; few where every gain is 1.
        unit: whether every gain is 1 and every offset 0, so that only the activation is left.
    """

    kind: ClassVar[str] = "scale"

    weight_bits: int = 0
    unit: bool = False

    @property
    def accumulator_bits(self) -> int:
        """Bits of a product."""
        return self.weight_bits + self.data_bits

    @property
    def bias_bits(self) -> int:
        """Bits of an offset, at the binary point of the products."""
        return self.accumulator_bits

    @property
    def value_bits(self) -> int:
        """Bits of the pre-activation value: product plus offset."""
        return self.accumulator_bits + 1

    @property
    def stored_words(self) -> int:
        """A gain a channel (counted)."""
        return self.n

    @property
    def stored_bits(self) -> int:
        """Bits of the gains (counted)."""
        return self.n * self.weight_bits


class Scale(BeatKind):
    """A gain and an offset a channel, or an activation alone."""

    name: ClassVar[str] = "scale"
    takes: ClassVar[tuple[type[Node], ...]] = (Affine, *ACTIVATIONS)
    rescales: ClassVar[bool] = True

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """An Affine along the last axis, or an activation with gains of 1."""
        if not isinstance(node, self.takes):
            return None
        (operand,) = operands
        channels, chosen = operand.channels, activation_of(node) or Chosen("identity")
        if isinstance(chosen, Obstacle):
            return chosen
        if channels > _WIDEST:
            return Obstacle(
                f"it takes {channels:,} channels", f"hardware takes at most {_WIDEST:,}: use smaller inputs"
            )
        scale, shift = np.ones(1, np.float32), np.zeros(1, np.float32)
        if isinstance(node, Affine):
            scale, shift = node.scale, node.shift
            if len(scale) != 1 and (len(scale) != channels or (node.axis != -1 and operand.positions != 1)):
                reason = (
                    f"{len(scale)} factors along axis {node.axis} of {operand.positions} x {channels} values a sample"
                )
                return Obstacle(reason, "only a factor for all values or one for each along the last axis is supported")
        scale, shift = (np.ascontiguousarray(np.broadcast_to(v, (channels,))) for v in (scale, shift))
        return FloatLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(operand.tensor,),
            output=node.outputs[0],
            shapes=((channels, operand.positions),),
            m=channels,
            positions=operand.positions,
            scale=scale,
            bias=shift,
            activation=chosen.activation,
            parameters=chosen.parameters,
        )

    def spec(self, layer: FloatLayer, bits: int) -> ScaleSpec:
        """Shapes and widths."""
        assert layer.scale is not None  # lower sets it
        ((n, positions),) = layer.shapes
        unit = bool((layer.scale == 1).all()) and not layer.bias.any()
        return ScaleSpec(
            name=layer.name,
            inputs=(TensorShape(n, bits, positions),),
            output=TensorShape(layer.m, bits, layer.positions),
            activation=layer.activation,
            parameters=layer.parameters,
            weight_bits=MIN_BITS if unit else bits,
            unit=unit,
        )

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """Gains at their best binary point that leaves the offsets room; gains of 1 are the integer 1."""
        assert isinstance(spec, ScaleSpec)
        assert layer.scale is not None
        return quantized_weights(
            spec,
            layer,
            layer.scale.astype(np.float64),
            outputs,
            formats,
            weight_bits=spec.weight_bits,
            bias_bits=spec.bias_bits,
            weights=Format(spec.weight_bits, 0) if spec.unit else None,
        )

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Exact products and sums, then the end of every layer."""
        out, lost = finish(values[0] * layer.arrays["weights"] + layer.arrays["bias"], layer)
        return out, {"output": lost}

    def choices(self, spec: LayerSpec) -> list[int]:
        """A beat of offsets is one word of a ROM."""
        assert isinstance(spec, ScaleSpec)
        return vectors(spec.n, max(spec.bias_bits, spec.out_bits))

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: a beat an iteration."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, ScaleSpec)
        beats = ceil_div(spec.n, vec)
        program = Program(beats, (Port("in0", every_beat(beats)),), (Port("out0", every_beat(beats)),))
        product = multiplier(spec.weight_bits, spec.data_bits, ports, fabric=spec.unit)
        cost = control().plus(
            product.times(vec),
            memory(beats, vec * spec.weight_bits, writes=0),
            memory(beats, vec * spec.bias_bits, writes=0),
            finish_cost(spec, spec.value_bits, vec, ports),
        )
        useful = spec.n if product.dsp and not spec.unit else 0
        return (ProcessModel("scale", "scale", program, cost, ("weights", "bias"), products=useful),)

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """Gains in banks of a beat, and offsets; padded with zeros."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, ScaleSpec)
        offsets = np.zeros(ceil_div(spec.n, vec) * vec, np.int64)
        offsets[: spec.n] = layer.arrays["bias"]
        banks = banked(layer.arrays["weights"][None], vec, spec.weight_bits)
        return (Rom("weights", "weight_t", banks), Rom("bias", "bias_t", offsets))

    def work(self, spec: LayerSpec) -> tuple[Work, ...]:
        """A product and a sum a value; sums alone where all gains are 1."""
        assert isinstance(spec, ScaleSpec)
        values = spec.n * spec.output.positions
        sums = additions(values, spec.data_bits + spec.weight_bits)
        return (sums,) if spec.unit else (multiplications(values, spec.data_bits, spec.weight_bits), sums)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As scale.h asks."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, ScaleSpec)
        assert layer is not None
        lanes = bank_lanes(vec, spec.weight_bits)
        return {
            "n": spec.n,
            "in_bits": spec.data_bits,
            "weight_bits": spec.weight_bits,
            "bias_bits": spec.bias_bits,
            "in_vec": vec,
            "out_vec": vec,
            "rom_banks": vec // lanes,
            "rom_lanes": lanes,
            **finish_configuration(layer),
        }
