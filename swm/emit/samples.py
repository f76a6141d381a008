# SPDX-License-Identifier: Apache-2.0
"""The samples of a project: what testbench and `swm verify` run, and what they compare with (`verify/vectors.npz`)."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.helper import tensor_dtype_to_np_dtype

from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.integers import flatten_inputs
from swm.engine import run_onnxruntime
from swm.errors import CalibrationError, OutputError
from swm.graph import Graph, Value, is_structured
from swm.host import after_hardware, before_hardware

__all__ = ["VECTORS", "Samples", "as_declared", "choose_samples", "load_samples", "save_samples"]

Array = NDArray[Any]
VECTORS = "vectors.npz"
RANDOM_VECTORS = 16


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples for a network.

    Attributes:
        inputs: (samples, n) float32, what the hardware reads.
        feeds: the network's own inputs, in order; empty where the hardware reads them, or where they are not known
            (random samples behind what the host computes).
        reference: what onnxruntime gives on the float network for them; None if that is not known.
        reference_structured: whether that network has structured layers; None without reference.
        own: the same of the float network that was quantized, where the reference is another one: without it nobody
            could tell what fixed point costs from what the conversion before it cost.
        labels: (samples,) class numbers, or None.
    """

    inputs: NDArray[np.float32]
    feeds: tuple[Array, ...] = ()
    reference: Array | None = None
    labels: NDArray[np.int64] | None = None
    own: Array | None = None
    reference_structured: bool | None = None

    def given(self, graph: FixedGraph) -> dict[str, Array] | None:
        """The network's own inputs by name; None if they are not known."""
        if self.feeds and graph.host is not None:
            return dict(zip([v.name for v in graph.host.inputs], self.feeds, strict=True))
        if graph.host is not None and graph.host.reads_inputs:
            return None
        return {graph.input_name: self.inputs}

    def answers(self, graph: FixedGraph, values: NDArray[np.floating]) -> Array | None:
        """The network's first output where the hardware wrote `values`; None if the network's inputs are not known."""
        given = self.given(graph)
        if given is None or graph.host is None:
            return None if given is None else values
        return after_hardware(graph, before_hardware(graph, given), values)[graph.host.outputs[0].name]


def choose_samples(
    graph: FixedGraph,
    vectors: Array | Mapping[str, Array] | None,
    labels: NDArray[np.integer] | None,
    reference: Graph | None,
    most: int | None,
) -> Samples:
    """Run the float network on the first `most` vectors; without vectors on random ones in the input's range.

    Raises:
        CalibrationError: vectors or labels that do not fit.
    """
    host = graph.host
    apart = host is not None and (host.reads_inputs or len(host.inputs) > 1)  # inputs that the hardware does not read
    feeds: dict[str, Array] = {}
    if vectors is None:
        shape = (RANDOM_VECTORS, graph.inputs // graph.sequences)
        values: Array = np.random.default_rng(0).uniform(-graph.input.largest, graph.input.largest, shape)
    else:
        given = vectors if isinstance(vectors, Mapping) else {_only(graph): vectors}
        feeds = {name: array[: _count(graph, most, len(array))] for name, array in given.items()}
        values = before_hardware(graph, feeds)[graph.input_name]
    inputs = flatten_inputs(graph, values).astype(np.float32)
    if not len(inputs) or not np.isfinite(inputs).all():
        raise CalibrationError("test vectors must be finite numbers, at least one sample of them")
    if labels is not None and (labels.ndim != 1 or len(labels) < len(inputs)):
        raise CalibrationError(f"{len(inputs)} vectors need as many labels, got an array of shape {labels.shape}")
    known = None if labels is None else np.asarray(labels[: len(inputs)], np.int64)
    ordered = {graph.input_name: inputs}
    if host is not None and apart:
        ordered = {v.name: feeds[v.name] for v in host.inputs if v.name in feeds}
    answers = _reference(reference or graph.source, ordered)
    quantized = None if reference in (None, graph.source) else _reference(graph.source, ordered)
    source = reference or graph.source
    structured = None if answers is None or source is None else any(map(is_structured, source.nodes))
    return Samples(inputs, tuple(ordered.values()) if apart else (), answers, known, quantized, structured)


def _only(graph: FixedGraph) -> str:
    """The name of the network's only input."""
    names = [graph.input_name] if graph.host is None else [v.name for v in graph.host.inputs]
    if len(names) != 1:
        raise CalibrationError(f"the network has {len(names)} inputs {names}; give vectors by name")
    return names[0]


def _count(graph: FixedGraph, most: int | None, given: int) -> int:
    """At most so many samples: whole batches of what the host computes, and whole frames where there are as many."""
    kinds = [] if graph.host is None else [v.type for v in graph.host.inputs]
    batch = next((k.shape[0] for k in kinds if k is not None and k.shape and isinstance(k.shape[0], int)), 1)
    if most is None:
        return given
    count, frame = min(most, given), lcm(batch, graph.sequences)
    unit = frame if frame <= count else batch
    return max(count // unit, 1) * unit


def _reference(source: Graph | None, feeds: Mapping[str, Array]) -> Array | None:
    """What the float network gives; its inputs are matched by name, or one to one where it has others names."""
    if source is None or not feeds:
        return None
    names = [v.name for v in source.inputs]
    if set(names) != set(feeds):
        if len(names) != len(feeds):
            raise CalibrationError(f"the reference has the inputs {names}, the network {list(feeds)}")
        feeds = dict(zip(names, feeds.values(), strict=True))
    given = {v.name: as_declared(feeds[v.name], v) for v in source.inputs}
    answers: Array = run_onnxruntime(source, given)[source.outputs[0].name]
    return answers


def as_declared(vectors: Array, value: Value) -> Array:
    """Flat vectors in the shape and type that the float model declares for an input."""
    if value.type is None:
        return vectors
    return _shaped(vectors, value.type.shape).astype(tensor_dtype_to_np_dtype(value.type.elem), copy=False)


def _shaped(vectors: Array, shape: tuple[int | str | None, ...] | None) -> Array:
    """Flat vectors in the shape that the float model declares."""
    if shape is None or not all(isinstance(size, int) for size in shape[1:]):
        return vectors
    return vectors.reshape(-1, *(size for size in shape[1:] if isinstance(size, int)))


def save_samples(samples: Samples, folder: Path) -> None:
    """Write `verify/vectors.npz`."""
    arrays = {"inputs": samples.inputs, "reference": samples.reference, "labels": samples.labels, "float": samples.own}
    if samples.reference_structured is not None:
        arrays["reference_structured"] = np.array(samples.reference_structured)
    arrays |= {f"feed{place}": array for place, array in enumerate(samples.feeds)}
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez_compressed(folder / VECTORS, **kept)  # type: ignore[arg-type]  # numpy's own options


def load_samples(folder: Path) -> Samples:
    """Read what `save_samples` wrote.

    Raises:
        OutputError: the file is missing or damaged.
    """
    file = folder / VECTORS
    try:
        with np.load(file, allow_pickle=False) as stored:
            feeds = [stored[f"feed{place}"] for place in range(len(stored.files)) if f"feed{place}" in stored]
            reference, labels, own = (stored.get(name) for name in ("reference", "labels", "float"))
            structured = stored.get("reference_structured")
            known = None if structured is None else bool(structured)
            return Samples(stored["inputs"], tuple(feeds), reference, labels, own, known)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise OutputError(f"{str(file)!r} is damaged; emit the project again") from error
