# SPDX-License-Identifier: Apache-2.0
"""How far each model was off where it could be held against reports or measurements: the error bands of a report.

They stand in `bands.json` beside this file, each with what it was held against, by which command, when, and over how
many rows; `swm bench validate --bands` and `swm bench area --bands` write theirs anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from swm.accelerator.backend import Backend
from swm.device.board import Board

__all__ = ["BANDS_FILE", "FIGURES", "Band", "band_of", "bands_of", "read_bands", "write_bands"]

BANDS_FILE = Path(__file__).with_name("bands.json")
FIGURES = ("interval", "latency", "dsp", "bram18", "uram", "lut", "ff", "static_w", "dynamic_w", "board_j")
"""Every modelled figure that has a band of its own, or a reason why there is none."""
_PLACES = ("board", "family", "backend")


@dataclass(frozen=True)
class Band:
    """One model against what others reported or measured.

    Attributes:
        figure: one of `FIGURES`.
        against: what it was held against; where `rows` is 0, why there is nothing.
        median: median absolute error, as a fraction of what was reported; None where nothing was held against it.
        low: tenth percentile of reported over modelled: times it, a modelled figure is the low end of its range.
        high: ninetieth percentile, likewise.
        rows: how many reports or measurements.
        command: that measured it.
        date: when, ISO 8601.
        board: whose board alone it is of; empty: of any.
        family: of devices, likewise.
        backend: likewise.
        level: of its rows, where that is not the level of the figure: "HLS" before routing, "loops of others".
        beside_w: of `board_j`, watts that the board takes beside the modelled device (median of its rows, at least 0).
    """

    figure: str
    against: str
    median: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    command: str = ""
    date: str = ""
    board: str = ""
    family: str = ""
    backend: str = ""
    level: str = ""
    beside_w: float | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What it is of; one band has it."""
        return (self.figure, *(getattr(self, name) for name in _PLACES))

    @property
    def short(self) -> str:
        """The median error as a reader sees it."""
        if self.median is None:
            return "not known"
        text = f"{self.level} {100 * self.median:.0f} %".strip()
        wide = self.median < 0.005 and self.high is not None and self.high > 1.5
        return f"{text}, 1 in 10 above x{self.high:.2g}" if wide else text  # a median of 0 alone would say too little

    @property
    def whose(self) -> str:
        """What its rows are of: all, or a board, a family, a back end."""
        return ", ".join(getattr(self, name) for name in _PLACES if getattr(self, name)) or "all"

    def to_json(self) -> dict[str, Any]:
        """Plain types; what does not apply is left out of the file."""
        return {name: value for name, value in asdict(self).items() if not (value is None or value == "")}


def read_bands(path: Path = BANDS_FILE) -> tuple[Band, ...]:
    """The bands of a file."""
    return tuple(Band(**one) for one in json.loads(path.read_text(encoding="utf-8"))["bands"])


def write_bands(found: Iterator[Band] | tuple[Band, ...], path: Path = BANDS_FILE) -> None:
    """Put bands in the place of those of the same figure and place; others stay.

    Raises:
        OSError: the file cannot be written.
    """
    bands = {band.key: band for band in (*(read_bands(path) if path.exists() else ()), *found)}
    order = sorted(bands.values(), key=lambda b: (FIGURES.index(b.figure), b.key))
    text = json.dumps({"bands": [band.to_json() for band in order]}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


@cache
def _shipped() -> tuple[Band, ...]:
    return read_bands()


def band_of(figure: str, board: Board, backend: Backend) -> Band:
    """The band of a figure on a board: that of the board itself before that of its family, before that of all."""
    here = {"board": board.name, "family": board.family, "backend": backend.name}
    found = [
        band
        for band in _shipped()
        if band.figure == figure and all(getattr(band, name) in ("", value) for name, value in here.items())
    ]
    if not found:
        return Band(figure, "nothing was held against it")
    return max(found, key=lambda band: [bool(getattr(band, name)) for name in _PLACES])


def bands_of(board: Board, backend: Backend) -> dict[str, Band]:
    """The band of every figure that a report of a board has, in the order of `FIGURES`."""
    absent = set() if board.power else {"static_w", "dynamic_w", "board_j"}
    if not board.resources.uram:
        absent.add("uram")
    return {figure: band_of(figure, board, backend) for figure in FIGURES if figure not in absent}
