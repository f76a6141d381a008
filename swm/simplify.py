# SPDX-License-Identifier: Apache-2.0
"""A smaller graph that computes the same: constants folded, exporters' shape arithmetic and no-ops gone.

The work is onnxslim's; here its result is only let in after a trial. An optimiser that fails, renames inputs or
computes other numbers leaves the graph as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from swm.engine import run_onnxruntime
from swm.errors import SwmError
from swm.frontend import from_proto, to_proto
from swm.graph import BipolarQuant, Graph, Linear, Opaque, Quant, Trunc, Value
from swm.guard import guarded
from swm.structure import Dense

__all__ = ["simplify"]

_log = logging.getLogger(__name__)

Feeds = Mapping[str, NDArray[Any]]
_EXPANDED = (BipolarQuant, Quant, Trunc)  # several operators in a file, from which they would not come back
_RTOL = 1e-4
_SIZES = (2, 3, 1)  # of symbolic dimensions, one trial each: a graph must not be tied to the batch it was tried on


def simplify(graph: Graph) -> Graph:
    """Fold constants and remove what exporters leave behind, by onnxslim.

    Both graphs run in onnxruntime on random inputs of several sizes; only if every result is equal (rtol 1e-4) is the
    simplified one returned. Graphs with structured layers or QONNX quantisers, which would
    lose their meaning, and graphs whose inputs are not all tensors of numbers, which cannot be tried, come back as they
    are.

    Args:
        graph: a float graph, as loaded; convert it afterwards.

    Returns:
        The smaller graph, or `graph` itself.
    """
    if any(
        isinstance(n, _EXPANDED) or (isinstance(n, Linear) and not isinstance(n.weight, Dense)) for n in graph.nodes
    ):
        return graph
    try:
        candidate = from_proto(_slim(to_proto(graph)), graph.source)
        trusted = _same_face(graph, candidate) and _equal(graph, candidate)
    except SwmError as error:
        _log.info("%s is left as it is: %s", graph.source or graph.name, error)
        return graph
    return candidate if trusted and _size(candidate) < _size(graph) else graph


def _size(graph: Graph) -> tuple[int, int]:
    return len(graph.nodes), sum(isinstance(n, Opaque) for n in graph.nodes)


def _slim(model: ModelProto) -> ModelProto:
    """What onnxslim makes of a model, in a child process: it calls onnx's and onnxruntime's C++.

    Raises:
        SwmError: it failed, however.
    """
    size = model.ByteSize()
    outcome = guarded(_slimmed, model, seconds=60 + size / (1 << 20), memory=(4 << 30) + 16 * size)
    if outcome.data is None:
        raise SwmError(f"onnxslim {outcome.fate or f'failed: {outcome.error}'}")
    return ModelProto.FromString(outcome.data)


def _slimmed(model: ModelProto) -> bytes:
    import onnxslim  # here, because it brings sympy, a third of a second that no other command should pay

    slimmed = onnxslim.slim(model)
    if not isinstance(slimmed, ModelProto):
        raise SwmError("it returned no model")
    return bytes(slimmed.SerializeToString())


def _same_face(graph: Graph, candidate: Graph) -> bool:
    """Whether inputs and outputs keep their names, order and types."""
    ours, theirs = ([(v.name, v.type and v.type.elem) for v in (*g.inputs, *g.outputs)] for g in (graph, candidate))
    return ours == theirs and len(graph.inputs) == len(candidate.inputs)


def _equal(graph: Graph, candidate: Graph) -> bool:
    """Whether both give the same results for every size that the graph itself takes; False if it takes none."""
    tried = False
    for size in _SIZES:
        feeds = _feeds(graph.inputs, size)
        if feeds is None:
            return False
        try:
            wanted = run_onnxruntime(graph, feeds)
        except SwmError:
            continue  # a dimension of this size makes no sense to the model
        got = run_onnxruntime(candidate, feeds)
        if not all(_close(value, got[name]) for name, value in wanted.items()):
            return False
        tried = True
    return tried


def _close(wanted: Any, got: Any) -> bool:
    if not (isinstance(wanted, np.ndarray) and isinstance(got, np.ndarray)):
        return False
    if wanted.shape != got.shape or wanted.dtype != got.dtype:
        return False
    if wanted.dtype.kind != "f":
        return bool((wanted == got).all())
    largest = float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0))
    return bool(np.allclose(got, wanted, rtol=_RTOL, atol=_RTOL * largest, equal_nan=True))


def _feeds(inputs: tuple[Value, ...], size: int) -> Feeds | None:
    """Random inputs with `size` for every unknown dimension; None if some input is no tensor of numbers."""
    rng = np.random.default_rng(size)
    feeds: dict[str, NDArray[Any]] = {}
    for value in inputs:
        if value.type is None or value.type.shape is None or value.type.elem == TensorProto.STRING:
            return None
        kind = np.dtype(helper.tensor_dtype_to_np_dtype(value.type.elem))
        if kind.kind not in "fiub":
            return None
        shape = [d if isinstance(d, int) and d >= 0 else size for d in value.type.shape]
        drawn = rng.standard_normal(shape) if kind.kind == "f" else rng.integers(0, 2, shape)
        feeds[value.name] = np.asarray(drawn).astype(kind)
    return feeds
