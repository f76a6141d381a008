# SPDX-License-Identifier: Apache-2.0
"""Networks over sequences from the file to the C simulation: errors at several widths, words compared, cycles, seconds.

    python benchmarks/recurrent_networks.py MODELS                    # all of them, and torch's exports, as a table
    python benchmarks/recurrent_networks.py MODELS --only dtln --bits 12 --sequences auto

MODELS is a folder as shared/models; torch's exports are those of tests/exported. Models are framed first
(`model_frames.py`). Inputs are random, 40 samples set the formats, 20 others are run: the error is the norm of the
difference from onnxruntime over that of its answers, all outputs together. Exit status 1 where a word differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from model_frames import FRAMES
from numpy.typing import NDArray

import swm
from swm.report.figures import design_figures

CALIBRATION, COMPARED, BOARD = 40, 20, "zcu104"
EXPORTED = Path(__file__).parents[1] / "tests" / "exported"
HEAD = ("model", "bits", "sequences", "host", "error", "words", "differ", "interval", "useful", "compile, s", "run, s")


def samples(graph: swm.Graph) -> NDArray[Any]:
    """Random values for the only input: letters where it takes bytes, magnitudes where it takes a spectrum."""
    declared = graph.inputs[0].type
    assert declared is not None
    assert declared.shape is not None
    shape = tuple(size for size in declared.shape[1:] if isinstance(size, int))
    rng, count = np.random.default_rng(0), CALIBRATION + COMPARED
    if declared.elem != 1:  # onnx.TensorProto.FLOAT
        return rng.integers(32, 127, (count, *shape)).astype(np.uint8)
    x = rng.normal(size=(count, *shape)).astype(np.float32)
    return np.abs(x) if shape[-1] == 257 else x


def measured(name: str, path: Path, widths: list[int], sequences: int | None) -> Iterator[tuple[list[str], int]]:
    """A row for each width, and how many words differ."""
    graph = swm.load(path, simplify=True, detect=True)
    if name in FRAMES:
        graph = FRAMES[name].of(graph)
    x = samples(graph)
    feed = graph.inputs[0].name
    want = swm.run(graph, {feed: x[CALIBRATION:]})
    norm = np.sqrt(sum(float(np.sum(np.square(a))) for a in want.values()))
    for bits in widths:
        fixed = swm.quantize(graph, bits=bits, calibration=x[:CALIBRATION])
        made = swm.design(fixed, board=BOARD, sequences=sequences)
        got = swm.run(made.graph, {feed: x[CALIBRATION:]})
        error = np.sqrt(sum(float(np.sum(np.square(got[n].reshape(a.shape) - a))) for n, a in want.items())) / norm
        with tempfile.TemporaryDirectory() as scratch:
            project = swm.emit(made, path=Path(scratch) / "p", vectors=x[CALIBRATION:], allow_overflow=True)
            found = project.verify()
        assert isinstance(found, swm.Verification)
        useful = design_figures(made.schedule).useful_share
        host = ((), ()) if fixed.host is None else fixed.host.operators
        yield (
            [
                *(name, str(bits), str(made.schedule.sequences), f"{len(host[0])} before, {len(host[1])} after"),
                *(f"{100 * error:.3g} %", f"{found.words:,}", str(found.mismatches), f"{made.schedule.interval:,}"),
                *("" if useful is None else f"{100 * useful:.0f} %", f"{found.compile_seconds:.0f}"),
                f"{found.run_seconds:.2f}",
            ],
            found.mismatches + (not found.ok),
        )


def main() -> int:
    """Print the table, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--only", help="part of a file name")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 12, 16])
    parser.add_argument("--sequences", default="1", help="that take turns: a number, or auto")
    options = parser.parse_args()
    sequences = None if options.sequences == "auto" else int(options.sequences)
    files = {name: options.models / name for name in FRAMES}
    files |= {f"exported/{path.name}": path for path in sorted(EXPORTED.glob("*.onnx"))}
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    differ = 0
    for name, path in files.items():
        if options.only and options.only not in name:
            continue
        for row, wrong in measured(name, path, options.bits, sequences):
            differ += wrong
            print("| " + " | ".join(row) + " |", flush=True)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
