# SPDX-License-Identifier: Apache-2.0
"""`swm report`: modelled throughput, resources, power and energy on each board, beside the dense twin."""

from __future__ import annotations

from pathlib import Path

import click

import swm
from swm.cli.common import (
    backend_option,
    bits_option,
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
from swm.errors import OutputError


@click.command(
    epilog=example("swm report model-k8.onnx --board pynq-z2 --board zcu104 --html report.html\nswm report project")
)
@click.argument("model", metavar="MODEL|PROJECT")
@board_option(multiple=True, required=False)
@bits_option
@backend_option
@clock_option
@hybrid_option
@click.option(
    "--inputs", metavar="X.npy", help="Labelled inputs: measures the accuracy that stands beside the figures."
)
@click.option("--labels", metavar="Y.npy", help="Class numbers of the --inputs.")
@click.option(
    "--calibration",
    metavar="X.npy",
    help="Inputs, other than those, that set the number formats of a model: measures fixed point too.",
)
@click.option("--html", metavar="FILE.html", help="Also write a page for a browser.")
@json_option
def report(
    model: str,
    board: tuple[str, ...],
    bits: int,
    backend: str,
    clock: float | None,
    hybrid: bool,
    inputs: str | None,
    labels: str | None,
    calibration: str | None,
    html: str | None,
    json_to: str | None,
) -> None:
    """Compare MODEL with its dense twin on each board: cycles, resources, power and energy per inference.

    Of the folder of a PROJECT that `swm emit` wrote, the very design is reported that lies there, on its own board
    unless --board names others.
    """
    from swm.report import to_html, to_json, to_text  # here, as `--help` should not wait for it

    if (inputs is None) != (labels is None):
        raise click.UsageError("--inputs and --labels go together")
    with progress_bar() as progress:
        progress("report", 0, 1)
        network = Path(model) if Path(model).is_dir() else swm.load(model, simplify=True)
        graph = None if isinstance(network, Path) else network
        data = None if inputs is None else load_arrays(inputs, graph)
        result = swm.report(
            network,
            boards=board,
            bits=bits,
            backend=backend,
            clock_mhz=clock,
            hybrid=hybrid,
            inputs=data,
            labels=load_labels(labels),
            calibration=None if calibration is None else load_arrays(calibration, graph),
        )
    if html is not None:
        try:
            Path(html).write_text(to_html(result), encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot write {html!r}: {error.strerror}") from error
    if not write_json(json_to, to_json(result)):
        to_text(result, out)
