# SPDX-License-Identifier: Apache-2.0
"""Where each group of figures in a report comes from; errors of what is modelled stand in `bands.json`."""

from __future__ import annotations

from dataclasses import dataclass

from swm.accelerator.resources import RESOURCE_ERROR
from swm.accelerator.simulation import FILL_FAST, FILL_SLOW
from swm.device.power import POWER_SCOPE

__all__ = ["PROVENANCE", "Provenance"]


@dataclass(frozen=True)
class Provenance:
    """Where a group of figures comes from: its kind, and how they are found."""

    figures: str
    kind: str
    note: str


PROVENANCE = (
    Provenance(
        "iterations, loops, useful products, weight_bits, stream widths",
        "counted",
        "from the loops and array shapes that the C++ is emitted with; iterations are those of a call with one frame, "
        "filling and draining included, and verification counts the same in C simulation",
    ),
    Provenance(
        "interval, latency, cycles, inferences/s",
        "modelled",
        "every beat simulated on its way through the processes and their FIFOs, at the stated clock; cycles of a "
        f"process are those of a frame in a row of frames; the pipeline of an iteration ({FILL_SLOW} or {FILL_FAST} "
        "cycles, by clock) and the clock have not been checked by a synthesis of swm's own kernels",
    ),
    Provenance(
        "FIFO depths",
        "modelled",
        "the smallest that keep the interval and cannot deadlock in the same simulation; C simulation runs with them",
    ),
    Provenance(
        "useful share",
        "modelled",
        "multiplications by weights and rotations on DSPs (counted) over DSPs of the resource model x interval; "
        "padding and what a cheaper form of the same arithmetic avoids does not count",
    ),
    Provenance("DSP, BRAM18, URAM, LUT, FF", "modelled", RESOURCE_ERROR),
    Provenance("power, energy", "modelled", f"{POWER_SCOPE}; errors by family of devices stand with each board"),
    Provenance(
        "power and energy with the board",
        "modelled",
        "the device's, and what boards of the same name took beside it in published measurements (median)",
    ),
    Provenance(
        "energy on a chip",
        "modelled",
        "operations and bits of memory (counted) times energies of the chip's file, each with its own kind and source",
    ),
    Provenance(
        "static and processor power, device capacity",
        "published",
        "unless the board says otherwise: the kind and the source of each stand with the board",
    ),
)
