# SPDX-License-Identifier: Apache-2.0
"""The upsample layer: every position of an image several times, along both axes (nearest neighbour, whole factors)."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, floor, prod
from typing import Any, ClassVar

import numpy as np

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import control, multiplexer
from swm.graph import Node, Resize
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import MovingKind, every_beat
from swm.layers.program import Port, ProcessModel, Program, Run
from swm.layers.values import (
    FixedLayer,
    FloatLayer,
    Implementation,
    Ints,
    LayerSpec,
    TensorShape,
    ceil_div,
)

__all__ = ["Upsample", "UpsampleSpec"]

_LARGEST = 1 << 10  # factor
_MOST_OUT = 1 << 20  # positions that go out
_MOST_POSITIONS = 1 << 16  # that come in: their reads are written out one by one where cycles are simulated


@dataclass(frozen=True, eq=False)
class UpsampleLayer(FloatLayer):
    """Upsampling in float; fields as those of its spec."""

    rows_columns: tuple[int, int] = (1, 1)
    factors: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class UpsampleSpec(LayerSpec):
    """Upsampling by its shapes.

    Attributes:
        rows_columns: of the grid that comes in; a sequence is a grid of one column.
        factors: how often a row, and a column, goes out.
    """

    kind: ClassVar[str] = "upsample"

    rows_columns: tuple[int, int] = field(kw_only=True)
    factors: tuple[int, int] = field(kw_only=True)

    @property
    def tokens(self) -> int:
        """A period is a frame."""
        return 1


class Upsample(MovingKind):
    """Resize to the nearest neighbour by whole factors."""

    name: ClassVar[str] = "upsample"
    takes: ClassVar[tuple[type[Node], ...]] = (Resize,)

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A Resize that repeats positions."""
        if not isinstance(node, Resize):
            return None
        (operand,) = operands
        grid = operand.grid
        if grid is None or not 1 <= len(grid) <= 2:
            return Obstacle("its input is no image of one or two axes", "export with static shapes but for the batch")
        if operand.positions > _MOST_POSITIONS:
            return Obstacle(f"its image has {operand.positions:,} positions", f"hardware takes {_MOST_POSITIONS:,}")
        factors = _factors(node, (operand.channels, *grid))
        if factors is None:
            text = f"it resizes {grid} by mode {node.mode!r}, scales {node.scales}, sizes {node.sizes}"
            return Obstacle(text, "hardware repeats positions: nearest neighbour, whole factors behind the channels")
        most = operand.positions * prod(factors)
        if most > _MOST_OUT:
            return Obstacle(f"it makes {most:,} positions", f"hardware takes at most {_MOST_OUT:,}")
        rows, columns = (*grid, 1)[:2]
        tall, wide = (*factors, 1)[:2]
        return UpsampleLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(operand.tensor,),
            output=node.outputs[0],
            shapes=((operand.channels, operand.positions),),
            m=operand.channels,
            positions=operand.positions * tall * wide,
            grid=tuple(n * f for n, f in zip(grid, factors, strict=True)),
            rows_columns=(rows, columns),
            factors=(tall, wide),
        )

    def spec(self, layer: FloatLayer, bits: int) -> UpsampleSpec:
        """Shapes and widths."""
        assert isinstance(layer, UpsampleLayer)
        ((n, positions),) = layer.shapes
        shapes = (TensorShape(n, bits, positions),), TensorShape(n, bits, layer.positions)
        return UpsampleSpec(layer.name, *shapes, rows_columns=layer.rows_columns, factors=layer.factors)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Rows and columns repeated."""
        spec = layer.spec
        assert isinstance(spec, UpsampleSpec)
        frames = values[0].reshape(-1, *spec.rows_columns, spec.n)
        tall, wide = spec.factors
        return frames.repeat(tall, axis=1).repeat(wide, axis=2).reshape(-1, spec.m), {}

    def beats(self, spec: LayerSpec, vec: int) -> int:
        """Iterations a frame."""
        return spec.output.positions * ceil_div(spec.n, vec)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: a beat of the larger image an iteration."""
        spec, beats = built.spec, ceil_div(built.spec.n, built.in_vec)
        assert isinstance(spec, UpsampleSpec)
        columns, (tall, wide) = spec.rows_columns[1], spec.factors
        period, row = self.beats(spec, built.in_vec), columns * wide * beats
        starts = range(0, period, tall * row)
        if wide == 1:
            reads = [Run(start, 1, row) for start in starts]
        elif beats == 1:
            reads = [Run(start, wide, columns) for start in starts]
        else:
            reads = [Run(start + column * wide * beats, 1, beats) for start in starts for column in range(columns)]
        program = Program(period, (Port("in0", tuple(reads)),), (Port("out0", every_beat(period)),))
        bits = built.in_vec * spec.data_bits
        cost = control(3).plus(memory(columns * beats, bits), multiplexer(2, bits))
        return (ProcessModel("upsample", "upsample", program, cost),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As upsample.h asks."""
        spec = built.spec
        assert isinstance(spec, UpsampleSpec)
        return {
            "n": spec.n,
            "bits": spec.data_bits,
            "vec": built.in_vec,
            "rows": spec.rows_columns[0],
            "columns": spec.rows_columns[1],
            "tall": spec.factors[0],
            "wide": spec.factors[1],
        }


def _factors(node: Resize, sizes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Whole factors of the axes behind the channels, where the nearest neighbour is a mere repetition.

    Args:
        node: the Resize.
        sizes: of the input, the axis of samples left out.
    """
    axes = node.axes if node.axes is not None else tuple(range(len(sizes) + 1))
    given = node.scales if node.scales is not None else node.sizes
    if node.mode not in ("nearest", "linear") or given is None or len(given) != len(axes) or node.roi is not None:
        return None
    scales = [1.0] * (len(sizes) + 1)
    for axis, value in zip(axes, given, strict=True):
        if node.scales is not None:
            scales[axis] = float(value)
        elif axis:
            scales[axis] = value / sizes[axis - 1]
    if scales[:2] != [1, 1] or not all(1 <= scale <= _LARGEST and scale == floor(scale) for scale in scales):
        return None
    whole = [int(scale) for scale in scales]
    repeats = (n == 1 or _repeats(node, n, w) for n, w in zip(sizes[1:], whole[2:], strict=True))
    return tuple(whole[2:]) if prod(whole) > 1 and all(repeats) else None


def _repeats(node: Resize, size: int, factor: int) -> bool:
    """Whether output i is input i // factor, by the rules of ONNX's Resize."""
    if node.mode != "nearest":
        return factor == 1
    out, i = size * factor, np.arange(size * factor, dtype=np.float64)
    rules = {
        "half_pixel": (i + 0.5) / factor - 0.5,
        "half_pixel_symmetric": (i + 0.5) / factor - 0.5,
        "pytorch_half_pixel": (i + 0.5) / factor - 0.5 if out > 1 else np.zeros(1),
        "asymmetric": i / factor,
        "align_corners": i * (size - 1) / max(out - 1, 1),
        "": i / factor,
    }
    if node.coordinates not in rules:
        return False
    rounding = {
        "round_prefer_floor": lambda x: ceil(x - 0.5),
        "round_prefer_ceil": lambda x: floor(x + 0.5),
        "floor": floor,
        "ceil": ceil,
    }
    nearest = rounding.get(node.nearest if node.coordinates else "floor")
    if nearest is None:
        return False
    found = [min(max(nearest(x), 0), size - 1) for x in rules[node.coordinates].tolist()]
    return found == (np.arange(out) // factor).tolist()
