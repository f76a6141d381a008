# SPDX-License-Identifier: Apache-2.0
"""Compiled drivers of the kernels, built once a session."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hls_tools import (
    HLS,
    STAND_INS,
    UNDEFINED,
    UNOPTIMIZED,
    VITIS,
    WARNINGS,
    compile_together,
    compiler,
    vendor_headers,
)

from ports.cases import Case, all_cases, render, stdin

HERE = Path(__file__).parent
FILES = 2  # translation units of a flavour, compiled side by side
VENDOR = {1, 6, 13, 20, 33, 38, 39, 50, 59, 61, 66, 69, 74}  # on the vendor's headers, which take long to compile
CROSSED = 3  # every third case on the compiler that a flavour does not take for all
Lines = dict[int, list[list[int]]]


def flags(flavour: str) -> list[str]:
    """The command of a flavour but for its source and output; the first word is the compiler."""
    headers, cxx = flavour.split("/")
    library = ["-I", str(HLS), "-I", str(HERE)]
    if headers == "generic":  # any undefined behaviour of the native integers ends the program (clang: no runtime here)
        return [compiler(cxx), *WARNINGS, *(UNDEFINED if cxx == "g++" else []), *library]
    optimized = [] if flavour == "sim/g++" else UNOPTIMIZED
    found = STAND_INS if headers == "sim" else vendor_headers()
    return [compiler(cxx), *WARNINGS, *optimized, *VITIS, *library, *found]


def chosen(flavour: str) -> list[tuple[int, Case]]:
    """Numbered cases of a flavour."""
    cases = list(enumerate(all_cases()))
    if flavour.startswith("real"):
        return [pair for pair in cases if pair[0] in VENDOR]
    return cases if flavour in {"generic/g++", "sim/clang++"} else cases[1::CROSSED]


def run_flavour(flavour: str, folder: Path) -> Lines:
    """Lines that the driver prints, by case."""
    cases, command = chosen(flavour), flags(flavour)
    parts = [cases[i::FILES] for i in range(FILES)]
    names = [folder / f"part{i}" for i in range(FILES)]
    for name, part in zip(names, parts, strict=True):
        name.with_suffix(".cpp").write_text(render(part), encoding="utf-8")
    compile_together([[*command, str(name.with_suffix(".cpp")), "-o", str(name)] for name in names])
    found: Lines = {}
    for name, part in zip(names, parts, strict=True):
        result = subprocess.run([name], input=stdin(part), capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"status {result.returncode}: {result.stderr[:2000]}"
        lines = [list(map(int, line.split())) for line in result.stdout.splitlines()]
        for number, case in part:
            count = len(case.expected()) + 2
            found[number], lines = lines[:count], lines[count:]
        assert not lines
    return found


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Lines]:
    """What the driver prints, by flavour ("headers/compiler") and case; compiled and run when first asked for."""
    done: dict[str, Lines | AssertionError] = {}

    def run(flavour: str) -> Lines:
        if flavour not in done:
            try:
                done[flavour] = run_flavour(flavour, tmp_path_factory.mktemp("ports"))
            except AssertionError as error:  # every test would repeat the compilation
                done[flavour] = error
        answer = done[flavour]
        if isinstance(answer, AssertionError):
            raise answer
        return answer

    return run
