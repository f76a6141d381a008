# SPDX-License-Identifier: Apache-2.0
"""What tools measured of a project, as values; `swm/opentools/` and `swm/vendortools/` make them, reports show them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["EDGES", "Area", "Build", "LayerArea", "Measured", "ProcessArea", "Synthesis"]

EDGES = ""
"""The layer of the AXI edges, and of what the top has of its own."""


@dataclass(frozen=True)
class Area:
    """What a netlist takes: LUTs of the family (of four inputs on ECP5 and Gowin), blocks of 18 Kb, of 288 Kb.

    On Cyclone V `lut` counts ALUTs, of which an ALM has two, `dsp` DSP blocks, `m10k` blocks of 10 Kb.
    """

    lut: int = 0
    ff: int = 0
    dsp: int = 0
    bram18: int = 0
    uram: int = 0
    m10k: int = 0

    def of(self, resource: str) -> int:
        """How much of a resource, as a model's usage names it: `bram18` for M10K, too."""
        count: int = self.bram18 or self.m10k if resource == "bram18" else getattr(self, resource)
        return count

    def __add__(self, other: Area) -> Area:
        """Of both."""
        return Area(
            self.lut + other.lut,
            self.ff + other.ff,
            self.dsp + other.dsp,
            self.bram18 + other.bram18,
            self.uram + other.uram,
            self.m10k + other.m10k,
        )


@dataclass(frozen=True)
class ProcessArea:
    """A process and its area; `seconds` that yosys took, 0 where it was known from before."""

    name: str
    area: Area
    seconds: float


@dataclass(frozen=True)
class LayerArea:
    """A layer, its processes, their sum; the name "" has the AXI edges."""

    name: str
    area: Area
    processes: tuple[ProcessArea, ...]


@dataclass(frozen=True)
class Synthesis:
    """One synthesis of a project; every figure is counted from the cells of a mapped netlist.

    Attributes:
        family: as `swm synth --family` takes it.
        board_family: as board files say.
        tool: yosys and its version.
        flow: the command that mapped each part.
        area: of all layers.
        layers: in the order of the data, the AXI edges first.
        seconds: wall time.
    """

    family: str
    board_family: str
    tool: str
    flow: str
    area: Area
    layers: tuple[LayerArea, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain types: `lut`, `ff`, `dsp`, `bram18`, `uram` of all and of each layer and process."""
        return {
            "tool": self.tool,
            "family": self.family,
            "flow": self.flow,
            "kind": "measured",
            **asdict(self.area),
            "layers": [
                {
                    "name": layer.name,
                    **asdict(layer.area),
                    "processes": [
                        {"name": p.name, **asdict(p.area), "seconds": round(p.seconds, 2)} for p in layer.processes
                    ],
                }
                for layer in self.layers
            ],
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True)
class Build:
    """A bitstream, and what place and route said of it.

    Attributes:
        board: its name.
        tools: yosys, nextpnr and the packer, or AMD's, with their versions.
        area: sites in use.
        available: sites that the device has.
        fmax_mhz: of the best seed, by the timing analysis of place and route.
        clock_mhz: at which the board drives the logic.
        seed: of place and route, the best of `seeds`; 0 where Vivado placed.
        seeds: all that were tried; none where Vivado placed.
        bitstream: its file in the project; empty where the clock was missed: there is none then.
        seconds: wall time.
    """

    board: str
    tools: tuple[str, ...]
    area: Area
    available: Area
    fmax_mhz: float
    clock_mhz: float
    seed: int
    seeds: tuple[int, ...]
    bitstream: str
    seconds: float

    @property
    def met(self) -> bool:
        """Whether the logic is as fast as the board's clock asks for."""
        return self.fmax_mhz >= self.clock_mhz

    def to_json(self) -> dict[str, Any]:
        """Plain types; `fmax_mhz`, `bitstream` (null where there is none), `used` and `available`."""
        return {
            **asdict(self),
            "tools": list(self.tools),
            "seeds": list(self.seeds),
            "kind": "measured",
            "met": self.met,
            "bitstream": self.bitstream or None,
        }


@dataclass(frozen=True)
class Measured:
    """What a project keeps of open tools; `stale`: its files changed since.

    Attributes:
        synthesis: by family, the outcome, when (UTC, ISO 8601), and whether it is stale.
        build: likewise.
    """

    synthesis: tuple[tuple[Synthesis, str, bool], ...] = ()
    build: tuple[Build, str, bool] | None = None
