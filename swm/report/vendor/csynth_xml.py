# SPDX-License-Identifier: Apache-2.0
"""`csynth.xml` of Vivado HLS and Vitis HLS, of a whole design or of one function."""

from __future__ import annotations

import io
from typing import Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from swm.report.vendor.values import ReportError, VendorReport, number, over_full

__all__ = ["parse", "recognise"]

# The deepest of 28 real files nests 12 deep.
MAXIMUM_DEPTH = 64

HEADS = ("ReportVersion", "UserAssignments", "PerformanceEstimates", "AreaEstimates")


def recognise(head: str) -> bool:
    """Whether the first characters of a file are those of such a report."""
    return head.lstrip("\ufeff \r\n\t").startswith(("<profile", "<?xml")) and "<profile" in head


def parse(text: str) -> VendorReport:
    """Figures of the top: worst-case latency and interval, the estimate of resources.

    Raises:
        ReportError: Not well-formed, with a DTD or entities, nested too deep, or without the estimates.
    """
    heads = _heads(text)
    user = heads.get("UserAssignments", {})
    performance = heads.get("PerformanceEstimates", {})
    area = heads.get("AreaEstimates", {})
    if not performance and not area:
        raise ReportError("no PerformanceEstimates and no AreaEstimates")
    latency, resources = performance.get("SummaryOfOverallLatency", {}), area.get("Resources", {})
    version = _text(heads.get("ReportVersion", {}), "Version")
    values = {
        **_resources(resources),
        "latency_cycles": _number(latency, "Worst-caseLatency"),
        "interval_cycles": _number(latency, "Interval-max"),
        "clock_ns": _number(user, "TargetClockPeriod"),
    }
    estimated = _number(performance.get("SummaryOfTimingAnalysis", {}), "EstimatedClockPeriod")
    notes = list(over_full(values, _resources(area.get("AvailableResources", {}))))
    target = values["clock_ns"]
    if estimated is not None and target is not None and estimated > target:
        notes.append(f"estimated clock {estimated} ns is slower than the target of {target} ns")
    return VendorReport(
        tool=hls_tool(version),
        version=version,
        kind="csynth",
        top=_text(user, "TopModelName"),
        part=_text(user, "Part"),
        state="HLS estimate",
        values=values,
        more={
            "estimated_clock_ns": estimated,
            "latency_cycles_best": _number(latency, "Best-caseLatency"),
            "interval_cycles_best": _number(latency, "Interval-min"),
        },
        notes=tuple(notes),
    )


def hls_tool(version: str | None) -> str:
    """Vivado HLS became Vitis HLS with 2020.2."""
    return "Vivado HLS" if version is not None and version[:6] < "2020.2" else "Vitis HLS"


def _resources(node: dict[str, Any]) -> dict[str, float | int | None]:
    # "DSP48E" up to 2020.1, "DSP" since.
    return {
        "lut": _number(node, "LUT"),
        "ff": _number(node, "FF"),
        "dsp": _number(node, "DSP") if "DSP" in node else _number(node, "DSP48E"),
        "bram18": _number(node, "BRAM_18K"),
        "uram": _number(node, "URAM"),
    }


def _text(node: dict[str, Any], name: str) -> str | None:
    value = node.get(name)
    return value if isinstance(value, str) else None


def _number(node: dict[str, Any], name: str) -> float | int | None:
    value = _text(node, name)
    return None if value is None else number(value)


def _heads(text: str) -> dict[str, dict[str, Any]]:
    # Only the heads are kept: the tree of modules below them makes the file of a large design tens of megabytes.
    heads: dict[str, dict[str, Any]] = {}
    depth = 0
    try:
        for event, element in iterparse(io.BytesIO(text.encode()), events=("start", "end"), forbid_dtd=True):
            if event == "start":
                depth += 1
                if depth > MAXIMUM_DEPTH:
                    raise ReportError(f"elements nested more than {MAXIMUM_DEPTH} deep")
                continue
            depth -= 1
            if depth == 1:
                if element.tag in HEADS and element.tag not in heads:
                    heads[element.tag] = _tree(element)
                element.clear()
    except ParseError as error:
        raise ReportError(f"not well-formed XML: {error}") from error
    except DefusedXmlException as error:
        raise ReportError("XML with a document type or entities") from error
    return heads


def _tree(element: Any) -> dict[str, Any]:
    return {child.tag: _tree(child) if len(child) else (child.text or "").strip() for child in element}
