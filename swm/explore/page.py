# SPDX-License-Identifier: Apache-2.0
"""The page of an exploration: one file that opens offline."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from swm.errors import OutputError
from swm.explore.exploration import Exploration
from swm.explore.plot import svgs
from swm.explore.present import COLUMNS, cells, summary_lines
from swm.package_data import templates_dir
from swm.version import __version__

__all__ = ["write_page"]


def write_page(found: Exploration, path: str | PathLike[str]) -> None:
    """Write it.

    Raises:
        OutputError: the file cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(loader=FileSystemLoader(templates_dir()), autoescape=True, undefined=StrictUndefined)
    text = made.get_template("exploration.html.j2").render(
        found=found,
        version=__version__,
        lines=list(summary_lines(found)),
        columns=[name.format(measure=found.measure) for name in COLUMNS],
        front=[cells(p) for p in found.front],
        points=[(*cells(p), p.reason) for p in found.points],
        plots=svgs(found),
    )
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror}") from error
