# SPDX-License-Identifier: Apache-2.0
"""Verification: run the C simulation and hold it against the integer engine and the Design that the project holds."""

from __future__ import annotations

import re
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from swm.accelerator.design import Design
from swm.accelerator.integers import run_fixed
from swm.accelerator.loading import loads
from swm.accelerator.store_design import load_design
from swm.emit.checks import Answers, answers_of, check_manifest, first_difference
from swm.emit.context import INPUT_EDGE, OUTPUT_EDGE, WEIGHTS_EDGE, stream_depths
from swm.emit.floats import load_floats
from swm.emit.folder import changed_files
from swm.emit.outcome import keep_outcome
from swm.emit.rtl_verify import RtlVerification, verify_rtl
from swm.emit.samples import load_samples
from swm.emit.simulate import compile_project, simulate_project
from swm.emit.trace import LayerTrace, open_taps, trace_layers
from swm.errors import OptionError, ToolError
from swm.progress import Progress, quiet

__all__ = ["Verification", "expected_iterations", "verify_project"]


@dataclass(frozen=True)
class Verification(Answers):
    """Outcome of one verification of a C++ project.

    Attributes:
        ok: every word is equal, every process ran as many pipelined iterations as the design says, and every stream
            holds as many beats.
        words: output words compared.
        mismatches: words that differ.
        iterations: iterations of all samples counted in the C simulation, by process, AXI edges included.
        iterations_expected: the same from the design.
        depths: beats that every stream of the emitted top holds; empty where processes follow each other.
        depths_expected: the same from the design, as its token simulation found them.
        edited: files that differ from those that swm wrote.
        interval_cycles: cycles between two frames that the design states (simulated on tokens).
        first_mismatch: where the first difference lies, empty if none.
        compile_seconds: wall time of the compiler.
        run_seconds: wall time of the simulation.
        trace: every layer in the order of the data, where it was asked for; empty otherwise.
        sequences: samples of a frame, which take turns in recurrent layers.
    """

    ok: bool
    words: int
    mismatches: int
    iterations: dict[str, int]
    iterations_expected: dict[str, int]
    depths: dict[str, int]
    depths_expected: dict[str, int]
    edited: tuple[str, ...]
    interval_cycles: int
    first_mismatch: str
    compile_seconds: float
    run_seconds: float
    trace: tuple[LayerTrace, ...] = ()
    sequences: int = 1

    @property
    def first_layer(self) -> LayerTrace | None:
        """The first layer of the trace that differs; None where all are equal, or nothing was traced."""
        return next((layer for layer in self.trace if layer.mismatches), None)

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
        lines = self.answers
        if self.sequences > 1:
            lines.append(f"{self.sequences} sequences take turns in a frame, each a sample")
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

    def to_json(self) -> dict[str, Any]:
        """Plain types for JSON."""
        first = self.first_layer
        return {**asdict(self), "first_layer": None if first is None else first.name}


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
        f"{placed.spec.name}.{process.name}": sum(
            process.program.iterations(c * process.tokens(placed.spec)) for c in calls
        )
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


def verify_project(
    path: Path,
    *,
    compiler: str = "g++",
    rtl: bool = False,
    frames: int | None = None,
    trace: bool = False,
    progress: Progress | None = None,
) -> Verification | RtlVerification:
    """Run a project's simulation and hold it against the integer engine and the saved Design.

    A C++ project is compiled with a plain compiler, a SystemVerilog one with Verilator, which counts cycles, too.

    Args:
        path: a folder that `emit_project` wrote; only the outcome is written there, for its report.
        compiler: a g++-compatible C++ compiler on PATH.
        rtl: insist on a SystemVerilog project.
        frames: of a SystemVerilog project, sent back to back; the vectors come again where there are fewer.
        trace: compare every layer of a C++ project, too, not only the outputs.
        progress: called as progress(what, steps done, steps), every second or so.

    Raises:
        OptionError: `rtl` or `frames` for a C++ project, `trace` for a SystemVerilog one.
        OutputError: the folder is not a project, or files are missing or damaged.
        ToolError: the compiler or simulator is missing, or compilation or simulation fails.
    """
    say = progress or quiet
    say("read the project", 0, 4)
    check_manifest(path)
    design = load_design(path / "verify")
    if design.backend.language == "systemverilog":
        if trace:
            raise OptionError(f"{str(path)!r} is a project of back end rtl: only C++ projects write their layers down")
        return verify_rtl(path, design, frames=frames, progress=say)
    if rtl or frames is not None:
        raise OptionError(f"{str(path)!r} is a project of back end {design.backend.name}: emit it with --backend rtl")
    return _verify_cpp(path, design, compiler, say, trace=trace)


def _verify_cpp(path: Path, design: Design, compiler: str, say: Progress, *, trace: bool) -> Verification:
    samples = load_samples(path / "verify")
    layers: tuple[LayerTrace, ...] = ()
    with tempfile.TemporaryDirectory(prefix="swm-verify-") as scratch:
        binary = Path(scratch) / "csim"
        compiling, simulating, comparing = (
            partial(_within, say, what, done) for done, what in enumerate(("compile", "simulate", "compare"), 1)
        )
        compile_seconds = compile_project(path, binary, design.backend, compiler, compiling, trace=trace)
        taps = Path(scratch) / "trace"
        if trace:
            taps.mkdir()
            open_taps(design, taps)
        run = simulate_project(path, binary, Path(scratch), simulating, trace=taps if trace else None)
        expected = run_fixed(design.graph, samples.inputs, note=comparing)
        if trace:
            floats = load_floats(design.graph, path / "verify")
            layers = trace_layers(design, taps, expected.inputs, floats, expected.ranges, comparing)
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
        **answers_of(samples, expected, design.graph),
        iterations=run.iterations,
        iterations_expected=iterations,
        depths=depths,
        depths_expected=depths_expected,
        edited=changed_files(path),
        interval_cycles=design.schedule.interval,
        first_mismatch=first_difference(different, run.words, expected.words, "C++"),
        compile_seconds=compile_seconds,
        run_seconds=run.seconds,
        trace=layers,
        sequences=design.graph.sequences,
    )
    keep_outcome(
        path, ok=found.ok, words=found.words, mismatches=len(different), samples=found.samples, compiler=compiler
    )
    return found


def _within(say: Progress, what: str, done: int, part: str) -> None:
    say(f"{what}: {part}", done, 4)


def _emitted_depths(path: Path) -> dict[str, int]:
    """Beats that the streams of the emitted top hold, by variable."""
    text = (path / "src" / "top.cpp").read_text(encoding="utf-8")
    return {name: int(depth) for name, depth in re.findall(r"^\s*SWM_STREAM_DEPTH\((\w+), (\d+)\)", text, re.M)}
