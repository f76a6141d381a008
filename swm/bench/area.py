# SPDX-License-Identifier: Apache-2.0
"""The resource model against yosys: single layers of every kind, block, width and parallelism, process by process.

What the model leaves open for RTL is fitted for each process of a kind, LUT and FF as `slope x modelled + offset`, on
layers of 8 and 16 bits; the errors that count are those of the layers of 12 bits, which no fit has seen. The
coefficients are printed; the search does not use them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from swm.accelerator.backend import RTL
from swm.accelerator.design import Design
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.resources import estimate
from swm.accelerator.schedule import make_schedule
from swm.bench.machine import describe
from swm.device import load_board
from swm.emit import emit_project, rtl_instances
from swm.kernels.cache import cache_folder
from swm.layers.circulant import CirculantSpec
from swm.layers.circulant.spec import forward_shifts
from swm.layers.dense import DenseSpec
from swm.layers.values import FixedLayer, Format, LayerSpec, TensorShape
from swm.opentools import find_family, synthesise
from swm.progress import quiet

__all__ = ["run_area"]

BOARD, FAMILY = "pynq-z2", "xc7"
SIZE, BLOCKS = 64, (1, 2, 4, 8, 16)
BITS, HELD_OUT = (8, 12, 16), 12
MULTIPLIERS = (2, 8)  # about as many
FIGURES = ("lut", "ff", "dsp", "bram18")


@dataclass(frozen=True)
class _Case:
    """A layer: block (1: dense), bits, and how many cycles it may take."""

    block: int
    bits: int
    interval: int

    @property
    def name(self) -> str:
        """As a row shows it."""
        return f"{'dense' if self.block == 1 else f'block {self.block}'}, {self.bits} bits, {self.interval} cycles"


def run_area(*, quick: bool = False, progress: Callable[[str, int, int], None] | None = None) -> dict[str, Any]:
    """Map every layer of the grid, and hold the counts against the model's.

    Raises:
        ToolError: yosys is missing or fails.
    """
    cases = list(_cases(quick))
    rows: list[dict[str, Any]] = []
    for number, case in enumerate(cases):
        if progress:
            progress(case.name, number, len(cases))
        found, tool = _measure(case)
        rows += found
    fits = _fit(rows)
    for row in rows:
        row["predicted"] = _predict(row, fits[row["process"]])
    return {
        "benchmark": "area",
        "quick": quick,
        "machine": describe(),
        "tool": tool,
        "family": FAMILY,
        "unit": "cells",
        "held_out": f"{HELD_OUT} bits",
        "fits": fits,
        "errors": _errors(rows),
        "rows": rows,
    }


def _cases(quick: bool) -> Iterator[_Case]:
    for block in (1, 8) if quick else BLOCKS:
        products = SIZE * SIZE // block
        for bits in BITS:
            for multipliers in MULTIPLIERS[:1] if quick else MULTIPLIERS:
                yield _Case(block, bits, max(SIZE, 2 * products // multipliers))


def _measure(case: _Case) -> tuple[list[dict[str, Any]], str]:
    """A row for each process of a layer, and the tool."""
    graph, board = _network(case), load_board(BOARD)
    schedule = make_schedule(graph.shape, board, backend=RTL, target_interval=case.interval)
    with tempfile.TemporaryDirectory(prefix="swm-area-") as scratch:
        project = emit_project(Design(graph, schedule), Path(scratch) / "project")
        found = synthesise(
            project,
            find_family(FAMILY),
            rtl_instances(Design(graph, schedule)),
            cache=cache_folder() / "synth",
            progress=quiet,
        )
    measured = {(la.name, p.name): p.area for la in found.layers for p in la.processes}
    rows = []
    for layer in estimate(schedule).layers[: len(schedule.layers)]:
        for process in layer.processes:
            area = measured[layer.name, process.name]
            rows.append(
                {
                    "case": case.name,
                    "process": process.name,
                    "k": case.block,
                    "bits": case.bits,
                    "interval": schedule.interval,
                    "modelled": {key: getattr(process.routed, key) for key in FIGURES},
                    "measured": {key: getattr(area, key) for key in FIGURES},
                    "held_out": case.bits == HELD_OUT,
                }
            )
    return rows, found.tool


def _network(case: _Case) -> FixedGraph:
    """One layer with random weights."""
    bits, shape = case.bits, TensorShape(SIZE, case.bits)
    rng = np.random.default_rng(0)
    spec: LayerSpec
    weights: tuple[int, ...]
    if case.block == 1:
        spec, weights, shift = DenseSpec("l", (shape,), shape, weight_bits=bits), (SIZE, SIZE), 0
    else:
        shifts = forward_shifts(bits, case.block)
        spec = CirculantSpec("l", (shape,), shape, block=case.block, weight_bits=bits, fft_shifts=shifts)
        weights, shift = (spec.p, spec.q, spec.words, 2), bits - 3
    high = 1 << (bits - 2)
    arrays = {"weights": rng.integers(-high, high, size=weights), "bias": rng.integers(-high, high, size=SIZE)}
    inputs, output = (Format(bits, bits - 1),), Format(bits, bits - 3)
    layer = FixedLayer(spec, "l", ("x",), "y", inputs, output, arrays, bits - 1, shift)
    return FixedGraph("area", (layer,), None, None, bits, "x", "y", "y", {})


def _fit(rows: list[dict[str, Any]]) -> dict[str, dict[str, tuple[float, float]]]:
    """Slope and offset of LUT and FF, by process, over the rows that are not held out."""
    fits: dict[str, dict[str, tuple[float, float]]] = {}
    for process in dict.fromkeys(row["process"] for row in rows):
        seen = [row for row in rows if row["process"] == process and not row["held_out"]]
        fits[process] = {}
        for key in ("lut", "ff"):
            x = np.array([[row["modelled"][key], 1.0] for row in seen])
            weight = 1 / np.array([max(row["measured"][key], 1) for row in seen])  # errors are relative
            y = np.array([row["measured"][key] for row in seen], float)
            slope, offset = np.linalg.lstsq(x * weight[:, None], y * weight, rcond=None)[0]
            fits[process][key] = (float(slope), float(offset))
    return fits


def _predict(row: dict[str, Any], fit: dict[str, tuple[float, float]]) -> dict[str, int]:
    return {key: round(slope * row["modelled"][key] + offset) for key, (slope, offset) in fit.items()}


def _errors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of relative errors over the rows that were held out; for DSP and memories the share that is exact."""
    unseen = [row for row in rows if row["held_out"]]
    found: dict[str, Any] = {"rows": len(unseen)}
    for key in ("lut", "ff"):
        for name in ("modelled", "predicted"):
            found[f"{key}_{name}"] = median(
                abs(row[name][key] - row["measured"][key]) / max(row["measured"][key], 1) for row in unseen
            )
    for key in ("dsp", "bram18"):
        found[f"{key}_exact"] = sum(row["modelled"][key] == row["measured"][key] for row in rows) / len(rows)
    return found
