# SPDX-License-Identifier: Apache-2.0
"""Layer normalisation: `y = activation(g (x - mean) / sqrt(variance + epsilon) + b)` over the channels of a token.

All sums are exact; only the root is not: it comes from a table of lines (docs/arithmetic.md section 6). Three
processes: sums of a token, its root, its outputs. The token itself waits in the stream between the first and the last,
so the next one is summed while this one leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil, floor, log2
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import Cost, adder, constant_multiplier, control, multiplexer, multiplier, register
from swm.errors import CalibrationError
from swm.graph import LayerNormalization, Node
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import BeatKind, every_beat, vectors
from swm.layers.finish import finish, finish_configuration, finish_cost
from swm.layers.formats import best_format, finest_bias, output_format
from swm.layers.products import bank_lanes, banked
from swm.layers.program import BeatStream, Port, ProcessModel, Program, Rom, Run
from swm.layers.roots import Roots, roots
from swm.layers.rounding import round_shift
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

__all__ = ["LayerNorm", "LayerNormSpec", "Normalize", "normal_frac", "root_table"]

_MOST_CHANNELS = 4096
_FINEST_ROOT = 18  # fractional bits of a root: the narrow port of a DSP block, sign aside
_MOST_BITS = 62
_GUARD = 3  # bits that a normalised value has below the output's last one


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalize(Node):
    """A LayerNormalization whose gains and offsets are known."""

    op: ClassVar[str] = "LayerNormalization"

    gains: NDArray[np.float32]
    offsets: NDArray[np.float32]
    axis: int
    epsilon: float


@dataclass(frozen=True, eq=False)
class NormLayer(FloatLayer):
    """A normalisation in float: gains (n,) and epsilon beside the bias."""

    gains: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    epsilon: float = 0.0


@dataclass(frozen=True)
class LayerNormSpec(LayerSpec):
    """A normalisation by its shapes."""

    kind: ClassVar[str] = "layernorm"
    mean_free: ClassVar[bool] = False

    weight_bits: int = 0

    @property
    def sum_bits(self) -> int:
        """Bits of the sum of squares of a token, and of the sum."""
        return 2 * self.data_bits + clog2(self.n)

    @property
    def centred_bits(self) -> int:
        """Bits of `n x - sum`."""
        return self.data_bits + clog2(self.n) + 1

    @property
    def scale_bits(self) -> int:
        """Bits of what goes with a token: its sum, its root, a shift."""
        return max(self.data_bits + clog2(self.n), _FINEST_ROOT + 2)

    @property
    def normal_bits(self) -> int:
        """Bits of a normalised value at its finest binary point: it is at most sqrt(n)."""
        return self.out_bits + _GUARD - 1 + normal_whole(self.n)

    @property
    def bias_bits(self) -> int:
        """Bits of an offset, at the binary point of the products."""
        return self.normal_bits + self.weight_bits

    @property
    def value_bits(self) -> int:
        """Bits of the pre-activation value: product plus offset."""
        return self.bias_bits + 1

    @property
    def stored_words(self) -> int:
        """A gain a channel (counted)."""
        return self.n

    @property
    def stored_bits(self) -> int:
        """Bits of the gains (counted)."""
        return self.n * self.weight_bits


def normal_whole(n: int) -> int:
    """Bits of a normalised value left of its binary point, sign and a rounding included."""
    return (clog2(n) + 1) // 2 + 2


class LayerNorm(BeatKind):
    """A token's mean and variance, exactly; then each value by one root a token."""

    name: ClassVar[str] = "layernorm"
    takes: ClassVar[tuple[type[Node], ...]] = (LayerNormalization, Normalize)
    rescales: ClassVar[bool] = True
    _form: ClassVar[type[Normalize]] = Normalize
    _spec: ClassVar[type[LayerNormSpec]] = LayerNormSpec

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A normalisation over the last axis."""
        if isinstance(node, self.takes[0]):
            return Obstacle("its scale or bias is computed by the network", "hardware takes constants")
        if type(node) is not self._form:
            return None
        assert isinstance(node, Normalize)
        (operand,) = operands
        n = operand.channels
        if node.axis != -1 or node.gains.size != n or node.offsets.size != n:
            reason = f"it has {node.gains.size} factors from axis {node.axis} on, for {operand.positions} x {n} values"
            return Obstacle(reason + " a sample", "hardware normalises over the last axis only")
        if not 2 <= n <= _MOST_CHANNELS:
            return Obstacle(f"it normalises {n:,} values", f"hardware takes 2 to {_MOST_CHANNELS:,}")
        return NormLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(operand.tensor,),
            output=node.outputs[0],
            shapes=((n, operand.positions),),
            m=n,
            positions=operand.positions,
            bias=node.offsets.reshape(-1),
            gains=node.gains.reshape(-1),
            epsilon=node.epsilon,
        )

    def spec(self, layer: FloatLayer, bits: int) -> LayerNormSpec:
        """Shapes and widths."""
        ((n, positions),) = layer.shapes
        shape = TensorShape(n, bits, positions)
        return self._spec(
            name=layer.name,
            inputs=(shape,),
            output=shape,
            activation=layer.activation,
            parameters=layer.parameters,
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
        """Normalised values so fine that their rounding is an eighth of the output's last bit; gains at their best.

        Raises:
            CalibrationError: epsilon is so much larger than the inputs that it does not fit beside them.
        """
        assert isinstance(spec, LayerNormSpec)
        assert isinstance(layer, NormLayer)
        gains, bias = layer.gains.astype(np.float64), layer.bias.astype(np.float64)
        coarse = output_format(outputs, spec.out_bits, spec.activation, spec.out_bits + 40).frac
        largest = max(float(np.abs(gains).max()), 2.0**-20)
        frac = min(max(coarse + _GUARD + ceil(log2(largest)), 2), spec.out_bits + _GUARD - 1)
        weights = Format(
            spec.weight_bits,
            min(best_format(gains, spec.weight_bits).frac, finest_bias(bias, spec.bias_bits) - frac),
        )
        epsilon = max(1, floor(layer.epsilon * spec.n**2 * 4.0 ** formats[0].frac + 0.5))
        if _spread_bits(spec, epsilon) > _MOST_BITS:
            raise CalibrationError(
                f"layer {layer.node!r} normalises values that are far smaller than the root of its epsilon"
                f" {layer.epsilon:g}: raise the inputs in the model, or lower epsilon"
            )
        table = roots(min(frac + 2, _FINEST_ROOT))
        arrays = {
            "weights": weights.quantize(gains),
            "bias": Format(spec.bias_bits, frac + weights.frac).quantize(bias),
            "epsilon": np.array([epsilon], np.int64),
            "roots": np.stack([table.starts, table.rises], axis=1),
        }
        output = output_format(outputs, spec.out_bits, spec.activation, frac + weights.frac)
        shift = formats[0].frac - frac  # so that `value_frac` is that of the products
        return FixedLayer(spec, layer.node, layer.inputs, layer.output, formats, output, arrays, weights.frac, shift)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Exact sums, a root a token, products with gains, the end of every layer (docs/arithmetic.md section 6)."""
        (x,), n, frac = values, layer.spec.n, normal_frac(layer)
        table = root_table(layer)
        total, squares = self.total(x), (x * x).sum(axis=1, keepdims=True)
        spread = n * squares - total * total + layer.arrays["epsilon"]
        half = (_bit_length(spread) + 1) // 2 - 1  # 4^half <= spread < 4^(half + 1)
        down = 2 * half - table.frac
        mantissa = np.where(down >= 0, spread >> np.maximum(down, 0), spread << np.maximum(-down, 0))
        root = table.value(mantissa)
        scaled = (n * x - total) << frac
        narrowed = (scaled + ((1 << half) >> 1)) >> half
        normal = round_shift(narrowed * root, table.frac)
        out, lost = finish(normal * layer.arrays["weights"] + layer.arrays["bias"], layer)
        return out, {"output": lost}

    def total(self, x: Ints) -> Ints:
        """The sum of each token, (rows, 1)."""
        return x.sum(axis=1, keepdims=True)

    def choices(self, spec: LayerSpec) -> list[int]:
        """A beat of offsets is one word of a ROM."""
        assert isinstance(spec, LayerNormSpec)
        return vectors(spec.n, max(spec.bias_bits, spec.out_bits))

    def streams(self, built: Implementation) -> tuple[BeatStream, ...]:
        """The token on its way, its two sums, and its root with what goes with it."""
        spec = built.spec
        assert isinstance(spec, LayerNormSpec)
        return (
            BeatStream("token", "in_t", built.in_vec, spec.data_bits, ceil_div(spec.n, built.in_vec)),
            BeatStream("sums", "sum_t", 2, spec.sum_bits, 1),
            BeatStream("scale", "scale_t", 3, spec.scale_bits, 1),
        )

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """Sums, root, outputs."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, LayerNormSpec)
        beats = ceil_div(spec.n, vec)
        last = (Run(beats - 1, 1, 1),)
        each = every_beat(beats)
        sums = Program(beats, (Port("in0", each),), (Port("token", each), Port("sums", last)))
        root = Program(1, (Port("sums", every_beat(1)),), (Port("scale", every_beat(1)),))
        outputs = Program(beats, (Port("scale", every_beat(1)), Port("token", each)), (Port("out0", each),))
        cost, n = _apply_cost(spec, vec, ports), spec.n
        return (
            ProcessModel("sum", "layernorm_sums", sums, _sums_cost(spec, vec, ports), products=n),
            ProcessModel("root", "layernorm_root", root, _root_cost(spec, ports), ("roots",)),
            ProcessModel("normal", "layernorm_apply", outputs, cost, ("weights", "bias"), products=2 * n),
        )

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """The table of roots, gains in banks of a beat, offsets; padded with zeros."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, LayerNormSpec)
        offsets = np.zeros(ceil_div(spec.n, vec) * vec, np.int64)
        offsets[: spec.n] = layer.arrays["bias"]
        banks = banked(layer.arrays["weights"][None], vec, spec.weight_bits)
        return (
            Rom("roots", "root_t", layer.arrays["roots"][None]),
            Rom("weights", "weight_t", banks),
            Rom("bias", "bias_t", offsets),
        )

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As layernorm.h asks."""
        spec, vec = built.spec, built.in_vec
        assert isinstance(spec, LayerNormSpec)
        assert layer is not None
        lanes, table, epsilon = bank_lanes(vec, spec.weight_bits), root_table(layer), _epsilon(layer)
        return {
            "n": spec.n,
            "in_bits": spec.data_bits,
            "weight_bits": spec.weight_bits,
            "bias_bits": spec.bias_bits,
            "epsilon_low": epsilon & ((1 << 30) - 1),
            "epsilon_high": epsilon >> 30,
            "spread_bits": _spread_bits(spec, epsilon),
            "normal_frac": normal_frac(layer),
            "root_frac": table.frac,
            "root_step": table.step_bits,
            "vec": vec,
            "rom_banks": vec // lanes,
            "rom_lanes": lanes,
            **finish_configuration(layer),
        }


def normal_frac(layer: FixedLayer) -> int:
    """Fractional bits of a normalised value."""
    return layer.input_formats[0].frac - layer.acc_shift


def _epsilon(layer: FixedLayer) -> int:
    """What is added to a spread; 1, the least, where a layer is known by its shapes alone."""
    return int(layer.arrays["epsilon"][0]) if "epsilon" in layer.arrays else 1


def root_table(layer: FixedLayer) -> Roots:
    """The table of roots that a layer holds."""
    known = roots(min(normal_frac(layer) + 2, _FINEST_ROOT))
    entries = layer.arrays.get("roots")
    if entries is None:  # by shapes alone, as a report asks
        return known
    if entries.shape != (len(known.starts), 2) or _epsilon(layer) < 1:
        raise ValueError("no table of roots is like this")
    return replace(known, starts=entries[:, 0], rises=entries[:, 1])


def _spread_bits(spec: LayerNormSpec, epsilon: int) -> int:
    """Bits of `n sum(x^2) - sum(x)^2 + epsilon`, and of the two it is made of."""
    return max(2 * (spec.data_bits - 1 + clog2(spec.n)), epsilon.bit_length()) + 2


def _bit_length(values: Ints) -> Ints:
    """Bits of positive integers below 2^62."""
    upper = values >> 31
    return np.where(upper > 0, np.frexp(upper.astype(np.float64))[1] + 31, np.frexp(values.astype(np.float64))[1])


def _sums_cost(spec: LayerNormSpec, vec: int, ports: DspPorts) -> Cost:
    square = multiplier(spec.data_bits, spec.data_bits, ports)
    adders = adder(spec.sum_bits).plus(adder(spec.data_bits + clog2(spec.n)))
    return control().plus(square.times(vec), adders.times(vec), register(vec * spec.data_bits))


def _root_cost(spec: LayerNormSpec, ports: DspPorts) -> Cost:
    """One of each operator, for an iteration a token; a shift to either side of a spread is a multiplexer a level."""
    wide, total = 2 * (spec.data_bits + clog2(spec.n)), spec.data_bits + clog2(spec.n)
    table = roots(min(spec.out_bits + _GUARD + 1, _FINEST_ROOT))
    levels = clog2(wide)
    squared = Cost() if spec.mean_free else multiplier(total, total, ports).plus(adder(wide))
    return control().plus(
        constant_multiplier(spec.sum_bits, spec.n),
        squared,
        adder(wide),
        multiplexer(2, wide).times(levels),
        Cost(logic=wide),  # which power of four
        memory(len(table.starts), 2 * (table.frac + 4), writes=0),
        multiplier(1 + int(np.abs(table.rises).max()).bit_length(), table.step_bits + 1, ports),
        adder(table.frac + table.step_bits + 3).times(2),
    )


def _apply_cost(spec: LayerNormSpec, vec: int, ports: DspPorts) -> Cost:
    """For each word: n x - sum, a shift by half the power of four, root, gain, offset."""
    beats, root = ceil_div(spec.n, vec), min(spec.out_bits + _GUARD + 1, _FINEST_ROOT)
    narrowed = spec.normal_bits + 1
    lane = constant_multiplier(spec.data_bits, spec.n).plus(
        adder(spec.centred_bits),
        multiplexer(2, spec.centred_bits + spec.normal_bits).times(clog2(spec.data_bits + clog2(spec.n))),
        adder(narrowed),
        multiplier(min(narrowed, spec.centred_bits + 1), root + 2, ports),  # the rest is its sign
        adder(spec.normal_bits),
        multiplier(spec.normal_bits, spec.weight_bits, ports),
        finish_cost(spec, spec.value_bits, 1, ports),
    )
    return control().plus(
        lane.times(vec),
        memory(beats, vec * spec.weight_bits, writes=0),
        memory(beats, vec * spec.bias_bits, writes=0),
        register(3 * spec.scale_bits),
    )
