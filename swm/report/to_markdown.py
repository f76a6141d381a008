# SPDX-License-Identifier: Apache-2.0
"""A report as Markdown: for a wiki, a pull request, a page of documentation."""

from __future__ import annotations

import re

from swm.report.outline import Heading, Line, Table, outline
from swm.report.value import Report

__all__ = ["to_markdown"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&$])")
"""What Markdown, or HTML in it, could take for more than text."""


def to_markdown(report: Report) -> str:
    """Render a report as Markdown with tables (GitHub's); names out of a model are escaped.

    Args:
        report: what to render.

    Returns:
        A document that ends with a newline.
    """
    parts = [f"# {_text(report.model)}"]
    for block in outline(report):
        if isinstance(block, Table):
            parts += [f"### {_text(block.title[:1].upper() + block.title[1:])}", _table(block)]
        elif isinstance(block, Heading):
            parts.append(f"## {_text(block.text)}")
        else:
            parts.append(_line(block))
    return "\n\n".join(parts) + "\n"


def _line(line: Line) -> str:
    text = " ".join(_code(part[1:-1]) if part[:1] == "`" else _text(part) for part in _commands(line.text))
    if line.tone in ("strong", "bad"):
        text = f"**{text}**"
    return f"{text}\n\n    {_plain(line.command)}" if line.command else text


def _commands(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(`[^`]*`)", text) if part.strip()]


def _table(table: Table) -> str:
    head = table.head if any(table.head) else ("", *("" for _ in table.head[1:]))
    marks = ("---" if i < table.left or not any(table.head) else "--:" for i in range(len(head)))
    lines = [head, tuple(marks), *table.rows]
    return "\n".join(
        f"| {' | '.join(cell if i == 1 else _text(cell) for cell in line)} |" for i, line in enumerate(lines)
    )


def _plain(text: str) -> str:
    """On one line, without characters that are none to read."""
    return "".join(c if c.isprintable() else " " for c in text)


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", _plain(text)).replace("\\<", "&lt;").replace("\\>", "&gt;").replace("\\&", "&amp;")


def _code(text: str) -> str:
    return f"`{_plain(text)}`"
