# SPDX-License-Identifier: Apache-2.0
"""`swm check`: every node, whether each stage can take it, and what to do about it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

import swm
from swm.cli.common import backend_option, example, json_option, out, progress_bar, write_json
from swm.words import many

if TYPE_CHECKING:
    from swm.inspection import Inspection, NodeInspection


@click.command(
    epilog=example("swm check model.onnx\nswm check model.onnx --block 8\nswm check model.onnx --backend rtl")
)
@click.argument("model", required=False)
@click.option("--operators", "list_operators", is_flag=True, help="Print the table of operators instead.")
@click.option(
    "--block", help="As for convert: what becomes of each weight at this size [default: the sizes it can have]."
)
@backend_option
@json_option
def check(model: str | None, list_operators: bool, block: str | None, backend: str, json_to: str | None) -> None:
    """Say of every node of MODEL whether it is supported, why not, and what to do about it.

    The nodes are those of the simplified model, as convert, emit and report take it: exporters' shape arithmetic is
    gone, GELU and normalisations in small operators are one node each.

    A node at either end of the model without a hardware form may stay with the host, which computes it before or
    after the hardware: `swm emit` takes such a model as it is.

    Exit status 0: the model can become hardware, as a whole or with host parts. 1: something is in the way. 2: the file
    cannot be read.
    """
    if list_operators:
        _print_operators(json_to)
        return
    if model is None:
        raise click.UsageError("give a MODEL, or --operators")
    from swm.compress import parse_blocks  # here, as `--help` should not wait for it

    sizes = None if block is None else parse_blocks(block)
    with progress_bar() as progress:
        progress("read the model", 0, 1)
        inspection = swm.check(swm.load(model, simplify=True, detect=True), block=sizes, backend=backend)
    if not write_json(json_to, inspection.to_json()):
        table = Table(title=Text(f"{model}: {many(len(inspection.nodes), 'node')}"), title_justify="left")
        for heading in ("node", "operator", "structured", "hardware", "why not, and what to do"):
            table.add_column(heading, overflow="fold")
        said: dict[str, str] = {}  # a network of forty convolutions says forty times the same
        for node in inspection.nodes:
            remark = f"{node.reason}; {node.remedy}" if node.reason else ""
            first = said.setdefault(remark, node.name)
            if remark and first != node.name:
                remark = f"as {first}"
            cells = (node.name, node.op, node.structured, _where(inspection, node), remark)
            table.add_row(*map(Text, cells))
        out.print(table)
        for finding in inspection.graph_findings:
            out.print(Text(f"graph: {finding.reason}; {finding.remedy}"))
        if inspection.advice:
            out.print(Text(f"weights: {inspection.advice}"))
        if inspection.sequences:
            out.print(Text(f"sequences: {inspection.sequences}"))
        out.print(Text(_verdict(inspection)))
    sys.exit(0 if inspection.ok else 1)


def _where(inspection: Inspection, node: NodeInspection) -> str:
    if node.hardware:
        return "yes"
    return f"host, {node.place}" if inspection.ok else "NO"


def _verdict(inspection: Inspection) -> str:
    share = f"{100 * inspection.share:.1f} % of the multiplications in hardware (counted)"
    if inspection.hardware == "all":
        return "The whole model can become hardware."
    if inspection.hardware == "with host parts":
        left = f"; layers with weights on the host: {', '.join(inspection.outside)}" if inspection.outside else ""
        return f"The model can become hardware with host parts, {share}{left}."
    runs = "swm.run needs no hardware: it runs whatever onnxruntime runs."
    if inspection.unknown:
        names = ", ".join(sorted({finding.op for finding in inspection.unknown}))
        runs = f"onnxruntime does not know {names}, so nothing here runs it and convert refuses it (--keep-unknown)."
    return f"The model cannot become hardware: {many(inspection.obstacles, 'obstacle')}. {runs}"


def _print_operators(json_to: str | None) -> None:
    from swm.operators import operator_table  # here, as `--help` should not wait for it

    rows = [asdict(row) for row in operator_table()]
    if write_json(json_to, {"operators": rows}):
        return
    table = Table(title="operators that swm types; every other operator is carried along and run by onnxruntime")
    for heading in rows[0]:
        table.add_column(str(heading), overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(v)) for v in row.values()))
    out.print(table)
