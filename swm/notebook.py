# SPDX-License-Identifier: Apache-2.0
"""What a notebook shows of a value: its line, and a table below it. Names come from models: all text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["html"]

MOST_ROWS = 30


def html(value: object, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The value's repr and a table of at most `MOST_ROWS` rows, as HTML."""
    body = [[str(cell) for cell in row] for row in rows]
    left = len(body) - MOST_ROWS
    parts = [f"<p><code>{escape(repr(value))}</code></p><table>", _row("th", headings)]
    parts += [_row("td", row) for row in body[:MOST_ROWS]]
    parts.append("</table>")
    if left > 0:
        parts.append(f"<p>and {left} more</p>")
    return "".join(parts)


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"
