# SPDX-License-Identifier: Apache-2.0
"""`swm convert`: weights become block-circulant; the result is an ONNX file again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

import swm
from swm.cli.common import (
    check_file,
    console,
    example,
    json_option,
    load_arrays,
    load_labels,
    out,
    progress_bar,
    stored_lines,
    write_json,
)
from swm.words import many

if TYPE_CHECKING:
    from swm.compress import ConversionReport, Interval, LayerReport, TestAccuracy


@click.command(
    epilog=example(
        "swm convert model.onnx -o model-k8.onnx --block 8 --calibration images.npy --labels labels.npy\n"
        "swm convert model.onnx -o small.onnx --structure cgs-3bit --block 8 --calibration images.npy"
    )
)
@click.argument("model")
@click.option("-o", "--output", required=True, metavar="OUT.onnx", help="The converted model.")
@click.option(
    "--block",
    help="Block size: a power of two, 2 to 4096 (hardware: 256); or sizes by layer name or pattern, as "
    "'fc1=8,conv*=4,lstm/R=16'.",
)
@click.option(
    "--structure",
    "structure_name",
    default="circulant",
    show_default=True,
    metavar="NAME",
    help="Of the new weights, with --block for its size: circulant (block); cgs, hcgs (ratio of blocks dropped); "
    "cgs-1bit to cgs-8bit (ratio); bits (bits of a weight, 1 to 8); ternary4, ternary8, ternary16 (signs kept of so "
    "many weights); nof4, nof8, nof16 (weights kept of so many); permuted-diagonal (block). Emitted hardware holds "
    "all but circulant ones dense.",
)
@click.option("--budget", help="Instead of --block: bits of all weights, or a compression like 8x.")
@click.option("--method", help="least-squares (default with --calibration) or projection.")
@click.option(
    "--calibration",
    metavar="X.npy",
    help="Inputs, samples along axis 0 (.npz by name for several inputs; .csv: a row each).",
)
@click.option("--labels", metavar="Y.npy", help="Class numbers of the calibration inputs: adds accuracy to the report.")
@click.option(
    "--test",
    metavar="X.npy",
    help="Inputs to measure on, which the fit does not see [default: a fifth of the calibration inputs is held out].",
)
@click.option("--test-labels", metavar="Y.npy", help="Class numbers of the --test inputs.")
@click.option(
    "--no-permute", is_flag=True, help="Leave hidden channels in their order, instead of one that blocks fit better."
)
@click.option(
    "--correction",
    type=int,
    default=0,
    metavar="RANK",
    help="A dense part of this rank beside the circulant blocks of a layer, where it lowers the calibration error more "
    "per multiplication than blocks of half the size [default: none].",
)
@click.option("--keep-unknown", is_flag=True, help="Carry along operators unknown to onnxruntime, for other runtimes.")
@click.option("--force", is_flag=True, help="Replace OUT.onnx if it exists; never a file that is read.")
@json_option
def convert(
    model: str,
    output: str,
    block: str | None,
    structure_name: str,
    budget: str | None,
    method: str | None,
    calibration: str | None,
    labels: str | None,
    test: str | None,
    test_labels: str | None,
    no_permute: bool,
    correction: int,
    keep_unknown: bool,
    force: bool,
    json_to: str | None,
) -> None:
    """Replace the weight matrices of MODEL by block-circulant ones, or by ones of another structure.

    With --calibration every layer is fitted to the dense network's answers; without, weights are merely projected,
    which costs far more accuracy. OUT.onnx runs in any ONNX runtime.

    Accuracy, or without labels agreement with the dense network, is measured on samples that the fit has not seen:
    those of --test, else every fifth calibration sample or so (at most 2,000), which the fit then leaves out.
    """
    from swm.compress import parse_blocks  # here, as `--help` should not wait for it
    from swm.graph import is_structured
    from swm.structure import structure_named

    structure = structure_named(structure_name)
    check_file(output, (model, calibration, labels, test, test_labels), force=force)
    sizes = None if block is None else parse_blocks(block)
    with progress_bar() as progress:
        progress("read the model", 0, 1)
        graph = swm.load(model, simplify=True, detect=True)
        inputs = None if calibration is None else load_arrays(calibration, graph)
        result = swm.convert(
            graph,
            block=sizes,
            budget=budget,
            method=method,
            structure=structure,
            calibration=inputs,
            labels=load_labels(labels),
            test=None if test is None else load_arrays(test, graph),
            test_labels=load_labels(test_labels),
            permute=not no_permute,
            correction=correction,
            keep_unknown=keep_unknown,
            progress=progress,
        )
        progress("write the model", 0, 1)
        swm.save(result.graph, output)
    if not write_json(json_to, {"output": output, **result.report.to_json()}):
        planned = {layer.name.removesuffix("/W").removesuffix("/R") for layer in result.report.layers}
        kept = [node.name for node in graph.nodes if is_structured(node) and node.name not in planned]
        if kept:
            out.print(Text(f"structured in the file already, and left as they are: {', '.join(kept)}"))
        print_conversion(result.report)
        out.print(Text(f"written: {output}"))
    for warning in result.report.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"), soft_wrap=True)


def print_conversion(report: ConversionReport) -> None:
    """The report as a table and a few lines."""
    table = Table(
        title=f"converted by {report.method}, {many(report.calibration_samples, 'calibration sample')}",
        title_justify="left",
    )
    counted = "multiplications of an inference (positions or steps)"
    for heading in ("layer", "shape", "structure", "weights", "stored", counted, "error of outputs"):
        table.add_column(heading, overflow="fold")
    for layer in report.layers:
        error = "not measured" if layer.output_error is None else f"{100 * layer.output_error:.1f} %"
        cells = (
            layer.name,
            f"{layer.shape[0]} x {layer.shape[1]}",
            layer.becomes,
            f"{layer.words_before:,}",
            f"{layer.words_after:,}",
            _multiplications(layer),
            error,
        )
        table.add_row(*map(Text, cells))
    if report.layers:
        out.print(table)
    for line in stored_lines(report):
        out.print(line)
    if report.parameters_after < report.parameters_before and report.multiplications:
        before, after = report.multiplications
        out.print(
            f"multiplications {before:,} -> {after:,} per inference ({before / after:.2f} x fewer, counted at all"
            " positions and steps)"
        )
    if any(layer.positions is None for layer in report.layers):
        out.print(
            "The model leaves free how many positions or steps an inference has: multiplications 'at each' are those of"
            " one; with --calibration they are counted for its inputs."
        )
    if not report.layers:
        out.print(
            "No layer was converted: the model has no Linear, Conv or recurrent layer with constant float32 weights;"
            " `swm check` shows what became of each node.",
            style="yellow",
        )
    elif all(layer.structure == "dense" for layer in report.layers):
        out.print("No layer was converted: each of these stays dense by the rule beside it.", style="yellow")
    for line in accuracy_lines(report.accuracy):
        out.print(Text(line))


def _multiplications(layer: LayerReport) -> str:
    """Those of an inference, and at how many positions; of one position where these are free."""
    numbers = f"{layer.multiplications_before:,} -> {layer.multiplications_after:,}"
    if layer.positions is None:
        return f"{numbers} at each"
    return numbers if layer.positions == 1 else f"{numbers} ({layer.positions:,})"


def accuracy_lines(found: TestAccuracy) -> list[str]:
    """What was measured on samples that the fit has not seen."""
    if not found.test_samples:
        return []
    where = f"on {many(found.test_samples, 'held-out sample' if found.samples == 'held out' else 'test sample')}"
    lines = []
    if found.dense_interval and found.test_interval and found.dense is not None and found.test is not None:
        dense, converted = _share(found.dense, found.dense_interval), _share(found.test, found.test_interval)
        lines.append(f"accuracy {where}: dense {dense}, converted {converted}")
    if found.agreement is not None and found.agreement_interval:
        same = _share(found.agreement, found.agreement_interval)
        lines.append(f"largest output as the dense network's {where}: {same}")
    if found.agreement is None and found.relative_error is not None:
        lines.append(f"error of the network's output {where}: {100 * found.relative_error:.1f} % of its norm")
    return [*lines[:-1], f"{lines[-1]} (measured; the fit has not seen these samples)"] if lines else []


def _share(share: float, interval: Interval) -> str:
    low, high = interval
    return f"{100 * share:.2f} % (95 %: {100 * low:.1f} to {100 * high:.1f})"
