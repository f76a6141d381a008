# SPDX-License-Identifier: Apache-2.0
"""An RTL project in parts: a process each, as RTLIL of its own, elaborated by yosys from the files that lie there.

Parts are joined by streams, which end in registers or FIFOs of the parts, so little is lost by mapping each alone: that
is faster than the whole, may run side by side, and a part that was mapped before is not mapped again.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from swm.errors import ToolError
from swm.opentools.run import run_logged
from swm.opentools.tools import Found
from swm.progress import Note

__all__ = ["TOP", "Part", "split_project"]

TOP = "swm_top"
READ_S = 600.0  # seconds that yosys may take to read a project
INSTANCE = re.compile(r"^  cell (\\\w+|\$paramod[\w$\\.=']+) \\(\w+)$", re.M)
CELL = re.compile(r"^  cell (\S+) (\S+)$", re.M)


@dataclass(frozen=True)
class Part:
    """An instance of the top, or, by the name "", what the top has of its own.

    Attributes:
        instance: its name in the top.
        module: yosys's name of the module with its parameters.
        file: RTLIL, in the scratch folder.
        key: SHA-256 of what it holds.
    """

    instance: str
    module: str
    file: str
    key: str


def split_project(folder: Path, yosys: Found, log: Path, note: Note) -> tuple[Part, ...]:
    """The parts of the project in a scratch folder, which takes their files.

    Args:
        folder: with `rtl` and `rom`.
        yosys: the tool.
        log: takes what yosys says.
        note: hears how long it runs.

    Raises:
        ToolError: yosys does not read the project, or the top has no instances.
    """
    read = ["read_verilog -sv -defer rtl/*.sv", f"hierarchy -check -top {TOP}", "write_rtlil all.il"]
    _yosys(folder, yosys, "read.ys", [*read, f"dump -o top.il {TOP}/c:*"], log, note)
    found = INSTANCE.findall((folder / "top.il").read_text(encoding="utf-8"))
    modules = list(dict.fromkeys(module for module, _ in found))
    if not found:
        raise ToolError(f"{TOP} has no instances of modules; emit the project again\n(log: {log})")
    script = ["read_rtlil all.il", "design -save all"]
    for number, module in enumerate(modules):
        script += ["design -load all", f"hierarchy -check -top {module}", f"write_rtlil part{number}.il"]
    script += ["design -load all", *(f"blackbox {module}" for module in modules), "write_rtlil top.il"]
    _yosys(folder, yosys, "split.ys", script, log, note)
    files = {module: f"part{number}.il" for number, module in enumerate(modules)}
    keys = {module: _key(folder / file) for module, file in files.items()}
    parts = [Part(instance, module, files[module], keys[module]) for module, instance in found]
    return (*parts, Part("", TOP, "top.il", _key(folder / "top.il")))


def _yosys(folder: Path, yosys: Found, name: str, script: list[str], log: Path, note: Note) -> None:
    (folder / name).write_text("\n".join(script) + "\n", encoding="utf-8")
    run_logged([yosys.program, "-q", "-s", name], folder, log, limit_s=READ_S, note=note)


def _key(file: Path) -> str:
    """Of the netlist alone: places in the sources, and numbers that yosys counts on, do not matter."""
    kept = hashlib.sha256()
    with file.open("rb") as lines:
        for line in lines:
            if not line.lstrip().startswith((b"#", b"autoidx ", b"attribute \\src ")):
                kept.update(line)
    return kept.hexdigest()
