# SPDX-License-Identifier: Apache-2.0
"""Each header by itself, in both flavours (tables, pragmas and stand-in types: tests/hls/test_kernels.py)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hls_tools import HLS, STAND_INS, VITIS, compiler

HEADERS = sorted(path.name for path in (HLS / "swm").glob("*.h"))

VITIS_ONLY = {"axi.h", "load.h"}  # ports of the top
SIMULATION = {"rom.h", "trace.h"}  # nothing of them is left where no file is read or written


@pytest.mark.parametrize("header", HEADERS)
def test_every_header_compiles_alone(header: str, tmp_path: Path) -> None:
    source = tmp_path / "one.cpp"
    source.write_text(f'#include "swm/{header}"\n', encoding="utf-8")
    flags = ["-std=c++14", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", str(HLS)]
    for extra in [[*VITIS, *STAND_INS]] if header in VITIS_ONLY else [[*VITIS, *STAND_INS], []]:
        run = subprocess.run([compiler("g++"), *flags, *extra, source], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("header", [name for name in HEADERS if name not in VITIS_ONLY | SIMULATION])
def test_the_generic_flavour_includes_the_integers_of_the_language_only(header: str) -> None:
    text = (HLS / "swm" / header).read_text(encoding="utf-8")
    outside = re.sub(r"#ifdef SWM_VITIS\n.*?#(else|endif)", "", text, flags=re.S)
    assert set(re.findall(r"#include <(.*?)>", outside)) <= {"stdint.h"}
