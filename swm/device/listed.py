# SPDX-License-Identifier: Apache-2.0
"""Targets that swm lists but designs nothing for: devices of other vendors, and chips, with what is known of them.

Each lies in `boards/` beside the boards, in a TOML file of these keys, and says in `refused` why nothing is designed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from swm.device.tables import Count, Name, PartName, Positive, Sourced, Table, Text

__all__ = ["LISTED_FAMILIES", "Blocks", "DspModes", "ListedTarget", "OperationEnergy"]

LISTED_FAMILIES = ("cyclonev", "asic")


class Blocks(Sourced):
    """What an Intel device holds: adaptive logic modules, flip-flops, memories of 10 Kb, DSP blocks."""

    alm: Count
    ff: Count
    m10k: Count
    dsp: Count


class DspModes(Sourced):
    """What one DSP block multiplies at once, each mode in words: "two 18x18"."""

    multipliers: tuple[Text, ...]


class OperationEnergy(Sourced):
    """Energy in picojoules of one operation on words of so many bits, or of one access to a memory."""

    operation: Text
    bits: Annotated[int, Field(gt=0, strict=True)]
    picojoule: Positive


class ListedTarget(Table):
    """A target without designs. `energy` is filled for chips, `blocks` and `dsp_modes` for devices."""

    name: Name
    title: Text
    device: Text
    part: PartName | None = None
    family: Literal["cyclonev", "asic"]
    refused: Text
    blocks: Blocks | None = None
    dsp_modes: DspModes | None = None
    energy: tuple[OperationEnergy, ...] = ()
