# SPDX-License-Identifier: Apache-2.0
"""The plot of an exploration: accuracy against energy and against throughput, the front in lines."""

from __future__ import annotations

import io
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swm.errors import OutputError
from swm.explore.exploration import Exploration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["svgs", "write_plot"]

_MARKS = "osv^D*Pp"
_AXES = (("joules", 1e6, "energy per inference, uJ (modelled)"), ("inferences_per_s", 1.0, "inferences/s (modelled)"))


def svgs(found: Exploration) -> list[str]:
    """The plots, each as SVG text without its XML declaration."""
    texts = []
    for one in _shown(found):
        buffer = io.StringIO()
        _figure(found, [one]).savefig(buffer, format="svg", metadata={"Date": None})
        texts.append(buffer.getvalue().partition("<svg")[2])
    return [f"<svg{text}" for text in texts]


def write_plot(found: Exploration, path: str | PathLike[str]) -> None:
    """Write it as .svg or .png.

    Raises:
        OutputError: another ending, or the file cannot be written.
    """
    ending = Path(path).suffix.lower()
    if ending not in (".svg", ".png"):
        raise OutputError(f"the plot goes to a file that ends in .svg or .png, got {str(path)!r}")
    options: dict[str, Any] = {"metadata": {"Date": None}} if ending == ".svg" else {"dpi": 150}
    try:
        _figure(found, _shown(found)).savefig(Path(path), format=ending[1:], **options)
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror}") from error


def _shown(found: Exploration) -> Sequence[tuple[str, float, str]]:
    """The axes that a point has a figure for: of chips no throughput is known."""
    known = {name for name, *_ in _AXES for p in found.points if p.whole and getattr(p.figures, name) is not None}
    return [one for one in _AXES if one[0] in known] or _AXES[:1]


def _figure(found: Exploration, shown: Sequence[tuple[str, float, str]]) -> Figure:
    from matplotlib.figure import Figure  # here, as only plots should wait for it

    figure = Figure(figsize=(5.5 * len(shown), 4.5), layout="constrained")
    boards = list(dict.fromkeys(p.board for p in found.points))
    for axes, (name, scale, label) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        for i, board in enumerate(boards):
            colour, mark = f"C{i % 10}", _MARKS[i % len(_MARKS)]
            points = [p for p in found.points if p.board == board and p.whole and getattr(p.figures, name) is not None]
            if not points:
                continue
            x = [scale * getattr(p.figures, name) for p in points]
            y = [100 * (p.accuracy or 0.0) for p in points]
            on = [p in found.front for p in points]
            axes.plot(x, y, mark, color=colour, alpha=0.35, markersize=4, linestyle="none")
            axes.plot(
                [a for a, b in zip(x, on, strict=True) if b],
                [a for a, b in zip(y, on, strict=True) if b],
                mark,
                color=colour,
                markersize=7,
                linestyle="none",
                label=board,
            )
        axes.axhline(100 * found.reference, color="0.5", linewidth=1, linestyle="--", label="original, in float")
        if found.min_accuracy is not None:
            axes.axhline(100 * found.min_accuracy, color="0.3", linewidth=1, linestyle=":", label="least accuracy")
        axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.set_ylabel(f"{found.measure}, % (measured, {found.samples:,} samples)")
        axes.grid(alpha=0.3, which="both")
    figure.axes[0].legend(title="large: on the front", fontsize=8, title_fontsize=8)
    return figure
