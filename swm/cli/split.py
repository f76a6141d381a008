# SPDX-License-Identifier: Apache-2.0
"""`swm split`: a model becomes a part for hardware and parts for the host."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

import swm
from swm.cli.common import example, json_option, load_arrays, out, write_json


@click.command(
    epilog=example(
        "swm split model.onnx -o parts --inputs images.npy\n"
        "swm convert parts/hardware.onnx -o model-k8.onnx --block 8 --calibration parts/hardware_inputs.npy"
    )
)
@click.argument("model")
@click.option("-o", "--output", required=True, metavar="DIR", help="The folder for the parts, new or empty.")
@click.option("--inputs", metavar="X.npy", help="Inputs of MODEL; writes DIR/hardware_inputs.npy to calibrate with.")
@click.option(
    "--force",
    is_flag=True,
    help="Replace a folder that swm wrote before; one with edited or added files is kept as DIR.bak-N.",
)
@json_option
def split(model: str, output: str, inputs: str | None, force: bool, json_to: str | None) -> None:
    """Cut MODEL around the largest part that can be hardware, and write the parts as ONNX files.

    DIR/hardware.onnx has one input and one output; DIR/before.onnx gives that input, DIR/after.onnx takes that output.
    Run one after the other they compute what MODEL computes. A model of which no part with weights can be hardware is
    refused.

    With --inputs, DIR/hardware_inputs.npy holds what hardware.onnx reads for these inputs of MODEL.

    A model that `swm check` calls "with host parts" needs no splitting: `swm emit` does it, and puts the host's parts
    into the project.
    """
    # Here, as `--help` should not wait for them.
    from swm.emit import backups, check_output
    from swm.splitting import split_to_json

    check_output(Path(output), force=force)  # before any work
    graph = swm.load(model, simplify=True)
    made = swm.split(graph)
    earlier = backups(Path(output))
    path = swm.save_split(made, output, inputs=None if inputs is None else load_arrays(inputs, graph), force=force)
    data = split_to_json(made)
    if write_json(json_to, {"folder": str(path), **data}):
        return
    table = Table(title=Text(f"{model} in parts"), title_justify="left")
    for heading in ("file", "reads", "writes", "nodes"):
        table.add_column(heading, overflow="fold")
    for part in data["parts"].values():
        kinds = Counter(node["op"] for node in part["nodes"])
        nodes = ", ".join(f"{count} {op}" for op, count in kinds.items())
        table.add_row(*map(Text, (part["file"], ", ".join(part["inputs"]), ", ".join(part["outputs"]), nodes)))
    out.print(table)
    counted = f"{made.multiplications:,} of {made.total:,} multiplications"
    out.print(Text(f"hardware.onnx has {100 * made.share:.1f} % of the work: {counted} a sample (counted)."))
    if made.outside:
        out.print(Text(f"Layers with weights that stay with the host: {', '.join(made.outside)}."))
    for backup in (p for p in backups(path) if p not in earlier):
        out.print(Text(f"files had been edited or added: the old folder is kept as {backup}"))
    following = "`swm emit` takes the model as it is" if made.verdict != "none" else "`swm emit` takes hardware.onnx"
    out.print(Text(f"written: {path}; {following}"))
