# SPDX-License-Identifier: Apache-2.0
"""The Google LSTM with random block-circulant weights, emitted and run in C simulation, word by word.

ONNX has no projection, so there is no file of it and no onnxruntime to hold it against: the float reference is the
layer in numpy, in float64 (`swm/layers/recurrent/layer.py`).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from compile_memory import compiled

import swm
from swm.accelerator.design import Design
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.integers import run_fixed
from swm.accelerator.interleave import interleaved
from swm.accelerator.schedule import make_schedule
from swm.device.board import load_board
from swm.layers import registry
from swm.layers.formats import best_format
from swm.layers.recurrent import RecurrentLayer
from swm.layers.recurrent.layer import run_float
from swm.report.figures import design_figures
from swm.report.roofline import fullest, slowest
from swm.structure import BlockCirculant

STEPS, FRAMES, CALIBRATION = 20, 2, 16
INPUTS, HIDDEN, OUTPUTS = 153, 1024, 512


def layer(block: int) -> RecurrentLayer:
    """The float layer; rows of the matrices have a norm of about 1, as trained ones have."""
    rng = np.random.default_rng(block)

    def weight(m: int, n: int) -> BlockCirculant:
        columns = rng.normal(size=(m // block, -(-n // block), block)) / np.sqrt(n)
        return BlockCirculant(columns.astype(np.float32), (m, n))

    rows = 4 * HIDDEN
    return RecurrentLayer(
        kind="recurrent",
        name="lstm",
        node="lstm",
        inputs=("x",),
        output="y",
        shapes=((INPUTS, STEPS),),
        m=OUTPUTS,
        positions=STEPS,
        weight=weight(rows, INPUTS),
        recurrent=weight(rows, OUTPUTS),
        projection=weight(OUTPUTS, HIDDEN),
        hidden=HIDDEN,
        input_bias=(rng.normal(size=rows) / 4).astype(np.float32),
        state_bias=np.zeros(rows, np.float32),
        peepholes=(rng.normal(size=(3, HIDDEN)) / 4).astype(np.float32),
        initial_h=np.zeros(OUTPUTS, np.float32),
        initial_c=np.zeros(HIDDEN, np.float32),
        gates=(("sigmoid", ()), ("tanh", ()), ("tanh", ())),
    )


def fixed(block: int, bits: int) -> tuple[FixedGraph, np.ndarray, float]:
    """The layer in integers, samples that nothing was calibrated with, and the relative error on them."""
    made, kind = layer(block), registry.kind("recurrent")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(CALIBRATION + 16 * FRAMES, STEPS, INPUTS))
    given = x[:CALIBRATION].reshape(-1, INPUTS)
    spec, form = kind.spec(made, bits), best_format(given, bits)
    integers = kind.quantize(spec, made, (given,), run_float(made, x[:CALIBRATION]).after, (form,))
    graph = FixedGraph("google_lstm", (integers,), None, None, bits, "x", "y", "y", {})
    unseen = x[CALIBRATION:].astype(np.float32)
    wanted = run_float(made, unseen).after.reshape(len(unseen), -1)
    found = run_fixed(graph, unseen.reshape(len(unseen), -1), compiled=True).values.reshape(wanted.shape)
    return graph, unseen, float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def verified(block: int, bits: int, sequences: int, board: str, clock_mhz: float) -> dict[str, Any]:
    """A row: cycles a step (modelled), error against the float layer, words compared, seconds and memory of g++."""
    graph, samples, error = fixed(block, bits)
    graph = interleaved(graph, sequences)
    schedule = make_schedule(graph.shape, load_board(board), clock_mhz=clock_mhz)
    figures = design_figures(schedule)
    with tempfile.TemporaryDirectory() as folder:
        vectors = samples[: FRAMES * sequences].reshape(FRAMES * sequences, -1)
        project = swm.emit(Design(graph, schedule), path=Path(folder) / "p", vectors=vectors, allow_overflow=True)
        seconds, gib = compiled(project)
        found = project.verify()
    return {
        "block": block,
        "bits": bits,
        "sequences": sequences,
        "cycles": schedule.interval / (STEPS * sequences),
        "samples": len(samples),
        "error": error,
        "board": board,
        "fits": figures.fits,
        "useful": figures.useful_share,
        "interval": schedule.interval,
        "slowest": slowest(figures)[0],
        "fullest": fullest(figures),
        "frames": FRAMES * sequences,
        "words": found.words,
        "differ": found.mismatches,
        "ok": found.ok,
        "compile_cpu_s": seconds,
        "peak_gib": gib,
        "run_s": found.run_seconds,
    }
