# SPDX-License-Identifier: Apache-2.0
"""The Design: fixed-point graph, schedule and back end as one frozen value.

`emit` saves it in the project; `verify` and `report` read it.
"""

from __future__ import annotations

from dataclasses import dataclass

from swm.accelerator.backend import Backend
from swm.accelerator.fixed_graph import FixedGraph
from swm.device.board import Board
from swm.layers.program import ProcessModel
from swm.layers.values import Implementation, LayerSpec
from swm.notebook import html

__all__ = ["Design", "Edge", "PlacedLayer", "Schedule"]


@dataclass(frozen=True)
class Edge:
    """A stream between two layers, or between a layer and an AXI edge.

    Attributes:
        name: C identifier, unique in the design.
        tensor: tensor whose values it carries.
        vec: words a beat.
        bits: bits of a word.
        channels: words a token.
        positions: tokens a frame as its writer counts them.
        depth: beats that it holds.
    """

    name: str
    tensor: str
    vec: int
    bits: int
    channels: int
    positions: int
    depth: int = 2

    @property
    def beats(self) -> int:
        """Beats a token."""
        return -(-self.channels // self.vec)

    @property
    def width(self) -> int:
        """Bits of a beat."""
        return self.vec * self.bits


@dataclass(frozen=True)
class PlacedLayer:
    """A layer in its place: how it is built and which edges it reads and writes.

    Layers that lowering did not make (forks and width converters) stand here too; `spec.kind` tells.

    Attributes:
        built: parallelism.
        processes: its processes in the order of the data.
        inputs: names of the edges it reads.
        outputs: names of the edges it writes.
        depths: beats that each of its internal streams holds, by name.
    """

    built: Implementation
    processes: tuple[ProcessModel, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    depths: tuple[tuple[str, int], ...] = ()

    @property
    def spec(self) -> LayerSpec:
        """Shapes and widths."""
        return self.built.spec


@dataclass(frozen=True)
class Schedule:
    """Parallelism, streams and cycles of a whole accelerator on a board.

    Attributes:
        board: the board it was made for.
        clock_mhz: clock in MHz.
        backend: what it is emitted for.
        layers: in execution order, forks and width converters included.
        edges: every stream between layers; the first is written by the AXI input, the last is read by the AXI output.
        interval: cycles between two frames (simulated on tokens; see `swm.accelerator.tokens`).
        latency: cycles from the first beat in to the last beat out of a frame alone (simulated).
        fits: whether the estimated resources stay inside the limits.
        overflow: which resource goes beyond its limit and by how much; empty when `fits`.
        target: interval that was asked for, for which it is the cheapest design; None: the shortest that fits.
    """

    board: Board
    clock_mhz: float
    backend: Backend
    layers: tuple[PlacedLayer, ...]
    edges: tuple[Edge, ...]
    interval: int
    latency: int
    fits: bool = True
    overflow: str = ""
    target: int | None = None

    @property
    def inferences_per_s(self) -> float:
        """Inferences per second at full throughput: clock / interval (modelled), times the sequences of a frame."""
        return self.sequences * self.clock_mhz * 1e6 / self.interval

    @property
    def sequences(self) -> int:
        """Sequences that a frame holds: those that take turns in recurrent layers, each an inference."""
        return max(getattr(layer.spec, "sequences", 1) for layer in self.layers)

    @property
    def verdict(self) -> str:
        """Whether the board holds it, in a clause."""
        if self.fits:
            return f"fits {self.board.name} by the resource model"
        return f"DOES NOT FIT {self.board.name}: {self.overflow}"

    def edge(self, name: str) -> Edge:
        """The edge of a name."""
        return next(e for e in self.edges if e.name == name)

    @property
    def input(self) -> Edge:
        """The edge that the AXI input writes."""
        return self.edges[0]

    @property
    def output(self) -> Edge:
        """The edge that the AXI output reads."""
        return self.edges[-1]


@dataclass(frozen=True, eq=False)
class Design:
    """All that a project is made from: numbers, schedule, back end."""

    graph: FixedGraph
    schedule: Schedule

    def __repr__(self) -> str:
        plan = self.schedule
        speed = f" {plan.inferences_per_s:,.0f} inferences/s (modelled);" if plan.fits else ""
        return (
            f"<Design {self.graph.name!r}: {self.graph.widths}, {plan.backend.name}, {plan.clock_mhz:g} MHz,"
            f"{speed} {plan.verdict}>"
        )

    def _repr_html_(self) -> str:
        rows = (
            (
                layer.spec.name,
                layer.spec.kind,
                f"{layer.spec.n} -> {layer.spec.m}",
                f"{max(p.program.cycles * p.tokens(layer.spec) for p in layer.processes):,}",
            )
            for layer in self.schedule.layers
        )
        return html(self, ("layer", "kind", "channels", "cycles per inference"), rows)

    @property
    def backend(self) -> Backend:
        """What it is emitted for."""
        return self.schedule.backend
