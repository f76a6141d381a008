# SPDX-License-Identifier: Apache-2.0
"""`swm bench area` as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Any

from swm.bench.area_designs import CYCLONE
from swm.opentools import FAMILIES

__all__ = ["markdown"]

_INTRO = """# Area of RTL modules, modelled against counted{title}

Written by `swm bench area{option} --json FILE.json --plot docs/{page}.svg --markdown docs/{page}.md --coefficients
swm/layers/rtl/area/{coefficients}.py`. Single layers are emitted with back end `rtl`, and each of their processes is
mapped by itself by {tool}: {commands}. What a module has of adders, registers and so on is counted from its text
(`swm/layers/rtl/area/`) and priced by a fit over the rows of {seen} ({fitted}). The {rows}
rows below, of {held_out}, have been seen by no fit. Equal modules count once.

| of {rows} rows | {lut}, median error | FF, median error | DSP exact | {memory} exact |
|---|--:|--:|--:|--:|
{models}

The C++ model speaks of what a vendor's tool makes of other text; its coefficients are not touched by this. Counts are
{remark}
"""
_REMARKS = {
    "xc7": """\
yosys's, not Vivado's: a ROM in LUTs takes yosys about four times the LUTs of a vendor's tool, and two small functions
never share a LUT6_2. [ECP5](area_ecp5.md), [Gowin](area_gowin.md) and [Cyclone V](area_cyclonev.md) have pages of
their own.""",
    "ecp5": """\
yosys's: a carry cell (CCU2C) counts as two LUTs, a memory in LUTs (DPR16X4) as four. [7-series and
UltraScale+](area.md) have a page of their own, and so has [Gowin](area_gowin.md).""",
    "gowin": """\
yosys's: an ALU counts as a LUT, a memory in LUTs (RAM16SDP4) as four, a MULT9X9 as a multiplier, though two of them
share the place of a MULT18X18. [7-series and UltraScale+](area.md) have a page of their own, and so has
[ECP5](area_ecp5.md).""",
    CYCLONE: """\
yosys's, not those of Quartus, which has run on none of these modules: it packs two ALUTs into an ALM as they fit,
registers and adders into DSP blocks, and chooses its own shapes of memories. A DSP block does two products of up to
18 x 18 bits; yosys puts three of up to 9 x 9 into one, the model does not, so at 8 bits it counts more than yosys. For
comparison, the C++ model is that of AMD's devices: no C++ back end is for Cyclone V. Layers that are not in this grid
(recurrent ones, transforms pass by pass, circulant kernels, reversals and reorders, global pools, joins of sizes) are
priced by the same bits, with no factor of their own and no error that is known.""",
}
_NAMES = {CYCLONE: ("ALUT", "M10K")}
"""Of LUTs and of blocks of memory, where they are not LUT and BRAM18."""
_MODELS = (("predicted", "model of back end rtl"), ("operators", "model of the C++ kernels, for comparison"))


def markdown(result: Mapping[str, Any]) -> str:
    """The page."""
    errors, rows, family = result["errors"], result["rows"], result.get("family", "xc7")
    suffix, option = ("", "") if family == "xc7" else (f"_{family}", f" --family {family}")
    lut, memory = _NAMES.get(family, ("LUT", "BRAM18"))
    widths = sorted({row["bits"] for row in rows if not row["held_out"]})
    models = "\n".join(
        f"| {title} | {errors[f'lut_{name}']:.1%} | {errors[f'ff_{name}']:.1%} | {errors[f'dsp_{name}_exact']:.0%}"
        f" | {errors[f'bram18_{name}_exact']:.0%} |"
        for name, title in _MODELS
    )
    words = _INTRO.format(
        title="" if family == "xc7" else f": {FAMILIES[family].title}",
        option=option,
        page=f"area{suffix}",
        lut=lut,
        memory=memory,
        coefficients=f"coefficients{suffix}",
        tool=result["tool"],
        commands=", ".join(dict.fromkeys(f"`{_command(row['family'])}`" for row in rows)),
        seen=f"{' and '.join(map(str, widths))} bits on {FAMILIES[family].title.removeprefix('AMD ')} parts",
        held_out=result["held_out"],
        models=models,
        remark=_REMARKS[family],
        rows=errors["rows"],
        fitted=errors["fitted"],
    )
    unseen = [row for row in rows if row["held_out"]]
    plot = f"![modelled against counted LUTs and flip-flops](area{suffix}.svg)\n\n## Errors by module\n"
    left = result.get("unmapped", ())  # of a run that was ended early; all rows that are fitted are there
    open_ = (f"Held-out layers of the grid that this run did not map: {'; '.join(left)}.\n",) if left else ()
    parts = [words, *open_, plot, *_table(("module", "rows", lut, "FF"), _by_module(unseen))]
    head = ("layer", "family", "module", lut, "counted", "FF", "counted", "DSP", "counted", memory, "counted")
    return "\n".join([*parts, "", "## Rows that were held out", "", *_table(head, map(_row, unseen)), ""])


def _command(family: str) -> str:
    """Of yosys, as far as it says which devices."""
    return " ".join(FAMILIES[family].part.split(" -flatten")[0].split(" -noiopads")[:1])


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
