# SPDX-License-Identifier: Apache-2.0
"""The fast integer engine: the bits and counts of `run_integers`, computed by fixed.cpp on all threads.

The kernel keeps integers in float64. `_proven` derives, from a layer's widths and the range of the integers that reach
it, that every intermediate value stays below 2^53, where float64 arithmetic on integers has no rounding; a layer for
which it cannot is run by numpy's int64 instead.
"""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from swm.engine._fixed import run_layer
from swm.engine.kernels.build import load_library, note_once
from swm.engine.kernels.compiled import address, aligned
from swm.errors import ToolError
from swm.fixed import FixedGraph, FixedLayer
from swm.fixed._integer import Ints, activation_table
from swm.fixed.spec import TWIDDLE_FRAC, clog2

__all__ = ["proven_layers", "run_integers_fast"]

EXACT_BITS = 53  # a two's complement integer of so many bits, and every sum on the way to it, is exact in float64
MOST_SHIFT = 50
CHUNK = 128  # samples of one task: the values of a wide layer stay in the L2 cache
_KINDS = {"circulant": 0, "dense": 1, "scale": 2}
_ACTIVATIONS = {"identity": 0, "relu": 1, "sigmoid": 2, "tanh": 2}


class _SwmLayer(ctypes.Structure):
    _integers = (
        *("kind", "m", "n", "p", "q", "fft_shifts", "acc_shift", "rounded_bits"),
        *("activation", "value_frac", "out_frac", "out_bits"),
    )
    _fields_: ClassVar = [
        *((name, ctypes.c_int64) for name in _integers),
        *((name, ctypes.c_void_p) for name in ("weights", "bias", "table")),
    ]


def _bits(values: Ints) -> int:
    """Width of the two's complement numbers that hold every value."""
    if not values.size:
        return 1
    low, high = int(values.min()), int(values.max())
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0) + 1


def _proven(layer: FixedLayer, incoming: int) -> bool:
    """True if every value inside the layer is exact in float64, for inputs of `incoming` bits."""
    spec = layer.spec
    weight_bits = _bits(layer.weights)
    if spec.kind == "circulant":
        if spec.fft_shifts not in (0, spec.stages // 2):
            return False
        spectrum = incoming + spec.stages - spec.fft_shifts + 1  # one bit more than WX, for the roundings
        inverse = spec.rounded_bits + spec.fft_shifts + 3
        total = weight_bits + spectrum + 1 + clog2(spec.q)
        inside = max(max(spectrum, inverse) + TWIDDLE_FRAC + 3, total + max(0, -layer.acc_shift))
        value, shifts = inverse, [layer.acc_shift]
    else:
        inside = value = weight_bits + incoming + (clog2(spec.n) if spec.kind == "dense" else 0)
        shifts = []
    value = max(value, _bits(layer.bias)) + 1
    if spec.activation in ("identity", "relu"):
        shifts.append(layer.value_frac - layer.output.frac)
        inside = max(inside, value + max(0, -shifts[-1]))
    else:
        shifts += [layer.value_frac - 12, 24 - layer.output.frac]
        inside = max(inside, value + max(0, -shifts[-2]), 26 + max(0, -shifts[-1]))
    return inside <= EXACT_BITS and all(shift <= MOST_SHIFT for shift in shifts)


def proven_layers(graph: FixedGraph, incoming: int) -> tuple[bool, ...]:
    """Which layers the compiled kernel may run, for network inputs of `incoming` bits."""
    widths = [incoming, *(layer.spec.out_bits for layer in graph.layers)]
    return tuple(_proven(layer, bits) for layer, bits in zip(graph.layers, widths, strict=False))


@dataclass(frozen=True, eq=False)
class _CompiledLayer:
    """A layer's library and parameters; `keep` holds the arrays that `parameters` points to."""

    layer: FixedLayer
    library: ctypes.CDLL
    parameters: _SwmLayer
    work: int
    keep: tuple[NDArray[Any], ...]


def _compile(layer: FixedLayer) -> _CompiledLayer:
    spec = layer.spec
    library = load_library("fixed.cpp", {"SWM_K": spec.block if spec.kind == "circulant" else 1})
    library.swm_fixed_work.argtypes = [ctypes.c_int64] * 2
    for name in ("swm_fixed_work", "swm_fixed_lanes"):
        getattr(library, name).restype = ctypes.c_int64
    library.swm_fixed_layer.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] + [ctypes.c_void_p] * 2
    library.swm_fixed_layer.restype = None
    for name in ("swm_fixed_enter", "swm_fixed_leave"):
        getattr(library, name).argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
        getattr(library, name).restype = None
    weights = layer.weights.transpose(2, 0, 1, 3) if spec.kind == "circulant" else layer.weights
    weights = np.ascontiguousarray(weights, np.float64)
    bias = np.ascontiguousarray(layer.bias, np.float64)
    table = np.zeros(1)
    if spec.activation in ("sigmoid", "tanh"):
        # one entry more, which the last input of the last segment reads with weight 0
        table = np.append(activation_table(spec.activation), 0).astype(np.float64)
    keep = (weights, bias, table)
    parameters = _SwmLayer(
        _KINDS[spec.kind],
        *(spec.m, spec.n, spec.p, spec.q, spec.fft_shifts, layer.acc_shift, spec.rounded_bits),
        *(_ACTIVATIONS[spec.activation], layer.value_frac, layer.output.frac, spec.out_bits),
        *(array.ctypes.data for array in keep),
    )
    return _CompiledLayer(layer, library, parameters, library.swm_fixed_work(spec.p, spec.q), keep)


_compiled: WeakKeyDictionary[FixedGraph, tuple[_CompiledLayer, ...]] = WeakKeyDictionary()


def run_integers_fast(graph: FixedGraph, inputs: Ints, threads: int = 1) -> tuple[Ints, dict[str, int]]:
    """The same as `swm.engine.run_integers`, faster.

    Args:
        graph: the fixed-point network.
        inputs: (samples, n) integers; int64, any other integer type is converted.
        threads: how many to use.

    Returns:
        (samples, m) int64 output integers, and saturation counts by layer and place. Without a compiler numpy computes
        them, and a note is logged once.
    """
    inputs = np.ascontiguousarray(inputs, np.int64)
    layers: tuple[_CompiledLayer, ...] | None = None
    try:
        layers = _compiled.get(graph)
        if layers is None:
            layers = _compiled[graph] = tuple(_compile(layer) for layer in graph.layers)
    except ToolError as error:
        note_once(f"the integer engine runs in numpy, which is slower: {error}")
    starts = range(0, len(inputs), CHUNK)
    run = _Run(graph, layers)
    if threads > 1 and len(starts) > 1:
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(lambda s: run(inputs[s : s + CHUNK]), starts))
    else:
        parts = [run(inputs[s : s + CHUNK]) for s in starts]
    places = [
        f"{spec.name}.{place}"
        for spec in graph.specs
        for place in (("sum", "output") if spec.kind == "circulant" else ("output",))
    ]
    saturated = {place: sum(counts[place] for _, counts in parts) for place in places}
    words = [part for part, _ in parts] or [np.empty((0, graph.specs[-1].m), np.int64)]
    return np.concatenate(words), saturated


class _Run:
    """One run over the layers, callable for a chunk of samples from any thread."""

    def __init__(self, graph: FixedGraph, layers: tuple[_CompiledLayer, ...] | None) -> None:
        self._graph, self._layers = graph, layers
        self._proven: dict[int, tuple[bool, ...]] = {}
        self._free: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        if layers:
            self._lanes = layers[0].library.swm_fixed_lanes()
            widest = max(max(spec.m, spec.n) for spec in graph.specs)
            self._sizes = (-(-CHUNK // self._lanes) * self._lanes * widest, max(layer.work for layer in layers))

    def __call__(self, values: Ints) -> tuple[Ints, dict[str, int]]:
        """(samples, n) of at most CHUNK samples → (samples, m) and counts."""
        saturated: dict[str, int] = {}
        samples = len(values)
        exact = self._exact(values)
        index, last = 0, len(exact)
        while index < last:
            if not exact[index]:
                layer = self._graph.layers[index]
                values, counts = run_layer(layer, values)
                saturated.update({f"{layer.spec.name}.{place}": count for place, count in counts.items()})
                index += 1
                continue
            stop = next((i for i in range(index, last) if not exact[i]), last)
            values = self._stretch(index, stop, values, samples, saturated)
            index = stop
        return values, saturated

    def _exact(self, values: Ints) -> tuple[bool, ...]:
        """Which layers the kernel may run on these inputs."""
        if self._layers is None:
            return (False,) * len(self._graph.layers)
        bits = _bits(values)
        if bits not in self._proven:
            self._proven[bits] = proven_layers(self._graph, bits)
        return self._proven[bits]

    def _stretch(self, start: int, stop: int, values: Ints, samples: int, saturated: dict[str, int]) -> Ints:
        """Layers start .. stop-1 without leaving the lanes."""
        assert self._layers is not None  # no layer is exact without libraries
        try:
            here, there, work = self._free.pop()
        except IndexError:
            here, there = (aligned(self._sizes[0], np.float64) for _ in range(2))
            work = aligned(self._sizes[1], np.float64)
        buffers = here, there, work
        values = np.ascontiguousarray(values)
        library = self._layers[start].library
        library.swm_fixed_enter(values.ctypes.data, samples, values.shape[1], address(here))
        for compiled in self._layers[start:stop]:
            spec = compiled.layer.spec
            lost = (ctypes.c_int64 * 2)()
            compiled.library.swm_fixed_layer(
                ctypes.addressof(compiled.parameters), address(here), address(there), samples, address(work), lost
            )
            if spec.kind == "circulant":
                saturated[f"{spec.name}.sum"] = int(lost[0])
            saturated[f"{spec.name}.output"] = int(lost[1])
            here, there = there, here
        out = np.empty((samples, self._layers[stop - 1].layer.spec.m), np.int64)
        library.swm_fixed_leave(address(here), samples, out.shape[1], address(out))
        self._free.append(buffers)
        return out
