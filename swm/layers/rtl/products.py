# SPDX-License-Identifier: Apache-2.0
"""Dense and block-circulant layers in SystemVerilog."""

from __future__ import annotations

from swm.layers.circulant.built import CirculantBuilt
from swm.layers.circulant.spec import LARGEST_UNROLLED, CirculantSpec
from swm.layers.dense.spec import DenseBuilt
from swm.layers.program import ProcessModel
from swm.layers.registry import kind
from swm.layers.rtl.base import Parameter, RtlKind, RtlModule, finish_cycles, finish_parameters, rom_file
from swm.layers.rtl.loops import Loop, one_loop, product_loops
from swm.layers.values import FixedLayer, Implementation, LayerSpec, ceil_div, clog2

__all__ = ["CirculantRtl", "DenseRtl"]

_SUMS = 5
"""Registers before the sums of swm_dense and swm_spectral_mac, an adder tree apart: memory 2, operand, product, sum."""


class DenseRtl(RtlKind):
    """`swm_dense`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Memory, product, adder tree, accumulator, end of the layer."""
        assert isinstance(built, DenseBuilt)
        return (_SUMS + built.packed + clog2(built.columns) + finish_cycles(built.spec),)

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """Loads, products and drains apart."""
        return product_loops(processes[0], *self.latencies(built))

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        assert isinstance(built, DenseBuilt)
        assert layer is not None
        known = kind("dense").configuration(layer, built)
        parameters: dict[str, Parameter] = {
            "M": known["m"],
            "N": known["n"],
            "IN_BITS": known["in_bits"],
            "WEIGHT_BITS": known["weight_bits"],
            "BIAS_BITS": known["bias_bits"],
            **finish_parameters(layer, known),
            "IN_VEC": built.in_vec,
            "OUT_VEC": built.out_vec,
            "ROWS": built.rows,
            "COLUMNS": built.columns,
            "FABRIC_ROWS": built.fabric_rows,
            "PACKED": built.packed,
            "WEIGHTS": rom_file(built.spec.name, "weights"),
            "BIAS": rom_file(built.spec.name, "bias"),
            "LUTRAM": int(built.storage == "lutram"),
        }
        return (RtlModule("swm_dense", parameters),)


def _block_cycles(spec: CirculantSpec, last: int) -> int:
    """Registers of a transform of one block: `last` for stages 1 and 2, four for every other."""
    return 1 if spec.block == 2 else last + 4 * (spec.stages - 2)


class CirculantRtl(RtlKind):
    """`swm_rfft_unrolled`, `swm_spectral_mac`, `swm_irfft_unrolled`."""

    def obstacle(self, spec: LayerSpec) -> str:
        """Blocks above 16 points would take the pipelined transforms."""
        assert isinstance(spec, CirculantSpec)
        if not spec.unrolled:
            return f"blocks of {spec.block}: there is RTL for blocks of at most {LARGEST_UNROLLED}"
        return super().obstacle(spec)

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Of the three processes."""
        assert isinstance(built, CirculantBuilt)
        spec = built.spec
        forward = built.in_parts + _block_cycles(spec, 1)
        products = _SUMS + 3 + built.packed + clog2(built.mac_columns)
        inverse = 1 + _block_cycles(spec, 2) + finish_cycles(built.spec)
        return forward, products, inverse

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """One for each transform; loads, products and drains apart."""
        latencies = self.latencies(built)
        first, last = one_loop(processes[0], latencies[0]), one_loop(processes[2], latencies[2])
        return (*first, *product_loops(processes[1], latencies[1]), *last)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One each."""
        assert isinstance(built, CirculantBuilt)
        assert layer is not None
        spec = built.spec
        known = kind("circulant").configuration(layer, built)
        forward: dict[str, Parameter] = {
            "K": spec.block,
            "IN_BITS": spec.data_bits,
            "FFT_SHIFTS": spec.fft_shifts,
            "IN_VEC": built.in_vec,
            "IN_BEATS": built.in_beats,
            "GROUPS": built.fft_groups,
        }
        products: dict[str, Parameter] = {
            "K": spec.block,
            "P": spec.p,
            "Q": spec.q,
            "SPECTRUM_BITS": spec.spectrum_bits,
            "WEIGHT_BITS": spec.weight_bits,
            "SUM_BITS": spec.rounded_bits,
            "ACC_SHIFT": known["acc_shift"],
            "IN_LANES": built.fft_lanes,
            "OUT_LANES": built.out_lanes,
            "MAC_ROWS": built.mac_rows,
            "MAC_COLUMNS": built.mac_columns,
            "MAC_BINS": built.mac_bins,
            "PRODUCTS": built.products,
            "FABRIC_ROWS": built.fabric_rows,
            "PACKED": built.packed,
            "WEIGHTS": rom_file(spec.name, "weights"),
            "LUTRAM": int(built.storage == "lutram"),
        }
        inverse: dict[str, Parameter] = {
            "K": spec.block,
            "M": spec.m,
            "SUM_BITS": spec.rounded_bits,
            "FFT_SHIFTS": spec.fft_shifts,
            "BIAS_BITS": spec.bias_bits,
            **finish_parameters(layer, known),
            "OUT_VEC": built.out_vec,
            "GROUPS": sum(ceil_div(rows, built.out_lanes) for rows in _rows(built)),
            "BIAS": rom_file(spec.name, "bias"),
        }
        return (
            RtlModule("swm_rfft_unrolled", forward),
            RtlModule("swm_spectral_mac", products),
            RtlModule("swm_irfft_unrolled", inverse),
        )


def _rows(built: CirculantBuilt) -> list[int]:
    """Block rows of every group that are not padding."""
    return [*[built.mac_rows] * (built.row_groups - 1), built.last_rows]
