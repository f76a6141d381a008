# SPDX-License-Identifier: Apache-2.0
"""Smallest FIFO depths that keep an interval and cannot come to a deadlock (see `periodic` for the mathematics)."""

from __future__ import annotations

from collections.abc import Mapping

from swm.accelerator.network import Network, checked_depths
from swm.accelerator.periodic import Schedules, interval_of
from swm.accelerator.tokens import Deadlock, live
from swm.errors import OptionError

__all__ = ["deadlock_free", "smallest_depths", "steady_interval"]

_MOST_DOUBLINGS = 12


def steady_interval(network: Network, depths: Mapping[str, int]) -> int:
    """The smallest whole interval that the network keeps for ever at these depths, in cycles a frame.

    Raises:
        Deadlock: it stands still instead.
        OptionError: a depth for an edge that is not there.
    """
    bounded = checked_depths(network, depths)
    live(network, bounded)
    return interval_of(network, bounded)


def deadlock_free(network: Network, depths: Mapping[str, int]) -> bool:
    """Whether no number of frames comes to a deadlock (missing or zero depths: unbounded)."""
    bounded = checked_depths(network, depths)
    try:
        live(network, bounded)
    except Deadlock:
        return False
    return True


def smallest_depths(
    network: Network, interval: int, minimum: int = 2, fixed: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Depths none of which can be smaller: `interval` cycles a frame are kept for ever, and no deadlock can come.

    All edges at `minimum` are tried first. Then every edge starts at what the earliest schedule at that interval fills;
    groups of edges, halved when it fails, go to `minimum`, and an edge that cannot is bisected. Edges are taken in the
    order of `network.edges`, so that the result is one and the same for a network.

    Args:
        network: the processes.
        interval: cycles a frame, the pace of the inputs; at least what the slowest process takes.
        minimum: smallest depth given to an edge.
        fixed: depths that are not to be chosen; `interval` has to be one that they allow.

    Returns:
        A depth for every edge, those at the edge of the network included.

    Raises:
        OptionError: an interval that a process alone exceeds, or a minimum below 1.
    """
    if minimum < 1:
        raise OptionError(f"a smallest depth of {minimum}: must be at least 1")
    given = [(fixed or {}).get(edge) for edge in network.edges]
    schedules = Schedules(network, interval)
    depths = [one or minimum for one in given]
    if not schedules.bound(depths):
        schedules = Schedules(network, interval)
        needs = zip(*(system.sufficient() for system in schedules.systems), strict=True)
        depths = [one or max(minimum, *need) for one, need in zip(given, needs, strict=True)]
        for _ in range(_MOST_DOUBLINGS if fixed else 1):  # that schedule did not know of fixed depths
            if schedules.bound(depths):
                break
            depths = [one or 2 * depth for one, depth in zip(given, depths, strict=True)]
            schedules = Schedules(network, interval)
        else:
            raise RuntimeError("the depths of a schedule do not admit it")
        wanted = [edge for edge, depth in enumerate(depths) if depth > minimum and given[edge] is None]
        # Deeper edges never do harm. So where the depths that the interval alone allows are free of deadlocks, all that
        # were taken on the way were, too; to show it once, in place of each time, saves most of the work.
        found, fresh = depths[:], Schedules(network, interval)
        fresh.bound(found, only_first=True)
        _shrink(fresh, found, wanted, minimum, only_first=True)
        if schedules.bound(found):
            depths = found
        else:
            _shrink(schedules, depths, wanted, minimum)
    result = dict(zip(network.edges, depths, strict=True))
    while True:  # the first and the last frame differ from the steady ones
        try:
            live(network, result)
        except Deadlock as deadlock:
            for blocked in deadlock.cycle:
                if blocked.full:
                    result[blocked.edge] += 1
        else:
            return result


def _shrink(schedules: Schedules, depths: list[int], edges: list[int], minimum: int, only_first: bool = False) -> None:
    """Make the depths of `edges` as small as they can be, in place; `only_first` as in `Schedules.bound`."""
    if not edges:
        return
    trial = depths[:]
    for edge in edges:
        trial[edge] = minimum
    if schedules.bound(trial, only_first):
        depths[:] = trial
    elif len(edges) > 1:
        half = len(edges) // 2
        _shrink(schedules, depths, edges[:half], minimum, only_first)
        _shrink(schedules, depths, edges[half:], minimum, only_first)
    else:
        (edge,) = edges
        low, high = minimum, depths[edge]
        while high - low > 1:
            middle = (low + high) // 2
            trial = depths[:]
            trial[edge] = middle
            if schedules.bound(trial, only_first):
                high = middle
                depths[:] = trial
            else:
                low = middle
