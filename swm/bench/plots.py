# SPDX-License-Identifier: Apache-2.0
"""The plots of `swm bench`: one SVG of a few panels for each benchmark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from swm.errors import OutputError

__all__ = ["draw"]

_MARKS = "osv^D*P"
Panel = Callable[[Any, dict[str, Any]], None]


def draw(result: dict[str, Any], path: str) -> None:
    """Write one SVG.

    Raises:
        OutputError: the path does not end in .svg or cannot be written.
    """
    if not path.endswith(".svg"):
        raise OutputError(f"--plot writes to files that end in .svg, got {path!r}")
    from matplotlib.figure import Figure  # here, as it takes a quarter of a second that only plots should pay

    panels = _PANELS[result["benchmark"]]
    figure = Figure(figsize=(5.5 * len(panels), 4.5), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        panel(axes, result)
    try:
        figure.savefig(Path(path), format="svg", metadata={"Date": None})
    except OSError as error:
        raise OutputError(f"cannot write {path!r}: {error.strerror}") from error


def _chosen(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [r for r in result["rows"] if r["chosen"] and r["threads"] == 1]


def _without_block(row: dict[str, Any]) -> str:
    """The case but for its block size, which is the middle one of three parts."""
    what, _, batch = row["case"].rsplit("/", 2)
    return f"{what}, batch {batch}"


def _lines(axes: Any, rows: list[dict[str, Any]], key: str) -> None:
    """A line for each case over block sizes; what was measured at one size only is a point."""
    for what in dict.fromkeys(map(_without_block, rows)):
        points = sorted((r["k"], r[key]) for r in rows if _without_block(r) == what)
        axes.plot(*zip(*points, strict=True), "o-", markersize=4, label=what)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("block size k")


def _speedups(axes: Any, result: dict[str, Any]) -> None:
    _lines(axes, [r for r in _chosen(result) if r["speedup"]], "speedup")
    axes.set(yscale="log", ylabel="speed-up over dense, one thread", title="Speed-up against block size")
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.legend(fontsize=6)


def _growth(axes: Any, result: dict[str, Any]) -> None:
    growth = result["growth"]
    sizes = np.array([r["n"] for r in growth["rows"]], float)
    axes.plot(sizes, [r["swm_ms"] for r in growth["rows"]], "o", label="measured")
    fitted = np.exp(growth["log_factor"]) * sizes ** growth["exponent"]
    axes.plot(sizes, fitted, label=f"fitted: n^{growth['exponent']:.2f}")
    axes.set_xscale("log", base=2)
    axes.set(yscale="log", xlabel="n (k = n/8, batch 64)", ylabel="milliseconds", title="Time against n")
    axes.legend(fontsize=8)


def _roofline(axes: Any, result: dict[str, Any]) -> None:
    limits = result["limits"]
    rows = _chosen(result)
    points = [(r["operations"] / r["bytes"], r["operations"] / r["swm_ms"] / 1e6) for r in rows]
    least, most = min(x for x, _ in points) / 3, max(x for x, _ in points) * 3
    intensity = np.geomspace(least, most, 200)
    roofs = [
        axes.plot(intensity, np.minimum(limits["flops"], intensity * rate) / 1e9, label=f"reads in {size >> 10} KiB")[0]
        for size, rate in limits["bandwidth"][1::3]
    ]
    for i, (row, (x, y)) in enumerate(zip(rows, points, strict=True)):  # cases lie too close to be named where they lie
        style = {"marker": _MARKS[i % len(_MARKS)], "color": f"C{i // len(_MARKS) + 3}"}
        axes.plot(x, y, linestyle="none", markersize=5, label=row["case"], **style)
    axes.set(xscale="log", yscale="log", xlabel="operations a byte", ylabel="GFLOP/s, one thread", title="Roofline")
    axes.set(ylim=(min(y for _, y in points) / 2, limits["flops"] / 1e9 * 1.4))
    axes.add_artist(axes.legend(handles=roofs, fontsize=7, loc="lower right"))
    cases = [line for line in axes.get_lines() if line not in roofs]
    axes.legend(handles=cases, fontsize=6, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)


def _rates(axes: Any, result: dict[str, Any]) -> None:
    first = [r for r in result["rows"] if r["case"] == result["rows"][0]["case"]]
    names = [f"{r['engine']}, {r['threads']} thread(s)" for r in first]
    axes.bar(names, [r["macs_per_second"] for r in first])
    for goal in {r["goal"] for r in result["rows"] if r["goal"]}:
        axes.axhline(goal, color="grey", linewidth=0.8, label=f"to reach on two threads: {goal:.0e}")
    axes.set(yscale="log", ylabel="dense-equivalent multiply-accumulates a second", title="Integer inference")
    axes.legend(fontsize=8)


def _conversion(key: str, goal: str, label: str) -> Panel:
    def panel(axes: Any, result: dict[str, Any]) -> None:
        _lines(axes, result["rows"], key)
        for limit in {r[goal] for r in result["rows"] if r[goal]}:
            axes.axhline(limit, color="grey", linewidth=0.8, label=f"to reach at linear: {limit:g}")
        axes.set(ylabel=label, ylim=(0, None), title="Conversion by least squares")
        axes.legend(fontsize=8)

    return panel


def _ratios(axes: Any, result: dict[str, Any]) -> None:
    rows = sorted(result["rows"], key=lambda r: r["speedup"])
    names = [f"{Path(r['case']).stem}, batch {r['batch']}" for r in rows]
    axes.barh(names, [r["speedup"] for r in rows], height=0.7)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set(xscale="log", xlabel="onnxruntime's time over swm's, one thread", title="Converted models")
    axes.tick_params(axis="y", labelsize=3)


def _published(axes: Any, result: dict[str, Any]) -> None:
    rows = [r for r in result["rows"] if r["ours"] and r["ours"]["watts"] and r["published"]["watts"]]
    for i, row in enumerate(rows):
        theirs, ours = row["published"], row["ours"]
        x, y = ([r[name] for r in (theirs, ours)] for name in ("frames_per_s", "frames_per_joule"))
        axes.plot(x, y, color=f"C{i % 10}", linewidth=0.8, label=f"{row['system']}, {row['board'] or 'a chip'}")
        axes.plot(x[:1], y[:1], "o", color=f"C{i % 10}", markerfacecolor="none")
        axes.plot(x[1:], y[1:], "o", color=f"C{i % 10}")
    axes.set(xscale="log", yscale="log", xlabel="frames a second", ylabel="frames a joule")
    axes.set(title="Open: published. Filled: modelled by swm")
    axes.legend(fontsize=5)


def _diagonal(axes: Any, x: list[float], y: list[float], label: str) -> None:
    axes.plot(x, y, "o", markersize=4, label=label)
    ends = [min(x + y) / 2, max(x + y) * 2]
    axes.plot(ends, ends, color="grey", linewidth=0.8)
    axes.set(xscale="log", yscale="log")
    axes.legend(fontsize=7)


def _validated_power(axes: Any, result: dict[str, Any]) -> None:
    rows = result["power"]["rows"] if result["power"] else []
    for family in dict.fromkeys(r["family"] for r in rows):
        chosen = [r for r in rows if r["family"] == family]
        _diagonal(axes, [r["reported_w"] for r in chosen], [r["modelled_w"] for r in chosen], family)
    axes.set(xlabel="reported by Vivado, W", ylabel="modelled, its repository left out, W", title="Dynamic power")


def _validated_boards(axes: Any, result: dict[str, Any]) -> None:
    for board in dict.fromkeys(r["board"] for r in result["boards"]):
        chosen = [r for r in result["boards"] if r["board"] == board]
        _diagonal(axes, [1e6 * r["measured_j"] for r in chosen], [1e6 * r["board_j"] for r in chosen], board)
    axes.set(xlabel="measured, uJ", ylabel="modelled, uJ", title="Energy per inference of a board")


def _areas(key: str) -> Panel:
    def panel(axes: Any, result: dict[str, Any]) -> None:
        for mark, process in zip(_MARKS * 2, dict.fromkeys(r["process"] for r in result["rows"]), strict=False):
            rows = [r for r in result["rows"] if r["process"] == process]
            points = [(max(r["predicted"][key], 1), max(r["measured"][key], 1)) for r in rows if r["held_out"]]
            if not points:
                continue
            axes.plot(*zip(*points, strict=True), mark, markersize=4, label=process)
        ends = [min(axes.get_xlim()[0], 10), axes.get_xlim()[1]]
        axes.plot(ends, ends, color="grey", linewidth=0.8)
        axes.set(xscale="log", yscale="log", xlabel=f"{key.upper()} modelled", ylabel=f"counted, {result['tool']}")
        axes.set_title(f"held out: {result['held_out']}", fontsize=9)
        axes.legend(fontsize=8)

    return panel


_PANELS: dict[str, tuple[Panel, ...]] = {
    "kernels": (_speedups, _growth, _roofline),
    "conv": (_speedups, _roofline),
    "rnn": (_speedups, _roofline),
    "fixed": (_rates,),
    "models": (_ratios,),
    "published": (_published,),
    "validate": (_validated_power, _validated_boards),
    "area": (_areas("lut"), _areas("ff")),
    "convert": (
        _conversion("seconds", "goal", "seconds"),
        _conversion("peak_mib_over_model", "goal_mib", "MiB over the model's own"),
    ),
}
