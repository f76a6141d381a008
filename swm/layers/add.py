# SPDX-License-Identifier: Apache-2.0
"""The add layer: `y = activation(a + b)` of two tensors of one shape, the end of a residual path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.primitives import control
from swm.errors import CalibrationError
from swm.graph import Add as AddNode
from swm.graph import Node
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import BeatKind, every_beat
from swm.layers.finish import finish, finish_configuration, finish_cost
from swm.layers.formats import output_format
from swm.layers.program import Port, ProcessModel, Program
from swm.layers.values import FixedLayer, FloatLayer, Format, Implementation, Ints, LayerSpec, TensorShape, ceil_div
from swm.layers.work import Work, additions

__all__ = ["Add", "AddSpec", "shifts"]

_MOST_BITS = 62  # what add.h holds a sum in, with room to round
_USUAL_SHIFT = (
    4  # bits that binary points of two summands usually lie apart, for costs (the formats are not known there)
)


@dataclass(frozen=True)
class AddSpec(LayerSpec):
    """A sum by its shapes."""

    kind: ClassVar[str] = "add"

    @property
    def value_bits(self) -> int:
        """Bits of the sum as costs assume them; its exact width follows from the formats."""
        return max(shape.bits for shape in self.inputs) + _USUAL_SHIFT + 1


class Add(BeatKind):
    """The exact sum of two tensors: the one with fewer fractional bits is shifted to the left."""

    name: ClassVar[str] = "add"
    beside: ClassVar[bool] = True
    takes: ClassVar[tuple[type[Node], ...]] = (AddNode,)
    joins: ClassVar[bool] = True
    rescales: ClassVar[bool] = True

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A sum of two activations of equal shape."""
        if not isinstance(node, AddNode):
            return None
        if len(operands) != 2:
            return Obstacle(
                "it adds a constant that is neither one number nor one along the last axis",
                "give the constant that shape, or add it on the host",
            )
        a, b = operands
        if (a.channels, a.positions) != (b.channels, b.positions):
            return Obstacle(
                f"it adds {a.positions} x {a.channels} and {b.positions} x {b.channels} values a sample",
                "hardware adds tensors of equal shape; write the broadcast out in the model",
            )
        shape = (a.channels, a.positions)
        return FloatLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(a.tensor, b.tensor),
            output=node.outputs[0],
            shapes=(shape, shape),
            m=a.channels,
            positions=a.positions,
        )

    def spec(self, layer: FloatLayer, bits: int) -> AddSpec:
        """Shapes and widths."""
        return AddSpec(
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
        """Only the output's format is chosen; a sum at the finer binary point of the two is exact.

        Raises:
            CalibrationError: the summands differ so much in size that their exact sum takes more than 62 bits.
        """
        value_frac = max(f.frac for f in formats)
        width = max(f.bits + value_frac - f.frac for f in formats) + 1
        if width > _MOST_BITS:
            points = " and ".join(str(f.frac) for f in formats)
            raise CalibrationError(
                f"layer {layer.node!r} adds values of very different size (binary points {points}): their exact sum "
                f"takes more than {_MOST_BITS} bits; scale one of them in the model"
            )
        output = output_format(outputs, spec.out_bits, spec.activation, value_frac)
        return FixedLayer(spec, layer.node, layer.inputs, layer.output, formats, output)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """The exact sum, then the end of every layer."""
        (a, b), (a_shift, b_shift) = values, shifts(layer)
        out, lost = finish((a << a_shift) + (b << b_shift), layer)
        return out, {"output": lost}

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: a beat of each summand an iteration."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, AddSpec)
        beats = ceil_div(spec.n, vec)
        reads = tuple(Port(f"in{i}", every_beat(beats)) for i in range(2))
        program = Program(beats, reads, (Port("out0", every_beat(beats)),))
        # the adder that `finish_cost` has for a bias is the sum
        cost = control().plus(finish_cost(spec, spec.value_bits, vec, ports))
        return (ProcessModel("add", "add", program, cost),)

    def work(self, spec: LayerSpec) -> tuple[Work, ...]:
        """One addition a value."""
        assert isinstance(spec, AddSpec)
        return (additions(spec.m * spec.output.positions, spec.value_bits),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As add.h asks."""
        assert layer is not None
        a_shift, b_shift = shifts(layer)
        return {
            "n": built.spec.n,
            "a_bits": layer.spec.inputs[0].bits,
            "b_bits": layer.spec.inputs[1].bits,
            "a_shift": a_shift,
            "b_shift": b_shift,
            "vec": built.in_vec,
            **finish_configuration(layer),
        }


def shifts(layer: FixedLayer) -> tuple[int, int]:
    """Left shifts that bring both summands to one binary point."""
    a, b = layer.input_formats
    return layer.value_frac - a.frac, layer.value_frac - b.frac
