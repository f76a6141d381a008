# SPDX-License-Identifier: Apache-2.0
"""The plots of `swm bench kernels`: speed-up against block size, time against n, roofline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from swm.errors import OutputError, ToolError

__all__ = ["draw"]


def draw(result: dict[str, Any], path: str) -> None:
    """Write one SVG of three panels.

    Raises:
        ToolError: matplotlib is not installed.
        OutputError: the path does not end in .svg or cannot be written, or the benchmark has no plots.
    """
    if not path.endswith(".svg"):
        raise OutputError(f"--plot writes to files that end in .svg, got {path!r}")
    if result["benchmark"] != "kernels":
        raise OutputError(f"there are no plots of {result['benchmark']!r}, only of kernels")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ToolError("plots need matplotlib: pip install 'swm[plot]'") from error
    figure = Figure(figsize=(15, 4.5), layout="constrained")
    speed, growth, roof = figure.subplots(1, 3)
    _speedups(speed, result["rows"])
    _growth(growth, result["growth"])
    _roofline(roof, result)
    try:
        figure.savefig(Path(path), format="svg", metadata={"Date": None})
    except OSError as error:
        raise OutputError(f"cannot write {path!r}: {error.strerror}") from error


def _speedups(axes: Any, rows: list[dict[str, Any]]) -> None:
    chosen = [r for r in rows if r["chosen"] and r["threads"] == 1 and r["speedup"]]
    for n, batch in sorted({(r["n"], r["batch"]) for r in chosen}):
        points = sorted((r["k"], r["speedup"]) for r in chosen if (r["n"], r["batch"]) == (n, batch))
        axes.plot(*zip(*points, strict=True), "o-", label=f"n = {n}, batch {batch}")
    axes.set(xscale="log", yscale="log", xlabel="block size k", ylabel="speed-up over dense, one thread")
    axes.set_xscale("log", base=2)
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.legend(fontsize=7)
    axes.set_title("Speed-up against block size")


def _growth(axes: Any, growth: dict[str, Any]) -> None:
    sizes = np.array([r["n"] for r in growth["rows"]], float)
    axes.plot(sizes, [r["swm_ms"] for r in growth["rows"]], "o", label="measured")
    fitted = np.exp(growth["log_factor"]) * sizes ** growth["exponent"]
    axes.plot(sizes, fitted, label=f"fitted: n^{growth['exponent']:.2f}")
    axes.set_xscale("log", base=2)
    axes.set(yscale="log", xlabel="n (k = n/8, batch 64)", ylabel="milliseconds")
    axes.legend(fontsize=8)
    axes.set_title("Time against n")


def _roofline(axes: Any, result: dict[str, Any]) -> None:
    limits = result["limits"]
    intensity = np.logspace(-1, 4, 200)
    for size, rate in limits["bandwidth"][1::3]:
        axes.plot(intensity, np.minimum(limits["flops"], intensity * rate) / 1e9, label=f"reads in {size >> 10} KiB")
    for row in (r for r in result["rows"] if r["chosen"] and r["threads"] == 1):
        x, y = row["operations"] / row["bytes"], row["operations"] / row["swm_ms"] / 1e6
        axes.plot(x, y, "k.")
        axes.annotate(row["case"], (x, y), fontsize=6)
    axes.set(xscale="log", yscale="log", xlabel="operations a byte", ylabel="GFLOP/s, one thread")
    axes.legend(fontsize=7)
    axes.set_title("Roofline")
