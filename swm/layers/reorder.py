# SPDX-License-Identifier: Apache-2.0
"""The reorder layer: a frame of A tokens of B channels leaves as B tokens of A channels. The lowering places it.

Nodes ask for the values of an image channels first where a block-circulant matrix stands behind it, or a product along
another axis. A frame is written into one half of a memory while the one before it is read, in the other order, from
the other half. The V values of a beat lie in banks of their own in both orders (hls/swm/reorder.h).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import adder, control, multiplexer
from swm.layers.beats import MovingKind, every_beat, vectors
from swm.layers.program import Port, ProcessModel, Program
from swm.layers.values import (
    FixedLayer,
    FloatLayer,
    Implementation,
    Ints,
    LayerSpec,
    TensorShape,
    ceil_div,
    clog2,
)

__all__ = ["Reorder", "ReorderSpec"]


@dataclass(frozen=True)
class ReorderSpec(LayerSpec):
    """A change of order by its shapes.

    Its input is A tokens of B channels; its output the transpose of that, in tokens of A channels or as one token.
    """

    kind: ClassVar[str] = "reorder"

    @property
    def tokens(self) -> int:
        """A period is a frame."""
        return 1


class Reorder(MovingKind):
    """The transpose of a frame."""

    name: ClassVar[str] = "reorder"

    def layer(
        self, name: str, node: str, tensors: tuple[str, str], shape: tuple[int, int], *, whole: bool
    ) -> FloatLayer:
        """The layer that the lowering places.

        Args:
            name: C identifier.
            node: any text that says for whom.
            tensors: read, and written.
            shape: channels and positions that come in.
            whole: whether the result is one token.
        """
        channels, positions = shape
        m, count = (channels * positions, 1) if whole else (positions, channels)
        return FloatLayer(self.name, name, node, tensors[:1], tensors[1], (shape,), m, count)

    def spec(self, layer: FloatLayer, bits: int) -> ReorderSpec:
        """Shapes and widths."""
        ((n, positions),) = layer.shapes
        return ReorderSpec(layer.name, (TensorShape(n, bits, positions),), TensorShape(layer.m, bits, layer.positions))

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Every frame transposed."""
        spec = layer.spec
        frames = values[0].reshape(-1, spec.positions, spec.n)
        return np.ascontiguousarray(frames.swapaxes(1, 2)).reshape(-1, spec.m), {}

    def choices(self, spec: LayerSpec) -> list[int]:
        """Up to the longer of the tokens that come and go."""
        return vectors(max(spec.n, spec.positions), spec.data_bits)

    def beats(self, spec: LayerSpec, vec: int) -> int:
        """Iterations a frame: the longer of what comes and what goes."""
        return max(self.moves(spec, vec))

    @staticmethod
    def moves(spec: LayerSpec, vec: int) -> tuple[int, int]:
        """Beats a frame that come, and that go."""
        return spec.positions * ceil_div(spec.n, vec), spec.output.positions * ceil_div(spec.output.channels, vec)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: while a frame is written, the one before it is read."""
        spec, vec, period = built.spec, built.in_vec, self.beats(built.spec, built.in_vec)
        come, go = self.moves(spec, vec)
        reads = (Port("in0", every_beat(come, -period)),)
        program = Program(period, reads, (Port("out0", every_beat(go)),), prologue=period)
        depth, lane = 2 * go, multiplexer(vec, spec.data_bits).times(2) if vec > 1 else None
        address = adder(clog2(depth), registered=True)
        cost = control(2).plus(memory(depth, spec.data_bits, banks=vec), address.times(vec))
        if lane is not None:
            cost = cost.plus(lane.times(vec))
        return (ProcessModel("reorder", "reorder", program, cost),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As reorder.h asks."""
        spec = built.spec
        flat = int(spec.output.positions == 1)
        return {"n": spec.n, "positions": spec.positions, "flat": flat, "bits": spec.data_bits, "vec": built.in_vec}
