# SPDX-License-Identifier: Apache-2.0
"""Power, and energy per inference: static + processor + dynamic (modelled).

    dynamic = f * 1e-6 * (DSP cD + BRAM36 cB + LUT cL + FF cF) * activity / 0.125      coefficients c in uW/MHz

The counts are routed estimates. How far the dynamic part was off of public reports stands by family in
`swm/report/bands.json` (`swm bench validate`); the vendor's own estimate is off by 22 % on average against rail
measurement (PowerGear, DATE 2022, Table I). Board regulators, DRAM and interface chips are not included. No
public report with UltraRAM was found: a block of it is charged as one 36 Kb block.
"""

from __future__ import annotations

from dataclasses import dataclass

from swm.device.board import Board, DynamicPower
from swm.device.primitives import Usage
from swm.errors import OptionError

__all__ = [
    "ACTIVITY",
    "POWER_SCOPE",
    "Energy",
    "Watts",
    "beyond_supply",
    "blocks_of_36",
    "dynamic_watts",
    "energy",
    "power",
]

ACTIVITY = 0.125
"""Toggles per net and cycle that the coefficients were read at, the vendor tools' own default."""
POWER_SCOPE = "of the device, without regulators, DRAM and interface chips, at 12.5 % toggle"


@dataclass(frozen=True)
class Watts:
    """Power in watts."""

    static: float
    processor: float
    dynamic: float

    @property
    def total(self) -> float:
        """Sum of the three parts in watts."""
        return self.static + self.processor + self.dynamic


@dataclass(frozen=True)
class Energy:
    """Joules per inference at full throughput."""

    static: float
    processor: float
    dynamic: float

    @property
    def total(self) -> float:
        """Sum of the three parts in joules."""
        return self.static + self.processor + self.dynamic


def dynamic_watts(
    coefficients: DynamicPower,
    clock_mhz: float,
    *,
    dsp: float,
    bram36: float,
    lut: float,
    ff: float,
    activity: float = ACTIVITY,
) -> float:
    """Dynamic power of the programmable logic in watts.

    Args:
        coefficients: uW/MHz for each resource at 12.5 % toggle.
        clock_mhz: Clock in MHz.
        dsp: DSP blocks.
        bram36: 36 Kb blocks.
        lut: Routed LUTs.
        ff: Routed flip-flops.
        activity: Toggles per net and cycle.

    Raises:
        OptionError: `activity` outside [0, 1].
    """
    if not 0 <= activity <= 1:
        raise OptionError(f"activity {activity}: must lie between 0 and 1")
    c = coefficients
    micro = dsp * c.dsp + bram36 * c.bram36 + lut * c.lut + ff * c.ff
    return clock_mhz * 1e-6 * micro * activity / ACTIVITY


def blocks_of_36(board: Board, used: Usage) -> float:
    """Memories in blocks of 36 Kb, by their bits; UltraRAM as one each."""
    return used.bram18 * board.block_kilobits / 36 + used.uram


def power(board: Board, clock_mhz: float, used: Usage, activity: float = ACTIVITY) -> Watts:
    """Power of a design on a board.

    Args:
        board: Static and processor power and the coefficients.
        clock_mhz: Clock in MHz.
        used: Routed estimate.
        activity: Toggles per net and cycle.

    Returns:
        Watts, split.

    Raises:
        OptionError: the board states no power.
    """
    if board.power is None:
        raise OptionError(f"board '{board.name}' states no power; add the [power] tables of docs/boards.md to its file")
    processor = board.power.processor.watts if board.power.processor else 0.0
    dynamic = dynamic_watts(
        board.power.dynamic,
        clock_mhz,
        dsp=used.dsp,
        bram36=blocks_of_36(board, used),
        lut=used.lut,
        ff=used.ff,
        activity=activity,
    )
    return Watts(board.power.static.watts, processor, dynamic)


def beyond_supply(board: Board, watts: Watts) -> str:
    """Say that a design takes more power than its board's supply can give; empty where it does not, or none is stated.

    The modelled figure is not repeated: no device ever takes it.
    """
    supply = board.power.supply if board.power else None
    if supply is None or watts.total <= supply.watts:
        return ""
    return f"modelled power is above the {supply.watts:g} W of the supply"


def energy(watts: Watts, inferences_per_s: float) -> Energy:
    """Energy of one inference at full throughput: each part of the power over the inferences per second.

    Args:
        watts: Power of the design.
        inferences_per_s: Its throughput.

    Raises:
        OptionError: `inferences_per_s` is not a positive number.
    """
    if not inferences_per_s > 0:
        raise OptionError(f"inferences_per_s {inferences_per_s}: must be a positive number")
    return Energy(*(part / inferences_per_s for part in (watts.static, watts.processor, watts.dynamic)))
