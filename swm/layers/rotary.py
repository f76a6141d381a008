# SPDX-License-Identifier: Apache-2.0
"""The rotary layer: pairs of channels of a token are turned by an angle of its position.

Rotary position embeddings (Su et al., "RoFormer", 2021): of the channels of a head, c and c + half (or neighbours,
where half is 1) are a pair (a, b), which leaves as (a cos - b sin, b cos + a sin). Here in the form `y = activation(x *
cosines + z * sines)`, where z has the other channel of the pair in the place of each, and signs are those of the
constants. Sums are exact and rounded once. Where a beat holds whole pairs the other one lies in it; else a group of
2 half channels is written into one half of a memory while the one before it is read from the other half
(hls/swm/rotary.h).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import adder, control, multiplier
from swm.graph import Node
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import BeatKind, distinct_rows, every_beat, vectors
from swm.layers.finish import finish, finish_configuration, finish_cost
from swm.layers.formats import best_format, output_format
from swm.layers.products import bank_lanes, banked
from swm.layers.program import Port, ProcessModel, Program, Rom
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
from swm.layers.work import Work, additions, multiplications

__all__ = ["Rotary", "RotaryLayer", "RotarySpec", "Rotations"]

_MOST_VALUES = 1 << 20  # constants of a layer
_TABLES = ("cosines", "sines")


@dataclass(frozen=True, kw_only=True, eq=False)
class Rotations(Node):
    """`x * cosines + x[partner] * sines`, value by value of a sample.

    Attributes:
        cosines: float32, in the shape of a sample, or, as the layer sees it, (positions, channels) in the order in
            which they pass.
        sines: likewise.
        partner: int64, of each value the place of the other one of its pair among all values of a sample.
    """

    op: ClassVar[str] = "RotaryEmbedding"

    cosines: NDArray[np.float32]
    sines: NDArray[np.float32]
    partner: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RotaryLayer(FloatLayer):
    """The layer in float: both tables (rows, n), a row for `each` tokens, and how far channels of a pair lie apart."""

    tables: NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, 0, 0), np.float32))
    each: int = 1
    half: int = 1


@dataclass(frozen=True)
class RotarySpec(LayerSpec):
    """A rotation by its shapes.

    Attributes:
        half: how far the channels of a pair lie apart, in groups of twice as many.
        rows: of the tables, behind the last of which comes the first.
        each: tokens in a row that share one.
        weight_bits: of a constant.
    """

    kind: ClassVar[str] = "rotary"

    half: int = field(default=1, kw_only=True)
    rows: int = field(default=1, kw_only=True)
    each: int = field(default=1, kw_only=True)
    weight_bits: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if self.half < 1 or self.n % (2 * self.half) or self.rows < 1 or self.each < 1:
            raise ValueError(f"{self.n} channels are no pairs {self.half} apart")

    @property
    def value_bits(self) -> int:
        """Bits of the sum of two products."""
        return self.data_bits + self.weight_bits + 1

    @property
    def stored_words(self) -> int:
        """Both constants of each channel in each row (counted)."""
        return 2 * self.rows * self.n

    @property
    def stored_bits(self) -> int:
        """Bits of all constants (counted)."""
        return self.stored_words * self.weight_bits

    def waits(self, vec: int) -> int:
        """Beats of a group that are held until the other channels of its pairs are there; 0: a beat holds pairs."""
        return 0 if vec >= self.n or vec % (2 * self.half) == 0 else 2 * self.half // vec


class Rotary(BeatKind):
    """Two exact products a value, their sum rounded once."""

    name: ClassVar[str] = "rotary"
    takes: ClassVar[tuple[type[Node], ...]] = (Rotations,)
    rescales: ClassVar[bool] = True

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """Constants in the order in which values pass; pairs lie as far apart in every token."""
        if not isinstance(node, Rotations):
            return None
        (operand,) = operands
        half = _half(node.partner, operand.channels)
        if half is None:
            reason = f"it turns pairs that do not lie equally far apart among {operand.channels} channels"
            return Obstacle(reason, "rotate the halves of a head, or neighbours, of whole parts of it")
        if not all(np.isfinite(table).all() for table in (node.cosines, node.sines)):
            return Obstacle("it multiplies by constants that are not finite", "give it cosines and sines")
        tables, each = distinct_rows(np.concatenate([node.cosines, node.sines], axis=1))
        if tables.size > _MOST_VALUES:
            return Obstacle(
                f"it has {tables.size:,} cosines and sines", f"hardware stores {_MOST_VALUES:,} for a layer"
            )
        return RotaryLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(operand.tensor,),
            output=node.outputs[0],
            shapes=((operand.channels, operand.positions),),
            m=operand.channels,
            positions=operand.positions,
            tables=np.stack(np.split(tables, 2, axis=1)),
            each=each,
            half=half,
        )

    def spec(self, layer: FloatLayer, bits: int) -> RotarySpec:
        """Shapes and widths."""
        assert isinstance(layer, RotaryLayer)
        ((n, positions),) = layer.shapes
        return RotarySpec(
            layer.name,
            (TensorShape(n, bits, positions),),
            TensorShape(layer.m, bits, layer.positions),
            layer.activation,
            parameters=layer.parameters,
            half=layer.half,
            rows=layer.tables.shape[1],
            each=layer.each,
            weight_bits=bits,
        )

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """Both tables at one binary point, so that products add as they are."""
        assert isinstance(spec, RotarySpec)
        assert isinstance(layer, RotaryLayer)
        weights = best_format(layer.tables, spec.weight_bits)
        arrays = {name: weights.quantize(table) for name, table in zip(_TABLES, layer.tables, strict=True)}
        output = output_format(outputs, spec.out_bits, spec.activation, formats[0].frac + weights.frac)
        names = (layer.inputs, layer.output)
        return FixedLayer(spec, layer.node, *names, formats, output, arrays, weight_frac=weights.frac)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """The exact sum of two products, then the end of every layer."""
        spec, (x,) = layer.spec, values
        assert isinstance(spec, RotarySpec)
        row = np.arange(len(x)) // spec.each % spec.rows
        other = x.reshape(len(x), -1, 2, spec.half)[:, :, ::-1].reshape(x.shape)
        out, lost = finish(x * layer.arrays["cosines"][row] + other * layer.arrays["sines"][row], layer)
        return out, {"output": lost}

    def choices(self, spec: LayerSpec) -> list[int]:
        """Beats that divide half a group, hold groups, or the token."""
        assert isinstance(spec, RotarySpec)
        every = vectors(spec.n, max(spec.data_bits, spec.weight_bits, spec.out_bits))
        return [v for v in every if spec.half % v == 0 or v % (2 * spec.half) == 0 or v >= spec.n]

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: a beat an iteration; a group leaves while the next one comes."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, RotarySpec)
        beats, waits = ceil_div(spec.n, vec), spec.waits(vec)
        program = Program(
            beats, (Port("in0", every_beat(beats, -waits)),), (Port("out0", every_beat(beats)),), prologue=waits
        )
        product = multiplier(spec.weight_bits, spec.data_bits, ports)
        table = memory(spec.rows * beats, vec * spec.weight_bits, writes=0)
        cost = control(2).plus(product.times(2 * vec), table.times(2), finish_cost(spec, spec.value_bits, vec, ports))
        if not product.dsp:
            cost = cost.plus(adder(spec.value_bits).times(vec))
        if waits:
            cost = cost.plus(memory(waits, vec * spec.data_bits).times(2))
        useful = 2 * spec.n if product.dsp else 0
        return (ProcessModel("rotary", "rotary", program, cost, _TABLES, products=useful),)

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """Both tables, in banks of a beat; padded with zeros."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, RotarySpec)
        return tuple(Rom(name, "weight_t", banked(layer.arrays[name], vec, spec.weight_bits)) for name in _TABLES)

    def work(self, spec: LayerSpec) -> tuple[Work, ...]:
        """Two products and a sum a value."""
        assert isinstance(spec, RotarySpec)
        values = spec.n * spec.positions
        return multiplications(2 * values, spec.data_bits, spec.weight_bits), additions(values, spec.value_bits)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As rotary.h asks."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, RotarySpec)
        assert layer is not None
        lanes = bank_lanes(vec, spec.weight_bits)
        return {
            "n": spec.n,
            "half": spec.half,
            "rows": spec.rows,
            "each": spec.each,
            "in_bits": spec.data_bits,
            "weight_bits": spec.weight_bits,
            "vec": vec,
            "rom_banks": vec // lanes,
            "rom_lanes": lanes,
            **finish_configuration(layer),
        }


def _half(partner: NDArray[np.int64], channels: int) -> int | None:
    """How far the channels of a pair lie apart; None where that differs, or pairs are no groups of that size."""
    half = int(partner.flat[0]) if partner.size else 0
    if half < 1 or channels % (2 * half):
        return None
    places = np.arange(partner.size).reshape(-1, 2, half)
    return half if np.array_equal(places[:, ::-1].reshape(-1), partner.reshape(-1)) else None
