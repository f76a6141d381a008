# SPDX-License-Identifier: Apache-2.0
"""The plot of `swm bench convert`: time and memory against block size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swm.errors import OutputError, ToolError

__all__ = ["draw_convert"]


def draw_convert(result: dict[str, Any], path: str) -> None:
    """Write one SVG of two panels.

    Raises:
        ToolError: matplotlib is not installed.
        OutputError: the path does not end in .svg or cannot be written.
    """
    if not path.endswith(".svg"):
        raise OutputError(f"--plot writes to files that end in .svg, got {path!r}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ToolError("plots need matplotlib: pip install 'swm[plot]'") from error
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    panels = zip(
        figure.subplots(1, 2),
        (("seconds", "goal", "seconds"), ("peak_mib_over_model", "goal_mib", "MiB over the model's own")),
        strict=True,
    )
    for axes, (key, goal, label) in panels:
        for layer in dict.fromkeys(_layer(r) for r in result["rows"]):
            points = sorted((r["k"], r[key]) for r in result["rows"] if _layer(r) == layer)
            axes.plot(*zip(*points, strict=True), "o-", label=layer)
        for limit in {r[goal] for r in result["rows"] if r[goal]}:
            axes.axhline(limit, color="grey", linewidth=0.8, label=f"to reach at linear: {limit:g}")
        axes.set_xscale("log", base=2)
        axes.set(xlabel="block size k", ylabel=label, ylim=(0, None))
        axes.legend(fontsize=8)
    figure.suptitle("Conversion by least squares")
    try:
        figure.savefig(Path(path), format="svg", metadata={"Date": None})
    except OSError as error:
        raise OutputError(f"cannot write {path!r}: {error.strerror}") from error


def _layer(row: dict[str, Any]) -> str:
    return str(row["case"]).split("/", 1)[0]
