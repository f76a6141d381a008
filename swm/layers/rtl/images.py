# SPDX-License-Identifier: Apache-2.0
"""Pooling, padding, repeated positions and other orders of images in SystemVerilog."""

from __future__ import annotations

from swm.layers.depth_to_space import DepthToSpaceSpec
from swm.layers.global_pool import GlobalPoolSpec
from swm.layers.pool import PoolBuilt, PoolSpec
from swm.layers.program import Port, ProcessModel, Run
from swm.layers.registry import kind
from swm.layers.reorder import Reorder
from swm.layers.rtl.base import (
    Parameter,
    RtlKind,
    RtlModule,
    finish_cycles,
    finish_parameters,
    rom_file,
)
from swm.layers.rtl.loops import Loop, block_loops, early_loop, one_loop
from swm.layers.rtl.window import WINDOW_CYCLES, blind, window_loops, window_module
from swm.layers.values import FixedLayer, Implementation, LayerSpec, clog2

__all__ = ["DepthToSpaceRtl", "GlobalPoolRtl", "PadRtl", "PoolRtl", "ReorderRtl", "UpsampleRtl"]


class PoolRtl(RtlKind):
    """`swm_window`, `swm_pool`."""

    def obstacle(self, spec: LayerSpec) -> str:
        """A window that sees nothing of the image."""
        assert isinstance(spec, PoolSpec)
        return blind(PoolBuilt(spec).window)

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Line buffer; tree, running value, product and its table, end of the layer."""
        assert isinstance(built, PoolBuilt)
        spec = built.spec
        product = 0 if not spec.mean else 2 if spec.reciprocals.constant is not None else 4
        return WINDOW_CYCLES, clog2(built.tap_rows * built.tap_columns) + 1 + product + finish_cycles(spec)

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """Loads and windows apart; what is made of a window."""
        assert isinstance(built, PoolBuilt)
        return (*window_loops(processes[0], built.window), *one_loop(processes[1], self.latencies(built)[1]))

    def rom_bits(self, layer: FixedLayer, built: Implementation, rom: str) -> int:
        """Of a reciprocal."""
        assert isinstance(built, PoolBuilt)
        return built.spec.reciprocals.bits

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One each."""
        assert isinstance(built, PoolBuilt)
        assert layer is not None
        spec, known = built.spec, kind("pool").configuration(layer, built)
        parameters: dict[str, Parameter] = {
            "MEAN": int(spec.mean),
            "N": spec.n,
            "VEC": built.in_vec,
            "TAPS": built.tap_rows * built.tap_columns,
            "KERNEL_ROWS": spec.geometry.kernel[0],
            "KERNEL_COLUMNS": spec.geometry.kernel[1],
            "IN_BITS": spec.data_bits,
            **finish_parameters(layer, known),
        }
        if spec.mean:
            table = spec.reciprocals
            parameters |= {"RECIPROCAL_BITS": table.bits, "RECIPROCAL": table.constant or 0}
            if table.constant is None:
                walk = ("stride_rows", "stride_columns", "dilation_rows", "dilation_columns", "pad_rows", "pad_columns")
                ends = ("out_rows", "out_columns", "low_row", "high_row", "low_column", "high_column")
                parameters |= {name.upper(): known[name] for name in (*walk, *ends)}
                parameters |= {"ENTRIES": known["reciprocals"], "RECIPROCALS": rom_file(spec.name, "reciprocals")}
        return window_module(built.window), RtlModule("swm_pool", parameters)


class GlobalPoolRtl(RtlKind):
    """`swm_global_pool`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Running value, product, end of the layer."""
        spec = built.spec
        assert isinstance(spec, GlobalPoolSpec)
        return (1 + (2 if spec.mode == "mean" else 0) + finish_cycles(spec),)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        known = kind("global_pool").configuration(layer, built)
        names = ("n", "vec", "positions", "greatest", "reciprocal", "reciprocal_bits", "in_bits")
        parameters: dict[str, Parameter] = {name.upper(): known[name] for name in names}
        return (RtlModule("swm_global_pool", {**parameters, **finish_parameters(layer, known)}),)


class PadRtl(RtlKind):
    """`swm_pad`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """One register."""
        return (1,)

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """A frame begins with its first beat, though what stands around it comes before."""
        return early_loop(processes[0], *self.latencies(built))

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        known = kind("pad").configuration(layer, built)
        return (RtlModule("swm_pad", {name.upper(): value for name, value in known.items()}),)


class UpsampleRtl(RtlKind):
    """`swm_upsample`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Memory 2, chosen."""
        return (3,)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        known = kind("upsample").configuration(layer, built)
        names = ("n", "bits", "vec", "columns", "tall", "wide")
        return (RtlModule("swm_upsample", {name.upper(): known[name] for name in names}),)


class ReorderRtl(RtlKind):
    """`swm_reorder`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Address, memory 2, turned."""
        return (4,)

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """A frame that comes and one that goes."""
        come, go = Reorder.moves(built.spec, built.in_vec)
        return _halves(processes[0], self.latencies(built)[0], (come,), (go,))

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        known = kind("reorder").configuration(layer, built)
        return (RtlModule("swm_reorder", {name.upper(): value for name, value in known.items()}),)


class DepthToSpaceRtl(RtlKind):
    """`swm_depth_to_space`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Address, memory 2."""
        return (3,)

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """A row of positions that comes and one that goes."""
        spec = built.spec
        assert isinstance(spec, DepthToSpaceSpec)
        rows, columns = spec.rows_columns
        beats = (columns * spec.n // built.in_vec,) * rows
        return _halves(processes[0], self.latencies(built)[0], beats, beats)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        known = kind("depth_to_space").configuration(layer, built)
        names = ("n", "bits", "vec", "columns", "side")
        return (RtlModule("swm_depth_to_space", {name.upper(): known[name] for name in names}),)


def _halves(process: ProcessModel, latency: int, loads: tuple[int, ...], emits: tuple[int, ...]) -> tuple[Loop, ...]:
    """Beats of every group of a frame that come, and that go."""
    (read,), (write,) = process.program.reads, process.program.writes
    return block_loops(process, latency, loads, emits, Port(read.stream, (Run(0, 1, sum(loads)),)), write.stream)
