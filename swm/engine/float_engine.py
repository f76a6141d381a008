# SPDX-License-Identifier: Apache-2.0
"""The float engine: structured layers in our FFT kernels, everything between them in onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from swm.engine.kernels import Choice, Policy
from swm.engine.session import Session
from swm.engine.structured import DETERMINISTIC, StructuredLayer
from swm.errors import CalibrationError, ModelError
from swm.graph import Graph, Node, densified, is_structured
from swm.graph.graph import reads
from swm.onnx_io import serialized, subgraph_proto

__all__ = ["FloatEngine", "batches", "run_float", "run_onnxruntime"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class _Segment:
    """Nodes that run together in one onnxruntime session, or one structured layer."""

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    structured: Node | None


class FloatEngine:
    """Runs one graph. Sessions are opened at the first run and kept, so keep the engine for repeated runs.

    Args:
        graph: any graph.
        outputs: tensors wanted; any tensor of the graph, default its outputs.
        deterministic: run structured layers on engines that their size alone decides, so that results which are kept (a
            conversion) depend on nothing that this machine has built or measured. Otherwise the engine predicted to
            be fastest runs them, which may be the dense layer.
        threads: for structured layers; default all cores.

    Raises:
        ModelError: a wanted tensor does not exist, or a part of the model cannot be written as ONNX.
    """

    def __init__(
        self,
        graph: Graph,
        outputs: Sequence[str] | None = None,
        *,
        deterministic: bool = False,
        threads: int | None = None,
    ) -> None:
        """Plan the segments and write those for onnxruntime as models."""
        self.graph = graph
        self.outputs = tuple(outputs) if outputs is not None else tuple(v.name for v in graph.outputs)
        known = {v.name for v in graph.inputs} | set(graph.constants) | set(graph.producers())
        missing = [t for t in self.outputs if t not in known]
        if missing:
            raise ModelError(f"the graph has no tensor named {', '.join(map(repr, missing))}")
        self.segments = _plan(graph, self.outputs)
        self._sessions = [None if s.structured else _session(graph, s) for s in self.segments]
        policy = Policy(DETERMINISTIC.mode if deterministic else "patient", threads or _cores())
        self._layers = {
            id(node): StructuredLayer(node, policy, lambda node=node: _dense(graph, node))  # type: ignore[misc]
            for node in (s.structured for s in self.segments)
            if node is not None
        }

    @property
    def guarded(self) -> bool:
        """Whether some part runs in a child process before it runs here."""
        return any(s is not None and s.guarded for s in self._sessions)

    @property
    def choices(self) -> dict[str, Choice | None]:
        """By structured layer, the engine that the last run took and why; None before any run."""
        return {layer.node.name: layer.choice for layer in self._layers.values()}

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run the graph on named inputs and return the wanted tensors by name.

        Raises:
            CalibrationError: an input is missing, unknown, or onnxruntime rejects its shape or type.
            ModelError: onnxruntime refuses a part of the model, or failed in the trial of it.
        """
        names = [v.name for v in self.graph.inputs]
        if set(feeds) != set(names):
            raise CalibrationError(f"the model's inputs are {names}, got {sorted(feeds)}")
        return _joined([self._run(part) for part in batches(self.graph, feeds)])

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        tensors: dict[str, Array] = {**self.graph.constants, **feeds}
        for segment, session in zip(self.segments, self._sessions, strict=True):
            if segment.structured is not None:
                node = segment.structured
                values = self._layers[id(node)]([np.asarray(tensors[t]) if t else None for t in node.inputs])
                tensors.update((t, y) for t, y in zip(node.outputs, values, strict=False) if t)
                continue
            assert session is not None  # every segment that is not structured has one
            given = {t: tensors[t] for t in segment.inputs}
            results = session.run(given)
            tensors.update(zip(segment.outputs, results, strict=True))
        return {t: tensors[t] for t in self.outputs}


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _dense(graph: Graph, node: Node) -> Callable[[Sequence[Array | None]], tuple[Array, ...]]:
    """A structured layer with its weights written out, in onnxruntime."""
    written = densified(node)
    inputs = tuple(dict.fromkeys(t for t in node.inputs if t and t not in graph.constants))  # h and c may be one tensor
    outputs = tuple(t for t in node.outputs if t)
    session = _session(graph.with_replaced(node, written), _Segment((written,), inputs, outputs, None))

    def run(tensors: Sequence[Array | None]) -> tuple[Array, ...]:
        feeds = {t: a for t, a in zip(node.inputs, tensors, strict=False) if t in inputs and a is not None}
        results = iter(session.run(feeds))
        return tuple(next(results) if t else np.empty(0, np.float32) for t in node.outputs)

    return run


def batches(graph: Graph, feeds: Mapping[str, Array]) -> list[Mapping[str, Array]]:
    """Cut many samples into the batches of a model that was exported with a fixed batch size."""
    if not all(isinstance(a, np.ndarray) for a in feeds.values()):
        return [feeds]  # sequences, optional values and scalars have no axis of samples
    fixed = [v.type.shape[0] if v.type and v.type.shape else None for v in graph.inputs]
    lengths = {len(a) if a.ndim else 0 for a in feeds.values()}
    size = fixed[0] if fixed and len(set(fixed)) == 1 else None
    if len(lengths) != 1 or not isinstance(size, int) or size < 1:
        return [feeds]
    (length,) = lengths
    if length <= size or length % size:
        return [feeds]
    return [{t: a[start : start + size] for t, a in feeds.items()} for start in range(0, length, size)]


def _joined(parts: Sequence[dict[str, Array]]) -> dict[str, Array]:
    """The results of the batches one behind the other; of a single one as they are, which may be sequences."""
    if len(parts) == 1:
        return parts[0]
    for name, value in parts[0].items():
        if not isinstance(value, np.ndarray) or not value.ndim:
            raise _not_samples(name, len(parts))
    return {t: np.concatenate([p[t] for p in parts]) for t in parts[0]}


def _not_samples(name: str, cuts: int) -> CalibrationError:
    return CalibrationError(
        f"the model was exported with a fixed batch, and its output {name!r} does not have the samples along axis 0: "
        f"what it gives for {cuts} batches cannot be put together; give one batch at a time, or export the model with "
        "a dynamic batch"
    )


def _plan(graph: Graph, outputs: Sequence[str]) -> tuple[_Segment, ...]:
    """Group nodes by how many structured layers lie before them: as few onnxruntime segments as possible."""
    needed = _needed(graph, outputs)
    depth: dict[str, int] = {}
    groups: dict[int, list[Node]] = {}
    structured: dict[int, list[Node]] = {}
    for node in needed:
        level = max((depth.get(t, 0) for t in reads(node)), default=0)
        if is_structured(node):
            structured.setdefault(level, []).append(node)
            level += 1
        else:
            groups.setdefault(level, []).append(node)
        depth.update(dict.fromkeys(node.outputs, level))
    wanted = set(outputs)
    segments: list[_Segment] = []
    for level in range(max([*groups, *structured], default=-1) + 1):
        if level in groups:
            segments.append(_segment(groups[level], graph, needed, wanted))
        segments += [_Segment((n,), n.inputs, n.outputs, n) for n in structured.get(level, ())]
    return tuple(segments)


def _needed(graph: Graph, outputs: Sequence[str]) -> list[Node]:
    """The nodes on which the outputs depend, in execution order."""
    wanted = set(outputs)
    needed: list[Node] = []
    for node in reversed(graph.nodes):
        if wanted & set(node.outputs):
            needed.append(node)
            wanted |= set(reads(node))
    return needed[::-1]


def _segment(nodes: Sequence[Node], graph: Graph, needed: Sequence[Node], wanted: set[str]) -> _Segment:
    inside = {id(n) for n in nodes}
    written = [t for n in nodes for t in n.outputs if t]
    read_inside = dict.fromkeys(t for n in nodes for t in reads(n))
    read_outside = {t for n in needed if id(n) not in inside for t in reads(n)} | wanted
    inputs = tuple(t for t in read_inside if t not in written and t not in graph.constants)
    return _Segment(tuple(nodes), inputs, tuple(t for t in written if t in read_outside), None)


def _session(graph: Graph, segment: _Segment) -> Session:
    def write() -> bytes:
        return serialized(subgraph_proto(graph, segment.nodes, segment.inputs, segment.outputs))

    return Session(write, segment.nodes, segment.outputs, graph.source or graph.name)


def run_onnxruntime(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Run the whole graph, structured layers included, in plain onnxruntime: what a user of the saved file gets.

    Raises:
        ModelError: onnxruntime refuses the model, or failed in the trial of it.
        CalibrationError: it refuses these inputs.
    """
    whole = _Segment(graph.nodes, tuple(v.name for v in graph.inputs), tuple(v.name for v in graph.outputs), None)
    session = _session(graph, whole)
    names = [v.name for v in graph.outputs]
    runs = (session.run(part) for part in batches(graph, feeds))
    return _joined([dict(zip(names, results, strict=True)) for results in runs])


_kept: WeakKeyDictionary[Graph, FloatEngine] = WeakKeyDictionary()


def run_float(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Run a graph on named inputs; the engine of a graph is kept as long as the graph lives.

    Raises:
        CalibrationError: several batches of a model with a fixed one, whose outputs are not samples along axis 0.

    """
    engine = _kept.get(graph)
    if engine is None:
        engine = _kept[graph] = FloatEngine(replace(graph))  # of a twin: it refers to its graph, and would keep the key
    results = engine.run(feeds)
    cuts = len(batches(graph, feeds))
    if cuts > 1:
        (samples,) = {len(a) for a in feeds.values()}
        for name, value in results.items():
            if len(value) != samples:
                raise _not_samples(name, cuts)
    return results
