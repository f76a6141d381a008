# SPDX-License-Identifier: Apache-2.0
"""`swm report`: modelled throughput, resources, power and energy on each board, beside the dense twin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

import swm
from swm.cli.common import (
    backend_option,
    bits_option,
    board_option,
    clock_option,
    exact_division_option,
    example,
    hybrid_option,
    json_option,
    load_arrays,
    load_labels,
    out,
    progress_bar,
    residual_bits_option,
    sequences_option,
    write_json,
)
from swm.errors import OptionError, OutputError

if TYPE_CHECKING:
    from swm.report.figures import DesignFigures
    from swm.report.vendor import Reading


@click.command(
    epilog=example(
        "swm report project --html report.html\n"
        "swm report project --reference model.onnx --inputs test.npy --labels labels.npy\n"
        "swm report model-k8.onnx --board pynq-z2 --board zcu104 --markdown report.md\n"
        "swm report lstm-k8.onnx --board zcu104 --sequences auto\n"
        "swm report model-k8.onnx --board asic-40nm\n"
        "swm report project --exploration explored.json --html report.html\n"
        "swm report project --from vivado/reports"
    )
)
@click.argument("model", metavar="MODEL|PROJECT", required=False)
@board_option(multiple=True, required=False)
@bits_option
@residual_bits_option
@exact_division_option
@backend_option
@clock_option
@hybrid_option
@sequences_option
@click.option(
    "--reference", metavar="MODEL.onnx", help="The dense original: measured beside the design, to say what is lost."
)
@click.option("--inputs", metavar="X.npy", help="Inputs to measure on, which no calibration has seen.")
@click.option("--labels", metavar="Y.npy", help="Class numbers of the --inputs; without them, agreement is measured.")
@click.option(
    "--calibration",
    metavar="X.npy",
    help="Inputs, other than those, that set the number formats of a model: measures fixed point too.",
)
@click.option(
    "--from",
    "reports",
    metavar="DIR",
    help="Read what your own tools reported (HLS, Vivado, Quartus, yosys, nextpnr) from the files below DIR; with a"
    " PROJECT, beside what is modelled for it.",
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="With --from and a PROJECT: take the power of its board from their power report from now on.",
)
@click.option(
    "--exploration",
    metavar="FILE.json",
    help="What `swm explore --json` wrote: accuracy against block size and the Pareto front go into the report.",
)
@click.option("--html", metavar="FILE.html", help="Also write a page for a browser.")
@click.option("--markdown", metavar="FILE.md", help="Also write it as Markdown, for a wiki or a pull request.")
@json_option
@click.option("--json-schema", is_flag=True, help="Print the JSON Schema of --json, and nothing else.")
def report(
    model: str | None,
    board: tuple[str, ...],
    bits: int,
    residual_bits: int | None,
    exact_division: bool,
    backend: str,
    clock: float | None,
    hybrid: bool,
    sequences: int | None,
    reference: str | None,
    inputs: str | None,
    labels: str | None,
    calibration: str | None,
    reports: str | None,
    calibrate: bool,
    exploration: str | None,
    html: str | None,
    markdown: str | None,
    json_to: str | None,
    json_schema: bool,
) -> None:
    """Say whether MODEL fits each board, how fast, at what energy, and how much accuracy is lost.

    Of the folder of a PROJECT that `swm emit` wrote, the very design is reported that lies there, on its own board
    unless --board names others. Its accuracy is that of the integers that the hardware computes.

    On a chip (--board asic-40nm, asic-65nm) an inference has the energy of its operations and memory accesses, no more.

    Accuracy is measured on --inputs, of the --reference too; a project with labelled vectors needs only the reference.
    Without, the report says what the converted file remembers of `swm convert`.
    """
    from swm.report import to_text  # here, as `--help` should not wait for it

    if json_schema:
        from swm.report.schema import json_schema as schema

        click.echo(json.dumps(schema(), indent=2))
        return
    if reports is not None:
        _tools(reports, model, board, html or markdown or exploration, json_to, calibrate)
        return
    if calibrate:
        raise click.UsageError("--calibrate needs --from DIR and the PROJECT that the reports are of")
    if model is None:
        raise click.UsageError("give a MODEL or the folder of a PROJECT, or --from DIR")
    if html is not None and not html.endswith((".html", ".htm")):  # `--html model.onnx` must never overwrite the model
        raise OutputError(f"--html writes to files that end in .html, got {html!r}")
    if markdown is not None and not markdown.endswith(".md"):
        raise OutputError(f"--markdown writes to files that end in .md, got {markdown!r}")
    with progress_bar() as progress:
        progress("report", 0, 1)
        network = Path(model) if Path(model).is_dir() else swm.load(model, simplify=True, detect=True)
        graph = None if isinstance(network, Path) else network
        data = None if inputs is None else load_arrays(inputs, graph)
        result = swm.report(
            network,
            boards=board,
            bits=bits,
            residual_bits=residual_bits,
            exact_division=exact_division,
            backend=backend,
            clock_mhz=clock,
            hybrid=hybrid,
            sequences=sequences,
            inputs=data,
            labels=load_labels(labels),
            calibration=None if calibration is None else load_arrays(calibration, graph),
            reference=None if reference is None else swm.load(reference),
            exploration=exploration,
        )
    if html is not None:
        result.to_html(html)
    if markdown is not None:
        result.to_markdown(markdown)
    if not write_json(json_to, result.to_json()):
        to_text(result, out)


def _tools(
    folder: str, model: str | None, board: tuple[str, ...], other: str | None, json_to: str | None, calibrate: bool
) -> None:
    """The reports of a user's own tools, beside the estimate of a project where one is named."""
    from swm.report.vendor import modelled_figures, read_reports, reading_lines, reading_to_json

    if other is not None:
        raise click.UsageError(
            "--from prints text or --json; it takes no --exploration, writes no --html or --markdown"
        )
    if model is not None and not Path(model).is_dir():
        raise click.UsageError("beside --from stands the folder of a PROJECT that `swm emit` wrote, not a model")
    if board:
        raise click.UsageError("--from compares with the project on its own board; leave --board out")
    if calibrate and model is None:
        raise click.UsageError("--calibrate needs the PROJECT that the reports are of")
    design = None if model is None else swm.report(model).boards[0].structured
    modelled = None if design is None else modelled_figures(design)
    reading = read_reports(folder)
    if not write_json(json_to, reading_to_json(reading, modelled)):
        for line in reading_lines(reading, out.width, modelled):
            out.print(Text(line), soft_wrap=True)
    if calibrate and design is not None:
        _calibrate(design, reading)


def _calibrate(design: DesignFigures, reading: Reading) -> None:
    from swm.device import board_names, keep_calibration
    from swm.report.vendor import recalibrate

    board = design.plan.board.name
    if board not in board_names():
        raise OptionError(f"board '{board}' is a file of yours: write the power that the tool reported into it")
    found = recalibrate(design, reading)
    path = keep_calibration(board, found.power)
    out.print(
        Text(
            f"{board}: {found.reported_w:.3f} W of logic reported, {found.modelled_w:.3f} W modelled: coefficients"
            f" times {found.factor:.2f}, static power {found.power.static.watts:g} W; used from now on, but in"
            f" projects written before; to go back to swm's own figures, delete {path}"
        ),
        soft_wrap=True,
    )
