# SPDX-License-Identifier: Apache-2.0
"""The project folder: library, rendered C++, tool scripts, vectors, manifest."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from swm.emit._context import project_context
from swm.emit._folder import MANIFEST, check_output, whole_folder
from swm.engine import flatten_inputs, run_fixed, run_onnxruntime
from swm.errors import CalibrationError, OptionError
from swm.fixed import FixedGraph, save_fixed
from swm.graph import Graph
from swm.hardware import Board, Schedule, schedule
from swm.package_data import hls_dir, templates_dir

__all__ = ["FLAVOURS", "emit_project"]

FLAVOURS = ("vitis", "generic")
PROJECT_VERSION = 1

# template → file in the project; a `%` stands for each layer's name
COMMON = {
    "layers.h.j2": "src/layers.h",
    "top.h.j2": "src/top.h",
    "top.cpp.j2": "src/top.cpp",
    "testbench.cpp.j2": "tb/testbench.cpp",
    "Makefile.j2": "Makefile",
    "project_readme.md.j2": "README.md",
}
VITIS_ONLY = {"vitis_hls.tcl.j2": "tcl/vitis_hls.tcl"}
PER_LAYER = {"weights.h.j2": "src/weights_%.h"}


def emit_project(
    graph: FixedGraph,
    board: Board,
    path: Path,
    *,
    flavour: str = "vitis",
    vectors: NDArray[Any] | None = None,
    labels: NDArray[np.integer] | None = None,
    reference: Graph | None = None,
    force: bool = False,
    most_vectors: int | None = 100,
) -> Path:
    """Write a complete HLS project; the same arguments always give the same bytes.

    Args:
        graph: the fixed-point network.
        board: target; with `flavour` "vitis" its resources set the parallelism, "generic" takes one lane everywhere.
        path: new or empty folder.
        flavour: "vitis" (AXI streams, DATAFLOW, pragmas) or "generic" (plain arrays, any C++14 HLS compiler).
        vectors: (samples, ...) float test inputs for the testbench; without them 16 random ones in the input's range.
        labels: (samples,) class numbers of the vectors.
        reference: float network to hold the outputs against, run in plain onnxruntime; default `graph.source`.
        force: replace a folder that swm wrote before.
        most_vectors: how many of the vectors to keep; None keeps all.

    Returns:
        The path.

    Raises:
        OptionError: unknown flavour.
        CalibrationError: vectors or labels that do not fit.
        OutputError: the folder is not empty, or cannot be written.
    """
    if flavour not in FLAVOURS:
        raise OptionError(f"unknown HLS flavour {flavour!r}: choose {' or '.join(FLAVOURS)}")
    check_output(path, force=force)  # before any work, so that a wrong path costs no time
    plan = schedule(graph.specs, board, parallelism="search" if flavour == "vitis" else "minimal")
    chosen = _vectors(graph, vectors, most_vectors)
    checks = _references(graph, chosen, labels, reference)
    with whole_folder(path, force=force) as folder:
        _copy_library(folder, flavour)
        _render(folder, project_context(graph, plan, flavour), flavour)
        (folder / "verify").mkdir()
        save_fixed(graph, folder / "verify" / "fixed.npz")
        np.savez_compressed(folder / "verify" / "vectors.npz", **checks)  # type: ignore[arg-type]  # as in save_fixed
        result = run_fixed(graph, chosen)
        np.savetxt(folder / "tb" / "input.dat", result.inputs, fmt="%d")
        np.savetxt(folder / "tb" / "expected.dat", result.words, fmt="%d")
        _write_manifest(folder, graph, plan, flavour)
    return path


def _vectors(graph: FixedGraph, vectors: NDArray[Any] | None, most: int | None) -> NDArray[np.floating]:
    if vectors is None:
        n = graph.layers[0].spec.n
        largest = graph.input.largest
        return np.random.default_rng(0).uniform(-largest, largest, (16, n)).astype(np.float32)
    flat = flatten_inputs(graph, vectors)[:most].astype(np.float32)
    if not len(flat) or not np.isfinite(flat).all():
        raise CalibrationError("test vectors must be finite numbers, at least one sample of them")
    return flat


def _references(
    graph: FixedGraph, vectors: NDArray[np.floating], labels: NDArray[np.integer] | None, reference: Graph | None
) -> dict[str, NDArray[Any]]:
    """Inputs, onnxruntime's answers, and labels: all that `swm verify` compares with."""
    checks: dict[str, NDArray[Any]] = {"inputs": vectors}
    source = reference or graph.source
    if source is not None:
        feed = source.inputs[0]
        shaped = _shaped(vectors, feed.type.shape if feed.type else None)
        answers = run_onnxruntime(source, {feed.name: shaped})[source.outputs[0].name]
        checks["reference"] = answers.reshape(len(vectors), -1)
    if labels is not None:
        if labels.ndim != 1 or len(labels) < len(vectors):
            raise CalibrationError(f"{len(vectors)} vectors need as many labels, got an array of shape {labels.shape}")
        checks["labels"] = np.asarray(labels[: len(vectors)], np.int64)
    return checks


def _shaped(vectors: NDArray[np.floating], shape: tuple[int | str | None, ...] | None) -> NDArray[np.floating]:
    """Flat vectors in the shape that the float model declares."""
    if shape is None or not all(isinstance(size, int) for size in shape[1:]):
        return vectors
    return vectors.reshape(-1, *(size for size in shape[1:] if isinstance(size, int)))


def _copy_library(folder: Path, flavour: str) -> None:
    shutil.copytree(hls_dir() / "swm", folder / "include" / "swm")
    if flavour == "vitis":
        shutil.copytree(hls_dir() / "sim", folder / "sim")


def _render(folder: Path, context: dict[str, Any], flavour: str) -> None:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # C++ and Tcl, not HTML; every name in the context is an identifier made safe
    )
    files = {**COMMON, **(VITIS_ONLY if flavour == "vitis" else {})}
    pages = [(template, target, context) for template, target in files.items()]
    for layer in context["layers"]:
        pages += [(t, f.replace("%", layer["name"]), {**context, "layer": layer}) for t, f in PER_LAYER.items()]
    for template, target, values in pages:
        file = folder / target
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(environment.get_template(template).render(values), encoding="utf-8")


def _write_manifest(folder: Path, graph: FixedGraph, plan: Schedule, flavour: str) -> None:
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    manifest = {
        "project_version": PROJECT_VERSION,
        "swm": version("swm"),
        "model": graph.name,
        "flavour": flavour,
        "board": plan.board.name,
        "part": plan.board.part,
        "clock_mhz": plan.clock_mhz,
        "bits": graph.bits,
        "fits": plan.fits,
        "overflow": plan.overflow,
        "interval_cycles": plan.interval,
        "latency_cycles": plan.latency,
        "iterations": {f"{layer}.{p.name}" if layer else p.name: p.iterations for layer, p in plan.processes},
        "sha256": {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
