# SPDX-License-Identifier: Apache-2.0
"""`swm emit`: a model becomes a complete hardware project."""

from __future__ import annotations

from dataclasses import asdict
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
    interval_option,
    json_option,
    load_arrays,
    load_labels,
    out,
    progress_bar,
    residual_bits_option,
    sequences_option,
    write_json,
)
from swm.words import many

if TYPE_CHECKING:
    from swm.accelerator.line import Pace


@click.command(
    epilog=example(
        "swm emit model-k8.onnx -o project --board pynq-z2 --bits 12 --calibration images.npy\nswm verify project\n"
        "swm emit lstm-k8.onnx -o project --board zcu104 --sequences auto --calibration sequences.npy\n"
        "swm emit transformer.onnx -o project --board zcu104 --bits 8 --residual-bits 12 --calibration tokens.npy\n"
        "swm emit model-k8.onnx -o rtl --backend rtl --board pynq-z2 --calibration images.npy\nswm verify rtl\n"
        "swm emit model-k8.onnx -o q --backend rtl --board ulx3s --calibration x.npy\nswm build q"
    )
)
@click.argument("model")
@click.option("-o", "--output", required=True, metavar="DIR", help="The project folder, new or empty.")
@board_option(multiple=False)
@bits_option
@residual_bits_option
@exact_division_option
@click.option("--calibration", required=True, metavar="X.npy", help="Inputs that set the number formats (or .csv).")
@click.option("--vectors", metavar="X.npy", help="Inputs that `swm verify` runs [default: 100 calibration samples].")
@click.option("--labels", metavar="Y.npy", help="Class numbers of the --vectors.")
@click.option("--dense", is_flag=True, help="Emit the dense twin: every structured matrix written out.")
@backend_option
@clock_option
@hybrid_option
@interval_option
@sequences_option
@click.option(
    "--force",
    is_flag=True,
    help="Replace a project that swm wrote before; one with edited or added files is kept as DIR.bak-N.",
)
@click.option("--allow-overflow", is_flag=True, help="Write a design that is larger than the board, too.")
@json_option
def emit(
    model: str,
    output: str,
    board: str,
    bits: int,
    residual_bits: int | None,
    exact_division: bool,
    calibration: str,
    vectors: str | None,
    labels: str | None,
    dense: bool,
    backend: str,
    clock: float | None,
    hybrid: bool,
    interval: Pace,
    sequences: int | None,
    force: bool,
    allow_overflow: bool,
    json_to: str | None,
) -> None:
    """Write a hardware project for MODEL: C++ or SystemVerilog, testbench, Makefile, scripts.

    `vitis` gives C++ with AXI streams, DATAFLOW and pragmas; `generic` the same kernels over plain arrays for any C++14
    HLS compiler; `rtl` the same processes in SystemVerilog, for Vivado, yosys and Verilator, without an HLS compiler.
    All compute the same bits.

    A design is the fastest that fits its board. Where frames come over a serial line alone (rtl on ulx3s,
    colorlight-i9, tangnano20k) it is the smallest that keeps up with that line; --interval says otherwise.

    Nodes at either end of MODEL that have no hardware form stay with the host (`swm check` names them): the project
    brings them along in its folder host/.

    A design that the board does not hold is not written without --allow-overflow: exit status 1.
    """
    # Here, as `--help` should not wait for them.
    from swm.accelerator.line import pace_sentence
    from swm.accelerator.saturation import saturation_summary
    from swm.emit import check_output, host_operators, host_path
    from swm.remedies import does_not_fit

    check_output(Path(output), force=force)  # before any work
    with progress_bar() as progress:
        progress("read the model", 0, 1)
        graph = swm.load(model, simplify=True, detect=True)
        inputs = load_arrays(calibration, graph)
        network = swm.dense_twin(graph) if dense else graph
        fixed = swm.quantize(
            network,
            bits=bits,
            calibration=inputs,
            backend=backend,
            residual_bits=residual_bits,
            exact_division=exact_division,
            progress=progress,
        )
        made = swm.design(
            fixed,
            board=board,
            backend=backend,
            clock_mhz=clock,
            hybrid=hybrid,
            interval=interval,
            sequences=sequences,
            progress=progress,
        )
    plan = made.schedule
    verdict = {
        "fits": plan.fits,
        "overflow": plan.overflow,
        "host": host_operators(fixed),
        "sequences": plan.sequences,
    }
    saturated = {tensor: asdict(found) for tensor, found in fixed.saturated.items()}
    if json_to != "-":
        style = "green" if plan.fits else "bold red"
        out.print(Text(f"The design {plan.verdict} ({plan.clock_mhz:g} MHz, modelled).", style=style))
        if pace := pace_sentence(plan):
            out.print(Text(pace))
        if plan.sequences > 1:
            out.print(Text(f"{plan.sequences} sequences take turns: a frame holds step after step of all of them."))
        for place, operators in (host_operators(fixed) or {}).items():
            if operators:
                out.print(Text(f"The host computes {place} the hardware: {', '.join(operators)}."))
        out.print(Text(f"{fixed.widths}: {saturation_summary(fixed.saturated)}"))
    if not (plan.fits or allow_overflow):
        error = does_not_fit(made)
        write_json(
            json_to,
            {"project": None, **verdict, "block": error.block, "bits": error.bits, "boards": error.boards, "files": []},
        )
        raise error
    with progress_bar() as progress:
        project = swm.emit(
            made,
            path=output,
            vectors=inputs if vectors is None else load_arrays(vectors, graph),
            labels=load_labels(labels),
            reference=graph,
            force=force,
            allow_overflow=allow_overflow,
            most_vectors=None if vectors is not None else 100,
            progress=progress,
        )
    kept = None if project.backup is None else str(project.backup)
    told = {**verdict, "saturated": saturated, "files": list(project.files), "backup": kept}
    if not write_json(json_to, {"project": str(project.path), **told}):
        if kept is not None:
            out.print(Text(f"files had been edited or added: the old project is kept as {kept}"))
        then = f", then swm build {project.path}" if host_path(project.design) else ""
        text = f"{many(len(project.files), 'file')} in {project.path}; next: swm verify {project.path}{then}"
        out.print(Text(text), soft_wrap=True)  # commands to copy stay whole
