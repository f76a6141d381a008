# SPDX-License-Identifier: Apache-2.0
"""The dense layer: `y = activation(W x + b)` at every position, rows x columns multipliers side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import ceil
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.memories import Storage, memory
from swm.device.primitives import (
    LUT_MULTIPLIER_LIMIT,
    MAX_STREAM_BITS,
    Cost,
    adder,
    control,
    multiplier,
    packed_multiplier,
    packs,
    register,
)
from swm.graph import Linear, Node
from swm.layers.base import LayerKind, Obstacle, Offer, Operand, Preference
from swm.layers.finish import finish, finish_configuration, finish_cost
from swm.layers.formats import best_format, finest_bias, output_format
from swm.layers.products import (
    ROM_STORAGE,
    Parts,
    ProductTable,
    bank_lanes,
    lane_choices,
    powers_of_two,
    priced,
    product_program,
    weight_rom_cost,
)
from swm.layers.program import LoadedMemory, ProcessModel, Rom
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
from swm.structure import Dense as DenseWeight

__all__ = ["Dense", "DenseBuilt", "DenseSpec"]

_MOST_LANES = 8192  # multipliers of one layer that the search looks at
_MOST_COLUMNS = 128  # columns side by side: an adder tree, and a beat of the input, grow with them


@dataclass(frozen=True)
class DenseSpec(LayerSpec):
    """A dense layer by its shapes."""

    kind: ClassVar[str] = "dense"

    weight_bits: int = 0

    @property
    def accumulator_bits(self) -> int:
        """Bits that hold the exact sum of all products of one output."""
        return self.weight_bits + self.data_bits + clog2(self.n)

    @property
    def bias_bits(self) -> int:
        """Bits of a bias, at the binary point of the sums."""
        return self.accumulator_bits

    @property
    def value_bits(self) -> int:
        """Bits of the pre-activation value: sum plus bias."""
        return self.accumulator_bits + 1

    @property
    def stored_words(self) -> int:
        """Weight integers that are stored: m n (counted)."""
        return self.m * self.n

    @property
    def stored_bits(self) -> int:
        """Bits of all stored weights (counted)."""
        return self.stored_words * self.weight_bits

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates a frame."""
        return self.m * self.n * self.positions


@dataclass(frozen=True)
class DenseBuilt(Implementation):
    """A dense layer as it is built.

    Attributes:
        rows: PE, rows multiplied side by side.
        columns: SIMD, columns multiplied side by side; a power of two.
        fabric_rows: how many of the rows multiply in LUTs.
        packed: 1 if two rows share each multiplier (two products a DSP).
        storage: where the weights lie.
    """

    spec: DenseSpec
    rows: int = 1
    columns: int = 1
    fabric_rows: int = 0
    packed: int = 0
    storage: Storage = "bram"

    @property
    def row_groups(self) -> int:
        """ceil(m / PE)."""
        return ceil_div(self.spec.m, self.rows)

    @property
    def column_groups(self) -> int:
        """ceil(n / SIMD)."""
        return ceil_div(self.spec.n, self.columns)

    @property
    def rom_depth(self) -> int:
        """Iterations that multiply, a token."""
        return self.row_groups * self.column_groups

    @property
    def rom_lanes(self) -> int:
        """Weights of a word of each bank."""
        return bank_lanes(self.rows * self.columns, self.spec.weight_bits, self.storage)

    @property
    def rom_banks(self) -> int:
        """Banks of weights."""
        return self.rows * self.columns // self.rom_lanes

    @property
    def loads(self) -> int:
        """Input beats a token."""
        return ceil_div(self.spec.n, self.in_vec)

    @property
    def valid(self) -> bool:
        """Whether the kernel takes these numbers."""
        return (
            self.columns % self.in_vec == 0
            and (self.rows % self.out_vec == 0 or self.row_groups == 1)
            and ceil_div(self.rows, self.out_vec) <= self.column_groups
            and (not self.packed or self.rows % 2 == 0)
        )

    @property
    def period(self) -> int:
        """Iterations a token."""
        return max(self.rom_depth, self.loads)

    @property
    def out_beats(self) -> int:
        """Output beats a token."""
        return ceil_div(self.spec.m, self.out_vec)


class Dense(LayerKind):
    """`y = activation(W x + b)` at every position."""

    name: ClassVar[str] = "dense"
    takes: ClassVar[tuple[type[Node], ...]] = (Linear,)

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A Linear node that holds a plain matrix."""
        if not isinstance(node, Linear) or not isinstance(node.weight, DenseWeight):
            return None
        (operand,) = operands
        m, n = node.weight.shape
        bias = np.zeros(m, np.float32) if node.bias is None else node.bias
        shapes = ((n, operand.positions),)
        return FloatLayer(
            self.name,
            name,
            node.name,
            node.inputs,
            node.outputs[0],
            shapes,
            m,
            operand.positions,
            node.weight,
            bias=bias,
        )

    def spec(self, layer: FloatLayer, bits: int) -> DenseSpec:
        """Shapes and widths."""
        ((n, positions),) = layer.shapes
        return DenseSpec(
            name=layer.name,
            inputs=(TensorShape(n, bits, positions),),
            output=TensorShape(layer.m, bits, layer.positions),
            activation=layer.activation,
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
        """The matrix at its best binary point that leaves the bias room, bias at the binary point of the sums."""
        assert isinstance(spec, DenseSpec)
        assert layer.weight is not None
        values = layer.weight.to_dense().astype(np.float64)
        most = finest_bias(layer.bias, spec.bias_bits) - formats[0].frac
        weights = Format(spec.weight_bits, min(best_format(values, spec.weight_bits).frac, most))
        value_frac = formats[0].frac + weights.frac
        arrays = {
            "weights": weights.quantize(values),
            "bias": Format(spec.bias_bits, value_frac).quantize(layer.bias.astype(np.float64)),
        }
        output = output_format(outputs, spec.out_bits, spec.activation, value_frac)
        return FixedLayer(
            spec, layer.node, layer.inputs, layer.output, formats, output, arrays, weight_frac=weights.frac
        )

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Exact sums; below 2^53 by the width rules, so float64 BLAS adds integers without rounding."""
        weights = layer.arrays["weights"].T.astype(np.float64)
        sums = (values[0].astype(np.float64) @ weights).astype(np.int64)
        out, lost = finish(sums + layer.arrays["bias"], layer)
        return out, {"output": lost}

    def offer(self, spec: LayerSpec, ports: DspPorts) -> Offer:
        """Every legal parallelism."""
        assert isinstance(spec, DenseSpec)
        return _DenseOffer(spec, ports)

    def minimal(self, spec: LayerSpec) -> DenseBuilt:
        """One multiplier."""
        assert isinstance(spec, DenseSpec)
        return DenseBuilt(spec)

    def spare_blocks(self, built: Implementation) -> Implementation | None:
        """Weights in LUTs."""
        assert isinstance(built, DenseBuilt)
        return replace(built, storage="lutram") if built.storage == "bram" else None

    def move_to_uram(self, built: Implementation) -> Implementation | None:
        """Weights in UltraRAM."""
        assert isinstance(built, DenseBuilt)
        return replace(built, storage="uram") if built.storage == "bram" else None

    def loaded(self, built: Implementation) -> LoadedMemory | None:
        """The weights, in UltraRAM."""
        assert isinstance(built, DenseBuilt)
        if built.storage != "uram":
            return None
        return LoadedMemory("weights", built.rom_banks, built.rom_depth, built.rom_lanes, built.spec.weight_bits)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: load, products and drain in one loop."""
        assert isinstance(built, DenseBuilt)
        spec, drain = built.spec, ceil_div(built.rows, built.out_vec)
        last = ceil_div(spec.m - (built.row_groups - 1) * built.rows, built.out_vec)
        program = product_program(
            "in0",
            "out0",
            depth=built.rom_depth,
            loads=built.loads,
            drain_group=built.column_groups,
            drain_step=max(1, built.column_groups // drain),
            drains=[*[drain] * (built.row_groups - 1), last],
        )
        on_dsp = (built.rows - built.fabric_rows) / built.rows
        products = round(spec.m * spec.n * on_dsp / (1 + built.packed))
        return (ProcessModel("dense", "dense", program, _cost(built, ports), ("weights", "bias"), products=products),)

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """Weights in the order of the products, and the bias."""
        assert isinstance(built, DenseBuilt)
        spec, rows, columns = built.spec, built.rows, built.columns
        padded = np.zeros((built.row_groups * rows, built.column_groups * columns), np.int64)
        padded[: spec.m, : spec.n] = layer.arrays["weights"]
        split = padded.reshape(built.row_groups, rows, built.column_groups, columns).transpose(0, 2, 1, 3)
        words = split.reshape(built.rom_depth, rows * columns)
        banks = words.reshape(built.rom_depth, -1, built.rom_lanes).transpose(1, 0, 2)
        bias = np.zeros(built.out_beats * built.out_vec, np.int64)
        bias[: spec.m] = layer.arrays["bias"]
        return (Rom("weights", "weight_t", banks, built.storage), Rom("bias", "bias_t", bias))

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As dense.h asks."""
        assert isinstance(built, DenseBuilt)
        assert layer is not None
        spec = built.spec
        return {
            "m": spec.m,
            "n": spec.n,
            "in_bits": spec.data_bits,
            "weight_bits": spec.weight_bits,
            "bias_bits": spec.bias_bits,
            "in_vec": built.in_vec,
            "out_vec": built.out_vec,
            "rows": built.rows,
            "columns": built.columns,
            "fabric_rows": built.fabric_rows,
            "packed": built.packed,
            "rom_banks": built.rom_banks,
            "rom_lanes": built.rom_lanes,
            **finish_configuration(layer),
        }


@lru_cache(maxsize=65536)
def _parts(built: DenseBuilt, ports: DspPorts) -> Parts:
    """Multipliers, sums, holding registers and weights: what does not depend on the beats."""
    spec = built.spec
    product, total = spec.weight_bits + spec.data_bits, spec.accumulator_bits
    tree = adder(product + 1).times(built.columns - 1).plus(adder(total))
    one = multiplier(spec.weight_bits, spec.data_bits, ports)
    if built.packed:  # a DSP serves two rows; its sums are split in LUTs
        pair = packed_multiplier(spec.weight_bits, spec.data_bits, ports).times(built.columns)
        dsp_row = Cost(pair.dsp / 2, 0, 0, pair.logic / 2, 0, pair.ff / 2).plus(tree)  # type: ignore[arg-type]
    elif one.dsp == 1:  # sums go down the DSPs' own adders; operands wait in SRLs until it is their turn
        dsp_row = one.times(built.columns).plus(Cost(memory=spec.weight_bits).times(built.columns - 1))
    else:
        dsp_row = one.times(built.columns).plus(tree)
    fabric = multiplier(spec.weight_bits, spec.data_bits, ports, fabric=True).times(built.columns).plus(tree)
    # A finished sum waits in a shift register: a 2:1 multiplexer (two in a LUT) and a flip-flop a bit.
    holding = Cost(logic=total / 2, ff=total).times(built.rows)
    operands = register(spec.data_bits).times(built.columns * max(1, built.rows // 16))  # to many rows in trees
    rom = partial(weight_rom_cost, built.rom_depth, built.rows * built.columns, spec.weight_bits)
    return Parts(control(1).plus(holding, operands), dsp_row, fabric, rom)


@lru_cache(maxsize=4096)
def _input_cost(spec: DenseSpec, columns: int, in_vec: int) -> Cost:
    """Two halves of the input, one beat in and `columns` words out a cycle."""
    return memory(2 * ceil_div(spec.n, columns), in_vec * spec.data_bits, banks=columns // in_vec)


@lru_cache(maxsize=4096)
def _output_cost(spec: DenseSpec, out_vec: int, ports: DspPorts) -> Cost:
    bias = memory(ceil_div(spec.m, out_vec), out_vec * spec.bias_bits, writes=0)
    return finish_cost(spec.value_bits, spec.out_bits, spec.activation, out_vec, ports).plus(bias)


def _cost(built: DenseBuilt, ports: DspPorts) -> Cost:
    bare = replace(built, in_vec=1, out_vec=1, fabric_rows=0, storage="bram")
    cost = _parts(bare, ports).total(built.rows, built.fabric_rows, built.storage)
    ends = (_input_cost(built.spec, built.columns, built.in_vec), _output_cost(built.spec, built.out_vec, ports))
    return cost.plus(*ends)._replace(dsp=ceil(cost.dsp) + ends[1].dsp)


class _Options(NamedTuple):
    """Options of the products, row by row."""

    built: tuple[DenseBuilt, ...]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    depth: NDArray[np.int64]
    table: ProductTable


_Way: TypeAlias = tuple[int, int, NDArray[np.float64], list[NDArray[np.float64]], NDArray[np.intp], NDArray[np.intp]]
"""Words of a beat in and out; resources of the output, and of the input by number of columns; for each legal option its
number of columns, and its place."""


class _DenseOffer(Offer):
    """Every legal parallelism of one shape on one kind of DSP block."""

    def __init__(self, spec: DenseSpec, ports: DspPorts) -> None:
        self._spec, self._ports = spec, ports
        self._options = _options(spec, ports)
        self._groups = -(-spec.n // self._options.columns)  # column groups
        self._known: dict[int, list[_Way]] = {}
        self._vectors = [
            v for v in powers_of_two(_MOST_COLUMNS) if v * max(spec.data_bits, spec.out_bits) <= MAX_STREAM_BITS
        ]

    def cheapest(self, interval: int, preference: Preference) -> Implementation | None:
        """See `Offer`; a few numpy operations for each of at most six pairs of beats."""
        products, fabric, storage = self._options.table.prices(preference)
        weights = np.array(preference.weights)
        best: tuple[float, int, int, int] | None = None
        for v, out, ends, fronts, which, places in self._ways(interval // self._spec.positions):
            here = products[places] + np.array([float(front @ weights) for front in fronts])[which]
            least = int(here.argmin())
            total = float(here[least]) + float(ends @ weights)
            if best is None or total < best[0]:
                best = (total, int(places[least]), v, out)
        if best is None:
            return None
        _, place, v, out = best
        return replace(
            self._options.built[place],
            in_vec=v,
            out_vec=out,
            fabric_rows=int(fabric[place]),
            storage=ROM_STORAGE[storage[place]],
        )

    def _ways(self, token: int) -> list[_Way]:
        """Pairs of beats fast enough, what hangs on them and the options legal with them, whatever the preference."""
        if token not in self._known:
            self._known[token] = list(self._found(token))
        return self._known[token]

    def _found(self, token: int) -> Iterator[_Way]:
        spec, options = self._spec, self._options
        for v in [v for v in self._vectors if ceil_div(spec.n, v) <= token][:2]:
            legal = (options.depth <= token) & (options.columns % v == 0)
            for out in [w for w in self._vectors if ceil_div(spec.m, w) <= token][:3]:
                drains = -(-options.rows // out)
                usable = legal & ((options.rows % out == 0) | (options.rows >= spec.m)) & (drains <= self._groups)
                places = np.flatnonzero(usable)
                if not len(places):
                    continue
                columns, which = np.unique(options.columns[places], return_inverse=True)
                fronts = [priced(_input_cost(spec, c, v)) for c in columns.tolist()]
                yield v, out, priced(_output_cost(spec, out, self._ports)), fronts, which, places


@lru_cache(maxsize=256)
def _options(spec: DenseSpec, ports: DspPorts) -> _Options:
    pairs = packs(spec.weight_bits, spec.data_bits, ports)
    found = [
        DenseBuilt(spec, rows=rows, columns=columns, packed=packed)
        for rows in sorted({ceil_div(r, step) * step for r in lane_choices(spec.m) for step in (1, 2, 4, 8)})
        for columns in powers_of_two(min(_MOST_COLUMNS, 1 << (spec.n - 1).bit_length()))
        for packed in ((0, 1) if pairs and rows % 2 == 0 else (0,))
        if rows * columns <= _MOST_LANES
    ]
    small = spec.weight_bits * spec.data_bits <= LUT_MULTIPLIER_LIMIT
    table = ProductTable(
        [_parts(o, ports) for o in found], [o.rows for o in found], [1 + o.packed for o in found], small
    )
    rows, columns, depth = (np.array([getattr(o, f) for o in found]) for f in ("rows", "columns", "rom_depth"))
    return _Options(tuple(found), rows, columns, depth, table)
