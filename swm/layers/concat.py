# SPDX-License-Identifier: Apache-2.0
"""The concat layer: tensors one after the other along the channels, each brought to the output's format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.primitives import Cost, adder, control, multiplexer, register
from swm.graph import Concat as ConcatNode
from swm.graph import Node
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import BeatKind, every_beat, vectors
from swm.layers.formats import best_format
from swm.layers.program import Port, ProcessModel, Program
from swm.layers.rounding import round_shift, saturate
from swm.layers.values import FixedLayer, FloatLayer, Format, Implementation, Ints, LayerSpec, TensorShape, ceil_div

__all__ = ["Concat", "ConcatLayer", "ConcatSpec", "shifts"]

_MOST_INPUTS = 8
_ZERO_SHIFT = 40  # a right shift of this much, and any larger one, makes 0 of every value of 4 to 18 bits


@dataclass(frozen=True)
class ConcatSpec(LayerSpec):
    """A concatenation by its shapes."""

    kind: ClassVar[str] = "concat"


@dataclass(frozen=True, eq=False)
class ConcatLayer(FloatLayer):
    """A concatenation in float; `doublings` of each input on its way, which its shift takes along."""

    doublings: tuple[int, ...] = ()


class Concat(BeatKind):
    """Channels of one input after those of another."""

    name: ClassVar[str] = "concat"
    takes: ClassVar[tuple[type[Node], ...]] = (ConcatNode,)
    fuses: ClassVar[bool] = False

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """Activations joined along the last axis."""
        if not isinstance(node, ConcatNode):
            return None
        if len(operands) != len(node.inputs):
            return Obstacle("it joins a constant to activations", "join constants on the host, or fold them away")
        if not 2 <= len(operands) <= _MOST_INPUTS:
            return Obstacle(f"it joins {len(operands)} tensors", f"hardware joins 2 to {_MOST_INPUTS} at a time")
        if node.axis != -1:
            return Obstacle(
                f"it joins along axis {node.axis} of tensors of unknown shape", "export the model with static shapes"
            )
        if len({operand.positions for operand in operands}) > 1:
            sizes = ", ".join(f"{o.positions} x {o.channels}" for o in operands)
            return Obstacle(f"it joins tensors of {sizes} values a sample", "hardware joins along the last axis")
        return FloatLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=tuple(operand.tensor for operand in operands),
            output=node.outputs[0],
            shapes=tuple((operand.channels, operand.positions) for operand in operands),
            m=sum(operand.channels for operand in operands),
            positions=operands[0].positions,
        )

    def spec(self, layer: FloatLayer, bits: int) -> ConcatSpec:
        """Shapes and widths."""
        return ConcatSpec(
            name=layer.name,
            inputs=tuple(TensorShape(n, bits, positions) for n, positions in layer.shapes),
            output=TensorShape(layer.m, bits, layer.positions),
        )

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """The output takes the format that suits all its values, no finer than its finest input."""
        doublings = layer.doublings if isinstance(layer, ConcatLayer) else (0,) * len(formats)
        finest = max(f.frac - more for f, more in zip(formats, doublings, strict=True))
        output = best_format(outputs, spec.out_bits, most_frac=finest)
        arrays = {"doublings": np.array(doublings, np.int64)} if any(doublings) else {}
        return FixedLayer(spec, layer.node, layer.inputs, layer.output, formats, output, arrays)

    def run_float(self, layer: FloatLayer, inputs: tuple[NDArray[np.floating], ...]) -> NDArray[np.floating] | None:
        """The same in float."""
        doublings = layer.doublings if isinstance(layer, ConcatLayer) else (0,) * len(inputs)
        return np.concatenate([x * 2.0**more for x, more in zip(inputs, doublings, strict=True)], axis=1)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Every input in the format of the output, saturated."""
        moved = [round_shift(v, shift) for v, shift in zip(values, shifts(layer), strict=True)]
        out, lost = saturate(np.concatenate(moved, axis=-1), layer.spec.out_bits)
        return out, {"output": lost}

    def choices(self, spec: LayerSpec) -> list[int]:
        """All inputs but the last are whole beats."""
        bits = max(shape.bits for shape in (*spec.inputs, spec.output))
        every = vectors(max(shape.channels for shape in spec.inputs), bits)
        return [vec for vec in every if all(shape.channels % vec == 0 for shape in spec.inputs[:-1])]

    def beats(self, spec: LayerSpec, vec: int) -> int:
        """Beats of all inputs."""
        return sum(ceil_div(shape.channels, vec) for shape in spec.inputs)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: a beat an iteration, inputs one after the other."""
        spec, vec = built.spec, built.in_vec
        reads, start = [], 0
        for index, shape in enumerate(spec.inputs):
            beats = ceil_div(shape.channels, vec)
            reads.append(Port(f"in{index}", every_beat(beats, start)))
            start += beats
        program = Program(start, tuple(reads), (Port("out0", every_beat(start)),))
        # an adder to round and a comparison to saturate for each input, and the choice among them
        lanes = [adder(s.bits, registered=False).plus(Cost(logic=spec.out_bits)) for s in spec.inputs]
        lane = register(spec.out_bits).plus(multiplexer(len(lanes), spec.out_bits), *lanes)
        return (ProcessModel("concat", "concat", program, control().plus(lane.times(vec))),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As concat.h asks; tuples are lists `swm::ints<..>` of one entry an input."""
        assert layer is not None
        return {
            "vec": built.in_vec,
            "out_bits": layer.spec.out_bits,
            "channels": tuple(shape.channels for shape in layer.spec.inputs),
            "in_bits": tuple(shape.bits for shape in layer.spec.inputs),
            "in_shifts": shifts(layer),
        }


def shifts(layer: FixedLayer) -> tuple[int, ...]:
    """Right shift of every input (negative: left)."""
    doublings = layer.arrays.get("doublings", np.zeros(len(layer.input_formats), np.int64)).tolist()
    fracs = (f.frac - more for f, more in zip(layer.input_formats, doublings, strict=True))
    return tuple(min(frac - layer.output_format.frac, _ZERO_SHIFT) for frac in fracs)
