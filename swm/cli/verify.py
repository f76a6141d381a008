# SPDX-License-Identifier: Apache-2.0
"""`swm verify`: run a project's simulation, in C++ or cycle by cycle, and compare bit for bit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

import swm
from swm.cli.common import example, json_option, out, progress_bar, write_json
from swm.words import many

if TYPE_CHECKING:
    from swm.emit import RtlVerification, Verification


@click.command(
    epilog=example(
        "swm verify project\nswm verify project --trace\nswm verify project --compiler clang++\n"
        "swm verify --rtl rtl-project --frames 1000"
    )
)
@click.argument("project")
@click.option("--compiler", default="g++", show_default=True, help="C++ compiler of a C++ project.")
@click.option("--rtl", is_flag=True, help="Insist on a project of back end rtl.")
@click.option("--frames", type=int, metavar="N", help="Frames of an RTL run [default: the project's vectors].")
@click.option("--trace", is_flag=True, help="Compare every layer of a C++ project, and name the first that differs.")
@json_option
def verify(project: str, compiler: str, rtl: bool, frames: int | None, trace: bool, json_to: str | None) -> None:
    """Run the simulation of PROJECT and compare every output word with the integer engine.

    C++ is compiled with a plain compiler. RTL (back end rtl) is simulated by Verilator, or by Icarus where that is
    missing: a frame alone, frames back to back, frames with random stalls on both sides; interval and latency are
    measured and held against the design's.

    With --trace the C simulation writes down what every layer gives. A line a layer: words compared, how many differ,
    the range of its values, those that saturated, and how far it is off the float network (on the vectors of which the
    project keeps the float network's values).

    Exit status 0: no word differs. 1: words differ, or cycles by more than 2 %. 2: the project is damaged or a tool is
    missing.
    """
    with progress_bar() as progress:
        result = swm.verify(project, compiler=compiler, rtl=rtl, frames=frames, trace=trace, progress=progress)
    if not write_json(json_to, result.to_json()):
        from swm.emit import RtlVerification  # here, as `--help` should not wait for it

        if isinstance(result, RtlVerification):
            print_rtl(result)
        else:
            print_verification(result)
            if result.trace:
                print_trace(result)
    sys.exit(0 if result.ok else 1)


def print_rtl(result: RtlVerification) -> None:
    """The outcome of an RTL simulation in a few lines."""
    rtl = result.rtl
    exact = not rtl.mismatches and rtl.framing
    style = "green" if exact else "bold red"
    out.print(
        Text(
            f"RTL simulation {'bit-exact' if exact else 'DIFFERS'}: {many(rtl.words, 'word')},"
            f" {rtl.mismatches:,} differ; {many(rtl.frames, 'frame')} back to back,"
            " and again with stalls on both sides",
            style=style,
        )
    )
    if result.first_mismatch:
        out.print(Text(f"first difference: {result.first_mismatch}", style=style))
    if not rtl.framing:
        out.print(Text("frames were not kept apart: TLAST or the counters of frames are wrong", style=style))
    out.print(
        Text(
            f"interval {rtl.interval_cycles:,.1f} cycles measured, {rtl.interval_modelled:,} modelled; stalls at the"
            f" input {rtl.input_waits:,.1f} cycles a frame measured, {rtl.input_waits_modelled:,} modelled; latency"
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
            f"C simulation {verdict}: {many(result.words, 'word')} of {many(result.samples, 'sample')},"
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


def print_trace(result: Verification) -> None:
    """A line a layer, and the first that differs."""
    table = Table(title="layer by layer: C simulation against integer engine, integer engine against float network")
    for name in ("layer", "kind"):
        table.add_column(name)
    for name in ("words", "differ", "format", "values", "range used", "saturated", "error of float"):
        table.add_column(name, justify="right")
    for layer in result.trace:
        table.add_row(
            Text(layer.name),
            layer.kind,
            f"{layer.words:,}",
            Text(f"{layer.mismatches:,}", style="bold red" if layer.mismatches else ""),
            layer.format,
            f"{layer.low:.3g} .. {layer.high:.3g}",
            f"{100 * layer.used:.0f} %",
            f"{layer.saturated:,}",
            "" if layer.error is None else f"{100 * layer.error:.2f} %",
        )
    out.print(table)
    first = result.first_layer
    if first is None:
        out.print(Text("no layer differs", style="green"))
    else:
        node = f" (node {first.node!r})" if first.node else ""
        count = f"{first.mismatches:,} of {first.words:,} words"
        out.print(
            Text(f"first layer that differs: {first.name}{node}: {count}; {first.first_mismatch}", style="bold red")
        )
