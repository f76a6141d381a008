# SPDX-License-Identifier: Apache-2.0
"""Whether two graphs compute the same, tried on random inputs of several sizes."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from swm.engine import run_onnxruntime
from swm.errors import CalibrationError
from swm.graph import Graph, Value

__all__ = ["same_results"]

Feeds = Mapping[str, NDArray[Any]]
_RTOL = 1e-4
_SECONDS = 4.0  # after which no further size is tried, and the graph counts as untried
_ELEMENTS, _AXES = 1 << 25, 32  # of an input, at most; numpy 1 has no more axes
_SIZES = (2, 3, 1)  # of symbolic dimensions, one trial each: a graph must not be tied to the batch it was tried on


def same_results(graph: Graph, candidate: Graph) -> bool:
    """Whether a candidate has the same inputs and outputs and gives the same results; False where it cannot be tried.

    Raises:
        SwmError: one of them does not run.
    """
    return _same_face(graph, candidate) and _equal(graph, candidate)


def _same_face(graph: Graph, candidate: Graph) -> bool:
    """Whether inputs and outputs keep their names, order and types."""
    ours, theirs = ([(v.name, v.type and v.type.elem) for v in (*g.inputs, *g.outputs)] for g in (graph, candidate))
    return ours == theirs and len(graph.inputs) == len(candidate.inputs)


def _equal(graph: Graph, candidate: Graph) -> bool:
    """Whether both give the same results for every size that the graph itself takes; False if it takes none."""
    tried, start = False, time.monotonic()
    for size in _SIZES:
        feeds = _feeds(graph.inputs, size)
        if feeds is None or time.monotonic() - start > _SECONDS:
            return False
        try:
            wanted = run_onnxruntime(graph, feeds)
        except CalibrationError:
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
    """Random inputs with `size` for every unknown dimension; None if some input is not a tensor of numbers, or huge."""
    rng = np.random.default_rng(size)
    feeds: dict[str, NDArray[Any]] = {}
    for value in inputs:
        if value.type is None or value.type.shape is None or value.type.elem == TensorProto.STRING:
            return None
        if value.type.elem not in helper.get_all_tensor_dtypes():  # a damaged file may say any number
            return None
        kind = np.dtype(helper.tensor_dtype_to_np_dtype(value.type.elem))
        if kind.kind not in "fiub":
            return None
        shape = [d if isinstance(d, int) and d >= 0 else size for d in value.type.shape]
        if math.prod(max(d, 1) for d in shape) > _ELEMENTS or len(shape) > _AXES:
            return None
        drawn = rng.standard_normal(shape) if kind.kind == "f" else rng.integers(0, 2, shape)
        feeds[value.name] = np.asarray(drawn).astype(kind)
    return feeds
