# SPDX-License-Identifier: Apache-2.0
"""The boxes of characters that tools draw around their tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

__all__ = ["cells", "field_of", "rows", "section"]


def cells(line: str, separator: str = "|") -> list[str] | None:
    """Cells of one row of a table, stripped; None where the line is none."""
    line = line.strip()
    if len(line) < 2 or line[0] != separator or line[-1] != separator:
        return None
    return [cell.strip() for cell in line[1:-1].split(separator)]


def rows(lines: Sequence[str], first_cell: str, separator: str = "|") -> Iterator[tuple[list[str], list[list[str]]]]:
    """Each table whose header starts with `first_cell`: its header, and its rows up to the closing line.

    Rules inside a table (+---+) are passed over; the table ends with the first line that is neither rule nor row.
    """
    position = 0
    while position < len(lines):
        header = cells(lines[position], separator)
        position += 1
        if header is None or header[0].rstrip("*") != first_cell:
            continue
        body = []
        while position < len(lines):
            row = cells(lines[position], separator)
            if row is not None:
                body.append(row)
            elif not lines[position].strip().startswith("+"):
                break
            position += 1
        yield header, body


def field_of(lines: Sequence[str], name: str) -> str | None:
    """Value of a line `| name : value`, `* name: value` or `; name ; value ;`, the first there is."""
    pattern = re.compile(rf"^\s*[|*;]\s*{re.escape(name)}\s*[:;]\s*(.*?)\s*;?\s*$")
    for line in lines:
        found = pattern.match(line)
        if found:
            return found.group(1) or None
    return None


def section(lines: Sequence[str], title: str) -> Sequence[str]:
    """The lines from a heading `== title`, `| title` or `title` alone on; none where there is no such heading."""
    for position, line in enumerate(lines):
        if line.strip().lstrip("=|;* ").rstrip(":;| ").strip() == title:
            return lines[position + 1 :]
    return []
