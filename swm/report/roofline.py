# SPDX-License-Identifier: Apache-2.0
"""The roofline of a design: its products a second against what the device's multipliers, streams and memories allow.

The usual picture (Williams, Waterman, Patterson, CACM 52(4), 2009) with two levels of memory: what the AXI streams
bring, and the weights that block RAM gives; those in LUTs or UltraRAM cost it nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import ceil

from swm.accelerator.design import PlacedLayer
from swm.accelerator.resources import container_bits
from swm.device.limits import Limits
from swm.report.figures import DesignFigures, axi_iterations
from swm.report.numbers import NONE, counted, quantity
from swm.report.value import BoardReport

__all__ = ["ROOF_HEAD", "ROOF_NOTE", "Roofline", "fullest", "roof_rows", "roofline", "slowest"]

ROOF_HEAD = ("per inference", "structured", "dense twin", "the device gives a cycle")
BRAM18_BITS, M10K_BITS = 36, 40
"""Bits that an 18 Kb block reads in a cycle at its widest (512 x 36, simple dual port)."""
ROOF_NOTE = (
    "Cycles that each bound alone would ask for, if the design had all of the device; the largest is the roof. "
    "Products are real multiplications on DSP blocks, counted from the loops, a pair that shares a block as one; "
    "weights are those in block RAM, read once a token; block RAM gives 36 bits a block and cycle. What lies between "
    "the roof and the interval are the limits of the device that designs keep, and loops that do not divide. The "
    "slowest process sets the interval. Where a resource is near the limit that designs keep to, it is what bounds; "
    "else no faster form of that process, or of one beside it, is known."
)


@dataclass(frozen=True)
class Roofline:
    """Work of one inference, and what a device gives a cycle.

    Attributes:
        products: real multiplications on DSP blocks (counted); two that share a block are one.
        stream_bits: of the wider of input and output, in the containers that the streams carry.
        weight_bits: read from block RAM.
        dsp_products: a cycle, of all DSP blocks of the device.
        stream_width: bits a cycle of one AXI stream of the board.
        memory_width: bits a cycle of all block RAM of the device.
        clock_mhz: of the design.
        interval: cycles of the design; None where it cannot exist.
    """

    products: int
    stream_bits: int
    weight_bits: int
    dsp_products: int
    stream_width: int
    memory_width: int
    clock_mhz: float
    interval: int | None

    @property
    def bounds(self) -> dict[str, int]:
        """Cycles that each part of the device asks for by itself."""
        pairs = {
            "DSP": (self.products, self.dsp_products),
            "streams": (self.stream_bits, self.stream_width),
            "block RAM": (self.weight_bits, self.memory_width),
        }
        return {name: ceil(work / gives) for name, (work, gives) in pairs.items() if gives}

    @property
    def products_per_s(self) -> float | None:
        """What the design does; None where it cannot exist, or multiplies nothing on DSP blocks."""
        return self.products * self.clock_mhz * 1e6 / self.interval if self.interval and self.products else None

    def intensity(self, bits: int) -> float:
        """Products for each byte that moves."""
        return 8 * self.products / bits


def roofline(design: DesignFigures) -> Roofline:
    """Count the work of a design's network, and what its device gives."""
    plan = design.plan
    board = plan.board
    ends = [e.positions * e.beats * e.vec * container_bits(e.bits) for e in (plan.input, plan.output)]
    return Roofline(
        products=sum(p.products * p.tokens(layer.spec) for layer in plan.layers for p in layer.processes),
        stream_bits=max(ends),
        weight_bits=sum(layer.spec.stored_bits * _reads(layer) for layer in plan.layers),
        dsp_products=board.resources.dsp * board.dsp_ports.multipliers,
        stream_width=board.stream.bits,
        memory_width=board.resources.of("bram18") * (M10K_BITS if board.resources.m10k else BRAM18_BITS),
        clock_mhz=plan.clock_mhz,
        interval=design.interval,
    )


def slowest(design: DesignFigures) -> tuple[str, int]:
    """The process that takes most cycles of an inference, as "layer.process", "axi_in" or "axi_out"; and its cycles."""
    plan = design.plan
    found = {
        f"{la.spec.name}.{p.name}": p.program.cycles * p.tokens(la.spec) for la in plan.layers for p in la.processes
    }
    found |= axi_iterations(plan)
    return max(found.items(), key=lambda one: one[1])


def fullest(design: DesignFigures) -> tuple[str, float]:
    """The resource of which a design takes most of what designs may take; and that share of its limit."""
    capacity, limits = design.plan.board.resources, Limits()
    names = [field.name for field in fields(limits) if limits.allowed(field.name, capacity)]
    shares = {name: getattr(design.used.routed, name) / limits.allowed(name, capacity) for name in names}
    return max(shares.items(), key=lambda one: one[1])


def _reads(layer: PlacedLayer) -> int:
    """How often block RAM gives the weights of a layer in an inference: once to each token of its reader."""
    if not layer.spec.stored_words or getattr(layer.built, "storage", "bram") != "bram":
        return 0
    found = [p.tokens(layer.spec) for p in layer.processes if any("weight" in rom for rom in p.roms)]
    return max(found, default=layer.spec.tokens)


def roof_rows(row: BoardReport) -> list[tuple[str, ...]]:
    """The bounds of both designs in cycles, as in `ROOF_HEAD`."""
    pair = [roofline(row.structured), roofline(row.dense)]
    gives = {
        "DSP": f"{pair[0].dsp_products:,} products",
        "streams": f"{pair[0].stream_width:,} bits each way",
        "block RAM": f"{pair[0].memory_width:,} bits of weights",
    }
    rows = [("products on DSP blocks", *(f"{one.products:,}" for one in pair), "")]
    for name, text in gives.items():
        rows.append((f"cycles by {name}", *(f"{one.bounds.get(name, 0):,}" for one in pair), text))
    rows.append(("cycles of the design", *(counted(one.interval) for one in pair), ""))
    shares = (NONE if not one.interval else f"{max(one.bounds.values()) / one.interval:.0%}" for one in pair)
    rates = (NONE if one.products_per_s is None else f"{quantity(one.products_per_s / 1e9)} G/s" for one in pair)
    slow = (f"{name}, {cycles:,}" for name, cycles in map(slowest, (row.structured, row.dense)))
    full = (f"{name.upper()}, {share:.0%}" for name, share in map(fullest, (row.structured, row.dense)))
    rows += [("slowest process, cycles", *slow, ""), ("fullest resource, of its limit", *full, "")]
    rows += [("roof over the design's cycles", *shares, ""), ("products", *rates, "")]
    return rows
