# SPDX-License-Identifier: Apache-2.0
"""Board descriptions: one TOML file a board, every figure with its kind and source.

A board may state several clocks, the first its default: `[clock] mhz = [200, 300]` with one reason or a list of them,
or a `[[clock]]` table for each. A user's own board is a TOML file with the same keys; its path is accepted wherever a
name is.
"""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from swm.device.calibration import calibrated_power
from swm.device.listed import LISTED_FAMILIES, ListedTarget
from swm.device.tables import Count, FigureKind, Name, PartName, Positive, Sourced, Table, Text, Watts
from swm.device.ways import Link, Nextpnr, Pcie, Platform, ProcessingSystem
from swm.errors import OptionError, UnknownBoard
from swm.package_data import boards_dir, templates_dir

__all__ = [
    "AxiWidth",
    "Board",
    "Capacity",
    "Clock",
    "DspPorts",
    "DynamicPower",
    "FigureKind",
    "Link",
    "Nextpnr",
    "Overhead",
    "Pcie",
    "Platform",
    "PowerModel",
    "ProcessingSystem",
    "ProcessorPower",
    "StaticPower",
    "board_names",
    "board_template",
    "load_board",
    "load_target",
    "resource_labels",
    "target_names",
]

VENDORS = {
    **dict.fromkeys(("7series", "ultrascale", "ultrascale+"), "AMD"),
    "ecp5": "Lattice",
    "gowin": "Gowin",
    "cyclonev": "Intel",
}
M10K = "cyclonev"
"""The family whose memories are blocks of 10 Kb, not of 18."""


class Capacity(Sourced):
    """What the device holds; `bram18` counts 18 Kb blocks, `uram` 288 Kb blocks.

    Of family `cyclonev` `lut` counts ALUTs, of which an ALM has two, and `m10k` blocks of 10 Kb; they have no `bram18`.
    """

    lut: Annotated[int, Field(gt=0, strict=True)]
    ff: Annotated[int, Field(gt=0, strict=True)]
    bram18: Count = 0
    m10k: Count = 0
    dsp: Count
    uram: Count = 0

    @model_validator(mode="after")
    def _memories(self) -> Capacity:
        if not {"bram18", "m10k"} & self.model_fields_set:
            raise ValueError("bram18: Field required (of family cyclonev m10k)")
        if self.bram18 and self.m10k:
            raise ValueError("bram18 and m10k: a device has blocks of 18 Kb or of 10 Kb")
        return self

    def of(self, resource: str) -> int:
        """How much there is of a resource of `Usage`, whose `bram18` counts M10K where the device has these."""
        held: int = self.m10k or self.bram18 if resource == "bram18" else getattr(self, resource)
        return held


class DspPorts(Sourced):
    """Signed widths in bits of the two multiplier ports of one DSP block; an adder may stand before the wide one.

    7-series has the DSP48E1 (25 x 18), UltraScale and UltraScale+ the DSP48E2 (27 x 18), all with a pre-adder of the
    wide port; ECP5 and Gowin have 18 x 18 and none that open tools use.
    Whether two products fit one block follows: `swm.device.primitives.packs`.

    Attributes:
        wide: see above.
        narrow: see above.
        preadder: see above.
        multipliers: of these widths in a block, each with factors of its own; two on Cyclone V.
        least: bits of a factor beyond a port that still take a block; fewer are LUTs.
    """

    wide: Annotated[int, Field(ge=18, le=64)]
    narrow: Annotated[int, Field(ge=8, le=64)]
    preadder: bool = True
    multipliers: Annotated[int, Field(ge=1, le=4, strict=True)] = 1
    least: Annotated[int, Field(ge=1, le=18)] = 1


class Clock(Table):
    """One clock in MHz: a choice, with its reason."""

    mhz: Annotated[float, Field(gt=0, le=1500)]
    reason: Text


def _clock_list(given: Any) -> Any:
    """Clocks as a list of tables, whichever of the three forms the file has: anything else is left to validation."""
    if not isinstance(given, dict):
        return given
    mhz, reason = given.get("mhz"), given.get("reason")
    if not isinstance(mhz, list):
        return [given]
    reasons = reason if isinstance(reason, list) else [reason] * len(mhz)
    if len(reasons) != len(mhz):
        raise ValueError(f"{len(mhz)} clocks and {len(reasons)} reasons: give one reason for each, or one for all")
    return [{**given, "mhz": m, "reason": r} for m, r in zip(mhz, reasons, strict=True)]


class AxiWidth(Table):
    """Width in bits of the AXI streams at the edges of the accelerator: a choice, with its reason."""

    bits: Literal[32, 64, 128, 256, 512]
    reason: Text


class StaticPower(Sourced):
    """Static power of the whole device in watts, at a junction temperature in degrees Celsius."""

    watts: Watts
    junction_c: Annotated[float, Field(ge=-55, le=150)]


class ProcessorPower(Sourced):
    """Power in watts that a hard processor system draws beside the logic."""

    watts: Watts


class DynamicPower(Sourced):
    """Coefficients in uW per MHz at 12.5 % toggle, for one DSP, 36 Kb block, LUT (with signals) and FF (clock tree)."""

    dsp: Positive
    bram36: Positive
    lut: Positive
    ff: Positive


class Supply(Sourced):
    """What the board's supply can give the device, in watts: no design takes more."""

    watts: Positive


class PowerModel(Table):
    """The terms of the power model; `processor` is absent on boards without one, `supply` where it is not known."""

    static: StaticPower
    dynamic: DynamicPower
    processor: ProcessorPower | None = None
    supply: Supply | None = None


class Overhead(Sourced):
    """Logic that the board needs beside the accelerator (DMA, interconnect), where it is known."""

    lut: Count = 0
    ff: Count = 0
    bram18: Count = 0
    dsp: Count = 0


class Board(Table):
    """One board; `part` is the vendor's part string for its tools.

    Without `power` nothing is said of watts; with `link` and `nextpnr`, open tools make a bitstream; with
    `processing_system` or `platform`, AMD's tools make what a processor or a host drives.
    """

    name: Name
    title: Text
    device: Text
    part: PartName
    family: Literal["7series", "ultrascale", "ultrascale+", "ecp5", "gowin", "cyclonev"]
    resources: Capacity
    dsp_ports: DspPorts
    clocks: Annotated[tuple[Clock, ...], BeforeValidator(_clock_list), Field(alias="clock", min_length=1)]
    stream: AxiWidth
    power: PowerModel | None = None
    overhead: Overhead | None = None
    link: Link | None = None
    nextpnr: Nextpnr | None = None
    processing_system: ProcessingSystem | None = None
    platform: Platform | None = None
    pcie: Pcie | None = None

    @model_validator(mode="after")
    def _clocked(self) -> Board:
        if self.link is not None and self.link.clock_pin_n is not None and self.family != "7series":
            raise ValueError(f"link.clock_pin_n: differential oscillators are for family 7series, not {self.family}")
        if self.pcie is not None and self.vendor != "AMD":
            raise ValueError(f"pcie: its block design is for devices of AMD, not of {self.vendor}")
        if self.family == M10K and self.resources.bram18:
            raise ValueError("resources.bram18: devices of family cyclonev have m10k, blocks of 10 Kb")
        if self.family != M10K and self.resources.m10k:
            raise ValueError(f"resources.m10k: devices of family {self.family} have bram18, blocks of 18 Kb")
        return self

    @property
    def vendor(self) -> str:
        """Whose device it is."""
        return VENDORS[self.family]

    @property
    def labels(self) -> dict[str, str]:
        """How the device's vendor calls the resources of a `Usage`."""
        return resource_labels(self.family)

    @property
    def block_kilobits(self) -> int:
        """Of a memory that `Usage.bram18` counts."""
        return 10 if self.family == M10K else 18

    @property
    def clock(self) -> Clock:
        """The default clock: the first."""
        return self.clocks[0]


def resource_labels(family: str) -> dict[str, str]:
    """How the vendor of a family calls the resources of a `Usage`."""
    memories, logic = ("M10K", "ALUT") if family == M10K else ("BRAM18", "LUT")
    return {"dsp": "DSP", "bram18": memories, "uram": "URAM", "lut": logic, "ff": "FF"}


def target_names() -> tuple[str, ...]:
    """Names of all targets that travel with swm, sorted: the boards, and those that are only listed."""
    return tuple(sorted(p.stem for p in boards_dir().glob("*.toml")))


def board_names() -> tuple[str, ...]:
    """Names of the boards that swm designs for and that travel with it, sorted."""
    return tuple(name for name in target_names() if isinstance(_shipped(boards_dir(), name), Board))


def board_template() -> str:
    """A commented board file to start from."""
    return (templates_dir() / "board.toml").read_text(encoding="utf-8")


def load_board(name_or_path: str | Path) -> Board:
    """Read one board to design for.

    Args:
        name_or_path: A name out of `board_names()`, or the path of a `.toml` file with the same keys.

    Returns:
        The validated, frozen description.

    Raises:
        UnknownBoard: No board has this name and no file this path; the message offers the nearest names.
        OptionError: The file is not a valid board description; every fault is listed. Or swm lists the target but
            designs nothing for it; the message says why.
    """
    target = load_target(name_or_path)
    if isinstance(target, ListedTarget):
        energies = ", `swm report` and `swm explore` what an inference takes" if target.priced else ""
        raise OptionError(
            f"swm designs nothing for '{target.name}': {target.refused}; `swm boards` shows what is known{energies}"
        )
    return target


def load_target(name_or_path: str | Path) -> Board | ListedTarget:
    """Read one target, whether swm designs for it or only lists it; power as the user has calibrated it.

    Args:
        name_or_path: A name out of `target_names()`, or the path of a `.toml` file with the same keys.

    Raises:
        UnknownBoard: No target has this name and no file this path; the message offers the nearest names.
        OptionError: The file is not a valid description; every fault is listed.
    """
    text = str(name_or_path)
    names = target_names()
    if text in names:
        found = _shipped(boards_dir(), text)
        if isinstance(found, Board) and found.power is not None:  # kept by `swm report --calibrate`
            power = calibrated_power(text, found.power)
            return found if power is found.power else found.model_copy(update={"power": power})
        return found
    path = Path(text)
    if path.suffix == ".toml" and path.is_file():
        return _read(path)
    if path.suffix == ".toml" and text[:-5] not in names:
        raise UnknownBoard(f"no board file '{text}'; boards by name: {', '.join(board_names())}")
    near = difflib.get_close_matches(text.lower().removesuffix(".toml"), names, n=3, cutoff=0.4)
    offer = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"choose one of {', '.join(board_names())}, or give a .toml file"
    )
    raise UnknownBoard(f"unknown board '{text}': {offer}")


@cache
def _shipped(folder: Path, name: str) -> Board | ListedTarget:
    # read once: the names of the boards to design for need all of them
    return _read(folder / f"{name}.toml")


def _read(path: Path) -> Board | ListedTarget:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"board file '{path}' cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"board file '{path}' is not valid TOML: {error}") from error
    model: type[Board] | type[ListedTarget] = ListedTarget if data.get("family") in LISTED_FAMILIES else Board
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = [_fault(model, e["loc"], e["type"], e["msg"]) for e in error.errors(include_url=False)]
        raise OptionError("\n".join([f"board file '{path}' is not valid:", *(f"  - {f}" for f in faults)])) from error


def _fault(model: type[BaseModel], location: tuple[int | str, ...], kind: str, message: str) -> str:
    # the first of a list stands for the single table that most files have
    where = "".join(f".{s}" if isinstance(s, str) else f"[{s}]" if s else "" for s in location).lstrip(".")
    if kind != "extra_forbidden":
        said = message.removeprefix("Value error, ")  # pydantic's words before ours
        return f"{where}: {said}" if where else said
    valid = _keys(model, location[:-1])
    near = difflib.get_close_matches(str(location[-1]), valid, n=1, cutoff=0.4)
    return f"{where}: no such key; " + (f"did you mean '{near[0]}'?" if near else f"keys here: {', '.join(valid)}")


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for step in location:
        if isinstance(step, str):
            field = next(f for n, f in model.model_fields.items() if step in (n, f.alias))
            model = next(c for c in _leaves(field.annotation) if isinstance(c, type) and issubclass(c, BaseModel))
    return [field.alias or name for name, field in model.model_fields.items()]


def _leaves(annotation: Any) -> list[Any]:
    inner = [leaf for part in getattr(annotation, "__args__", ()) for leaf in _leaves(part)]
    return inner or [annotation]
