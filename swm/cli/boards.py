# SPDX-License-Identifier: Apache-2.0
"""`swm boards`: the target boards and where their figures come from."""

from __future__ import annotations

from pathlib import Path

import click

from swm.cli.common import example, json_option, out, write_json
from swm.errors import OptionError, OutputError


@click.command(
    epilog=example(
        "swm boards\nswm boards zcu104\nswm boards pynq-z2 --json\nswm boards --new my.toml\nswm boards my.toml"
    )
)
@click.argument("name", required=False)
@click.option(
    "--new",
    "new",
    metavar="FILE.toml",
    help="Write a commented board file to start from (docs/boards.md), to standard output where FILE.toml is -.",
)
@json_option
def boards(name: str | None, new: str | None, json_to: str | None) -> None:
    """List the boards, or show one with the source of every figure; NAME may be the path of an own .toml.

    Targets that swm designs nothing for are listed, too, with what is known of them.
    """
    from swm.device import board_template, load_target, target_names
    from swm.report import listing, target_table, target_to_json

    if new is not None:
        if name is not None:
            raise OptionError(f"--new writes a file and shows no board; leave out {name!r}")
        _write_template(new, board_template())
        return
    chosen = [load_target(n) for n in ([name] if name else target_names())]
    if not write_json(json_to, {"boards": [target_to_json(b) for b in chosen]}):
        for table in [target_table(chosen[0])] if name else listing(chosen, out.width):
            out.print(table)


def _write_template(to: str, text: str) -> None:
    if to == "-":
        click.echo(text, nl=False)
        return
    if not to.endswith(".toml"):
        raise OutputError(f"--new writes to a file that ends in .toml, got {to!r}")
    try:
        with Path(to).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise OutputError(f"{to!r} exists; choose another name") from error
    except OSError as error:
        raise OutputError(f"cannot write {to!r}: {error.strerror}") from error
    click.echo(f"wrote {to}: change what differs from your board, then `swm boards {to}` says what swm reads")
