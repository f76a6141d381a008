# SPDX-License-Identifier: Apache-2.0
"""`swm bench published` as tables: for a terminal, and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

__all__ = ["markdown", "tables"]

_HEAD = (
    *("system", "board", "known", "frames/s", "W", "frames/J", "bits; accuracy"),
    *("our network", "interval", "frames/s", "W", "frames/J", "accuracy"),
)
_RATIOS = ("ratio", "published, rate and energy", "ours, rate and energy", "our network", "accuracy", "same device")
_INTRO = """# Published systems side by side

Written by `swm bench published --markdown docs/published.md`. What was published stands with how it is known
(`swm/bench/published.toml` has the source of each row); "recalled, checked" means that the paper was not read, but that
the figure agrees with one that was. Ours is modelled for the board that is named, but for accuracies: they are measured
on the 1,000 bundled test images, without retraining, but where the table of ratios says "trained". No design of ours
was built: no clock was closed, no watt was measured. Watts in one row are of different things: ours of the device, with
its processor where it has one, the published ones of what `boundary` in the JSON says. Of an LSTM the whole layer is
modelled, with peepholes, projection and the wait for the state of the step before; a frame is one step, and as many
sequences take turns as make it faster (one sequence alone: the Google LSTM in [sequences.md](sequences.md)).

Not among the rows, since their figures are recalled and nothing checks them: SWM's MNIST 1 and its two of CIFAR-10,
FINN's SVHN, TrueNorth's smaller MNIST network, Alemdar's ternary MLP. The C-LSTM of VTR's Koios is of no board.

![frames a joule against frames a second, published and ours](published.svg)
"""


def markdown(result: Mapping[str, Any]) -> str:
    """The page."""
    lines = [_INTRO, *_lines(_HEAD, [_cells(row) for row in result["rows"]])]
    lines += ["", "## SWM's headline ratios", "", *_lines(_RATIOS, [_ratio(one) for one in result["headlines"]])]
    return "\n".join(lines) + "\n"


def tables(result: Mapping[str, Any]) -> list[Table]:
    """For a terminal: the systems, then the ratios."""
    found = []
    for head, rows in ((_HEAD, map(_cells, result["rows"])), (_RATIOS, map(_ratio, result["headlines"]))):
        table = Table()
        for name in head:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        found.append(table)
    return found if result["headlines"] else found[:1]


def _lines(head: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _cells(row: Mapping[str, Any]) -> list[str]:
    theirs, ours = row["published"], row["ours"]
    said = f"{theirs['bits']}; {theirs['accuracy']}"
    board = row["board"] or ("a chip" if theirs["boundary"] == "chip" else "not in swm")
    cells = [row["system"], board, row["known"], *_three(theirs), said]
    if ours is None:
        return [*cells, f"not modelled: {row['not_modelled']}", *["-"] * 5]
    where = "" if ours["board"] == row["board"] else f", on {ours['board']}"
    accuracy = "not measured" if ours["accuracy"] is None else f"{100 * ours['accuracy']:.1f} %"
    interval = ours["overflow"] if ours["interval"] is None else f"{ours['interval']:,.5g} at {ours['clock_mhz']:g} MHz"
    return [*cells, ours["network"] + where, interval, *_three(ours), accuracy]


def _ratio(one: Mapping[str, Any]) -> list[str]:
    theirs, ours = (" and ".join(f"{value:,.1f} x" for value in one[key]) for key in ("published", "ours"))
    said = f"{theirs} ({one['published_as']})"
    return [one["ratio"], said, ours, one["network"], one["accuracy"], one["same_device"]]


def _three(rates: Mapping[str, Any]) -> list[str]:
    shown = (("frames_per_s", ",.0f"), ("watts", ".3g"), ("frames_per_joule", ",.0f"))
    return ["-" if rates[name] is None else format(rates[name], form) for name, form in shown]
