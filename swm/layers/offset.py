# SPDX-License-Identifier: Apache-2.0
"""The offset layer: `y = activation(x + table)`, a constant for each value of a frame.

Positions of the table alone may stand before and after those of x. That is an embedding of positions, and a class token
before the tokens of an image.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import control
from swm.errors import CalibrationError
from swm.graph import Node
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import BeatKind, every_beat, vectors
from swm.layers.finish import finish, finish_configuration, finish_cost
from swm.layers.formats import best_format, output_format
from swm.layers.products import bank_lanes, banked
from swm.layers.program import Port, ProcessModel, Program, Rom, Run
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

__all__ = ["Offset", "OffsetSpec", "Offsets", "shifts"]

_MOST_BITS = 60  # what offset.h holds a sum in, with room to round
_MOST_VALUES = 1 << 20  # constants of a layer
_LARGEST = 2.0**14  # of them; masks of attention are larger by far
_NO_MASKS = (
    "hardware has masks of attention where zeros, and -inf or less than -99 for what is hidden, are added straight"
    " before a Softmax; add other constants before the mask"
)
_USUAL_SHIFT = 4  # bits that binary points of values and table usually lie apart, for costs


@dataclass(frozen=True, kw_only=True, eq=False)
class Offsets(Node):
    """Constants added to each value of a sample, and joined to it along its first axis.

    Attributes:
        table: a value for each of the output, in the shape of a sample of it, or, as the layer sees it, (positions,
            channels) in the order in which they pass.
        before: how many positions along the first axis stand before those of the input.
        after: and behind them.
    """

    op: ClassVar[str] = "Add"

    table: NDArray[np.float32]
    before: int = 0
    after: int = 0


@dataclass(frozen=True, eq=False)
class OffsetLayer(FloatLayer):
    """An offset in float: (positions, channels) constants, and how many positions stand before the input's."""

    table: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    before: int = 0


@dataclass(frozen=True)
class OffsetSpec(LayerSpec):
    """An offset by its shapes; `before` positions stand before those of the input."""

    kind: ClassVar[str] = "offset"

    before: int = 0
    weight_bits: int = 0

    @property
    def tokens(self) -> int:
        """A table is that of a frame."""
        return 1

    @property
    def value_bits(self) -> int:
        """Bits of the sum as costs assume them; its exact width follows from the formats."""
        return max(self.data_bits, self.weight_bits) + _USUAL_SHIFT + 1

    @property
    def stored_words(self) -> int:
        """A constant for each value of a frame (counted)."""
        return self.m * self.output.positions

    @property
    def stored_bits(self) -> int:
        """Bits of all constants (counted)."""
        return self.stored_words * self.weight_bits


class Offset(BeatKind):
    """The exact sum with a table; the one with fewer fractional bits is shifted to the left."""

    name: ClassVar[str] = "offset"
    takes: ClassVar[tuple[type[Node], ...]] = (Offsets,)
    rescales: ClassVar[bool] = True

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """Constants in the order in which values pass."""
        if not isinstance(node, Offsets):
            return None
        (operand,), table = operands, node.table
        if table.size > _MOST_VALUES:
            return Obstacle(f"it adds {table.size:,} constants", f"hardware stores {_MOST_VALUES:,} for a layer")
        if not np.isfinite(table).all():
            return Obstacle("it adds constants that are not finite", _NO_MASKS)
        if np.abs(table).max() > _LARGEST:
            reason = f"it adds constants of up to {np.abs(table).max():.1e}, beside which values have no bits left"
            return Obstacle(reason, _NO_MASKS)
        return OffsetLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(operand.tensor,),
            output=node.outputs[0],
            shapes=((operand.channels, operand.positions),),
            m=operand.channels,
            positions=len(table),
            table=table,
            before=node.before,
        )

    def spec(self, layer: FloatLayer, bits: int) -> OffsetSpec:
        """Shapes and widths."""
        assert isinstance(layer, OffsetLayer)
        ((n, positions),) = layer.shapes
        return OffsetSpec(
            name=layer.name,
            inputs=(TensorShape(n, bits, positions),),
            output=TensorShape(layer.m, bits, layer.positions),
            activation=layer.activation,
            parameters=layer.parameters,
            before=layer.before,
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
        """The table at its best binary point.

        Raises:
            CalibrationError: it differs so much in size from the values that the exact sum takes more than 60 bits.
        """
        assert isinstance(spec, OffsetSpec)
        assert isinstance(layer, OffsetLayer)
        table, (given,) = best_format(layer.table, spec.weight_bits), formats
        value_frac = max(given.frac, table.frac)
        width = max(given.bits + value_frac - given.frac, table.bits + value_frac - table.frac) + 1
        if width > _MOST_BITS:
            raise CalibrationError(
                f"layer {layer.node!r} adds constants of very different size (binary points {given.frac} and"
                f" {table.frac}): the exact sum takes more than {_MOST_BITS} bits; scale the constants in the model"
            )
        output = output_format(outputs, spec.out_bits, spec.activation, value_frac)
        arrays = {"weights": table.quantize(layer.table)}
        shift = given.frac + table.frac - value_frac
        names = (layer.inputs, layer.output)
        return FixedLayer(spec, layer.node, *names, formats, output, arrays, weight_frac=table.frac, acc_shift=shift)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """The exact sum, then the end of every layer."""
        spec, (x_shift, table_shift) = layer.spec, shifts(layer)
        assert isinstance(spec, OffsetSpec)
        frames = values[0].reshape(-1, spec.positions, spec.n)
        sums = np.repeat((layer.arrays["weights"] << table_shift)[None], len(frames), axis=0)
        sums[:, spec.before : spec.before + spec.positions] += frames << x_shift
        out, lost = finish(sums.reshape(-1, spec.m), layer)
        return out, {"output": lost}

    def beats(self, spec: LayerSpec, vec: int) -> int:
        """All positions that leave."""
        return spec.output.positions * ceil_div(spec.m, vec)

    def choices(self, spec: LayerSpec) -> list[int]:
        """A beat of constants is one word of a ROM."""
        assert isinstance(spec, OffsetSpec)
        return vectors(spec.n, max(spec.data_bits, spec.weight_bits, spec.out_bits))

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: a beat that leaves an iteration."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, OffsetSpec)
        period, beats = self.beats(spec, vec), ceil_div(spec.n, vec)
        reads = (Run(spec.before * beats, 1, spec.positions * beats),)
        program = Program(period, (Port("in0", reads),), (Port("out0", every_beat(period)),))
        cost = control().plus(
            memory(period, vec * spec.weight_bits, writes=0), finish_cost(spec, spec.value_bits, vec, ports)
        )
        return (ProcessModel("offset", "offset", program, cost, ("weights",)),)

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """The table, in banks of a beat; padded with zeros."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, OffsetSpec)
        return (Rom("weights", "weight_t", banked(layer.arrays["weights"], vec, spec.weight_bits)),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As offset.h asks."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, OffsetSpec)
        assert layer is not None
        (x_shift, table_shift), lanes = shifts(layer), bank_lanes(vec, spec.weight_bits)
        return {
            "n": spec.n,
            "before": spec.before,
            "positions": spec.positions,
            "out_positions": spec.output.positions,
            "in_bits": spec.data_bits,
            "weight_bits": spec.weight_bits,
            "in_shift": x_shift,
            "weight_shift": table_shift,
            "vec": vec,
            "rom_banks": vec // lanes,
            "rom_lanes": lanes,
            **finish_configuration(layer),
        }


def shifts(layer: FixedLayer) -> tuple[int, int]:
    """Left shifts that bring values and table to one binary point."""
    (given,) = layer.input_formats
    return layer.value_frac - given.frac, layer.value_frac - layer.weight_frac
