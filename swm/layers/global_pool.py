# SPDX-License-Identifier: Apache-2.0
"""Pooling over all positions of a frame: the greatest, the mean or the sum of each channel. No line buffer.

The running values of the beats of a token go round in a delay line, one beat an iteration.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.memories import shift_register
from swm.device.primitives import adder, control, multiplexer
from swm.graph import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool, Node, ReduceMax, ReduceMean, ReduceSum
from swm.layers.averages import Reciprocals, reciprocals
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import BeatKind, every_beat
from swm.layers.finish import finish, finish_configuration, finish_cost
from swm.layers.formats import output_format
from swm.layers.program import Port, ProcessModel, Program
from swm.layers.values import (
    FixedLayer,
    FloatLayer,
    Format,
    Implementation,
    Ints,
    LayerSpec,
    TensorShape,
    ceil_div,
    clog2,
)

__all__ = ["MODES", "AllPositions", "GlobalPool", "GlobalPoolSpec"]

_MOST_POSITIONS = 1 << 20
Mode = Literal["max", "mean", "sum"]
MODES: dict[type[Node], Mode] = {
    GlobalMaxPool: "max",
    ReduceMax: "max",
    GlobalAveragePool: "mean",
    ReduceMean: "mean",
    ReduceSum: "sum",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class AllPositions(Node):
    """A reduction of all positions of an image, or of a sequence of tokens."""

    op: ClassVar[str] = "Reduction"

    mode: Mode


@dataclass(frozen=True, eq=False)
class GlobalPoolLayer(FloatLayer):
    """Pooling in float."""

    mode: Mode = "max"


@dataclass(frozen=True)
class GlobalPoolSpec(LayerSpec):
    """Pooling over all positions by its shapes."""

    kind: ClassVar[str] = "global_pool"

    mode: Mode = "max"

    @property
    def tokens(self) -> int:
        """A period is a frame."""
        return 1

    @cached_property
    def reciprocals(self) -> Reciprocals:
        """Of the number of positions; 1 for a sum, a greatest value."""
        return reciprocals([self.positions if self.mode == "mean" else 1], self.data_bits)

    @property
    def sum_bits(self) -> int:
        """Bits of a running value."""
        return self.data_bits + (0 if self.mode == "max" else clog2(self.positions))

    @property
    def value_bits(self) -> int:
        """Bits of the pre-activation value."""
        return self.sum_bits + (self.reciprocals.bits if self.mode == "mean" else 0)


class GlobalPool(BeatKind):
    """A frame of many tokens becomes one."""

    name: ClassVar[str] = "global_pool"
    takes: ClassVar[tuple[type[Node], ...]] = (*MODES, AllPositions, MaxPool, AveragePool)
    rescales: ClassVar[bool] = True

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A node that leaves one position."""
        if not isinstance(node, self.takes):
            return None
        (operand,) = operands
        mode = _mode(node, operand)
        if mode is None or isinstance(mode, Obstacle):
            return mode
        if operand.positions > _MOST_POSITIONS:
            return Obstacle(f"it pools {operand.positions:,} positions", f"hardware takes at most {_MOST_POSITIONS:,}")
        return GlobalPoolLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(operand.tensor,),
            output=node.outputs[0],
            shapes=((operand.channels, operand.positions),),
            m=operand.channels,
            positions=1,
            grid=None if operand.grid is None else (1,) * len(operand.grid),
            mode=mode,
        )

    def spec(self, layer: FloatLayer, bits: int) -> GlobalPoolSpec:
        """Shapes and widths."""
        assert isinstance(layer, GlobalPoolLayer)
        ((n, positions),) = layer.shapes
        return GlobalPoolSpec(
            name=layer.name,
            inputs=(TensorShape(n, bits, positions),),
            output=TensorShape(layer.m, bits),
            activation=layer.activation,
            parameters=layer.parameters,
            mode=layer.mode,
        )

    def resized(self, spec: LayerSpec, inputs: tuple[int, ...], output: int) -> LayerSpec | None:
        """A mean; the greatest value is one of those that came."""
        assert isinstance(spec, GlobalPoolSpec)
        return super().resized(spec, inputs, output) if spec.mode == "mean" else None

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """Only the output's format is chosen; the greatest value alone keeps that of the input."""
        assert isinstance(spec, GlobalPoolSpec)
        frac = spec.reciprocals.frac
        output = output_format(outputs, spec.out_bits, spec.activation, formats[0].frac + frac)
        if spec.mode == "max" and spec.activation == "identity":
            output = formats[0]
        return FixedLayer(spec, layer.node, layer.inputs, layer.output, formats, output, weight_frac=frac)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """The greatest value, or the exact sum by the reciprocal; then the end of every layer."""
        spec = layer.spec
        assert isinstance(spec, GlobalPoolSpec)
        frames = values[0].reshape(-1, spec.positions, spec.n)
        constant = spec.reciprocals.constant
        assert constant is not None
        found = frames.max(1) if spec.mode == "max" else frames.sum(1) * constant
        out, lost = finish(found, layer)
        return out, {"output": lost}

    def beats(self, spec: LayerSpec, vec: int) -> int:
        """Iterations a frame."""
        return spec.positions * ceil_div(spec.n, vec)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: a beat an iteration; results leave with the last position."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, GlobalPoolSpec)
        beats, period = ceil_div(spec.n, vec), self.beats(spec, vec)
        writes = (Port("out0", every_beat(beats, period - beats)),)
        program = Program(period, (Port("in0", every_beat(period)),), writes)
        lane = adder(spec.sum_bits, registered=False).plus(multiplexer(2, spec.sum_bits))
        cost = control(2).plus(
            lane.times(vec),
            shift_register(beats, vec * spec.sum_bits),
            finish_cost(spec, spec.value_bits, vec, ports),
        )
        if spec.mode == "mean":
            cost = cost.plus(spec.reciprocals.cost(spec.sum_bits, vec, ports))
        return (ProcessModel("pool", "global_pool", program, cost),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As global_pool.h asks."""
        spec = built.spec
        assert isinstance(spec, GlobalPoolSpec)
        assert layer is not None
        return {
            "n": spec.n,
            "positions": spec.positions,
            "in_bits": spec.data_bits,
            "greatest": int(spec.mode == "max"),
            "reciprocal": spec.reciprocals.constant,
            "reciprocal_bits": spec.reciprocals.bits if spec.mode == "mean" else 0,
            "vec": built.in_vec,
            **finish_configuration(layer),
        }


def _mode(node: Node, operand: Operand) -> Mode | Obstacle | None:
    if isinstance(node, MaxPool | AveragePool):  # a window that is the whole image
        whole = node.kernel == operand.grid and not any(node.pads) and set(node.dilations) == {1} and not node.auto_pad
        return ("max" if isinstance(node, MaxPool) else "mean") if whole else None
    if isinstance(node, AllPositions):
        return node.mode
    if isinstance(node, ReduceMean | ReduceMax | ReduceSum):
        return Obstacle(
            f"it reduces axes {node.axes}", "hardware reduces all positions of an image or of a sequence of tokens"
        )
    return MODES.get(type(node))
