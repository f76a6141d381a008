# SPDX-License-Identifier: Apache-2.0
"""Device families that yosys maps to: its command for each, and what its cells count as."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from swm.device.board import Board
from swm.errors import OptionError, ToolError
from swm.report.measured import Area
from swm.report.vendor.opentools import count_cells, uncounted_cells
from swm.report.vendor.values import ReportError

__all__ = ["FAMILIES", "Family", "area_of", "family_of", "find_family"]


@dataclass(frozen=True)
class Family:
    """A family of devices.

    Attributes:
        name: what `--family` takes.
        title: for people.
        board: what board files call it.
        part: yosys's command that maps a part of a design, its top aside: no pads, no clock buffers.
        whole: yosys's command that maps a board's top for nextpnr; empty where nextpnr has no such devices.
        least: the oldest yosys that maps it.
    """

    name: str
    title: str
    board: str
    part: str
    whole: str = ""
    least: tuple[int, ...] = ()


_CYCLONE = "synth_intel_alm -family cyclonev -noiopad -noclkbuf"
FAMILIES = {
    f.name: f
    for f in (
        Family("xc7", "AMD 7-series", "7series", "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf"),
        Family("xcup", "AMD UltraScale+", "ultrascale+", "synth_xilinx -family xcup -flatten -noiopad -noclkbuf"),
        Family("ecp5", "Lattice ECP5", "ecp5", "synth_ecp5", "synth_ecp5"),
        Family("gowin", "Gowin GW2A", "gowin", "synth_gowin -family gw2a -noiopads", "synth_gowin -family gw2a"),
        # yosys 0.23 has no M10K with contents: weights would lie in LUTs
        Family("cyclonev", "Intel Cyclone V", "cyclonev", _CYCLONE, least=(0, 70)),
    )
}


def find_family(name: str) -> Family:
    """The family of a name.

    Raises:
        OptionError: there is none.
    """
    if name in FAMILIES:
        return FAMILIES[name]
    near = difflib.get_close_matches(name, FAMILIES, n=1, cutoff=0.4)
    raise OptionError(
        f"unknown family {name!r}: " + (f"did you mean {near[0]!r}?" if near else f"choose {', '.join(FAMILIES)}")
    )


def family_of(board: Board) -> Family:
    """The family of a board's device.

    Raises:
        OptionError: yosys does not map to it.
    """
    for family in FAMILIES.values():
        if family.board == board.family:
            return family
    raise OptionError(f"board {board.name}: the open tools do not map to devices of family {board.family}")


def area_of(cells: Mapping[str, int]) -> Area:
    """What mapped cells take.

    Raises:
        ToolError: a cell that is not mapped, or that nobody knows: a number would be wrong.
    """
    unknown = uncounted_cells(cells)
    if unknown:
        raise ToolError(f"yosys left cells that swm cannot count: {', '.join(unknown)}; no number is given")
    try:
        return Area(**count_cells(cells))
    except ReportError as error:
        raise ToolError(f"yosys did not map everything: {error}; no number is given") from error
