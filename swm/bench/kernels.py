# SPDX-License-Identifier: Apache-2.0
"""Block-circulant products against dense ones: OpenBLAS through numpy, and onnxruntime."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.bench.machine import describe, measure_limits
from swm.bench.race import Contender, Effort, Race
from swm.bench.timing import BlasThreads
from swm.engine import measure_constants
from swm.engine.kernels import ENGINES, BlockMatmul, Prepared
from swm.engine.kernels.cost import TILE
from swm.engine.kernels.dense import session_of
from swm.structure import BlockCirculant

__all__ = ["CASES", "KernelCase", "fit_exponent", "operations", "run_case", "run_kernels"]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class KernelCase:
    """One n x n product.

    Attributes:
        n: inputs and outputs.
        k: block size.
        batch: samples a call.
        goal: speed-up on one thread to reach, None where nothing is asked.
        dense: whether dense engines are timed beside it.
        quick: part of a quick run.
    """

    n: int
    k: int
    batch: int
    goal: float | None = None
    dense: bool = True
    quick: bool = False

    @property
    def name(self) -> str:
        """`n/k/batch`."""
        return f"{self.n}/{self.k}/{self.batch}"


CASES = (
    KernelCase(1024, 64, 256, 12.0, quick=True),
    KernelCase(4096, 128, 256, 30.0, quick=True),
    KernelCase(1024, 16, 256, 5.0, quick=True),
    KernelCase(4096, 128, 1, 100.0, quick=True),
    KernelCase(1024, 64, 1, 10.0, quick=True),
    KernelCase(2048, 64, 256),
    *(KernelCase(1024, k, 256) for k in (2, 4, 8, 32, 128, 256)),
    *(KernelCase(1024, k, 1) for k in (4, 16, 256)),
    KernelCase(1024, 64, 8),
    KernelCase(1024, 64, 32),
    KernelCase(1024, 64, 2048),
)
FIT_CASES = tuple(KernelCase(n, n // 8, 64, dense=False, quick=True) for n in (256, 512, 1024, 2048, 4096, 8192, 16384))
ACCURACY_SAMPLES = 32


def operations(n: int, k: int, batch: int, complex_operations: int = 8) -> float:
    """Float operations: 2.5 k log2 k a real transform, 4 for the two real bins of a block, the rest complex.

    A complex multiply-add is 8 operations; 6 in the compiled kernel for whole tiles of samples, which does it in three
    multiply-adds.
    """
    blocks = n // k
    transforms = 2 * blocks * 2.5 * k * math.log2(k)
    return batch * (transforms + blocks * blocks * (complex_operations * (k // 2 - 1) + 4))


def bytes_moved(n: int, k: int, batch: int) -> float:
    """Weights, inputs and outputs, once each."""
    return 4.0 * (n * n / k + 2 * n * batch)


def run_case(case: KernelCase, race: Race, threads: tuple[int, ...] = (1, 2)) -> list[dict[str, Any]]:
    """Time one case: a row for each number of threads, and on one thread for each other engine."""
    rng = np.random.default_rng(0)
    blocks = case.n // case.k
    columns = rng.normal(size=(blocks, blocks, case.k)).astype(np.float32)
    x = rng.normal(size=(case.batch, case.n)).astype(np.float32)
    out = np.empty_like(x)
    swm = {t: BlockMatmul(BlockCirculant(columns), threads=t) for t in threads}
    chosen = {t: product.choice(case.batch).engine for t, product in swm.items()}
    products: list[tuple[str, str, int, Prepared]] = [("auto", chosen[t], t, product) for t, product in swm.items()]
    if case.dense:
        products += [
            (name, name, threads[0], swm[threads[0]].prepared(name))
            for name, other in ENGINES.items()
            if name not in (chosen[threads[0]], "dense") and other.missing() is None
        ]
    exact = _reference(columns, x[:ACCURACY_SAMPLES])
    contenders = []
    for label, engine, t, product in products:
        error = np.abs(product(x[:ACCURACY_SAMPLES]) - exact).max() / np.abs(exact).max()
        tiles = engine == "compiled" and case.batch >= TILE
        work = operations(case.n, case.k, case.batch, 6 if tiles else 8)
        moved = bytes_moved(case.n, case.k, case.batch)
        if engine == "dense":
            work, moved = 2.0 * case.n * case.n * case.batch, 4.0 * (case.n**2 + 2 * case.n * case.batch)
        call = partial(product, x, out)
        contenders.append(Contender(label, engine, t, call, float(error), work, moved))
    dense = {t: _dense_calls(columns, x, out, t) if case.dense else {} for t in threads}
    head = {"case": case.name, "n": case.n, "k": case.k, "batch": case.batch}
    return race.run(head, contenders, dense, case.goal)


def run_kernels(*, quick: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """All cases: machine, limits, rows, and the fitted exponent of time against n at k = n/8.

    Raises:
        ToolError: no compiler for the probes.
    """
    blas = BlasThreads()
    machine = describe()
    limits = measure_limits()
    if not quick:
        with blas.limit(1):
            measure_constants(progress)
    cases = [c for c in CASES if c.quick or not quick]
    race = Race(blas, limits, Effort.of(quick))
    rows = []
    for done, case in enumerate(cases):
        if progress:
            progress(case.name, done, len(cases) + len(FIT_CASES))
        rows += run_case(case, race)
    growth = []
    for done, case in enumerate(FIT_CASES):
        if progress:
            progress(f"growth {case.name}", len(cases) + done, len(cases) + len(FIT_CASES))
        growth += run_case(case, race, threads=(1,))
    fit = fit_exponent([r["n"] for r in growth], [r["swm_ms"] for r in growth])
    return {
        "benchmark": "kernels",
        "quick": quick,
        "machine": machine,
        "limits": limits.to_json(),
        "rows": rows,
        "growth": {**fit, "rows": growth},
    }


def fit_exponent(sizes: list[int], times: list[float]) -> dict[str, float]:
    """Exponent b of t = a n^b by least squares in logarithms, and that of n log2 n over the same sizes."""
    logs = np.log(sizes)
    slope, offset = np.polyfit(logs, np.log(times), 1)
    ideal = np.polyfit(logs, np.log(np.array(sizes) * np.log2(sizes)), 1)[0]
    return {"exponent": float(slope), "log_factor": float(offset), "exponent_of_n_log_n": float(ideal)}


def _reference(columns: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float64]:
    """The product in float64, by numpy's transforms."""
    p, q, k = columns.shape
    half = np.fft.rfft(x.astype(np.float64).reshape(len(x), q, k)).transpose(2, 0, 1)
    weights = np.fft.rfft(columns.astype(np.float64)).transpose(2, 1, 0)
    return np.fft.irfft((half @ weights).transpose(1, 2, 0), n=k).reshape(len(x), p * k)


def _dense_calls(
    columns: NDArray[np.float32], x: NDArray[np.float32], out: NDArray[np.float32], threads: int
) -> dict[str, Callable[[], object]]:
    """The baselines on so many threads: numpy with the matrix stored either way, and onnxruntime."""
    matrix = BlockCirculant(columns).to_dense().T
    straight = np.ascontiguousarray(matrix)
    session = session_of("MatMul", {"w": straight}, threads, 2)
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y", "cpu")
    return {
        "numpy": lambda: np.matmul(x, matrix, out=out),
        "numpy, transposed": lambda: np.matmul(x, straight, out=out),
        "onnxruntime": lambda: session.run_with_iobinding(binding),
    }
