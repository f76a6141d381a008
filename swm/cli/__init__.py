# SPDX-License-Identifier: Apache-2.0
"""The command line: one thin module per command, imported when it is called; nothing is computed here."""

from __future__ import annotations

import signal
import sys
from importlib import import_module

import click

from swm.errors import DoesNotFit, SwmError
from swm.interrupt import INTERRUPTED
from swm.version import __version__

__all__ = ["cli", "main"]

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # as shells say of SIGINT

# Module and command have one name; what `swm --help` says of it stands here, so that it need not be imported for that.
COMMANDS = {
    "demo": "The bundled network down the whole road, reported on AMD boards.",
    "check": "Whether every node of a model is supported, why not, what to do.",
    "frame": "A model for samples that hardware takes: lengths, axes, states.",
    "split": "A part of a model for hardware, the rest for the host.",
    "convert": "Replace the weights of a model by block-circulant ones.",
    "finetune": "Convert a model and train it in its structure; needs torch.",
    "emit": "Write a project for a model: C++ or RTL, testbench, scripts.",
    "verify": "Compile a project, run it, and compare every output word.",
    "synth": "Map an RTL project with yosys; count LUT, FF, DSP, memories.",
    "build": "Make what a board is loaded with, by AMD's, Intel's or open tools.",
    "report": "Cycles, resources, power and energy beside the dense twin.",
    "explore": "Block sizes, bits and boards of a model, and their Pareto front.",
    "boards": "The boards, and the source of every figure.",
    "bench": "Measure engines here, and how far swm's models are off.",
}


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the road."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"swm.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and what they do, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Begin with: swm demo -o demo. Exit status: 0 done, 1 a check failed or no fit, 2 bad input.",
)
@click.version_option(__version__, prog_name="swm")
def cli() -> None:
    """Put compressed neural networks on FPGAs: ONNX in, block-circulant HLS project and board report out."""


def main() -> None:
    """Entry point of the console script: errors that swm raises on purpose end in one message and status 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # kill and timeout end what swm started, as Ctrl-C does
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.secho(INTERRUPTED, err=True, fg="red", bold=True)
        sys.exit(EXIT_INTERRUPTED)
    except SwmError as error:
        from swm.cli.common import console  # here, as nothing else in this module should wait for rich

        console.print(f"swm: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(EXIT_FAILED if isinstance(error, DoesNotFit) else EXIT_BAD_INPUT)
    sys.exit(status if isinstance(status, int) else 0)
