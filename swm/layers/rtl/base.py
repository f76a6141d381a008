# SPDX-License-Identifier: Apache-2.0
"""What a kind of layer answers about its SystemVerilog: modules, parameters, pipeline depths, what is not there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from swm.device.memories import memory
from swm.layers.curves import Bounds, Curve, Ramp, Steps, Table
from swm.layers.functions import TABLES, Activation
from swm.layers.program import ProcessModel
from swm.layers.rtl.loops import Loop, one_loop
from swm.layers.values import FixedLayer, Implementation, LayerSpec

__all__ = [
    "ACTIVATION_ROM",
    "Parameter",
    "RtlKind",
    "RtlModule",
    "activation_cycles",
    "activation_parameters",
    "finish_cycles",
    "finish_parameters",
    "in_luts",
    "rom_file",
]

ACTIVATION_ROM = "activation"
"""Of the table of a layer's activation, beside those of its weights."""

POLICIES = ("identity", "relu", "clip", "ramp", "leaky", "curve", "steps")
"""Of hls/rtl/swm_finish.sv, by number."""

Parameter: TypeAlias = "int | str | tuple[int, ...]"
"""An integer, the name of a file, or a list of 32-bit integers, the first in the lowest bits."""


@dataclass(frozen=True)
class RtlModule:
    """An instance of a module of hls/rtl: its name and parameters (all but the depths of its streams)."""

    module: str
    parameters: Mapping[str, Parameter]


class RtlKind(ABC):
    """A kind of layer in SystemVerilog; processes are those of its `LayerKind`, in the same order.

    Attributes:
        sources: files of its modules where these are not in hls/rtl; modules of hls/rtl that they take come along.
    """

    sources: tuple[Path, ...] = ()

    def obstacle(self, spec: LayerSpec) -> str:
        """Why a layer has no RTL, as a clause; empty where it has."""
        return ""

    @abstractmethod
    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Cycles from the start of an iteration to its writes, by process: the registers on that way."""

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """The loops of its processes, for the token simulation."""
        pairs = zip(processes, self.latencies(built), strict=True)
        return tuple(loop for process, latency in pairs for loop in one_loop(process, latency))

    def rom_bits(self, layer: FixedLayer, built: Implementation, rom: str) -> int:
        """Bits of an integer of one of its ROMs."""
        spec: Any = built.spec
        return int(spec.bias_bits if rom == "bias" else spec.weight_bits)

    def tables(self, layer: FixedLayer) -> dict[str, Table]:
        """Tables of activations, by the name of the ROM."""
        return {ACTIVATION_ROM: layer.curve} if isinstance(layer.curve, Table) else {}

    @abstractmethod
    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module a process. `layer` is None for kinds that the schedule places."""


def rom_file(layer: str, rom: str) -> str:
    """The file of a ROM in a project."""
    return f"rom/{layer}_{rom}.mem"


def finish_cycles(spec: LayerSpec) -> int:
    """Registers of hls/rtl/swm_finish.sv: known from the activation alone, before any binary point is."""
    return activation_cycles(spec.activation)


def activation_cycles(activation: Activation) -> int:
    """The same of an activation."""
    if activation in TABLES:
        return 11
    return {"leaky_relu": 8, "hard_sigmoid": 8, "steps": 12}.get(activation, 3)


def finish_parameters(layer: FixedLayer | None, configuration: Mapping[str, Any]) -> dict[str, Parameter]:
    """The parameters that swm_finish takes, from a layer and its C++ configuration."""
    assert layer is not None
    spec = layer.spec
    ends: dict[str, Parameter] = {"OUT_BITS": configuration["out_bits"], "OUT_SHIFT": configuration["out_shift"]}
    return ends | activation_parameters(spec.activation, layer.curve, rom_file(spec.name, ACTIVATION_ROM))


def activation_parameters(activation: Activation, curve: Curve | None, table_file: str) -> dict[str, Parameter]:
    """Those that say which activation it is, from its integers for a layer's binary points."""
    policy = activation if curve is None else curve.policy
    ends: dict[str, Parameter] = {"POLICY": POLICIES.index(policy), "FINISH": activation_cycles(activation)}
    if curve is None:
        return ends
    if isinstance(curve, Bounds):
        return {**ends, "CURVE": _padded(curve.low, curve.high)}
    if isinstance(curve, Steps):
        ramp = curve.ramp
        code = (ramp.low, ramp.high, ramp.input_shift, ramp.input_bits, ramp.out_shift, ramp.slope, ramp.slope_bits)
        level = (curve.width_bits, curve.code_bits, curve.width, curve.width_shift)
        return {**ends, "CURVE": _padded(*code, ramp.offset_shift, *level)}
    narrowed = (curve.input_shift, curve.input_bits, curve.out_shift)
    if isinstance(curve, Ramp):
        offset = (curve.offset, curve.offset_bits, curve.offset_shift)
        return {**ends, "CURVE": _padded(curve.low, curve.high, *narrowed, curve.slope, curve.slope_bits, *offset)}
    entries, bits = len(curve.starts), (curve.start_bits, curve.rise_bits)
    table = (curve.first, curve.step_bits, entries, *bits, curve.base_shift, in_luts(entries, sum(bits)))
    numbers = _padded(int(curve.rectified), 0, *narrowed, *table)
    return {**ends, "CURVE": numbers, "TABLE": table_file}


def _padded(*numbers: int) -> tuple[int, ...]:
    return (*numbers, *(0,) * (12 - len(numbers)))


def in_luts(words: int, bits: int) -> int:
    """Whether a table lies in LUTs, as the resource model has it."""
    return int(not memory(words, bits, writes=0).bram18)
