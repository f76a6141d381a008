# SPDX-License-Identifier: Apache-2.0
"""What a kind of layer answers about its SystemVerilog: modules, parameters, pipeline depths, what is not there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from swm.layers.program import ProcessModel
from swm.layers.rtl.loops import Loop, one_loop
from swm.layers.values import FixedLayer, Implementation, LayerSpec

__all__ = ["ACTIVATIONS", "FINISH_CYCLES", "Parameter", "RtlKind", "RtlModule", "finish_parameters", "rom_file"]

FINISH_CYCLES = 3
"""Registers of hls/rtl/swm_finish.sv."""

ACTIVATIONS = ("identity", "relu")
"""Those that it has; layers with another have no RTL."""

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
        if spec.activation not in ACTIVATIONS:
            return f"activation {spec.activation} has no RTL"
        return ""

    @abstractmethod
    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Cycles from the start of an iteration to its writes, by process: the registers on that way."""

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """The loops of its processes, for the token simulation."""
        pairs = zip(processes, self.latencies(built), strict=True)
        return tuple(loop for process, latency in pairs for loop in one_loop(process, latency))

    @abstractmethod
    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One module a process. `layer` is None for kinds that the schedule places."""


def rom_file(layer: str, rom: str) -> str:
    """The file of a ROM in a project."""
    return f"rom/{layer}_{rom}.mem"


def finish_parameters(spec: LayerSpec, configuration: Mapping[str, Any]) -> dict[str, Parameter]:
    """The parameters that swm_finish takes, from the C++ configuration of a layer."""
    return {
        "OUT_BITS": configuration["out_bits"],
        "OUT_SHIFT": configuration["out_shift"],
        "RELU": int(spec.activation == "relu"),
    }
