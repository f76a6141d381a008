# SPDX-License-Identifier: Apache-2.0
"""`swm bench area` as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Any

from swm.bench.area_designs import CYCLONE
from swm.opentools import FAMILIES

__all__ = ["markdown"]

_INTRO = """# Area of RTL modules, modelled against counted

Written by `swm bench area{option} --json FILE.json --plot docs/{plot} --markdown docs/{page}{gap}--coefficients
swm/layers/rtl/area/{file}`. Single layers are emitted with back end `rtl`, and each of their processes is
mapped by itself by {tool}: {families}.{break}What a module has of adders, registers and so on is counted from its text
(`swm/layers/rtl/area/`) and priced by a fit over the rows of 8 and 16 bits on {parts} ({fitted}). The {rows}
rows below, of {held_out}, have been seen by no fit. Equal modules count once.

| of {rows} rows | {lut}, median error | FF, median error | DSP exact | {memory} exact |
|---|--:|--:|--:|--:|
{models}

{note}
"""
_AMD_NOTE = """\
The C++ model speaks of what a vendor's tool makes of other text; its coefficients are not touched by this. Counts are
yosys's, not Vivado's: a ROM in LUTs takes yosys about four times the LUTs of a vendor's tool, and two small functions
never share a LUT6_2."""
_INTEL_NOTE = """\
Counts are yosys's, not those of Quartus, which has run on none of these modules: it packs two ALUTs into an ALM as they
fit, registers and adders into DSP blocks, and chooses its own shapes of memories. A DSP block does two products of up
to 18 x 18 bits; yosys puts three of up to 9 x 9 into one, the model does not, so at 8 bits it counts more than yosys.
The C++ model is that of AMD's devices, for comparison: no C++ back end is for Cyclone V. Layers that are not in this
grid (recurrent ones, transforms pass by pass, circulant kernels, reversals and reorders, global pools, joins of sizes)
are priced by the same bits, with no factor of their own and no error that is known."""
_AMD = {
    "option": "",
    "gap": " ",
    "break": " ",
    "plot": "area.svg",
    "page": "area.md",
    "file": "coefficients.py",
    "parts": "7-series parts",
    "lut": "LUT",
    "memory": "BRAM18",
    "note": _AMD_NOTE,
}
_INTEL = {
    "option": " --family cyclonev",
    "gap": "\n",
    "break": "\n",
    "plot": "area_cyclonev.svg",
    "page": "area_cyclonev.md",
    "file": "cyclonev.py",
    "parts": "Cyclone V",
    "lut": "ALUT",
    "memory": "M10K",
    "note": _INTEL_NOTE,
}
_MODELS = (("predicted", "model of back end rtl"), ("operators", "model of the C++ kernels, for comparison"))

_PLOT = """
![modelled against counted LUTs and flip-flops]({plot})

## Errors by module
"""


def markdown(result: Mapping[str, Any]) -> str:
    """The page."""
    errors, rows = result["errors"], result["rows"]
    names = list(dict.fromkeys(row["family"] for row in rows))
    families = ", ".join(f"`{FAMILIES[name].part.split(' -flatten')[0]}`" for name in names)
    words = _INTEL if names == [CYCLONE] else _AMD
    models = "\n".join(
        f"| {title} | {errors[f'lut_{name}']:.1%} | {errors[f'ff_{name}']:.1%} | {errors[f'dsp_{name}_exact']:.0%}"
        f" | {errors[f'bram18_{name}_exact']:.0%} |"
        for name, title in _MODELS
    )
    counts = {"rows": errors["rows"], "fitted": errors["fitted"]}
    head = {**words, **counts, "tool": result["tool"], "held_out": result["held_out"]}
    page = _INTRO.format(families=families, models=models, **head)
    unseen = [row for row in rows if row["held_out"]]
    plot, by_module = _PLOT.lstrip("\n").format(plot=words["plot"]), ("module", "rows", words["lut"], "FF")
    parts = [page, plot, *_table(by_module, _by_module(unseen))]
    figures = (words["lut"], "FF", "DSP", words["memory"])
    columns = ("layer", "family", "module", *(name for figure in figures for name in (figure, "counted")))
    return "\n".join([*parts, "", "## Rows that were held out", "", *_table(columns, map(_row, unseen)), ""])


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
