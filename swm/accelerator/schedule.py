# SPDX-License-Identifier: Apache-2.0
"""From a network and a board to a schedule: the fastest parallelism that stays inside the board."""

from __future__ import annotations

from dataclasses import replace

from swm.accelerator.backend import VITIS, Backend
from swm.accelerator.design import Schedule
from swm.accelerator.fixed_graph import NetworkShape
from swm.accelerator.line import Pace, line_alone, line_interval
from swm.accelerator.placement import Placement
from swm.accelerator.resources import estimate, overflow
from swm.accelerator.search import Found, Search
from swm.accelerator.simulation import sequential, simulated
from swm.device.board import Board
from swm.device.limits import Limits
from swm.errors import OptionError, UnsupportedModel
from swm.layers.rtl.registry import rtl_findings
from swm.progress import Note, quiet

__all__ = ["can_fit", "make_schedule"]

_WIDENING = 1.02
"""Step by which the interval grows while FIFOs that the simulation made deeper do not fit."""
_MOST_STEPS = 60


def make_schedule(
    network: NetworkShape,
    board: Board,
    *,
    backend: Backend = VITIS,
    clock_mhz: float | None = None,
    limits: Limits | None = None,
    target_interval: Pace = None,
    hybrid: bool = False,
    note: Note = quiet,
    least: float = 0.0,
) -> Schedule:
    """Choose the parallelism of every layer and the depth of every stream.

    Args:
        network: layers and how they are joined.
        board: where it has to fit.
        backend: what it is emitted for; it says whether the parallelism is searched or minimal.
        clock_mhz: clock in MHz; where absent, the one of the board's that gives the most inferences per second.
        limits: fractions of the device that may be used; FINN's for timing closure when absent.
        hybrid: let multipliers of any width be built of LUTs where DSPs run out: faster, for several times the energy
            of a DSP; without it only those of narrow weights (`products.NARROW_WEIGHT`).
        note: called with what is going on, for every interval that is tried.
        target_interval: cycles; take the cheapest design that is at least this fast. "line": that of a frame on the
            board's serial line, or the fastest that fits if none that fast does. "fastest": that fits the board. None:
            "line" where no frame comes another way (`line_alone`), else "fastest".
        least: inferences per second that are asked for; what gives fewer counts as what does not fit, and is not
            simulated where its slowest process says so: its interval and latency are then those of that process.

    Returns:
        The schedule. When nothing fits it has minimal parallelism (or the cheapest at `target_interval`), `fits` is
        False and `overflow` says what is too large.

    Raises:
        OptionError: an impossible clock, a target that no parallelism reaches, a board without a serial line, or a
            device for which nobody knows what C++ kernels cost.
        UnsupportedModel: layers that the back end has no modules for.
    """
    if backend.language == "systemverilog" and (findings := rtl_findings(layer.spec for layer in network.layers)):
        what = f"back end {backend.name} has no RTL for these layers (quantized for it, the host keeps what it can):"
        raise UnsupportedModel(what, findings)
    if board.vendor == "Intel" and backend.area == "operators":
        raise OptionError(
            f"back end {backend.name} is not for board {board.name}, a device of Intel: no rules say what C++ kernels"
            " cost there, and no flow of Intel's HLS compiler is written; take --backend rtl"
        )
    if clock_mhz is not None and not 0 < clock_mhz <= 1500:
        raise OptionError(f"clock {clock_mhz} MHz: must lie in (0, 1500]")
    if isinstance(target_interval, int) and target_interval < 1:
        raise OptionError(f"target interval {target_interval}: must be at least one cycle")
    if target_interval is None:
        target_interval = "line" if line_alone(board, backend) else "fastest"
    if target_interval != "fastest" and backend.parallelism == "minimal":
        raise OptionError(f"back end {backend.name} takes one lane everywhere: no interval can be asked for")
    limits = limits or Limits()
    line = line_interval(network, board, backend) if target_interval == "line" else None
    search = Search(network, board, limits, backend=backend, hybrid=hybrid, uram=backend.loads_weights, note=note)
    clocks = (clock_mhz,) if clock_mhz is not None else tuple(clock.mhz for clock in board.clocks)
    slow = _slowest(search)
    target = target_interval if isinstance(target_interval, int) else None
    if line is not None and search.fitting(line) is not None:
        target = line  # else none that keeps up with the line fits: the fastest that does
    found = _find(search, backend, target, slow)
    longest = slow if target is None else min(slow, target)
    # Neither costs nor intervals depend on the clock; only the pipeline's depth, and with it FIFOs and latency, do.
    schedules = [_complete(search, found, board, backend, clock, limits, note, longest, least) for clock in clocks]
    return replace(max(schedules, key=lambda s: (s.fits, s.inferences_per_s)), target=target)


def can_fit(network: NetworkShape, board: Board, backend: Backend = VITIS) -> bool:
    """Whether `make_schedule` would find a design that fits; FIFOs that its simulation makes deeper aside.

    Raises:
        UnsupportedModel: layers that the back end has no modules for.
    """
    search = Search(network, board, Limits(), backend=backend, uram=backend.loads_weights)
    return search.minimal().fits if backend.parallelism == "minimal" else search.fits(_slowest(search))


def _slowest(search: Search) -> int:
    """The interval of least parallelism: no longer one asks for less hardware."""
    return _slowest_part(search.minimal().placement)


def _slowest_part(placement: Placement) -> int:
    """Cycles a frame of the slowest process or edge: no simulation finds a shorter interval."""
    slow = max(p.program.cycles * p.tokens(la.spec) for la in placement.layers for p in la.processes)
    return max(slow, *(e.beats * e.positions for e in placement.edges))


def _find(search: Search, backend: Backend, target: int | None, slow: int) -> Found:
    minimal = search.minimal()
    if backend.parallelism == "minimal":
        return minimal
    if target is not None:
        found = search.at(target)
        if found is None:
            fastest = search.fastest(slow)
            raise OptionError(f"no parallelism reaches {target} cycles per inference; the shortest is {fastest}")
        return found
    return search.fastest_fitting(slow) or minimal


def _complete(
    search: Search,
    found: Found,
    board: Board,
    backend: Backend,
    clock_mhz: float,
    limits: Limits,
    note: Note,
    longest: int,
    least: float,
) -> Schedule:
    """Depths and cycles by simulation; slower designs, up to `longest`, where deeper FIFOs go beyond the limits."""
    target = 0
    for _ in range(_MOST_STEPS):
        place = found.placement
        bound = max(target, _slowest_part(place)) if backend.streaming else target
        schedule = Schedule(board, clock_mhz, backend, place.layers, place.edges, max(1, bound), max(1, bound))
        message = _too_slow(schedule, least)
        if message:
            break
        note(f"cycles and depths at {clock_mhz:g} MHz")
        run = simulated(place, clock_mhz, backend) if backend.streaming else sequential(place, clock_mhz)
        placement = run.placement
        schedule = Schedule(board, clock_mhz, backend, placement.layers, placement.edges, run.interval, run.latency)
        message = overflow(estimate(schedule).routed, board, limits) or _too_slow(schedule, least)
        if not message or not found.fits:
            break
        # From the interval asked for, not the one found: the cheapest design of a longer interval may be the same one.
        target, slower = max(target, run.interval), None
        while (slower is None or slower.placement == found.placement) and target < longest:
            target = min(longest, max(target + 1, int(target * _WIDENING)))
            slower = search.fitting(target)
        if slower is None or slower.placement == found.placement:
            break
        found = slower
    return replace(schedule, fits=not message, overflow=message)


def _too_slow(schedule: Schedule, least: float) -> str:
    return "" if schedule.inferences_per_s >= least else f"fewer than {least:,.6g} inferences per second"
