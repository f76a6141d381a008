# SPDX-License-Identifier: Apache-2.0
"""Boards as tables and as data, with the source of every figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from swm.device.board import Board, PowerModel
from swm.device.listed import ListedTarget
from swm.report.layout import framed_tables

__all__ = [
    "LISTED_HEAD",
    "board_figures",
    "listed_figures",
    "listing",
    "target_table",
    "target_to_json",
]

_BOARDS_HEAD = (
    *("board", "device", "family", "LUT", "FF", "BRAM18", "DSP", "URAM", "MHz"),
    *("static, W", "CPU, W"),
)
LISTED_HEAD = ("figure", "value", "kind", "source")


def board_figures(board: Board, clock_mhz: float | None = None) -> list[tuple[str, str, str, str]]:
    """Every figure of a board as (name, value, kind, source); clocks and stream width are of kind "chosen".

    Args:
        board: whose figures.
        clock_mhz: the clock of a design, in the place of all that the board states.
    """
    has, ports = board.resources, board.dsp_ports
    order = ("lut", "ff", "bram18", "dsp", *(("uram",) if has.uram else ()))
    capacity = ", ".join(f"{has.of(key):,} {board.labels[key]}" for key in order)
    several = f"{ports.multipliers} of " if ports.multipliers > 1 else ""
    rows = [
        ("capacity", capacity, has.kind, has.source),
        ("DSP ports", f"{several}{ports.wide} x {ports.narrow} bits", ports.kind, ports.source),
        *_power(board.power),
        *_clocks(board, clock_mhz),
        ("AXI stream", f"{board.stream.bits} bits", "chosen", board.stream.reason),
    ]
    if board.overhead is not None:
        extra = board.overhead
        value = f"{extra.lut:,} LUT, {extra.ff:,} FF, {extra.bram18:,} BRAM18, {extra.dsp:,} DSP"
        rows.append(("overhead", value, extra.kind, extra.source))
    return [*rows, *_ways(board)]


def _ways(board: Board) -> list[tuple[str, str, str, str]]:
    """How a host reaches the accelerator."""
    rows: list[tuple[str, str, str, str]] = []
    if board.processing_system is not None:
        system = board.processing_system
        rows.append(("processor", f"{system.ip}, preset of {system.board_part}", system.kind, system.source))
    if board.platform is not None:
        card = board.platform
        rows.append(("platform", f"{card.name}, buffers in {card.memory}", card.kind, card.source))
    if board.pcie is not None:
        pcie = board.pcie
        rows.append(("PCIe", f"generation {pcie.generation}, {pcie.lanes} lanes", pcie.kind, pcie.source))
    if board.link is not None:
        link = board.link
        made = f" of {link.oscillator_hz / 1e6:g} MHz" if link.oscillator_hz else ""
        rows.append(("serial line", f"{link.baud:,} baud, {link.clock_hz / 1e6:g} MHz{made}", link.kind, link.source))
    return rows


def _power(stated: PowerModel | None) -> list[tuple[str, str, str, str]]:
    if stated is None:
        return [("power", "not stated", "-", "the board file has no [power]: no watts, no energy in reports")]
    static, processor, dynamic = stated.static, stated.processor, stated.dynamic
    coefficients = f"DSP {dynamic.dsp:g}, BRAM36 {dynamic.bram36:g}, LUT {dynamic.lut:g}, FF {dynamic.ff:g} uW/MHz"
    rows: list[tuple[str, str, str, str]] = [
        ("static power", f"{static.watts:g} W at {static.junction_c:g} C", static.kind, static.source)
    ]
    if processor is not None:
        rows.append(("processor power", f"{processor.watts:g} W", processor.kind, processor.source))
    rows.append(("dynamic power", coefficients, dynamic.kind, dynamic.source))
    if stated.supply is not None:
        rows.append(("supply", f"{stated.supply.watts:g} W", stated.supply.kind, stated.supply.source))
    return rows


def _clocks(board: Board, clock_mhz: float | None) -> list[tuple[str, str, str, str]]:
    stated = [c for c in board.clocks if clock_mhz in (None, c.mhz)]
    if not stated:
        return [("clock", f"{clock_mhz:g} MHz", "chosen", "asked for by the user")]
    return [("clock", f"{clock.mhz:g} MHz", "chosen", clock.reason) for clock in stated]


def target_to_json(target: Board | ListedTarget) -> dict[str, Any]:
    """Give a board as plain data: the keys of its TOML file. Those that nothing is designed for have `refused`."""
    return target.model_dump(mode="json", by_alias=True)


def listed_figures(target: ListedTarget) -> list[tuple[str, str, str, str]]:
    """Every figure of a target that nothing is designed for, as (name, value, kind, source)."""
    return [(e.operation, f"{e.picojoule:g} pJ, {e.bits} bit", e.kind, e.source) for e in target.energy]


def target_table(target: Board | ListedTarget) -> Table:
    """Lay out one target with the kind and source of every figure, and why nothing is designed for it."""
    part = f", {target.part}" if target.part else ""
    table = Table(title=Text(f"{target.title} ({target.name}){part}, {target.family}"), title_justify="left")
    for name in LISTED_HEAD[:-1]:
        table.add_column(name)
    table.add_column(LISTED_HEAD[-1], overflow="fold")  # a path is folded, not cut: it is there to be followed
    for row in board_figures(target) if isinstance(target, Board) else listed_figures(target):
        table.add_row(*map(Text, row))
    if isinstance(target, ListedTarget):
        use = "; `swm report` and `swm explore` say what an inference takes" if target.priced else ""
        table.caption = f"swm designs nothing for it: {target.refused}{use}"
        table.caption_justify = "left"
    return table


def listing(targets: Sequence[Board | ListedTarget], width: int) -> list[Table]:
    """Lay out the boards, one a line of `width` characters, and below them the targets that nothing is designed for."""
    boards = [t for t in targets if isinstance(t, Board)]
    others = [t for t in targets if isinstance(t, ListedTarget)]
    table = Table(title=Text("listed, but not designed for"), title_justify="left")
    for name in ("target", "device", "family", "known"):
        table.add_column(name)
    for target in others:
        known = "; ".join(f"{name} {value}" for name, value, *_ in listed_figures(target)[:2])
        table.add_row(*map(Text, (target.name, target.device, target.family, known)))
    rows = [_in_a_line(board) for board in boards]
    return [*framed_tables(_BOARDS_HEAD, rows, width, left=3, keys=1), *([table] if others else [])]


def _in_a_line(board: Board) -> list[str]:
    """As in `_BOARDS_HEAD`."""
    has, stated = board.resources, board.power
    memories = f"{has.m10k:,} M10K" if has.m10k else f"{has.bram18:,}"
    counts = [f"{has.lut:,}", f"{has.ff:,}", memories, f"{has.dsp:,}", f"{has.uram:,}"]
    clocks = ", ".join(f"{clock.mhz:g}" for clock in board.clocks)
    processor = stated.processor if stated else None
    watts = [f"{stated.static.watts:g}" if stated else "-", f"{processor.watts:g}" if processor else "-"]
    return [board.name, board.device, board.family, *counts, clocks, *watts]
