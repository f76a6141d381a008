# SPDX-License-Identifier: Apache-2.0
"""The fast integer engine: the bits and counts of `run_integers`, computed by fixed.cpp on all threads.

The kernel keeps integers in float64. `_proven` derives, from a layer's widths and the range of the integers that reach
it, that every intermediate value stays below 2^53, where float64 arithmetic on integers has no rounding; a layer for
which it cannot, and every layer of a kind that the kernel does not know, is run by numpy's int64 instead.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.integers import Part, Tensors, in_parts, run_layer
from swm.errors import ToolError
from swm.kernels import address, aligned, load_library, note_once
from swm.layers.circulant import CirculantSpec
from swm.layers.curves import Curve, Ramp, Table
from swm.layers.dense import DenseSpec
from swm.layers.scale import ScaleSpec
from swm.layers.values import TWIDDLE_FRAC, FixedLayer, Ints, clog2

__all__ = ["proven_layers", "run_integers_fast"]

EXACT_BITS = 53  # a two's complement integer of so many bits, and every sum on the way to it, is exact in float64
MOST_SHIFT = 50
CHUNK = 128  # tokens of one task: the values of a wide layer stay in the L2 cache
_KINDS: dict[type, int] = {CirculantSpec: 0, DenseSpec: 1, ScaleSpec: 2}
_POLICIES = ("identity", "relu", "clip", "ramp", "leaky", "curve")
_CURVE = ("input_shift", "input_bits", "out_shift", "low", "high", "slope", "offset", "first", "last", "step_bits")


class _SwmLayer(ctypes.Structure):
    _integers = (
        *("kind", "m", "n", "p", "q", "fft_shifts", "acc_shift", "rounded_bits"),
        *("activation", "plain_shift", "out_bits", *_CURVE, "lines", "rectified", "base_shift"),
    )
    _fields_: ClassVar = [
        *((name, ctypes.c_int64) for name in _integers),
        *((name, ctypes.c_void_p) for name in ("weights", "bias", "starts", "rises")),
    ]


def _bits(values: Ints) -> int:
    """Width of the two's complement numbers that hold every value."""
    if not values.size:
        return 1
    low, high = int(values.min()), int(values.max())
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0) + 1


def _known(layer: FixedLayer) -> bool:
    """Whether the kernel has the kind and its activation; `steps` it has not."""
    return type(layer.spec) in _KINDS and (layer.curve is None or layer.curve.policy in _POLICIES)


def _proven(layer: FixedLayer, incoming: int) -> bool:
    """True if every value inside the layer is exact in float64, for inputs of `incoming` bits."""
    spec = layer.spec
    if not _known(layer):
        return False
    weight_bits = _bits(layer.arrays["weights"])
    shifts: list[int] = []
    if isinstance(spec, CirculantSpec):
        stages = clog2(spec.block)
        if spec.fft_shifts not in (0, stages // 2):
            return False
        spectrum = incoming + stages - spec.fft_shifts + 1  # one bit more than WX, for the roundings
        inverse = spec.rounded_bits + spec.fft_shifts + 3
        total = weight_bits + spectrum + 1 + clog2(spec.q)
        inside = max(max(spectrum, inverse) + TWIDDLE_FRAC + 3, total + max(0, -layer.acc_shift))
        value, shifts = inverse, [layer.acc_shift]
    else:
        inside = value = weight_bits + incoming + (clog2(spec.n) if isinstance(spec, DenseSpec) else 0)
    value = max(value, _bits(layer.arrays["bias"])) + 1
    curve = layer.curve
    inside = max(inside, value)
    if not isinstance(curve, Table) and not (isinstance(curve, Ramp) and not curve.leaky):
        shifts.append(layer.value_frac - layer.output_format.frac)
        inside = max(inside, value + max(0, -shifts[-1]))
    if isinstance(curve, Ramp | Table):
        shifts += [curve.input_shift, curve.out_shift]
        inside = max(inside, curve.inner_bits)
    return inside <= EXACT_BITS and all(shift <= MOST_SHIFT for shift in shifts)


def proven_layers(graph: FixedGraph, incoming: int) -> tuple[bool, ...]:
    """Which layers the compiled kernel may run, for network inputs of `incoming` bits."""
    bits = {graph.input_name: incoming, **{layer.output: layer.spec.out_bits for layer in graph.layers}}
    return tuple(_proven(layer, bits[layer.inputs[0]]) for layer in graph.layers)


@dataclass(frozen=True, eq=False)
class _CompiledLayer:
    """A layer's library and parameters; `keep` holds the arrays that `parameters` points to."""

    layer: FixedLayer
    library: ctypes.CDLL
    parameters: _SwmLayer
    work: int
    keep: tuple[NDArray[Any], ...]


def _compile(layer: FixedLayer) -> _CompiledLayer | None:
    spec = layer.spec
    if not _known(layer):
        return None
    block, p, q, shifts, rounded = 1, spec.m, spec.n, 0, 0
    if isinstance(spec, CirculantSpec):
        block, p, q, shifts, rounded = spec.block, spec.p, spec.q, spec.fft_shifts, spec.rounded_bits
    library = load_library("fixed.cpp", {"SWM_K": block})
    library.swm_fixed_work.argtypes = [ctypes.c_int64] * 2
    for name in ("swm_fixed_work", "swm_fixed_lanes"):
        getattr(library, name).restype = ctypes.c_int64
    library.swm_fixed_layer.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] + [ctypes.c_void_p] * 2
    library.swm_fixed_layer.restype = None
    for name in ("swm_fixed_enter", "swm_fixed_leave"):
        getattr(library, name).argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
        getattr(library, name).restype = None
    stored = layer.arrays["weights"]
    weights = np.ascontiguousarray(stored.transpose(2, 0, 1, 3) if block > 1 else stored, np.float64)
    bias = np.ascontiguousarray(layer.arrays["bias"], np.float64)
    curve = layer.curve
    starts = np.array(getattr(curve, "starts", ()), np.float64)
    rises = np.array(getattr(curve, "rises", ()) or np.zeros(len(starts)), np.float64)
    keep = (weights, bias, starts, rises)
    parameters = _SwmLayer(
        _KINDS[type(spec)],
        *(spec.m, spec.n, p, q, shifts, layer.acc_shift, rounded),
        *(_POLICIES.index(curve.policy if curve else spec.activation), layer.value_frac - layer.output_format.frac),
        *(spec.out_bits, *_curve_integers(curve)),
        *(array.ctypes.data for array in keep),
    )
    return _CompiledLayer(layer, library, parameters, library.swm_fixed_work(p, q), keep)


def _curve_integers(curve: Curve | None) -> tuple[int, ...]:
    """What the kernel knows of an activation, tables aside; 0 for all that it has not."""
    found = {name: getattr(curve, name, 0) for name in (*_CURVE, "rectified", "base_shift")}
    if isinstance(curve, Ramp):
        found["offset"] = curve.offset << curve.offset_shift
    lines = bool(getattr(curve, "rises", ()))
    return (*(found[name] for name in _CURVE), int(lines), int(found["rectified"]), found["base_shift"])


@dataclass(frozen=True, eq=False)
class _Stretch:
    """Layers one behind the other; `compiled` is empty where numpy runs the only one."""

    layers: tuple[FixedLayer, ...]
    compiled: tuple[_CompiledLayer, ...]


_compiled: WeakKeyDictionary[FixedGraph, tuple[_CompiledLayer | None, ...]] = WeakKeyDictionary()


def run_integers_fast(graph: FixedGraph, inputs: Ints, threads: int = 1) -> Part:
    """The same as `swm.accelerator.integers.run_integers`, faster.

    Args:
        graph: the fixed-point network.
        inputs: (samples, n) integers; int64, any other integer type is converted.
        threads: how many to use.

    Returns:
        (samples, m) int64 output integers, and saturation counts by layer and place. Without a compiler numpy computes
        them, and a note is logged once.
    """
    inputs = np.ascontiguousarray(inputs, np.int64)
    layers: tuple[_CompiledLayer | None, ...] | None = None
    try:
        layers = _compiled.get(graph)
        if layers is None:
            layers = _compiled[graph] = tuple(_compile(layer) for layer in graph.layers)
    except ToolError as error:
        note_once(f"the integer engine runs in numpy, which is slower: {error}")

    def each(run: Callable[[Ints], Part], parts: list[Ints]) -> list[Part]:
        if threads > 1 and len(parts) > 1:
            with ThreadPoolExecutor(threads) as pool:
                return list(pool.map(run, parts))
        return [run(part) for part in parts]

    return in_parts(graph, inputs, CHUNK, _FastRun(graph, layers), each)


class _FastRun:
    """One run over the layers, callable for a part of the samples from any thread."""

    def __init__(self, graph: FixedGraph, layers: tuple[_CompiledLayer | None, ...] | None) -> None:
        self._graph = graph
        self._layers = layers or (None,) * len(graph.layers)
        self._free: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        known = [layer for layer in self._layers if layer]
        if known:
            lanes = known[0].library.swm_fixed_lanes()
            widest = max(max(layer.layer.spec.m, layer.layer.spec.n) for layer in known)
            most = max(CHUNK, max(layer.spec.output.positions for layer in graph.layers))
            self._sizes = (-(-most // lanes) * lanes * widest, max(layer.work for layer in known))
        self._plan = lru_cache(maxsize=64)(self._planned)

    def __call__(self, inputs: Ints) -> Part:
        """(samples, n) → (samples, m) and counts."""
        saturated: dict[str, int] = {}
        tensors = Tensors(self._graph, inputs)
        for stretch in self._plan(_bits(inputs)):
            values = tensors.read(stretch.layers[0])
            if stretch.compiled:
                result = self._stretch(stretch.compiled, values[0], saturated)
            else:
                result, counts = run_layer(stretch.layers[0], values)
                name = stretch.layers[0].spec.name
                saturated.update({f"{name}.{place}": count for place, count in counts.items()})
            tensors.write(stretch.layers[-1].output, result)
        words = tensors.take(self._graph.output_tensor).reshape(len(inputs), self._graph.outputs)
        return words, saturated

    def _planned(self, bits: int) -> tuple[_Stretch, ...]:
        """The layers in order, those that the kernel runs one behind the other together."""
        layers = self._graph.layers
        reads = Counter(t for layer in layers for t in layer.inputs)
        reads[self._graph.output_tensor] += 1
        plan: list[_Stretch] = []
        for layer, compiled, exact in zip(layers, self._layers, proven_layers(self._graph, bits), strict=True):
            if compiled is None or not exact:
                plan.append(_Stretch((layer,), ()))
                continue
            ahead = plan[-1].layers[-1] if plan and plan[-1].compiled else None
            if (
                ahead is not None
                and layer.inputs == (ahead.output,)
                and reads[ahead.output] == 1
                and layer.spec.n == ahead.spec.m
            ):
                plan[-1] = _Stretch((*plan[-1].layers, layer), (*plan[-1].compiled, compiled))
            else:
                plan.append(_Stretch((layer,), (compiled,)))
        return tuple(plan)

    def _stretch(self, layers: tuple[_CompiledLayer, ...], values: Ints, saturated: dict[str, int]) -> Ints:
        """Layers one behind the other without leaving the lanes."""
        try:
            here, there, work = self._free.pop()
        except IndexError:
            here, there = (aligned(self._sizes[0], np.float64) for _ in range(2))
            work = aligned(self._sizes[1], np.float64)
        buffers = here, there, work
        values = np.ascontiguousarray(values)
        tokens, library = len(values), layers[0].library
        library.swm_fixed_enter(values.ctypes.data, tokens, values.shape[1], address(here))
        for compiled in layers:
            spec = compiled.layer.spec
            lost = (ctypes.c_int64 * 2)()
            compiled.library.swm_fixed_layer(
                ctypes.addressof(compiled.parameters), address(here), address(there), tokens, address(work), lost
            )
            if isinstance(spec, CirculantSpec):
                saturated[f"{spec.name}.sum"] = int(lost[0])
            saturated[f"{spec.name}.output"] = int(lost[1])
            here, there = there, here
        out = np.empty((tokens, layers[-1].layer.spec.m), np.int64)
        library.swm_fixed_leave(address(here), tokens, out.shape[1], out.ctypes.data)
        self._free.append(buffers)
        return out
