# SPDX-License-Identifier: Apache-2.0
"""How long a conversion by least squares takes and how much memory it needs over the model's own, layer by layer.

Each run is a process of its own (`swm.bench.convert_child`): only so is the peak of its memory its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from swm.bench.machine import describe
from swm.bench.timing import Timing, undisturbed
from swm.errors import ToolError
from swm.structure import BlockCirculant

__all__ = ["CASES", "ConvertCase", "calibration", "run_case", "run_convert", "write_model"]

Progress = Callable[[str, int, int], None]
GOAL_SECONDS, GOAL_MIB = 10.0, 1024.0
_STEPS = 50  # of the sequences of the recurrent case
_PIXELS = 14  # of a side of the images of the convolution
NOISE = 0.3  # of the weights, beside a block-circulant part of 1
_CLASSES = 10  # of the dense layer behind, which stays dense by rule


@dataclass(frozen=True)
class ConvertCase:
    """One layer with a small dense layer behind it.

    Attributes:
        kind: a matrix n x n, a convolution 3x3 of n channels to n, or an LSTM of n inputs and n cells.
        n: as above.
        k: block size.
        samples: calibration samples: rows, images of 14 x 14, sequences of 50 steps.
        goal: whether issue 3's limits of time and memory are asked of it.
        quick: part of a quick run.
    """

    kind: Literal["linear", "conv", "lstm"]
    n: int
    k: int
    samples: int
    goal: bool = False
    quick: bool = False

    @property
    def name(self) -> str:
        """`linear 4096/16/2048`."""
        return f"{self.kind} {self.n}/{self.k}/{self.samples}"


_BLOCKS = (4, 8, 16, 64)
CASES = (
    *(ConvertCase("linear", 4096, k, 2048, goal=True, quick=k == 16) for k in _BLOCKS),
    *(ConvertCase("conv", 256, k, 64, quick=k == 16) for k in _BLOCKS),
    *(ConvertCase("lstm", 512, k, 40, quick=k == 16) for k in _BLOCKS),
)


def calibration(case: ConvertCase, seed: int = 1) -> NDArray[np.float32]:
    """Gaussian inputs; of the LSTM (steps, sequences, inputs)."""
    shape: tuple[int, ...] = (case.samples, case.n)
    if case.kind == "conv":
        shape = (case.samples, case.n, _PIXELS, _PIXELS)
    elif case.kind == "lstm":
        shape = (_STEPS, case.samples, case.n)
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def write_model(case: ConvertCase, path: Path) -> None:
    """The network of a case as an ONNX file; its layer is block-circulant but for some noise."""
    rng = np.random.default_rng(0)
    n, k = case.n, case.k

    def weight(rows: int, columns: int) -> NDArray[np.float32]:
        blocks = rng.standard_normal((rows // k, columns // k, k)).astype(np.float32)
        noise = rng.standard_normal((rows, columns)).astype(np.float32)
        near = (BlockCirculant(blocks).to_dense() + NOISE * noise) / np.sqrt(columns)
        return near.astype(np.float32)

    def tensor(name: str, values: NDArray[np.float32]) -> TensorProto:
        return numpy_helper.from_array(np.ascontiguousarray(values), name)

    def dense(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape).astype(np.float32)

    relu = helper.make_node("Relu", ["h"], ["r"])
    if case.kind == "linear":
        weights = [tensor("w", weight(n, n)), tensor("v", dense(_CLASSES, n))]
        first = helper.make_node("Gemm", ["x", "w"], ["h"], transB=1, name="layer")
        nodes = [first, relu, helper.make_node("Gemm", ["r", "v"], ["y"], transB=1, name="last")]
        declared: list[str | int] = ["batch", n]
    elif case.kind == "conv":
        kernel = np.stack([weight(n, n) for _ in range(9)], axis=-1).reshape(n, n, 3, 3) / np.float32(3)
        weights = [tensor("w", kernel), tensor("v", dense(_CLASSES, n, 1, 1))]
        first = helper.make_node("Conv", ["x", "w"], ["h"], pads=[1, 1, 1, 1], name="layer")
        nodes = [first, relu, helper.make_node("Conv", ["r", "v"], ["y"], name="last")]
        declared = ["batch", n, _PIXELS, _PIXELS]
    else:
        gates = [tensor("w", weight(4 * n, n)[None]), tensor("rec", weight(4 * n, n)[None])]
        weights = [*gates, tensor("v", dense(n, _CLASSES))]
        first = helper.make_node("LSTM", ["x", "w", "rec"], ["h"], hidden_size=n, name="layer")
        nodes = [first, relu, helper.make_node("MatMul", ["r", "v"], ["y"], name="last")]
        declared = ["steps", "batch", n]
    graph = helper.make_graph(
        nodes,
        case.kind,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, declared)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]), str(path))


def run_case(case: ConvertCase, rounds: int) -> dict[str, Any]:
    """One row: the median of some processes' times, and the greatest memory any of them needed.

    Raises:
        ToolError: a process failed.
    """
    told: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_model(case, path)

        def measure() -> dict[str, Timing]:
            told[:] = [_child(case, path) for _ in range(rounds)]
            seconds = [t["seconds"] for t in told]
            middle = statistics.median(seconds)
            return {"convert": Timing(middle, (max(seconds) - min(seconds)) / middle, min(seconds))}

        times, others = undisturbed(measure)
    timing = times["convert"]
    row: dict[str, Any] = {"case": case.name, "n": case.n, "k": case.k, "batch": case.samples}
    row |= {"threads": os.cpu_count(), "dense_ms": None, "swm_ms": 1e3 * timing.median, "speedup": None}
    row |= {"limit_fraction": None, "seconds": timing.median, "best_seconds": timing.best, "spread": timing.spread}
    row["peak_mib_over_model"] = max(t["peak_mib_over_model"] for t in told)
    row["relative_error"] = told[0]["relative_error"]
    row |= {"goal": GOAL_SECONDS if case.goal else None, "goal_mib": GOAL_MIB if case.goal else None}
    return row | {"others_busy": others}


def _child(case: ConvertCase, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "swm.bench.convert_child", str(path), case.kind, *map(str, (case.n, case.k))]
    done = subprocess.run([*command, str(case.samples)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"the process that converts {case.name} failed: {done.stderr.strip()[-300:]}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def run_convert(*, quick: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """All cases: machine and rows.

    Raises:
        ToolError: no compiler to describe, or a process failed.
    """
    machine = describe()
    cases = [c for c in CASES if c.quick or not quick]
    rows = []
    for done, case in enumerate(cases):
        if progress:
            progress(case.name, done, len(cases))
        rows.append(run_case(case, 1 if quick else 3))
    return {"benchmark": "convert", "quick": quick, "machine": machine, "rows": rows}
