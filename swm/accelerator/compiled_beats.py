# SPDX-License-Identifier: Apache-2.0
"""What fixed_beats.cpp is told of a layer that has no weights to multiply by, or one a value.

It computes on int64 what their `run` computes on numpy's int64, so there is nothing to prove; sums of products of two
streams on float64, as theirs does, and below 2^53.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.compiled_curves import POLICIES, SwmCurve, curve_struct
from swm.accelerator.compiled_layers import EXACT_BITS, seen_index
from swm.kernels import load_library
from swm.layers import add, concat, offset, softmax
from swm.layers.add import AddSpec
from swm.layers.concat import ConcatSpec
from swm.layers.curves import Table
from swm.layers.global_pool import GlobalPoolSpec
from swm.layers.hadamard import HadamardSpec
from swm.layers.layernorm import LayerNormSpec, normal_frac, root_table
from swm.layers.matmul import MatMulSpec
from swm.layers.offset import OffsetSpec
from swm.layers.pool import PoolSpec
from swm.layers.prelu import PReluSpec
from swm.layers.reciprocals import Reciprocals
from swm.layers.rmsnorm import RmsNormSpec
from swm.layers.roots import Roots
from swm.layers.rotary import RotarySpec
from swm.layers.softmax import SoftmaxSpec
from swm.layers.values import FixedLayer, Ints

__all__ = ["MAKERS", "CompiledBeats", "compiled_beats"]

_MOST_INPUTS = 8


class _SwmBeats(ctypes.Structure):
    _integers = (
        *("kind", "m", "inputs", "out_bits", "frac", "table_frac", "table_step", "table_guard", "centred", "epsilon"),
        *("power_bits", "positions", "outputs", "taps", "before", "held"),
        *("heads", "heads_inside", "stored_inside", "along_inner", "shared"),
    )
    _fields_: ClassVar = [
        *((name, ctypes.c_int64) for name in _integers),
        *((name, ctypes.c_int64 * _MOST_INPUTS) for name in ("channels", "shifts")),
        *((name, SwmCurve) for name in ("end", "power")),
        *((name, ctypes.c_void_p) for name in ("weights", "bias", "table_starts", "table_rises", "factors", "index")),
    ]


@dataclass(frozen=True, eq=False)
class CompiledBeats:
    """A layer's library and parameters; `keep` holds the arrays that `parameters` points to."""

    layer: FixedLayer
    library: ctypes.CDLL
    parameters: _SwmBeats
    keep: tuple[NDArray[Any], ...]

    def run(self, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """What the `run` of the layer's kind gives."""
        given = [np.ascontiguousarray(v) for v in values]
        tokens = len(given[0]) * self.layer.spec.output.positions // self.layer.spec.inputs[0].positions
        out = np.empty((tokens, self.layer.spec.m), np.int64)
        pointers = (ctypes.c_void_p * len(given))(*(v.ctypes.data for v in given))
        where = ctypes.addressof(self.parameters)
        return out, {"output": self.library.swm_fixed_beats(where, pointers, tokens, out.ctypes.data)}


_Made = tuple[dict[str, int], tuple[int, ...], dict[str, NDArray[Any]]]
"""Integers by name (`kind`: its place in the enumeration of fixed_beats.cpp), shifts of the inputs, arrays by name."""


def _add(layer: FixedLayer) -> _Made:
    return {"kind": 0}, add.shifts(layer), {}


def _concat(layer: FixedLayer) -> _Made:
    return {"kind": 1}, concat.shifts(layer), {}


def _prelu(layer: FixedLayer) -> _Made:
    return {"kind": 2, "frac": layer.weight_frac}, (), {"weights": layer.arrays["weights"]}


def _layernorm(layer: FixedLayer) -> _Made:
    table = root_table(layer)
    integers = {"kind": 3, "frac": normal_frac(layer), "epsilon": int(layer.arrays["epsilon"][0])}
    integers |= {**_table(table), "centred": int(not isinstance(layer.spec, RmsNormSpec))}
    arrays = {"table_starts": table.starts, "table_rises": table.rises}
    return integers, (), {**arrays, "weights": layer.arrays["weights"], "bias": layer.arrays["bias"]}


def _table(table: Roots | Reciprocals) -> dict[str, int]:
    """The integers of a table of lines."""
    return {"table_frac": table.frac, "table_step": table.step_bits, "table_guard": table.guard}


def _softmax(layer: FixedLayer) -> _Made:
    spec = layer.spec
    assert isinstance(spec, SoftmaxSpec)
    integers = {"kind": 6, "frac": spec.quotient_frac, "power_bits": spec.power_bits}
    arrays = {}
    if spec.mask_rows:
        integers |= {"taps": spec.mask_each, "held": spec.mask_rows}
        arrays["weights"] = layer.arrays["mask"]
    if spec.division == "exact":
        return integers, (), arrays
    table = softmax.reciprocal_table(layer)
    return {**integers, **_table(table)}, (), {**arrays, "table_starts": table.starts, "table_rises": table.rises}


def _offset(layer: FixedLayer) -> _Made:
    spec = layer.spec
    assert isinstance(spec, OffsetSpec)
    return {"kind": 7, "before": spec.before}, offset.shifts(layer), {"weights": layer.arrays["weights"]}


def _rotary(layer: FixedLayer) -> _Made:
    spec, arrays = layer.spec, layer.arrays
    assert isinstance(spec, RotarySpec)
    integers = {"kind": 10, "before": spec.half, "taps": spec.each, "held": spec.rows}
    return integers, (), {"weights": arrays["cosines"], "bias": arrays["sines"]}


def _matmul(layer: FixedLayer) -> _Made:
    spec = layer.spec
    assert isinstance(spec, MatMulSpec)
    names = ("heads", "heads_inside", "stored_inside", "along_inner", "shared")
    return {"kind": 8, **{name: int(getattr(spec, name)) for name in names}}, (), {}


def _hadamard(layer: FixedLayer) -> _Made:
    assert isinstance(layer.spec, HadamardSpec)
    return {"kind": 9, "held": int(layer.spec.held)}, (), {}


def _pool(layer: FixedLayer) -> _Made:
    spec = layer.spec
    assert isinstance(spec, PoolSpec)
    factors = spec.reciprocals.of(spec.counts).ravel() if spec.mean else np.ones(spec.output.positions, np.int64)
    return _windows("sum" if spec.mean else "max", seen_index(spec.geometry), factors)


def _global_pool(layer: FixedLayer) -> _Made:
    spec = layer.spec
    assert isinstance(spec, GlobalPoolSpec)
    index = np.arange(spec.positions, dtype=np.int32).reshape(1, -1)
    return _windows("max" if spec.mode == "max" else "sum", index, np.array([spec.reciprocals.constant]))


def _windows(mode: str, index: NDArray[np.int32], factors: Ints) -> _Made:
    return {"kind": 4 if mode == "max" else 5, "taps": index.shape[1]}, (), {"factors": factors, "index": index}


MAKERS: dict[type, Callable[[FixedLayer], _Made]] = {
    AddSpec: _add,
    HadamardSpec: _hadamard,
    ConcatSpec: _concat,
    PReluSpec: _prelu,
    LayerNormSpec: _layernorm,
    RmsNormSpec: _layernorm,
    SoftmaxSpec: _softmax,
    OffsetSpec: _offset,
    RotarySpec: _rotary,
    MatMulSpec: _matmul,
    PoolSpec: _pool,
    GlobalPoolSpec: _global_pool,
}


def compiled_beats(layer: FixedLayer) -> CompiledBeats | None:
    """Build what runs a layer; None where fixed_beats.cpp does not know its kind or its activation.

    Raises:
        ToolError: no compiler.
    """
    spec, curve = layer.spec, layer.curve
    maker = MAKERS.get(type(spec))
    policy = curve.policy if curve else spec.activation
    if maker is None or policy not in POLICIES or not _known(layer):
        return None
    integers, shifts, arrays = maker(layer)
    held = {
        name: np.ascontiguousarray(array, np.int32 if name == "index" else np.int64) for name, array in arrays.items()
    }
    joined = isinstance(spec, ConcatSpec)  # its inputs are at the output's binary point, and it has no activation
    end, tables = curve_struct(curve, policy, 0 if joined else layer.value_frac - layer.output_format.frac)
    power, more = curve_struct(layer.inner[0], "curve", 0) if layer.inner else (SwmCurve(), ())
    parameters = _SwmBeats(
        m=spec.m,
        inputs=len(spec.inputs),
        out_bits=spec.out_bits,
        positions=spec.positions,
        outputs=spec.output.positions,
        channels=(ctypes.c_int64 * _MOST_INPUTS)(*(shape.channels for shape in spec.inputs)),
        shifts=(ctypes.c_int64 * _MOST_INPUTS)(*shifts),
        **integers,
        end=end,
        power=power,
        **{name: array.ctypes.data for name, array in held.items()},
    )
    library = load_library("fixed_beats.cpp", {})
    library.swm_fixed_beats.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
    library.swm_fixed_beats.restype = ctypes.c_int64
    return CompiledBeats(layer, library, parameters, (*held.values(), *tables, *more))


def _known(layer: FixedLayer) -> bool:
    """Whether fixed_beats.cpp takes what is particular to the layer; else `run` computes it, or says what is wrong."""
    spec = layer.spec
    if isinstance(spec, MatMulSpec):
        return spec.accumulator_bits <= EXACT_BITS
    if isinstance(spec, SoftmaxSpec):  # the power of the largest value is what no sum of powers is below
        (power,) = layer.inner
        return isinstance(power, Table) and int(power.apply(np.zeros(1, np.int64))[0]) >= 1 << (spec.power_bits - 3)
    return True
