# SPDX-License-Identifier: Apache-2.0
"""Layer by layer: what the C simulation wrote on every edge, against the integer engine and the float network.

The simulation appends the words of an edge to a file of its name (hls/swm/trace.h). Where the first layer differs whose
inputs do not, the fault lies in that layer's text, ROMs or configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.design import Design, Edge
from swm.accelerator.integers import run_layers, sample_parts
from swm.accelerator.saturation import Saturation
from swm.emit.context import INPUT_EDGE
from swm.errors import ToolError
from swm.layers.values import Format, Ints
from swm.progress import Note, quiet

__all__ = ["LayerTrace", "open_taps", "trace_layers"]

INPUT, OUTPUT = "in", "out"  # the ports of a top whose processes follow each other


@dataclass(frozen=True)
class LayerTrace:
    """One layer of the design, or a fork, a width converter or the input edge, which change no value.

    Attributes:
        name: of the layer; `axi.input` for the input edge.
        node: float node it comes from; empty for what the schedule placed.
        kind: its kind.
        words: compared in the C simulation, all edges that it writes.
        mismatches: words that differ.
        first_mismatch: where the first difference lies; empty if none.
        format: of its output.
        low: least value of its output in the integer engine, as a real number.
        high: largest.
        used: share of the format's range that these values use.
        saturated: values that saturated in the layer, at any place.
        rounded: the values among which they are.
        error: norm of the difference between the integer engine and the float network at its output, over that of the
            float network; everything before it and itself included. None where the float network is not known.
        max_error: largest difference.
    """

    name: str
    node: str
    kind: str
    words: int
    mismatches: int
    first_mismatch: str
    format: str
    low: float
    high: float
    used: float
    saturated: int
    rounded: int
    error: float | None
    max_error: float | None


def open_taps(design: Design, folder: Path) -> None:
    """Make the files that a simulation is to fill: one for each edge between layers, and for both ends."""
    for edge in design.schedule.edges:
        (folder / _file(design, edge)).touch()


def _file(design: Design, edge: Edge) -> str:
    ends = {} if design.backend.streaming else {design.schedule.input.name: INPUT, design.schedule.output.name: OUTPUT}
    return ends.get(edge.name, edge.name)


def _words(design: Design, edge: Edge, folder: Path, samples: int) -> NDArray[np.int32]:
    """(samples, values) that an edge carried; padding of the last beat of each token is left out.

    Raises:
        ToolError: fewer words than that.
    """
    padded = edge.beats * edge.vec
    words = np.fromfile(folder / _file(design, edge), np.int32)
    wanted = samples * edge.positions * padded
    if len(words) < wanted:  # calls for a register's sake and surplus frames stand behind
        raise ToolError(f"the C simulation wrote {len(words):,} words to {edge.name}, expected {wanted:,}")
    return words[:wanted].reshape(-1, padded)[:, : edge.channels].reshape(samples, -1)


@dataclass
class _Tensor:
    """What is known of a tensor, part of the samples by part."""

    format: Format
    low: int = 0
    high: int = 0
    off: float = 0.0  # squared, summed
    norm: float = 0.0
    furthest: float | None = None

    def see(self, values: Ints, floats: NDArray[np.float32]) -> None:
        """Values (samples, n), and those of the float network for the first of these samples."""
        self.low, self.high = min(self.low, int(values.min(initial=0))), max(self.high, int(values.max(initial=0)))
        if len(floats):
            off = values[: len(floats)] / 2.0**self.format.frac - floats.astype(np.float64)
            self.off, self.norm = (
                self.off + float((off**2).sum()),
                self.norm + float((floats.astype(np.float64) ** 2).sum()),
            )
            self.furthest = max(self.furthest or 0.0, float(np.abs(off).max(initial=0.0)))

    @property
    def error(self) -> float | None:
        return None if self.furthest is None else float(np.sqrt(self.off / max(self.norm, 1e-60)))

    @property
    def used(self) -> float:
        top = 1 << (self.format.bits - 1)
        return max(self.high / (top - 1), -self.low / top)


class _Edge:
    """The comparison of one edge, part of the samples by part."""

    def __init__(self, edge: Edge, words: NDArray[np.int32]) -> None:
        self.edge, self.words, self.mismatches, self.first = edge, words, 0, ""

    def compare(self, part: slice, values: Ints) -> None:
        got, wanted = self.words[part], values.reshape(part.stop - part.start, -1)
        different = got != wanted
        self.mismatches += int(np.count_nonzero(different))
        if not self.first and self.mismatches:
            sample, place = map(int, np.argwhere(different)[0])
            token, channel = divmod(place, self.edge.channels)
            self.first = (
                f"sample {part.start + sample}, position {token}, channel {channel}: C++ {got[sample, place]}, integer"
                f" engine {wanted[sample, place]}"
            )


def trace_layers(
    design: Design,
    folder: Path,
    inputs: Ints,
    floats: tuple[NDArray[np.float32], ...],
    ranges: Mapping[str, Saturation],
    note: Note = quiet,
) -> tuple[LayerTrace, ...]:
    """Compare what a simulation wrote, in the order of the data.

    Args:
        design: of the project.
        folder: where `open_taps` made the files.
        inputs: (samples, n) quantized inputs of the run.
        floats: from `load_floats`; may be of fewer samples.
        ranges: saturation by layer and place, from the integer engine.
        note: called for every layer of every part of the samples.

    Raises:
        ToolError: the simulation wrote too few words.
    """
    graph, schedule = design.graph, design.schedule
    edges = {edge.name: _Edge(edge, _words(design, edge, folder, len(inputs))) for edge in schedule.edges}
    readers: dict[str, list[_Edge]] = {}
    for found in edges.values():
        readers.setdefault(found.edge.tensor, []).append(found)
    tensors = {graph.input_name: _Tensor(graph.input), **{la.output: _Tensor(la.output_format) for la in graph.layers}}
    known = dict(zip((la.output for la in graph.layers), floats, strict=False))
    nothing = np.zeros((0, 0), np.float32)

    def seen(tensor: str, part: slice, values: Ints) -> None:
        flat = values.reshape(part.stop - part.start, -1)
        tensors[tensor].see(flat, known.get(tensor, nothing)[part])
        for edge in readers.get(tensor, ()):
            edge.compare(part, flat)

    for part in sample_parts(graph, len(inputs)):
        seen(graph.input_name, part, inputs[part])
        for layer, values, _ in run_layers(graph, inputs[part], note):
            seen(layer.output, part, values)
    nodes = {layer.spec.name: layer.node for layer in graph.layers}
    rows: list[tuple[str, str, tuple[str, ...]]] = [(INPUT_EDGE, "axi", (schedule.input.name,))]
    rows += [(placed.spec.name, placed.spec.kind, placed.outputs) for placed in schedule.layers]
    return tuple(
        _row(name, nodes.get(name, ""), kind, [edges[o] for o in outputs], tensors, ranges)
        for name, kind, outputs in rows
    )


def _row(
    name: str,
    node: str,
    kind: str,
    edges: list[_Edge],
    tensors: Mapping[str, _Tensor],
    ranges: Mapping[str, Saturation],
) -> LayerTrace:
    tensor = tensors[edges[0].edge.tensor]
    scale = 2.0**-tensor.format.frac
    whole = edges[0].edge.tensor if name == INPUT_EDGE else ""  # the input saturates where its numbers are rounded
    places = [found for place, found in ranges.items() if place == whole or place.rpartition(".")[0] == name]
    return LayerTrace(
        name=name,
        node=node,
        kind=kind,
        words=sum(edge.words.size for edge in edges),
        mismatches=sum(edge.mismatches for edge in edges),
        first_mismatch=next((edge.first for edge in edges if edge.first), ""),
        format=str(tensor.format),
        low=tensor.low * scale,
        high=tensor.high * scale,
        used=tensor.used,
        saturated=sum(found.count for found in places),
        rounded=sum(found.values for found in places),
        error=tensor.error if node else None,
        max_error=tensor.furthest if node else None,
    )
