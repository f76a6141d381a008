# SPDX-License-Identifier: Apache-2.0
"""The hadamard layer: `y = activation(a * b)`, value by value; or b holds one factor a channel for a whole frame.

The second form is the gate of squeeze-and-excitation (Hu et al. 2018): factors that were computed from all positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.memories import shift_register
from swm.device.primitives import control, multiplexer, multiplier
from swm.graph import Mul, Node
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import BeatKind, every_beat
from swm.layers.finish import finish, finish_configuration, finish_cost
from swm.layers.formats import of_two_streams
from swm.layers.program import Port, ProcessModel, Program
from swm.layers.values import FixedLayer, FloatLayer, Format, Implementation, Ints, LayerSpec, TensorShape, ceil_div
from swm.layers.work import Work, multiplications

__all__ = ["Hadamard", "HadamardSpec"]


@dataclass(frozen=True)
class HadamardSpec(LayerSpec):
    """A product of two tensors by their shapes; with `held` the second one has one position."""

    kind: ClassVar[str] = "hadamard"

    @property
    def held(self) -> bool:
        """Whether the factors of a frame come first, and meet all its positions."""
        return self.inputs[1].positions != self.inputs[0].positions

    @property
    def tokens(self) -> int:
        """A period is a frame where factors are held."""
        return 1 if self.held else self.positions

    @property
    def value_bits(self) -> int:
        """Bits of a product."""
        return self.inputs[0].bits + self.inputs[1].bits


class Hadamard(BeatKind):
    """The exact product of two tensors, rounded once."""

    name: ClassVar[str] = "hadamard"
    takes: ClassVar[tuple[type[Node], ...]] = (Mul,)

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A product of two activations of equal shape, or with one factor a channel."""
        if not isinstance(node, Mul):
            return None
        if len(operands) != 2:
            return Obstacle(
                "it multiplies by a constant that is neither one number nor one along the last axis",
                "give the constant that shape, or multiply on the host",
            )
        a, b = sorted(operands, key=lambda operand: -operand.positions)  # the held one second
        if a.channels != b.channels or b.positions not in (1, a.positions):
            return Obstacle(
                f"it multiplies {a.positions} x {a.channels} and {b.positions} x {b.channels} values a sample",
                "hardware multiplies tensors of equal shape, or by a factor for each channel",
            )
        return FloatLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(a.tensor, b.tensor),
            output=node.outputs[0],
            shapes=((a.channels, a.positions), (b.channels, b.positions)),
            m=a.channels,
            positions=a.positions,
            grid=a.grid,
        )

    def spec(self, layer: FloatLayer, bits: int) -> HadamardSpec:
        """Shapes and widths."""
        return HadamardSpec(
            name=layer.name,
            inputs=tuple(TensorShape(n, bits, positions) for n, positions in layer.shapes),
            output=TensorShape(layer.m, bits, layer.positions),
            activation=layer.activation,
            parameters=layer.parameters,
        )

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """Only the output's format is chosen; products are exact."""
        return of_two_streams(spec, layer, outputs, formats)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """The exact product, then the end of every layer."""
        spec = layer.spec
        assert isinstance(spec, HadamardSpec)
        positions = (spec.positions, 1) if spec.held else (1, 1)  # that belong together
        first, second = (v.reshape(-1, count, spec.n) for v, count in zip(values, positions, strict=True))
        out, lost = finish((first * second).reshape(-1, spec.n), layer)
        return out, {"output": lost}

    def beats(self, spec: LayerSpec, vec: int) -> int:
        """Iterations of a token; of a frame and its factors where they are held."""
        assert isinstance(spec, HadamardSpec)
        return ceil_div(spec.n, vec) * (spec.positions + 1 if spec.held else 1)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: a beat an iteration; held factors come first and go round in a delay line."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, HadamardSpec)
        beats, period = ceil_div(spec.n, vec), self.beats(spec, vec)
        lead = beats if spec.held else 0
        factors = (Port("in1", every_beat(beats)),)
        passing = every_beat(period - lead, lead)
        program = Program(period, (Port("in0", passing), *factors), (Port("out0", passing),))
        a, b = (shape.bits for shape in spec.inputs)
        product = multiplier(min(a, b), max(a, b), ports)
        cost = control(2 if spec.held else 1).plus(product.times(vec), finish_cost(spec, spec.value_bits, vec, ports))
        if spec.held:
            cost = cost.plus(shift_register(beats, vec * b), multiplexer(2, vec * b))
        useful = spec.n * (spec.positions if spec.held else 1) if product.dsp else 0
        return (ProcessModel("hadamard", "hadamard", program, cost, products=useful),)

    def work(self, spec: LayerSpec) -> tuple[Work, ...]:
        """A multiplication a value."""
        a, b = (shape.bits for shape in spec.inputs)
        return (multiplications(spec.n * spec.positions, a, b),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As hadamard.h asks."""
        assert layer is not None
        spec = built.spec
        assert isinstance(spec, HadamardSpec)
        return {
            "n": spec.n,
            "held": spec.positions if spec.held else 0,
            "a_bits": spec.inputs[0].bits,
            "b_bits": spec.inputs[1].bits,
            "vec": built.in_vec,
            **finish_configuration(layer),
        }
