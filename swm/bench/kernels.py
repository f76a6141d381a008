# SPDX-License-Identifier: Apache-2.0
"""Block-circulant products against dense ones: OpenBLAS through numpy, and onnxruntime."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from swm.bench.machine import Limits, describe, measure_limits
from swm.bench.timing import BlasThreads, Timing, interleaved, undisturbed
from swm.engine import measure_constants
from swm.engine.kernels import ENGINES, BlockMatmul, Prepared
from swm.engine.kernels._interface import expand

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


def operations(n: int, k: int, batch: int) -> float:
    """Float operations: 2.5 k log2 k a real transform, 8 a complex multiply-add, 4 for the two real bins of a block."""
    blocks = n // k
    transforms = 2 * blocks * 2.5 * k * math.log2(k)
    return batch * (transforms + blocks * blocks * (8 * (k // 2 - 1) + 4))


def bytes_moved(n: int, k: int, batch: int) -> float:
    """Weights, inputs and outputs, once each."""
    return 4.0 * (n * n / k + 2 * n * batch)


def run_case(
    case: KernelCase, blas: BlasThreads, limits: Limits, rounds: int, burst: float, threads: tuple[int, ...] = (1, 2)
) -> list[dict[str, Any]]:
    """Time one case: a row for each number of threads, and on one thread for each other engine."""
    rng = np.random.default_rng(0)
    blocks = case.n // case.k
    columns = rng.normal(size=(blocks, blocks, case.k)).astype(np.float32)
    x = rng.normal(size=(case.batch, case.n)).astype(np.float32)
    out = np.empty_like(x)
    swm = {t: BlockMatmul(columns, threads=t) for t in threads}
    contenders: dict[tuple[str, int], Prepared] = {("auto", t): product for t, product in swm.items()}
    chosen = swm[threads[0]].choice(case.batch).engine
    if case.dense:
        for name, other in ENGINES.items():
            if name not in (chosen, "dense") and other.missing() is None:
                contenders[name, threads[0]] = other.prepare(columns, threads=threads[0])
    dense = {t: _dense_calls(columns, x, out, t) if case.dense else {} for t in threads}
    ours = {(name, t): (t, lambda product=product: product(x, out)) for (name, t), product in contenders.items()}
    # Dense engines leave threads that spin for a while: so nothing that has several threads takes turns with what has
    # one, and swm on several threads takes turns with swm on one only.
    one = {f"swm {name} {t}": call for (name, t), call in ours.items() if t == threads[0]}
    times, others = undisturbed(lambda: interleaved(dense[threads[0]] | one, blas, rounds, burst))
    disturbance = {threads[0]: others}
    pairs = {f"swm {name} {t}": call for (name, t), call in ours.items() if name == "auto"}
    pairs_times: dict[str, Timing] = {}
    if len(threads) > 1:
        pairs_times, others = undisturbed(lambda: interleaved(pairs, blas, rounds, burst))
    for t in threads[1:]:
        disturbance[t] = others
        if dense[t]:
            several, others = undisturbed(lambda t=t: interleaved(dense[t], blas, rounds, burst))  # type: ignore[misc]
            times |= several
            disturbance[t] = max(disturbance[t], others)
    times = pairs_times | times
    exact = _reference(columns, x[:ACCURACY_SAMPLES])
    rows = []
    for (name, t), product in contenders.items():
        own = times[f"swm {name} {t}"]
        rivals = {c: times[c] for c in dense[t]}
        best = min(rivals, key=lambda c: rivals[c].median) if rivals else None
        engine = swm[t].choice(case.batch).engine if name == "auto" else name
        error = np.abs(product(x[:ACCURACY_SAMPLES]) - exact).max() / np.abs(exact).max()
        work, moved = operations(case.n, case.k, case.batch), bytes_moved(case.n, case.k, case.batch)
        if engine == "dense":
            work, moved = 2.0 * case.n * case.n * case.batch, 4.0 * (case.n**2 + 2 * case.n * case.batch)
        row: dict[str, Any] = {"case": case.name, "n": case.n, "k": case.k, "batch": case.batch, "threads": t}
        row["dense_ms"] = 1e3 * rivals[best].median if best else None
        row["swm_ms"] = 1e3 * own.median
        row["speedup"] = rivals[best].median / own.median if best else None
        row["limit_fraction"] = limits.fraction(work, moved, own.median, t)
        row |= {
            "engine": engine,
            "chosen": name == "auto",
            "baseline": best and best.rsplit(" ", 1)[0],
            "error": float(error),
        }
        row |= {"spread": own.spread, "dense_spread": rivals[best].spread if best else None}
        row |= {"operations": work, "bytes": moved, "goal": case.goal if name == "auto" and t == 1 else None}
        row["others_busy"] = disturbance[t]
        gain = name == "auto" and t > 1
        row["thread_gain"] = pairs_times["swm auto 1"].median / own.median if gain else None
        rows.append(row)
    return rows


def run_kernels(*, quick: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """All cases: machine, limits, rows, and the fitted exponent of time against n at k = n/8.

    Raises:
        ToolError: no compiler for the probes, or threadpoolctl is missing.
    """
    blas = BlasThreads()
    machine = describe()
    limits = measure_limits()
    if not quick:
        with blas.limit(1):
            measure_constants(progress)
    cases = [c for c in CASES if c.quick or not quick]
    rounds, burst = (5, 0.004) if quick else (11, 0.01)
    rows = []
    for done, case in enumerate(cases):
        if progress:
            progress(case.name, done, len(cases) + len(FIT_CASES))
        rows += run_case(case, blas, limits, rounds, burst)
    growth = []
    for done, case in enumerate(FIT_CASES):
        if progress:
            progress(f"growth {case.name}", len(cases) + done, len(cases) + len(FIT_CASES))
        growth += run_case(case, blas, limits, rounds, burst, threads=(1,))
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
) -> dict[str, tuple[int, Callable[[], object]]]:
    """The baselines on so many threads: numpy with the matrix stored either way, and onnxruntime."""
    n = x.shape[1]
    matrix = expand(columns, n, n).T
    straight = np.ascontiguousarray(matrix)
    return {
        f"numpy {threads}": (threads, lambda: np.matmul(x, matrix, out=out)),
        f"numpy, transposed {threads}": (threads, lambda: np.matmul(x, straight, out=out)),
        f"onnxruntime {threads}": (threads, _onnxruntime(straight, x, threads)),
    }


def _onnxruntime(matrix: NDArray[np.float32], x: NDArray[np.float32], threads: int) -> Callable[[], object]:
    """A session with one MatMul by a constant, its input and output bound beforehand."""
    n, m = matrix.shape
    f = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])],
        "dense",
        [onnx.helper.make_tensor_value_info("x", f, [len(x), n])],
        [onnx.helper.make_tensor_value_info("y", f, [len(x), m])],
        [onnx.numpy_helper.from_array(matrix, "w")],
    )
    model = onnx.helper.make_model(graph, ir_version=9, opset_imports=[onnx.helper.make_opsetid("", 17)])
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # or it slows all who come after it
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y", "cpu")
    return lambda: session.run_with_iobinding(binding)
