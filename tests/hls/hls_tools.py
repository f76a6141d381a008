# SPDX-License-Identifier: Apache-2.0
"""How the tests of the HLS library call a compiler."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

HLS = Path(__file__).parents[2] / "hls"
# -O1 for the warnings that need it. Where others give them for the same headers, `UNOPTIMIZED` stands behind it: these
# programs run for milliseconds, and g++ compiles them in half the time, clang++ in a third, and g++ with its sanitiser,
# which sees more where nothing is optimised away, in a third too.
WARNINGS = ["-std=c++14", "-O1", "-Wall", "-Wextra", "-Werror", "-DSWM_COUNT_ITERATIONS"]
UNOPTIMIZED = ["-O0"]
UNDEFINED = [*UNOPTIMIZED, "-fsanitize=undefined", "-fno-sanitize-recover=all"]
VITIS = ["-DSWM_VITIS"]
STAND_INS = ["-I", str(HLS / "sim")]


def compiler(name):
    return shutil.which(name) or pytest.skip(f"needs {name} on PATH")


def vendor_headers():
    """Flags that find the vendor's open-source ap_int.h and hls_stream.h first, and ours for what they lack.

    Only `-isystem` for all of them keeps that order: folders given with -I come before, wherever they stand.
    """
    found = importlib.util.find_spec("hls4ml")
    if found is None or not found.submodule_search_locations:
        pytest.skip("needs the ap_int headers in the hls4ml wheel (pip install --no-deps hls4ml==1.3.0)")
    headers = Path(found.submodule_search_locations[0]) / "templates" / "vivado" / "ap_types"
    folders = [flag for folder in (headers, headers / "etc", HLS / "sim") for flag in ("-isystem", str(folder))]
    # Inlined, the vendor's constructors read members that they have not yet set: a warning that is not about us.
    return ["-Wno-uninitialized", "-Wno-maybe-uninitialized", *folders]


def compile_together(commands):
    """Run compiler commands side by side; the first that fails fails the test with what it said."""
    started = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for c in commands]
    ends = [(process.communicate()[1], process.returncode) for process in started]
    for text, status in ends:
        assert status == 0, text[:4000]
