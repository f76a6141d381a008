# SPDX-License-Identifier: Apache-2.0
"""Verification: compile the C simulation, run it, compare every word with the integer engine run afresh."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.emit._folder import MANIFEST
from swm.engine import run_fixed
from swm.engine._fixed import FixedResult
from swm.errors import OutputError, ToolError
from swm.fixed import load_fixed

__all__ = ["Verification", "verify_project"]

Progress = Callable[[str, int, int], None]
# A damaged project must end in a message, not in a hung terminal; the bundled network takes seconds.
TIME_LIMIT_S = 1800
FLAGS = ("-std=c++14", "-O2", "-Wall", "-Wextra", "-Werror", "-DSWM_COUNT_ITERATIONS")


@dataclass(frozen=True)
class Verification:
    """Outcome of one verification.

    Attributes:
        ok: every word is equal and every process ran as many pipelined iterations as the schedule says.
        words: output words compared.
        mismatches: words that differ.
        samples: vectors run.
        saturated: values that saturated in the integer engine, all layers.
        saturated_by_place: the same by layer and place.
        max_error: largest difference between the float reference and the fixed-point output, None without reference.
        mean_error: mean difference.
        top1_agreement: fraction of samples with the same largest output as the reference, None without reference.
        accuracy: fraction of samples whose largest output is the label, None without labels.
        reference_accuracy: the same of the reference.
        iterations: iterations a sample counted in the C simulation, by process.
        iterations_expected: the same from the schedule.
        first_mismatch: where the first difference lies, empty if none.
        compile_seconds: wall time of the compiler.
        run_seconds: wall time of the simulation.
    """

    ok: bool
    words: int
    mismatches: int
    samples: int
    saturated: int
    saturated_by_place: dict[str, int]
    max_error: float | None
    mean_error: float | None
    top1_agreement: float | None
    accuracy: float | None
    reference_accuracy: float | None
    iterations: dict[str, int]
    iterations_expected: dict[str, int]
    first_mismatch: str
    compile_seconds: float
    run_seconds: float

    @property
    def remarks(self) -> list[str]:
        """The comparison with the float reference, in sentences."""
        lines = []
        if self.max_error is not None and self.mean_error is not None and self.top1_agreement is not None:
            lines.append(
                f"against onnxruntime on the float model: mean error {self.mean_error:.3g}, largest"
                f" {self.max_error:.3g}, top-1 agreement {100 * self.top1_agreement:.2f} %"
            )
        if self.accuracy is not None:
            line = f"accuracy on {self.samples} labelled samples: fixed point {100 * self.accuracy:.2f} %"
            if self.reference_accuracy is not None:
                line += f", float model {100 * self.reference_accuracy:.2f} %"
            lines.append(line + " (measured)")
        if self.iterations != self.iterations_expected:
            wrong = [k for k, v in self.iterations_expected.items() if self.iterations.get(k) != v]
            lines.append(f"pipelined iterations differ from the schedule in {', '.join(wrong)}")
        else:
            lines.append("pipelined iterations of every process equal the schedule (counted in C simulation)")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self)


def verify_project(path: Path, *, compiler: str = "g++", progress: Progress | None = None) -> Verification:
    """Compile and run a project's C simulation and compare it with the integer engine.

    Args:
        path: a folder that `emit_project` wrote; it is left unchanged.
        compiler: a g++-compatible C++ compiler on PATH.
        progress: called as progress(step, done, total).

    Raises:
        OutputError: the folder is no project, or files are missing.
        ToolError: the compiler is missing, or compilation or simulation fails.
    """
    say = progress or (lambda _what, _done, _total: None)
    manifest = _manifest(path)
    graph = load_fixed(path / "verify" / "fixed.npz")
    with tempfile.TemporaryDirectory(prefix="swm-verify-") as scratch:
        say("compile", 0, 3)
        binary = Path(scratch) / "csim"
        compile_seconds = _compile(path, binary, compiler, manifest["flavour"])
        say("simulate", 1, 3)
        words, iterations, run_seconds = _simulate(path, binary, Path(scratch))
    say("compare", 2, 3)
    checks = _vectors(path)
    expected = run_fixed(graph, checks["inputs"])
    if words.shape != expected.words.shape:
        raise ToolError(f"the C simulation wrote an array of {words.shape}, expected {expected.words.shape}")
    different = np.argwhere(words != expected.words)
    wanted = {name: int(count) for name, count in manifest["iterations"].items() if name in iterations}
    first = ""
    if len(different):
        sample, word = map(int, different[0])
        first = (
            f"sample {sample}, word {word}: C++ {words[sample, word]}, integer engine {expected.words[sample, word]}"
        )
    return Verification(
        ok=not len(different) and iterations == wanted,
        words=int(words.size),
        mismatches=len(different),
        samples=len(words),
        saturated=sum(expected.saturated.values()),
        saturated_by_place=expected.saturated,
        **_accuracy(checks, expected),
        iterations=iterations,
        iterations_expected=wanted,
        first_mismatch=first,
        compile_seconds=compile_seconds,
        run_seconds=run_seconds,
    )


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        missing = [name for name in manifest["sha256"] if not (path / name).is_file()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{str(path)!r} is no project of swm (no readable {MANIFEST}); run swm emit first") from error
    if missing:
        raise OutputError(f"{str(path)!r} lacks {', '.join(missing)}; emit the project again")
    if not isinstance(manifest, dict) or manifest.get("flavour") not in ("vitis", "generic"):
        raise OutputError(f"{str(path / MANIFEST)!r} is damaged; emit the project again")
    return manifest


def _vectors(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path / "verify" / "vectors.npz", allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError) as error:
        raise OutputError(f"{str(path / 'verify/vectors.npz')!r} is damaged; emit the project again") from error


def _compile(path: Path, binary: Path, compiler: str, flavour: str) -> float:
    if shutil.which(compiler) is None:
        raise ToolError(f"there is no C++ compiler {compiler!r} on PATH; install one (Debian: apt-get install g++)")
    include = ["-I", str(path / "include"), "-I", str(path / "src")]
    if flavour == "vitis":
        include += ["-I", str(path / "sim"), "-DSWM_VITIS"]
    sources = [str(path / "src" / "top.cpp"), str(path / "tb" / "testbench.cpp")]
    start = time.perf_counter()
    result = _run([compiler, *FLAGS, *include, *sources, "-o", str(binary)])
    if result.returncode != 0:
        lines = "\n".join(result.stderr.splitlines()[:20])
        raise ToolError(f"{compiler} does not compile {str(path)!r}:\n{lines}")
    return time.perf_counter() - start


def _simulate(path: Path, binary: Path, scratch: Path) -> tuple[NDArray[np.int64], dict[str, int], float]:
    """Output words (samples, m), iterations a sample by process, wall seconds."""
    output, counts = scratch / "output.dat", scratch / "iterations.dat"
    start = time.perf_counter()
    command = [str(binary), str(path / "tb" / "input.dat"), str(path / "tb" / "expected.dat"), str(output), str(counts)]
    result = _run(command)
    seconds = time.perf_counter() - start
    if not output.is_file() or not counts.is_file():  # status 1 alone means differing words, which are compared here
        raise ToolError(f"the C simulation failed with status {result.returncode}: {result.stderr.strip()[:500]}")
    try:
        words = np.loadtxt(output, dtype=np.int64, ndmin=2)
        pairs = [line.split() for line in counts.read_text(encoding="ascii").splitlines()]
        return words, {name: int(count) // max(len(words), 1) for name, count in pairs}, seconds
    except ValueError as error:
        raise ToolError("the C simulation wrote something other than integers; emit the project again") from error


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{command[0]} did not end within {TIME_LIMIT_S} s") from error
    except OSError as error:
        raise ToolError(f"cannot run {command[0]}: {error.strerror}") from error


def _accuracy(checks: dict[str, NDArray[Any]], expected: FixedResult) -> dict[str, float | None]:
    values, reference, labels = expected.values, checks.get("reference"), checks.get("labels")
    found: dict[str, float | None] = dict.fromkeys(
        ("max_error", "mean_error", "top1_agreement", "accuracy", "reference_accuracy")
    )
    top = values.argmax(axis=1)
    if reference is not None:
        error = np.abs(values - reference)
        found["max_error"], found["mean_error"] = float(error.max()), float(error.mean())
        found["top1_agreement"] = float(np.mean(top == reference.argmax(axis=1)))
    if labels is not None:
        found["accuracy"] = float(np.mean(top == labels))
        if reference is not None:
            found["reference_accuracy"] = float(np.mean(reference.argmax(axis=1) == labels))
    return found
