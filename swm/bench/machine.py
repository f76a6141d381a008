# SPDX-License-Identifier: Apache-2.0
"""The machine a benchmark runs on: its name, the versions of what is compared, and its measured limits."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from swm.kernels import FLAGS, aligned, compiler, cpu_name, load_library
from swm.version import __version__

__all__ = ["MachineLimits", "describe", "measure_limits"]

_SIZES = tuple(1 << e for e in (15, 18, 19, 20, 22, 24, 26, 28))  # bytes: L1 to memory
_REPEATS = 7


@dataclass(frozen=True)
class MachineLimits:
    """What one thread of this machine reaches, measured by compiled probes (best of several runs).

    Attributes:
        flops: float32 operations a second, a multiply-add counted as two.
        bandwidth: (bytes, bytes a second) pairs: reading again and again through a working set of that size.
    """

    flops: float
    bandwidth: tuple[tuple[int, float], ...]

    def read_rate(self, working_set: float) -> float:
        """Bytes a second for a working set, by the next larger size measured."""
        return next((rate for size, rate in self.bandwidth if size >= working_set), self.bandwidth[-1][1])

    def fraction(
        self,
        operations: float,
        moved: float,
        seconds: float,
        threads: int = 1,
        *,
        working_set: float | None = None,
    ) -> float:
        """How near to the limit: the larger of the shares of compute and of bandwidth.

        Args:
            operations: float32 operations counted from the algorithm.
            moved: bytes read or written at least once.
            seconds: time taken.
            threads: threads used; the limit of one is multiplied.
            working_set: bytes that are gone through, if they are gone through more than once.
        """
        compute = operations / self.flops
        memory = moved / self.read_rate(moved if working_set is None else working_set)
        return max(compute, memory) / (seconds * threads)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"flops": self.flops, "bandwidth": [list(pair) for pair in self.bandwidth]}


def measure_limits() -> MachineLimits:
    """Run the probes, about a second.

    Raises:
        ToolError: no C++ compiler.
    """
    library = load_library("probe.cpp", folder=Path(__file__).parent)
    library.swm_probe_fma.restype = ctypes.c_double
    library.swm_probe_fma.argtypes = [ctypes.c_int64, ctypes.c_void_p]
    library.swm_probe_read.restype = None
    library.swm_probe_read.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    sink = ctypes.c_float()
    flops = 0.0
    for _ in range(_REPEATS):
        start = time.perf_counter()
        done = library.swm_probe_fma(1_000_000, ctypes.byref(sink))
        flops = max(flops, done / (time.perf_counter() - start))
    data = aligned(_SIZES[-1] // 4, np.float32)
    data[:] = 1.0
    bandwidth = []
    for size in _SIZES:
        rounds = max(1, (1 << 26) // size)
        best = 0.0
        for _ in range(3 if size > 1 << 25 else _REPEATS):
            start = time.perf_counter()
            library.swm_probe_read(data.ctypes.data, size, rounds, ctypes.byref(sink))
            best = max(best, size * rounds / (time.perf_counter() - start))
        bandwidth.append((size, best))
    return MachineLimits(flops, tuple(bandwidth))


def describe() -> dict[str, Any]:
    """Processor, cores, load, versions and compiler."""
    versions = {"swm": __version__}
    for name in ("numpy", "scipy", "pyFFTW", "onnxruntime"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    cxx = compiler()
    told = subprocess.run([cxx, "--version"], capture_output=True, text=True, check=False).stdout.splitlines()
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "load_at_start": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "blas": f"{blas.get('name', '?')} {blas.get('version', '')}".strip(),
        "compiler": f"{told[0] if told else cxx}: {' '.join(FLAGS)}",
        "date": time.strftime("%Y-%m-%d %H:%M"),
    }
