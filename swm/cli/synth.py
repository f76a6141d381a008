# SPDX-License-Identifier: Apache-2.0
"""`swm synth`: the area of an RTL project, counted by yosys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

import swm
from swm.cli.common import example, json_option, out, progress_bar, write_json

if TYPE_CHECKING:
    from swm.report.measured import Synthesis


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


_ORDER = ("lut", "ff", "dsp", "bram18", "uram")


def _table(found: Synthesis) -> Table:
    from swm.device import board_names, load_board, resource_labels

    table, labels = Table(), resource_labels(found.board_family)
    table.add_column("layer")
    for key in _ORDER:
        table.add_column(labels[key], justify="right")
    for layer in found.layers:
        table.add_row(Text(layer.name or "AXI edges"), *(f"{layer.area.of(key):,}" for key in _ORDER))
    table.add_section()
    table.add_row("in all", *(f"{found.area.of(key):,}" for key in _ORDER))
    for board in map(load_board, board_names()):
        if board.family == found.board_family:
            table.add_row(Text(f"{board.name} has"), *(f"{board.resources.of(key):,}" for key in _ORDER))
    return table
