# SPDX-License-Identifier: Apache-2.0
"""Tables that fit a width: names break where they must, numbers never do."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

from rich.table import Table
from rich.text import Text

__all__ = ["framed_tables", "table_lines"]

_GAP = 2
_FRAME = 3  # characters that rich draws for a column: a blank on both sides, and a line
_LEAST = 8  # characters of a column that breaks; narrower, a table becomes a list


def table_lines(
    head: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, left: int, fold: Collection[int]
) -> list[str]:
    """Lay a table out.

    Args:
        head: names of the columns; all empty for a table without a head.
        rows: cells of every line.
        width: characters of a line.
        left: how many columns are aligned to the left.
        fold: columns whose cells may break.

    Returns:
        Lines of at most `width` characters, as long as no number alone is wider.
    """
    widths = [max(_longest_word(name), *(len(row[i]) for row in rows)) for i, name in enumerate(head)]
    wide = {i: widths[i] for i in fold}
    free = width - sum(n for i, n in enumerate(widths) if i not in wide) - _GAP * (len(head) - 1)
    if sum(wide.values()) > free and free < _LEAST * len(wide):
        return [line for row in rows for line in _listed(head, row, width)]
    for left_over, i in zip(range(len(wide), 0, -1), sorted(wide, key=lambda i: wide[i]), strict=True):
        widths[i] = min(wide[i], free // left_over)  # the narrow ones first: what they leave goes to the others
        free -= widths[i]
    lines = [*_row(head, widths, left), "-" * (sum(widths) + _GAP * (len(head) - 1))] if any(head) else []
    return lines + [line for row in rows for line in _row(row, widths, left)]


def framed_tables(
    head: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, left: int, keys: int, title: str = ""
) -> list[Table]:
    """Lay a table out for a terminal: where it is too wide, as several below each other, no cell cut.

    Args:
        head: names of the columns, which may break.
        rows: cells of every line.
        width: characters of a line.
        left: how many columns are aligned to the left.
        keys: how many columns say what a line is: they stand in each of the tables.
        title: above the first.
    """
    wide = [max((len(name), *(len(row[i]) for row in rows))) for i, name in enumerate(head)]
    if sum(wide) + _FRAME * len(head) < width:
        groups, names = [list(range(len(head)))], list(head)
    else:  # names break at blanks: rich, left to it, would cut cells, too
        narrow = [max((_longest_word(name), *(len(row[i]) for row in rows))) for i, name in enumerate(head)]
        groups = _groups([n + _FRAME for n in narrow], width - 1, keys)
        names = ["\n".join(_wrapped(name, most)) for name, most in zip(head, narrow, strict=True)]
    tables: list[Table] = []
    for group in groups:
        table = Table(title=Text(title) if title and not tables else None, title_justify="left")
        for i in group:
            table.add_column(names[i], justify="left" if i < left else "right", no_wrap=True)
        for row in rows:
            table.add_row(*(Text(row[i]) for i in group))
        tables.append(table)
    return tables


def _groups(needs: Sequence[int], width: int, keys: int) -> list[list[int]]:
    """Columns of so many characters each in as few lines as hold them, in order; the first `keys` stand in each."""
    groups: list[list[int]] = []
    free = 0
    for i in range(keys, len(needs)):
        if not groups or needs[i] > free:
            groups.append(list(range(keys)))
            free = width - sum(needs[:keys])
        groups[-1].append(i)
        free -= needs[i]
    return groups


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def _row(cells: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    """One line of a table, several where a cell breaks."""
    broken = [_wrapped(cell, width) or [""] for cell, width in zip(cells, widths, strict=True)]
    lines = []
    for n in range(max(map(len, broken))):
        parts = [cell[n] if n < len(cell) else "" for cell in broken]
        aligned = [p.ljust(w) if i < left else p.rjust(w) for i, (p, w) in enumerate(zip(parts, widths, strict=True))]
        lines.append((" " * _GAP).join(aligned).rstrip())
    return lines


def _listed(head: Sequence[str], row: Sequence[str], width: int) -> list[str]:
    """A line of a table as a list, where it is too narrow for a table."""
    first, *others = (f"{name}: {cell}" if name else cell for name, cell in zip(head, row, strict=True))
    lines = _wrapped(first, width)
    for text in others:
        lines += [("    " if n else "  ") + part for n, part in enumerate(_wrapped(text, width - 4))]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)  # a command's options stay whole
