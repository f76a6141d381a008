# SPDX-License-Identifier: Apache-2.0
"""What a module of hls/rtl costs on a family of devices: counted bits at fitted prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from swm.device.primitives import Cost
from swm.layers.rtl.area import coefficients, coefficients_cyclonev, coefficients_ecp5, coefficients_gowin, memories
from swm.layers.rtl.area.counts import Count

__all__ = ["PACKS", "STORED", "Prices", "placed", "price", "priced_bits", "prices_of"]

PACKS = "7series"
"""The family for which yosys moves registers and adders into DSP blocks; on others they cost what others do."""
STORED = ("table", "constant", "smooth", "shift")
"""What of a count are LUTs that hold data."""


class Prices(NamedTuple):
    """LUTs and flip-flops of a bit of each sort, a factor for each module, and the error on rows that were held out."""

    lut: Mapping[str, float]
    lut_factor: Mapping[str, float]
    ff: Mapping[str, float]
    ff_factor: Mapping[str, float]
    error: str


_FITTED = {
    family: Prices(own.LUT, own.LUT_FACTOR, own.FF, own.FF_FACTOR, own.ERROR)
    for family, own in (
        (PACKS, coefficients),
        ("cyclonev", coefficients_cyclonev),
        ("ecp5", coefficients_ecp5),
        ("gowin", coefficients_gowin),
    )
}
_LIBRARIES = {"cyclonev": memories.INTEL, "ecp5": memories.ECP5, "gowin": memories.GOWIN}


def prices_of(family: str) -> Prices:
    """Prices of a family of devices, as board files call it: fitted to it, or those of 7-series parts."""
    return _FITTED.get(family, _FITTED[PACKS])


def placed(count: Count, family: str) -> Count:
    """A count with its memories, and what DSP blocks may hold, in their places on a family of devices."""
    return count.located(_LIBRARIES.get(family, memories.AMD), family == PACKS)


def priced_bits(count: Count, prices: Mapping[str, float]) -> dict[str, float]:
    """What each sort of bits of a module takes, memories in their places; "module" is what every module has."""
    bits = {**count._asdict(), "module": 1.0}
    return {name: each * bits[name] for name, each in prices.items()}


def price(kernel: str, count: Count, dsp: int, family: str = PACKS) -> Cost:
    """Resources after mapping.

    Args:
        kernel: that the module is named after; the AXI edges have names of their own.
        count: of the module.
        dsp: multipliers that DSP blocks may do; those of a narrow product yosys builds of LUTs.
        family: of the device.
    """
    prices, count = prices_of(family), placed(count, family)
    luts, registers = priced_bits(count, prices.lut), priced_bits(count, prices.ff)
    factor, memory = prices.lut_factor.get(kernel, 1.0), sum(luts.get(name, 0.0) for name in STORED)
    logic = factor * (sum(luts.values()) - memory)
    ff = prices.ff_factor.get(kernel, 1.0) * sum(registers.values())
    return Cost(dsp - int(count.narrow), int(count.bram18), 0, logic, factor * memory, ff)
