# SPDX-License-Identifier: Apache-2.0
"""`swm explore`: block sizes, bits and boards of a model, and the Pareto front of them."""

from __future__ import annotations

import click
from rich.text import Text

import swm
from swm.cli.common import (
    backend_option,
    board_option,
    clock_option,
    example,
    hybrid_option,
    json_option,
    load_arrays,
    load_labels,
    out,
    progress_bar,
    write_json,
)
from swm.errors import OptionError, OutputError


@click.command(
    epilog=example(
        "swm explore model.onnx --board pynq-z2 --board zcu104 --inputs x.npy --labels y.npy\n"
        "swm explore model.onnx --board kv260 --blocks 1,4,8,16,8x --bits 8,12 --inputs x.npy --labels y.npy \\\n"
        "  --min-accuracy 0.95 --objective energy --html front.html --plot front.svg\n"
        "swm explore model.onnx --board pynq-z2 --blocks 2,4,8,16 --trials 100 --inputs x.npy --labels y.npy\n"
        "swm explore model.onnx --board de10-nano --backend rtl --inputs x.npy --labels y.npy\n"
        "swm explore model.onnx --board asic-40nm --inputs x.npy --labels y.npy    # energy of operations alone"
    )
)
@click.argument("model", metavar="MODEL")
@board_option(multiple=True)
@click.option(
    "--blocks", default="4,8,16", show_default=True, help="Block sizes; 1 is the model as it is, 8x a budget."
)
@click.option("--bits", default="8,12,16", show_default=True, help="Data and weight bits, 4 to 18 each.")
@click.option(
    "--structure",
    multiple=True,
    default=("circulant",),
    show_default=True,
    metavar="NAME",
    help="Of the weights, with --blocks for its sizes; may be repeated. `swm convert --help` has the names.",
)
@click.option(
    "--objective",
    type=click.Choice(["energy", "throughput", "latency", "cost"]),  # OBJECTIVES, which --help should not wait for
    default="energy",
    show_default=True,
    help="What the front is sorted by.",
)
@click.option("--min-accuracy", type=float, metavar="FRACTION", help="Points below are not on the front.")
@click.option(
    "--inputs",
    metavar="X.npy",
    required=True,
    help="Samples; without --calibration, half of them calibrate and the others are measured on.",
)
@click.option("--labels", metavar="Y.npy", help="Class numbers of the --inputs; without, agreement with the original.")
@click.option("--calibration", metavar="C.npy", help="Other inputs, for the fit and the number formats.")
@backend_option
@clock_option
@hybrid_option
@click.option(
    "--trials",
    type=int,
    metavar="N",
    help="Not the grid: NSGA-II tries N choices of a block size for each layer, of bits and board.",
)
@click.option("--workers", type=int, metavar="N", help="Processes [default: as many as there are cores].")
@click.option("--cluster", metavar="ADDRESS", help="Dask scheduler whose workers do the work: tcp://host:8786.")
@click.option("--html", metavar="FILE.html", help="Also write a page for a browser.")
@click.option("--plot", metavar="FILE.svg", help="Also write the plot, .svg or .png.")
@json_option
def explore(
    model: str,
    board: tuple[str, ...],
    blocks: str,
    bits: str,
    structure: tuple[str, ...],
    objective: str,
    min_accuracy: float | None,
    inputs: str,
    labels: str | None,
    calibration: str | None,
    backend: str,
    clock: float | None,
    hybrid: bool,
    trials: int | None,
    workers: int | None,
    cluster: str | None,
    html: str | None,
    plot: str | None,
    json_to: str | None,
) -> None:
    """Convert, quantize and design MODEL for every block size, bits and board; print the Pareto front.

    With --trials a search (optuna's NSGA-II) takes the place of the grid, and layers may differ in their block size.

    Accuracy is measured on integers, with samples that nothing was calibrated with; speed, energy and resources are
    modelled. What is done is kept: the same command goes on where it was interrupted. A point that fails is named, the
    others go on; the exit status is 1 where all failed.
    """
    from swm.explore import front_tables, summary_lines  # here, as `--help` should not wait for it

    for to, endings, option in ((html, (".html", ".htm"), "--html"), (plot, (".svg", ".png"), "--plot")):
        if to is not None and not to.lower().endswith(endings):
            raise OutputError(f"{option} writes to files that end in {' or '.join(endings)}, got {to!r}")
    with progress_bar() as progress:
        progress("read the model", 0, 1)
        graph = swm.load(model, simplify=True, detect=True)
        found = swm.explore(
            graph,
            boards=board,
            inputs=load_arrays(inputs, graph),
            labels=load_labels(labels),
            blocks=[part for part in blocks.split(",") if part.strip()],
            bits=_numbers(bits),
            structures=structure,
            objective=objective,
            min_accuracy=min_accuracy,
            calibration=None if calibration is None else load_arrays(calibration, graph),
            backend=backend,
            clock_mhz=clock,
            hybrid=hybrid,
            trials=trials,
            workers=workers,
            cluster=cluster,
            progress=progress,
        )
    if html is not None:
        found.to_html(html)
    if plot is not None:
        found.to_plot(plot)
    if not write_json(json_to, found.to_json()):
        for table in front_tables(found, out.width):
            out.print(table)
        for line in summary_lines(found):
            out.print(Text(line), soft_wrap=True)
    if len(found.errors) == len(found.points):
        raise click.exceptions.Exit(1)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise OptionError(f"--bits {text!r}: give whole numbers with commas between them, like 8,12,16") from error
