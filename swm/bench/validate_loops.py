# SPDX-License-Identifier: Apache-2.0
"""The cycles of pipelined loops, against those of other people's csynth reports.

A process of swm's is one pipelined loop: the C++ back ends take it to start an iteration each cycle (II = 1) and to end
a pipeline's fill after the last. Each pipelined loop of a csynth.xml says how many iterations it has, at which II it
starts them and what it takes in all. None of these loops is swm's: they show what HLS made of loops that others wrote.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from swm.accelerator.simulation import pipeline_fill
from swm.bench.published import systems
from swm.bench.validate_resources import MAXIMUM_BYTES, percentile
from swm.report.vendor.csynth_xml import recognise
from swm.report.vendor.values import number

__all__ = ["Loop", "loop_errors", "loops_of_reports", "published_schedule"]

_CLSTM_MHZ = 200.0
_OF_CLSTM = ("C-LSTM, block 8 (Wang 2018)", "E-RNN, LSTM, block 8 (Li 2019)")
_LOOPS, _PARTS = "SummaryOfLoopLatency", ("TripCount", "Latency", "PipelineII")


@dataclass(frozen=True)
class Loop:
    """A pipelined loop as a report has it.

    Attributes:
        project: folder of the report below the one that was given.
        name: of the loop.
        iterations: trip count.
        cycles: latency of all iterations.
        ii: cycles from the start of an iteration to the next.
        clock_mhz: that was asked for.
    """

    project: str
    name: str
    iterations: int
    cycles: int
    ii: int
    clock_mhz: float

    @property
    def modelled(self) -> int:
        """Cycles as the C++ back ends count them: an iteration each cycle, and the pipeline's fill."""
        return self.iterations + pipeline_fill(self.clock_mhz)


def loops_of_reports(folder: str | Path) -> list[Loop]:
    """Every distinct pipelined loop with known counts in the csynth.xml files below a folder."""
    root, found = Path(folder), dict[Loop, None]()
    for path in sorted(root.rglob("*.xml")):
        if path.is_symlink() or path.stat().st_size > MAXIMUM_BYTES:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if recognise(text[:8192]):
            found.update(dict.fromkeys(_of_report(path.relative_to(root).parts[0], text)))
    return list(found)


def _of_report(project: str, text: str) -> Iterator[Loop]:
    inside, clock_mhz = 0, 0.0
    found: list[tuple[str, dict[str, str]]] = []
    try:
        for event, element in iterparse(io.BytesIO(text.encode()), events=("start", "end"), forbid_dtd=True):
            if event == "start":
                inside += element.tag == _LOOPS
                continue
            inside -= element.tag == _LOOPS
            if element.tag == "TargetClockPeriod" and not clock_mhz:
                clock_mhz = 1000 / (number((element.text or "").strip()) or 10)
            parts = {child.tag: (child.text or "").strip() for child in element if child.tag in _PARTS}
            if inside and len(parts) == len(_PARTS):
                found.append((element.tag, parts))
    except (ParseError, DefusedXmlException):
        return
    for name, parts in found:
        counts = [number(parts[part]) for part in _PARTS]
        if all(isinstance(count, int) and count > 0 for count in counts):
            iterations, cycles, ii = (int(count) for count in counts if count is not None)
            yield Loop(project, name, iterations, cycles, ii, clock_mhz)


def published_schedule() -> list[dict[str, Any]]:
    """Gates of C-LSTM's public source, counted by the rule of loops, against the interval of published designs.

    Its two loops run one after the other and are the longest of three stages that work side by side, so they are the
    interval (shvo/C-LSTM @6d1ca30, google-lstm/device/compute_gate.cpp and lstm_fpga.h): 128 block rows, 16 side by
    side, by 84 block columns, 2 side by side, which the source starts every 2 cycles; then 128 inverse transforms.
    Published are frames a second at 200 MHz (`published.toml`). Which of them was built from that very source, no
    paper says.
    """
    fill = pipeline_fill(_CLSTM_MHZ)
    modelled = (128 // 16) * (84 // 2) * 2 + fill + 128 + fill
    rows = []
    for system in systems():
        if system.name in _OF_CLSTM:
            published = _CLSTM_MHZ * 1e6 / system.frames_per_s
            error = modelled / published - 1
            names = {"system": system.name, "board": system.board, "known": system.known}
            rows.append({**names, "published": published, "modelled": modelled, "error": error})
    return rows


def loop_errors(loops: Sequence[Loop]) -> list[dict[str, Any]]:
    """Cycles an iteration, and cycles of whole loops, reported over modelled.

    Returns:
        For "ii" and "loop": how many loops of how many projects, how many of them exact or with II = 1, the median
        absolute error over what was reported, and the tenth and ninetieth percentile of reported over modelled.
    """
    if not loops:
        return []
    pairs = {"ii": [(one.ii, 1) for one in loops], "loop": [(one.cycles, one.modelled) for one in loops]}
    return [
        {
            "what": what,
            "loops": len(loops),
            "projects": len({one.project for one in loops}),
            "typical": round(statistics.median(one.iterations for one in loops)),
            "equal": sum(reported == modelled for reported, modelled in both),
            "median_error": statistics.median(abs(modelled / reported - 1) for reported, modelled in both),
            "low": percentile([reported / modelled for reported, modelled in both], 0.1),
            "high": percentile([reported / modelled for reported, modelled in both], 0.9),
        }
        for what, both in pairs.items()
    ]
