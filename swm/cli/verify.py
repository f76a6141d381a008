# SPDX-License-Identifier: Apache-2.0
"""`swm verify`: run a project's simulation, in C++ or cycle by cycle, and compare bit for bit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from rich.text import Text

import swm
from swm.cli.common import example, json_option, out, progress_bar, write_json

if TYPE_CHECKING:
    from swm.emit import RtlVerification, Verification


@click.command(
    epilog=example(
        "swm verify project\nswm verify project --compiler clang++\nswm verify --rtl rtl-project --frames 1000"
    )
)
@click.argument("project")
@click.option("--compiler", default="g++", show_default=True, help="C++ compiler of a C++ project.")
@click.option("--rtl", is_flag=True, help="Insist on a project of back end rtl.")
@click.option("--frames", type=int, metavar="N", help="Frames of an RTL run [default: the project's vectors].")
@json_option
def verify(project: str, compiler: str, rtl: bool, frames: int | None, json_to: str | None) -> None:
    """Run the simulation of PROJECT and compare every output word with the integer engine.

    C++ is compiled with a plain compiler. RTL (back end rtl) is simulated by Verilator: a frame alone, frames back to
    back, frames with random stalls on both sides; interval and latency are measured and held against the design's.

    Exit status 0: no word differs. 1: words differ, or cycles by more than 2 %. 2: the project is damaged or a tool is
    missing.
    """
    with progress_bar() as progress:
        result = swm.verify(project, compiler=compiler, rtl=rtl, frames=frames, progress=progress)
    if not write_json(json_to, result.to_json()):
        from swm.emit import RtlVerification  # here, as `--help` should not wait for it

        if isinstance(result, RtlVerification):
            print_rtl(result)
        else:
            print_verification(result)
    sys.exit(0 if result.ok else 1)


def print_rtl(result: RtlVerification) -> None:
    """The outcome of an RTL simulation in a few lines."""
    rtl = result.rtl
    exact = not rtl.mismatches and rtl.framing
    style = "green" if exact else "bold red"
    out.print(
        Text(
            f"RTL simulation {'bit-exact' if exact else 'DIFFERS'}: {rtl.words:,} words, {rtl.mismatches:,} differ;"
            f" {rtl.frames:,} frames back to back, and again with stalls on both sides",
            style=style,
        )
    )
    if result.first_mismatch:
        out.print(Text(f"first difference: {result.first_mismatch}", style=style))
    if not rtl.framing:
        out.print(Text("frames were not kept apart: TLAST or the counters of frames are wrong", style=style))
    out.print(
        Text(
            f"interval {rtl.interval_cycles:,.1f} cycles measured, {rtl.interval_modelled:,} modelled; latency"
            f" {rtl.latency_cycles:,} measured, {rtl.latency_modelled:,} modelled"
            + ("" if rtl.cycles_agree else ": they DIFFER by more than 2 %"),
            style="green" if rtl.cycles_agree else "bold red",
        )
    )
    for line in result.remarks:
        out.print(Text(line))
    for line in result.advice:
        out.print(Text(f"what to do: {line}", style="yellow"))
    out.print(Text(f"{rtl.tool}; build {result.compile_seconds:.1f} s, run {result.run_seconds:.2f} s (measured)"))


def print_verification(result: Verification) -> None:
    """The outcome in a few lines."""
    style = "green" if result.ok else "bold red"
    verdict = "bit-exact" if result.ok else "DIFFERS"
    out.print(
        Text(
            f"C simulation {verdict}: {result.words:,} words of {result.samples:,} samples,"
            f" {result.mismatches:,} differ; {result.saturated:,} of {result.rounded:,} values saturated"
            f" ({100 * result.saturated / max(result.rounded, 1):.2f} %)",
            style=style,
        )
    )
    if result.first_mismatch:
        out.print(Text(f"first difference: {result.first_mismatch}", style=style))
    for line in result.remarks:
        out.print(Text(line))
    for line in result.advice:
        out.print(Text(f"what to do: {line}", style="yellow"))
    out.print(Text(f"compile {result.compile_seconds:.1f} s, run {result.run_seconds:.2f} s (measured)"))
