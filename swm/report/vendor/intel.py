# SPDX-License-Identifier: Apache-2.0
"""Quartus's flow, fitter, timing and power reports, and the lines of JSON of oneAPI.

An ALM is not a LUT, and an M20K is not a block RAM of 18 Kb: such counts stand under names of their own.
"""

from __future__ import annotations

import json
import re
from typing import Any

from swm.report.vendor.tables import cells, field_of
from swm.report.vendor.values import ReportError, VendorReport, number

__all__ = ["parse", "parse_oneapi", "parse_timing", "recognise", "recognise_oneapi", "recognise_timing"]

TITLE = re.compile(r"^(Flow|Fitter|Power Analyzer|PowerPlay Power Analyzer) report for (\S+)", re.MULTILINE)
VERSION = re.compile(r"^Quartus (?:Prime|II) (?:64-Bit )?Version (\S+)", re.MULTILINE)
ALUTS = "Combinational ALUT usage for logic"  # in the fitter's own table, of three columns
KINDS = {"Flow": "fit", "Fitter": "fit", "Power Analyzer": "power", "PowerPlay Power Analyzer": "power"}

TIMING = re.compile(r"^(?:TimeQuest )?Timing Analyzer Summary$", re.MULTILINE)
SLACK = re.compile(r"^Type\s*:[^\n]*\b(Setup|Hold)\b[^\n]*\nSlack\s*:\s*(-?\d[\d.]*)\s*$", re.MULTILINE)
WATTS = {"mW": 1e-3, "W": 1.0, "uW": 1e-6}

# The rows of the power summary: their names, less the words that came and went between releases.
POWER = {"Total Power Dissipation": "power_w", "Core Dynamic Power Dissipation": "dynamic_w"}
STATIC = ("Core Static Power Dissipation", "Device Static Power Dissipation", "Total Static Power Dissipation")


def recognise(head: str) -> bool:
    """Whether the first characters of a file are those of a Quartus report that is read here."""
    return TITLE.search(head) is not None


def recognise_timing(head: str) -> bool:
    """Whether the first characters of a file are those of the timing analyzer's summary (`.sta.summary`)."""
    return TIMING.search(head) is not None


def parse_timing(text: str) -> VendorReport:
    """The worst slack of setup and of hold, of all clocks and corners.

    Raises:
        ReportError: There is none of setup.
    """
    slacks: dict[str, list[float]] = {"Setup": [], "Hold": []}
    for kind, amount in SLACK.findall(text):
        slacks[kind].append(float(number(amount) or 0))
    if not slacks["Setup"]:
        raise ReportError("no slack of setup")
    worst = min(slacks["Setup"])
    return VendorReport(
        tool="Quartus Prime",
        version=None,
        kind="timing",
        state="Fitted",
        values={},
        more={"wns_ns": worst, "whs_ns": min(slacks["Hold"], default=None)},
        notes=(f"timing is not met: slack {worst:g} ns",) if worst < 0 else (),
    )


def recognise_oneapi(head: str) -> bool:
    """Whether the first characters of a file are those of oneAPI's resource reports."""
    return head.startswith('{"quartusFit') or (head.startswith('{"name":') and '"summary_type"' in head)


def parse(text: str) -> VendorReport:
    """Resources of a flow or fitter report, watts of a power report.

    Raises:
        ReportError: The summary has none of them, or the flow failed.
    """
    lines = text.splitlines()
    found = TITLE.search(text)
    version = VERSION.search(text)
    kind = KINDS[found.group(1)] if found else "fit"
    tables = [row for line in lines if (row := cells(line, ";")) is not None]
    rows = {row[0]: row[1] for row in tables if len(row) == 2}
    rows |= {row[0]: row[1] for row in tables if len(row) == 3 and row[0] == ALUTS}
    status = next((rows[name] for name in ("Flow Status", "Fitter Status", "Power Analyzer Status",
                                           "PowerPlay Power Analyzer Status") if name in rows), "")  # fmt: skip
    if status and not status.startswith("Successful"):
        raise ReportError(f"the run did not succeed: {status}")
    values, more = _power(rows) if kind == "power" else _fit(rows)
    return VendorReport(
        tool="Quartus Prime",
        version=version.group(1) if version else None,
        kind=kind,
        top=field_of(lines, "Top-level Entity Name"),
        part=field_of(lines, "Device"),
        state="Power estimate" if kind == "power" else "Fitted",
        values=values,
        more=more,
        notes=("ALMs and RAM blocks are not LUTs and blocks of 18 Kb",) if kind == "fit" else (),
    )


def parse_oneapi(text: str) -> VendorReport:
    """Totals of the fitter (`quartus.ndjson`) or of the compiler's estimate (`summary.ndjson`).

    Raises:
        ReportError: A line is not JSON, or there are no totals.
    """
    objects = [_json(line) for line in text.splitlines() if line.strip()]
    for item in objects:
        usage = item.get("quartusFitResourceUsageSummary")
        if isinstance(usage, dict):
            return _oneapi_fit(item, usage)
    columns: list[str] = []
    for item in objects:
        if item.get("summary_type") == "estimatedResources":
            columns = [str(name).strip() for name in item.get("columns", [])[1:]]
        elif item.get("parent") == "estimatedResources" and item.get("name") == "Total" and columns:
            named = dict(zip(columns, item.get("data", []), strict=False))
            return VendorReport(
                tool="oneAPI",
                version=None,
                kind="csynth",
                state="HLS estimate",
                values={"ff": _count(named.get("FFs")), "dsp": _count(named.get("DSPs"))},
                more={
                    "alut": _count(named.get("ALUTs")),
                    "ram_blocks": _count(named.get("RAMs")),
                    "mlab": _count(named.get("MLABs")),
                },
                notes=("ALUTs and RAM blocks are not LUTs and blocks of 18 Kb",),
            )
    raise ReportError("no totals of resources")


def _oneapi_fit(item: dict[str, Any], usage: dict[str, Any]) -> VendorReport:
    total = _first_node(usage)
    clock = _first_node(item.get("quartusFitClockSummary"))
    fmax = _count(clock.get("clock fmax"))
    return VendorReport(
        tool="oneAPI",
        version=None,
        kind="fit",
        state="Fitted",
        values={"ff": _count(total.get("reg")), "dsp": _count(total.get("dsp"))},
        more={
            "alm": _count(total.get("alm")),
            "alut": _count(total.get("alut")),
            "ram_blocks": _count(total.get("ram")),
            "mlab": _count(total.get("mlab")),
            "fmax_mhz": fmax,
        },
        notes=("ALMs and RAM blocks are not LUTs and blocks of 18 Kb",),
    )


def _first_node(holder: Any) -> dict[str, Any]:
    nodes = holder.get("nodes") if isinstance(holder, dict) else None
    return nodes[0] if isinstance(nodes, list) and nodes and isinstance(nodes[0], dict) else {}


def _count(value: Any) -> float | int | None:
    return number(str(value)) if isinstance(value, int | float | str) else None


def _json(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ReportError(f"not JSON: {str(error)[:80]}") from error
    return value if isinstance(value, dict) else {}


def _fit(rows: dict[str, str]) -> tuple[dict[str, float | int | None], dict[str, float | int | str | None]]:
    def row(*names: str) -> float | int | None:
        return next((number(rows[name]) for name in names if name in rows), None)

    return (
        {"ff": row("Total dedicated logic registers", "Total registers"), "dsp": row("Total DSP Blocks")},
        {
            "alm": row("Logic utilization (in ALMs)"),
            **({"alut": row(ALUTS)} if ALUTS in rows else {}),
            "ram_blocks": row("Total RAM Blocks"),
            "memory_bits": row("Total block memory bits"),
        },
    )


def _power(rows: dict[str, str]) -> tuple[dict[str, float | int | None], dict[str, float | int | str | None]]:
    plain = {" ".join(name.replace("Thermal ", "").split()): value for name, value in rows.items()}
    values: dict[str, float | int | None] = {figure: _watts(plain.get(name)) for name, figure in POWER.items()}
    values["static_w"] = next((_watts(plain[name]) for name in STATIC if name in plain), None)
    if values["power_w"] is None:
        raise ReportError("no total power dissipation")
    return values, {
        "io_w": _watts(plain.get("I/O Power Dissipation")),
        "confidence": plain.get("Power Estimation Confidence"),
    }


def _watts(cell: str | None) -> float | None:
    if cell is None:
        return None
    parts = cell.split()
    amount = number(parts[0]) if parts else None
    if amount is None or len(parts) < 2 or parts[1] not in WATTS:
        return None
    return round(amount * WATTS[parts[1]], 9)
