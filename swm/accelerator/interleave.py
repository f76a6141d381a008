# SPDX-License-Identifier: Apache-2.0
"""Several sequences that take turns in a network with recurrent layers, so that none of its loops waits for a state.

A frame of such a design holds step 0 of every sequence, then step 1 of every sequence, and so on: (time, batch,
channels), the order in which ONNX lays sequences out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.backend import Backend
from swm.accelerator.design import Schedule
from swm.accelerator.fixed_graph import FixedGraph, NetworkShape
from swm.accelerator.schedule import make_schedule
from swm.device.board import Board
from swm.errors import OptionError
from swm.layers.recurrent import RecurrentSpec
from swm.layers.reverse import ReverseSpec
from swm.layers.values import LayerSpec
from swm.progress import Note, quiet

__all__ = ["MOST_SEQUENCES", "interleaved", "interleaved_shape", "packed", "with_sequences"]

MOST_SEQUENCES = 16
_EACH_ALONE = ("recurrent", "reverse", "dense", "circulant", "scale", "prelu", "layernorm", "add", "concat")
"""Kinds that do the same at every position, or know of sequences."""
_WORTH = 1.02  # by how much more sequences have to be faster


def interleaved(graph: FixedGraph, sequences: int) -> FixedGraph:
    """The network for frames of several sequences; its samples are (steps, sequences, channels).

    Raises:
        OptionError: a number that is impossible, or a network that mixes positions, or with host parts.
    """
    if sequences == 1:
        return graph
    if graph.host is not None:
        raise OptionError("sequences take turns in networks that are all hardware; leave out what the host computes")
    shape = interleaved_shape(graph.shape, sequences)
    layers = tuple(replace(layer, spec=shaped.spec) for layer, shaped in zip(graph.layers, shape.layers, strict=True))
    return replace(graph, layers=layers, source=None, output_shape=())


def interleaved_shape(network: NetworkShape, sequences: int) -> NetworkShape:
    """The same of a network by its shapes alone."""
    if isinstance(sequences, bool) or not 1 <= sequences <= MOST_SEQUENCES:
        raise OptionError(f"{sequences!r} sequences that take turns: choose 1 to {MOST_SEQUENCES}")
    if sequences == 1:
        return network
    specs = [layer.spec for layer in network.layers]
    if not any(isinstance(spec, RecurrentSpec) for spec in specs):
        raise OptionError("only recurrent layers gain from sequences that take turns; there is none in this network")
    written = {layer.output: layer.spec.output.positions for layer in network.layers}
    for layer in network.layers:
        read = zip(layer.inputs, layer.spec.inputs, strict=True)
        if layer.spec.kind not in _EACH_ALONE or any(written.get(t, s.positions) != s.positions for t, s in read):
            raise OptionError(
                f"layer {layer.spec.name!r} mixes the steps of a sequence: sequences cannot take turns around it"
            )
    layers = tuple(replace(layer, spec=_spec(layer.spec, sequences)) for layer in network.layers)
    return replace(network, layers=layers)


def _spec(spec: LayerSpec, sequences: int) -> LayerSpec:
    inputs = tuple(replace(shape, positions=shape.positions * sequences) for shape in spec.inputs)
    output = replace(spec.output, positions=spec.output.positions * sequences)
    if isinstance(spec, RecurrentSpec | ReverseSpec):
        return replace(spec, inputs=inputs, output=output, sequences=sequences)
    return replace(spec, inputs=inputs, output=output)


def with_sequences(
    network: NetworkShape,
    board: Board,
    *,
    backend: Backend,
    clock_mhz: float | None = None,
    hybrid: bool = False,
    sequences: int | None = None,
    note: Note = quiet,
) -> tuple[int, Schedule]:
    """A schedule for so many sequences; where none is named, the fewest that more would not make 2 % faster.

    Raises:
        OptionError: see `interleaved_shape`; and see `make_schedule`.
    """

    def attempt(count: int) -> Schedule:
        shape = interleaved_shape(network, count)
        return make_schedule(shape, board, backend=backend, clock_mhz=clock_mhz, hybrid=hybrid, note=note)

    if sequences is not None:
        return sequences, attempt(sequences)
    count, best = 1, attempt(1)
    while best.fits and 2 * count <= MOST_SEQUENCES:
        more = next((n for n in (count + 1, 2 * count) if _faster(attempt(n), best)), 0)
        if not more:
            break
        count, best = more, attempt(more)
    return count, best


def _faster(one: Schedule, other: Schedule) -> bool:
    return one.fits and one.inferences_per_s > _WORTH * other.inferences_per_s


def packed(x: NDArray[Any], sequences: int) -> NDArray[Any]:
    """(samples, steps, channels) → (samples / sequences, steps, sequences, channels): the frames of such a design.

    Raises:
        OptionError: samples that do not fill frames.
    """
    if x.ndim != 3 or len(x) % sequences:
        raise OptionError(f"an array of {x.shape} does not fill frames of {sequences} sequences")
    return np.ascontiguousarray(x.reshape(-1, sequences, *x.shape[1:]).swapaxes(1, 2))
