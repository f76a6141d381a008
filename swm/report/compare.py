# SPDX-License-Identifier: Apache-2.0
"""The comparison behind every report: a structured network beside the same network left dense, board by board."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf, isfinite

from swm.accelerator.backend import VITIS, Backend
from swm.accelerator.design import Design, Schedule
from swm.accelerator.fixed_graph import NetworkShape
from swm.accelerator.schedule import make_schedule
from swm.device.board import Board
from swm.device.limits import Limits
from swm.errors import OptionError
from swm.report.figures import DesignFigures, design_figures
from swm.report.provenance import PROVENANCE, Provenance

__all__ = ["ACCURACY_KEYS", "BoardReport", "Gain", "Report", "compare", "compare_design", "compare_networks"]

ACCURACY_KEYS = ("dense_float", "converted_float", "fixed")
"""Accuracies that every report shows, "not measured" when nobody passed them in."""


@dataclass(frozen=True)
class Gain:
    """Dense over structured, above 1 when the structure wins. `hypothetical`: one of the two does not fit the board.

    `energy` is None where the board states no power.
    """

    throughput: float
    latency: float
    energy: float | None
    hypothetical: bool


@dataclass(frozen=True)
class BoardReport:
    """Both designs on one board."""

    board: Board
    structured: DesignFigures
    dense: DesignFigures
    gain: Gain

    @property
    def dense_fits(self) -> bool:
        """Whether the dense twin can be built on this board."""
        return self.dense.fits


@dataclass(frozen=True)
class Report:
    """A model on several boards. `accuracy` holds (name, fraction or None for "not measured")."""

    model: str
    boards: tuple[BoardReport, ...]
    accuracy: tuple[tuple[str, float | None], ...]
    provenance: tuple[Provenance, ...] = PROVENANCE

    def __repr__(self) -> str:
        places = ", ".join(f"{row.board.name}{'' if row.structured.fits else ' (does not fit)'}" for row in self.boards)
        measured = ", ".join(f"{name} {100 * share:.2f} %" for name, share in self.accuracy if share is not None)
        return f"<Report of {self.model!r} on {places}; accuracy {measured or 'not measured'}>"


def compare(
    pairs: Sequence[tuple[Schedule, Schedule]],
    accuracy: Mapping[str, float | None] | None = None,
    *,
    model: str = "model",
) -> Report:
    """Hold schedules of a structured network against those of its dense twin.

    Args:
        pairs: for each board the structured and the dense schedule, in the order of the report.
        accuracy: measured accuracies as fractions from 0 to 1, by name (`ACCURACY_KEYS` and any other); None or absent
            means not measured.
        model: name shown in the report.

    Raises:
        OptionError: no pairs, a pair on two boards, or an accuracy that is not a fraction.
    """
    if not pairs:
        raise OptionError("a report needs at least one board")
    given = dict(accuracy or {})
    for name, value in given.items():
        if value is not None and not (isfinite(value) and 0 <= value <= 1):
            raise OptionError(f"accuracy {name!r}: {value} is not a fraction between 0 and 1")
    rows = tuple((name, given.pop(name, None)) for name in ACCURACY_KEYS) + tuple(given.items())
    return Report(model, tuple(_board(structured, dense) for structured, dense in pairs), rows)


def compare_networks(
    network: NetworkShape,
    dense_network: NetworkShape,
    boards: Sequence[Board],
    *,
    backend: Backend = VITIS,
    accuracy: Mapping[str, float | None] | None = None,
    model: str = "model",
    clock_mhz: float | None = None,
    limits: Limits | None = None,
    hybrid: bool = False,
) -> Report:
    """Schedule a structured network and its dense twin on boards, and hold them against each other.

    Both run at the same clock. A network that does not fit is scheduled for an imagined device: the same one with as
    much block RAM as it asks for.

    Args:
        network: the structured network.
        dense_network: its twin.
        boards: boards to report on, in the order of the report.
        backend: what both are emitted for.
        accuracy: see `compare`.
        model: name shown in the report.
        clock_mhz: clock in MHz for all boards; where absent, the search chooses among each board's clocks.
        limits: fractions of the device that may be used.
        hybrid: let wide multipliers of both be built of LUTs where DSPs run out.

    Raises:
        OptionError: no boards, an accuracy that is not a fraction, or what `make_schedule` raises.
    """
    make = partial(make_schedule, backend=backend, hybrid=hybrid)
    pairs = [_pair(network, dense_network, board, make, clock_mhz, limits) for board in boards]
    return compare(pairs, accuracy, model=model)


def compare_design(
    design: Design,
    boards: Sequence[Board] = (),
    *,
    accuracy: Mapping[str, float | None] | None = None,
    model: str | None = None,
    clock_mhz: float | None = None,
    limits: Limits | None = None,
) -> Report:
    """The report of a project: on the board it was made for, its own schedule, as emitted.

    Args:
        design: of the project.
        boards: boards to report on; the design's own where absent. A board of the same name as the design's stands for
            it; others get new schedules for the same back end.
        accuracy: see `compare`.
        model: name shown in the report; the graph's where absent.
        clock_mhz: clock of the boards that are not the design's own, see `compare_networks`.
        limits: fractions of the device that new schedules may use.

    Raises:
        OptionError: an accuracy that is not a fraction, or what `make_schedule` raises.
    """
    own, make = design.schedule, partial(make_schedule, backend=design.backend)
    dense_network = design.graph.shape.left_dense()
    pairs = []
    for board in boards or (own.board,):
        if board.name == own.board.name:
            dense = _scheduled(dense_network, own.board, make, own.clock_mhz, limits)
            pairs.append((own, dense))
        else:
            pairs.append(_pair(design.graph.shape, dense_network, board, make, clock_mhz, limits))
    return compare(pairs, accuracy, model=design.graph.name if model is None else model)


def _pair(
    network: NetworkShape,
    dense_network: NetworkShape,
    board: Board,
    make: Callable[..., Schedule],
    clock_mhz: float | None,
    limits: Limits | None,
) -> tuple[Schedule, Schedule]:
    structured = _scheduled(network, board, make, clock_mhz, limits)
    return structured, _scheduled(dense_network, board, make, structured.clock_mhz, limits)


def _scheduled(
    network: NetworkShape,
    board: Board,
    make: Callable[..., Schedule],
    clock_mhz: float | None,
    limits: Limits | None,
) -> Schedule:
    """The schedule on a board; where nothing fits, on that board with any block RAM, but with the fault of the real."""
    plan = make(network, board, clock_mhz=clock_mhz, limits=limits)
    if plan.fits:
        return plan
    unbounded = replace(limits or Limits(), bram18=inf)
    imagined = make(network, board, clock_mhz=plan.clock_mhz, limits=unbounded)
    return replace(imagined, fits=False, overflow=plan.overflow)


def _board(structured: Schedule, dense: Schedule) -> BoardReport:
    if structured.board != dense.board:
        names = f"{structured.board.name!r} and {dense.board.name!r}"
        raise OptionError(f"schedules of two boards, {names}, do not compare")
    pair = design_figures(structured), design_figures(dense)
    return BoardReport(structured.board, *pair, _gain(*pair))


def _gain(structured: DesignFigures, dense: DesignFigures) -> Gain:
    had, has = dense.joules, structured.joules
    return Gain(
        throughput=structured.plan.inferences_per_s / dense.plan.inferences_per_s,
        latency=dense.latency_us / structured.latency_us,
        energy=had.total / has.total if had and has else None,
        hypothetical=not (structured.fits and dense.fits),
    )
