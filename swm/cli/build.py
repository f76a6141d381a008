# SPDX-License-Identifier: Apache-2.0
"""`swm build`: a bitstream of an RTL project, by open tools."""

from __future__ import annotations

import sys
from dataclasses import fields

import click
from rich.text import Text

import swm
from swm.cli.common import example, json_option, out, progress_bar, write_json


@click.command(epilog=example("swm emit model.onnx -o p --board ulx3s --backend rtl --calibration x.npy\nswm build p"))
@click.argument("project")
@click.option("--seeds", type=int, default=4, show_default=True, help="Of place and route, where the clock is missed.")
@click.option("--limit", type=float, default=3600.0, show_default=True, help="Seconds that a step may take.")
@json_option
def build(project: str, seeds: int, limit: float, json_to: str | None) -> None:
    """Make a bitstream of PROJECT (back end rtl, a board with pins: ulx3s, colorlight-i9, tangnano20k).

    yosys maps the board's top, nextpnr places and routes it, and the family's packer writes the bitstream into the
    project's folder measured/. Where the clock is missed, other seeds are tried side by side. What ran before on the
    same files is not run again: a build that was broken off goes on. The tools: pip install 'swm-fpga[open]'.

    Exit status 0: there is a bitstream. 1: the clock is missed, or the design does not fit. 2: bad input, or a tool
    failed.
    """
    with progress_bar() as progress:
        found = swm.build(project, seeds=seeds, limit_s=limit, progress=progress)
    if not write_json(json_to, found.to_json()):
        style = "green" if found.met else "bold red"
        verdict = f"bitstream {found.bitstream}" if found.met else f"the clock is MISSED (seeds {found.seeds})"
        clock = f"Fmax {found.fmax_mhz:.2f} MHz, board {found.clock_mhz:g} MHz, seed {found.seed}"
        out.print(Text(f"{verdict}; {clock}", style=style))
        pairs = [
            (f.name.upper(), getattr(found.area, f.name), getattr(found.available, f.name)) for f in fields(found.area)
        ]
        out.print(Text(", ".join(f"{name} {used:,} of {has:,} ({used / has:.0%})" for name, used, has in pairs if has)))
        out.print(Text(f"measured by {', '.join(found.tools)}; {found.seconds:.1f} s"))
    sys.exit(0 if found.met else 1)
