# SPDX-License-Identifier: Apache-2.0
"""The public functions behind `swm synth` and `swm build`: what open tools make of an RTL project."""

from __future__ import annotations

import os
from pathlib import Path

from swm.accelerator.design import Design
from swm.device import board_names, load_board
from swm.emit import files_hash, rtl_instances
from swm.emit.folder import MEASURED
from swm.errors import OptionError
from swm.kernels.cache import cache_folder
from swm.opentools import build_bitstream, family_of, find_family, keep, synthesise
from swm.progress import Progress, told
from swm.projects import load_project
from swm.report.measured import Build, Synthesis

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
        family: "xc7", "xcup", "ecp5" or "gowin"; that of the project's board where absent.
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
    limit_s: float = 3600.0,
    progress: Progress | bool | None = None,
) -> Build:
    """Make a bitstream of an RTL project with yosys, nextpnr and the family's packer; the project keeps the outcome.

    Steps that ran before on the same files, with the same tools, are not run again.

    Args:
        path: a folder that `emit` wrote with back end "rtl" for a board with pins, such as "ulx3s".
        seeds: of place and route, at most; those after the first run side by side, where it misses the board's clock.
        limit_s: wall seconds that a step may take.
        progress: called as progress(what, steps done, steps); True shows it on standard error.

    Returns:
        The clock that was reached, sites in use, and the bitstream's file, which there is only where the clock is met.

    Raises:
        OptionError: another back end's project, or a board without pins or open tools.
        DoesNotFit: the mapped design has more cells than the device.
        OutputError: the folder is not a project of swm, or cannot be written.
        ToolError: a tool is missing or fails; then there is no bitstream.
    """
    folder, design = Path(path), _rtl_design(path)
    files = files_hash(folder)
    with told(progress) as say:
        found = build_bitstream(
            folder,
            design.schedule.board,
            tuple(load_board(name) for name in board_names()),
            target=folder / MEASURED,
            cache=cache_folder() / "build",
            progress=say,
            seeds=seeds,
            limit_s=limit_s,
        )
    keep(folder, "build", found, files)
    return found


def _rtl_design(path: str | os.PathLike[str]) -> Design:
    design = load_project(path)
    if design.backend.language != "systemverilog":
        raise OptionError(
            f"{str(path)!r} is a project of back end {design.backend.name}; emit with --backend rtl for open tools"
        )
    return design
