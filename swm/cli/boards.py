# SPDX-License-Identifier: Apache-2.0
"""`swm boards`: the target boards and where their figures come from."""

from __future__ import annotations

import click

from swm.cli.common import example, json_option, out, write_json


@click.command(
    epilog=example("swm boards\nswm boards zcu104\nswm boards pynq-z2 --json\nswm boards --template > my.toml")
)
@click.argument("name", required=False)
@click.option("--template", is_flag=True, help="Print a commented board file to start from (docs/boards.md).")
@json_option
def boards(name: str | None, template: bool, json_to: str | None) -> None:
    """List the boards, or show one with the source of every figure; NAME may be the path of an own .toml."""
    from swm.device import board_names, board_template, load_board
    from swm.report import board_table, board_to_json, boards_table

    if template:
        click.echo(board_template(), nl=False)
        return
    chosen = [load_board(n) for n in ([name] if name else board_names())]
    if not write_json(json_to, {"boards": [board_to_json(b) for b in chosen]}):
        out.print(board_table(chosen[0]) if name else boards_table(chosen))
