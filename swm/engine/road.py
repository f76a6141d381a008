# SPDX-License-Identifier: Apache-2.0
"""A network cut up and made ready: sessions of onnxruntime and layers of ours, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.engine.cutting import Segment, cut
from swm.engine.kernels import Choice, Policy
from swm.engine.session import Session
from swm.engine.structured import StructuredLayer
from swm.graph import Graph, Linear, Value, densified, is_structured, runs_dense
from swm.kernels import CompiledProduct
from swm.onnx_io import serialized, subgraph_proto, to_proto
from swm.structure import BlockCirculant

__all__ = ["Direct", "Road", "session_of_graph"]

Array = NDArray[Any]
Tensors = dict[str, Any]
Step = Callable[[Tensors], None]
Direct = Callable[[Mapping[str, Any]], list[Any]]


class Road:
    """One way to run a graph.

    Args:
        graph: any.
        outputs: tensors wanted.
        engines: by name, the layers that kernels of ours run, and by which engine; "structure" leaves it to the
            structure. None stands for all, by engines that their size alone decides.
        threads: of our kernels.
        session_threads: of onnxruntime; by default as many as it thinks best.
        declared: whether all inputs will have the lengths that the graph declares: onnxruntime, where it runs the whole
            graph, can then reckon with them.

    Raises:
        ModelError: a part of the model cannot be written as ONNX.
        ToolError: a kernel is not built yet, and there is no compiler.
    """

    def __init__(
        self,
        graph: Graph,
        outputs: Sequence[str],
        engines: Mapping[str, str] | None,
        threads: int,
        session_threads: int | None = None,
        declared: bool = False,
    ) -> None:
        """Write the parts for onnxruntime; kernels are prepared when they are first needed."""
        every = {n.name for n in graph.nodes if is_structured(n)}
        ours = {n.name for n in graph.nodes if is_structured(n) and not runs_dense(n)}
        ours = ours if engines is None else set(engines)
        if every - ours:
            graph = graph.with_nodes([densified(n) if n.name not in ours else n for n in graph.nodes])
        joined = {name for name, engine in (engines or {}).items() if engine == "compiled"}
        self.outputs = tuple(outputs)
        self.segments = cut(graph, outputs, ours, joined)
        alone = not any(s.layer for s in self.segments)
        declared &= alone and len(self.segments) == 1 and self.outputs == _names(graph.outputs)
        self._sessions: list[Session] = []
        self._layers: dict[str, StructuredLayer] = {}
        self._steps: list[Step] = []
        for segment in self.segments:
            if segment.layer is None:
                session = session_of_graph(graph, None if declared else segment, session_threads, alone)
                self._sessions.append(session)
                ends = (_names(graph.inputs), _names(graph.outputs)) if declared else (segment.inputs, segment.outputs)
                self._steps.append(partial(_run_session, session.run, *ends))
                continue
            node = segment.layer
            engine = None if engines is None or engines[node.name] == "structure" else engines[node.name]
            policy = Policy("deterministic", threads) if engines is None else Policy("eager", threads, engine)
            layer = self._layers[node.name] = StructuredLayer(node, policy, relu=segment.relu)
            self._steps.append(
                _quick(segment, layer, threads) if engine == "compiled" else partial(_run_layer, segment, layer)
            )
        read = {t for s in self.segments for t in s.inputs} | set(outputs)
        self._constants = {t: a for t, a in graph.constants.items() if t in read}

    @property
    def guarded(self) -> bool:
        """Whether some part runs in a child process before it runs here."""
        return any(s.guarded for s in self._sessions)

    @property
    def choices(self) -> dict[str, Choice | None]:
        """By layer of ours, what it chose itself at its last call; None before any."""
        return {name: layer.choice for name, layer in self._layers.items()}

    def run(self, feeds: Mapping[str, Any]) -> Tensors:
        """The wanted tensors by name.

        Raises:
            CalibrationError: inputs that a part does not take.
            ModelError: onnxruntime refuses a part, or failed in the trial of it.
        """
        tensors: Tensors = {**self._constants, **feeds}
        for step in self._steps:
            step(tensors)
        return {t: tensors[t] for t in self.outputs}

    def direct(self) -> Direct:
        """From inputs of shapes that ran already to the wanted tensors in order, with the least Python around it."""
        if len(self.segments) == len(self._sessions) == 1 and set(self.outputs) <= set(self.segments[0].outputs):
            return self._sessions[0].direct(self.outputs)
        return lambda feeds: list(self.run(feeds).values())


def session_of_graph(
    graph: Graph, segment: Segment | None = None, threads: int | None = None, alone: bool = True
) -> Session:
    """A segment of a graph in onnxruntime, for inputs of any length; by default the whole graph, as declared."""
    if segment is None:
        outputs = _names(graph.outputs)
        name = graph.source or graph.name
        return Session(lambda: serialized(to_proto(graph)), graph.nodes, outputs, name, threads=threads, alone=alone)

    def write() -> bytes:
        return serialized(subgraph_proto(graph, segment.nodes, segment.inputs, segment.outputs))

    return Session(write, segment.nodes, segment.outputs, graph.source or graph.name, threads=threads, alone=alone)


def _names(values: Sequence[Value]) -> tuple[str, ...]:
    return tuple(v.name for v in values)


def _run_session(
    run: Callable[[Mapping[str, Any]], list[Any]], inputs: tuple[str, ...], outputs: tuple[str, ...], tensors: Tensors
) -> None:
    tensors.update(zip(outputs, run({t: tensors[t] for t in inputs}), strict=True))


def _run_layer(segment: Segment, layer: StructuredLayer, tensors: Tensors) -> None:
    values = layer([np.asarray(tensors[t]) if t else None for t in segment.inputs])
    tensors.update((t, y) for t, y in zip(segment.outputs, values, strict=False) if t)


def _quick(segment: Segment, layer: StructuredLayer, threads: int) -> Step:
    """The step of a compiled layer; of a product with the least Python around it."""
    node = layer.node
    general = partial(_run_layer, segment, layer)
    if not isinstance(node, Linear) or not isinstance(node.weight, BlockCirculant):
        return general
    matrix, (given, *_), (wanted, *_) = node.weight, segment.inputs, segment.outputs
    m, n = matrix.shape
    product = CompiledProduct(matrix.columns, matrix.shape, threads=threads, bias=node.bias, relu=segment.relu)

    def step(tensors: Tensors) -> None:
        x = tensors[given]
        if x.dtype == np.float32 and x.ndim and x.shape[-1] == n and x.size:
            flat = x.ndim == 2
            y = product(x if flat else x.reshape(-1, n))
            tensors[wanted] = y if flat else y.reshape(*x.shape[:-1], m)
        else:
            general(tensors)  # other types, no samples, and errors

    return step
