# SPDX-License-Identifier: Apache-2.0
"""What the tables of every board file have in common: frozen, no unknown keys, figures with their kind and source."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = [
    "Count",
    "FigureKind",
    "IoStandard",
    "Name",
    "PartName",
    "Positive",
    "Sourced",
    "Table",
    "Text",
    "Watts",
    "Word",
]

FigureKind = Literal["counted", "modelled", "measured", "published", "recalled"]
"""Where a figure comes from; "recalled" where nobody can follow it: from memory of a vendor's document."""
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
PartName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9/-]*$")]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9/_-]*$")]  # goes to a tool or its file
IoStandard = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
]  # in quotes where it is written
Count = Annotated[int, Field(ge=0, strict=True)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Watts = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Table(BaseModel):
    """A table of a board file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sourced(Table):
    """A table of figures."""

    kind: FigureKind
    source: Text
