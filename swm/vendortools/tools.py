# SPDX-License-Identifier: Apache-2.0
"""Tools of AMD and Intel on this machine: on PATH, or below a folder that the caller names."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from swm.errors import OptionError, ToolError

__all__ = ["QUARTUS", "VITIS_HLS", "VITIS_RUN", "VIVADO", "VPP", "VendorTool", "find_vendor_tool", "tool_title"]

ASK_S = 120.0
VERSION = re.compile(r"\b(?:v(?=20)|Version )(\d{2,4}\.\d(?:\.\d)?)")
PLACES = ("{0}", "bin/{0}", "*/bin/{0}", "*/*/bin/{0}")  # 2025.1/Vivado/bin below /opt/Xilinx; quartus/bin


@dataclass(frozen=True)
class VendorTool:
    """A tool: its program, the flag that makes it say its version (empty: none), the product, how it gets on PATH."""

    program: str
    flag: str
    product: str
    found_by: str = "source its settings64.sh"


VIVADO = VendorTool("vivado", "-version", "AMD Vivado")
VITIS_HLS = VendorTool("vitis_hls", "-version", "AMD Vitis (its v++ and vitis-run, where both are, serve as well)")
VITIS_RUN = VendorTool("vitis-run", "", "AMD Vitis 2024.2 or later")
QUARTUS = VendorTool("quartus_sh", "--version", "Intel Quartus Prime (Standard or Lite)", "put its quartus/bin on PATH")
VPP = VendorTool("v++", "--version", "AMD Vitis")


def find_vendor_tool(tool: VendorTool, folder: Path | None = None) -> str | None:
    """The program of a tool: below `folder` where one is given, of several the newest; else on PATH.

    None: there is none.

    Raises:
        OptionError: there is no such folder.
    """
    if folder is None:
        on_path = shutil.which(tool.program)
        return None if on_path is None else str(Path(on_path).absolute())  # it runs in another folder
    if not folder.is_dir():
        raise OptionError(f"no folder {str(folder)!r}; --tools takes the folder where the vendor's tools are installed")
    found = [p for place in PLACES for p in folder.absolute().glob(place.format(tool.program)) if shutil.which(p)]
    return str(max(found, key=lambda p: [int(n) for n in re.findall(r"\d+", str(p.parent))])) if found else None


@lru_cache
def tool_title(tool: VendorTool, program: str) -> str:
    """Name and version, as they stand beside what the tool made; the name alone where it says no version.

    Raises:
        ToolError: it does not run.
    """
    if not tool.flag:
        return tool.program
    try:
        done = subprocess.run(
            [program, tool.flag], capture_output=True, text=True, errors="replace", timeout=ASK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"cannot run {program}: {error}") from error
    version = VERSION.search(done.stdout + done.stderr)
    return f"{tool.program} {version.group(1)}" if version else tool.program
