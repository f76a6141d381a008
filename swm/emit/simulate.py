# SPDX-License-Identifier: Apache-2.0
"""The C simulation of a project: compile it and run it, in a scratch folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.backend import Backend
from swm.errors import ToolError
from swm.progress import Note, quiet

__all__ = ["SimulationRun", "compile_project", "run_tool", "simulate_project"]

# A damaged project must end in a message, not in a hung terminal; the bundled network takes seconds.
TIME_LIMIT_S = 1800
NOTE_S = 1
FLAGS = ("-std=c++14", "-O2", "-Wall", "-Wextra", "-Werror", "-DSWM_COUNT_ITERATIONS")
STATUS = {
    3: "the testbench reads a stream that is empty",
    4: "the processes wait for each other (deadlock): a stream is too shallow",
    5: "beats are left in a stream",
}


@dataclass(frozen=True, eq=False)
class SimulationRun:
    """What the simulation wrote.

    Attributes:
        words: (samples, m) output integers.
        iterations: pipelined iterations of the whole run, by process.
        seconds: wall time.
    """

    words: NDArray[np.int64]
    iterations: dict[str, int]
    seconds: float


def compile_project(
    path: Path, binary: Path, backend: Backend, compiler: str, note: Note = quiet, *, trace: bool = False
) -> float:
    """Compile a project's top and testbench, with `trace` so that it can write down what passes between layers.

    `note` is called every second.

    Returns:
        Wall seconds.

    Raises:
        ToolError: the compiler is missing or refuses.
    """
    if shutil.which(compiler) is None:
        raise ToolError(f"there is no C++ compiler {compiler!r} on PATH; install one (Debian: apt-get install g++)")
    include = [part for folder in backend.include for part in ("-I", str(path / folder))]
    defines = [f"-D{name}" for name in (*backend.defines, *["SWM_TRACE"] * trace)]
    sources = [str(path / "src" / "top.cpp"), str(path / "tb" / "testbench.cpp")]
    start = time.perf_counter()
    result = run_tool([compiler, *FLAGS, *defines, *include, *sources, "-o", str(binary)], note)
    if result.returncode != 0:
        lines = "\n".join(result.stderr.splitlines()[:20])
        raise ToolError(f"{compiler} does not compile {str(path)!r}:\n{lines}")
    return time.perf_counter() - start


def simulate_project(
    path: Path, binary: Path, scratch: Path, note: Note = quiet, *, trace: Path | None = None
) -> SimulationRun:
    """Run every vector of a project, back to back; `note` is called every second.

    Words of edges go to the files of their names in the folder `trace`.

    Raises:
        ToolError: the simulation ends without a result: a crash, a deadlock, a stream left full.
    """
    path = path.resolve()
    output, counts = scratch / "output.dat", scratch / "iterations.dat"
    start = time.perf_counter()
    command = [str(binary), str(path / "tb" / "input.dat"), str(path / "tb" / "expected.dat"), str(output), str(counts)]
    weights = path / "tb" / "weights.dat"
    if weights.is_file():
        command.append(str(weights))
    environment = None if trace is None else {**os.environ, "SWM_TRACE": str(trace)}
    result = run_tool(command, note, path, environment)  # the folder has the files that large ROMs are read from
    seconds = time.perf_counter() - start
    if not output.is_file() or not counts.is_file():  # status 1 alone means differing words, which are compared later
        what = STATUS.get(result.returncode, f"status {result.returncode}")
        raise ToolError(f"the C simulation failed: {what}\n{result.stderr.strip()[:2000]}")
    try:
        words = np.loadtxt(output, dtype=np.int64, ndmin=2)
        pairs = [line.split() for line in counts.read_text(encoding="ascii").splitlines()]
        return SimulationRun(words, {name: int(count) for name, count in pairs}, seconds)
    except ValueError as error:
        raise ToolError("the C simulation wrote something other than integers; emit the project again") from error


def run_tool(
    command: list[str], note: Note, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool in a folder, with a time limit; `note` hears every few seconds that it still runs.

    Raises:
        ToolError: it does not start, or does not end.
    """
    name = Path(command[0]).name
    try:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=folder,
            env=environment,
        )
    except OSError as error:
        raise ToolError(f"cannot run {command[0]}: {error.strerror}") from error
    with process:
        for seconds in range(0, TIME_LIMIT_S, NOTE_S):
            note(f"{name}, {seconds} s")
            try:
                out, errors = process.communicate(timeout=NOTE_S)
                return subprocess.CompletedProcess(command, process.returncode, out, errors)
            except subprocess.TimeoutExpired:
                continue
            except BaseException:  # Ctrl-C: the context would wait for it
                process.kill()
                raise
        process.kill()
    raise ToolError(f"{command[0]} did not end within {TIME_LIMIT_S} s")
