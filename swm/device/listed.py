# SPDX-License-Identifier: Apache-2.0
"""Targets that swm lists but designs nothing for: chips, with what is known of them.

Each lies in `boards/` beside the boards, in a TOML file of these keys, and says in `refused` why nothing is designed.
Of those whose operations have energies, reports estimate what an inference takes (`swm/device/chip.py`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from swm.device.tables import Name, PartName, Positive, Sourced, Table, Text

__all__ = ["LISTED_FAMILIES", "Counted", "ListedTarget", "OperationEnergy"]

LISTED_FAMILIES = ("asic",)
Counted = Literal["addition", "multiplication", "register", "sram"]
"""Operations and accesses that a report counts; those of a register are of one bit."""


class OperationEnergy(Sourced):
    """Energy in picojoules of one operation on words of so many bits, or of one access to a memory.

    Attributes:
        operation: in words.
        counts: what a report prices with it; absent: nothing, it is there to be read.
        kilobytes: size of the memory, of "sram".
    """

    operation: Text
    bits: Annotated[int, Field(gt=0, strict=True)]
    picojoule: Positive
    counts: Counted | None = None
    kilobytes: Annotated[int, Field(gt=0, strict=True)] | None = None

    @model_validator(mode="after")
    def _sized(self) -> OperationEnergy:
        if (self.counts == "sram") != (self.kilobytes is not None):
            raise ValueError('a memory on the chip has counts = "sram" and its kilobytes, nothing else has')
        return self


class ListedTarget(Table):
    """A target without designs; `energy` is what is known of it."""

    name: Name
    title: Text
    device: Text
    part: PartName | None = None
    family: Literal["asic"]
    refused: Text
    energy: tuple[OperationEnergy, ...] = ()

    @property
    def priced(self) -> bool:
        """Whether an inference can be priced: additions, multiplications and a memory have energies."""
        return {"addition", "multiplication", "sram"} <= {e.counts for e in self.energy}
