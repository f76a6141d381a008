# SPDX-License-Identifier: Apache-2.0
"""Compiled drivers of the kernels, built once a session."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HLS = Path(__file__).resolve().parents[3] / "hls"
FLAGS = ("-std=c++14", "-O1", "-Wall", "-Wextra", "-Werror", "-DSWM_COUNT_ITERATIONS")
# Signed overflow, shifts and array bounds of the native integers; any finding ends the program.
SANITISER = ("-fsanitize=undefined", "-fno-sanitize-recover=all")

Build = Callable[[str, str], Path]


def real_headers() -> Path:
    """The vendor's open-source ap_int.h and hls_stream.h, found without importing the package that carries them."""
    found = importlib.util.find_spec("hls4ml")
    if found is None or not found.submodule_search_locations:
        pytest.skip("needs the ap_int headers in the hls4ml wheel (pip install --no-deps hls4ml==1.3.0)")
    return Path(found.submodule_search_locations[0]) / "templates" / "vivado" / "ap_types"


def options(flavour: str) -> list[str]:
    """Compiler and options of a flavour: generic, sim (our stand-ins) or real (the vendor's headers)."""
    here = ["-I", str(HLS), "-I", str(Path(__file__).parent)]
    if flavour == "generic":
        return ["g++", *SANITISER, *here]
    if flavour == "sim":
        return [shutil.which("clang++") or "g++", "-DSWM_VITIS", *here, "-isystem", str(HLS / "sim")]
    headers = real_headers()
    # Our folder comes last: it lends ap_axi_sdata.h only, which the vendor's open-source headers lack.
    folders = [x for folder in (headers, headers / "etc", HLS / "sim") for x in ("-isystem", str(folder))]
    # Inlined, the vendor's constructors read members that they have not yet set: a warning that is not about us.
    return ["g++", "-DSWM_VITIS", "-Wno-maybe-uninitialized", "-Wno-uninitialized", *here, *folders]


def compiler(folder: Path) -> Build:
    def build(source: str, flavour: str) -> Path:
        command = options(flavour)
        if shutil.which(command[0]) is None:
            pytest.skip(f"needs the C++ compiler {command[0]}")
        path, binary = folder / f"{flavour}.cpp", folder / flavour
        path.write_text(source, encoding="utf-8")
        run = subprocess.run(
            [command[0], *FLAGS, *command[1:], str(path), "-o", str(binary)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr[:4000]
        return binary

    return build


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return compiler(tmp_path)


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[list[int]]]:
    """Every line that the driver of all cases prints, by flavour; compiled and run when first asked for."""
    from .cases import all_cases, render, stdin

    done: dict[str, list[list[int]] | AssertionError] = {}

    def run(flavour: str) -> list[list[int]]:
        if flavour not in done:
            # The vendor's headers take minutes for everything: one layer of each kind of shape.
            cases = all_cases() if flavour != "real" else [c for c in all_cases() if c.cfg.id in {1, 6, 15, 20, 34, 41}]
            try:
                binary = compiler(tmp_path_factory.mktemp("hls"))(render(cases), flavour)
                result = subprocess.run([binary], input=stdin(cases), capture_output=True, text=True, check=False)
                assert result.returncode == 0, f"status {result.returncode}: {result.stderr[:2000]}"
                done[flavour] = [list(map(int, line.split())) for line in result.stdout.splitlines()]
            except AssertionError as error:  # every test would repeat the compilation
                done[flavour] = error
        answer = done[flavour]
        if isinstance(answer, AssertionError):
            raise answer
        return answer

    return run
