# SPDX-License-Identifier: Apache-2.0
"""The PReLU layer: `y = x` from zero on, `slope x` below, a slope a channel. One slope for all is an activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import control, multiplexer, multiplier
from swm.graph import Node, PRelu
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import BeatKind, every_beat
from swm.layers.finish import finish, finish_configuration, finish_cost
from swm.layers.formats import best_format, output_format
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

__all__ = ["ChannelSlopes", "PReluKind", "PReluSpec"]

_STEEPEST = 64.0
_FINER = 4  # bits by which slopes may lie below those of size one


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelSlopes(Node):
    """A PRelu whose slopes are known; `slopes` as the model shapes them."""

    op: ClassVar[str] = "PRelu"

    slopes: NDArray[np.float32]


@dataclass(frozen=True)
class PReluSpec(LayerSpec):
    """A PReLU by its shapes."""

    kind: ClassVar[str] = "prelu"

    weight_bits: int = 0

    @property
    def value_bits(self) -> int:
        """Bits of a product, or of an input brought to its binary point."""
        return self.data_bits + self.weight_bits + _FINER

    @property
    def stored_words(self) -> int:
        """A slope a channel (counted)."""
        return self.n

    @property
    def stored_bits(self) -> int:
        """Bits of the slopes (counted)."""
        return self.n * self.weight_bits


class PReluKind(BeatKind):
    """A slope a channel for inputs below zero."""

    name: ClassVar[str] = "prelu"
    takes: ClassVar[tuple[type[Node], ...]] = (PRelu, ChannelSlopes)
    rescales: ClassVar[bool] = True
    fuses: ClassVar[bool] = False

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """Slopes along the last axis."""
        if isinstance(node, PRelu):
            return Obstacle("its slopes are computed by the network", "hardware takes slopes that are constants")
        if not isinstance(node, ChannelSlopes):
            return None
        (operand,) = operands
        shape = f"slopes of shape {node.slopes.shape}"
        if node.slopes.size != operand.channels or node.slopes.shape[-1:] != (operand.channels,):
            reason = f"it has {shape} for {operand.positions} x {operand.channels} values a sample"
            return Obstacle(reason, "only one slope for all values or one for each along the last axis is supported")
        if not (np.abs(node.slopes) <= _STEEPEST).all():
            return Obstacle(f"a slope is larger than {_STEEPEST:g}", "fold such factors into the layer before it")
        return FloatLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(operand.tensor,),
            output=node.outputs[0],
            shapes=((operand.channels, operand.positions),),
            m=operand.channels,
            positions=operand.positions,
            scale=np.ascontiguousarray(node.slopes.reshape(-1), np.float32),
        )

    def spec(self, layer: FloatLayer, bits: int) -> PReluSpec:
        """Shapes and widths."""
        ((n, positions),) = layer.shapes
        shape = TensorShape(n, bits, positions)
        return PReluSpec(name=layer.name, inputs=(shape,), output=shape, weight_bits=bits)

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """Slopes at their best binary point, not below that of integers."""
        assert isinstance(spec, PReluSpec)
        assert layer.scale is not None
        values = layer.scale.astype(np.float64)
        frac = max(0, best_format(values, spec.weight_bits, most_frac=spec.weight_bits + _FINER - 1).frac)
        arrays = {"weights": Format(spec.weight_bits, frac).quantize(values)}
        output = output_format(outputs, spec.out_bits, "identity", formats[0].frac + frac)
        return FixedLayer(spec, layer.node, layer.inputs, layer.output, formats, output, arrays, weight_frac=frac)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Exact products below zero, then the end of every layer."""
        (x,) = values
        out, lost = finish(np.where(x < 0, x * layer.arrays["weights"], x << layer.weight_frac), layer)
        return out, {"output": lost}

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: a beat an iteration."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, PReluSpec)
        beats = ceil_div(spec.n, vec)
        program = Program(beats, (Port("in0", every_beat(beats)),), (Port("out0", every_beat(beats)),))
        product = multiplier(spec.weight_bits, spec.data_bits, ports)
        cost = control().plus(
            product.times(vec),
            multiplexer(2, spec.value_bits).times(vec),
            memory(beats, vec * spec.weight_bits, writes=0),
            finish_cost(spec, spec.value_bits, vec, ports),
        )
        return (ProcessModel("prelu", "prelu", program, cost, ("weights",), products=spec.n),)

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """Slopes in banks of a beat, padded with zeros."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, PReluSpec)
        return (Rom("weights", "weight_t", banked(layer.arrays["weights"][None], vec, spec.weight_bits)),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As prelu.h asks."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, PReluSpec)
        assert layer is not None
        lanes = bank_lanes(vec, spec.weight_bits)
        ends = finish_configuration(layer)
        return {
            "n": spec.n,
            "in_bits": spec.data_bits,
            "weight_bits": spec.weight_bits,
            "slope_frac": layer.weight_frac,
            "vec": vec,
            "rom_banks": vec // lanes,
            "rom_lanes": lanes,
            **{name: ends[name] for name in ("out_bits", "out_shift")},
        }
