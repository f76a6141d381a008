# SPDX-License-Identifier: Apache-2.0
"""What fixed_beats.cpp is told of an add, a concat, a PReLU, a layer normalisation or a pooling.

It computes on int64 what their `run` computes on numpy's int64, so there is nothing to prove.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.compiled_layers import CURVE, POLICIES, curve_integers, seen_index
from swm.kernels import load_library
from swm.layers import add, concat
from swm.layers.add import AddSpec
from swm.layers.concat import ConcatSpec
from swm.layers.global_pool import GlobalPoolSpec
from swm.layers.layernorm import LayerNormSpec, normal_frac, root_table
from swm.layers.pool import PoolSpec
from swm.layers.prelu import PReluSpec
from swm.layers.values import FixedLayer, Ints

__all__ = ["CompiledBeats", "compiled_beats"]

_MOST_INPUTS = 8


class _SwmBeats(ctypes.Structure):
    _integers = (
        *("kind", "m", "inputs", "activation", "plain_shift", "out_bits"),
        *(*CURVE, "lines", "rectified", "base_shift", "width", "width_shift"),
        *("frac", "epsilon", "root_frac", "root_step", "root_guard", "positions", "outputs", "taps"),
    )
    _fields_: ClassVar = [
        *((name, ctypes.c_int64) for name in _integers),
        *((name, ctypes.c_int64 * _MOST_INPUTS) for name in ("channels", "shifts")),
        *((name, ctypes.c_void_p) for name in ("weights", "bias", "starts", "rises", "root_starts", "root_rises")),
        *((name, ctypes.c_void_p) for name in ("factors", "index")),
    ]


@dataclass(frozen=True, eq=False)
class CompiledBeats:
    """A layer's library and parameters; `keep` holds the arrays that `parameters` points to."""

    layer: FixedLayer
    library: ctypes.CDLL
    parameters: _SwmBeats
    keep: Mapping[str, NDArray[Any]]

    def run(self, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """What the `run` of the layer's kind gives."""
        given = [np.ascontiguousarray(v) for v in values]
        tokens = len(given[0]) * self.layer.spec.output.positions // self.layer.spec.inputs[0].positions
        out = np.empty((tokens, self.layer.spec.m), np.int64)
        pointers = (ctypes.c_void_p * len(given))(*(v.ctypes.data for v in given))
        where = ctypes.addressof(self.parameters)
        return out, {"output": self.library.swm_fixed_beats(where, pointers, tokens, out.ctypes.data)}


_Made = tuple[dict[str, int], tuple[int, ...], dict[str, NDArray[Any]]]
"""Integers by name, the shift of each input, arrays by name."""


def _add(layer: FixedLayer) -> _Made:
    return {"kind": 0}, add.shifts(layer), {}


def _concat(layer: FixedLayer) -> _Made:
    return {"kind": 1}, concat.shifts(layer), {}


def _prelu(layer: FixedLayer) -> _Made:
    return {"kind": 2, "frac": layer.weight_frac}, (), {"weights": layer.arrays["weights"]}


def _layernorm(layer: FixedLayer) -> _Made:
    table = root_table(layer)
    integers = {"kind": 3, "frac": normal_frac(layer), "epsilon": int(layer.arrays["epsilon"][0])}
    integers |= {"root_frac": table.frac, "root_step": table.step_bits, "root_guard": table.guard}
    arrays = {"root_starts": table.starts, "root_rises": table.rises}
    return integers, (), {**arrays, "weights": layer.arrays["weights"], "bias": layer.arrays["bias"]}


def _pool(layer: FixedLayer) -> _Made:
    spec = layer.spec
    assert isinstance(spec, PoolSpec)
    factors = spec.reciprocals.of(spec.counts).ravel() if spec.mean else np.ones(spec.output.positions, np.int64)
    return _windows(layer, "sum" if spec.mean else "max", seen_index(spec.geometry), factors)


def _global_pool(layer: FixedLayer) -> _Made:
    spec = layer.spec
    assert isinstance(spec, GlobalPoolSpec)
    index = np.arange(spec.positions, dtype=np.int32).reshape(1, -1)
    return _windows(layer, "max" if spec.mode == "max" else "sum", index, np.array([spec.reciprocals.constant]))


def _windows(layer: FixedLayer, mode: str, index: NDArray[np.int32], factors: Ints) -> _Made:
    outputs, taps = index.shape
    sizes = {"positions": layer.spec.inputs[0].positions, "outputs": outputs, "taps": taps}
    return {"kind": 4 if mode == "max" else 5, **sizes}, (), {"factors": factors, "index": index}


_MAKERS: dict[type, Callable[[FixedLayer], _Made]] = {
    AddSpec: _add,
    ConcatSpec: _concat,
    PReluSpec: _prelu,
    LayerNormSpec: _layernorm,
    PoolSpec: _pool,
    GlobalPoolSpec: _global_pool,
}


def compiled_beats(layer: FixedLayer) -> CompiledBeats | None:
    """Build what runs a layer; None where fixed_beats.cpp does not know its kind or its activation.

    Raises:
        ToolError: no compiler.
    """
    spec, curve = layer.spec, layer.curve
    maker = _MAKERS.get(type(spec))
    policy = curve.policy if curve else spec.activation
    if maker is None or policy not in POLICIES:
        return None
    integers, shifts, arrays = maker(layer)
    arrays |= {name: np.array(getattr(curve, name, ()) or (0,)) for name in ("starts", "rises")}
    keep = {
        name: np.ascontiguousarray(array, np.int32 if name == "index" else np.int64) for name, array in arrays.items()
    }
    joined = isinstance(spec, ConcatSpec)  # its inputs are at the output's binary point, and it has no activation
    parameters = _SwmBeats(
        m=spec.m,
        inputs=len(spec.inputs),
        activation=POLICIES.index(policy),
        plain_shift=0 if joined else layer.value_frac - layer.output_format.frac,
        out_bits=spec.out_bits,
        channels=(ctypes.c_int64 * _MOST_INPUTS)(*(shape.channels for shape in spec.inputs)),
        shifts=(ctypes.c_int64 * _MOST_INPUTS)(*shifts),
        **integers,
        **curve_integers(curve),
        **{name: array.ctypes.data for name, array in keep.items()},
    )
    library = load_library("fixed_beats.cpp", {})
    library.swm_fixed_beats.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
    library.swm_fixed_beats.restype = ctypes.c_int64
    return CompiledBeats(layer, library, parameters, keep)
