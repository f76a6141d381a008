# SPDX-License-Identifier: Apache-2.0
"""Icarus Verilog in Verilator's place: the same runs of a SystemVerilog project, some hundred times slower."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.emit.simulate import run_tool
from swm.errors import ToolError
from swm.progress import Note, quiet

__all__ = ["build_icarus", "icarus_version", "simulate_icarus"]

UNKNOWN = -(1 << 31)
"""In place of a word with undefined bits; no word of a network is as large."""


def icarus_version() -> str:
    """Name and version, the first line of what it says."""
    return run_tool(["iverilog", "-V"], quiet).stdout.split("\n")[0].split(" (")[0]


def build_icarus(path: Path, folder: Path, note: Note) -> None:
    """Compile the model of a project into a folder.

    Raises:
        ToolError: it does not compile.
    """
    sources = [str(file.resolve()) for file in sorted((path / "rtl").glob("*.sv"))]
    bench = str((path / "sim" / "testbench.sv").resolve())
    command = ["iverilog", "-g2012", "-s", "testbench", "-o", str(folder / "model.vvp"), *sources, bench]
    result = run_tool(command, note)
    if result.returncode != 0:
        lines = "\n".join((result.stderr + result.stdout).splitlines()[:20])
        raise ToolError(f"iverilog does not build {str(path)!r}:\n{lines}")


def simulate_icarus(
    path: Path, folder: Path, frames: int, note: Note
) -> tuple[NDArray[np.int32], dict[str, dict[str, Any]]]:
    """A frame alone, `frames` back to back, as many with stalls: all words, and what was measured of each run.

    Raises:
        ToolError: a run ends without a result.
    """
    words: list[int] = []
    measured = {}
    for name, count, stalls in (("alone", 1, 0), ("rate", frames, 0), ("stalls", frames, 1)):
        output = folder / f"{name}.txt"
        given = [f"+input={folder / 'input.dat'}", f"+output={output}", f"+frames={count}", f"+stalls={stalls}"]
        result = run_tool(["vvp", "-n", str(folder / "model.vvp"), *given], note, path)  # ROM files: from the project
        lines = output.read_text(encoding="ascii").splitlines() if output.is_file() else []
        if not lines or lines[-1][0] not in "sd":
            said = (result.stderr + result.stdout).strip()[:2000]
            raise ToolError(f"the simulation failed: status {result.returncode}\n{said}")
        if lines[-1] == "d":
            raise ToolError("the simulation failed: no beat moves any more (deadlock)")
        words += [_word(line[2:]) for line in lines if line[0] == "w"]
        right, cycles, out_waits = (_word(part) for part in lines[-1].split()[1:])
        measured[name] = {
            "right": right == 1,
            "cycles": cycles,
            "output_waits": out_waits,
            "ends": [int(line[2:]) for line in lines if line[0] == "e"],
            "waits": [int(line[2:]) for line in lines if line[0] == "i"],
        }
    return np.array(words, np.int32), measured


def _word(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else UNKNOWN
