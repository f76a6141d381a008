# SPDX-License-Identifier: Apache-2.0
"""The power model against reports of Vivado, with whole repositories left out in turn, and against measured boards.

A CSV has one line for each `report_power`, with the columns `repo`, `device`, `clocks_ns` ("name=period;..."), `lut_n`,
`ff_n`, `dsp_n`, `bram_tiles` and watts `clocks_w`, `logic_w`, `signals_w`, `bram_w`, `dsp_w`; an empty cell is a figure
that the report has not, "<0.001" one below its resolution.
"""

from __future__ import annotations

import csv
import math
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swm.accelerator.schedule import make_schedule
from swm.bench.published import System, systems
from swm.device import load_board, power
from swm.device.primitives import Usage
from swm.errors import OptionError
from swm.report import design_figures

__all__ = ["PowerRow", "held_out", "measured_boards", "power_rows"]

RESOURCES = {"ff": "ff_n", "lut": "lut_n", "bram36": "bram_tiles", "dsp": "dsp_n"}
WATTS = {"ff": ("clocks_w",), "lut": ("logic_w", "signals_w"), "bram36": ("bram_w",), "dsp": ("dsp_w",)}
RESOLUTION_W = 0.001  # of a report; a design of less than ten times this says nothing in per cent
NO_LOGIC = re.compile(r"dbg_hub|BSCAN|DRCK|UPDATE|TCK|clkfb", re.IGNORECASE)  # clocks of the debugger, of a PLL's loop
COLLAPSED = ("amjal/", "JustABear1210/")
"""Reports whose vectorless activity is known to be wrong: 205 W, and 148 DSP blocks of 0.000 W."""


@dataclass(frozen=True)
class PowerRow:
    """One report.

    Attributes:
        repo: whose design.
        family: of the device: "7series", "ultrascale" or "ultrascale+".
        clocks_mhz: distinct frequencies of its clocks, those of debuggers and of feedback left out.
        counts: of each resource.
        watts: dynamic power by the resource that its coefficient is taken of.
    """

    repo: str
    family: str
    clocks_mhz: tuple[int, ...]
    counts: dict[str, float]
    watts: dict[str, float]

    @property
    def total(self) -> float:
        """Dynamic power of the logic in watts: no I/O, clock managers, transceivers or processor."""
        return sum(self.watts.values())


def power_rows(path: str | Path) -> tuple[list[PowerRow], dict[str, int]]:
    """The reports that can be held against the model, and how many were left out for which reason.

    Raises:
        OptionError: The file cannot be read, or a column is missing.
    """
    left_out: dict[str, int] = {}
    rows = []
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                row = _row(line)
                if isinstance(row, str):
                    left_out[row] = left_out.get(row, 0) + 1
                else:
                    rows.append(row)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise OptionError(f"{str(path)!r} cannot be read as a table of power reports: {error}") from error
    except KeyError as error:
        raise OptionError(f"{str(path)!r} has no column {error}; docs/validation.md names the columns") from error
    return rows, left_out


def _row(line: dict[str, str]) -> PowerRow | str:
    if line["repo"].startswith(COLLAPSED):
        return "known to be wrong"
    if any(not line[name] for name in ("clocks_w", "logic_w", "signals_w", "lut_n", "ff_n")):
        return "without watts or counts by resource"
    clocks = [part.rpartition("=") for part in line["clocks_ns"].split(";") if "=" in part]
    periods = {round(1000 / float(ns)) for name, _, ns in clocks if not NO_LOGIC.search(name)}
    row = PowerRow(
        repo=line["repo"],
        family=_family(line["device"]),
        clocks_mhz=tuple(sorted(periods)),
        counts={name: _number(line[column]) for name, column in RESOURCES.items()},
        watts={name: sum(_number(line[column]) for column in columns) for name, columns in WATTS.items()},
    )
    if len(periods) != 1:
        return "several clocks: which block runs at which is not in the report"
    return row if row.total >= 10 * RESOLUTION_W else "below ten times the report's resolution"


def _number(text: str) -> float:
    return RESOLUTION_W / 2 if text.startswith("<") else float(text or 0)


def _family(device: str) -> str:
    if device.startswith("xc7"):
        return "7series"
    return "ultrascale" if device.startswith(("xcku0", "xcku1", "xcvu0")) else "ultrascale+"


def held_out(rows: Sequence[PowerRow]) -> list[dict[str, Any]]:
    """Each report against coefficients of the other repositories of its family; none where they lack a resource.

    A coefficient is the geometric mean over repositories of the median over their reports.
    """
    found = []
    for row in rows:
        others = [r for r in rows if r.repo != row.repo and r.family == row.family]
        coefficients = {name: _coefficient(others, name) for name in RESOURCES}
        if any(
            c is None and row.counts[name] and row.watts[name] > 0.05 * row.total for name, c in coefficients.items()
        ):
            continue
        micro = sum((c or 0.0) * row.counts[name] for name, c in coefficients.items())
        modelled = row.clocks_mhz[0] * 1e-6 * micro
        found.append(
            {
                "repo": row.repo,
                "family": row.family,
                "mhz": row.clocks_mhz[0],
                "reported_w": row.total,
                "modelled_w": modelled,
                "error": modelled / row.total - 1,
                "shipped_w": _shipped(row),
            }
        )
    return found


def _coefficient(rows: Iterable[PowerRow], name: str) -> float | None:
    by_repo: dict[str, list[float]] = {}
    for row in rows:
        if row.counts[name] and row.watts[name]:
            by_repo.setdefault(row.repo, []).append(1e6 * row.watts[name] / row.counts[name] / row.clocks_mhz[0])
    if not by_repo:
        return None
    return math.exp(statistics.fmean(math.log(statistics.median(values)) for values in by_repo.values()))


def _shipped(row: PowerRow) -> float:
    """By the coefficients of swm's boards, which were read from some of these reports."""
    board = load_board({"7series": "pynq-z2", "ultrascale": "adm-pcie-ku3", "ultrascale+": "zcu104"}[row.family])
    assert board.power is not None
    c = board.power.dynamic
    micro = sum(getattr(c, name) * row.counts[name] for name in RESOURCES)
    return row.clocks_mhz[0] * 1e-6 * micro


def measured_boards() -> list[dict[str, Any]]:
    """Energy of whole boards that were measured, against the device's modelled power at the rate that was measured.

    The design is swm's for the same network at that rate where its shape is known; else the device with its processor
    and no logic. What a board takes beside its device is the median of the other rows of that board, none where that is
    negative: no board takes less than its device.
    """
    rows = [system for system in systems() if "Joulescope" in system.boundary]
    device = [_device_watts(system) for system in rows]
    found = []
    for i, system in enumerate(rows):
        assert system.watts is not None
        beside = [
            (other.watts or 0.0) - watts
            for j, (other, watts) in enumerate(zip(rows, device, strict=True))
            if j != i and other.board == system.board
        ]
        board = device[i] + (max(0.0, statistics.median(beside)) if beside else 0.0)
        found.append(
            {
                "system": system.name,
                "board": system.board,
                "measured_w": system.watts,
                "device_w": device[i],
                "measured_j": system.watts / system.frames_per_s,
                "device_j": device[i] / system.frames_per_s,
                "device_error": device[i] / system.watts - 1,
                "board_j": board / system.frames_per_s,
                "board_error": board / system.watts - 1,
            }
        )
    return found


def _device_watts(system: System) -> float:
    board = load_board(system.board)
    if system.network is None:
        return power(board, 100, Usage(0, 0, 0, 0)).total
    clock = system.network.clock_mhz or board.clock.mhz
    interval = max(1, int(clock * 1e6 / system.frames_per_s))
    plan = make_schedule(system.network.shape(), board, clock_mhz=clock, target_interval=interval)
    found = design_figures(plan)
    return found.watts.total if found.watts else float("nan")
