# SPDX-License-Identifier: Apache-2.0
"""Layer normalisation and RMS normalisation in SystemVerilog."""

from __future__ import annotations

from swm.layers.layernorm import LayerNormSpec
from swm.layers.registry import kind
from swm.layers.rtl.base import (
    Parameter,
    RtlKind,
    RtlModule,
    finish_cycles,
    finish_parameters,
    in_luts,
    rom_file,
)
from swm.layers.values import FixedLayer, Implementation, clog2

__all__ = ["LayerNormRtl"]

_ENTRY = 4  # bits of an entry of the table beyond a root's fraction


class LayerNormRtl(RtlKind):
    """`swm_layernorm_sums`, `swm_layernorm_root`, `swm_layernorm_apply`, told where sums of values count as zero."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Of the three processes."""
        return 3 + clog2(built.in_vec), 11, 10 + finish_cycles(built.spec)

    def rom_bits(self, layer: FixedLayer, built: Implementation, rom: str) -> int:
        """Entries of the table of roots are wider than weights."""
        if rom == "roots":
            return int(kind(built.spec.kind).configuration(layer, built)["root_frac"]) + _ENTRY
        return super().rom_bits(layer, built, rom)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One each."""
        spec = built.spec
        assert isinstance(spec, LayerNormSpec)
        assert layer is not None
        known = kind(spec.kind).configuration(layer, built)
        frac, step = known["root_frac"], known["root_step"]
        total, segments = spec.data_bits + clog2(spec.n), 3 << (frac - step)
        sums: dict[str, Parameter] = {
            "N": spec.n,
            "BITS": spec.data_bits,
            "SUM_BITS": spec.sum_bits,
            "MEAN_FREE": int(spec.mean_free),
            "VEC": built.in_vec,
        }
        root: dict[str, Parameter] = {
            "N": spec.n,
            "SUM_BITS": spec.sum_bits,
            "TOTAL_BITS": total,
            "SPREAD_BITS": known["spread_bits"],
            "SCALE_BITS": spec.scale_bits,
            "EPSILON_LOW": known["epsilon_low"],
            "EPSILON_HIGH": known["epsilon_high"],
            "MEAN_FREE": int(spec.mean_free),
            "FRAC": frac,
            "STEP_BITS": step,
            "ROOTS": rom_file(spec.name, "roots"),
            "LUTRAM": in_luts(segments, 2 * (frac + _ENTRY)),
        }
        outputs: dict[str, Parameter] = {
            "N": spec.n,
            "BITS": spec.data_bits,
            "TOTAL_BITS": total,
            "SCALE_BITS": spec.scale_bits,
            "SPREAD_BITS": known["spread_bits"],
            "NORMAL_FRAC": known["normal_frac"],
            "ROOT_FRAC": frac,
            "MEAN_FREE": int(spec.mean_free),
            "WEIGHT_BITS": known["weight_bits"],
            "BIAS_BITS": known["bias_bits"],
            **finish_parameters(layer, known),
            "VEC": built.in_vec,
            "WEIGHTS": rom_file(spec.name, "weights"),
            "BIAS": rom_file(spec.name, "bias"),
        }
        return (
            RtlModule("swm_layernorm_sums", sums),
            RtlModule("swm_layernorm_root", root),
            RtlModule("swm_layernorm_apply", outputs),
        )
