# SPDX-License-Identifier: Apache-2.0
"""One conversion in a process of its own: `python -m swm.bench.convert_child MODEL KIND N K SAMPLES` prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from swm import compress, engine, onnx_io
from swm.bench.convert import ConvertCase, calibration

__all__ = ["measure"]

_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


def _resident() -> int:
    """Bytes of memory in use now; where the system does not say, the peak so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return _peak()
    return pages * resource.getpagesize()


def measure(path: Path, case: ConvertCase) -> dict[str, float]:
    """Load, convert, and compare on inputs that the fit has not seen.

    Seconds are those of the conversion. Memory is the greatest the process ever had, calibration inputs and loading
    included, over what it had once the model was loaded.
    """
    graph = onnx_io.load(path)
    model = _resident()
    feeds = {"x": calibration(case)}
    start = time.perf_counter()
    converted = compress.convert(graph, feeds, block=case.k, permute=False).graph  # the truth has its order
    seconds = time.perf_counter() - start
    peak = _peak()
    fresh = {"x": calibration(case, seed=2)[:, :256]} if case.kind == "lstm" else {"x": calibration(case, seed=2)[:256]}
    wanted, got = (engine.FloatEngine(g, ["h"]).run(fresh)["h"].astype(np.float64) for g in (graph, converted))
    error = float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))
    return {"seconds": seconds, "peak_mib_over_model": (peak - model) / (1 << 20), "relative_error": error}


if __name__ == "__main__":
    _model, _kind, _n, _k, _samples = sys.argv[1:]
    json.dump(measure(Path(_model), ConvertCase(_kind, int(_n), int(_k), int(_samples))), sys.stdout)  # type: ignore[arg-type]
