# SPDX-License-Identifier: Apache-2.0
"""The comparison behind every report: a structured network beside the same network left dense, board by board."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite

from swm.accelerator.backend import VITIS, Backend
from swm.accelerator.design import Design, Schedule
from swm.accelerator.fixed_graph import NetworkShape
from swm.accelerator.interleave import with_sequences
from swm.accelerator.schedule import make_schedule
from swm.accelerator.search import Search
from swm.device.board import Board, board_names, load_board
from swm.device.limits import Limits
from swm.device.listed import ListedTarget
from swm.errors import OptionError
from swm.report.chips import ChipReport, chip_report
from swm.report.evidence import Accuracy, Evidence
from swm.report.figures import DesignFigures, design_figures
from swm.report.value import BoardReport, Gain, Report

__all__ = ["compare", "compare_design", "compare_networks"]


def compare(
    pairs: Sequence[tuple[Schedule, Schedule]],
    accuracy: Mapping[str, float | None] | None = None,
    *,
    model: str = "model",
    evidence: Evidence | None = None,
    holding: Sequence[str] = (),
    chips: Sequence[ChipReport] = (),
) -> Report:
    """Hold schedules of a structured network against those of its dense twin.

    Args:
        pairs: for each board the structured and the dense schedule, in the order of the report.
        accuracy: measured accuracies as fractions from 0 to 1, by name (`ACCURACY_KEYS` and any other); None or absent
            means not measured. They stand before those of the evidence.
        model: name shown in the report.
        evidence: all else that was measured.
        holding: boards that hold the dense twin, named where another does not.
        chips: energies on chips.

    Raises:
        OptionError: neither pairs nor chips, a pair on two boards, or an accuracy that is not a fraction.
    """
    if not pairs and not chips:
        raise OptionError("a report needs at least one board")
    given = tuple(Accuracy(name, value) for name, value in (accuracy or {}).items() if value is not None)
    known = evidence or Evidence()
    for one in given:
        if one.share is not None and not (isfinite(one.share) and 0 <= one.share <= 1):
            raise OptionError(f"accuracy {one.network!r}: {one.share} is not a fraction between 0 and 1")
    rows = tuple(_board(structured, dense, holding) for structured, dense in pairs)
    return Report(model, rows, known, (*given, *known.accuracies), tuple(chips))


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
    sequences: int | None = 1,
    evidence: Evidence | None = None,
    chips: Sequence[ListedTarget] = (),
) -> Report:
    """Schedule a structured network and its dense twin on boards, and hold them against each other.

    Both run at the same clock.

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
        sequences: that take turns in recurrent layers of both; None: as many as make each of them faster.
        evidence: see `compare`.
        chips: targets whose energies price both networks, beside the boards or without any.

    Raises:
        OptionError: neither boards nor chips, an accuracy that is not a fraction, or what `make_schedule` raises.
    """
    make = partial(with_sequences, backend=backend, hybrid=hybrid, limits=limits, sequences=sequences)
    pairs = []
    for board in boards:
        _, own = make(network, board, clock_mhz=clock_mhz)
        pairs.append((own, make(dense_network, board, clock_mhz=own.clock_mhz)[1]))
    holding = _holding(pairs, dense_network, limits)
    priced = [chip_report(network, chip) for chip in chips]
    return compare(pairs, accuracy, model=model, evidence=evidence, holding=holding, chips=priced)


def compare_design(
    design: Design,
    boards: Sequence[Board] = (),
    *,
    accuracy: Mapping[str, float | None] | None = None,
    model: str | None = None,
    clock_mhz: float | None = None,
    limits: Limits | None = None,
    evidence: Evidence | None = None,
    chips: Sequence[ListedTarget] = (),
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
        evidence: see `compare`.
        chips: see `compare_networks`.

    Raises:
        OptionError: an accuracy that is not a fraction, or what `make_schedule` raises.
    """
    make = partial(make_schedule, backend=design.backend, limits=limits)
    network, dense_network = design.graph.shape, design.graph.shape.left_dense()
    pairs = []
    for board in boards or (design.schedule.board,):
        emitted = board.name == design.schedule.board.name
        own = design.schedule if emitted else make(network, board, clock_mhz=clock_mhz)
        pairs.append((own, _dense(own, partial(make, dense_network, own.board, clock_mhz=own.clock_mhz))))
    holding = _holding(pairs, dense_network, limits)
    name = design.graph.name if model is None else model
    priced = [chip_report(network, chip) for chip in chips]
    return compare(pairs, accuracy, model=name, evidence=evidence, holding=holding, chips=priced)


def _dense(own: Schedule, make: Callable[..., Schedule]) -> Schedule:
    """The dense twin as fast as was asked of a design, where that exists and fits, else the fastest that fits."""
    if own.target is not None:
        with contextlib.suppress(OptionError):
            asked = make(target_interval=own.target)
            if asked.fits:
                return asked
    return make(target_interval="fastest")


def _holding(
    pairs: Sequence[tuple[Schedule, Schedule]], dense_network: NetworkShape, limits: Limits | None
) -> tuple[str, ...]:
    """Boards of swm's, the smallest first, that hold the dense twin at least parallelism; none where all pairs fit.

    Only those with devices of the vendors that the pairs have.
    """
    if all(dense.fits for _, dense in pairs):
        return ()
    vendors = {structured.board.vendor for structured, _ in pairs}
    known = (load_board(name) for name in board_names())
    boards = sorted((b for b in known if b.vendor in vendors), key=lambda b: b.resources.lut)
    backend, limits = pairs[0][1].backend, limits or Limits()
    return tuple(b.name for b in boards if Search(dense_network, b, limits, backend=backend).minimal().fits)


def _board(structured: Schedule, dense: Schedule, holding: Sequence[str]) -> BoardReport:
    if structured.board != dense.board:
        names = f"{structured.board.name!r} and {dense.board.name!r}"
        raise OptionError(f"schedules of two boards, {names}, do not compare")
    pair = design_figures(structured), design_figures(dense)
    others = tuple(name for name in holding if name != structured.board.name)
    return BoardReport(structured.board, *pair, _gain(*pair, others))


def _gain(structured: DesignFigures, dense: DesignFigures, holding: tuple[str, ...]) -> Gain:
    """Dense over structured; nothing where one of the two cannot exist."""
    ours, others = structured.latency_us, dense.latency_us
    if ours is None or others is None:
        names = [n for n, d in (("the design", structured), ("its dense twin", dense)) if not d.fits]
        instead = holding if not dense.fits else ()
        return Gain(None, None, None, f"{' and '.join(names)} cannot be built on {dense.plan.board.name}", instead)
    energies = structured.joules, dense.joules
    return Gain(
        throughput=structured.plan.inferences_per_s / dense.plan.inferences_per_s,
        latency=others / ours,
        energy=energies[1].total / energies[0].total if energies[0] and energies[1] else None,
    )
