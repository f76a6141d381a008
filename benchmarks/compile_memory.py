# SPDX-License-Identifier: Apache-2.0
"""What the C simulation of emitted projects takes: seconds and memory of the compiler, seconds of the run.

    python benchmarks/compile_memory.py MODELS                 # every ONNX file of a folder that becomes hardware
    python benchmarks/compile_memory.py big.onnx --block 4     # one model, converted first

A line a model: what the compiler reads of the project (its library aside), what `make build/csim` took, words that `swm
verify` compared. Seconds are those of a CPU, user and system, so they say the same on a busy machine. Exit status 1
where words differ, or a compilation takes more than 120 s or 4 GiB, or reads more than 2 MB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import swm
from swm.errors import SwmError, ToolError
from swm.graph import Graph
from swm.projects import Project

MOST_SECONDS, MOST_GIB, MOST_MB = 120.0, 4.0, 2.0
SAMPLES = 100


def samples(graph: Graph) -> dict[str, np.ndarray]:
    """Random floats for every input; an axis of unknown size is one long."""
    rng = np.random.default_rng(0)
    shapes = {v.name: v.type.shape or () for v in graph.inputs if v.type is not None}
    known = {name: [d if isinstance(d, int) and d > 0 else 1 for d in shape[1:]] for name, shape in shapes.items()}
    return {name: rng.normal(size=(SAMPLES, *rest)).astype(np.float32) for name, rest in known.items()}


def emitted(model: Path, folder: Path, board: str, bits: int, block: int | None) -> Project | None:
    """A project on the board, or larger than it; None where the model does not become hardware."""
    try:
        graph = swm.load(model, simplify=True, detect=True)
        if swm.check(graph).hardware == "none":
            return None
        if block is not None:
            graph = swm.convert(graph, block=block).graph
        inputs = samples(graph)
        fixed = swm.quantize(graph, bits=bits, calibration=inputs)
        made = swm.design(fixed, board=board)
        return swm.emit(made, path=folder, vectors=inputs, most_vectors=SAMPLES, allow_overflow=True)
    except SwmError as error:
        print(f"{model.name} | {str(error).splitlines()[0]}", flush=True)
        return None


_MAKE = """
import resource, subprocess, sys
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
status = subprocess.call(["make", "-C", sys.argv[1], "build/csim"], **quiet)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(status)
"""
"""A process of its own starts make: of one that is started by a large process, Linux counts the memory of that, too."""


def compiled(project: Project) -> tuple[float, float]:
    """Build the C simulation: seconds of a CPU, user and system, and GiB of the largest process."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", _MAKE, str(project.path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ToolError(f"{project.path}: make build/csim failed")
    seconds, kib = done.stdout.split()
    return float(seconds), int(kib) / 2**20


def text_read(project: Project) -> float:
    """MB of text that the compiler reads of the project, its library aside."""
    read = [*project.path.glob("src/*.h"), *project.path.glob("src/*.cpp"), *project.path.glob("tb/*.cpp")]
    return sum(file.stat().st_size for file in read) / 1e6


def measured(project: Project) -> tuple[str, bool]:
    """A line of the table, and whether everything is as it should be."""
    text = text_read(project)
    seconds, gib = compiled(project)
    found = project.verify()
    weights = sum(spec.stored_words for spec in project.design.graph.specs)
    words = f"{found.words:,}, {found.mismatches} differ"
    line = f"{weights:,} | {text:.2f} | {seconds:.1f} | {gib:.2f} | {found.run_seconds:.1f} | {words}"
    return line, found.ok and seconds <= MOST_SECONDS and gib <= MOST_GIB and text <= MOST_MB


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, help="an ONNX file, or a folder of them")
    parser.add_argument("--board", default="zcu104", help="name, or path of a .toml")
    parser.add_argument("--bits", type=int, default=12)
    parser.add_argument("--block", type=int)
    options = parser.parse_args()
    files = sorted(options.models.rglob("*.onnx")) if options.models.is_dir() else [options.models]
    right = True
    print("model | weights stored | MB read | compile CPU s | peak GiB | run s | words")
    for model in files:
        with tempfile.TemporaryDirectory() as folder:
            project = emitted(model, Path(folder) / "p", options.board, options.bits, options.block)
            if project is not None:
                line, good = measured(project)
                right = right and good
                print(f"{model.name} | {line}", flush=True)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
