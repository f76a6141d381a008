# SPDX-License-Identifier: Apache-2.0
"""The integer engine: the same bits as the C simulation of the emitted project."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.frames import from_frames, to_frames
from swm.accelerator.saturation import Saturation, measured, observed
from swm.accelerator.turns import tokens_in_turns
from swm.errors import CalibrationError
from swm.layers import registry
from swm.layers.values import FixedLayer, Ints
from swm.progress import Note, quiet
from swm.reshape import reshape_advice

__all__ = [
    "FixedResult",
    "Part",
    "Tensors",
    "flatten_inputs",
    "in_parts",
    "run_fixed",
    "run_integers",
    "run_layer",
    "run_layers",
    "sample_parts",
]

BATCH = 256  # samples at a time, or fewer where a layer works on many values
WORKING_VALUES = 1 << 19  # of a layer at a time, with what numpy copies: some ten megabytes
Part: TypeAlias = tuple[Ints, dict[str, int]]
"""Words (samples, m) of some samples, and saturation counts."""


@dataclass(frozen=True, eq=False)
class FixedResult:
    """Outcome of an integer run.

    Attributes:
        inputs: (frames, n) quantized inputs, n values a frame, in the order in which the hardware reads them. A frame
            is a sample, or as many as there are sequences that take turns (`FixedGraph.sequences`).
        words: (frames, m) output integers, m values a frame, in the order in which the hardware writes them.
        values: the same words as float32, (samples, ...) in the order and the shape of the float model's output. What
            the host computes after them is not in it; see `swm.host`.
        saturated: how many values saturated, by layer name and place.
        ranges: the same of how many, and how far the values reach, by the same names.
    """

    inputs: Ints
    words: Ints
    values: NDArray[np.float32]
    saturated: dict[str, int]
    ranges: dict[str, Saturation]


def run_fixed(graph: FixedGraph, x: NDArray[np.floating], *, compiled: bool = False, note: Note = quiet) -> FixedResult:
    """Quantize float inputs (samples, ...), run the integer layers, give integers and floats back.

    Args:
        graph: the network.
        x: (samples, ...) float inputs.
        compiled: let the compiled kernel run the layers that it can prove exact: the same bits, much sooner for many
            samples, after seconds of compilation the first time.
        note: called with what is going on, for every layer of every part of the samples; not by the compiled kernel.

    Raises:
        CalibrationError: x does not hold the network's number of inputs a sample.
    """
    flat = flatten_inputs(graph, x)
    order = graph.input_order
    words_in = graph.input.quantize(flat if order is None else order.to_words(flat))
    tokens = tokens_in_turns(graph)
    inputs = to_frames(words_in, graph.sequences, tokens.get(graph.input_name, ()))
    furthest: dict[str, int] = {}
    if compiled:
        from swm.accelerator.integers_compiled import run_integers_fast  # it builds on this module

        words, saturated = run_integers_fast(graph, inputs, threads=os.cpu_count() or 1)
    else:
        words, saturated = run_integers(graph, inputs, furthest, note)
    ranges = {graph.input_name: measured(graph.input, flat), **_ranges(graph, len(inputs), saturated, furthest)}
    saturated = {graph.input_name: graph.input.overflows(flat), **saturated}
    apart = from_frames(words, graph.sequences, tokens.get(graph.output_tensor, ()), len(flat))
    leaving = apart if graph.output_order is None else graph.output_order.to_model(apart)
    values = graph.output.dequantize(leaving).reshape(len(apart), *(graph.output_shape or (apart.shape[1],)))
    return FixedResult(inputs, words, values, saturated, ranges)


def flatten_inputs(graph: FixedGraph, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """(samples, ...) → (samples, n), in the float model's order.

    Raises:
        CalibrationError: wrong number of values a sample, or axes in another order than the float network's.
    """
    n = graph.inputs // graph.sequences
    inputs = () if graph.source is None else graph.source.inputs
    value = next((v for v in inputs if v.name == graph.input_name), None)  # none where the host computes it
    want = value.type.shape if value is not None and value.type is not None and value.type.shape else (None, n)
    same = x.ndim != len(want) or all(
        not isinstance(w, int) or w == h for w, h in zip(want[1:], x.shape[1:], strict=True)
    )
    if x.ndim < 2 or x[0:1].size != n or not same:
        advice = reshape_advice(x.shape, want)
        text = f"inputs must hold {n} values a sample, in the model's order, got an array of shape {x.shape}"
        raise CalibrationError(f"{text}; {advice}" if advice else text)
    return x.reshape(len(x), n)


class Tensors:
    """The tensors of one run, (tokens, channels) as their writers group them, each kept until its last reader."""

    def __init__(self, graph: FixedGraph, inputs: Ints) -> None:
        """Begin with the network's input, (samples, n)."""
        self._values: dict[str, Ints] = {graph.input_name: inputs}
        self._reads = Counter(t for layer in graph.layers for t in layer.inputs)
        self._reads[graph.output_tensor] += 1

    def read(self, layer: FixedLayer) -> tuple[Ints, ...]:
        """A layer's inputs, grouped as it reads them."""
        pairs = zip(layer.inputs, layer.spec.inputs, strict=True)
        return tuple(self.take(t).reshape(-1, shape.channels) for t, shape in pairs)

    def take(self, tensor: str) -> Ints:
        """A tensor for one of its readers."""
        values = self._values[tensor]
        self._reads[tensor] -= 1
        if not self._reads[tensor]:
            del self._values[tensor]
        return values

    def write(self, tensor: str, values: Ints) -> None:
        """A layer's output."""
        if self._reads[tensor]:
            self._values[tensor] = values


def run_layer(layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
    """One layer on (tokens, channels) of every input: (tokens, m) integers and saturation counts by place."""
    return registry.kind(layer.spec.kind).run(layer, values)


def _ranges(
    graph: FixedGraph, frames: int, saturated: dict[str, int], furthest: dict[str, int]
) -> dict[str, Saturation]:
    """Every place of every layer that rounds: counts beside how many values there are."""
    found = {}
    for layer in graph.layers:
        spec, kind = layer.spec, registry.kind(layer.spec.kind)
        for place, count in saturated.items():
            name, _, where = place.rpartition(".")
            if name == spec.name:
                values, form = frames * kind.rounded_values(spec, where), kind.rounded_format(layer, where)
                found[place] = observed(count, values, form, furthest.get(place))
    return found


def run_integers(graph: FixedGraph, inputs: Ints, furthest: dict[str, int] | None = None, note: Note = quiet) -> Part:
    """(samples, n) input integers → (samples, m) output integers, and saturation counts by layer and place.

    `furthest` is filled with the largest magnitude of every layer's output, by `layer.output`.
    """
    known = {} if furthest is None else furthest
    return in_parts(graph, inputs, WORKING_VALUES, lambda part: _run(graph, part, known, note))


def sample_parts(graph: FixedGraph, samples: int, values: int = WORKING_VALUES) -> list[slice]:
    """Samples in parts in which no layer works on more than `values` at a time; of no samples one empty part."""
    step = max(1, min(BATCH, values // max(layer.spec.working_values for layer in graph.layers)))
    return [slice(start, min(start + step, samples)) for start in range(0, max(samples, 1), step)]


def in_parts(
    graph: FixedGraph,
    inputs: Ints,
    values: int,
    run: Callable[[Ints], Part],
    each: Callable[[Callable[[Ints], Part], list[Ints]], list[Part]] | None = None,
) -> Part:
    """Run samples in parts, and join words and counts.

    Args:
        graph: the network.
        inputs: (samples, n) integers.
        values: at most so many of any layer at a time, but whole samples.
        run: gives words and counts of a part.
        each: runs all parts, in order; by default one after the other.
    """
    parts = [inputs[part] for part in sample_parts(graph, len(inputs), values)]
    done = each(run, parts) if each else [run(part) for part in parts]
    saturated: dict[str, int] = {}
    for _, counts in done:
        for place, count in counts.items():
            saturated[place] = saturated.get(place, 0) + count
    return np.concatenate([words for words, _ in done]), saturated


def run_layers(
    graph: FixedGraph, inputs: Ints, note: Note = quiet
) -> Iterator[tuple[FixedLayer, Ints, dict[str, int]]]:
    """Every layer in order, with (tokens, m) integers of its output and saturation counts by place.

    All samples at once: see `in_parts`.
    """
    tensors = Tensors(graph, inputs)
    for layer in graph.layers:
        note(f"integers of {layer.spec.name}")
        values, counts = run_layer(layer, tensors.read(layer))
        tensors.write(layer.output, values)
        yield layer, values, counts


def _run(graph: FixedGraph, inputs: Ints, furthest: dict[str, int], note: Note) -> Part:
    saturated: dict[str, int] = {}
    words = inputs
    for layer, values, counts in run_layers(graph, inputs, note):
        saturated.update({f"{layer.spec.name}.{place}": count for place, count in counts.items()})
        place = f"{layer.spec.name}.output"
        furthest[place] = max(furthest.get(place, 0), int(np.abs(values).max(initial=0)))
        if layer.output == graph.output_tensor:
            words = values
    return words.reshape(len(inputs), graph.outputs), saturated
