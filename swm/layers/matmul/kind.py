# SPDX-License-Identifier: Apache-2.0
"""The matmul kind: products of two activations, one of which is kept on chip; exact integers, C++ configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.graph import MatMul, Node
from swm.layers.base import LayerKind, Obstacle, Offer, Operand
from swm.layers.finish import finish, finish_configuration
from swm.layers.formats import of_two_streams
from swm.layers.matmul.offer import MatMulOffer, cost
from swm.layers.matmul.spec import HeadProducts, MatMulBuilt, MatMulSpec
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

__all__ = ["MatMulKind"]


@dataclass(frozen=True, eq=False)
class MatMulLayer(FloatLayer):
    """A product of two tensors in float, and the orders in which they pass (see `HeadProducts`)."""

    heads: int = 1
    heads_inside: bool = True
    stored_inside: bool = True
    along_inner: bool = True
    shared: int = 1


class MatMulKind(LayerKind):
    """`Y = activation(A B)` for every head, as Q K^T and P V of attention."""

    name: ClassVar[str] = "matmul"
    takes: ClassVar[tuple[type[Node], ...]] = (MatMul, HeadProducts)
    rescales: ClassVar[bool] = True

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A product whose operands' orders are known."""
        if not isinstance(node, HeadProducts):
            return None
        a, b = operands
        return MatMulLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(a.tensor, b.tensor),
            output=node.outputs[0],
            shapes=((a.channels, a.positions), (b.channels, b.positions)),
            m=node.columns,
            positions=a.positions,
            heads=node.heads,
            heads_inside=node.heads_inside,
            stored_inside=node.stored_inside,
            along_inner=node.along_inner,
            shared=node.shared,
        )

    def spec(self, layer: FloatLayer, bits: int) -> MatMulSpec:
        """Shapes and widths."""
        assert isinstance(layer, MatMulLayer)
        return MatMulSpec(
            name=layer.name,
            inputs=tuple(TensorShape(n, bits, positions) for n, positions in layer.shapes),
            output=TensorShape(layer.m, bits, layer.positions),
            activation=layer.activation,
            parameters=layer.parameters,
            heads=layer.heads,
            heads_inside=layer.heads_inside,
            stored_inside=layer.stored_inside,
            along_inner=layer.along_inner,
            shared=layer.shared,
        )

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """Only the output's format is chosen; sums of products are exact."""
        return of_two_streams(spec, layer, outputs, formats)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Exact sums; below 2^53 by the width rules, so float64 BLAS adds integers without rounding."""
        spec = layer.spec
        assert isinstance(spec, MatMulSpec)
        heads, rows, inner, columns = spec.heads, spec.rows, spec.n, spec.m
        a, b = (v.astype(np.float64) for v in values)
        first = (rows, heads) if spec.heads_inside else (heads, rows)
        a = a.reshape(-1, *first, inner)
        a = a.swapaxes(1, 2) if spec.heads_inside else a
        lines, line = (columns, inner) if spec.along_inner else (inner, columns)
        b = b.reshape(-1, *((lines, spec.stored_heads) if spec.stored_inside else (spec.stored_heads, lines)), line)
        b = (b.swapaxes(1, 2) if spec.stored_inside else b).repeat(spec.shared, axis=1)
        sums = a @ (b.swapaxes(2, 3) if spec.along_inner else b)
        sums = sums.swapaxes(1, 2) if spec.heads_inside else sums
        out, lost = finish(np.ascontiguousarray(sums).astype(np.int64).reshape(-1, columns), layer)
        return out, {"output": lost}

    def offer(self, spec: LayerSpec, ports: DspPorts) -> Offer:
        """Every legal parallelism."""
        assert isinstance(spec, MatMulSpec)
        return MatMulOffer(spec, ports)

    def minimal(self, spec: LayerSpec) -> MatMulBuilt:
        """One multiplier."""
        assert isinstance(spec, MatMulSpec)
        return MatMulBuilt(spec)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: B of the next frame and the next row of A are loaded while a row is multiplied."""
        assert isinstance(built, MatMulBuilt)
        spec = built.spec
        way, share = _program(built), (spec.shared,) if spec.shared > 1 else ()
        return (ProcessModel("matmul", "matmul", way, cost(built, ports), arguments=share, products=spec.dense_macs),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As matmul.h asks."""
        assert isinstance(built, MatMulBuilt)
        assert layer is not None
        return {**built.members(), **finish_configuration(layer)}

    def remark(self, built: Implementation) -> str:
        """What is kept on chip, and what that costs in latency."""
        return f"{built.spec.name} keeps two frames of its second operand on chip, and begins when a whole one has come"


def _program(built: MatMulBuilt) -> Program:
    """Rows of A follow each other as tokens of a dense layer; B comes at an even pace, a frame ahead."""
    rows, step, stored = built.spec.positions, built.row_period, built.stored_beats
    load_step, lead = step // built.loads, stored + built.loads
    loads = [Run((row - 1) * step, load_step, built.loads) for row in range(rows)]
    first = (Run(stored, 1, built.loads), *(Run(lead + run.start, run.step, run.count) for run in loads[1:]))
    drain = ceil_div(built.rows, built.out_vec)
    last = ceil_div(built.spec.m - (built.row_groups - 1) * built.rows, built.out_vec)
    drain_step = max(1, built.column_groups // drain)
    drains = [drain] * (built.row_groups - 1) + [last]
    writes = tuple(
        Run(row * step + (group + 1) * built.column_groups, drain_step, beats)
        for row in range(rows)
        for group, beats in enumerate(drains)
    )
    return Program(
        built.period,
        (
            Port("in0", tuple(loads), first),
            Port("in1", (Run(-built.period, built.period // stored, stored),), (Run(0, 1, stored),)),
        ),
        (Port("out0", writes),),
        prologue=lead,
        epilogue=drain_step * (last - 1) + 1,
    )
