# SPDX-License-Identifier: Apache-2.0
"""`swm synth`: the area of an RTL project, counted by yosys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

import swm
from swm.cli.common import example, json_option, out, progress_bar, write_json

if TYPE_CHECKING:
    from swm.report.measured import Area, Synthesis


@click.command(epilog=example("swm synth rtl-project\nswm synth rtl-project --family ecp5 --json area.json"))
@click.argument("project")
@click.option("--family", metavar="NAME", help="xc7, xcup, ecp5, gowin or cyclonev [default: that of the board].")
@click.option("--limit", type=float, default=3600.0, show_default=True, help="Seconds that yosys may take a process.")
@json_option
def synth(project: str, family: str | None, limit: float, json_to: str | None) -> None:
    """Map PROJECT (back end rtl) with yosys: LUT, FF, DSP and memories a layer and in all.

    Each process is mapped alone, and none twice: what was mapped before is known by its content. The project keeps the
    figures, and `swm report PROJECT` shows them beside the model's. yosys is Debian's, PyPI's (pip install
    'swm-fpga[open]'), or the program that $SWM_YOSYS names; of several the newest.
    """
    with progress_bar() as progress:
        found = swm.synth(project, family=family, limit_s=limit, progress=progress)
    if not write_json(json_to, found.to_json()):
        out.print(_table(found))
        out.print(Text(f"measured by {found.tool} ({found.flow}), {found.seconds:.1f} s; not comparable with Vivado's"))


_USUAL = {"LUT": "lut", "FF": "ff", "DSP": "dsp", "BRAM18": "bram18", "URAM": "uram"}
_OF_INTEL = {"ALUT": "lut", "FF": "ff", "DSP": "dsp", "M10K": "m10k"}


def _table(found: Synthesis) -> Table:
    from swm.device import listed_blocks

    table = Table()
    table.add_column("layer")
    intel = found.board_family == "cyclonev"
    names = _OF_INTEL if intel else _USUAL
    for name in names:
        table.add_column(name, justify="right")
    for layer in found.layers:
        table.add_row(Text(layer.name or "AXI edges"), *_cells(layer.area, names))
    table.add_section()
    table.add_row("in all", *_cells(found.area, names))
    for name, has in listed_blocks(found.board_family):
        table.add_row(Text(f"{name} has"), *(f"{getattr(has, key):,}" for key in names.values()))
    return table


def _cells(area: Area, names: Mapping[str, str]) -> list[str]:
    return [f"{getattr(area, key):,}" for key in names.values()]
