# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers with block-circulant gate matrices against onnxruntime's dense ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from swm.bench.chosen import Layer, chosen_layer
from swm.bench.race import Contender, Progress, Race, run_cases
from swm.engine.kernels import ENGINES, Policy, dense_cell
from swm.engine.kernels.cost import TILE
from swm.engine.structured import StructuredLayer
from swm.graph import GRU, LSTM, GateActivation, Recurrent
from swm.structure import BlockCirculant

__all__ = ["CASES", "CellCase", "layer_and_input", "operations", "run_case", "run_rnn"]

_GATES = {"LSTM": 4, "GRU": 3}


@dataclass(frozen=True)
class CellCase:
    """One layer run forward from zero states.

    Attributes:
        kind: LSTM or GRU.
        cells: hidden size.
        inputs: numbers a step.
        k: block size of both matrices.
        batch: sequences a call.
        steps: of each sequence.
        goal: speed-up on one thread to reach, None where nothing is asked.
        quick: part of a quick run.
    """

    kind: Literal["LSTM", "GRU"]
    cells: int
    inputs: int
    k: int
    batch: int
    steps: int = 50
    goal: float | None = None
    quick: bool = False

    @property
    def name(self) -> str:
        """`kind inputs-cells/k/batch`."""
        return f"{self.kind} {self.inputs}-{self.cells}/{self.k}/{self.batch}"


CASES = (
    CellCase("LSTM", 1024, 1024, 16, 1, goal=15.0, quick=True),
    CellCase("LSTM", 1024, 512, 16, 1, goal=15.0, quick=True),
    CellCase("LSTM", 1024, 160, 16, 1, goal=15.0, quick=True),
    *(CellCase("LSTM", 1024, 1024, k, 1) for k in (4, 8, 32, 64)),
    CellCase("LSTM", 1024, 1024, 16, 16),
    CellCase("LSTM", 1024, 1024, 16, 256),
    CellCase("LSTM", 256, 256, 16, 1),
    CellCase("LSTM", 128, 64, 8, 1),
    CellCase("GRU", 1024, 1024, 16, 1, quick=True),
    CellCase("GRU", 512, 512, 16, 32),
)


def operations(case: CellCase) -> float:
    """Float operations: transforms and products of `kernels.operations` for W and R; gates are not counted.

    W's samples, and the states of a batch, fill whole tiles, where a complex multiply-add is 6 operations; a single
    state takes 8.
    """
    k, rows = case.k, _GATES[case.kind] * case.cells
    total = 0.0
    for n, samples, runs in ((case.inputs, case.batch * case.steps, 1), (case.cells, case.batch, case.steps)):
        blocks = (rows // k) * (n // k)
        each = (rows + n) // k * 2.5 * k * math.log2(k)
        each += blocks * ((6 if samples >= TILE else 8) * (k // 2 - 1) + 4)
        total += runs * samples * each
    return total


def run_case(case: CellCase, race: Race, threads: tuple[int, ...] = (1, 2)) -> list[dict[str, Any]]:
    """Time one case: a row for each number of threads, and on one thread for each other engine."""
    node, x = layer_and_input(case)
    w, r, rows = node.input_weight[0], node.recurrent_weight[0], _GATES[case.kind] * case.cells
    assert node.bias is not None  # see layer_and_input
    bias = node.bias[0]
    dense = {t: dense_cell(case.kind, w.to_dense(), r.to_dense(), bias, threads=t) for t in threads}
    exact = _reference(case.kind, w.to_dense(), r.to_dense(), bias, x)
    layers: list[tuple[str, str, int, Layer]] = []
    for t in threads:
        engine, layer = chosen_layer(node, x, t, lambda tensors, t=t: (dense[t](tensors[0])[:, None],))  # type: ignore[misc]
        layers.append(("auto", engine, t, layer))
    others = [name for name, e in ENGINES.items() if name not in (layers[0][1], "dense", "scipy") and not e.missing()]
    layers += [(name, name, threads[0], StructuredLayer(node, Policy("eager", 1, name))) for name in others]
    moved = 4.0 * (case.steps * r.words + w.words + x.size + case.steps * case.batch * (2 * rows + case.cells))
    contenders = []
    for label, engine, t, layer in layers:
        error = np.abs(layer([x])[0][:, 0] - exact).max() / np.abs(exact).max()
        work, read = operations(case), moved
        if engine == "dense":
            work = 2.0 * case.steps * case.batch * rows * (case.inputs + case.cells)
            read += 4.0 * (case.steps * rows * case.cells + rows * case.inputs)
        call = partial(layer, [x])
        contenders.append(Contender(label, engine, t, call, float(error), work, read, working_set=4.0 * r.words))
    rivals: dict[int, dict[str, Callable[[], object]]]
    rivals = {t: {"onnxruntime": partial(run, x)} for t, run in dense.items()}
    head = {"case": case.name, "n": case.cells, "k": case.k, "batch": case.batch, "steps": case.steps}
    return race.run(head, contenders, rivals, case.goal)


def run_rnn(*, quick: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """All cases: machine, limits and rows.

    Raises:
        ToolError: no compiler for the probes.
    """
    return run_cases("rnn", CASES, run_case, quick, progress)


def layer_and_input(case: CellCase) -> tuple[Recurrent, NDArray[np.float32]]:
    """The layer with random weights, and X (steps, batch, inputs)."""
    rng = np.random.default_rng(0)
    rows = _GATES[case.kind] * case.cells
    w, r = (
        BlockCirculant((rng.normal(size=(rows // case.k, n // case.k, case.k)) / np.sqrt(n)).astype(np.float32))
        for n in (case.inputs, case.cells)
    )
    bias = rng.normal(size=2 * rows).astype(np.float32)
    x = rng.normal(size=(case.steps, case.batch, case.inputs)).astype(np.float32)
    places = [GateActivation(name) for name in ("Sigmoid", "Tanh", "Tanh")]
    kind, activations = (LSTM, places) if case.kind == "LSTM" else (GRU, places[:2])
    node = kind(
        name="layer",
        inputs=("x",),
        outputs=("y",),
        input_weight=(w,),
        recurrent_weight=(r,),
        bias=bias[None],
        hidden=case.cells,
        activations=tuple(activations),
    )
    return node, x


def _reference(
    kind: str, w: NDArray[np.float32], r: NDArray[np.float32], bias: NDArray[np.float32], x: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Y by ONNX's equations in float64, (steps, batch, cells)."""
    w64, r64 = w.T.astype(np.float64), r.T.astype(np.float64)
    rows, n = w.shape[0], r.shape[1]
    from_w, from_r = bias[:rows].astype(np.float64), bias[rows:].astype(np.float64)
    h, c = np.zeros((2, x.shape[1], n))
    out = []
    for step in x.astype(np.float64):
        given = step @ w64 + from_w
        if kind == "LSTM":
            i, o, f, g = np.split(given + h @ r64 + from_r, 4, axis=1)
            c = expit(f) * c + expit(i) * np.tanh(g)
            h = expit(o) * np.tanh(c)
        else:
            z, reset = np.split(expit(given[:, : 2 * n] + h @ r64[:, : 2 * n] + from_r[: 2 * n]), 2, axis=1)
            candidate = np.tanh(given[:, 2 * n :] + (reset * h) @ r64[:, 2 * n :] + from_r[2 * n :])
            h = (1 - z) * candidate + z * h
        out.append(h)
    return np.stack(out)
