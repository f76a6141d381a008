# SPDX-License-Identifier: Apache-2.0
"""How the tests of the HLS library call a compiler."""

import shutil
from pathlib import Path

import pytest

HLS = Path(__file__).parents[2] / "hls"
WARNINGS = ["-std=c++14", "-O1", "-Wall", "-Wextra", "-Werror", "-DSWM_COUNT_ITERATIONS"]
UNDEFINED = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
VITIS = ["-DSWM_VITIS"]
STAND_INS = ["-I", str(HLS / "sim")]


def compiler(name):
    return shutil.which(name) or pytest.skip(f"needs {name} on PATH")
