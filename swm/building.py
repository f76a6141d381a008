# SPDX-License-Identifier: Apache-2.0
"""The public functions behind `swm synth`: what open tools make of an RTL project."""

from __future__ import annotations

import os
from pathlib import Path

from swm.accelerator.design import Design
from swm.emit import files_hash, rtl_instances
from swm.errors import OptionError
from swm.kernels.cache import cache_folder
from swm.opentools import family_of, find_family, keep, synthesise
from swm.progress import Progress, told
from swm.projects import load_project
from swm.report.measured import Synthesis

__all__ = ["synth"]


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


def _rtl_design(path: str | os.PathLike[str]) -> Design:
    design = load_project(path)
    if design.backend.language != "systemverilog":
        raise OptionError(
            f"{str(path)!r} is a project of back end {design.backend.name}; emit with --backend rtl for open tools"
        )
    return design
