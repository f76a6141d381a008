# SPDX-License-Identifier: Apache-2.0
"""What a module of hls/rtl costs: counted bits at fitted prices."""

from __future__ import annotations

from collections.abc import Mapping

from swm.device.primitives import Cost
from swm.layers.rtl.area import coefficients, cyclonev
from swm.layers.rtl.area.counts import INTEL, Count

__all__ = ["PACKS", "STORED", "module_error", "outside", "price", "priced_bits"]

PACKS = "7series"
"""The family for which yosys moves registers and adders into DSP blocks; on UltraScale+ and ECP5 it leaves them out."""
OUTSIDE = {"operand": "register", "post": "adder"}
"""What they cost there, as other bits do."""
STORED = ("table", "constant", "shift")
"""What of a count are LUTs that hold data."""


def priced_bits(count: Count, prices: Mapping[str, float]) -> dict[str, float]:
    """What each sort of bits of a module takes; "module" is what every module has."""
    bits = {**count._asdict(), "module": 1.0}
    return {name: each * bits[name] for name, each in prices.items()}


def outside(prices: Mapping[str, float]) -> dict[str, float]:
    """Prices where yosys puts neither registers nor adders into DSP blocks."""
    known = dict(prices)
    for inside, like in OUTSIDE.items():
        if inside in known and like in known:
            known[inside] = known[like]
    return known


def price(kernel: str, count: Count, dsp: int, family: str = PACKS) -> Cost:
    """Resources after mapping.

    Args:
        kernel: that the module is named after; the AXI edges have names of their own.
        count: of the module.
        dsp: multipliers that DSP blocks may do; those of a narrow product yosys builds of LUTs.
        family: of the device.
    """
    prices = cyclonev if family == INTEL else coefficients
    count = count.of(family)
    tables = (prices.LUT, prices.FF)
    if family not in (INTEL, PACKS):
        tables = (outside(prices.LUT), outside(prices.FF))
    luts, registers = (priced_bits(count, table) for table in tables)
    factor, memory = prices.LUT_FACTOR.get(kernel, 1.0), sum(luts.get(name, 0.0) for name in STORED)
    logic = factor * (sum(luts.values()) - memory)
    ff = prices.FF_FACTOR.get(kernel, 1.0) * sum(registers.values())
    return Cost(dsp - int(count.narrow), int(count.bram18), 0, logic, factor * memory, ff)


def module_error(family: str) -> str:
    """What is known of the error of these prices."""
    return cyclonev.ERROR if family == INTEL else coefficients.ERROR
