# SPDX-License-Identifier: Apache-2.0
"""`swm verify`: compile a project's C simulation, run it, compare bit for bit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from rich.text import Text

import swm
from swm.cli.common import example, json_option, out, progress_bar, write_json

if TYPE_CHECKING:
    from swm.emit import Verification


@click.command(epilog=example("swm verify project\nswm verify project --compiler clang++"))
@click.argument("project")
@click.option("--compiler", default="g++", show_default=True, help="C++ compiler.")
@json_option
def verify(project: str, compiler: str, json_to: str | None) -> None:
    """Compile PROJECT with a plain C++ compiler, run it, and compare every output word with the integer engine.

    Exit status 0: no word differs. 1: words differ. 2: the project is damaged or no compiler is there.
    """
    with progress_bar() as progress:
        result = swm.verify(project, compiler=compiler, progress=progress)
    if not write_json(json_to, result.to_json()):
        print_verification(result)
    sys.exit(0 if result.ok else 1)


def print_verification(result: Verification) -> None:
    """The outcome in a few lines."""
    style = "green" if result.ok else "bold red"
    verdict = "bit-exact" if result.ok else "DIFFERS"
    out.print(
        Text(
            f"C simulation {verdict}: {result.words:,} words of {result.samples:,} samples,"
            f" {result.mismatches:,} differ; {result.saturated:,} of {result.rounded:,} values saturated"
            f" ({100 * result.saturated / max(result.rounded, 1):.2f} %)",
            style=style,
        )
    )
    if result.first_mismatch:
        out.print(Text(f"first difference: {result.first_mismatch}", style=style))
    for line in result.remarks:
        out.print(Text(line))
    for line in result.advice:
        out.print(Text(f"what to do: {line}", style="yellow"))
    out.print(Text(f"compile {result.compile_seconds:.1f} s, run {result.run_seconds:.2f} s (measured)"))
