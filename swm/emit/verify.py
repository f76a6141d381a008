# SPDX-License-Identifier: Apache-2.0
"""Verification: run the C simulation and hold it against the integer engine and the Design that the project holds."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.design import Design
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.integers import FixedResult, run_fixed
from swm.accelerator.loading import loads
from swm.accelerator.saturation import Saturation
from swm.accelerator.store_design import load_design
from swm.answers import classes, names_classes
from swm.emit.advice import Distance, agreement_advice
from swm.emit.context import INPUT_EDGE, OUTPUT_EDGE, WEIGHTS_EDGE, stream_depths
from swm.emit.folder import MANIFEST, changed_files
from swm.emit.outcome import keep_outcome
from swm.emit.samples import Samples, load_samples
from swm.emit.simulate import compile_project, simulate_project
from swm.errors import OutputError, ToolError
from swm.progress import Progress, quiet

__all__ = ["Verification", "expected_iterations", "verify_project"]

SHOWN = 3  # places with saturated values


@dataclass(frozen=True)
class Verification:
    """Outcome of one verification.

    Attributes:
        ok: every word is equal, every process ran as many pipelined iterations as the design says, and every stream
            holds as many beats.
        words: output words compared.
        mismatches: words that differ.
        samples: vectors run.
        saturated: values that saturated in the integer engine, all layers.
        rounded: the values among which they are.
        saturated_by_place: the same by layer and place, with the range that the values use.
        max_error: largest difference between the float reference and the network's answer in fixed point, host parts
            included; None without reference, or where the answers are class numbers.
        mean_error: mean difference.
        relative_error: norm of the difference over that of the reference.
        top1_agreement: fraction of samples with the same largest output, or class number, as the reference; None
            without reference or where the network has one output only.
        accuracy: fraction of samples whose largest output is the label, None without labels.
        reference_accuracy: the same of the reference.
        iterations: iterations of all samples counted in the C simulation, by process, AXI edges included.
        iterations_expected: the same from the design.
        depths: beats that every stream of the emitted top holds; empty where processes follow each other.
        depths_expected: the same from the design, as its token simulation found them.
        edited: files that differ from those that swm wrote.
        interval_cycles: cycles between two frames that the design states (simulated on tokens).
        first_mismatch: where the first difference lies, empty if none.
        advice: what to do where the answers differ much from the reference's; empty where they do not.
        compile_seconds: wall time of the compiler.
        run_seconds: wall time of the simulation.
    """

    ok: bool
    words: int
    mismatches: int
    samples: int
    saturated: int
    rounded: int
    saturated_by_place: dict[str, Saturation]
    max_error: float | None
    mean_error: float | None
    relative_error: float | None
    top1_agreement: float | None
    accuracy: float | None
    reference_accuracy: float | None
    iterations: dict[str, int]
    iterations_expected: dict[str, int]
    depths: dict[str, int]
    depths_expected: dict[str, int]
    edited: tuple[str, ...]
    interval_cycles: int
    first_mismatch: str
    advice: tuple[str, ...]
    compile_seconds: float
    run_seconds: float

    def __repr__(self) -> str:
        verdict = "bit-exact" if self.ok else f"DIFFERS: {self.first_mismatch or '; '.join(self.remarks)}"
        parts = [f"{self.words:,} words of {self.samples:,} samples, {self.mismatches:,} differ"]
        if self.top1_agreement is not None:
            parts.append(f"{100 * self.top1_agreement:.2f} % top-1 agreement with the float model")
        if self.accuracy is not None:
            parts.append(f"accuracy {100 * self.accuracy:.2f} %")
        return f"<Verification {verdict}; {'; '.join(parts)} (measured)>"

    @property
    def remarks(self) -> list[str]:
        """The comparison with the float reference and with the design, in sentences."""
        lines = []
        if self.max_error is not None and self.mean_error is not None and self.relative_error is not None:
            line = (
                f"against onnxruntime on the float model: mean error {self.mean_error:.3g}, largest"
                f" {self.max_error:.3g}, {100 * self.relative_error:.2f} % of the norm"
            )
            if self.top1_agreement is not None:
                line += f", top-1 agreement {100 * self.top1_agreement:.2f} %"
            lines.append(line)
        elif self.top1_agreement is not None:
            lines.append(
                f"against onnxruntime on the float model: the same class number {100 * self.top1_agreement:.2f} %"
            )
        lines += [f"saturated at {place}: {found}" for place, found in self._worst]
        if self.accuracy is not None:
            line = f"accuracy on {self.samples} labelled samples: fixed point {100 * self.accuracy:.2f} %"
            if self.reference_accuracy is not None:
                line += f", float model {100 * self.reference_accuracy:.2f} %"
            lines.append(line + " (measured)")
        if self.iterations != self.iterations_expected:
            wrong = _different(self.iterations, self.iterations_expected)
            lines.append(f"pipelined iterations differ from the design in {', '.join(wrong)}")
        else:
            count = len(self.iterations)
            lines.append(f"pipelined iterations of all {count} processes equal the design (counted in C simulation)")
        if self.depths != self.depths_expected:
            wrong = _different(self.depths, self.depths_expected)
            lines.append(f"stream depths differ from the design in {', '.join(wrong)}")
        elif self.depths:
            lines.append(f"all frames passed back to back through {len(self.depths)} streams of the design's depths")
        if self.edited:
            lines.append(f"edited since swm emitted the project: {', '.join(self.edited)}")
        return lines

    @property
    def _worst(self) -> list[tuple[str, Saturation]]:
        """The places with the largest shares of saturated values."""
        cut = [(place, found) for place, found in self.saturated_by_place.items() if found.count]
        return sorted(cut, key=lambda item: -item[1].share)[:SHOWN]

    def to_json(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self)


def _different(found: dict[str, int], wanted: dict[str, int]) -> list[str]:
    return [name for name in {**wanted, **found} if found.get(name) != wanted.get(name)]


def expected_iterations(design: Design, samples: int) -> dict[str, int]:
    """Iterations of every process for `samples` frames, by `layer.process`, AXI edges of a streaming top included.

    Where weights are loaded at start, the testbench runs the first frame once more in a call that loads nothing.
    """
    schedule, backend, filled = design.schedule, design.backend, loads(design.schedule)
    calls = [1] * samples  # frames of each
    if backend.streaming:
        frames = samples if backend.control == "s_axilite" else backend.frames
        calls = [frames] * -(-samples // frames) + [1] * bool(filled)
    counts = {
        f"{placed.spec.name}.{process.name}": sum(process.program.iterations(c * placed.spec.positions) for c in calls)
        for placed in schedule.layers
        for process in placed.processes
    }
    if not backend.streaming:
        return counts
    edges = {INPUT_EDGE: schedule.input, OUTPUT_EDGE: schedule.output}
    counts |= {name: sum(calls) * edge.positions * edge.beats for name, edge in edges.items()}
    if filled:
        counts |= {WEIGHTS_EDGE: sum(load.beats for load in filled)}
        counts |= {f"{load.layer}.weights": load.beats for load in filled}
    return counts


def verify_project(path: Path, *, compiler: str = "g++", progress: Progress | None = None) -> Verification:
    """Compile and run a project's C simulation and hold it against the integer engine and the saved Design.

    Args:
        path: a folder that `emit_project` wrote; only the outcome is written there, for its report.
        compiler: a g++-compatible C++ compiler on PATH.
        progress: called as progress(what, steps done, steps), every second or so.

    Raises:
        OutputError: the folder is not a project, or files are missing or damaged.
        ToolError: the compiler is missing, or compilation or simulation fails.
    """
    say = progress or quiet
    say("read the project", 0, 4)
    _check_manifest(path)
    design = load_design(path / "verify")
    with tempfile.TemporaryDirectory(prefix="swm-verify-") as scratch:
        binary = Path(scratch) / "csim"
        compiling, simulating, comparing = (
            partial(_within, say, what, done) for done, what in enumerate(("compile", "simulate", "compare"), 1)
        )
        compile_seconds = compile_project(path, binary, design.backend, compiler, compiling)
        run = simulate_project(path, binary, Path(scratch), simulating)
    samples = load_samples(path / "verify")
    expected = run_fixed(design.graph, samples.inputs, note=comparing)
    answers = samples.answers(design.graph, expected.values)
    if run.words.shape != expected.words.shape:
        raise ToolError(f"the C simulation wrote an array of {run.words.shape}, expected {expected.words.shape}")
    different = np.argwhere(run.words != expected.words)
    iterations = expected_iterations(design, len(run.words))
    streaming = design.backend.streaming
    depths = _emitted_depths(path) if streaming else {}
    depths_expected = stream_depths(design) if streaming else {}
    found = Verification(
        ok=not len(different) and run.iterations == iterations and depths == depths_expected,
        words=int(run.words.size),
        mismatches=len(different),
        samples=len(run.words),
        saturated=sum(found.count for found in expected.ranges.values()),
        rounded=sum(found.values for found in expected.ranges.values()),
        saturated_by_place=expected.ranges,
        **_accuracy(answers, samples),
        advice=_advice(answers, samples, expected, design.graph),
        iterations=run.iterations,
        iterations_expected=iterations,
        depths=depths,
        depths_expected=depths_expected,
        edited=changed_files(path),
        interval_cycles=design.schedule.interval,
        first_mismatch=_first(different, run.words, expected.words),
        compile_seconds=compile_seconds,
        run_seconds=run.seconds,
    )
    keep_outcome(
        path, ok=found.ok, words=found.words, mismatches=len(different), samples=found.samples, compiler=compiler
    )
    return found


def _within(say: Progress, what: str, done: int, part: str) -> None:
    say(f"{what}: {part}", done, 4)


def _check_manifest(path: Path) -> None:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        missing = [name for name in manifest["sha256"] if not (path / name).is_file()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{str(path)!r} is not a project of swm (no readable {MANIFEST}); run swm emit first"
        ) from error
    if missing:
        raise OutputError(f"{str(path)!r} lacks {', '.join(missing)}; emit the project again")


def _emitted_depths(path: Path) -> dict[str, int]:
    """Beats that the streams of the emitted top hold, by variable."""
    text = (path / "src" / "top.cpp").read_text(encoding="utf-8")
    return {name: int(depth) for name, depth in re.findall(r"^\s*SWM_STREAM_DEPTH\((\w+), (\d+)\)", text, re.M)}


def _first(different: NDArray[np.intp], words: NDArray[np.int64], expected: NDArray[np.int64]) -> str:
    if not len(different):
        return ""
    sample, word = map(int, different[0])
    return f"sample {sample}, word {word}: C++ {words[sample, word]}, integer engine {expected[sample, word]}"


def _accuracy(answers: NDArray[Any] | None, samples: Samples) -> dict[str, float | None]:
    """The whole network, host parts included, against the float reference and the labels."""
    found: dict[str, float | None] = dict.fromkeys(
        ("max_error", "mean_error", "relative_error", "top1_agreement", "accuracy", "reference_accuracy")
    )
    if answers is None:
        return found
    reference, labels = samples.reference, samples.labels
    if reference is not None:
        reference = reference.reshape(answers.shape)
        distance = _distance(answers, reference)
        found["top1_agreement"] = distance.agreement
        if distance.error is not None:
            error = np.abs(answers - reference)
            found["max_error"], found["mean_error"] = float(error.max()), float(error.mean())
            found["relative_error"] = distance.error
    top = classes(answers)
    if labels is not None and top.shape == labels.shape:  # an answer at every position has no one class
        found["accuracy"] = float(np.mean(top == labels))
        if reference is not None:
            found["reference_accuracy"] = float(np.mean(classes(reference) == labels))
    return found


def _advice(
    answers: NDArray[Any] | None, samples: Samples, expected: FixedResult, graph: FixedGraph
) -> tuple[str, ...]:
    if answers is None or samples.reference is None:
        return ()
    own = None if samples.own is None else _distance(answers, samples.own)
    reference = _distance(answers, samples.reference)
    tensors = {f"{layer.spec.name}.output": layer.output for layer in graph.layers} | {
        graph.input_name: graph.input_name
    }
    calibrated = {place: graph.saturated[t] for place, t in tensors.items() if t in graph.saturated}
    return tuple(agreement_advice(reference, own, graph.bits, expected.ranges, calibrated))


def _distance(answers: NDArray[Any], reference: NDArray[Any]) -> Distance:
    reference = reference.reshape(answers.shape)
    if names_classes(answers):
        return Distance(float(np.mean(answers == reference)), None)
    norm = max(float(np.linalg.norm(reference)), 1e-30)
    agreement = float(np.mean(classes(answers) == classes(reference))) if answers.shape[-1] > 1 else None
    return Distance(agreement, float(np.linalg.norm(answers - reference)) / norm)
