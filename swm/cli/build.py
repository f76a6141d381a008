# SPDX-License-Identifier: Apache-2.0
"""`swm build`: what a board is loaded with, by AMD's tools, Quartus or open ones."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import click
from rich.text import Text

import swm
from swm.cli.common import example, json_option, out, progress_bar, write_json

if TYPE_CHECKING:
    from swm.report.measured import Build
    from swm.report.vendor.built import VendorBuild


@click.command(
    epilog=example(
        "swm emit model.onnx -o p --board pynq-z2 --calibration x.npy\n"
        "swm build p --tools /opt/Xilinx\n"
        "swm emit model.onnx -o q --board ulx3s --backend rtl --calibration x.npy\n"
        "swm build q --json built.json"
    )
)
@click.argument("project")
@click.option("--tools", metavar="DIR", help="Where AMD's or Intel's tools are installed [default: those on PATH].")
@click.option("--cosim", is_flag=True, help="Co-simulate, too, where HLS runs.")
@click.option(
    "--seeds", type=int, default=4, show_default=True, help="Of nextpnr's place and route, where the clock is missed."
)
@click.option(
    "--timeout",
    "--limit",
    "limit",
    type=float,
    metavar="SECONDS",
    help="That a step may take [default: an hour, a day for AMD's and Intel's tools].",
)
@json_option
def build(project: str, tools: str | None, cosim: bool, seeds: int, limit: float | None, json_to: str | None) -> None:
    """Make what the board of PROJECT is loaded with.

    Devices of AMD: HLS (v++ and vitis-run, or vitis_hls), then Vivado's block design with processor and DMA for Zynq
    boards, or v++ for Alveo cards; measured/swm.bit or measured/swm.xclbin is what to load, board/ has the driver. What
    the tools reported stands beside the estimate. Boards with neither get an IP, or an RTL project's routed figures.
    Devices of Intel (back end rtl): Quartus; measured/board.sof where the board has a serial line, else routed figures.

    Other boards with pins (back end rtl: ulx3s, colorlight-i9, tangnano20k): yosys, nextpnr and the family's packer;
    where the clock is missed, other seeds are tried side by side. The tools: pip install 'swm-fpga[open]'.

    What ran before on the same files is not run again: a build that was broken off goes on where it was.

    Exit status 0: all was built. 1: the clock is missed, or the design does not fit. 2: bad input, or a tool failed.
    """
    from swm.report.measured import Build  # here, as `--help` should not wait for it

    with progress_bar() as progress:
        found = swm.build(project, tools=tools, cosim=cosim, seeds=seeds, limit_s=limit, progress=progress)
    if not write_json(json_to, found.to_json()):
        _open(found) if isinstance(found, Build) else _vendor(found, project)
    sys.exit(0 if found.met else 1)


def _open(found: Build) -> None:
    style = "green" if found.met else "bold red"
    verdict = f"bitstream {found.bitstream}" if found.met else f"the clock is MISSED (seeds {found.seeds})"
    clock = f"Fmax {found.fmax_mhz:.2f} MHz, board {found.clock_mhz:g} MHz, seed {found.seed}"
    out.print(Text(f"{verdict}; {clock}", style=style))
    pairs = [
        (f.name.upper(), getattr(found.area, f.name), getattr(found.available, f.name)) for f in fields(found.area)
    ]
    out.print(Text(", ".join(f"{name} {used:,} of {has:,} ({used / has:.0%})" for name, used, has in pairs if has)))
    out.print(Text(f"measured by {', '.join(found.tools)}; {found.seconds:.1f} s"))


def _vendor(found: VendorBuild, project: str) -> None:
    from swm.report.vendor import modelled_figures, reading_lines

    steps = ", ".join(f"{s.name} {s.seconds:,.0f} s" if s.run else f"{s.name} (before)" for s in found.steps)
    clock = "" if found.fmax_mhz is None else f"; Fmax {found.fmax_mhz:.2f} MHz, asked for {found.clock_mhz:g} MHz"
    nothing = f"built; this project has nothing to load board {found.board} with (its README says why)"
    verdict = "the clock is MISSED, so there is no bitstream" if found.missed else found.bitstream or nothing
    out.print(Text(f"{verdict}{clock}", style="bold red" if found.missed else "green"))
    modelled = modelled_figures(swm.report(project).boards[0].structured)
    for line in reading_lines(found.reading, out.width, modelled):
        out.print(Text(line), soft_wrap=True)
    out.print(Text(f"measured by {', '.join(found.tools)}: {steps}"), soft_wrap=True)
