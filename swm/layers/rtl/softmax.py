# SPDX-License-Identifier: Apache-2.0
"""Softmax in SystemVerilog."""

from __future__ import annotations

from swm.layers.curves import Table
from swm.layers.registry import kind
from swm.layers.rtl.base import (
    Parameter,
    RtlKind,
    RtlModule,
    activation_cycles,
    activation_parameters,
    finish_cycles,
    finish_parameters,
    in_luts,
    rom_file,
)
from swm.layers.softmax import SoftmaxSpec
from swm.layers.values import FixedLayer, Implementation, ceil_div, clog2

__all__ = ["POWER_ROM", "SoftmaxRtl", "divide_cycles", "power_cycles"]

POWER_ROM = "power"
"""Of the table of exponents."""
_ENTRY = 4  # bits of an entry of the table beyond a reciprocal's fraction
_MASK = 2  # registers until a value and its bit of a mask stand: the memory
_SCALE = 5  # registers before the end of the layer: taken, operand, product, half added, shifted


def power_cycles(built: Implementation) -> int:
    """Registers of swm_softmax_power: taken, table, powers, adder tree, sum."""
    return 3 + activation_cycles("exponential") + clog2(built.in_vec)


def divide_cycles(spec: SoftmaxSpec) -> int:
    """Registers of swm_softmax_divide: taken, numerator, a stage for each bit of the quotient, end of the layer."""
    return 3 + spec.quotient_frac + finish_cycles(spec)


class SoftmaxRtl(RtlKind):
    """`swm_softmax_top`, `swm_softmax_power`; `swm_softmax_factor` and `swm_softmax_scale`, or `swm_softmax_divide`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Of the three or four processes."""
        spec = built.spec
        assert isinstance(spec, SoftmaxSpec)
        ends = (divide_cycles(spec),) if spec.division == "exact" else (8, _SCALE + finish_cycles(spec))
        return (_MASK if spec.mask_rows else 0) + 1 + clog2(built.in_vec), power_cycles(built), *ends

    def rom_bits(self, layer: FixedLayer, built: Implementation, rom: str) -> int:
        """Of an entry of the table of reciprocals; a bit a value of a mask."""
        assert isinstance(built.spec, SoftmaxSpec)
        if rom == "mask":
            return 1
        return built.spec.table.frac + _ENTRY

    def tables(self, layer: FixedLayer) -> dict[str, Table]:
        """The exponents."""
        (power,) = layer.inner
        return {POWER_ROM: power} if isinstance(power, Table) else {}

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One each."""
        spec = built.spec
        assert isinstance(spec, SoftmaxSpec)
        assert layer is not None
        known, (power,) = kind(spec.kind).configuration(layer, built), layer.inner
        frac, step = known["recip_frac"], known["recip_step"]
        table = activation_parameters("exponential", power, rom_file(spec.name, POWER_ROM))
        token: dict[str, Parameter] = {"N": spec.n, "BITS": spec.data_bits, "VEC": built.in_vec}
        masked = {"MASKED": 1} if spec.mask_rows else {}
        powers = {**token, **masked, "POWER_BITS": spec.power_bits, **table, "POWER": table["FINISH"]}
        del powers["FINISH"]
        quotients: dict[str, Parameter] = {
            "N": spec.n,
            "POWER_BITS": spec.power_bits,
            "TOTAL_BITS": spec.total_bits,
            "QUOTIENT_FRAC": spec.quotient_frac,
            **finish_parameters(layer, known),
            "VEC": built.in_vec,
        }
        top = RtlModule("swm_softmax_top", {**token, **_mask(built, spec)})
        first = (top, RtlModule("swm_softmax_power", powers))
        if spec.division == "exact":
            return *first, RtlModule("swm_softmax_divide", quotients)
        factor: dict[str, Parameter] = {
            "TOTAL_BITS": spec.total_bits,
            "FACTOR_BITS": spec.factor_bits,
            "FRAC": frac,
            "STEP_BITS": step,
            "RECIPROCALS": rom_file(spec.name, "reciprocals"),
            "LUTRAM": in_luts(len(spec.table.starts), 2 * (frac + _ENTRY)),
        }
        scale = {**quotients, "FACTOR_BITS": spec.factor_bits, "FRAC": frac}
        return *first, RtlModule("swm_softmax_factor", factor), RtlModule("swm_softmax_scale", scale)


def _mask(built: Implementation, spec: SoftmaxSpec) -> dict[str, Parameter]:
    """The parameters of a mask, where there is one."""
    if not spec.mask_rows:
        return {}
    return {
        "MASK_ROWS": spec.mask_rows,
        "MASK_EACH": spec.mask_each,
        "MASK": rom_file(spec.name, "mask"),
        "LUTRAM": in_luts(spec.mask_rows * ceil_div(spec.n, built.in_vec), built.in_vec),
    }
