# SPDX-License-Identifier: Apache-2.0
"""Softmax over the channels of a token: `y = exp(f (x - max)) / sum of exp(f (x - max))`.

The maximum is subtracted exactly, so no power is above 1. Powers come from a table (fit.py) whose largest error is
stated, sums are exact. The quotient is a product with the reciprocal of the sum, from a table of lines, or a division
(docs/arithmetic.md section 6). Processes: maximum, powers and their sum, reciprocal, quotients; the token waits in the
streams between them, so the next one is under way while this one leaves. A constant mask of attention is one bit a
value beside the maximum: what it hides counts in neither maximum nor sum, and its y is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil, log2
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import Cost, adder, control, multiplexer, multiplier, register
from swm.graph import Node, Softmax
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import BeatKind, distinct_rows, every_beat, vectors
from swm.layers.curves import Curve
from swm.layers.finish import describe_curve, finish, finish_configuration, finish_cost, policy
from swm.layers.fit import curve_of
from swm.layers.formats import output_format
from swm.layers.program import BeatStream, Port, ProcessModel, Program, Rom, Run
from swm.layers.reciprocals import Reciprocals, reciprocals
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

__all__ = ["SoftRows", "SoftmaxKind", "SoftmaxLayer", "SoftmaxSpec", "reciprocal_table"]

_MOST_CHANNELS = 4096
_MOST_HIDDEN = 1 << 22  # entries of a mask, a bit each
_GUARD = 3  # bits that a quotient has below those of an output in [-1, 1)
_POWER_GUARD = 4  # bits that a power has beyond those of the output
_WIDEST = 18  # bits of a power: the narrow port of a DSP block
_FINEST = 17  # fractional bits of a reciprocal


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftRows(Node):
    """A Softmax along the last axis of values that are multiplied by a positive number first.

    Attributes:
        axis: along which it runs.
        factor: that number.
        hidden: whether a value is left out, in the shape of a sample, or, as the layer sees it, (positions, channels)
            in the order in which they pass; None: none is.
    """

    op: ClassVar[str] = "Softmax"

    axis: int = -1
    factor: float = 1.0
    hidden: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class SoftmaxLayer(FloatLayer):
    """A Softmax in float: what its inputs are multiplied by, and its mask, (rows, n), a row for `each` tokens."""

    factor: float = 1.0
    hidden: NDArray[np.bool_] | None = None
    each: int = 1


@dataclass(frozen=True)
class SoftmaxSpec(LayerSpec):
    """A Softmax by its shapes.

    Attributes:
        factor: what inputs are multiplied by.
        division: "table" (a product with a reciprocal) or "exact".
        mask_rows: of the mask, behind the last of which comes the first; 0: there is no mask.
        mask_each: tokens in a row that share one.
    """

    kind: ClassVar[str] = "softmax"

    factor: float = field(default=1.0, kw_only=True)
    division: str = field(default="table", kw_only=True)
    mask_rows: int = field(default=0, kw_only=True)
    mask_each: int = field(default=1, kw_only=True)

    @property
    def token_bits(self) -> int:
        """Bits of a value on its way to its power; one more where it may be hidden."""
        return self.data_bits + (1 if self.mask_rows else 0)

    @property
    def doublings(self) -> int:
        """Of the factor: they move the binary point of the values, as tables of steep functions are too large."""
        return max(0, ceil(log2(self.factor)))

    @property
    def rate(self) -> float:
        """What is left of the factor."""
        return self.factor / 2**self.doublings

    @property
    def power_bits(self) -> int:
        """Bits of a power, 2 of them left of its binary point: it is 1 at most."""
        return min(self.out_bits + _POWER_GUARD, _WIDEST)

    @property
    def total_bits(self) -> int:
        """Bits of the sum of the powers of a token."""
        return self.power_bits + clog2(self.n)

    @property
    def quotient_frac(self) -> int:
        """Fractional bits of a quotient."""
        return self.out_bits + _GUARD

    @property
    def value_bits(self) -> int:
        """Bits of a quotient."""
        return self.quotient_frac + 3

    @property
    def table(self) -> Reciprocals:
        """Reciprocals of sums."""
        return reciprocals(min(self.quotient_frac, _FINEST))

    @property
    def factor_bits(self) -> int:
        """Bits of what goes with a token to its quotients: a reciprocal and a shift, or the sum."""
        return self.total_bits if self.division == "exact" else max(self.table.frac + 2, 8)


class SoftmaxKind(BeatKind):
    """Powers of what is below the maximum, over their sum."""

    name: ClassVar[str] = "softmax"
    takes: ClassVar[tuple[type[Node], ...]] = (Softmax, SoftRows)
    rescales: ClassVar[bool] = True
    fuses: ClassVar[bool] = False

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A Softmax along the last axis."""
        if not isinstance(node, SoftRows):
            return None
        (operand,) = operands
        if not 2 <= operand.channels <= _MOST_CHANNELS:
            return Obstacle(f"it runs over {operand.channels:,} values", f"hardware takes 2 to {_MOST_CHANNELS:,}")
        if not 2.0**-6 <= node.factor <= 64:
            return Obstacle(f"its inputs are multiplied by {node.factor:g}", "hardware takes 1/64 to 64")
        hides = node.hidden if node.hidden is not None and node.hidden.any() else None
        hidden, each = (None, 1) if hides is None else distinct_rows(hides)
        if hidden is not None and hidden.all(axis=1).any():
            return Obstacle("its mask hides every value of a row", "leave a value of each: nothing has no maximum")
        if hidden is not None and hidden.size > _MOST_HIDDEN:
            return Obstacle(f"its mask has {hidden.size:,} entries", f"hardware stores {_MOST_HIDDEN:,} for a layer")
        return SoftmaxLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(operand.tensor,),
            output=node.outputs[0],
            shapes=((operand.channels, operand.positions),),
            m=operand.channels,
            positions=operand.positions,
            factor=node.factor,
            hidden=hidden,
            each=each,
        )

    def spec(self, layer: FloatLayer, bits: int) -> SoftmaxSpec:
        """Shapes and widths."""
        assert isinstance(layer, SoftmaxLayer)
        ((n, positions),) = layer.shapes
        shape = TensorShape(n, bits, positions)
        rows = 0 if layer.hidden is None else len(layer.hidden)
        return SoftmaxSpec(layer.name, (shape,), shape, factor=layer.factor, mask_rows=rows, mask_each=layer.each)

    def divided_exactly(self, spec: LayerSpec) -> LayerSpec:
        """Powers over their sum."""
        assert isinstance(spec, SoftmaxSpec)
        return replace(spec, division="exact")

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """The table of exponents for the input's binary point, and the output's format."""
        assert isinstance(spec, SoftmaxSpec)
        output = output_format(outputs, spec.out_bits, "identity", spec.quotient_frac)
        power = curve_of(
            "exponential", (spec.rate,), formats[0].frac - spec.doublings, spec.power_bits - 2, spec.power_bits
        )
        table = spec.table
        arrays = {} if spec.division == "exact" else {"reciprocals": np.stack([table.starts, table.rises], axis=1)}
        if spec.mask_rows:
            assert isinstance(layer, SoftmaxLayer)
            arrays["mask"] = np.asarray(layer.hidden, np.int64)
        shift = formats[0].frac - spec.quotient_frac  # so that `value_frac` is that of a quotient
        names = (layer.inputs, layer.output)
        return FixedLayer(spec, layer.node, *names, formats, output, arrays, acc_shift=shift, inner=(power,))

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Powers by the table, their exact sum, quotients (docs/arithmetic.md section 6)."""
        spec, (x,) = layer.spec, values
        assert isinstance(spec, SoftmaxSpec)
        (power,) = layer.inner
        if power is None:
            raise ValueError("a Softmax has a table of exponents")
        hidden = np.zeros((1, spec.n), bool)
        if spec.mask_rows:
            hidden = layer.arrays["mask"][np.arange(len(x)) // spec.mask_each % spec.mask_rows] != 0
        best = np.where(hidden, -(1 << (spec.data_bits - 1)), x).max(axis=1, keepdims=True)
        powers = np.clip(power.apply(np.where(hidden, 0, x - best)), 0, (1 << (spec.power_bits - 1)) - 1)
        powers = np.where(hidden, 0, powers)
        total = powers.sum(axis=1, keepdims=True)
        if total.size and total.min() < 1 << (spec.power_bits - 3):
            raise ValueError("no table of exponents is like this")
        if spec.division == "exact":
            quotients = ((powers << spec.quotient_frac) + (total >> 1)) // total
        else:
            table = reciprocal_table(layer)
            length = np.frexp(total.astype(np.float64))[1].astype(np.int64) - 1  # 2^length <= total < 2^(length + 1)
            cut = length - table.frac
            mantissa = np.where(cut >= 0, total >> np.maximum(cut, 0), total << np.maximum(-cut, 0))
            down = table.frac + length - spec.quotient_frac
            quotients = (powers * table.value(mantissa) + ((1 << down) >> 1)) >> down
        out, lost = finish(quotients, layer)
        return out, {"output": lost}

    def choices(self, spec: LayerSpec) -> list[int]:
        """Beats of powers are the widest."""
        assert isinstance(spec, SoftmaxSpec)
        return vectors(spec.n, max(spec.token_bits, spec.power_bits))

    def streams(self, built: Implementation) -> tuple[BeatStream, ...]:
        """The token and its maximum, its powers and their sum, the reciprocal."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, SoftmaxSpec)
        beats = ceil_div(spec.n, vec)
        found = (
            BeatStream("token", "token_t" if spec.mask_rows else "in_t", vec, spec.token_bits, beats),
            BeatStream("top", "in_t", 1, spec.data_bits, 1),
            BeatStream("powers", "power_t", vec, spec.power_bits, beats),
            BeatStream("total", "total_t", 1, spec.total_bits, 1),
        )
        return found if spec.division == "exact" else (*found, BeatStream("factor", "factor_t", 2, spec.factor_bits, 1))

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """Maximum, powers, reciprocal, quotients."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, SoftmaxSpec)
        beats, exact = ceil_div(spec.n, vec), spec.division == "exact"
        each, once, last = every_beat(beats), every_beat(1), (Run(beats - 1, 1, 1),)
        top = Program(beats, (Port("in0", each),), (Port("token", each), Port("top", last)))
        power = Program(beats, (Port("top", once), Port("token", each)), (Port("powers", each), Port("total", last)))
        factor = Program(1, (Port("total", once),), (Port("factor", once),))
        given = "total" if exact else "factor"
        quotient = Program(beats, (Port(given, once), Port("powers", each)), (Port("out0", each),))
        greatest = ProcessModel("max", "softmax_top", top, _top_cost(spec, vec))
        if spec.mask_rows:
            way = (spec.mask_each, spec.mask_rows)
            greatest = ProcessModel("max", "softmax_mask", top, _mask_cost(spec, vec), ("mask",), way)
        masked = (1,) if spec.mask_rows else ()
        found = [
            greatest,
            ProcessModel("exp", "softmax_power", power, _power_cost(spec, vec, ports), arguments=masked),
            ProcessModel("recip", "softmax_factor", factor, _factor_cost(spec, ports), ("reciprocals",)),
            ProcessModel(
                "quotient",
                "softmax_divide" if exact else "softmax_scale",
                quotient,
                _quotient_cost(spec, vec, ports),
                products=0 if exact else spec.n,
            ),
        ]
        return tuple(process for process in found if not exact or process.name != "recip")

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """The mask, and the table of reciprocals."""
        spec, vec = built.spec, built.in_vec
        table, mask = layer.arrays.get("reciprocals"), layer.arrays.get("mask")
        found = []
        if mask is not None:
            beats = ceil_div(spec.n, vec)
            padded = np.pad(mask, ((0, 0), (0, beats * vec - spec.n)))
            found.append(Rom("mask", "mask_t", -padded.reshape(1, len(mask) * beats, vec)))
        return tuple(found) if table is None else (*found, Rom("reciprocals", "entry_t", table[None]))

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As softmax.h asks."""
        spec = built.spec
        assert isinstance(spec, SoftmaxSpec)
        assert layer is not None
        (power,) = layer.inner or (None,)
        return {
            "n": spec.n,
            "in_bits": spec.data_bits,
            "power_bits": spec.power_bits,
            "quotient_frac": spec.quotient_frac,
            "recip_frac": spec.table.frac,
            "recip_step": spec.table.step_bits,
            "vec": built.in_vec,
            **finish_configuration(layer),
            "power": policy("exponential", power, f"{spec.name}_power"),
        }

    def inner_activations(self, layer: FixedLayer) -> tuple[tuple[str, str, Curve | None], ...]:
        """The exponents."""
        spec, (power,) = layer.spec, layer.inner
        assert isinstance(spec, SoftmaxSpec)
        words = describe_curve("exponential", (spec.factor,), power, layer.input_formats[0].frac, spec.power_bits - 2)
        return ((f"{spec.name}_power", f"{words}; {quotient_words(spec)}", power),)


def quotient_words(spec: SoftmaxSpec) -> str:
    """How a quotient is made, and its largest relative error."""
    if spec.division == "exact":
        return "powers are divided by their sum, exactly but for one rounding"
    table = spec.table
    lines = f"table of {len(table.starts)} lines"
    return f"the reciprocal of the sum comes from a {lines}, off by at most {table.error:.1e} of it (over all sums)"


def reciprocal_table(layer: FixedLayer) -> Reciprocals:
    """The table of reciprocals that a layer holds."""
    assert isinstance(layer.spec, SoftmaxSpec)
    known, entries = layer.spec.table, layer.arrays["reciprocals"]
    if entries.shape != (len(known.starts), 2):
        raise ValueError("no table of reciprocals is like this")
    return replace(known, starts=entries[:, 0], rises=entries[:, 1])


def _mask_cost(spec: SoftmaxSpec, vec: int) -> Cost:
    """A bit a word beside the maximum."""
    depth = spec.mask_rows * ceil_div(spec.n, vec)
    lanes = Cost(logic=2 * vec, ff=vec)
    return _top_cost(spec, vec).plus(memory(depth, vec, writes=0), lanes, control())


def _top_cost(spec: SoftmaxSpec, vec: int) -> Cost:
    """A comparison and a choice a word."""
    one = adder(spec.data_bits).plus(multiplexer(2, spec.data_bits))
    return control().plus(one.times(vec), register(vec * spec.data_bits))


def _power_cost(spec: SoftmaxSpec, vec: int, ports: DspPorts) -> Cost:
    """A subtraction, a table and an addition a word; the table as of a layer's end, for the finest input."""
    like = LayerSpec(
        "", spec.inputs, TensorShape(spec.n, spec.power_bits, spec.positions), "exponential", parameters=(spec.rate,)
    )
    lane = adder(spec.data_bits + 1).plus(finish_cost(like, spec.data_bits + 1, 1, ports), adder(spec.total_bits))
    return control().plus(lane.times(vec), register(spec.data_bits))


def _factor_cost(spec: SoftmaxSpec, ports: DspPorts) -> Cost:
    """A shift to the left by any number of bits, a line of the table."""
    table = spec.table
    return control().plus(
        multiplexer(2, spec.total_bits).times(clog2(spec.total_bits)),
        Cost(logic=spec.total_bits),  # which power of two
        memory(len(table.starts), 2 * (table.frac + 4), writes=0),
        multiplier(table.frac + 4, table.step_bits + 1, ports),
        adder(table.frac + table.step_bits + 3).times(2),
    )


def _quotient_cost(spec: SoftmaxSpec, vec: int, ports: DspPorts) -> Cost:
    """A multiplier and a shift a word; or a divider: a subtraction and a choice for each bit of the quotient."""
    if spec.division == "exact":
        lane = adder(spec.total_bits + 1).plus(multiplexer(2, spec.total_bits)).times(spec.quotient_frac + 1)
    else:
        wide = spec.power_bits + spec.table.frac + 2
        lane = multiplier(spec.power_bits, spec.table.frac + 2, ports).plus(
            adder(wide), multiplexer(2, wide).times(clog2(spec.total_bits))
        )
    end = finish_cost(spec, spec.value_bits, 1, ports)
    return control().plus(lane.plus(end).times(vec), register(2 * spec.factor_bits))
