# SPDX-License-Identifier: Apache-2.0
"""The reverse layer: a sequence leaves last step first. The lowering places two around a layer that runs backwards.

A frame is written into one half of a memory while the one before it is read from the other half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import control
from swm.layers.beats import MovingKind, every_beat
from swm.layers.program import Port, ProcessModel, Program
from swm.layers.values import FixedLayer, FloatLayer, Implementation, Ints, LayerSpec, TensorShape, ceil_div

__all__ = ["Reverse", "ReverseSpec"]


@dataclass(frozen=True)
class ReverseSpec(LayerSpec):
    """A change of direction by its shapes; of `sequences` that take turns, the tokens of a step keep their order."""

    kind: ClassVar[str] = "reverse"

    sequences: int = 1

    @property
    def tokens(self) -> int:
        """A period is a frame."""
        return 1


class Reverse(MovingKind):
    """Every frame from its end."""

    name: ClassVar[str] = "reverse"

    def layer(self, name: str, node: str, tensors: tuple[str, str], shape: tuple[int, int]) -> FloatLayer:
        """The layer that the lowering places: (channels, positions) from one tensor to another."""
        return FloatLayer(self.name, name, node, tensors[:1], tensors[1], (shape,), *shape)

    def spec(self, layer: FloatLayer, bits: int) -> ReverseSpec:
        """Shapes and widths."""
        shape = TensorShape(layer.m, bits, layer.positions)
        return ReverseSpec(layer.name, (shape,), shape)

    def run_float(self, layer: FloatLayer, inputs: tuple[NDArray[np.floating], ...]) -> NDArray[np.floating] | None:
        """Every frame from its end."""
        return _turned(inputs[0], layer.positions, 1)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Every frame from its end."""
        assert isinstance(layer.spec, ReverseSpec)
        return _turned(values[0], layer.spec.positions, layer.spec.sequences), {}

    def beats(self, spec: LayerSpec, vec: int) -> int:
        """Iterations a frame."""
        return spec.positions * ceil_div(spec.n, vec)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: while a frame is written, the one before it is read."""
        spec, period = built.spec, self.beats(built.spec, built.in_vec)
        program = Program(
            period, (Port("in0", every_beat(period, -period)),), (Port("out0", every_beat(period)),), prologue=period
        )
        cost = control(2).plus(memory(2 * period, built.in_vec * spec.data_bits))
        return (ProcessModel("reverse", "reverse", program, cost),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As reverse.h asks."""
        spec = built.spec
        assert isinstance(spec, ReverseSpec)
        steps = spec.positions // spec.sequences
        return {"n": spec.n, "steps": steps, "group": spec.sequences, "bits": spec.data_bits, "vec": built.in_vec}


def _turned(rows: Any, positions: int, group: int) -> Any:
    """(frames * positions, n), every frame from its end, in groups of tokens."""
    frames = rows.reshape(-1, positions // group, group, rows.shape[-1])
    return np.ascontiguousarray(frames[:, ::-1]).reshape(rows.shape)
