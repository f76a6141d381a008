# SPDX-License-Identifier: Apache-2.0
"""The points of an exploration in a report: what `swm explore --json` wrote, checked, and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from swm.errors import OptionError
from swm.report.numbers import NONE, counted, quantity

__all__ = ["FRONT_HEAD", "Explored", "ExploredPoint", "accuracy_table", "front_rows", "how_to_explore", "read_explored"]

FRONT_HEAD = ("board", "weights", "bits", "measured", "inferences/s", "uJ per inference", "DSP", "BRAM18", "LUT")
MAXIMUM_BYTES = 64 << 20
Fraction = Annotated[float, Field(ge=-1e9, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=200)]
Count = Annotated[int, Field(ge=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ExploredPoint(_Frozen):
    """One point: see `swm.explore.point.Point`; figures of a design that does not exist are None."""

    board: Text
    structure: Text
    block: Annotated[str, Field(max_length=100_000)]
    bits: Annotated[int, Field(ge=1, le=64)]
    accuracy: Fraction | None
    inferences_per_s: Positive | None
    joules: Positive | None
    dsp: Count | None
    bram18: Count | None
    m10k: Count | None = None
    lut: Count | None

    @property
    def choice(self) -> str:
        """What became of the weights."""
        if (self.structure, self.block) == ("circulant", "1"):
            return "dense"
        if self.structure != "circulant":
            return f"{self.structure} {self.block}"
        return f"blocks {self.block.replace(',', ', ')}" if self.by_layer else f"block {self.block}"

    @property
    def by_layer(self) -> bool:
        """Whether each layer has a size of its own, as `swm explore --trials` tries them."""
        return "=" in self.block


class Explored(_Frozen):
    """An exploration: see `swm.explore.exploration.Exploration`; `front` holds places among the points."""

    model: Text
    objective: Text
    measure: Text
    samples: Count
    reference: Fraction
    points: Annotated[tuple[ExploredPoint, ...], Field(max_length=100_000)]
    front: tuple[Count, ...]
    swm: Text

    @property
    def best(self) -> tuple[ExploredPoint, ...]:
        """The points of the front, best first by the objective."""
        return tuple(self.points[place] for place in self.front)


def read_explored(path: str | Path) -> Explored:
    """What `swm explore MODEL ... --json FILE` wrote.

    Raises:
        OptionError: the file cannot be read, or is nothing of the kind.
    """
    try:
        file = Path(path)
        if file.stat().st_size > MAXIMUM_BYTES:
            raise OptionError(f"{str(path)!r} is larger than any exploration: {MAXIMUM_BYTES >> 20} MiB at most")
        found = Explored.model_validate_json(file.read_bytes())
    except OSError as error:
        raise OptionError(f"cannot read the exploration {str(path)!r}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise OptionError(
            f"{str(path)!r} is not what `swm explore --json` writes: {where}: {first['msg'].lower()}"
        ) from error
    if any(place >= len(found.points) for place in found.front):
        raise OptionError(f"{str(path)!r}: its front names points that it does not have")
    return found


def how_to_explore(model: str) -> str:
    """What to do where no exploration was given."""
    return (
        "Not measured. `swm explore ORIGINAL.onnx --board BOARD --inputs X.npy --labels Y.npy --json explored.json` "
        f"measures it for every block size; add `--exploration explored.json` to the report of {model}."
    )


def accuracy_table(found: Explored) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows: what was measured of each size of all layers, a column for each number of bits."""
    points = [p for p in found.points if not p.by_layer]
    bits = sorted({point.bits for point in points})
    known = {(p.choice, p.bits): p.accuracy for p in points if p.accuracy is not None}
    rows = []
    for choice in dict.fromkeys(point.choice for point in points):
        cells = (known.get((choice, width)) for width in bits)
        rows.append((choice, *(NONE if cell is None else f"{100 * cell:.2f} %" for cell in cells)))
    return ("weights", *(f"{width} bits" for width in bits)), rows


def front_rows(found: Explored) -> list[tuple[str, ...]]:
    """The front, as in `FRONT_HEAD`."""
    return [
        (
            p.board,
            p.choice,
            str(p.bits),
            NONE if p.accuracy is None else f"{100 * p.accuracy:.2f} %",
            quantity(p.inferences_per_s),
            quantity(None if p.joules is None else 1e6 * p.joules),
            counted(p.dsp),
            counted(p.bram18) if p.m10k is None else f"{p.m10k:,} M10K",
            counted(p.lut),
        )
        for p in found.best
    ]
