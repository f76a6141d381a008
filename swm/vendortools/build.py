# SPDX-License-Identifier: Apache-2.0
"""From an emitted project to what a board is loaded with, by a vendor's tools: step after step, resumed.

What a step leaves lies in the project's own folders, `swm_hls` and `build`. A step that ended well is run again where
the project's files, its command, its tool's version or a step before it have changed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from swm.accelerator.design import Design
from swm.emit import host_path
from swm.emit.folder import MEASURED
from swm.errors import OutputError, ToolError
from swm.opentools.run import run_logged
from swm.progress import Note, Progress
from swm.report.vendor import Reading, VendorReport, read_reports
from swm.report.vendor.built import StepDone, VendorBuild
from swm.vendortools.record import Ended, read_record, write_record
from swm.vendortools.steps import IMPLEMENT, Step, steps_of
from swm.vendortools.tools import VendorTool, find_vendor_tool, tool_title

__all__ = ["LIMIT_S", "build_with_vendor"]

LIMIT_S = 24 * 3600.0
"""Seconds that a step may take where the caller does not say otherwise: place and route takes hours."""
LOGS, BOARD = Path("build") / "logs", Path("build") / "board"
REPORTS = ("swm_hls", "build/board/reports", "build/vivado", "build/quartus/output")
TOPS = (None, "swm_top", "swm_wrapper", "swm_kernel", "board_top", "board_pins")
ROUTED = ("impl_timing.rpt", "build_timing.rpt", "board_timing.rpt", "build.sta.summary", "board.sta.summary")
LOADED = ("measured/swm.bit", "measured/swm.xclbin", "measured/board.bit", "measured/board.sof")


def build_with_vendor(
    project: Path,
    design: Design,
    files: str,
    *,
    tools: Path | None,
    cosim: bool,
    limit_s: float,
    progress: Progress,
) -> VendorBuild:
    """Run the steps of a project that have not ended well on these files yet, and read what the tools reported.

    Args:
        project: its folder.
        design: of it.
        files: `files_hash` of it.
        tools: folder where AMD's tools are installed; None: PATH.
        cosim: also co-simulate.
        limit_s: wall seconds for each step.
        progress: called as progress(what, steps done, steps).

    Raises:
        OptionError: a project that AMD's tools do not build, or no such folder of tools.
        ToolError: a tool is missing, fails, takes too long, or does not make what it should; the steps before it stay.
        OutputError: the project cannot be written.
    """
    start = time.monotonic()
    steps = steps_of(design, lambda tool: find_vendor_tool(tool, tools) is not None, cosim=cosim)
    programs = _programs(steps, tools)
    titles = {tool: tool_title(tool, program) for tool, program in programs.items()}
    record, done, key = read_record(project), [], files
    missed, fresh = False, True
    for place, step in enumerate(steps):
        progress(step.name, place, len(steps))
        own = hashlib.sha256("\0".join((key, titles[step.tool], *step.arguments)).encode()).hexdigest()[:32]
        key = key if step.aside else own
        old = record.get(step.name)
        if fresh and old is not None and old.key == own and _made(project, step):
            done.append(StepDone(step.name, titles[step.tool], old.seconds, run=False))
            continue
        if not step.aside:  # what follows runs again, too
            fresh = False
            record = {name: one for name, one in record.items() if name not in {s.name for s in steps[place:]}}
            write_record(project, record)
        began = time.monotonic()
        try:
            _run(project, step, programs[step.tool], limit_s, lambda what, at=place: progress(what, at, len(steps)))  # type: ignore[misc]
        except ToolError:
            missed = step.name == IMPLEMENT and (_routed(_reading(project))[0] or 0.0) < 0
            if not missed:
                raise
        seconds = round(time.monotonic() - began, 1)
        done.append(StepDone(step.name, titles[step.tool], seconds, run=True))
        if missed:
            break
        record[step.name] = Ended(own, seconds, datetime.now(UTC).isoformat(timespec="seconds"))
        write_record(project, record)
    reading = _reading(project)
    slack, period = _routed(reading)
    if period is None:  # Quartus does not state it beside the slack
        link = design.schedule.board.link if host_path(design) == "link" else None
        period = 1000.0 / design.schedule.clock_mhz if link is None else 1e9 / link.clock_hz
    loaded = [name for name in LOADED if (project / name).is_file()]
    return VendorBuild(
        board=design.schedule.board.name,
        tools=tuple(dict.fromkeys(titles[step.tool] for step in steps)),
        steps=tuple(done),
        clock_mhz=design.schedule.clock_mhz,
        fmax_mhz=None if slack is None else round(1000.0 / (period - slack), 2),
        missed=missed,
        bitstream="" if missed or not loaded else loaded[0],
        reading=reading,
        seconds=round(time.monotonic() - start, 1),
    )


def _programs(steps: tuple[Step, ...], tools: Path | None) -> Mapping[VendorTool, str]:
    """Every tool that is needed: one that is missing is told before another has run for hours.

    Raises:
        ToolError: with what to install, and the commands to type where the tools are.
    """
    found: dict[VendorTool, str] = {}
    for step in steps:
        program = find_vendor_tool(step.tool, tools)
        if program is None:
            where = f"below {str(tools)!r}" if tools is not None else "on PATH"
            hand = "\n".join(f"  {s.by_hand}" for s in steps)
            raise ToolError(
                f"there is no {step.tool.program} {where}: install {step.tool.product} and {step.tool.found_by}, or"
                f" name the folder of the tools by --tools DIR. By hand, in the project's folder:\n{hand}"
            )
        found[step.tool] = program
    return found


def _run(project: Path, step: Step, program: str, limit_s: float, note: Note) -> None:
    """Run a step; its log stays in build/logs.

    Raises:
        ToolError: it fails, takes too long, or leaves nothing of what it makes.
        OutputError: the project cannot be written.
    """
    try:
        for folder in (LOGS, BOARD, Path(MEASURED)):
            (project / folder).mkdir(parents=True, exist_ok=True)
        for file in (file for pattern in step.clears for file in project.glob(pattern)):
            file.unlink()
    except OSError as error:
        raise OutputError(f"cannot write {str(project)!r}: {error.strerror}") from error
    log = project / LOGS / f"{step.name}.log"
    run_logged([program, *step.arguments], project, log, limit_s=limit_s, note=note)
    if not _made(project, step):
        raise ToolError(f"{step.tool.program} ended without {' or '.join(step.makes)}\n(log: {log})")


def _made(project: Path, step: Step) -> bool:
    return not step.makes or any(next(project.glob(pattern), None) is not None for pattern in step.makes)


def _reading(project: Path) -> Reading:
    """Reports of the design's top, from the folders that the steps write; those of its parts are passed over."""
    reports: list[VendorReport] = []
    for place in (place for place in REPORTS if (project / place).is_dir()):
        found = read_reports(project / place).reports
        whole = [one for one in found if one.top in TOPS and not one.path.endswith("_hierarchy.rpt")]
        reports += [replace(one, path=f"{place}/{one.path}") for one in whole]
    return Reading(str(project), tuple(reports), ())


def _routed(reading: Reading) -> tuple[float | None, float | None]:
    """Worst slack and period of the routed design in ns; None where no report says it."""
    for one in reading.reports:
        slack = one.more.get("wns_ns")
        if one.kind == "timing" and one.path.endswith(ROUTED) and isinstance(slack, int | float):
            period = one.values["clock_ns"]
            return float(slack), None if period is None else float(period)
    return None, None
