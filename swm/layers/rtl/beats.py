# SPDX-License-Identifier: Apache-2.0
"""Layers that handle a beat an iteration in SystemVerilog."""

from __future__ import annotations

from swm.layers.fork import ForkSpec
from swm.layers.offset import OffsetSpec
from swm.layers.program import Port, ProcessModel, Run
from swm.layers.registry import kind
from swm.layers.rotary import RotarySpec
from swm.layers.rtl.base import (
    Parameter,
    RtlKind,
    RtlModule,
    finish_cycles,
    finish_parameters,
    in_luts,
    rom_file,
)
from swm.layers.rtl.loops import Loop, block_loops, early_loop, one_loop
from swm.layers.values import FixedLayer, Implementation, ceil_div

__all__ = [
    "AddRtl",
    "ConcatRtl",
    "ForkRtl",
    "HadamardRtl",
    "OffsetRtl",
    "PReluRtl",
    "ReverseRtl",
    "RotaryRtl",
    "ScaleRtl",
    "WidthRtl",
]


class ScaleRtl(RtlKind):
    """`swm_scale`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Memory 2, operand, product, end of the layer."""
        return (4 + finish_cycles(built.spec),)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        spec = built.spec
        known = kind("scale").configuration(layer, built)
        parameters: dict[str, Parameter] = {
            "N": spec.n,
            "IN_BITS": known["in_bits"],
            "WEIGHT_BITS": known["weight_bits"],
            "BIAS_BITS": known["bias_bits"],
            **finish_parameters(layer, known),
            "VEC": built.in_vec,
            "WEIGHTS": rom_file(spec.name, "weights"),
            "BIAS": rom_file(spec.name, "bias"),
            "LUTRAM": 1,
        }
        return (RtlModule("swm_scale", parameters),)


class OffsetRtl(RtlKind):
    """`swm_offset`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Memory 2, end of the layer."""
        return (2 + finish_cycles(built.spec),)

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """A frame begins with its first beat, though constants alone may leave before it."""
        return early_loop(processes[0], *self.latencies(built))

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        spec = built.spec
        assert isinstance(spec, OffsetSpec)
        known = kind("offset").configuration(layer, built)
        names = ("n", "before", "positions", "out_positions", "in_bits", "weight_bits", "in_shift", "weight_shift")
        words = spec.output.positions * ceil_div(spec.n, built.in_vec)
        parameters: dict[str, Parameter] = {
            **{name.upper(): known[name] for name in names},
            **finish_parameters(layer, known),
            "VEC": built.in_vec,
            "WEIGHTS": rom_file(spec.name, "weights"),
            "LUTRAM": in_luts(words, built.in_vec * spec.weight_bits),
        }
        return (RtlModule("swm_offset", parameters),)


class RotaryRtl(RtlKind):
    """`swm_rotary`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Memory 2, operand, product, end of the layer."""
        return (4 + finish_cycles(built.spec),)

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """Where pairs lie in two beats, a group is written while another is read."""
        spec, (process,), (latency,) = built.spec, processes, self.latencies(built)
        assert isinstance(spec, RotarySpec)
        waits, beats = spec.waits(built.in_vec), process.program.period
        if not waits:
            return one_loop(process, latency)
        (read,), (write,) = process.program.reads, process.program.writes
        groups = (waits,) * (beats // waits)
        return block_loops(process, latency, groups, groups, Port(read.stream, (Run(0, 1, beats),)), write.stream)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        spec = built.spec
        assert isinstance(spec, RotarySpec)
        known = kind("rotary").configuration(layer, built)
        names = ("n", "half", "rows", "each", "in_bits", "weight_bits")
        words = spec.rows * ceil_div(spec.n, built.in_vec)
        parameters: dict[str, Parameter] = {
            **{name.upper(): known[name] for name in names},
            **finish_parameters(layer, known),
            "VEC": built.in_vec,
            "COSINES": rom_file(spec.name, "cosines"),
            "SINES": rom_file(spec.name, "sines"),
            "LUTRAM": in_luts(words, built.in_vec * spec.weight_bits),
        }
        return (RtlModule("swm_rotary", parameters),)


class AddRtl(RtlKind):
    """`swm_add`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """The end of the layer, whose first adder is the sum."""
        return (finish_cycles(built.spec),)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        known = kind("add").configuration(layer, built)
        parameters: dict[str, Parameter] = {
            "N": built.spec.n,
            "A_BITS": known["a_bits"],
            "B_BITS": known["b_bits"],
            "A_SHIFT": known["a_shift"],
            "B_SHIFT": known["b_shift"],
            **finish_parameters(layer, known),
            "VEC": built.in_vec,
        }
        return (RtlModule("swm_add", parameters),)


class HadamardRtl(RtlKind):
    """`swm_hadamard`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Operand, product, end of the layer."""
        return (2 + finish_cycles(built.spec),)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        known = kind("hadamard").configuration(layer, built)
        parameters: dict[str, Parameter] = {
            "N": built.spec.n,
            "HELD": known["held"],
            "A_BITS": known["a_bits"],
            "B_BITS": known["b_bits"],
            **finish_parameters(layer, known),
            "VEC": built.in_vec,
        }
        return (RtlModule("swm_hadamard", parameters),)


class PReluRtl(RtlKind):
    """`swm_prelu`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Memory 2, operand, product, chosen, rounded, saturated."""
        return (7,)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        known = kind("prelu").configuration(layer, built)
        parameters: dict[str, Parameter] = {
            "N": built.spec.n,
            "IN_BITS": known["in_bits"],
            "WEIGHT_BITS": known["weight_bits"],
            "SLOPE_FRAC": known["slope_frac"],
            "OUT_BITS": known["out_bits"],
            "OUT_SHIFT": known["out_shift"],
            "VEC": built.in_vec,
            "WEIGHTS": rom_file(built.spec.name, "weights"),
        }
        return (RtlModule("swm_prelu", parameters),)


class ConcatRtl(RtlKind):
    """`swm_concat`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Rounded, saturated, chosen."""
        return (3,)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        known = kind("concat").configuration(layer, built)
        parameters: dict[str, Parameter] = {
            "INPUTS": len(known["channels"]),
            "VEC": built.in_vec,
            "OUT_BITS": known["out_bits"],
            "CHANNELS": tuple(known["channels"]),
            "IN_BITS": tuple(known["in_bits"]),
            "IN_SHIFTS": tuple(known["in_shifts"]),
            "ALL_BITS": sum(known["in_bits"]),
        }
        return (RtlModule("swm_concat", parameters),)


class ForkRtl(RtlKind):
    """`swm_fork`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """One register."""
        return (1,)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        assert isinstance(built.spec, ForkSpec)
        parameters = {"BITS": built.spec.data_bits, "VEC": built.in_vec, "COPIES": built.spec.copies}
        return (RtlModule("swm_fork", parameters),)


class ReverseRtl(RtlKind):
    """`swm_reverse`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """The memory."""
        return (2,)

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """A frame is written while another is read."""
        (process,) = processes
        (read,), (write,) = process.program.reads, process.program.writes
        frame = process.program.period
        port = Port(read.stream, (Run(0, 1, frame),))
        return block_loops(process, self.latencies(built)[0], (frame,), (frame,), port, write.stream)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        known = kind("reverse").configuration(layer, built)
        step = known["group"] * ceil_div(built.spec.n, built.in_vec)
        parameters = {"VEC": built.in_vec, "BITS": known["bits"], "STEPS": known["steps"], "STEP_BEATS": step}
        return (RtlModule("swm_reverse", parameters),)


class WidthRtl(RtlKind):
    """`swm_width`."""

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """One register."""
        return (1,)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module."""
        spec = built.spec
        parameters = {"N": spec.n, "BITS": spec.data_bits, "IN_VEC": built.in_vec, "OUT_VEC": built.out_vec}
        return (RtlModule("swm_width", parameters),)
