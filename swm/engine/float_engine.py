# SPDX-License-Identifier: Apache-2.0
"""The float engine: structured layers in our kernels where that is faster, everything else in onnxruntime."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary, finalize

import numpy as np
from numpy.typing import NDArray

from swm.engine.cutting import whole
from swm.engine.kernels import Choice
from swm.engine.kernels.choice import check_engine
from swm.engine.planning import Plan, make_plan
from swm.engine.repeats import Repeats
from swm.engine.road import Direct, Road, session_of_graph
from swm.errors import CalibrationError, ModelError
from swm.graph import Graph, is_structured
from swm.kernels import cores

__all__ = ["FloatEngine", "batches", "run_again", "run_float", "run_onnxruntime"]

Array = NDArray[Any]
_SETTLED = 64  # sets of input shapes whose plan is kept
_AGAIN = 0.05  # seconds
_ROADS = 2  # cuts of the network that are kept ready; each holds its dense layers' weights
# What onnxruntime says of an operator that it expands by the lengths of its inputs, where a part leaves them open.
_NO_KERNEL = "Could not find an implementation", "Failed to find kernel"


class FloatEngine:
    """Runs one graph. Sessions are opened at the first run and kept, so keep the engine for repeated runs.

    Args:
        graph: any graph.
        outputs: tensors wanted; any tensor of the graph, default its outputs.
        deterministic: run every structured layer on an engine that its size alone decides, so that results which are
            kept (a conversion) depend on nothing that this machine has built or measured. Otherwise the network runs as
            `swm.engine.planning` predicts it to be fastest, which may be dense, whole in onnxruntime.
        threads: to use; default all cores.

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
        """Where there is only one way to run the graph, write its parts as models."""
        self.graph = graph
        self.outputs = tuple(outputs) if outputs is not None else tuple(v.name for v in graph.outputs)
        known = {v.name for v in graph.inputs} | set(graph.constants) | set(graph.producers())
        missing = [t for t in self.outputs if t not in known]
        if missing:
            raise ModelError(f"the graph has no tensor named {', '.join(map(repr, missing))}")
        self._names = tuple(v.name for v in graph.inputs)
        self._threads = threads or cores()
        # onnxruntime counts the cores of the machine, not those that this process may use
        self._session_threads = threads or (cores() if cores() != os.cpu_count() else None)
        self._roads: dict[Hashable, Road] = {}
        self._settled: dict[Hashable, tuple[Road, Plan | None]] = {}
        self._until: dict[Hashable, float] = {}  # when to look again whether a kernel has been built
        self._last: tuple[Road, Plan | None] | None = None
        structured = any(map(is_structured, graph.nodes))
        self._fixed: Road | None = None
        if not structured or (deterministic and check_engine(None)[0] is None):
            self._fixed = self._road(None if structured else {})

    @property
    def guarded(self) -> bool:
        """Whether some part runs in a child process before it runs here."""
        road = self._fixed or (self._last[0] if self._last else self._road({}))
        return road.guarded

    @property
    def choices(self) -> dict[str, Choice | None]:
        """By structured layer, the engine that the last run took and why; None before any run."""
        names = [n.name for n in self.graph.nodes if is_structured(n)]
        road, plan = self._last or (None, None)
        if road is None:
            return dict.fromkeys(names)
        return road.choices if plan is None else dict(plan.choices)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run the graph on named inputs and return the wanted tensors by name.

        Raises:
            CalibrationError: an input is missing, unknown, or onnxruntime rejects its shape or type.
            ModelError: onnxruntime refuses a part of the model, or failed in the trial of it.
        """
        if feeds.keys() != set(self._names):
            raise CalibrationError(f"the model's inputs are {list(self._names)}, got {sorted(feeds)}")
        return _joined([self._run(part) for part in batches(self.graph, feeds)])

    def direct(self, feeds: Mapping[str, Array]) -> tuple[Direct, float | None]:
        """From inputs of the shapes of some that ran to the outputs in order, and until when: None for good.

        A time of `time.monotonic` is given while a kernel is being built.
        """
        part, *more = batches(self.graph, feeds)
        key = _key(part)
        run, until = self._settled[key][0].direct(), self._until.get(key)
        if not more:
            return run, until
        samples, size = (len(next(iter(f.values()))) for f in (feeds, part))
        starts = range(0, samples, size)

        def run_cut(given: Mapping[str, Array]) -> list[Array]:
            parts = [run({t: a[i : i + size] for t, a in given.items()}) for i in starts]
            return [np.concatenate(values) for values in zip(*parts, strict=True)]

        return run_cut, until

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        key = _key(feeds)
        settled = self._settled.get(key)
        if settled is not None and (key not in self._until or time.monotonic() < self._until[key]):
            self._last = settled
            return settled[0].run(feeds)
        road, plan = self._planned(feeds)
        try:
            results = road.run(feeds)
        except ModelError as error:
            wanted = plan is None and any(text in str(error) for text in _NO_KERNEL)
            if not wanted or not as_declared(self.graph, feeds):
                raise
            road = self._road({}, declared=True)
            results = road.run(feeds)
        self._last = road, plan
        if len(self._settled) >= _SETTLED:
            self._settled.pop(next(iter(self._settled)), None)
        self._settled[key] = road, plan
        self._until.pop(key, None)
        if plan is not None and plan.coming:
            self._until[key] = time.monotonic() + _AGAIN
        return results

    def _planned(self, feeds: Mapping[str, Array]) -> tuple[Road, Plan | None]:
        if self._fixed is not None:
            return self._fixed, None
        plan = make_plan(self.graph, self.outputs, {t: np.shape(a) for t, a in feeds.items()}, self._threads)
        return self._road(plan.engines, as_declared(self.graph, feeds)), plan

    def _road(self, engines: Mapping[str, str] | None, declared: bool = False) -> Road:
        key = None if engines is None else (frozenset(engines.items()), declared)
        road = self._roads.get(key)
        if road is None:
            road = Road(self.graph, self.outputs, engines, self._threads, self._session_threads, declared)
            while len(self._roads) >= _ROADS:
                gone = self._roads.pop(next(iter(self._roads)))
                self._settled = {k: v for k, v in self._settled.items() if v[0] is not gone}
            self._roads[key] = road
        return road


def as_declared(graph: Graph, feeds: Mapping[str, Array]) -> bool:
    """Whether inputs have every length that the model gives a number for."""
    for value in graph.inputs:
        shape, declared = np.shape(feeds[value.name]), value.type.shape if value.type else None
        if declared is None or len(shape) != len(declared):
            return False
        if any(isinstance(d, int) and d != n for d, n in zip(declared, shape, strict=True)):
            return False
    return True


def _key(feeds: Mapping[str, Array]) -> Hashable:
    """What a plan depends on: the shapes of the inputs, and the types as far as they are arrays."""
    return tuple([(a.shape, a.dtype.char) if isinstance(a, np.ndarray) else type(a) for a in feeds.values()])


def batches(graph: Graph, feeds: Mapping[str, Array]) -> list[Mapping[str, Array]]:
    """Cut many samples into the batches of a model that was exported with a fixed batch size."""
    if not all(isinstance(a, np.ndarray) for a in feeds.values()):
        return [feeds]  # sequences, optional values and scalars have no axis of samples
    fixed = graph.first_sizes()
    lengths = {len(a) if a.ndim else 0 for a in feeds.values()}
    size = fixed.pop() if len(fixed) == 1 else None
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


def _side_by_side(name: str, value: Array, cuts: int, samples: int) -> Array:
    """What batches gave, one behind the other, along the axis that has the length of a batch: the steps may be first.

    Raises:
        CalibrationError: there is no such axis, or several.
    """
    if len(value) == samples:
        return value
    places = [axis for axis, length in enumerate(value.shape) if axis and length == samples // cuts]
    if len(places) != 1 or len(value) % cuts:
        raise _not_samples(name, cuts)
    return np.concatenate(np.split(value, cuts), places[0])


def _not_samples(name: str, cuts: int) -> CalibrationError:
    return CalibrationError(
        f"the model was exported with a fixed batch, and its output {name!r} does not show its axis of samples: "
        f"what it gives for {cuts} batches cannot be put together; give one batch at a time, or export the model with "
        "a dynamic batch"
    )


def run_onnxruntime(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Run the whole graph, structured layers included, in plain onnxruntime: what a user of the saved file gets.

    Raises:
        ModelError: onnxruntime refuses the model, or failed in the trial of it.
        CalibrationError: it refuses these inputs.
    """
    session = session_of_graph(graph, whole(graph), alone=True)
    names = [v.name for v in graph.outputs]
    parts = batches(graph, feeds)
    joined = _joined([dict(zip(names, session.run(part), strict=True)) for part in parts])
    if len(parts) == 1:
        return joined
    samples = len(next(iter(feeds.values())))
    return {name: _side_by_side(name, value, len(parts), samples) for name, value in joined.items()}


_kept: WeakKeyDictionary[Graph, FloatEngine] = WeakKeyDictionary()
_again: dict[int, Repeats] = {}  # by the identity of a living graph


def run_again(graph: object, x: object) -> Any:
    """What `swm.run` answers, for inputs of shapes that this graph ran on before; None where it did not.

    An array stands for the only input and gives the first output; a dict of arrays gives all outputs by name.
    """
    repeats = _again.get(id(graph))
    return None if repeats is None else repeats.run(x)


def run_float(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Run a graph on named inputs; the engine of a graph is kept as long as the graph lives.

    Raises:
        CalibrationError: several batches of a model with a fixed one, whose outputs are not samples along axis 0.

    """
    engine = _kept.get(graph)
    if engine is None:
        engine = _kept[graph] = FloatEngine(replace(graph))  # of a twin: it refers to its graph, and would keep the key
        _again[id(graph)] = Repeats(engine.outputs)
        finalize(graph, _again.pop, id(graph), None)
    results = engine.run(feeds)
    cuts = len(batches(graph, feeds))
    samples = len(next(iter(feeds.values()))) if cuts > 1 else 0
    if cuts > 1 and any(len(value) != samples for value in results.values()):
        return {name: _side_by_side(name, value, cuts, samples) for name, value in results.items()}
    _again[id(graph)].add(feeds, *engine.direct(feeds))
    return results
