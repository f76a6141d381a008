# SPDX-License-Identifier: Apache-2.0
"""Verification of a SystemVerilog project: every word of a simulation, and its cycles against the Design."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swm.accelerator.design import Design, Schedule
from swm.accelerator.integers import run_fixed
from swm.emit.checks import Answers, answers_of, first_difference
from swm.emit.folder import changed_files
from swm.emit.outcome import keep_outcome
from swm.emit.rtl_icarus import build_icarus, icarus_version, simulate_icarus
from swm.emit.samples import load_samples
from swm.emit.simulate import run_tool
from swm.errors import OptionError, ToolError
from swm.progress import Note, Progress, quiet

__all__ = ["RtlMeasured", "RtlVerification", "verify_rtl"]

TOLERANCE = 0.02
"""By how much measured cycles may differ from the Design's, or by `SLACK` cycles where that is more."""
SLACK = 2
LEAST_FRAMES = 48  # of a run that shows a steady state
MODEL = "Vswm_top"
FLAGS = (
    *("--cc", "--exe", "--build", "-j", "0", "-O3", "--top-module", "swm_top"),
    "-Wno-fatal",  # `make lint` shows warnings, and other versions may have others
    *("--x-assign", "unique", "--x-initial", "unique"),  # registers start at random, as they may on a device
)
STATUS = {4: "no beat moves any more (deadlock)"}


@dataclass(frozen=True)
class RtlMeasured:
    """What the simulation showed; cycles are measured, those of the Design modelled.

    Attributes:
        words: output words compared, of all runs: a frame alone, frames back to back, frames with stalls on both sides.
        mismatches: words that differ.
        frames: of each of the two long runs.
        interval_cycles: between two frames, in the middle of the run back to back.
        interval_modelled: of the Design.
        latency_cycles: of a frame alone, from its first beat in to its last beat out, both counted.
        latency_modelled: of the Design.
        input_waits: cycles a frame in which a beat waited at the input, in the middle of the run back to back: stalls.
        input_waits_modelled: of the Design: what its interval has beyond the beats of a frame.
        stalled_interval_cycles: between two frames in the run with stalls, which says how much they cost.
        framing: whether TLAST stood where it should and no frame was counted as too short or too long.
        tool: the simulator and its version.
    """

    words: int
    mismatches: int
    frames: int
    interval_cycles: float
    interval_modelled: int
    latency_cycles: int
    latency_modelled: int
    input_waits: float
    input_waits_modelled: int
    stalled_interval_cycles: float
    framing: bool
    tool: str

    @property
    def cycles_agree(self) -> bool:
        """Whether interval, latency and stalls are those of the Design."""
        return (
            _agree(self.interval_cycles, self.interval_modelled)
            and _agree(self.latency_cycles, self.latency_modelled)
            and _agree(self.input_waits, self.input_waits_modelled)
        )


def _agree(measured: float, modelled: int) -> bool:
    return abs(measured - modelled) <= max(SLACK, TOLERANCE * modelled)


@dataclass(frozen=True)
class RtlVerification(Answers):
    """Outcome of one verification of a SystemVerilog project.

    Attributes:
        ok: every word is equal, frames were kept apart, and cycles are within 2 % (or 2 cycles) of the Design's.
        rtl: what the simulation showed.
        edited: files that differ from those that swm wrote.
        first_mismatch: where the first difference lies, empty if none.
        compile_seconds: wall time of building the model.
        run_seconds: wall time of the simulation.
    """

    ok: bool
    rtl: RtlMeasured
    edited: tuple[str, ...]
    first_mismatch: str
    compile_seconds: float
    run_seconds: float

    @property
    def words(self) -> int:
        """Output words compared."""
        return self.rtl.words

    @property
    def mismatches(self) -> int:
        """Words that differ."""
        return self.rtl.mismatches

    @property
    def remarks(self) -> list[str]:
        """The comparison with the float reference, in sentences."""
        lines = self.answers
        if self.edited:
            lines.append(f"edited since swm emitted the project: {', '.join(self.edited)}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return asdict(self)


def verify_rtl(path: Path, design: Design, *, frames: int | None, progress: Progress) -> RtlVerification:
    """Build the model of a project, run it, and hold it against the integer engine and the Design.

    Args:
        path: of the project; only the outcome is written there, for its report.
        design: what it holds.
        frames: of a run; the vectors are sent again from the first where there are fewer. None: each once, but enough
            for a steady state.
        progress: called as progress(what, steps done, steps).

    Raises:
        OptionError: fewer frames than show a steady state.
        OutputError: the vectors are damaged.
        ToolError: Verilator and Icarus are missing, or building or simulation fails.
    """
    if frames is not None and frames < LEAST_FRAMES:
        raise OptionError(f"{frames} frames: a steady state takes at least {LEAST_FRAMES}")
    tool, verilator = _tool()
    build, simulate = (_build, _simulate) if verilator else (build_icarus, simulate_icarus)
    given = load_samples(path / "verify")
    expected = run_fixed(design.graph, given.inputs)
    count = frames or max(LEAST_FRAMES, len(expected.words))
    with tempfile.TemporaryDirectory(prefix="swm-verify-") as scratch:
        folder = Path(scratch)
        start = time.perf_counter()
        build(path, folder, lambda part: progress(f"build the model: {part}", 1, 4))
        compile_seconds = time.perf_counter() - start
        np.savetxt(folder / "input.dat", expected.inputs, fmt="%d")
        np.savetxt(folder / "expected.dat", expected.words, fmt="%d")
        start = time.perf_counter()
        words, measured = simulate(path, folder, count, lambda part: progress(f"simulate: {part}", 2, 4))
        run_seconds = time.perf_counter() - start
    progress("compare", 3, 4)
    samples, outputs = expected.words.shape
    if words.size != (2 * count + 1) * outputs:
        raise ToolError(f"the simulation wrote {words.size} words, expected {(2 * count + 1) * outputs}")
    got = words.reshape(-1, outputs).astype(np.int64)
    wanted = expected.words[[0, *(f % samples for f in range(count)), *(f % samples for f in range(count))]]
    different = np.argwhere(got != wanted)
    found = _measured(measured, design.schedule, words.size, len(different), count, tool)
    outcome = RtlVerification(
        ok=not len(different) and found.framing and found.cycles_agree,
        rtl=found,
        **answers_of(given, expected, design.graph),
        edited=changed_files(path),
        first_mismatch=first_difference(different, got, wanted, "RTL"),
        compile_seconds=compile_seconds,
        run_seconds=run_seconds,
    )
    keep_outcome(
        path,
        ok=outcome.ok,
        words=found.words,
        mismatches=len(different),
        samples=samples,
        compiler=found.tool,
        interval_cycles=found.interval_cycles,
        latency_cycles=found.latency_cycles,
    )
    return outcome


def _tool() -> tuple[str, bool]:
    """The simulator with its version, and whether it is Verilator; where that is missing, Icarus, slower by far."""
    if shutil.which("verilator") is not None:
        return run_tool(["verilator", "--version"], quiet).stdout.strip(), True
    if shutil.which("iverilog") is not None and shutil.which("vvp") is not None:
        return icarus_version(), False
    raise ToolError(
        "there is no verilator on PATH, which simulates RTL, nor iverilog; install one (Debian: apt-get install"
        " verilator)"
    )


def _build(path: Path, folder: Path, note: Note) -> None:
    sources = [str(file.resolve()) for file in sorted((path / "rtl").glob("*.sv"))]
    bench = str((path / "sim" / "testbench.cpp").resolve())
    result = run_tool(["verilator", *FLAGS, "--Mdir", str(folder / "model"), *sources, bench], note)
    if result.returncode != 0 or not (folder / "model" / MODEL).is_file():
        lines = "\n".join((result.stderr + result.stdout).splitlines()[:20])
        raise ToolError(f"verilator does not build {str(path)!r}:\n{lines}")


def _simulate(
    path: Path, folder: Path, frames: int, note: Note
) -> tuple[np.ndarray[Any, np.dtype[np.int32]], dict[str, Any]]:
    output, measured = folder / "output.bin", folder / "measured.json"
    files = [str(folder / "input.dat"), str(folder / "expected.dat"), str(frames), str(output), str(measured)]
    result = run_tool([str(folder / "model" / MODEL), *files], note, path)  # ROM files are named from the project
    if not measured.is_file():  # status 1 alone means differing words, which are compared later
        what = STATUS.get(result.returncode, f"status {result.returncode}")
        raise ToolError(f"the simulation failed: {what}\n{(result.stderr + result.stdout).strip()[:2000]}")
    return np.fromfile(output, np.int32), json.loads(measured.read_text(encoding="ascii"))


def _measured(
    runs: dict[str, Any], schedule: Schedule, words: int, mismatches: int, frames: int, tool: str
) -> RtlMeasured:
    if "waits" not in runs["rate"]:
        raise ToolError("the testbench of this project, by an earlier swm, does not measure stalls; emit it again")
    return RtlMeasured(
        words=words,
        mismatches=mismatches,
        frames=frames,
        interval_cycles=_steady(runs["rate"]["ends"]),
        interval_modelled=schedule.interval,
        latency_cycles=runs["alone"]["ends"][0],
        latency_modelled=schedule.latency,
        input_waits=_steady(runs["rate"]["waits"]),
        input_waits_modelled=schedule.interval - schedule.input.beats * schedule.input.positions,
        stalled_interval_cycles=_steady(runs["stalls"]["ends"]),
        framing=all(run["right"] for run in runs.values()),
        tool=tool,
    )


def _steady(sums: list[int]) -> float:
    """Cycles from frame to frame in the middle half of a run: the first frames build up, the last may run ahead."""
    first, last = len(sums) // 4, 3 * len(sums) // 4
    return (sums[last] - sums[first]) / (last - first)
