# SPDX-License-Identifier: Apache-2.0
"""Power of a board as a user's own tool reported it: kept in the user's configuration, used where the board is named.

One TOML file a board, `boards/NAME.toml` in `$SWM_CONFIG`, else `$XDG_CONFIG_HOME/swm`, else `~/.config/swm`, with the
tables `static` and `dynamic` of a board's `[power]`. To forget it is to delete the file.
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from swm.device.tables import Table
from swm.errors import OptionError, OutputError

__all__ = ["calibrated_power", "calibration_file", "keep_calibration"]

Power = TypeVar("Power", bound=BaseModel)


def calibration_file(board: str) -> Path:
    """Where the calibration of a board of swm's is, or would be."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path("~").expanduser() / ".config"
    folder = Path(os.environ.get("SWM_CONFIG") or Path(base) / "swm")
    return folder / "boards" / f"{board}.toml"


def keep_calibration(board: str, power: Table) -> Path:
    """Write what `power` (a board's, with `static` and `dynamic`) has, for `calibrated_power` to read.

    Raises:
        OutputError: The file cannot be written.
    """
    path = calibration_file(board)
    lines = ["# Written by `swm report --calibrate`; delete this file to go back to swm's own figures."]
    for name in ("static", "dynamic"):
        lines.append(f"\n[{name}]")
        # strings of JSON are strings of TOML, but for DEL, which JSON leaves as it is
        table = getattr(power, name).model_dump(mode="json")
        lines += [f"{key} = {json.dumps(value)}".replace("\x7f", "\\u007f") for key, value in table.items()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror}") from error
    return path


def calibrated_power(board: str, power: Power) -> Power:
    """A board's power as it was calibrated; as it is where there is no calibration.

    Raises:
        OptionError: The file is damaged.
    """
    path = calibration_file(board)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return power
    except UnicodeDecodeError as error:
        raise OptionError(f"calibration {str(path)!r} is damaged; delete it: {error}") from error
    try:
        kept = tomllib.loads(text)
        return type(power).model_validate({**power.model_dump(mode="json"), **kept})
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise OptionError(f"calibration {str(path)!r} is damaged; delete it: {first}") from error
