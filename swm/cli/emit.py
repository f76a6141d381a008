# SPDX-License-Identifier: Apache-2.0
"""`swm emit`: a model becomes a complete HLS project."""

from __future__ import annotations

import click
from rich.text import Text

from swm import api
from swm.cli.common import (
    bits_option,
    board_option,
    example,
    json_option,
    load_arrays,
    load_labels,
    out,
    progress_bar,
    write_json,
)


@click.command(
    epilog=example(
        "swm emit model-k8.onnx -o project --board pynq-z2 --bits 12 --calibration images.npy\nswm verify project"
    )
)
@click.argument("model")
@click.option("-o", "--output", required=True, metavar="DIR", help="The project folder, new or empty.")
@board_option(multiple=False)
@bits_option
@click.option("--calibration", required=True, metavar="X.npy", help="Inputs that set the number formats.")
@click.option("--vectors", metavar="X.npy", help="Inputs that `swm verify` runs [default: 100 calibration samples].")
@click.option("--labels", metavar="Y.npy", help="Class numbers of the --vectors.")
@click.option("--dense", is_flag=True, help="Emit the dense twin: every structured matrix written out.")
@click.option("--hls", type=click.Choice(["vitis", "generic"]), default="vitis", show_default=True, help="Flavour.")
@click.option("--force", is_flag=True, help="Replace a project that swm wrote before.")
@json_option
def emit(
    model: str,
    output: str,
    board: str,
    bits: int,
    calibration: str,
    vectors: str | None,
    labels: str | None,
    dense: bool,
    hls: str,
    force: bool,
    json_to: str | None,
) -> None:
    """Write an HLS project for MODEL: C++, testbench, Makefile, Vitis HLS Tcl.

    `vitis` gives AXI streams, DATAFLOW and pragmas; `generic` the same kernels over plain arrays for any C++14 HLS
    compiler. Both compute the same bits.
    """
    graph = api.load(model, simplify=True)
    inputs = load_arrays(calibration)
    with progress_bar() as progress:
        progress("quantize", 0, 2)
        fixed = api.quantize(api.dense_twin(graph) if dense else graph, bits=bits, calibration=inputs)
        progress("write", 1, 2)
        path = api.emit(
            fixed,
            board=board,
            path=output,
            hls=hls,
            vectors=inputs if vectors is None else load_arrays(vectors),
            labels=load_labels(labels),
            reference=graph,
            force=force,
            most_vectors=None if vectors is not None else 100,
        )
    files = sorted(str(f.relative_to(path)) for f in path.rglob("*") if f.is_file())
    if not write_json(json_to, {"project": str(path), "files": files}):
        out.print(Text(f"{len(files)} files in {path}; next: swm verify {path}"))
