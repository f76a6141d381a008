# SPDX-License-Identifier: Apache-2.0
"""The rules of what operators and memories cost, against the operators in other people's csynth reports.

`<function>_csynth.rpt` lists every adder, multiplexer, multiplier, memory and FIFO of a function with its widths and
what HLS took for it. Each distinct one counts once. swm's rules are for routed designs; `hls_level` says what they
expect in a csynth report, and that is compared, for the storage that the tool chose: swm's own designs ask for theirs.
"""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from swm.device import DspPorts, hls_level
from swm.device.memories import Storage, fifo, memory
from swm.device.primitives import Cost, adder, multiplexer, multiplier
from swm.errors import OptionError
from swm.report.vendor.csynth_rpt import recognise
from swm.report.vendor.tables import rows

__all__ = ["Operator", "operators", "operators_of_reports", "percentile", "report_errors", "resource_errors"]

MAXIMUM_BYTES = 64 << 20
COLUMNS = {"BRAM_18K": "bram18", "DSP48E": "dsp", "DSP": "dsp", "FF": "ff", "LUT": "lut"}
MULTIPLIER = re.compile(r"_mul_(\d+)(?:s|ns)?_(\d+)(?:s|ns)?_\d+")
PORTS = {True: DspPorts(wide=25, narrow=18, kind="published", source="DSP48E1"),
         False: DspPorts(wide=27, narrow=18, kind="published", source="DSP48E2")}  # fmt: skip

Operator = tuple[str, tuple[int, ...], Mapping[str, int], Cost]
"""What it is, its sizes, what the report says of it, and what swm's rule does."""


def operators_of_reports(folder: str | Path) -> list[list[Operator]]:
    """The operators of every csynth report below a folder, a list for each report that has any.

    Raises:
        OptionError: There is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise OptionError(f"{str(folder)!r} is not a folder of reports")
    found = []
    for path in sorted(root.rglob("*.rpt")):
        if path.is_symlink() or path.stat().st_size > MAXIMUM_BYTES:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if not recognise(text[:8192]):
            continue
        seven = (
            re.search(r"Target device:\s*xc7|Product family:\s*\w*(?:zynq|artix|kintex7|virtex7)\s", text) is not None
        )
        if report := list(_of_report(text.splitlines(), PORTS[seven])):
            found.append(report)
    return found


def operators(reports: Iterable[Iterable[Operator]]) -> list[Operator]:
    """Every distinct operator of reports."""
    found: dict[tuple[Any, ...], Operator] = {}
    for one in (one for report in reports for one in report):
        found.setdefault((one[0], one[1], tuple(sorted(one[2].items()))), one)
    return list(found.values())


def _of_report(lines: Sequence[str], ports: DspPorts) -> Iterator[Operator]:
    for first, read in _TABLES.items():
        for header, body in rows(lines, first):
            for row in body:
                if len(row) == len(header) and not row[0].startswith(("Total", "Available", "Utilization")):
                    line = dict(zip(header, row, strict=True))
                    yield from read(line, ports)


def _reported(line: Mapping[str, str]) -> dict[str, int]:
    return {COLUMNS[name]: int(cell) for name, cell in line.items() if name in COLUMNS and cell.isdecimal()}


def _sizes(line: Mapping[str, str], *names: str) -> tuple[int, ...] | None:
    cells = [line.get(name, "") for name in names]
    return tuple(map(int, cells)) if all(cell.isdecimal() and int(cell) for cell in cells) else None


def _expression(line: Mapping[str, str], ports: DspPorts) -> Iterator[Operator]:
    sizes = _sizes(line, "Bitwidth P0", "Bitwidth P1")
    if sizes and line.get("Operation") in ("+", "-"):
        yield "adder", (max(sizes),), _reported(line), adder(max(sizes), registered=False)
    elif sizes and line.get("Operation") == "*":
        fabric = _reported(line).get("dsp", 0) == 0
        yield "multiplier", sizes, _reported(line), multiplier(sizes[0], sizes[1], ports, fabric=fabric)


def _instance(line: Mapping[str, str], ports: DspPorts) -> Iterator[Operator]:
    named = MULTIPLIER.search("_" + line.get("Module", ""))
    if named:
        sizes = int(named.group(1)), int(named.group(2))
        fabric = _reported(line).get("dsp", 0) == 0
        yield "multiplier", sizes, _reported(line), multiplier(sizes[0], sizes[1], ports, fabric=fabric)


def _memory(line: Mapping[str, str], _: DspPorts) -> Iterator[Operator]:
    sizes = _sizes(line, "Words", "Bits", "Banks")
    if sizes:
        words, bits, banks = sizes
        yield "memory", sizes, _reported(line), memory(words, bits, banks=banks, kind=_storage(line))


def _storage(line: Mapping[str, str]) -> Storage:
    return "bram" if _reported(line).get("bram18") else "lutram"


def _named(line: Mapping[str, str], _: DspPorts) -> Iterator[Operator]:
    if sizes := _sizes(line, "Depth", "Bits"):
        yield "FIFO", sizes, _reported(line), fifo(*sizes, kind=_storage(line))
    elif sizes := _sizes(line, "Input Size", "Bits"):
        yield "multiplexer", sizes, _reported(line), multiplexer(*sizes)


_TABLES: dict[str, Callable[[Mapping[str, str], DspPorts], Iterator[Operator]]] = {
    "Variable Name": _expression,
    "Instance": _instance,
    "Memory": _memory,
    "Name": _named,
}


def resource_errors(found: Sequence[Operator]) -> list[dict[str, Any]]:
    """For each kind of operator and resource: how many there are, sums, and the median and 90th percentile of errors.

    An error is the difference over what was reported. Where nothing was reported and something is modelled, operators
    are counted as `unreported`, without an error; where both are nothing, they are left out.
    """
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    unreported: dict[tuple[str, str], int] = defaultdict(int)
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for kind, _, reported, cost in found:
        modelled = hls_level(cost)
        for name, value in reported.items():
            ours = getattr(modelled, name)
            if value:
                errors[kind, name].append((ours - value) / value)
            elif ours:
                unreported[kind, name] += 1
            if value or ours:
                sums[kind, name] = [sums[kind, name][0] + value, sums[kind, name][1] + ours]
    return [
        {
            "operator": kind,
            "resource": name,
            "count": len(values),
            "unreported": unreported[kind, name],
            "reported": sums[kind, name][0],
            "modelled": sums[kind, name][1],
            "median_error": statistics.median(abs(v) for v in values) if values else None,
            "bias": statistics.median(values) if values else None,
            "error_90": sorted(abs(v) for v in values)[int(0.9 * (len(values) - 1))] if values else None,
        }
        for (kind, name), values in ((key, errors[key]) for key in sorted(sums))
    ]


def report_errors(reports: Iterable[Iterable[Operator]]) -> list[dict[str, Any]]:
    """The operators of each report together: by resource, how far their modelled sum is from the reported one.

    Sums, as in a design errors of single operators cancel in part. `low` and `high` are the tenth and the ninetieth
    percentile of reported over modelled. Reports of nothing of a resource are left out.
    """
    ratios: dict[str, list[float]] = defaultdict(list)
    for report in reports:
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for _, _, reported, cost in report:
            modelled = hls_level(cost)
            for name, value in reported.items():
                sums[name] = [sums[name][0] + value, sums[name][1] + getattr(modelled, name)]
        for name, (value, ours) in sums.items():
            if value:
                ratios[name].append(ours / value)
    return [
        {
            "resource": name,
            "reports": len(found),
            "median_error": statistics.median(abs(r - 1) for r in found),
            "low": 1 / percentile(found, 0.9),
            "high": 1 / least if (least := percentile(found, 0.1)) else None,
        }
        for name, found in sorted(ratios.items())
    ]


def percentile(values: Iterable[float], part: float) -> float:
    """The value that this part of the others lies below: no interpolation, as rows are few."""
    ordered = sorted(values)
    return ordered[round(part * (len(ordered) - 1))]
