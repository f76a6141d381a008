# SPDX-License-Identifier: Apache-2.0
"""Several sequences that take turns in a network with recurrent layers, so that none of its loops waits for a state.

A sample is a sequence still; a frame of such a design holds several of them (`frames.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from swm.accelerator.backend import Backend
from swm.accelerator.design import Schedule
from swm.accelerator.fixed_graph import FixedGraph, NetworkShape
from swm.accelerator.line import Pace
from swm.accelerator.schedule import make_schedule
from swm.accelerator.turns import turning, widened
from swm.device.board import Board
from swm.device.limits import Limits
from swm.errors import OptionError
from swm.layers.pad import PadSpec
from swm.layers.recurrent import RecurrentSpec
from swm.layers.reverse import ReverseSpec
from swm.layers.values import LayerSpec, TensorShape
from swm.progress import Note, quiet

__all__ = ["MOST_SEQUENCES", "interleaved", "interleaved_shape", "sequence_obstacle", "with_sequences"]

MOST_SEQUENCES = 16
_WORTH = 1.02  # by how much more sequences have to be faster


def interleaved(graph: FixedGraph, sequences: int) -> FixedGraph:
    """The network for frames of several sequences.

    Raises:
        OptionError: a number that is impossible, or a network that mixes positions.
    """
    if sequences == 1:
        return graph
    shape = interleaved_shape(graph.shape, sequences)
    layers = tuple(replace(layer, spec=shaped.spec) for layer, shaped in zip(graph.layers, shape.layers, strict=True))
    return replace(graph, layers=layers)


def interleaved_shape(network: NetworkShape, sequences: int) -> NetworkShape:
    """The same of a network by its shapes alone."""
    if isinstance(sequences, bool) or not 1 <= sequences <= MOST_SEQUENCES:
        raise OptionError(f"{sequences!r} sequences that take turns: choose 1 to {MOST_SEQUENCES}")
    if sequences == 1:
        return network
    obstacle = sequence_obstacle(network)
    if obstacle:
        raise OptionError(obstacle)
    ends, _ = turning(network)
    made = (_spec(layer.spec, sequences, widened(layer, ends)) for layer in network.layers)
    layers = tuple(replace(layer, spec=spec) for layer, spec in zip(network.layers, made, strict=True))
    return replace(network, layers=layers)


def sequence_obstacle(network: NetworkShape) -> str:
    """Why sequences cannot take turns in a network; empty if they can."""
    if not any(isinstance(layer.spec, RecurrentSpec) for layer in network.layers):
        return "only recurrent layers gain from sequences that take turns; there is none in this network"
    _, mixes = turning(network)
    return f"layer {mixes!r} mixes the steps of a sequence: sequences cannot take turns around it" if mixes else ""


def _spec(spec: LayerSpec, sequences: int, wide: bool) -> LayerSpec:
    """A layer for so many sequences: with more positions, or (`wide`) with more channels."""

    def longer(shape: TensorShape) -> TensorShape:
        if wide:
            return replace(shape, channels=shape.channels * sequences)
        return replace(shape, positions=shape.positions * sequences)

    made = replace(spec, inputs=tuple(map(longer, spec.inputs)), output=longer(spec.output))
    if isinstance(made, RecurrentSpec | ReverseSpec):
        return replace(made, sequences=sequences)
    return replace(made, margins=made.margins.times(sequences)) if isinstance(made, PadSpec) else made


def with_sequences(
    network: NetworkShape,
    board: Board,
    *,
    backend: Backend,
    clock_mhz: float | None = None,
    hybrid: bool = False,
    limits: Limits | None = None,
    interval: Pace = None,
    sequences: int | None = None,
    note: Note = quiet,
) -> tuple[int, Schedule]:
    """A schedule for so many sequences; where none is named, the fewest that more would not make 2 % faster.

    Raises:
        OptionError: see `interleaved_shape`; and see `make_schedule`.
    """
    options: dict[str, Any] = {"backend": backend, "clock_mhz": clock_mhz, "hybrid": hybrid, "limits": limits}
    options |= {"note": note, "target_interval": interval}
    if sequences is not None:
        return sequences, make_schedule(interleaved_shape(network, sequences), board, **options)
    best = make_schedule(network, board, **options)
    if sequence_obstacle(network):
        return 1, best
    count, tried = 1, {1}
    while best.fits and 2 * count <= MOST_SEQUENCES:
        for more in sorted({count + 1, 2 * count} - tried):
            tried.add(more)
            least = _WORTH * best.inferences_per_s
            found = make_schedule(interleaved_shape(network, more), board, **options, least=least)
            if found.fits:
                count, best = more, found
                break
        else:
            break
    return count, best
