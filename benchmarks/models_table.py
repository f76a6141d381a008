# SPDX-License-Identifier: Apache-2.0
"""The table of models: what swm makes of every file of a folder, and whether it computes what onnxruntime does.

    python benchmarks/models_table.py ../shared/models > docs/models.md

A model that onnxruntime runs must give the same numbers through `swm.run`, and in onnxruntime after load and save
(rtol 1e-3, atol 1e-4 on random inputs). One that it does not run (QONNX operators, say) either runs here or ends in
one clear error.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import helper

import swm
from swm.graph import Graph, Linear, Opaque
from swm.structure import Dense

__all__ = ["Row", "feeds_for", "feeds_for_graph", "main", "measure", "table"]

RTOL, ATOL = 1e-3, 1e-4
# Sizes and numbers that a model takes but its file does not say, by part of the file's name.
SHAPES: Mapping[str, Mapping[str, tuple[int, ...]]] = {"silero_vad": {"input": (1, 512)}}
NUMBERS: Mapping[str, Mapping[str, int]] = {"silero_vad": {"sr": 16000}}
_KINDS = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
}


@dataclass(frozen=True)
class Row:
    """One model: `result` is "same numbers", "runs here only", "differs: ..." or "refused: ..."."""

    model: str
    typed: int
    opaque: int
    structured: int
    load_seconds: float
    result: str

    @property
    def ok(self) -> bool:
        """Whether nothing about it is wrong; a clear refusal is not."""
        return not self.result.startswith("differs")


def measure(path: Path, name: str = "") -> Row:
    """Load a model, run it on both roads, compare with onnxruntime on the original file."""
    name = name or path.name
    start = time.perf_counter()
    try:
        graph = swm.load(path)
    except swm.SwmError as error:
        return Row(name, 0, 0, 0, time.perf_counter() - start, f"refused: {_first(error)}")
    seconds = time.perf_counter() - start
    opaque = sum(isinstance(n, Opaque) for n in graph.nodes)
    structured = sum(isinstance(n, Linear) and not isinstance(n.weight, Dense) for n in graph.nodes)
    return Row(name, len(graph.nodes) - opaque, opaque, structured, seconds, _compare(path, graph))


def _compare(path: Path, graph: Graph) -> str:
    names = [v.name for v in graph.outputs]
    wanted, why = None, ""
    try:
        original = _session(path)
        wanted = original.run(names, feeds_for(original, path.name))
    except Exception as error:  # onnxruntime does not know its operators, or refuses the inputs
        why = _first(error)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved.onnx"
        try:
            swm.save(graph, saved)
            ours = swm.run(graph, feeds_for_graph(graph, path.name))
            session = _session(saved)
            after = session.run(names, feeds_for(session, path.name))
        except swm.SwmError as error:
            return f"{'differs' if wanted is not None else 'refused'}: {_first(error)}"
        except Exception as error:  # it belongs into the table, whatever it is
            return f"differs: {type(error).__name__}: {_first(error)}"
    listed = [ours[n] for n in names]
    if wanted is None:
        return _verdict(listed, after) or f"runs here only ({why[:60].strip()} ...)"
    return _verdict(wanted, listed, "swm.run: ") or _verdict(wanted, after, "after load and save: ") or "same numbers"


def _verdict(wanted: Sequence[Any], got: Sequence[Any], road: str = "") -> str:
    """Empty if the results are equal, else the greatest difference."""
    for a, b in zip(wanted, got, strict=True):
        if np.shape(a) != np.shape(b) or not np.allclose(a, b, rtol=RTOL, atol=ATOL, equal_nan=True):
            apart = np.max(np.abs(np.asarray(a, float) - b)) if np.shape(a) == np.shape(b) else "other shape"
            return f"differs: {road}{apart}"
    return ""


def feeds_for(session: ort.InferenceSession, name: str) -> dict[str, np.ndarray[Any, Any]]:
    """Inputs for a session; `name` is that of the file."""
    return _feeds(((v.name, v.shape, np.dtype(_KINDS[v.type])) for v in session.get_inputs()), name)


def feeds_for_graph(graph: Graph, name: str) -> dict[str, np.ndarray[Any, Any]]:
    """The same inputs, for models that onnxruntime does not open."""
    inputs = [(v.name, v.type.shape or (), v.type.elem) for v in graph.inputs if v.type is not None]
    return _feeds(((n, shape, helper.tensor_dtype_to_np_dtype(elem)) for n, shape, elem in inputs), name)


def _feeds(inputs: Iterable[tuple[str, Sequence[Any], np.dtype[Any]]], name: str) -> dict[str, np.ndarray[Any, Any]]:
    """Random floats, and integers of one: legal as index, length and switch alike."""
    rng = np.random.default_rng(0)
    shapes = next((v for k, v in SHAPES.items() if k in name), {})
    numbers = next((v for k, v in NUMBERS.items() if k in name), {})
    feeds = {}
    for tensor, declared, kind in inputs:
        shape = shapes.get(tensor) or [d if isinstance(d, int) and d > 0 else 1 for d in declared]
        drawn = rng.standard_normal(shape) if kind.kind == "f" else np.full(shape, numbers.get(tensor, 1))
        feeds[tensor] = np.asarray(drawn).astype(kind)
    return feeds


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, with totals."""
    lines = [
        "| model | typed nodes | opaque nodes | structured layers | load (s) | result |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for r in rows:
        cells = (r.model, r.typed, r.opaque, r.structured, f"{r.load_seconds:.2f}", r.result)
        lines.append("| " + " | ".join(str(c).replace("|", "/") for c in cells) + " |")
    counts = {kind: sum(r.result.startswith(kind) for r in rows) for kind in ("same", "runs", "refused", "differs")}
    typed, opaque = sum(r.typed for r in rows), sum(r.opaque for r in rows)
    lines += [
        "",
        f"{len(rows)} models: {counts['same']} give the same numbers as onnxruntime, {counts['runs']} run here only, "
        f"{counts['refused']} are refused, {counts['differs']} differ. {typed} typed and {opaque} opaque nodes; "
        f"slowest load {max((r.load_seconds for r in rows), default=0):.2f} s.",
    ]
    return "\n".join(lines)


def _session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _first(error: Exception) -> str:
    return str(error).splitlines()[0]


def main(folder: str) -> int:
    """Print the table of every .onnx file below a folder; 1 if any model differs."""
    root = Path(folder)
    rows = [measure(path, path.relative_to(root).as_posix()) for path in sorted(root.rglob("*.onnx"))]
    sys.stdout.write(table(rows) + "\n")
    return int(not all(r.ok for r in rows))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or ["../shared/models"]))
