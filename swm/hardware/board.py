# SPDX-License-Identifier: Apache-2.0
"""Board descriptions: one TOML file a board, every figure with its kind and source.

A user's own board is a TOML file with the same keys; its path is accepted wherever a name is.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from swm.errors import OptionError, UnknownBoard
from swm.package_data import boards_dir

__all__ = [
    "Board",
    "Capacity",
    "Clock",
    "DspPorts",
    "DynamicPower",
    "FigureKind",
    "Overhead",
    "Power",
    "ProcessorPower",
    "StaticPower",
    "Stream",
    "board_names",
    "load_board",
]

FigureKind = Literal["counted", "modelled", "measured", "published"]
_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_Count = Annotated[int, Field(ge=0, strict=True)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Watts = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Sourced(_Table):
    kind: FigureKind
    source: _Text


class Capacity(_Sourced):
    """What the device holds; `bram18` counts 18 Kb blocks, `uram` 288 Kb blocks."""

    lut: Annotated[int, Field(gt=0, strict=True)]
    ff: Annotated[int, Field(gt=0, strict=True)]
    bram18: _Count
    dsp: _Count
    uram: _Count = 0


class DspPorts(_Sourced):
    """Signed widths in bits of the two multiplier ports of one DSP block."""

    wide: Annotated[int, Field(ge=18, le=64)]
    narrow: Annotated[int, Field(ge=8, le=64)]


class Clock(_Table):
    """The default clock in MHz: a choice, with its reason."""

    mhz: Annotated[float, Field(gt=0, le=1500)]
    reason: _Text


class Stream(_Table):
    """Width in bits of the AXI streams at the edges of the accelerator: a choice, with its reason."""

    bits: Literal[32, 64, 128, 256, 512]
    reason: _Text


class StaticPower(_Sourced):
    """Static power of the whole device in watts, at a junction temperature in degrees Celsius."""

    watts: _Watts
    junction_c: Annotated[float, Field(ge=-55, le=150)]


class ProcessorPower(_Sourced):
    """Power in watts that a hard processor system draws beside the logic."""

    watts: _Watts


class DynamicPower(_Sourced):
    """Coefficients in uW per MHz at 12.5 % toggle, for one DSP, 36 Kb block, LUT (with signals) and FF (clock tree)."""

    dsp: _Positive
    bram36: _Positive
    lut: _Positive
    ff: _Positive


class Power(_Table):
    """The terms of the power model; `processor` is absent on boards without one."""

    static: StaticPower
    dynamic: DynamicPower
    processor: ProcessorPower | None = None


class Overhead(_Sourced):
    """Logic that the board needs beside the accelerator (DMA, interconnect), where it is known."""

    lut: _Count = 0
    ff: _Count = 0
    bram18: _Count = 0
    dsp: _Count = 0


class Board(_Table):
    """One board; `part` is the vendor's part string for its tools."""

    name: _Name
    title: _Text
    device: _Text
    part: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]
    family: Literal["7series", "ultrascale+"]
    resources: Capacity
    dsp_ports: DspPorts
    clock: Clock
    stream: Stream
    power: Power
    overhead: Overhead | None = None


def board_names() -> tuple[str, ...]:
    """Names of the boards that travel with swm, sorted."""
    return tuple(sorted(p.stem for p in boards_dir().glob("*.toml")))


def load_board(name_or_path: str | Path) -> Board:
    """Read one board.

    Args:
        name_or_path: A name out of `board_names()`, or the path of a `.toml` file with the same keys.

    Returns:
        The validated, frozen description.

    Raises:
        UnknownBoard: No board has this name and no file this path; the message offers the nearest names.
        OptionError: The file is no valid board description; every fault is listed.
    """
    text = str(name_or_path)
    names = board_names()
    if text in names:
        return _read(boards_dir() / f"{text}.toml")
    path = Path(text)
    if path.suffix == ".toml" and path.is_file():
        return _read(path)
    if path.suffix == ".toml" and text[:-5] not in names:
        raise UnknownBoard(f"no board file '{text}'; boards by name: {', '.join(names)}")
    near = difflib.get_close_matches(text.lower().removesuffix(".toml"), names, n=3, cutoff=0.4)
    offer = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(names)}, or give a .toml file"
    raise UnknownBoard(f"unknown board '{text}': {offer}")


def _read(path: Path) -> Board:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"board file '{path}' cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"board file '{path}' is not valid TOML: {error}") from error
    try:
        return Board.model_validate(data)
    except ValidationError as error:
        faults = [_fault(e["loc"], e["type"], e["msg"]) for e in error.errors(include_url=False)]
        raise OptionError("\n".join([f"board file '{path}' is not valid:", *(f"  - {f}" for f in faults)])) from error


def _fault(location: tuple[int | str, ...], kind: str, message: str) -> str:
    where = ".".join(map(str, location))
    if kind != "extra_forbidden":
        return f"{where}: {message}"
    valid = _keys(location[:-1])
    near = difflib.get_close_matches(str(location[-1]), valid, n=1, cutoff=0.4)
    return f"{where}: no such key; " + (f"did you mean '{near[0]}'?" if near else f"keys here: {', '.join(valid)}")


def _keys(location: tuple[int | str, ...]) -> list[str]:
    model: Any = Board
    for step in location:
        annotation = model.model_fields[step].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return list(model.model_fields)
