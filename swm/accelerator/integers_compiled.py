# SPDX-License-Identifier: Apache-2.0
"""The fast integer engine: the bits and counts of `run_integers`, computed by fixed.cpp and fixed_beats.cpp.

Products, convolutions and scales run on integers in float64, where `compiled_layers.proven` shows that nothing is
rounded, and so do the products of recurrent layers (`compiled_recurrent`); layers that take a value or two an output
run on int64 (`compiled_beats`), and so do those that only move words (`compiled_moves`). Any other layer, and every
layer of a kind that none knows, is run by numpy. Parts of the samples are spread over the threads.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.compiled_beats import CompiledBeats, compiled_beats
from swm.accelerator.compiled_layers import CompiledGroups, CompiledLayer, bits_in, compiled, compiled_groups, proven
from swm.accelerator.compiled_moves import CompiledMove, compiled_move
from swm.accelerator.compiled_recurrent import CompiledRecurrent, compiled_recurrent
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.integers import BATCH, Part, Tensors, in_parts, run_layer, sample_parts
from swm.errors import ToolError
from swm.kernels import address, aligned, note_once
from swm.layers.values import FixedLayer, Ints

__all__ = ["proven_layers", "run_integers_fast"]

VALUES = 1 << 17  # of a layer at a time: they stay in the L2 cache, and what Python does costs little beside them
_Runner = Callable[[tuple[Ints, ...]], tuple[Ints, dict[str, int]]]


def proven_layers(graph: FixedGraph, incoming: int) -> tuple[bool, ...]:
    """Which layers fixed.cpp may run, for network inputs of `incoming` bits."""
    bits = {graph.input_name: incoming, **{layer.output: layer.spec.out_bits for layer in graph.layers}}
    return tuple(proven(layer, bits[layer.inputs[0]]) for layer in graph.layers)


@dataclass(frozen=True, eq=False)
class _Stretch:
    """Layers one behind the other in lanes; `chain` is empty where `alone` runs the only one."""

    layers: tuple[FixedLayer, ...]
    chain: tuple[CompiledLayer, ...]
    alone: _Runner | None = None


_Compiled = CompiledLayer | CompiledGroups | CompiledBeats | CompiledMove | CompiledRecurrent | None
_compiled: WeakKeyDictionary[FixedGraph, tuple[_Compiled, ...]] = WeakKeyDictionary()


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
    layers: tuple[_Compiled, ...] | None = None
    try:
        layers = _compiled.get(graph)
        if layers is None:
            layers = _compiled[graph] = tuple(map(_known, graph.layers))
    except ToolError as error:
        note_once(f"the integer engine runs in numpy, which is slower: {error}")

    def each(run: Callable[[Ints], Part], parts: list[Ints]) -> list[Part]:
        if threads > 1 and len(parts) > 1:
            with ThreadPoolExecutor(threads) as pool:
                return list(pool.map(run, parts))
        return [run(part) for part in parts]

    return in_parts(graph, inputs, VALUES, _FastRun(graph, layers), each)


class _FastRun:
    """One run over the layers, callable for a part of the samples from any thread."""

    def __init__(self, graph: FixedGraph, layers: tuple[_Compiled, ...] | None) -> None:
        self._graph = graph
        self._layers = layers or (None,) * len(graph.layers)
        self._free: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        known = [layer for layer in self._layers if isinstance(layer, CompiledLayer) and layer.chained]
        if known:
            lanes, samples = known[0].library.swm_fixed_lanes(), sample_parts(graph, BATCH, VALUES)[0].stop
            specs = [layer.layer.spec for layer in known]
            values = max(-(-samples * s.positions // lanes) * lanes * max(s.m, s.n) for s in specs)
            self._sizes = (values, max(layer.work for layer in known))
        self._plan = lru_cache(maxsize=64)(self._planned)

    def __call__(self, inputs: Ints) -> Part:
        """(samples, n) → (samples, m) and counts."""
        saturated: dict[str, int] = {}
        tensors = Tensors(self._graph, inputs)
        for stretch in self._plan(bits_in(inputs)):
            values = tensors.read(stretch.layers[0])
            if stretch.alone is None:
                result = self._stretch(stretch.chain, values[0], saturated)
            else:
                result, counts = stretch.alone(values)
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
        for layer, made, exact in zip(layers, self._layers, proven_layers(self._graph, bits), strict=True):
            if isinstance(made, CompiledRecurrent):
                exact = made.proven(bits if layer.inputs[0] == self._graph.input_name else 0)
            if not isinstance(made, CompiledLayer) or not (exact and made.chained):
                plan.append(_Stretch((layer,), (), _runner(layer, made, exact)))
                continue
            ahead = plan[-1].layers[-1] if plan and plan[-1].chain else None
            if (
                ahead is not None
                and layer.inputs == (ahead.output,)
                and reads[ahead.output] == 1
                and layer.spec.n == ahead.spec.m
            ):
                plan[-1] = _Stretch((*plan[-1].layers, layer), (*plan[-1].chain, made))
            else:
                plan.append(_Stretch((layer,), (made,)))
        return tuple(plan)

    def _stretch(self, layers: tuple[CompiledLayer, ...], values: Ints, saturated: dict[str, int]) -> Ints:
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
        for made in layers:
            name, lost = made.layer.spec.name, (ctypes.c_int64 * 2)()
            made.library.swm_fixed_layer(
                ctypes.addressof(made.parameters), address(here), address(there), tokens, address(work), lost
            )
            saturated.update({f"{name}.{place}": count for place, count in made.counts(lost).items()})
            here, there = there, here
        out = np.empty((tokens, layers[-1].layer.spec.m), np.int64)
        library.swm_fixed_leave(address(here), tokens, out.shape[1], out.ctypes.data)
        self._free.append(buffers)
        return out


def _known(layer: FixedLayer) -> _Compiled:
    """What the compiled engine runs a layer by; None for numpy."""
    products = compiled(layer) or compiled_groups(layer)
    return products or compiled_beats(layer) or compiled_move(layer) or compiled_recurrent(layer)


def _runner(layer: FixedLayer, made: _Compiled, exact: bool) -> _Runner:
    """What runs a layer that does not stay in lanes."""
    if isinstance(made, CompiledBeats | CompiledMove):
        return made.run
    if isinstance(made, CompiledRecurrent):
        return made.run if exact else lambda values: run_layer(layer, values)
    if made is not None and exact:
        return lambda values: made.convolve(values[0])
    return lambda values: run_layer(layer, values)
