# SPDX-License-Identifier: Apache-2.0
"""`swm bench`: measured comparisons on this machine."""

from __future__ import annotations

import sys

import click

from swm.cli._common import console, example, json_option, out, progress_bar, write_json

__all__ = ["bench"]

quick_option = click.option("--quick", is_flag=True, help="The main cases only, fewer rounds.")


@click.group(epilog=example("swm bench kernels --quick\nswm bench fixed --json fixed.json"))
def bench() -> None:
    """Measure products and engines on this machine against dense baselines."""


@bench.command(epilog=example("swm bench kernels --json kernels.json --plot kernels.svg"))
@quick_option
@json_option
@click.option("--plot", metavar="FILE.svg", help="Draw speed-up, growth and roofline (needs matplotlib).")
def kernels(quick: bool, json_to: str | None, plot: str | None) -> None:
    """Block-circulant products against OpenBLAS and onnxruntime."""
    from swm.bench.kernels import run_kernels
    from swm.bench.plots import draw
    from swm.bench.tables import headlines, to_table

    with progress_bar() as progress:
        result = run_kernels(quick=quick, progress=progress)
    if plot:
        draw(result, plot)
    if not write_json(json_to, result):
        out.print(to_table(result))
        for line in headlines(result):
            out.print(line, highlight=False)


@bench.command(epilog=example("swm bench fixed"))
@quick_option
@json_option
def fixed(quick: bool, json_to: str | None) -> None:
    """The compiled integer engine against numpy's, on the bundled network's shape."""
    from swm.bench.fixed import run_fixed_bench
    from swm.bench.tables import headlines, to_table

    with progress_bar() as progress:
        result = run_fixed_bench(quick=quick, progress=progress)
    if not write_json(json_to, result):
        out.print(to_table(result))
        for line in headlines(result):
            out.print(line, highlight=False)
    if not all(row["equal"] for row in result["rows"]):
        console.print("the engines' integers differ", style="bold red")
        sys.exit(1)


@bench.command(epilog=example("swm bench convert --quick"))
@quick_option
@json_option
@click.option("--plot", metavar="FILE.svg", help="Draw time and memory against block size (needs matplotlib).")
def convert(quick: bool, json_to: str | None, plot: str | None) -> None:
    """Time and memory of conversion by least squares: a matrix, a convolution, an LSTM."""
    from swm.bench.convert import run_convert
    from swm.bench.convert_plot import draw_convert
    from swm.bench.tables import headlines, to_table

    with progress_bar() as progress:
        result = run_convert(quick=quick, progress=progress)
    if plot:
        draw_convert(result, plot)
    if not write_json(json_to, result):
        out.print(to_table(result))
        for line in headlines(result):
            out.print(line, highlight=False)
