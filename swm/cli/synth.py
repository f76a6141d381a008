# SPDX-License-Identifier: Apache-2.0
"""`swm synth`: the area of an RTL project, counted by yosys."""

from __future__ import annotations

from dataclasses import astuple
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
@click.option("--family", metavar="NAME", help="xc7, xcup, ecp5 or gowin [default: that of the project's board].")
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


def _table(found: Synthesis) -> Table:
    table = Table()
    table.add_column("layer")
    for name in ("LUT", "FF", "DSP", "BRAM18", "URAM"):
        table.add_column(name, justify="right")
    for layer in found.layers:
        table.add_row(Text(layer.name or "AXI edges"), *_cells(layer.area))
    table.add_section()
    table.add_row("in all", *_cells(found.area))
    return table


def _cells(area: Area) -> list[str]:
    return [f"{count:,}" for count in astuple(area)]
