# SPDX-License-Identifier: Apache-2.0
"""What C/RTL co-simulation measured: `<top>_cosim.rpt`, `lat.rpt`, `result.transaction.rpt`."""

from __future__ import annotations

import re

from swm.report.vendor.tables import cells
from swm.report.vendor.values import ReportError, VendorReport, number

__all__ = [
    "parse",
    "parse_transactions",
    "parse_variables",
    "recognise",
    "recognise_transactions",
    "recognise_variables",
]

VARIABLE = re.compile(r'^\$(\w+) = "([^"]*)"', re.MULTILINE)
TRANSACTION = re.compile(r"^transaction\s+\d+:\s+(\S+)\s+(\S+)", re.MULTILINE)


def recognise(head: str) -> bool:
    """Whether the first characters of a file are those of a co-simulation report."""
    return "Simulation tool" in head and "RTL" in head and "Latency" in head


def recognise_variables(head: str) -> bool:
    """Whether the first characters of a file are those of `lat.rpt`."""
    return head.lstrip().startswith("$MAX_LATENCY")


def recognise_transactions(head: str) -> bool:
    """Whether the first characters of a file are those of `result.transaction.rpt`."""
    return head.split()[:2] == ["latency", "interval"]


def parse(text: str) -> VendorReport:
    """The language that passed: its largest latency and interval ("NA" where one transaction was run).

    Raises:
        ReportError: No language passed.
    """
    failed = []
    for line in text.splitlines():
        row = cells(line)
        if row is None or len(row) < 8 or row[0] not in ("VHDL", "Verilog", "SystemC", "cosim"):
            continue
        if row[1].lower() == "pass":
            return _report(number(row[4]), number(row[7]), more={"latency_cycles_best": number(row[2]), "rtl": row[0]})
        if row[1] != "NA":
            failed.append(f"{row[0]} {row[1]}")
    raise ReportError(f"co-simulation did not pass ({', '.join(failed)})" if failed else "no row of results")


def parse_variables(text: str) -> VendorReport:
    """The same figures as shell-like assignments; an interval of 0 says that one transaction was run."""
    named = dict(VARIABLE.findall(text))
    return _report(number(named.get("MAX_LATENCY", "")), number(named.get("MAX_THROUGHPUT", "")) or None)


def parse_transactions(text: str) -> VendorReport:
    """One line a transaction: the largest latency, and the largest interval but for the 0 of the last.

    Raises:
        ReportError: No transaction.
    """
    found = [(number(latency), number(interval)) for latency, interval in TRANSACTION.findall(text)]
    latencies = [latency for latency, _ in found if latency is not None]
    if not latencies:
        raise ReportError("no transaction")
    return _report(
        max(latencies), max((interval for _, interval in found if interval), default=None), {"transactions": len(found)}
    )


def _report(
    latency: float | int | None, interval: float | int | None, more: dict[str, float | int | str | None] | None = None
) -> VendorReport:
    return VendorReport(
        tool="Vitis HLS co-simulation",
        version=None,
        kind="cosim",
        state="RTL simulation",
        values={"latency_cycles": latency, "interval_cycles": interval},
        more=more or {},
        notes=() if interval is not None else ("one transaction: no interval",),
    )
