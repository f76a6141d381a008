# SPDX-License-Identifier: Apache-2.0
"""The modules of hls/rtl that a project takes along."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from swm.accelerator.design import Design
from swm.layers.rtl.registry import rtl
from swm.package_data import hls_dir

__all__ = ["copy_modules"]


def copy_modules(folder: Path, design: Design) -> None:
    """Copy the library modules that the sources in a folder instantiate, and those that these do.

    Args:
        folder: with the top.
        design: kinds in it from outside the package bring their own sources along.
    """
    library = hls_dir() / "rtl"
    for source in dict.fromkeys(file for placed in design.schedule.layers for file in rtl(placed.spec.kind).sources):
        shutil.copyfile(source, folder / source.name)
    waiting = list(folder.glob("*.sv"))
    while waiting:
        for name in re.findall(r"^\s*(swm_\w+) +#", waiting.pop().read_text(encoding="utf-8"), re.M):
            source, target = library / f"{name}.sv", folder / f"{name}.sv"
            if source.is_file() and not target.exists():
                shutil.copyfile(source, target)
                waiting.append(target)
