# SPDX-License-Identifier: Apache-2.0
"""`swm bench`: measured comparisons on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from swm.cli.common import console, example, json_option, out, progress_bar, write_json
from swm.errors import OutputError

__all__ = ["bench"]

quick_option = click.option("--quick", is_flag=True, help="The main cases only, fewer rounds.")
plot_option = click.option("--plot", metavar="FILE.svg", help="Draw the results.")
reports_option = click.option(
    "--reports", metavar="DIR", help="Folder of csynth reports (.rpt): the rules of operators and memories."
)
power_option = click.option("--power", metavar="FILE.csv", help="Table of Vivado power reports (docs/validation.md).")
bands_option = click.option(
    "--bands",
    metavar="FILE.json",
    help="Put the errors found into a file of error bands; that of reports is swm/report/bands.json.",
)


@click.group(epilog=example("swm bench kernels --quick\nswm bench fixed --json fixed.json"))
def bench() -> None:
    """Measure engines on this machine against dense baselines, and swm's models against what others measured."""


def _measured(run: Callable[..., dict[str, Any]], quick: bool, json_to: str | None, plot: str | None) -> dict[str, Any]:
    """Run a benchmark and show or write what it gives."""
    from swm.bench.plots import draw
    from swm.bench.tables import headlines, to_table

    with progress_bar() as progress:
        result = run(quick=quick, progress=progress)
    if plot:
        draw(result, plot)
    if not write_json(json_to, result):
        out.print(to_table(result))
        for line in headlines(result):
            out.print(line, highlight=False)
    return result


@bench.command(epilog=example("swm bench kernels --json kernels.json --plot kernels.svg"))
@quick_option
@json_option
@plot_option
def kernels(quick: bool, json_to: str | None, plot: str | None) -> None:
    """Block-circulant products against OpenBLAS and onnxruntime."""
    from swm.bench.kernels import run_kernels

    _measured(run_kernels, quick, json_to, plot)


@bench.command(epilog=example("swm bench conv --quick"))
@quick_option
@json_option
@plot_option
def conv(quick: bool, json_to: str | None, plot: str | None) -> None:
    """Block-circulant convolutions against onnxruntime's."""
    from swm.bench.conv import run_conv

    _measured(run_conv, quick, json_to, plot)


@bench.command(epilog=example("swm bench rnn --json rnn.json"))
@quick_option
@json_option
@plot_option
def rnn(quick: bool, json_to: str | None, plot: str | None) -> None:
    """Block-circulant LSTM and GRU against onnxruntime's."""
    from swm.bench.rnn import run_rnn

    _measured(run_rnn, quick, json_to, plot)


@bench.command(epilog=example("swm bench fixed"))
@quick_option
@json_option
@plot_option
def fixed(quick: bool, json_to: str | None, plot: str | None) -> None:
    """The compiled integer engine against numpy's.

    On the bundled network's shape.
    """
    from swm.bench.fixed import run_fixed_bench

    result = _measured(run_fixed_bench, quick, json_to, plot)
    if not all(row["equal"] for row in result["rows"]):
        console.print("the engines' integers differ", style="bold red")
        sys.exit(1)


@bench.command(epilog=example("swm bench area --json area.json --plot area.svg\nswm bench area --family ecp5 --quick"))
@quick_option
@click.option(
    "--family",
    type=click.Choice(("xc7", "ecp5", "gowin", "cyclonev")),  # FITTED, which --help should not wait for
    default="xc7",
    show_default=True,
    help="Devices whose prices are fitted; xc7 holds out UltraScale+, too.",
)
@click.option("--markdown", "markdown_to", metavar="FILE.md", help="Also write the page of the documentation.")
@click.option(
    "--coefficients",
    metavar="FILE.py",
    help="Also write what was fitted, in the form of swm/layers/rtl/area/coefficients.py (_ecp5, _gowin, _cyclonev).",
)
@json_option
@plot_option
@bands_option
def area(
    quick: bool,
    family: str,
    markdown_to: str | None,
    coefficients: str | None,
    json_to: str | None,
    plot: str | None,
    bands: str | None,
) -> None:
    """The resource model of back end rtl against yosys.

    On a grid of layers: fitted on some, judged on others. Takes half an hour of a core, --quick some minutes; what
    yosys mapped before is known, so a run that was broken off goes on.
    """
    from swm.bench import area as bench_area
    from swm.bench.area_page import markdown
    from swm.bench.bands import keep_bands, of_area

    _check_markdown(markdown_to)
    _check_bands(bands)
    result = _measured(partial(bench_area.run_area, family=family), quick, json_to, plot)
    for file, text in ((markdown_to, markdown(result)), (coefficients, bench_area.coefficients(result))):
        if file is not None:
            _write(file, text)
    if bands is not None:
        keep_bands(of_area(result, date.today().isoformat()), bands)


@bench.command(epilog=example("swm bench convert --quick"))
@quick_option
@json_option
@plot_option
def convert(quick: bool, json_to: str | None, plot: str | None) -> None:
    """Time and memory of conversion by least squares.

    Of a matrix, a convolution and an LSTM.
    """
    from swm.bench.convert import run_convert

    _measured(run_convert, quick, json_to, plot)


@bench.command(
    epilog=example(
        "swm bench models zoo/ --quick\nswm bench models model.onnx --block 16\nswm bench models --json validation.json"
    )
)
@click.argument("folder", type=click.Path(exists=True), required=False)
@click.option("--block", type=int, help="Block size [default: 8, or the largest below it at which a layer fits].")
@quick_option
@reports_option
@power_option
@json_option
@plot_option
def models(
    folder: str | None,
    block: int | None,
    quick: bool,
    reports: str | None,
    power: str | None,
    json_to: str | None,
    plot: str | None,
) -> None:
    """Converted models of a folder against onnxruntime.

    FOLDER is searched for .onnx files; one such file may stand in its place. Batch 1 and 64, one thread. Weights are
    merely projected, since only time is compared. Files that cannot be converted are listed with the reason. Exit
    status 1 if a converted model takes more than 1.1 times onnxruntime's time in each of three attempts.

    Without FOLDER it is swm's own models (resources, cycles, power, energy) that are held against what others measured:
    what `swm bench validate` does, with --reports and --power.
    """
    if folder is None:
        if quick or block is not None:
            raise click.UsageError("--quick and --block are for a FOLDER of .onnx files to race")
        click.get_current_context().invoke(validate, reports=reports, power=power, json_to=json_to, plot=plot)
        return
    if reports is not None or power is not None:
        raise click.UsageError("--reports and --power are for swm's own models: leave FOLDER out")
    from swm.bench.models import run_models

    result = _measured(partial(run_models, folder, block=block), quick, json_to, plot)
    if any(row["slower"] for row in result["rows"]):
        console.print("some models are slower converted than dense", style="bold red")
        sys.exit(1)


@bench.command(epilog=example("swm bench published\nswm bench published --json published.json --plot published.svg"))
@click.option("--markdown", "markdown_to", metavar="FILE.md", help="Also write the page of the documentation.")
@quick_option
@json_option
@plot_option
def published(markdown_to: str | None, quick: bool, json_to: str | None, plot: str | None) -> None:
    """Published systems beside swm's models of them.

    On the same board, and SWM's headline ratios. Each row says how its figures are known. Ours are modelled; accuracies
    are measured, of the bundled network, which --quick leaves out.
    """
    from swm.bench.published import run_published
    from swm.bench.published_page import markdown, tables

    _check_markdown(markdown_to)
    with progress_bar() as progress:
        result = run_published(quick=quick, progress=progress)
    _show(result, tables(result), json_to, plot, markdown_to, markdown(result))


@bench.command(epilog=example("swm bench validate\nswm bench validate --reports reports/ --power power_reports.csv"))
@reports_option
@power_option
@click.option("--markdown", "markdown_to", metavar="FILE.md", help="Also write the page of the documentation.")
@json_option
@plot_option
@bands_option
def validate(
    reports: str | None,
    power: str | None,
    markdown_to: str | None,
    json_to: str | None,
    plot: str | None,
    bands: str | None,
) -> None:
    """Models of hardware against others' reports and measurements.

    Resources, cycles, power, energy of boards. Coefficients of power are fitted with each repository left out in turn.
    Exit status 1 where the median error of power is above 35 %.
    """
    from swm.bench.bands import keep_bands, of_validation
    from swm.bench.validate import run_validation
    from swm.bench.validate_page import markdown, tables

    _check_markdown(markdown_to)
    _check_bands(bands)
    with progress_bar() as progress:
        result = run_validation(reports=reports, power=power, progress=progress)
    _show(result, tables(result), json_to, plot, markdown_to, markdown(result))
    if reports is None or power is None:
        console.print("resources and cycles take --reports DIR, power takes --power FILE.csv (docs/validation.md)")
    if bands is not None:
        keep_bands(of_validation(result, date.today().isoformat()), bands)
    if result["power"] is not None and result["power"]["median_error"] > result["power"]["goal"]:
        console.print("the median error of power is above the goal", style="bold red")
        sys.exit(1)


def _check_markdown(path: str | None) -> None:
    if path is not None and not path.endswith(".md"):
        raise OutputError(f"--markdown writes to files that end in .md, got {path!r}")


def _check_bands(path: str | None) -> None:
    if path is not None and not path.endswith(".json"):
        raise OutputError(f"--bands writes to files that end in .json, got {path!r}")


def _write(file: str, text: str) -> None:
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {file!r}: {error.strerror}") from error


def _show(
    result: dict[str, Any], found: list[Table], json_to: str | None, plot: str | None, page: str | None, text: str
) -> None:
    """Write the plot and the page; then JSON, or the tables."""
    if plot:
        from swm.bench.plots import draw

        draw(result, plot)
    if page is not None:
        _write(page, text)
    if not write_json(json_to, result):
        for table in found:
            out.print(table)
