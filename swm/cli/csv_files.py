# SPDX-License-Identifier: Apache-2.0
"""Tables of numbers from .csv files: a sample a row."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.errors import CalibrationError

__all__ = ["MOST_BYTES", "read_csv"]

MOST_BYTES = 1 << 28  # of text; what is larger is read in a fraction of the time, and memory, from .npy
_SHOWN = 30  # characters of a cell in a message


def read_csv(path: str) -> NDArray[Any]:
    """Numbers (rows, columns): int64 if all are whole, else float64.

    Cells stand between commas, semicolons, tabs or blanks, whichever the first line with any has. A first line
    without numbers, or one that counts the columns 0, 1, 2, ... as pandas does, is a header. Empty lines and what
    follows a # are skipped.

    Raises:
        CalibrationError: no such file, too large, no text, cells that are no numbers, rows of several lengths; lines
            are named by their number in the file.
    """
    lines = _lines(path)
    start = next((i for i, line in enumerate(lines) if _cut(line)), None)
    if start is None:
        raise CalibrationError(f"{path!r} holds no numbers; write a sample a line")
    delimiter = next((d for d in (",", ";", "\t") if d in _cut(lines[start])), None)
    if _is_header(_cells(lines[start], delimiter)):
        start += 1
    rest = [_cut(line) for line in lines[start:]]
    if not any(rest):
        raise CalibrationError(f"{path!r} holds a header and no numbers; write a sample a line")
    try:
        table = np.loadtxt(rest, np.float64, comments=None, delimiter=delimiter, quotechar='"', ndmin=2)
    except ValueError as error:
        raise CalibrationError(f"{path!r}, {_fault(rest, start, delimiter) or error}") from error
    whole = bool(np.all(np.abs(table) < 2**53)) and bool(np.all(table == np.floor(table)))
    return table.astype(np.int64) if whole else table


def _lines(path: str) -> list[str]:
    try:
        size = Path(path).stat().st_size
        if size > MOST_BYTES:
            raise CalibrationError(
                f"{path!r} is {size / 2**20:,.0f} MiB large; .csv is read up to {MOST_BYTES >> 20} MiB, save larger "
                "arrays with numpy.save as .npy"
            )
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise CalibrationError(f"there is no file {path!r}") from error
    except UnicodeDecodeError as error:
        raise CalibrationError(f"{path!r} is not a text file in UTF-8: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise CalibrationError(f"cannot read {path!r}: {error.strerror}") from error


def _cut(line: str) -> str:
    return line.partition("#")[0].strip(" \r\n")


def _cells(line: str, delimiter: str | None) -> list[str]:
    line = _cut(line)
    if delimiter is None:
        return line.split()
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
    except csv.Error:  # a cell beyond that module's limit is no number either
        return line.split(delimiter)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python's own spelling, that no file has


def _is_header(cells: Sequence[str]) -> bool:
    if not any(map(_is_number, cells)):
        return any(cells)
    return len(cells) > 2 and list(cells) == [str(i) for i in range(len(cells))]


def _fault(rest: Sequence[str], start: int, delimiter: str | None) -> str:
    """What is wrong with the first line that is, and its number in the file; empty if nothing is found."""
    width = first = 0
    for number, line in enumerate(rest, start + 1):
        if not line:
            continue
        cells = _cells(line, delimiter)
        for place, cell in enumerate(cells, 1):
            if not _is_number(cell):
                what = "is empty" if not cell else f"is no number: {cell[:_SHOWN]!r}"
                hint = ""
                if number == 1:
                    hint = "; a header is a first line without any number"
                elif "," in cell:
                    hint = "; write decimal points, not commas"
                return f"line {number}: cell {place} {what}{hint}"
        if not width:
            width, first = len(cells), number
        elif len(cells) != width:
            return f"line {number}: {len(cells)} cells, where line {first} has {width}; every row is one sample"
    return ""
