# SPDX-License-Identifier: Apache-2.0
"""The public functions behind `swm synth` and `swm build`: what tools, open ones and vendors', make of a project."""

from __future__ import annotations

import os
from pathlib import Path

from swm.accelerator.design import Design
from swm.device import board_names, load_board
from swm.emit import files_hash, rtl_instances
from swm.emit.folder import MEASURED
from swm.errors import OptionError
from swm.kernels.cache import cache_folder
from swm.opentools import build_bitstream, ended_with_us, family_of, find_family, keep, synthesise
from swm.opentools.run import LIMIT_S
from swm.progress import Progress, told
from swm.projects import load_project
from swm.report.measured import Area, Build, Synthesis
from swm.report.vendor.built import VendorBuild
from swm.vendortools import build_with_vendor
from swm.vendortools.build import LIMIT_S as VENDOR_LIMIT_S

__all__ = ["build", "synth"]


def synth(
    path: str | os.PathLike[str],
    *,
    family: str | None = None,
    limit_s: float = 3600.0,
    progress: Progress | bool | None = None,
) -> Synthesis:
    """Map an RTL project with yosys and count what it takes, a layer and in all; the project keeps the outcome.

    Each process is mapped alone; what was mapped before, in this project or another, is not mapped again.

    Args:
        path: a folder that `emit` wrote with back end "rtl".
        family: "xc7", "xcup", "ecp5", "gowin" or "cyclonev"; that of the project's board where absent.
        limit_s: wall seconds that yosys may take for a process.
        progress: called as progress(what, processes done, processes); True shows it on standard error.

    Returns:
        LUT, FF, DSP and memories: counted by the tool, not modelled.

    Raises:
        OptionError: another back end's project, or no such family.
        OutputError: the folder is not a project of swm, or cannot be written.
        ToolError: yosys is missing or fails; then there is no number.
    """
    folder, design = Path(path), _rtl_design(path)
    target = family_of(design.schedule.board) if family is None else find_family(family)
    files = files_hash(folder)
    with told(progress) as say:
        found = synthesise(
            folder, target, rtl_instances(design), cache=cache_folder() / "synth", progress=say, limit_s=limit_s
        )
    keep(folder, f"synth_{target.name}", found, files)
    return found


def build(
    path: str | os.PathLike[str],
    *,
    seeds: int = 4,
    limit_s: float | None = None,
    tools: str | os.PathLike[str] | None = None,
    cosim: bool = False,
    progress: Progress | bool | None = None,
) -> Build | VendorBuild:
    """Make what a board is loaded with: a bitstream or a card's kernel; the project keeps it and the outcome.

    For devices of AMD that is AMD's tools: HLS, Vivado with a block design for a processor, or `v++` for a card; for
    those of Intel Quartus. For others yosys, nextpnr and the family's packer. Steps that ran before on the same files,
    with the same tools, are not run again. Ctrl-C and SIGTERM end the tools with all that they started.

    Args:
        path: a folder that `emit` wrote with back end "vitis" or "rtl"; for open tools "rtl" and a board with pins,
            such as "ulx3s".
        seeds: of nextpnr's place and route, at most; those after the first run side by side, where it misses the clock.
        limit_s: wall seconds that a step may take; default an hour, a day for AMD's and Intel's tools.
        tools: folder where AMD's or Intel's tools are installed; default those on PATH.
        cosim: co-simulate, too, where HLS runs.
        progress: called as progress(what, steps done, steps); True shows it on standard error.

    Returns:
        The clock that was reached, what is in use, and the file to load, which there is only where the clock is met.

    Raises:
        OptionError: a project that no tool builds, or a time that is not positive.
        DoesNotFit: the mapped design has more cells than the device.
        OutputError: the folder is not a project of swm, or cannot be written.
        ToolError: a tool is missing, fails or takes too long; steps before it stay done.
    """
    if limit_s is not None and limit_s <= 0:
        raise OptionError(f"{limit_s:g} s for a step: give a time that is positive")
    folder, design = Path(path), load_project(path)
    board = design.schedule.board
    if board.vendor in ("AMD", "Intel"):
        return _with_vendor(folder, design, tools, progress, cosim=cosim, limit_s=limit_s or VENDOR_LIMIT_S)
    if tools is not None or cosim:
        raise OptionError(f"board {board.name} is built with open tools: --tools and --cosim are for others")
    _rtl_design(path)
    files = files_hash(folder)
    with ended_with_us(), told(progress) as say:
        found = build_bitstream(
            folder,
            board,
            tuple(load_board(name) for name in board_names()),
            target=folder / MEASURED,
            cache=cache_folder() / "build",
            progress=say,
            seeds=seeds,
            limit_s=limit_s or LIMIT_S,
        )
    keep(folder, "build", found, files)
    return found


def _with_vendor(
    folder: Path,
    design: Design,
    tools: str | os.PathLike[str] | None,
    progress: Progress | bool | None,
    *,
    cosim: bool,
    limit_s: float,
) -> VendorBuild:
    files = files_hash(folder)
    with ended_with_us(), told(progress) as say:
        found = build_with_vendor(
            folder,
            design,
            files,
            tools=None if tools is None else Path(tools),
            cosim=cosim,
            limit_s=limit_s,
            progress=say,
        )
    device = design.schedule.board.resources
    available = Area(device.lut, device.ff, device.dsp, device.bram18, device.uram, device.m10k)
    if found.routed is not None and found.fmax_mhz is not None:
        fmax, clock = found.fmax_mhz, found.clock_mhz
        made = Build(
            found.board, found.tools, found.routed, available, fmax, clock, 0, (), found.bitstream, found.seconds
        )
        keep(folder, "build", made, files)
    return found


def _rtl_design(path: str | os.PathLike[str]) -> Design:
    design = load_project(path)
    if design.backend.language != "systemverilog":
        raise OptionError(
            f"{str(path)!r} is a project of back end {design.backend.name}; emit with --backend rtl for open tools"
        )
    return design
