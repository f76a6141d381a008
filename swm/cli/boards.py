# SPDX-License-Identifier: Apache-2.0
"""`swm boards`: the target boards and where their figures come from."""

from __future__ import annotations

import click

from swm import api
from swm.cli.common import example, json_option, out, write_json
from swm.report import board_table, board_to_json, boards_table


@click.command(epilog=example("swm boards\nswm boards zcu104\nswm boards pynq-z2 --json"))
@click.argument("name", required=False)
@json_option
def boards(name: str | None, json_to: str | None) -> None:
    """List the boards, or show one with the source of every figure."""
    chosen = api.boards(name)
    if not write_json(json_to, {"boards": [board_to_json(b) for b in chosen]}):
        out.print(board_table(chosen[0]) if name else boards_table(chosen))
