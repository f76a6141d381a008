# SPDX-License-Identifier: Apache-2.0
"""`swm demo`: the bundled network down the whole road."""

from __future__ import annotations

import sys

import click
from rich.text import Text

import swm
from swm.cli.common import bits_option, console, example, json_option, out, progress_bar, write_json
from swm.cli.convert import print_conversion
from swm.cli.verify import print_verification


@click.command(epilog=example("swm demo -o demo\nswm demo -o demo --board zcu104 --block 16"))
@click.option(
    "-o", "--output", default="swm-demo", show_default=True, metavar="DIR", help="Where everything is written."
)
@click.option("--board", default="pynq-z2", show_default=True, metavar="NAME", help="Board of the emitted project.")
@click.option("--block", type=int, default=8, show_default=True, help="Block size: a power of two, 2 to 256.")
@bits_option
@click.option("--force", is_flag=True, help="Replace what an earlier demo wrote.")
@json_option
def demo(output: str, board: str, block: int, bits: int, force: bool, json_to: str | None) -> None:
    """Take the bundled MNIST network from ONNX to a verified HLS project and a report on every AMD board."""
    from swm.report import to_json, to_text  # here, as `--help` should not wait for it

    with progress_bar() as progress:
        result = swm.demo(output, board=board, block=block, bits=bits, force=force, progress=progress)
    if not write_json(
        json_to,
        {
            "output": str(result.path),
            "accuracy": result.accuracy,
            "conversion": result.conversion.report.to_json(),
            "verification": result.verification.to_json(),
            "report": to_json(result.report),
        },
    ):
        print_conversion(result.conversion.report)
        print_verification(result.verification)
        to_text(result.report, out, details=False)
        for file, text in result.files.items():
            out.print(Text(f"{result.path / file}: {text}"))
    if not result.verification.ok:
        console.print("the C simulation differs from the integer engine", style="bold red")
        sys.exit(1)
