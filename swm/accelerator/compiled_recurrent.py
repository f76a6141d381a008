# SPDX-License-Identifier: Apache-2.0
"""What fixed_recurrent.cpp is told of an LSTM, GRU or RNN.

Its products are those of dense or circulant layers, so `compiled_layers` builds them, and proves that float64 holds
them. Cells run on int64, as in `RecurrentKind.run`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.compiled_curves import POLICIES, SwmCurve, curve_struct
from swm.accelerator.compiled_layers import CompiledLayer, compiled, proven
from swm.kernels import address, aligned, load_library
from swm.layers.circulant import CirculantSpec
from swm.layers.dense import DenseSpec
from swm.layers.recurrent import RecurrentSpec
from swm.layers.recurrent.points import points_of, shifts
from swm.layers.recurrent.steps import first_states, in_turns, with_cells
from swm.layers.values import FixedLayer, Format, Ints, TensorShape

__all__ = ["CompiledRecurrent", "compiled_recurrent"]

_CELLS = {"rnn": 0, "lstm": 1, "gru": 2, "gru_after": 3}
_SHIFTS = ("peephole_shift", "state_shift", "kept_shift", "new_shift", "unit_shift")
_WIDE = 60  # bits of a sum that leaves a product; nothing saturates there


class _SwmRecurrent(ctypes.Structure):
    _integers = (
        *("cell", "n", "hidden", "m", "steps", "last_only", "lanes", "x_columns", "h_columns", "middle_columns"),
        *("bits", "state_bits", "value_bits", "bound", "peephole"),
        *(*_SHIFTS, "result_shift", "inner_shift", "reset_shift"),
    )
    _fields_: ClassVar = [
        *((name, ctypes.c_int64) for name in _integers),
        *((name, SwmCurve) for name in "fgh"),
        *((name, ctypes.c_void_p) for name in ("peepholes", "initial", "product")),
        *((name, ctypes.c_void_p) for name in ("first", "first_second", "rest", "rest_second")),
    ]


@dataclass(frozen=True, eq=False)
class CompiledRecurrent:
    """A layer's library and parameters.

    Attributes:
        layer: which.
        library: fixed_recurrent.cpp.
        parameters: what it is told.
        products: the layers that multiply, of step 0 and of all others, of both phases.
        keep: the arrays that `parameters` points to.
    """

    layer: FixedLayer
    library: ctypes.CDLL
    parameters: _SwmRecurrent
    products: tuple[CompiledLayer, ...]
    keep: tuple[NDArray[Any], ...]

    def proven(self, incoming: int) -> bool:
        """Whether float64 holds every sum for inputs of `incoming` bits."""
        bits = max(incoming, self.layer.spec.data_bits)
        return all(proven(product.layer, bits) for product in self.products)

    def run(self, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """What the `run` of the layer's kind gives."""
        spec = self.layer.spec
        assert isinstance(spec, RecurrentSpec)
        start = first_states(self.layer, values[1:])
        return in_turns(spec, values[0], lambda x: self._run(x, start))

    def _run(self, x: Ints, start: tuple[Ints, Ints] | None) -> tuple[Ints, dict[str, int]]:
        """(sequences * steps, n) → (sequences * tokens that each gives, m)."""
        spec, where = self.layer.spec, ctypes.addressof(self.parameters)
        assert isinstance(spec, RecurrentSpec)
        x = np.ascontiguousarray(x)
        sequences = len(x) // spec.steps
        lanes = aligned(self.library.swm_fixed_recurrent_size(where, sequences), np.float64)
        work = aligned(max(product.work for product in self.products), np.float64)
        states = np.zeros(2 * spec.hidden * (sequences + self.parameters.lanes), np.int64)
        out = np.empty((sequences * (1 if spec.last else spec.steps), spec.m), np.int64)
        lost = (ctypes.c_int64 * 3)()
        data = address(lanes), address(work), states.ctypes.data, out.ctypes.data, lost
        begin = [np.ascontiguousarray(state, np.int64) for state in start or ()]
        if sequences:
            places: list[int | None] = [state.ctypes.data for state in begin] or [None, None]
            self.library.swm_fixed_recurrent(where, x.ctypes.data, *places, sequences, *data)
        counts = {"sum": int(lost[0])} if spec.block > 1 else {}
        if spec.cell != "rnn":
            counts["state"] = int(lost[1])
        more = 0
        if spec.cells:
            tiles, held = -(-sequences // self.parameters.lanes), self.parameters.lanes * spec.hidden
            kept = states[: tiles * held].reshape(tiles, spec.hidden, -1).swapaxes(1, 2).reshape(-1, spec.hidden)
            out, more = with_cells(self.layer, out, kept[:sequences])
        return out, {**counts, "output": int(lost[2]) + more}


def compiled_recurrent(layer: FixedLayer) -> CompiledRecurrent | None:
    """Build what runs a recurrent layer; None for any other, and for activations that the kernel does not know.

    Raises:
        ToolError: no compiler.
    """
    spec = layer.spec
    if not isinstance(spec, RecurrentSpec) or any(c is not None and c.policy not in POLICIES for c in layer.inner):
        return None
    points, shift = points_of(layer), shifts(layer)
    biases = [_biases(layer, name) for name in ("bias", *["first_bias"] * spec.first_bias)]
    first = [_first(layer, bias) for bias in biases]
    second = [_second(layer, bias) for bias in biases] if spec.phases == 2 else []
    made = [compiled(product) for product in (*first, *second)]
    products = tuple(product for product in made if product is not None)
    if len(products) != len(made):
        return None
    library = load_library("fixed_recurrent.cpp", {})
    pointer = ctypes.c_void_p
    library.swm_fixed_recurrent_size.argtypes = [pointer, ctypes.c_int64]
    library.swm_fixed_recurrent_size.restype = ctypes.c_int64
    library.swm_fixed_recurrent.argtypes = [*[pointer] * 4, ctypes.c_int64, *[pointer] * 5]
    library.swm_fixed_recurrent.restype = None
    keep: list[NDArray[Any]] = []
    curves = {name: _curve(layer, place, shift[f"{name}_shift"], keep) for place, name in enumerate("fgh")}
    vectors = {name: layer.arrays.get(name) for name in ("peepholes", "initial")}
    held = {name: np.ascontiguousarray(array, np.int64) for name, array in vectors.items() if array is not None}
    keep += held.values()
    places = [ctypes.addressof(product.parameters) for product in products]
    of_first, of_second = places[: len(first)], places[len(first) :]
    parameters = _SwmRecurrent(
        cell=_CELLS[spec.cell],
        n=spec.n,
        hidden=spec.hidden,
        m=spec.m,
        steps=spec.steps,
        last_only=int(spec.last),
        lanes=products[0].library.swm_fixed_lanes(),
        x_columns=spec.in_blocks * spec.block,
        h_columns=spec.out_units * spec.block,
        middle_columns=spec.units * spec.block if spec.phases == 2 else 0,
        bits=spec.data_bits,
        state_bits=spec.state_bits,
        value_bits=spec.value_bits,
        bound=points.bound if spec.clip else -1,
        peephole=int(spec.peephole),
        **{name: shift[name] for name in (*_SHIFTS, "inner_shift", "reset_shift")},
        result_shift=shift["out_shift"],
        **curves,
        **{name: array.ctypes.data for name, array in held.items()},
        product=ctypes.cast(products[0].library.swm_fixed_layer, ctypes.c_void_p),
        first=of_first[-1],
        rest=of_first[0],
        first_second=of_second[-1] if of_second else None,
        rest_second=of_second[0] if of_second else None,
    )
    return CompiledRecurrent(layer, library, parameters, products, tuple(keep))


def _biases(layer: FixedLayer, name: str) -> Ints:
    """(biases, hidden)."""
    spec = layer.spec
    assert isinstance(spec, RecurrentSpec)
    return layer.arrays[name].reshape(spec.biases, spec.hidden)


def _first(layer: FixedLayer, bias: Ints) -> FixedLayer:
    """Phase A as a layer of its own: rows gate after gate over [x; h]."""
    spec, join = layer.spec, points_of(layer).join
    assert isinstance(spec, RecurrentSpec)
    weights = layer.arrays["weights"].reshape(spec.units, spec.gates, -1, spec.block).swapaxes(0, 1).copy()
    weights[:, :, : spec.in_blocks] <<= join
    if spec.cell == "gru_after":  # the candidate's sums over h, and those over x
        of_h, of_x = weights[2:].copy(), weights[2:].copy()
        of_h[:, :, : spec.in_blocks], of_x[:, :, spec.in_blocks :] = 0, 0
        weights = np.concatenate([weights[:2], of_h, of_x])
    rows = len(weights)
    return _product(spec, weights.reshape(rows * spec.units, -1, spec.block), bias[:rows], layer.acc_shift + join)


def _second(layer: FixedLayer, bias: Ints) -> FixedLayer:
    """Phase B: the candidate of a GRU over [x; middle], or a projection over [middle]."""
    spec, points = layer.spec, points_of(layer)
    assert isinstance(spec, RecurrentSpec)
    weights = layer.arrays["second"].reshape(spec.out_units, spec.second_blocks, spec.block).copy()
    if spec.projected:
        shift = shifts(layer)["project_shift"]
        return _product(spec, weights, np.zeros((1, spec.m), np.int64), points.shift_b, shift, spec.data_bits)
    weights[:, : spec.in_blocks] <<= points.join
    return _product(spec, weights, bias[2:], layer.acc_shift + points.join)


def _product(
    spec: RecurrentSpec, weights: Ints, bias: Ints, acc_shift: int, plain_shift: int = 0, bits: int = _WIDE
) -> FixedLayer:
    """A dense or circulant layer without activation: (block rows, block columns, k) weights, bias in any shape."""
    rows, columns, k = weights.shape
    ends = (TensorShape(columns * k, spec.data_bits),), TensorShape(bias.size, bits)
    formats = (Format(spec.data_bits, 0),), Format(bits, (-acc_shift if k > 1 else 0) - plain_shift)
    if k == 1:
        made: DenseSpec | CirculantSpec = DenseSpec(spec.name, *ends, weight_bits=spec.weight_bits)
        arrays = {"weights": weights[:, :, 0], "bias": bias.reshape(-1)}
    else:
        made = CirculantSpec(spec.name, *ends, block=k, weight_bits=spec.weight_bits, fft_shifts=spec.fft_shifts)
        arrays = {"weights": weights.reshape(rows, columns, k // 2, 2), "bias": bias.reshape(-1)}
    return FixedLayer(made, "", ("x",), "y", *formats, arrays, 0, acc_shift if k > 1 else 0)


def _curve(layer: FixedLayer, place: int, shift: int, keep: list[NDArray[Any]]) -> SwmCurve:
    """The activation of a place; nothing where the cell has none."""
    spec = layer.spec
    assert isinstance(spec, RecurrentSpec)
    if place >= len(spec.activations):
        return SwmCurve()
    curve = layer.inner[place]
    policy = curve.policy if curve else spec.activations[place]
    made, arrays = curve_struct(curve, policy, getattr(curve, "plain_shift", shift))
    keep += arrays
    return made
