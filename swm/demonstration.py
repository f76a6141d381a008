# SPDX-License-Identifier: Apache-2.0
"""The demonstration: the bundled network through every stage, with its accuracy measured at each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swm import api, bundled, projects
from swm.compress import Conversion, accuracy
from swm.device import board_names
from swm.emit import Verification
from swm.emit.folder import MANIFEST, hashes, whole_folder
from swm.report import Report

__all__ = ["Demo", "demo"]


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
    progress: Callable[[str, int, int], None] | None = None,
) -> Demo:
    """Convert, quantize, emit for `board`, verify 1,000 test images bit for bit, and report on every board.

    Args:
        path: folder to write: the converted model, the HLS project, the report page.
        board: board of the emitted project.
        block: block size.
        bits: data and weight bits.
        force: replace what an earlier demonstration wrote.
        progress: called as progress(step, done, total).

    Raises:
        SwmError: a bad option, an output folder in the way, or no compiler.
    """
    say = progress or (lambda _what, _done, _total: None)
    folder = Path(path)
    calibration, _ = bundled.calibration()
    images, labels = bundled.test()
    with whole_folder(folder, force=force) as staging:
        say("convert", 0, 5)
        dense = api.load(bundled.model_path())
        conversion = api.convert(dense, block=block, calibration=calibration, test=images, test_labels=labels)
        api.save(conversion.graph, staging / "model.onnx")
        say("quantize", 1, 5)
        fixed = api.quantize(conversion.graph, bits=bits, calibration=calibration)
        say("emit", 2, 5)
        project = projects.emit(
            fixed,
            board=board,
            path=staging / "project",
            vectors=images,
            labels=labels,
            reference=dense,
            most_vectors=None,
        )
        say("verify", 3, 5)
        verification = projects.verify(project)
        say("report", 4, 5)
        measured = {
            "dense_float": accuracy(api.run(dense, images), labels),
            "converted_float": accuracy(api.run(conversion.graph, images), labels),
            "fixed": verification.accuracy or 0.0,
        }
        names = [board, *(name for name in board_names() if name != board)]
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
