# SPDX-License-Identifier: Apache-2.0
"""Energies of a chip's operations between and beyond the widths and sizes that its file states.

Between two figures of one operation the logarithm of the energy is a straight line of the logarithm of the width, or
of the size of a memory. That gives 0.787 pJ for 16 bit of a multiplication between Horowitz's 0.2 pJ at 8 and 3.1 pJ at
32 (the fit of QKeras @78ea90f, qkeras/qtools/config_public.py, has 0.783), and 19.3 pJ for 32 KB between 10 pJ at 8 KB
and 100 pJ at 1 MB (Horowitz: 20). Beyond the figures, and with one alone, a multiplication grows with the square of its
width, an addition and a register with the width, a memory with the root of its size; but no memory takes less than the
smallest one that is stated.
"""

from __future__ import annotations

from itertools import pairwise
from math import exp, log

from swm.device.board import load_target
from swm.device.listed import Counted, ListedTarget
from swm.errors import OptionError

__all__ = ["access_picojoules", "chip_named", "operation_picojoules"]

_EXPONENTS = {"addition": 1.0, "multiplication": 2.0, "register": 1.0}


def chip_named(name_or_path: object) -> ListedTarget | None:
    """The chip of a name or file, where it is one whose operations have energies; None for boards and other targets.

    Raises:
        UnknownBoard: no such target.
        OptionError: the file is not valid.
    """
    target = load_target(str(name_or_path))
    return target if isinstance(target, ListedTarget) and target.priced else None


def operation_picojoules(chip: ListedTarget, what: Counted, bits: float) -> float | None:
    """Energy in picojoules of one operation on words of `bits` bits; None where the chip states none.

    Raises:
        OptionError: the bits are not above 0.
    """
    if not bits > 0:
        raise OptionError(f"an operation on {bits:g} bits has no energy")
    found = sorted((e.bits, e.picojoule) for e in chip.energy if e.counts == what)
    return _between(found, bits, _EXPONENTS[what]) if found else None


def access_picojoules(chip: ListedTarget, memory_bits: int) -> float:
    """Energy in picojoules of one bit that is read from or written to a memory of so many bits on the chip."""
    found = sorted((8 * 1024 * (e.kilobytes or 1), e.picojoule / e.bits) for e in chip.energy if e.counts == "sram")
    return _between(found, max(memory_bits, found[0][0]), 0.5)


def _between(figures: list[tuple[int, float]], at: float, beyond: float) -> float:
    """On the line through the two figures around `at`, in logarithms; outside them with the given exponent."""
    for (low, first), (high, second) in pairwise(figures):
        if low <= at <= high:
            slope = log(second / first) / log(high / low)
            return first * exp(slope * log(at / low))
    place, energy = figures[0] if at <= figures[0][0] else figures[-1]
    return energy * (at / place) ** beyond
