# SPDX-License-Identifier: Apache-2.0
"""`swm bench validate` as tables: for a terminal, and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

__all__ = ["markdown", "tables"]

_INTRO = """# The models against others' reports and measurements

Written by `swm bench validate --reports DIR --power FILE.csv --markdown docs/validation.md`. With `--bands
swm/report/bands.json` it also writes the error bands that every report shows. No report of swm's own
kernels is among them: none was synthesised by a vendor's tool. Who has such reports gives their folder.
"""
_RESOURCES = """
Distinct operators of csynth reports of public repositories. Modelled is what swm's rules for routed
designs expect there, for the storage that the tool chose. An error is over what was reported; where
that is nothing, operators are only counted.
""".strip()
_REPORTS = """
The operators of each of these reports together: how far the modelled sum is from the reported one. In a design errors
of single operators cancel in part, so this is the error band of `lut`, `ff`, `dsp` and `bram18` in swm's reports
(`swm/report/bands.json`, which `--bands` writes) for the C++ back ends. Of 10 reports 8 lie in the range, as a factor
on what is modelled.
""".strip()
_POWER = """
Dynamic power of the logic (clocks, logic, signals, block RAM, DSP), each report against coefficients of
the other repositories of its family: **median absolute error {error:.1f} %** over {reports} reports of
{repositories} repositories (to reach: {goal:.0f} %); by family {families}. By the coefficients of swm's
boards, which were read from some of these reports: {shipped:.1f} %. Left out: {left_out}. The CSV has a
line for each `report_power` with columns `repo`, `device`, `clocks_ns` ("name=period;..."), `lut_n`,
`ff_n`, `dsp_n`, `bram_tiles`, `clocks_w`, `logic_w`, `signals_w`, `bram_w` and `dsp_w`.
""".strip()
_BOARDS = """
Energy per inference of whole boards in uJ (MLPerf Tiny, measured with a Joulescope), at the rate that
was measured. Modelled is the device with its processor; of networks whose shape is not known, without
logic. What the board takes beside it is the median of the other rows of that board, none where that is
negative: the device is modelled a little high there. On the Arty nine tenths of the power are beside the
device; reports show them as a part of their own.
""".strip()


_LOOPS = """
Pipelined loops of csynth reports of public repositories: how HLS starts their iterations, and the cycles of all. The
C++ back ends take a loop to start an iteration each cycle and to end a fill of 10 cycles (14 above 150 MHz) after the
last. So the first row is the error band of the interval of back end `vitis`, whose processes run side by side, and the
second that of latencies, and of the interval of back end `generic`, whose loops follow each other. None of these loops
is swm's; half of them have {typical} iterations or fewer, where a fill weighs more than in a layer.
""".strip()
_SCHEDULE = """
Cycles from frame to frame at 200 MHz. Modelled by the same rule: the two loops of the gates in C-LSTM's public source
(shvo/C-LSTM @6d1ca30, compute_gate.cpp of its Google LSTM), (128/16) x (84/2) iterations at the II of 2 that the source
asks for, then 128 at II 1, and a fill each. Published are frames a second; which design was built from that source, no
paper says.
""".strip()


class _Section(NamedTuple):
    title: str
    words: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def markdown(result: Mapping[str, Any]) -> str:
    """The page."""
    parts = [_INTRO]
    for one in _sections(result):
        lines = [f"| {' | '.join(row)} |" for row in (one.head, ("---",) * len(one.head), *one.rows)]
        parts.append(f"## {one.title}\n\n{one.words}\n\n" + "\n".join(lines) + "\n")
    if result["power"] is not None:
        parts.append("![modelled against reported power, and energy of boards](validation.svg)\n")
    return "\n".join(parts)


def tables(result: Mapping[str, Any]) -> list[Table]:
    """For a terminal."""
    found = []
    for one in _sections(result):
        words = Text(" ".join(one.words.replace("**", "").split()))
        table = Table(title=Text(one.title), title_justify="left", caption=words, caption_justify="left")
        for i, name in enumerate(one.head):
            table.add_column(name, justify="left" if i == 0 else "right")
        for row in one.rows:
            table.add_row(*map(Text, row))
        found.append(table)
    return found


def _sections(result: Mapping[str, Any]) -> Iterator[_Section]:
    if result["resources"]:
        yield _resources(result["resources"])
        yield _reports(result["reports"])
    if result["loops"]:
        yield _loops(result["loops"])
    yield _schedule(result["schedule"])
    if result["power"] is not None:
        yield _power(result["power"])
    yield _boards(result["boards"])


def _resources(found: list[dict[str, Any]]) -> _Section:
    counted, judged = ("count", "reported", "modelled"), ("median error", "signed", "90th percentile", "none reported")
    rows = []
    for row in found:
        counts = [f"{row[name]:,}" for name in counted]
        shown = (("median_error", ".0f"), ("bias", "+.0f"), ("error_90", ".0f"))
        errors = ["-" if row[name] is None else f"{100 * row[name]:{form}} %" for name, form in shown]
        rows.append((row["operator"], row["resource"], *counts, *errors, f"{row['unreported']}"))
    head = ("operator", "resource", *counted, *judged)
    return _Section("Resources of operators", _RESOURCES, head, rows)


def _reports(found: list[dict[str, Any]]) -> _Section:
    rows = []
    for row in found:
        high = "above" if row["high"] is None else f"x{row['high']:.2f}"
        error = f"{100 * row['median_error']:.1f} %"
        rows.append((row["resource"], f"{row['reports']}", error, f"x{row['low']:.2f}", high))
    head = ("resource", "reports", "median error", "range from", "to")
    return _Section("Resources of whole reports", _REPORTS, head, rows)


def _loops(found: list[dict[str, Any]]) -> _Section:
    names = {"ii": "cycles from iteration to iteration", "loop": "cycles of the whole loop"}
    rows = []
    for row in found:
        counts = (f"{row['loops']}", f"{row['projects']}", f"{row['equal']}", f"{100 * row['median_error']:.0f} %")
        rows.append((names[row["what"]], *counts, f"x{row['low']:.2f}", f"x{row['high']:.2f}"))
    head = ("what", "loops", "repositories", "as modelled", "median error", "range from", "to")
    return _Section("Cycles of loops", _LOOPS.format(typical=found[0]["typical"]), head, rows)


def _schedule(found: list[dict[str, Any]]) -> _Section:
    rows = []
    for row in found:
        cycles = f"{row['published']:,.0f}", f"{row['modelled']:,}", f"{100 * row['error']:+.1f} %"
        rows.append((row["system"], row["board"], row["known"], *cycles))
    head = ("system", "board", "known", "published", "modelled", "error")
    return _Section("The schedule of C-LSTM", _SCHEDULE, head, rows)


def _power(found: Mapping[str, Any]) -> _Section:
    words = _POWER.format(
        error=100 * found["median_error"],
        reports=len(found["rows"]),
        repositories=found["repositories"],
        goal=100 * found["goal"],
        families=", ".join(f"{name} {100 * one['median_error']:.0f} %" for name, one in found["families"].items()),
        shipped=100 * found["median_error_shipped"],
        left_out=", ".join(f"{count} {reason}" for reason, count in found["left_out"].items()) or "none",
    )
    head = ("repository", "family", "MHz", "reported W", "modelled W", "error", "W by swm's boards")
    rows = []
    for row in found["rows"]:
        watts = [f"{row[name]:.3f}" for name in ("reported_w", "modelled_w", "shipped_w")]
        error = f"{100 * row['error']:+.0f} %"
        rows.append((row["repo"], row["family"], f"{row['mhz']}", *watts[:2], error, watts[2]))
    return _Section("Dynamic power", words, head, rows)


def _boards(found: list[dict[str, Any]]) -> _Section:
    head = ("system", "board", "measured", "device", "error", "with the board", "error")
    rows = []
    for row in found:
        measured, device, board = (f"{1e6 * row[name]:,.1f}" for name in ("measured_j", "device_j", "board_j"))
        errors = [f"{100 * row[name]:+.1f} %" for name in ("device_error", "board_error")]
        rows.append((row["system"], row["board"], measured, device, errors[0], board, errors[1]))
    return _Section("Energy of boards", _BOARDS, head, rows)
