# SPDX-License-Identifier: Apache-2.0
"""yosys's `stat` (text and JSON) and the JSON report of nextpnr."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from swm.report.vendor.values import ReportError, VendorReport, number

__all__ = ["count_cells", "parse_nextpnr", "parse_yosys", "parse_yosys_json", "recognise_nextpnr", "recognise_yosys",
           "recognise_yosys_json", "sites", "uncounted_cells"]  # fmt: skip

# Cells → (figure, how many each counts). LUTs of distributed memories and of carry chains count as the LUTs that they
# take (recalled from the vendors' family guides, not checked against them).
CELLS: dict[str, tuple[str, int]] = {
    **{f"LUT{n}": ("lut", 1) for n in range(1, 7)},
    "INV": ("lut", 1),
    "SRL16E": ("lut", 1),
    "SRLC32E": ("lut", 1),
    "RAM32X1D": ("lut", 2),
    "RAM64X1D": ("lut", 2),
    "RAM32M": ("lut", 4),
    "RAM64M": ("lut", 4),
    "RAM32M16": ("lut", 8),
    "RAM64M8": ("lut", 8),
    **dict.fromkeys(("FDRE", "FDSE", "FDCE", "FDPE", "TRELLIS_FF", "DFF", "DFFE", "DFFR", "DFFRE"), ("ff", 1)),
    **dict.fromkeys(("DFFS", "DFFSE", "DFFC", "DFFCE", "DFFP", "DFFPE"), ("ff", 1)),
    **dict.fromkeys(("DSP48E1", "DSP48E2", "MULT18X18D", "MULT18X18", "MULT9X9"), ("dsp", 1)),
    "RAMB18E1": ("bram18", 1),
    "RAMB18E2": ("bram18", 1),
    "RAMB36E1": ("bram18", 2),
    "RAMB36E2": ("bram18", 2),
    "URAM288": ("uram", 1),
    "RAM64X1S": ("lut", 1),
    "RAM128X1S": ("lut", 2),
    "RAM256X1S": ("lut", 4),
    "RAM512X1S": ("lut", 8),
    "RAM128X1D": ("lut", 4),
    "RAM256X1D": ("lut", 8),
    "RAM64X8SW": ("lut", 8),
    "CCU2C": ("lut", 2),
    "TRELLIS_DPR16X4": ("lut", 4),
    **dict.fromkeys(("DP16KD", "PDPW16KD"), ("bram18", 1)),
    "ALU": ("lut", 1),
    **dict.fromkeys(("RAM16SDP1", "RAM16SDP2", "RAM16SDP4", "RAM16S1", "RAM16S2", "RAM16S4"), ("lut", 4)),
    **dict.fromkeys(("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9"), ("bram18", 1)),
    **dict.fromkeys(("MULTALU18X18", "MULTADDALU18X18", "MULTALU36X18"), ("dsp", 1)),
    **{f"MISTRAL_ALUT{n}": ("lut", 1) for n in range(2, 7)},
    **dict.fromkeys(("MISTRAL_ALUT_ARITH", "MISTRAL_NOT", "MISTRAL_MLAB"), ("lut", 1)),
    "MISTRAL_FF": ("ff", 1),
    "MISTRAL_M10K": ("m10k", 1),
}
# Multipliers of which a DSP block holds several (Intel 683694, variable-precision DSP block): sixths that each takes.
SIXTHS = {"MISTRAL_MUL27X27": 6, "MISTRAL_MUL18X18": 3, "MISTRAL_MUL9X9": 2}

# Cells beside LUTs and registers that take neither: carry chains, multiplexers of LUTs, buffers, constants, notes.
FREE = frozenset(
    ("CARRY4", "CARRY8", "MUXF7", "MUXF8", "MUXF9", "PFUMX", "L6MUX21", "GND", "VCC", "VLO", "VHI", "$scopeinfo")
) | {
    *(f"MUX2_LUT{n}" for n in range(5, 9)),
    *("BUFG", "BUFGCTRL", "IBUF", "OBUF", "IOBUF", "TRELLIS_IO"),
}

# nextpnr's names of sites, ECP5 and Gowin.
SITES: dict[str, tuple[str, int]] = {
    "TRELLIS_COMB": ("lut", 1),
    "TRELLIS_FF": ("ff", 1),
    "MULT18X18D": ("dsp", 1),
    "DP16KD": ("bram18", 1),
    "LUT4": ("lut", 1),
    "DFF": ("ff", 1),
    "BSRAM": ("bram18", 1),
    "ALU": ("lut", 1),
    "RAM16SDP4": ("lut", 4),
    "MULT18X18": ("dsp", 1),
}
# Where sites are counted twice, as one or the other: Gowin's ALUs and memories are its LUTs in another mode.
SAME = frozenset({"ALU", "RAM16SDP4"})

VERSION = re.compile(r"Yosys (\d[\w.+-]*)")
MODULE = re.compile(r"^=== (\S.*?) ===$", re.MULTILINE)
# Until 0.5x a name and its count below "Number of cells: 17", since then the count and its name below "17 cells".
CELL = re.compile(r"^\s+(\$?[A-Za-z_][\w$]*)\s+(\d+)\s*$", re.MULTILINE)
COUNTED_CELL = re.compile(r"^\s+(\d+)\s+(?:[\d.e+-]+\s+)?(\$?[A-Za-z_][\w$]*)\s*$", re.MULTILINE)
COUNT = re.compile(r"^\s+\d+ cells\s*$", re.MULTILINE)
NEXTPNR = re.compile(r'"(?:fmax|utilization)"\s*:\s*\{')


def recognise_yosys(head: str) -> bool:
    """Whether the first characters of a file are those of a log of yosys or of its `stat`."""
    return "Yosys Open SYnthesis Suite" in head or ("Printing statistics" in head and MODULE.search(head) is not None)


def recognise_yosys_json(head: str) -> bool:
    """Whether the first characters of a file are those of `stat -json`."""
    return head.lstrip().startswith("{") and '"creator"' in head and "Yosys" in head


def recognise_nextpnr(head: str) -> bool:
    """Whether the first characters of a file are those of nextpnr's report."""
    return head.lstrip().startswith("{") and NEXTPNR.search(head) is not None


def count_cells(cells: Mapping[str, int]) -> dict[str, int]:
    """LUT, FF, DSP, BRAM18 and URAM that technology cells take, and M10K where there are any; other cells take none.

    Raises:
        ReportError: A cell of yosys's own ($add, $_AND_) is left: the netlist is not mapped to a device.
    """
    counts = dict.fromkeys(("lut", "ff", "dsp", "bram18", "uram"), 0)
    for name, amount in cells.items():
        if name.startswith("$") and name not in FREE:
            raise ReportError(f"{amount} cells {name}: the netlist is not mapped to a device")
        if name in CELLS:
            figure, each = CELLS[name]
            counts[figure] = counts.get(figure, 0) + each * amount
    counts["dsp"] += -(-sum(SIXTHS.get(name, 0) * amount for name, amount in cells.items()) // 6)
    return counts


def uncounted_cells(cells: Mapping[str, int]) -> tuple[str, ...]:
    """Cells of a device of which nobody knows what they take."""
    known = (*CELLS, *FREE, *SIXTHS)
    return tuple(sorted(n for n in cells if n not in known and not n.startswith("$")))


def parse_yosys(text: str) -> VendorReport:
    """The last statistics in a log, of the whole hierarchy where it has one.

    Raises:
        ReportError: No statistics, or of an unmapped netlist.
    """
    blocks = MODULE.split(text)
    named = list(zip(blocks[1::2], blocks[2::2], strict=False))
    if not named:
        raise ReportError("no statistics")
    top, block = next(((name, block) for name, block in reversed(named) if name == "design hierarchy"), named[-1])
    cells = {name: int(number(amount) or 0) for name, amount in _cells(block)}
    version = VERSION.search(text)
    return _yosys(version.group(1) if version else None, None if top == "design hierarchy" else top, cells)


def parse_yosys_json(text: str) -> VendorReport:
    """The totals of the design.

    Raises:
        ReportError: Not JSON, no totals, or an unmapped netlist.
    """
    data = _json(text)
    design = data.get("design")
    cells = design.get("num_cells_by_type") if isinstance(design, dict) else None
    if not isinstance(cells, dict) or not all(isinstance(amount, int) for amount in cells.values()):
        raise ReportError("no num_cells_by_type of the design")
    version = VERSION.search(str(data.get("creator", "")))
    return _yosys(version.group(1) if version else None, None, cells)


def parse_nextpnr(text: str) -> VendorReport:
    """Sites in use, and the clock that was reached beside the one asked for; of several clocks, the slowest.

    Raises:
        ReportError: Not JSON, or neither part.
    """
    data = _json(text)
    utilization, fmax = data.get("utilization", {}), data.get("fmax", {})
    if not isinstance(utilization, dict) or not isinstance(fmax, dict) or not (utilization or fmax):
        raise ReportError("neither utilization nor fmax")
    values: dict[str, float | int | None] = {}
    for name, row in utilization.items():
        if name in SITES and isinstance(row, dict) and isinstance(row.get("used"), int):
            figure, each = SITES[name]
            values[figure] = (values.get(figure) or 0) + each * row["used"]
    clocks = [row for row in fmax.values() if isinstance(row, dict) and isinstance(row.get("achieved"), int | float)]
    slowest = min(clocks, key=lambda row: row["achieved"], default=None)
    notes = []
    if slowest is not None and isinstance(constraint := slowest.get("constraint"), int | float) and constraint > 0:
        values["clock_ns"] = float(f"{1e3 / constraint:.4g}")
        if slowest["achieved"] < constraint:
            notes.append(f"timing is not met: {slowest['achieved']:.2f} MHz of {constraint:.2f} MHz")
    return VendorReport(
        tool="nextpnr",
        version=None,
        kind="fit",
        state="Routed",
        values=values,
        more={"fmax_mhz": None if slowest is None else slowest["achieved"]},
        notes=tuple(notes),
    )


def sites(rows: Mapping[str, Mapping[str, int]], column: str) -> dict[str, int]:
    """LUT, FF, DSP and BRAM18 in a column, "used" or "available", of nextpnr's utilization."""
    counts = dict.fromkeys(("lut", "ff", "dsp", "bram18"), 0)
    for name, row in rows.items():
        if name in SITES and not (column == "available" and name in SAME):
            figure, each = SITES[name]
            counts[figure] += each * row[column]
    return counts


def _cells(block: str) -> Iterator[tuple[str, str]]:
    """Names and counts in the list of cells, which ends with an empty line or the list of submodules."""
    old = "Number of cells:" in block
    rest = block.split("Number of cells:")[-1] if old else COUNT.split(block)[-1]
    for line in rest.lstrip("\n").splitlines()[1 if old else 0 :]:
        found = (CELL if old else COUNTED_CELL).match(line)
        if found is None or line.split()[-1] == "submodules":
            return
        yield (found.group(1), found.group(2)) if old else (found.group(2), found.group(1))


def _yosys(version: str | None, top: str | None, cells: Mapping[str, int]) -> VendorReport:
    values: dict[str, float | int | None] = {**count_cells(cells)}
    blocks = values.pop("m10k", None)
    return VendorReport(
        tool="yosys",
        version=version,
        kind="utilization",
        top=top,
        state="Synthesized",
        values=values,
        more={"cells": sum(cells.values()), **({} if blocks is None else {"m10k": blocks})},
    )


def _json(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReportError(f"not JSON: {str(error)[:80]}") from error
    if not isinstance(data, dict):
        raise ReportError("JSON, but not an object")
    return data
