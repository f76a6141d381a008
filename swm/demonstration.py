# SPDX-License-Identifier: Apache-2.0
"""The demonstration: the bundled network through every stage, with its accuracy measured at each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from swm import api, bundled, projects
from swm.compress import Conversion, accuracy
from swm.device import load_board
from swm.emit import Verification
from swm.emit.folder import MANIFEST, hashes, whole_folder
from swm.progress import Progress, told
from swm.report import Report

__all__ = ["Demo", "demo"]

COMPARED = ("pynq-z2", "arty-a7-100t", "kv260", "zcu104")
"""Boards that the report of the demonstration sets side by side: each takes a search of seconds."""
STEPS = ("convert", "quantize", "emit", "verify", "report")


@dataclass(frozen=True, eq=False)
class Demo:
    """What the demonstration made: `accuracy` is a fraction on the 1,000 bundled test images, by stage."""

    path: Path
    conversion: Conversion
    verification: Verification
    report: Report
    accuracy: dict[str, float]
    files: dict[str, str]


def demo(
    path: str | Path,
    *,
    board: str = "pynq-z2",
    block: int = 8,
    bits: int = 12,
    force: bool = False,
    progress: Progress | bool | None = None,
) -> Demo:
    """Convert, quantize, emit for `board`, verify 1,000 test images bit for bit, and report on its vendor's boards.

    Args:
        path: folder to write: the converted model, the HLS project, the report page.
        board: board of the emitted project.
        block: block size.
        bits: data and weight bits.
        force: replace what an earlier demonstration wrote.
        progress: called as progress(what, steps done, steps); True shows it on standard error.

    Raises:
        SwmError: a bad option, an output folder in the way, or no compiler.
    """
    folder = Path(path)
    calibration, _ = bundled.calibration()
    images, labels = bundled.test()
    with told(progress) as say, whole_folder(folder, force=force) as staging:
        convert, quantize, emit, verify = (partial(_within, say, step) for step in STEPS[:-1])
        dense = api.load(bundled.model_path())
        conversion = api.convert(
            dense, block=block, calibration=calibration, test=images, test_labels=labels, progress=convert
        )
        api.save(conversion.graph, staging / "model.onnx")
        fixed = api.quantize(conversion.graph, bits=bits, calibration=calibration, progress=quantize)
        project = projects.emit(
            fixed,
            board=board,
            path=staging / "project",
            vectors=images,
            labels=labels,
            reference=dense,
            most_vectors=None,
            progress=emit,
        )
        verification = project.verify(progress=verify)
        assert isinstance(verification, Verification)  # of C++
        _within(say, STEPS[-1], "boards", 0, 1)
        measured = {
            "dense_float": accuracy(api.run(dense, images), labels),
            "converted_float": accuracy(api.run(conversion.graph, images), labels),
            "fixed": verification.accuracy or 0.0,
        }
        vendor = load_board(board).vendor
        names = [board, *(name for name in COMPARED if name != board and load_board(name).vendor == vendor)]
        report = projects.report(project, boards=names)
        report.to_html(staging / "report.html")
        # Marks the folder as ours, so that --force may replace it.
        record = {"demo": True, "sha256": hashes(staging)}
        (staging / MANIFEST).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    files = {
        "model.onnx": "the converted model, for any ONNX runtime",
        "project": "the HLS project; its README says how to simulate and synthesise it",
        "report.html": "the report; open it in a browser",
    }
    return Demo(folder, conversion, verification, report, measured, files)


def _within(say: Progress, step: str, what: str, _done: int, _total: int) -> None:
    say(f"{step}: {what}", STEPS.index(step), len(STEPS))
