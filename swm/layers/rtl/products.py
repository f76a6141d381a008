# SPDX-License-Identifier: Apache-2.0
"""Dense and block-circulant layers, and products of two streams, in SystemVerilog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from swm.layers.circulant.built import CirculantBuilt
from swm.layers.circulant.spec import CirculantSpec
from swm.layers.dense.spec import DenseBuilt
from swm.layers.matmul import MatMulBuilt
from swm.layers.products import product_program
from swm.layers.program import Port, ProcessModel, Program, Run
from swm.layers.registry import kind
from swm.layers.rtl.base import Parameter, RtlKind, RtlModule, finish_cycles, finish_parameters, rom_file
from swm.layers.rtl.loops import Loop, inner_streams, one_loop, product_loops
from swm.layers.rtl.passes import pass_latencies, pass_loops, pass_modules
from swm.layers.values import FixedLayer, Implementation, ceil_div, clog2

__all__ = ["CirculantRtl", "DenseRtl", "MatMulRtl", "dense_cycles", "dense_parameters", "matmul_cycles"]

_SUMS = 5
"""Registers before the sums of swm_dense and swm_spectral_mac, an adder tree apart: memory 2, operand, product, sum."""


def dense_cycles(built: DenseBuilt) -> int:
    """Registers of swm_dense from a drain to its beat: memory, product, adder tree, accumulator, end of the layer."""
    return _SUMS + built.packed + clog2(built.columns) + finish_cycles(built.spec)


def dense_parameters(layer: FixedLayer, built: DenseBuilt, known: Mapping[str, Any]) -> dict[str, Parameter]:
    """The parameters of swm_dense: a matrix as it is built, and the C++ configuration of its layer."""
    return {
        "M": built.spec.m,
        "N": built.spec.n,
        **_groups(built.spec.groups),
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


class DenseRtl(RtlKind):
    """`swm_dense`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """See `dense_cycles`."""
        assert isinstance(built, DenseBuilt)
        return (dense_cycles(built),)

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """Loads, products and drains apart."""
        return product_loops(processes[0], *self.latencies(built))

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        assert isinstance(built, DenseBuilt)
        assert layer is not None
        return (RtlModule("swm_dense", dense_parameters(layer, built, kind("dense").configuration(layer, built))),)


def matmul_cycles(built: MatMulBuilt) -> int:
    """Registers of swm_matmul from a drain to its beat: as those of swm_dense."""
    return _SUMS + clog2(built.columns) + finish_cycles(built.spec)


class MatMulRtl(RtlKind):
    """`swm_matmul`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """See `matmul_cycles`."""
        assert isinstance(built, MatMulBuilt)
        return (matmul_cycles(built),)

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """Loads, products and drains of the rows of A; beats of B, of which a half holds a frame.

        The first row of a frame is loaded when B of the frame is whole.
        """
        assert isinstance(built, MatMulBuilt)
        (process,) = processes
        last = ceil_div(built.spec.m - (built.row_groups - 1) * built.rows, built.out_vec)
        drain = ceil_div(built.rows, built.out_vec)
        row = product_program(
            "in0",
            "out0",
            depth=built.depth,
            loads=built.loads,
            drain_group=built.column_groups,
            drain_step=max(1, built.column_groups // drain),
            drains=[drain] * (built.row_groups - 1) + [last],
        )
        rows = replace(process, program=row)
        load, multiply, out = product_loops(rows, matmul_cycles(built), built.spec.positions)
        whole, spare = f"{process.name}.whole", f"{process.name}.spare"
        begins, beats = Port(whole, (Run(0, 1, 1),)), built.stored_beats
        ends = Port(spare, (Run(multiply.program.period - 1, 1, 1),))
        store = Program(
            beats,
            (Port("in1", (Run(0, 1, beats),)),),
            (Port(spare, (Run(0, 1, 1),)), Port(whole, (Run(beats - 1, 1, 1),))),
        )
        return (
            Loop(f"{process.name}.store", store, 0, inner_streams((whole, spare))),
            replace(load, program=replace(load.program, reads=(*load.program.reads, begins))),
            replace(multiply, program=replace(multiply.program, reads=(*multiply.program.reads, ends))),
            out,
        )

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        assert isinstance(built, MatMulBuilt)
        known = kind("matmul").configuration(layer, built)
        parameters: dict[str, Parameter] = {name.upper(): value for name, value in built.members().items()}
        parameters |= {"SHARED": built.spec.shared} if built.spec.shared > 1 else {}
        return (RtlModule("swm_matmul", {**parameters, **finish_parameters(layer, known)}),)


def _block_cycles(spec: CirculantSpec, last: int) -> int:
    """Registers of a transform of one block: `last` for stages 1 and 2, four for every other."""
    return 1 if spec.block == 2 else last + 4 * (spec.stages - 2)


class CirculantRtl(RtlKind):
    """Blocks up to 16: `swm_rfft_unrolled`, `swm_spectral_mac`, `swm_irfft_unrolled`; larger ones: `passes`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Of its processes."""
        assert isinstance(built, CirculantBuilt)
        spec = built.spec
        products = _SUMS + 3 + built.packed + clog2(built.mac_columns)
        if not spec.unrolled:
            before, behind = pass_latencies(built)
            return *before, products, *behind
        forward = built.in_parts + _block_cycles(spec, 1)
        inverse = 1 + _block_cycles(spec, 2) + finish_cycles(built.spec)
        return forward, products, inverse

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """One for each transform, or two for each pass; loads, products and drains apart."""
        assert isinstance(built, CirculantBuilt)
        latencies = self.latencies(built)
        if not built.spec.unrolled:
            return pass_loops(built, processes, latencies)
        first, last = one_loop(processes[0], latencies[0]), one_loop(processes[2], latencies[2])
        return (*first, *product_loops(processes[1], latencies[1]), *last)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One each."""
        assert isinstance(built, CirculantBuilt)
        assert layer is not None
        known = kind("circulant").configuration(layer, built)
        forward, inverse = (pass_modules if not built.spec.unrolled else _block_modules)(layer, built, known)
        return *forward, _products(built, known), *inverse


def _products(built: CirculantBuilt, known: Mapping[str, Any]) -> RtlModule:
    spec = built.spec
    parameters: dict[str, Parameter] = {
        "K": spec.block,
        "P": spec.p,
        "Q": spec.q,
        **_groups(spec.groups),
        "SPECTRUM_BITS": spec.spectrum_bits,
        "WEIGHT_BITS": spec.weight_bits,
        "SUM_BITS": spec.rounded_bits,
        "ACC_SHIFT": known["acc_shift"],
        "IN_LANES": built.mac_lanes,
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
    return RtlModule("swm_spectral_mac", parameters)


def _groups(count: int) -> dict[str, Parameter]:
    """Where a convolution has several."""
    return {"GROUPS": count} if count > 1 else {}


def _block_modules(
    layer: FixedLayer, built: CirculantBuilt, known: Mapping[str, Any]
) -> tuple[tuple[RtlModule, ...], tuple[RtlModule, ...]]:
    """The transforms of blocks up to 16."""
    spec = built.spec
    forward: dict[str, Parameter] = {
        "K": spec.block,
        "IN_BITS": spec.data_bits,
        "FFT_SHIFTS": spec.fft_shifts,
        "IN_VEC": built.in_vec,
        "IN_BEATS": built.in_beats,
        "GROUPS": built.fft_groups,
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
    return (RtlModule("swm_rfft_unrolled", forward),), (RtlModule("swm_irfft_unrolled", inverse),)


def _rows(built: CirculantBuilt) -> list[int]:
    """Block rows of every group that are not padding."""
    return [*[built.mac_rows] * (built.row_groups - 1), built.last_rows]
