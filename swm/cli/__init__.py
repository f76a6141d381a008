# SPDX-License-Identifier: Apache-2.0
"""The command line: one thin module per command; nothing is computed here."""

from __future__ import annotations

import sys
from importlib.metadata import version

import click

from swm.cli import bench, boards, check, convert, demo, emit, report, verify
from swm.cli.common import console
from swm.errors import DoesNotFit, SwmError
from swm.interrupt import INTERRUPTED

__all__ = ["cli", "main"]

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # as shells say of SIGINT


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Begin with: swm demo -o demo. Exit status: 0 done, 1 a check failed or no fit, 2 bad input.",
)
@click.version_option(version("swm"), prog_name="swm")
def cli() -> None:
    """Put compressed neural networks on FPGAs: ONNX in, block-circulant HLS project and board report out."""


for command in (
    demo.demo,
    check.check,
    convert.convert,
    emit.emit,
    verify.verify,
    report.report,
    boards.boards,
    bench.bench,
):
    cli.add_command(command)


def main() -> None:
    """Entry point of the console script: errors that swm raises on purpose end in one message and status 2."""
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        console.print(INTERRUPTED, style="bold red")
        sys.exit(EXIT_INTERRUPTED)
    except SwmError as error:
        console.print(f"swm: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(EXIT_FAILED if isinstance(error, DoesNotFit) else EXIT_BAD_INPUT)
    sys.exit(status if isinstance(status, int) else 0)
