# SPDX-License-Identifier: Apache-2.0
"""The reorder layer: a frame of A tokens of B channels leaves as B tokens of A channels. The lowering places it.

Nodes ask for the values of an image channels first where a block-circulant matrix stands behind it, or a product along
another axis: a sample is one frame. In a channel shuffle (Zhang et al., "ShuffleNet", 2018) a frame is a position, B
channels of A groups that change places. A frame is written into one half of a memory while the one before it is read,
in the other order, from the other half. The V values of a beat lie in banks of their own in both orders
(hls/swm/reorder.h).
"""

from __future__ import annotations

from dataclasses import dataclass, field
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

__all__ = ["Reorder", "ReorderLayer", "ReorderSpec"]


@dataclass(frozen=True, eq=False)
class ReorderLayer(FloatLayer):
    """The layer in float; fields as those of its spec."""

    frames: int = 1


@dataclass(frozen=True)
class ReorderSpec(LayerSpec):
    """A change of order by its shapes.

    Its input is A tokens of B channels a frame; its output the transpose of that, in tokens of A channels or as one
    token.

    Attributes:
        frames: of a sample.
    """

    kind: ClassVar[str] = "reorder"

    frames: int = field(default=1, kw_only=True)

    @property
    def tokens(self) -> int:
        """Its loop counts frames."""
        return 1

    @property
    def rows(self) -> int:
        """A: tokens of a frame."""
        return self.positions // self.frames

    @property
    def whole(self) -> bool:
        """Whether a frame leaves as one token."""
        return self.output.positions == self.frames


class Reorder(MovingKind):
    """The transpose of a frame."""

    name: ClassVar[str] = "reorder"

    def layer(
        self, name: str, node: str, tensors: tuple[str, str], shape: tuple[int, int], *, whole: bool, frames: int = 1
    ) -> FloatLayer:
        """The layer that the lowering places.

        Args:
            name: C identifier.
            node: any text that says for whom.
            tensors: read, and written.
            shape: channels and positions of a frame that comes in.
            whole: whether a frame of the result is one token.
            frames: of a sample.
        """
        channels, positions = shape
        m, count = (channels * positions, frames) if whole else (positions, channels * frames)
        shapes = ((channels, positions * frames),)
        return ReorderLayer(self.name, name, node, tensors[:1], tensors[1], shapes, m, count, frames=frames)

    def spec(self, layer: FloatLayer, bits: int) -> ReorderSpec:
        """Shapes and widths."""
        ((n, positions),) = layer.shapes
        shapes = (TensorShape(n, bits, positions),), TensorShape(layer.m, bits, layer.positions)
        assert isinstance(layer, ReorderLayer)
        return ReorderSpec(layer.name, *shapes, frames=layer.frames)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Every frame transposed."""
        spec = layer.spec
        assert isinstance(spec, ReorderSpec)
        frames = values[0].reshape(-1, spec.rows, spec.n)
        return np.ascontiguousarray(frames.swapaxes(1, 2)).reshape(-1, spec.m), {}

    def choices(self, spec: LayerSpec) -> list[int]:
        """Up to the longer of the tokens that come and go."""
        assert isinstance(spec, ReorderSpec)
        return vectors(max(spec.n, spec.rows), spec.data_bits)

    def beats(self, spec: LayerSpec, vec: int) -> int:
        """Iterations a sample: of each frame the longer of what comes and what goes."""
        assert isinstance(spec, ReorderSpec)
        return spec.frames * max(self.moves(spec, vec))

    @staticmethod
    def moves(spec: LayerSpec, vec: int) -> tuple[int, int]:
        """Beats a frame that come, and that go."""
        assert isinstance(spec, ReorderSpec)
        tokens = spec.output.positions // spec.frames
        return spec.rows * ceil_div(spec.n, vec), tokens * ceil_div(spec.output.channels, vec)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: while a frame is written, the one before it is read."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, ReorderSpec)
        come, go = self.moves(spec, vec)
        period = max(come, go)
        reads = (Port("in0", every_beat(come, -period)),)
        program = Program(period, reads, (Port("out0", every_beat(go)),), prologue=period)
        depth, lane = 2 * go, multiplexer(vec, spec.data_bits).times(2) if vec > 1 else None
        address = adder(clog2(depth), registered=True)
        cost = control(2).plus(memory(depth, spec.data_bits, banks=vec), address.times(vec))
        if lane is not None:
            cost = cost.plus(lane.times(vec))
        return (ProcessModel("reorder", "reorder", program, cost, repeats=spec.frames),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As reorder.h asks."""
        spec = built.spec
        assert isinstance(spec, ReorderSpec)
        flat = int(spec.whole)
        return {"n": spec.n, "positions": spec.rows, "flat": flat, "bits": spec.data_bits, "vec": built.in_vec}
