# SPDX-License-Identifier: Apache-2.0
"""Converted models against onnxruntime on the originals: whether any is slower for having been converted."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper

from swm import api
from swm.bench.machine import describe
from swm.bench.race import Effort, Progress
from swm.bench.timing import BlasThreads, interleaved
from swm.engine import batches, run_onnxruntime
from swm.engine.refusal import reason
from swm.engine.session import ORT_ERRORS
from swm.errors import CalibrationError, OptionError, SwmError
from swm.graph import Graph, is_structured

__all__ = ["BATCHES", "SLOWER", "example_inputs", "run_models"]

BATCHES = (1, 64)
BLOCKS = (8, 4, 2)  # the first at which a layer is large enough is taken
SLOWER = 1.1  # of onnxruntime's time: beyond it a model is slower
_ATTEMPTS = 3  # at a row that seems slower: other processes disturb one now and then
_LENGTHS = (16, 512)  # of an axis that may have any length, the first one left out; the first that the model takes

Array = NDArray[Any]


@dataclass(frozen=True)
class _Case:
    """A converted model beside its original."""

    name: str
    dense: Graph
    converted: Graph
    block: int
    length: int
    session: ort.InferenceSession


def run_models(
    folder: str | Path, *, quick: bool = False, block: int | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Every model of a folder and below: converted, run by `swm.run` as a user gets it, beside its original.

    One thread each, kernels built. Weights are projected, which takes no data: the table is about time, and the
    converted models are worth nothing else.

    Args:
        folder: with .onnx files, or one such file.
        quick: fewer rounds.
        block: block size; by default 8, or the largest below it at which a layer is large enough.
        progress: called as progress(model, done, total).

    Raises:
        OptionError: no such folder, no model in it, or none that can be converted.
        ToolError: no compiler, or threadpoolctl is missing.
    """
    top = Path(folder)
    files = [top] if top.is_file() else sorted(top.rglob("*.onnx"))
    if not files:
        raise OptionError(f"there is no .onnx file in {str(folder)!r}; name a model or a folder of models")
    machine, blas, effort = describe(), BlasThreads(), Effort.of(quick)
    rows: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    with _environment(SWM_BUILD="wait", SWM_THREADS="1"):
        for done, file in enumerate(files):
            name = file.name if top.is_file() else file.relative_to(top).as_posix()
            if progress:
                progress(name, done, len(files))
            try:
                case = _case(file, name, block)
                rows += [row for size in _sizes(case.dense) if (row := _row(case, size, blas, effort)) is not None]
            except SwmError as error:
                skipped.append({"model": name, "reason": str(error).splitlines()[0].replace(str(file), name)})
            except ORT_ERRORS as error:
                why = reason(str(error)).replace(str(file), name)
                skipped.append({"model": name, "reason": f"onnxruntime does not run the original: {why}"})
    if not rows:
        reasons = "; ".join(f"{s['model']}: {s['reason']}" for s in skipped[:3])
        raise OptionError(f"no model of {str(folder)!r} can be compared ({reasons})")
    return {"benchmark": "models", "quick": quick, "machine": machine, "rows": rows, "skipped": skipped}


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _case(file: Path, name: str, block: int | None) -> _Case:
    dense = api.load(file)
    if any(map(is_structured, dense.nodes)):
        raise OptionError("it is converted already, and the comparison starts from the original: give that")
    length = _length(dense)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    for size in BLOCKS if block is None else (block,):
        found = api.convert(dense, block=size)
        if any(layer.structure != "dense" for layer in found.report.layers):
            return _Case(name, dense, found.graph, size, length, session)
    raise OptionError("no layer is large enough to be converted" + ("" if block is None else f" at block {block}"))


def _length(graph: Graph) -> int:
    """A length of open axes that the model takes; it runs in a child process before it runs here."""
    for length in _LENGTHS[:-1]:
        try:
            api.run(graph, example_inputs(graph, 1, length))
        except CalibrationError:
            continue
        return length
    api.run(graph, example_inputs(graph, 1, _LENGTHS[-1]))
    return _LENGTHS[-1]


def _sizes(graph: Graph) -> list[int]:
    """Numbers of samples that the model takes, as near to `BATCHES` as it allows."""
    sizes = []
    for size in BATCHES:
        first = next(iter(example_inputs(graph, size).values()))
        if first.ndim and (len(first) == size or size == 1):
            sizes.append(len(first))
    return list(dict.fromkeys(sizes))


def example_inputs(graph: Graph, samples: int, length: int = _LENGTHS[0]) -> dict[str, Array]:
    """Inputs that a model takes: normal numbers, zeros for integers.

    Args:
        graph: any whose inputs are tensors.
        samples: along axis 0, where the model leaves that open or takes a whole number of its batches.
        length: of other axes that the model leaves open.

    Raises:
        OptionError: an input is not a tensor, or of no rank that is known.
    """
    rng = np.random.default_rng(0)
    found: dict[str, Array] = {}
    leading = graph.first_sizes()
    for value in graph.inputs:
        if value.type is None or value.type.shape is None:
            raise OptionError(f"nothing is known of the shape of input {value.name!r}")
        dims = [d if isinstance(d, int) else length for d in value.type.shape]
        if dims:
            first = value.type.shape[0]
            if not isinstance(first, int) or (len(leading) == 1 and first >= 1 and samples % first == 0):
                dims[0] = samples
        kind = np.dtype(helper.tensor_dtype_to_np_dtype(value.type.elem))
        found[value.name] = rng.normal(size=dims).astype(kind) if kind.kind == "f" else np.zeros(dims, kind)
    return found


def _row(case: _Case, samples: int, blas: BlasThreads, effort: Effort) -> dict[str, Any] | None:
    feeds = example_inputs(case.dense, samples, case.length)
    given = next(iter(feeds.values())) if len(feeds) == 1 else feeds

    def original() -> object:
        results = [case.session.run(None, part) for part in batches(case.dense, feeds)]
        return results[0] if len(results) == 1 else [np.concatenate(values) for values in zip(*results, strict=True)]

    def ours() -> object:
        return api.run(case.converted, given)

    calls: Mapping[str, tuple[int, Callable[[], object]]] = {"onnxruntime": (1, original), "swm": (1, ours)}
    best = dict.fromkeys(calls, float("inf"))
    spread = 0.0
    for _ in range(_ATTEMPTS):
        times = interleaved(calls, blas, effort.rounds, effort.burst, time.thread_time)
        best = {name: min(best[name], times[name].best) for name in calls}
        spread = times["swm"].spread
        if best["swm"] <= SLOWER * best["onnxruntime"]:
            break
    row: dict[str, Any] = {"case": case.name, "k": case.block, "batch": samples, "threads": 1}
    row |= {"dense_ms": 1e3 * best["onnxruntime"], "swm_ms": 1e3 * best["swm"]}
    row |= {"speedup": best["onnxruntime"] / best["swm"], "spread": spread, "baseline": "onnxruntime"}
    row |= {"slower": best["swm"] > SLOWER * best["onnxruntime"], "error": _error(case.converted, feeds)}
    engines = Counter(choice.engine for choice in api.engines(case.converted, given).values())
    row["engines"] = dict(engines)
    row["engine"] = _words(engines)
    return row


def _words(engines: Counter[str]) -> str:
    if set(engines) <= {"dense"}:
        return "whole in onnxruntime"
    return ", ".join(f"{count} {name}" for name, count in engines.most_common())


def _error(graph: Graph, feeds: Mapping[str, Array]) -> float:
    """Largest deviation of `swm.run` from onnxruntime on the converted file, over the largest output."""
    ours, plain = api.run(graph, feeds), run_onnxruntime(graph, feeds)
    worst = 0.0
    for name, wanted in plain.items():
        if wanted.size and wanted.dtype.kind == "f":
            apart = np.abs(np.asarray(ours[name], float) - np.asarray(wanted, float)).max()
            worst = max(worst, float(apart / max(float(np.abs(wanted).max()), 1e-30)))
    return worst
