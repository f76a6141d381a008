# SPDX-License-Identifier: Apache-2.0
"""The depth_to_space layer: a position of s x t x M channels becomes s x t positions of M channels (ONNX's mode DCR).

What a transposed convolution and a sub-pixel convolution end in, and patches laid out as an image, which the lowering
finds in a transposition. The channels of a row of pixels already lie in a row
of the input, so that only rows of one token change places: a row of positions is written into one half of a memory
while the one before it is read from the other half, pixel row after pixel row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import adder, control
from swm.graph import DepthToSpace as DepthToSpaceNode
from swm.graph import Node
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import MovingKind, every_beat
from swm.layers.program import Port, ProcessModel, Program
from swm.layers.values import FixedLayer, FloatLayer, Implementation, Ints, LayerSpec, TensorShape, clog2

__all__ = ["DepthToSpace", "DepthToSpaceSpec"]

_MOST_OUT = 1 << 20  # positions that go out


@dataclass(frozen=True, eq=False)
class DepthToSpaceLayer(FloatLayer):
    """The layer in float; fields as those of its spec."""

    rows_columns: tuple[int, int] = (1, 1)
    side: int = 1


@dataclass(frozen=True)
class DepthToSpaceSpec(LayerSpec):
    """Pixels laid out, by its shapes.

    Attributes:
        rows_columns: of the grid that comes in.
        side: rows that a position becomes; it becomes n / side / m columns.
    """

    kind: ClassVar[str] = "depth_to_space"

    rows_columns: tuple[int, int] = field(kw_only=True)
    side: int = field(kw_only=True)

    @property
    def tokens(self) -> int:
        """A period is a frame."""
        return 1


class DepthToSpace(MovingKind):
    """DepthToSpace of mode DCR."""

    name: ClassVar[str] = "depth_to_space"
    takes: ClassVar[tuple[type[Node], ...]] = (DepthToSpaceNode,)

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A DepthToSpace of an image of known size."""
        if not isinstance(node, DepthToSpaceNode):
            return None
        (operand,) = operands
        grid, side = operand.grid, node.block
        if grid is None or len(grid) != 2:
            return Obstacle("its input is no image of two axes", "export with static shapes but for the batch")
        if node.mode != "DCR":
            return Obstacle(
                f"its mode is {node.mode}, and no convolution alone stands before it",
                "use mode DCR, or simplify a model in which a convolution writes its input",
            )
        if operand.channels % side**2 or operand.positions * side**2 > _MOST_OUT:
            return Obstacle(
                f"it makes {side} x {side} positions each of {operand.channels} channels at {operand.positions:,} ones",
                f"hardware takes a multiple of {side**2} channels, and makes at most {_MOST_OUT:,} positions",
            )
        ends = (operand.tensor, node.outputs[0])
        return self.layer(name, node.name, ends, operand.channels, (grid[0], grid[1]), (side, side))

    def layer(
        self,
        name: str,
        node: str,
        tensors: tuple[str, str],
        channels: int,
        grid: tuple[int, int],
        pixels: tuple[int, int],
    ) -> FloatLayer:
        """The layer.

        Args:
            name: C identifier.
            node: any text that says for whom.
            tensors: read, and written.
            channels: of a position that comes in.
            grid: of these positions.
            pixels: rows and columns that each of them becomes.
        """
        (rows, columns), (side, wide) = grid, pixels
        return DepthToSpaceLayer(
            kind=self.name,
            name=name,
            node=node,
            inputs=tensors[:1],
            output=tensors[1],
            shapes=((channels, rows * columns),),
            m=channels // (side * wide),
            positions=rows * columns * side * wide,
            grid=(rows * side, columns * wide),
            rows_columns=grid,
            side=side,
        )

    def spec(self, layer: FloatLayer, bits: int) -> DepthToSpaceSpec:
        """Shapes and widths."""
        assert isinstance(layer, DepthToSpaceLayer)
        ((n, positions),) = layer.shapes
        shapes = (TensorShape(n, bits, positions),), TensorShape(layer.m, bits, layer.positions)
        return DepthToSpaceSpec(layer.name, *shapes, rows_columns=layer.rows_columns, side=layer.side)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Rows of a token change places with the tokens of a row."""
        spec = layer.spec
        assert isinstance(spec, DepthToSpaceSpec)
        rows, columns = spec.rows_columns
        frames = values[0].reshape(-1, rows, columns, spec.side, spec.n // spec.side)
        return np.ascontiguousarray(frames.swapaxes(2, 3)).reshape(-1, spec.m), {}

    def choices(self, spec: LayerSpec) -> list[int]:
        """Beats do not cross a pixel."""
        return [vec for vec in super().choices(spec) if spec.m % vec == 0]

    def beats(self, spec: LayerSpec, vec: int) -> int:
        """Iterations a frame."""
        return spec.positions * spec.n // vec

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: while a row is written, the one before it is read."""
        spec, period = built.spec, self.beats(built.spec, built.in_vec)
        assert isinstance(spec, DepthToSpaceSpec)
        row = period // spec.rows_columns[0]
        reads, writes = Port("in0", every_beat(period, -row)), Port("out0", every_beat(period))
        program = Program(period, (reads,), (writes,), prologue=row)
        address = adder(clog2(2 * row), registered=True)
        cost = control(3).plus(memory(2 * row, built.in_vec * spec.data_bits), address.times(2))
        return (ProcessModel("depth_to_space", "depth_to_space", program, cost),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As depth_to_space.h asks."""
        spec = built.spec
        assert isinstance(spec, DepthToSpaceSpec)
        rows, columns = spec.rows_columns
        sizes = {"n": spec.n, "bits": spec.data_bits, "vec": built.in_vec}
        return {**sizes, "rows": rows, "columns": columns, "side": spec.side}
