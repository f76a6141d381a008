# SPDX-License-Identifier: Apache-2.0
"""`swm bench area` as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Any

__all__ = ["markdown"]

_INTRO = """# Area of RTL modules, modelled against counted

Written by `swm bench area --json FILE.json --plot docs/area.svg --markdown docs/area.md --coefficients
swm/layers/rtl/area/coefficients.py`. Single layers are emitted with back end `rtl`, and each of their processes is
mapped by itself by {tool}: {families}. What a module has of adders, registers and so on is counted from its text
(`swm/layers/rtl/area/`) and priced by a fit over the rows of 8 and 16 bits on 7-series parts ({fitted}). The {rows}
rows below, of {held_out}, have been seen by no fit. Equal modules count once.

| of {rows} rows | LUT, median error | FF, median error | DSP exact | BRAM18 exact |
|---|--:|--:|--:|--:|
{models}

The C++ model speaks of what a vendor's tool makes of other text; its coefficients are not touched by this. Counts are
yosys's, not Vivado's: a ROM in LUTs takes yosys about four times the LUTs of a vendor's tool, and two small functions
never share a LUT6_2.
"""
_MODELS = (("predicted", "model of back end rtl"), ("operators", "model of the C++ kernels, for comparison"))

_PLOT = """
![modelled against counted LUTs and flip-flops](area.svg)

## Errors by module
"""


def markdown(result: Mapping[str, Any]) -> str:
    """The page."""
    errors, rows = result["errors"], result["rows"]
    families = ", ".join(dict.fromkeys(f"`synth_xilinx -family {row['family']}`" for row in rows))
    models = "\n".join(
        f"| {title} | {errors[f'lut_{name}']:.1%} | {errors[f'ff_{name}']:.1%} | {errors[f'dsp_{name}_exact']:.0%}"
        f" | {errors[f'bram18_{name}_exact']:.0%} |"
        for name, title in _MODELS
    )
    counts = {"rows": errors["rows"], "fitted": errors["fitted"]}
    words = _INTRO.format(tool=result["tool"], held_out=result["held_out"], families=families, models=models, **counts)
    unseen = [row for row in rows if row["held_out"]]
    parts = [words, _PLOT.lstrip("\n"), *_table(("module", "rows", "LUT", "FF"), _by_module(unseen))]
    head = ("layer", "family", "module", "LUT", "counted", "FF", "counted", "DSP", "counted", "BRAM18", "counted")
    return "\n".join([*parts, "", "## Rows that were held out", "", *_table(head, map(_row, unseen)), ""])


def _by_module(rows: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for module in dict.fromkeys(row["process"] for row in rows):
        own = [row for row in rows if row["process"] == module]
        yield module, str(len(own)), *(f"{median(_error(row, key) for row in own):.1%}" for key in ("lut", "ff"))


def _error(row: Mapping[str, Any], key: str) -> float:
    return float(abs(row["predicted"][key] - row["measured"][key]) / max(row["measured"][key], 1))


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    pairs = ((row["predicted"][key], row["measured"][key]) for key in ("lut", "ff", "dsp", "bram18"))
    return (row["case"], row["family"], row["process"], *(f"{n:,}" for pair in pairs for n in pair))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]
