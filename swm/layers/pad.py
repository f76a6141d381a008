# SPDX-License-Identifier: Apache-2.0
"""The pad layer: positions of one value around an image, or rows and columns cut off."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isfinite, prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.primitives import Cost, control, register
from swm.graph import Node, Split
from swm.graph import Pad as PadNode
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import BeatKind
from swm.layers.program import Port, ProcessModel, Program, Run
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

__all__ = ["MOST_POSITIONS", "Margins", "Pad", "PadLayer", "PadSpec"]

MOST_POSITIONS = 1 << 20


@dataclass(frozen=True)
class Margins:
    """How an image is padded, or (negative) cut.

    Attributes:
        grid: rows and columns that come in; a sequence is a grid of one column.
        before: added before each axis.
        behind: added behind each axis.
    """

    grid: tuple[int, int]
    before: tuple[int, int] = (0, 0)
    behind: tuple[int, int] = (0, 0)

    @property
    def out(self) -> tuple[int, int]:
        """Rows and columns that go out."""
        rows, columns = (n + b + e for n, b, e in zip(self.grid, self.before, self.behind, strict=True))
        return rows, columns

    @property
    def walk(self) -> tuple[int, int]:
        """Rows and columns that are walked over: all that come in and all that go out."""
        rows, columns = (n + max(b, 0) + max(e, 0) for n, b, e in zip(self.grid, self.before, self.behind, strict=True))
        return rows, columns

    def times(self, sequences: int) -> Margins:
        """The same of so many sequences, a row of each in turn."""
        (rows, columns), before, behind = self.grid, self.before, self.behind
        return Margins(
            (rows * sequences, columns), (before[0] * sequences, before[1]), (behind[0] * sequences, behind[1])
        )

    def runs(self, beats: int, *, leaving: bool) -> tuple[Run, ...]:
        """Iterations of a frame in which a beat comes in, or leaves."""
        starts = [max(-b if leaving else b, 0) for b in self.before]
        (rows, columns), width = self.out if leaving else self.grid, self.walk[1]
        if columns == width:
            return (Run(starts[0] * width * beats, 1, rows * columns * beats),)
        return tuple(Run(((starts[0] + r) * width + starts[1]) * beats, 1, columns * beats) for r in range(rows))


@dataclass(frozen=True, eq=False)
class PadLayer(FloatLayer):
    """Padding in float, and so many doublings of what passes: its binary point moves."""

    margins: Margins = field(default_factory=lambda: Margins((1, 1)))
    value: float = 0.0
    doublings: int = 0


@dataclass(frozen=True)
class PadSpec(LayerSpec):
    """Padding by its shapes."""

    kind: ClassVar[str] = "pad"

    margins: Margins = field(kw_only=True)

    @property
    def tokens(self) -> int:
        """A period is a frame."""
        return 1


class Pad(BeatKind):
    """Constant padding of one or two axes of an image."""

    name: ClassVar[str] = "pad"
    takes: ClassVar[tuple[type[Node], ...]] = (PadNode, Split)
    fuses: ClassVar[bool] = False

    def lengthened(
        self, name: str, node: str, tensors: tuple[str, str], shape: tuple[int, int], more: int, before: int = 0
    ) -> PadLayer:
        """The layer that the lowering places: (channels, steps), steps of zeros behind and before (negative: cut)."""
        channels, steps = shape
        margins = Margins((steps, 1), before=(before, 0), behind=(more, 0))
        made = steps + more + before
        return PadLayer(
            self.name, name, node, tensors[:1], tensors[1], (shape,), channels, made, grid=(made,), margins=margins
        )

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A Pad of the axes behind the channels."""
        if isinstance(node, Split):  # one that `normal_forms` has not made into such nodes
            return Obstacle("it takes a tensor apart whose shape is not known", "export with static shapes")
        if not isinstance(node, PadNode):
            return None
        (operand,) = operands
        rank, grid = len(node.pads) // 2, operand.grid
        if node.mode != "constant" or not isfinite(node.value):
            return Obstacle(f"it pads by mode {node.mode!r}, value {node.value}", "hardware pads with one number")
        if grid is None or not 1 <= len(grid) <= 2 or rank != len(grid) + 2:
            return Obstacle("its input is no image of one or two axes", "export with static shapes but for the batch")
        before, behind = node.pads[:rank], node.pads[rank:]
        if any((*before[:2], *behind[:2])):
            return Obstacle("it pads samples or channels", "hardware pads the axes behind the channels")
        margins = Margins(_pair(grid, 1), _pair(before[2:], 0), _pair(behind[2:], 0))
        if min(margins.out) < 1 or max(prod(margins.walk), prod(margins.out)) > MOST_POSITIONS:
            return Obstacle(
                f"it makes {margins.out} positions of {grid}", f"hardware takes 1 to {MOST_POSITIONS:,} positions"
            )
        return PadLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(operand.tensor,),
            output=node.outputs[0],
            shapes=((operand.channels, operand.positions),),
            m=operand.channels,
            positions=prod(margins.out),
            grid=margins.out[: len(grid)],
            margins=margins,
            value=float(node.value),
        )

    def spec(self, layer: FloatLayer, bits: int) -> PadSpec:
        """Shapes and widths."""
        assert isinstance(layer, PadLayer)
        ((n, positions),) = layer.shapes
        shapes = (TensorShape(n, bits, positions),), TensorShape(n, bits, layer.positions)
        return PadSpec(layer.name, *shapes, margins=layer.margins)

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """The same numbers; the value around them is the nearest of their format."""
        assert isinstance(layer, PadLayer)
        arrays = {"fill": formats[0].quantize(np.array([layer.value]))}
        output = replace(formats[0], frac=formats[0].frac - layer.doublings)
        return FixedLayer(spec, layer.node, layer.inputs, layer.output, formats, output, arrays)

    def run_float(self, layer: FloatLayer, inputs: tuple[NDArray[np.floating], ...]) -> NDArray[np.floating] | None:
        """Every frame padded, or cut."""
        assert isinstance(layer, PadLayer)
        return _padded(inputs[0], layer.margins, layer.value) * 2.0**layer.doublings

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Every frame padded, or cut."""
        assert isinstance(layer.spec, PadSpec)
        return _padded(values[0], layer.spec.margins, int(layer.arrays["fill"][0])), {}

    def beats(self, spec: LayerSpec, vec: int) -> int:
        """Iterations a frame."""
        assert isinstance(spec, PadSpec)
        return prod(spec.margins.walk) * ceil_div(spec.n, vec)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: a beat of the padded image an iteration."""
        spec, beats = built.spec, ceil_div(built.spec.n, built.in_vec)
        assert isinstance(spec, PadSpec)
        reads = Port("in0", spec.margins.runs(beats, leaving=False))
        writes = Port("out0", spec.margins.runs(beats, leaving=True))
        program = Program(self.beats(spec, built.in_vec), (reads,), (writes,))
        bits = built.in_vec * spec.data_bits
        cost = control(3).plus(register(bits), Cost(logic=bits / 2))  # the value, or the one around
        return (ProcessModel("pad", "pad", program, cost),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As pad.h asks."""
        spec = built.spec
        assert isinstance(spec, PadSpec)
        assert layer is not None
        m = spec.margins
        return {
            "n": spec.n,
            "bits": spec.data_bits,
            "vec": built.in_vec,
            "grid_rows": m.grid[0],
            "grid_columns": m.grid[1],
            "before_rows": m.before[0],
            "before_columns": m.before[1],
            "behind_rows": m.behind[0],
            "behind_columns": m.behind[1],
            "fill": int(layer.arrays["fill"][0]),
        }


def _padded(rows: NDArray[Any], m: Margins, fill: float) -> NDArray[Any]:
    """(frames * positions, channels) in the order of the positions."""
    frames = rows.reshape(-1, *m.grid, rows.shape[-1])
    around = tuple((max(b, 0), max(e, 0)) for b, e in zip(m.before, m.behind, strict=True))
    wide = np.pad(frames, ((0, 0), *around, (0, 0)), constant_values=fill)
    (top, left), (rows_, columns) = (max(-b, 0) for b in m.before), m.out
    return wide[:, top : top + rows_, left : left + columns].reshape(-1, rows.shape[-1])


def _pair(values: tuple[int, ...], second: int) -> tuple[int, int]:
    """Of two axes, or of one and of the one column that a sequence has."""
    return (values[0], values[1]) if len(values) > 1 else (values[0], second)
