# SPDX-License-Identifier: Apache-2.0
"""`csynth.rpt`: the text beside `csynth.xml`. Vitis writes one of its own form for the whole design."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from swm.report.vendor.csynth_xml import hls_tool
from swm.report.vendor.tables import cells, field_of, rows, section
from swm.report.vendor.values import ReportError, VendorReport, number, over_full

__all__ = ["parse", "parse_summary", "recognise", "recognise_summary"]

FUNCTION = re.compile(r"== (?:Vivado|Vitis) HLS Report for '([^']*)'")
SUMMARY = re.compile(r"== Synthesis Summary Report of '([^']*)'")

COLUMNS = {"BRAM_18K": "bram18", "DSP48E": "dsp", "DSP": "dsp", "FF": "ff", "LUT": "lut", "URAM": "uram"}
SUMMARY_COLUMNS = {"LUT": "lut", "FF": "ff", "DSP": "dsp", "BRAM": "bram18", "URAM": "uram"}


def recognise(head: str) -> bool:
    """Whether the first characters of a file are those of the report of one function."""
    return FUNCTION.search(head) is not None


def recognise_summary(head: str) -> bool:
    """Whether the first characters of a file are those of Vitis's report of the whole design."""
    return SUMMARY.search(head) is not None


def parse(text: str) -> VendorReport:
    """Figures of one function: the larger ends of latency and interval, the totals of resources.

    Raises:
        ReportError: The summary tables are not there.
    """
    lines = text.splitlines()
    found = FUNCTION.search(text)
    header, total, available = _totals(section(lines, "Utilization Estimates"))
    used = {COLUMNS[name]: number(cell) for name, cell in zip(header, total, strict=False) if name in COLUMNS}
    has = {COLUMNS[name]: number(cell) for name, cell in zip(header, available, strict=False) if name in COLUMNS}
    target, estimated = _clock(lines)
    latency_best, latency, interval_best, interval = _cycles(lines)
    notes = list(over_full(used, has))
    if target is not None and estimated is not None and estimated > target:
        notes.append(f"estimated clock {estimated} ns is slower than the target of {target} ns")
    version = _version(lines)
    return VendorReport(
        tool=hls_tool(version),
        version=version,
        kind="csynth",
        top=found.group(1) if found else None,
        part=field_of(lines, "Target device"),
        state="HLS estimate",
        values={**used, "latency_cycles": latency, "interval_cycles": interval, "clock_ns": target},
        more={
            "estimated_clock_ns": estimated,
            "latency_cycles_best": latency_best,
            "interval_cycles_best": interval_best,
        },
        notes=tuple(notes),
    )


def parse_summary(text: str) -> VendorReport:
    """Figures of the first row, which is the top. "-" stands for none there: in BRAM and URAM that is 0.

    Raises:
        ReportError: The table of modules is not there.
    """
    lines = text.splitlines()
    found = SUMMARY.search(text)
    for _, body in rows(lines, "Modules"):
        if len(body) < 2:
            break
        # The header takes two lines; some cells of the first span columns, the second names every one.
        row = dict(zip(body[0], body[1], strict=False))
        used = {figure: number(row.get(name, "")) or 0 for name, figure in SUMMARY_COLUMNS.items()}
        slack = number(row.get("Slack", ""))
        notes = [f"{name}: {share} % of the device" for name, share in _shares(row) if share > 100]
        if slack is not None and slack < 0:
            notes.append(f"slack {slack} ns")
        latency, nanoseconds = number(row.get("(cycles)", "")), number(row.get("(ns)", ""))
        version = _version(lines)
        return VendorReport(
            tool=hls_tool(version),
            version=version,
            kind="csynth",
            top=found.group(1) if found else None,
            part=field_of(lines, "Target device"),
            state="HLS estimate",
            values={
                **used,
                "latency_cycles": latency,
                "interval_cycles": number(row.get("Interval", "")),
                # The file does not state its clock; it does give one latency in both units.
                "clock_ns": float(f"{nanoseconds / latency:.4g}") if latency and nanoseconds else None,
            },
            more={"slack_ns": slack},
            notes=tuple(notes),
        )
    raise ReportError("no table of modules and loops")


def _shares(row: dict[str, str]) -> Iterator[tuple[str, float | int]]:
    for name in SUMMARY_COLUMNS:
        share = number(row.get(name, "").partition("(")[2].lstrip("~"))
        if share is not None:
            yield name, share


def _version(lines: Sequence[str]) -> str | None:
    version = field_of(lines, "Version")
    return version.split()[0] if version else None


def _totals(lines: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    for header, body in rows(lines, "Name"):
        named = {row[0]: row for row in body}
        if "Total" in named:
            return header, named["Total"], named.get("Available", [])
    raise ReportError("no table of utilization")


def _clock(lines: Sequence[str]) -> tuple[float | int | None, float | int | None]:
    for _, body in rows(lines, "Clock"):
        for row in body:
            if len(row) >= 3:
                return number(row[1]), number(row[2])
    return None, None


def _cycles(lines: Sequence[str]) -> tuple[float | int | None, ...]:
    # The header takes two lines and its first spans columns, so the row is read from both ends: latency first, and
    # interval before the last cell, the type of pipeline.
    for position, line in enumerate(lines):
        header = cells(line)
        if header and header[0].startswith("Latency") and position + 3 < len(lines):
            row = cells(lines[position + 3])
            if row is not None and len(row) >= 5:
                return number(row[0]), number(row[1]), number(row[-3]), number(row[-2])
    return None, None, None, None
