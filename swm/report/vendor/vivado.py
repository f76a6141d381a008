# SPDX-License-Identifier: Apache-2.0
"""Vivado's `report_utilization` (flat and by hierarchy), `report_timing_summary` and `report_power`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from swm.report.vendor.tables import cells, field_of, rows, section
from swm.report.vendor.values import ReportError, VendorReport, number, over_full

__all__ = ["parse_power", "parse_timing", "parse_utilization", "recognise_power", "recognise_timing",
           "recognise_utilization"]  # fmt: skip

VERSION = re.compile(r"Vivado v\.(\S+)")

# Site types → figure. 7-series say "Slice", UltraScale and later "CLB"; reports of synthesis add an asterisk.
SITES = {
    "Slice LUTs": "lut",
    "CLB LUTs": "lut",
    "Slice Registers": "ff",
    "CLB Registers": "ff",
    "DSPs": "dsp",
    "DSP Slices": "dsp",
    "URAM": "uram",
}

HIERARCHY = {"Total LUTs": "lut", "FFs": "ff", "URAM": "uram", "DSP Blocks": "dsp", "DSP48 Blocks": "dsp"}


def recognise_utilization(head: str) -> bool:
    """Whether the first characters of a file are those of a utilization report."""
    return re.search(r"^Utilization Design Information\s*$", head, re.MULTILINE) is not None


def recognise_timing(head: str) -> bool:
    """Whether the first characters of a file are those of a timing summary."""
    return re.search(r"^Timing Summary Report\s*$", head, re.MULTILINE) is not None


def recognise_power(head: str) -> bool:
    """Whether the first characters of a file are those of a power report."""
    return re.search(r"^Power Report\s*$", head, re.MULTILINE) is not None


def parse_utilization(text: str) -> VendorReport:
    """Sites in use. A block RAM tile is 36 Kb and may be half used: it counts as two blocks of 18 Kb.

    Raises:
        ReportError: Neither a table of sites nor one of instances.
    """
    lines = text.splitlines()
    values, more, available = _flat(lines)
    if not values:
        values = _hierarchy(lines)
    if not values:
        raise ReportError("no table of sites, no table of instances")
    notes = list(over_full(values, available))
    if not any(values.values()):
        notes.append("every figure is 0: a wrapper whose parts were synthesized out of context has them elsewhere")
    return _report(lines, "utilization", values, more, notes)


def parse_timing(text: str) -> VendorReport:
    """Worst negative slack, and the period of the clock; of several clocks, the shortest.

    Raises:
        ReportError: No design timing summary.
    """
    lines = text.splitlines()
    slack = _first_row(section(lines, "Design Timing Summary"))
    if slack is None:
        raise ReportError("no design timing summary")
    clocks = {name: number(period) for name, period in _clocks(section(lines, "Clock Summary"))}
    periods = [period for period in clocks.values() if period]
    wns, failing = number(slack[0]), number(slack[2]) if len(slack) > 2 else None
    notes = []
    if wns is not None and wns < 0:
        notes.append(f"timing is not met: slack {wns} ns, {failing} endpoints fail")
    if len(periods) > 1:
        notes.append(f"{len(periods)} clocks: {', '.join(f'{name} {period} ns' for name, period in clocks.items())}")
    return _report(
        lines,
        "timing",
        {"clock_ns": min(periods, default=None)},
        {"wns_ns": wns, "failing_endpoints": failing, "whs_ns": number(slack[4]) if len(slack) > 4 else None},
        notes,
    )


def parse_power(text: str) -> VendorReport:
    """Total, dynamic and static power on the chip in watts, with the tool's own confidence in them.

    Raises:
        ReportError: No total.
    """
    lines = text.splitlines()
    named = {row[0]: row[1] for row in map(cells, lines) if row is not None and len(row) == 2}
    if "Total On-Chip Power (W)" not in named:
        raise ReportError("no total on-chip power")
    confidence = named.get("Confidence Level") or None
    total = number(named["Total On-Chip Power (W)"])
    notes = [f"confidence: {confidence}"] if confidence else []
    if total is not None and total > MOST_WATTS:
        notes.append(f"{total} W: no such device; its clocks are probably unconstrained")
    return _report(
        lines,
        "power",
        {
            "power_w": total,
            "dynamic_w": number(named.get("Dynamic (W)", "")),
            "static_w": number(named.get("Device Static (W)", "")),
        },
        {
            "junction_c": number(named.get("Junction Temperature (C)", "")),
            "confidence": confidence,
            "logic_w": _logic(lines),
            "clock_ns": _constraint(lines),
        },
        notes,
    )


LOGIC = frozenset({"Clocks", "CLB Logic", "Slice Logic", "Signals", "Block RAM", "URAM", "DSPs"})


def _logic(lines: Sequence[str]) -> float | None:
    """Dynamic watts of the logic: no I/O, clock managers, transceivers or processor. None without that table."""
    for header, body in rows(lines, "On-Chip"):
        if "Power (W)" in header:
            place = header.index("Power (W)")
            return float(sum(number(row[place]) or 0.0 for row in body if row[0] in LOGIC and len(row) > place))
    return None


def _constraint(lines: Sequence[str]) -> float | None:
    """The period of the clock that power was estimated at; None where there is none, or several."""
    periods = {
        number(row[2]) for header, body in rows(lines, "Clock") for row in body if header[2:3] == ["Constraint (ns)"]
    } - {None}
    return float(periods.pop() or 0.0) or None if len(periods) == 1 else None


# Of 61 published reports one says more, 206 W, of a design whose clocks were not constrained; the next says 7.8 W.
MOST_WATTS = 200


def _report(
    lines: Sequence[str],
    kind: str,
    values: dict[str, float | int | None],
    more: dict[str, float | int | str | None],
    notes: Sequence[str],
) -> VendorReport:
    version = VERSION.search(field_of(lines, "Tool Version") or "")
    return VendorReport(
        tool="Vivado",
        version=version.group(1) if version else None,
        kind=kind,
        top=field_of(lines, "Design"),
        part=field_of(lines, "Device"),
        state=field_of(lines, "Design State"),
        values=values,
        more=more,
        notes=tuple(notes),
    )


def _flat(
    lines: Sequence[str],
) -> tuple[dict[str, float | int | None], dict[str, float | int | str | None], dict[str, float | int | None]]:
    # Columns come and go between releases ("Prohibited"), so each is found by its name. The first row of a name
    # counts: tables further down repeat some, split by region.
    used: dict[str, float | int | None] = {}
    available: dict[str, float | int | None] = {}
    more: dict[str, float | int | str | None] = {}
    for header, body in rows(lines, "Site Type"):
        if "Used" not in header:
            continue
        column, limit = header.index("Used"), header.index("Available") if "Available" in header else None
        for row in body:
            if len(row) != len(header):
                continue
            name, amount = row[0].rstrip("*").strip(), number(row[column])
            most = None if limit is None else number(row[limit])
            if name == "Block RAM Tile" and "bram18" not in used:
                used["bram18"] = None if amount is None else round(2 * amount)
                available["bram18"] = None if most is None else round(2 * most)
            elif name == "LUT as Memory":
                more.setdefault("lut_as_memory", amount)
            elif name in SITES:
                used.setdefault(SITES[name], amount)
                available.setdefault(SITES[name], most)
    return used, more, available


def _hierarchy(lines: Sequence[str]) -> dict[str, float | int | None]:
    for header, body in rows(lines, "Instance"):
        if "Total LUTs" not in header or not body:
            continue
        top = dict(zip(header, body[0], strict=False))
        values = {figure: number(top[name]) for name, figure in HIERARCHY.items() if name in top}
        # These are blocks, of 36 and of 18 Kb, not tiles.
        values["bram18"] = 2 * (number(top.get("RAMB36", "")) or 0) + (number(top.get("RAMB18", "")) or 0)
        return values
    return {}


def _first_row(lines: Sequence[str]) -> list[str] | None:
    """The columns below the first line of dashes that underlines names."""
    for position, line in enumerate(lines[:20]):
        if re.fullmatch(r"\s*-+(?:\s+-+)+\s*", line) and position + 1 < len(lines):
            return lines[position + 1].split() or None
    return None


def _clocks(lines: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for line in lines[3:]:
        match = re.match(r"\s*(\S+)\s+\{[^}]*\}\s+(\S+)\s+\S+\s*$", line)
        if match:
            found.append((match.group(1), match.group(2)))
        elif line.startswith("----") and found:
            break
    return found
