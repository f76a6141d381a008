# SPDX-License-Identifier: Apache-2.0
"""Where the folders that are not Python live: templates, HLS headers, boards.

They stand at the top of the repository, where a reader expects them, and travel in a wheel as ``swm/_data/``.
"""

from __future__ import annotations

from pathlib import Path

from swm.errors import SwmError

__all__ = ["boards_dir", "hls_dir", "templates_dir"]

_PACKAGE = Path(__file__).resolve().parent


def templates_dir() -> Path:
    """Give the folder of the Jinja2 templates.

    Raises:
        SwmError: The folder is in neither place.
    """
    return _find("templates")


def hls_dir() -> Path:
    """Give the folder of the C++ header library that emitted projects copy from.

    Raises:
        SwmError: The folder is in neither place.
    """
    return _find("hls")


def boards_dir() -> Path:
    """Give the folder of the board descriptions, one TOML per board.

    Raises:
        SwmError: The folder is in neither place.
    """
    return _find("boards")


def _find(name: str) -> Path:
    # The wheel's copy first: beside site-packages/swm another distribution may have a folder of this name.
    places = (_PACKAGE / "_data" / name, _PACKAGE.parent / name)
    for place in places:
        if place.is_dir():
            return place
    looked = " and ".join(map(str, places))
    raise SwmError(f"swm's folder '{name}' is missing; looked at {looked}: reinstall swm")
