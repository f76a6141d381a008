# SPDX-License-Identifier: Apache-2.0
"""Where power and energy go: the terms of the power model, the resources in its dynamic one, and the board beside."""

from __future__ import annotations

from dataclasses import dataclass

from swm.device.power import blocks_of_36, dynamic_watts
from swm.report.bands import Band
from swm.report.figures import DesignFigures
from swm.report.numbers import NONE, quantity
from swm.report.value import BoardReport

__all__ = ["POWER_HEAD", "EnergyPart", "board_watts", "energy_parts", "power_rows", "watts_range"]

POWER_HEAD = ("part", "structured", "dense twin", "model's error")


@dataclass(frozen=True)
class EnergyPart:
    """A term of the power of a design.

    Attributes:
        name: "static", "processor", "DSP", "logic", "memories", "board".
        watts: modelled.
        joules: of one inference at full throughput.
    """

    name: str
    watts: float
    joules: float


def energy_parts(design: DesignFigures, board_band: Band | None = None) -> tuple[EnergyPart, ...]:
    """The parts, which sum to the total of the device, and to that of the board where that was measured.

    Args:
        design: whose power; () where it has none.
        board_band: the band "board_j" of its board, with what the board takes beside the device.
    """
    rate = design.inferences_per_s
    if design.watts is None or rate is None:
        return ()
    board, used, clock = design.plan.board, design.used.routed, design.plan.clock_mhz
    assert board.power is not None
    c = board.power.dynamic
    parts = {
        "static": design.watts.static,
        "processor": design.watts.processor,
        "DSP": dynamic_watts(c, clock, dsp=used.dsp, bram36=0, lut=0, ff=0),
        "logic": dynamic_watts(c, clock, dsp=0, bram36=0, lut=used.lut, ff=used.ff),
        "memories": dynamic_watts(c, clock, dsp=0, bram36=blocks_of_36(board, used), lut=0, ff=0),
        "board": (board_band.beside_w or 0.0) if board_band else 0.0,
    }
    kept = {name: watts for name, watts in parts.items() if watts or name not in ("processor", "board")}
    return tuple(EnergyPart(name, watts, watts / rate) for name, watts in kept.items())


def board_watts(design: DesignFigures, band: Band) -> float | None:
    """Power of the whole board: of the device, and what the board took beside it where boards like it were measured."""
    return None if design.watts is None or band.beside_w is None else design.watts.total + band.beside_w


def watts_range(design: DesignFigures, dynamic: Band) -> tuple[float, float] | None:
    """Power of the device where its dynamic part is off as much as in four of five reports; None without a band."""
    if design.watts is None or dynamic.low is None or dynamic.high is None:
        return None
    fixed = design.watts.static + design.watts.processor
    return fixed + dynamic.low * design.watts.dynamic, fixed + dynamic.high * design.watts.dynamic


_LABELS = {
    "static": "static",
    "processor": "processor",
    "DSP": "dynamic, DSP",
    "logic": "dynamic, logic",
    "memories": "dynamic, memories",
}


def power_rows(row: BoardReport) -> list[tuple[str, ...]]:
    """Power and energy in parts, as in `POWER_HEAD`; none where no design has any."""
    pair = (row.structured, row.dense)
    if not any(d.watts for d in pair):
        return []
    dynamic, board = row.bands["dynamic_w"], row.bands["board_j"]
    split = [{part.name: part for part in energy_parts(d)} for d in pair]
    rows: list[tuple[str, ...]] = []
    for name, label in _LABELS.items():
        if any(name in parts for parts in split):
            error = dynamic.short if label.startswith("dynamic") else "published"
            found = (
                _part(p.watts if (p := parts.get(name)) else None, d) for parts, d in zip(split, pair, strict=True)
            )
            rows.append((label, *found, error))
    total = tuple(_part(d.watts.total if d.watts else None, d) for d in pair)
    rows.append(("device in all", *total, f"{dynamic.short} of dynamic"))
    if board.beside_w is not None:
        rows.append(("the whole board", *(_part(board_watts(d, board), d) for d in pair), board.short))
    return rows


def _part(watts: float | None, design: DesignFigures) -> str:
    rate = design.inferences_per_s
    return NONE if watts is None or rate is None else f"{watts:.3f} W, {quantity(1e6 * watts / rate)} uJ"
