# SPDX-License-Identifier: Apache-2.0
"""Results as tables: for the terminal and as Markdown."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from swm.bench.timing import DISTURBED

__all__ = ["headlines", "markdown_table", "rows_as_text", "to_table"]

_KERNELS = (
    "case",
    "threads",
    "engine",
    "dense ms",
    "baseline",
    "swm ms",
    "speed-up",
    "goal",
    "of limit",
    "error",
    "spread",
)
_FIXED = ("case", "threads", "engine", "ms a sample", "MAC/s", "goal", "over numpy", "of limit", "equal", "spread")
_MODELS = ("model", "block", "batch", "onnxruntime ms", "swm ms", "ratio", "engines", "error", "spread")
_AREA = ("layer", "process", "LUT", "model", "C++ model", "FF", "model", "C++ model", "DSP", "model", "BRAM18", "model")
_CONVERT = ("layer n/k/samples", "threads", "seconds", "to reach", "MiB over model", "to reach", "error", "spread")


def rows_as_text(result: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Column names and cells of a benchmark's rows."""
    if result["benchmark"] == "area":
        return _AREA, [_area(row) for row in result["rows"]]
    if result["benchmark"] == "convert":
        return _CONVERT, [
            (
                r["case"] + ("*" if r.get("others_busy", 0.0) > DISTURBED else ""),
                str(r["threads"]),
                f"{r['seconds']:.2f}",
                _number(r["goal"], "g"),
                f"{r['peak_mib_over_model']:.0f}",
                _number(r["goal_mib"], "g"),
                f"{r['relative_error']:.0%}",
                f"{r['spread']:.0%}",
            )
            for r in result["rows"]
        ]
    if result["benchmark"] == "models":
        return _MODELS, [
            (
                r["case"],
                str(r["k"]),
                str(r["batch"]),
                f"{r['dense_ms']:.4f}",
                f"{r['swm_ms']:.4f}",
                f"{r['speedup']:.2f} x" + (" SLOWER" if r["slower"] else ""),
                r["engine"],
                f"{r['error']:.0e}",
                f"{r['spread']:.0%}",
            )
            for r in result["rows"]
        ]
    if result["benchmark"] == "fixed":
        return _FIXED, [
            (
                r["case"] + ("*" if r.get("others_busy", 0.0) > DISTURBED else ""),
                str(r["threads"]),
                r["engine"],
                f"{r['swm_ms']:.5f}",
                f"{r['macs_per_second']:.2g}",
                f"{r['goal']:.0e}" if r["goal"] else "",
                f"{r['speedup']:.1f} x",
                f"{r['limit_fraction']:.0%}",
                "yes" if r["equal"] else "NO",
                f"{r['spread']:.0%}",
            )
            for r in result["rows"]
        ]
    return _KERNELS, [
        (
            r["case"] + ("*" if r.get("others_busy", 0.0) > DISTURBED else ""),
            str(r["threads"]),
            r["engine"],
            _number(r["dense_ms"], ".4f"),
            r["baseline"] or "",
            f"{r['swm_ms']:.4f}",
            _number(r["speedup"], ".1f", " x"),
            _number(r["goal"], "g", " x"),
            f"{r['limit_fraction']:.0%}",
            f"{r['error']:.0e}",
            f"{r['spread']:.0%}",
        )
        for r in [*result["rows"], *result.get("growth", {"rows": []})["rows"]]
    ]


def _area(row: dict[str, Any]) -> tuple[str, ...]:
    """Counted, modelled, and the model of the C++ kernels; a star marks rows that no fit has seen."""
    counted, modelled, operators = row["measured"], row["predicted"], row["operators"]
    cells = [f"{n[key]:,}" for key in ("lut", "ff") for n in (counted, modelled, operators)]
    cells += [f"{n[key]:,}" for key in ("dsp", "bram18") for n in (counted, modelled)]
    return (row["case"] + ("*" if row["held_out"] else ""), row["process"], *cells)


def _of_area(result: dict[str, Any]) -> list[str]:
    errors = result["errors"]
    return [
        f"Counted by {result['tool']}; * {errors['rows']} rows of {result['held_out']}, which no fit has seen. Median"
        f" errors there: LUT {errors['lut_predicted']:.1%} (model of the C++ kernels {errors['lut_operators']:.1%}), FF"
        f" {errors['ff_predicted']:.1%} ({errors['ff_operators']:.1%}). Exact there: DSP"
        f" {errors['dsp_predicted_exact']:.0%}, BRAM18 {errors['bram18_predicted_exact']:.0%}."
    ]


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "" if value is None else f"{value:{form}}{unit}"


def headlines(result: dict[str, Any]) -> list[str]:
    """What the rows come to, a sentence each."""
    lines = []
    if result["benchmark"] == "models":
        lines += _of_models(result)
    if result["benchmark"] == "area":
        lines += _of_area(result)
    if "growth" in result:
        growth = result["growth"]
        lines.append(
            f"Time grows as n^{growth['exponent']:.2f} for n = {growth['rows'][0]['n']} to {growth['rows'][-1]['n']} "
            f"at k = n/8 (n log n over the same sizes: n^{growth['exponent_of_n_log_n']:.2f}; dense: n^2)."
        )
    gains = [
        (r["case"], r["thread_gain"])
        for r in result["rows"]
        if r.get("thread_gain")
        and (r["batch"] >= 256 or "growth" not in result)
        and r.get("others_busy", 0.0) <= DISTURBED
    ]
    if gains:
        lines.append("Two threads over one: " + ", ".join(f"{gain:.2f} x at {case}" for case, gain in gains) + ".")
    if any(r.get("others_busy", 0.0) > DISTURBED for r in result["rows"]):
        lines.append(
            f"* other processes kept more than {DISTURBED:g} of a core busy meanwhile, in each of two attempts."
        )
    machine, limits = result["machine"], result.get("limits")
    if limits:
        rates = ", ".join(f"{rate / 1e9:.0f} GB/s in {_size(size)}" for size, rate in limits["bandwidth"])
        lines.append(f"One thread of this machine: {limits['flops'] / 1e9:.0f} GFLOP/s float32; reads {rates}.")
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items())
    lines.append(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_at_start']:.1f}; {machine['date']}.")
    lines.append(f"Python {machine['python']}, {versions}, {machine['blas']}; {machine['compiler']}.")
    return lines


def _of_models(result: dict[str, Any]) -> list[str]:
    rows = result["rows"]
    slower = [f"{r['case']} at batch {r['batch']}" for r in rows if r["slower"]]
    worst, best = (pick(rows, key=lambda r: r["speedup"]) for pick in (min, max))
    lines = [
        f"{len({r['case'] for r in rows})} models, {len(rows)} rows: {worst['speedup']:.2f} x ({worst['case']}, batch "
        f"{worst['batch']}) to {best['speedup']:.2f} x ({best['case']}, batch {best['batch']}); "
        f"{sum(r['speedup'] < 1 for r in rows)} rows below 1 x, {len(slower)} below 0.91 x"
        + (f": {', '.join(slower)}." if slower else "."),
        "Milliseconds of processor time on one thread, the fastest of the rounds; both sides called from Python.",
    ]
    lines += [f"Not compared: {s['model']}: {s['reason']}" for s in result["skipped"]]
    return lines


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def to_table(result: dict[str, Any]) -> Table:
    """For the terminal."""
    columns, rows = rows_as_text(result)
    table = Table(title=f"swm bench {result['benchmark']}")
    for name in columns:
        table.add_column(
            name, justify="left" if name in ("case", "model", "engine", "engines", "baseline") else "right"
        )
    for row in rows:
        table.add_row(*row)
    return table


def markdown_table(result: dict[str, Any]) -> str:
    """For the documentation."""
    columns, rows = rows_as_text(result)
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
