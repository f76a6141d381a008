# SPDX-License-Identifier: Apache-2.0
"""The figures of one design: what a report says of a schedule, computed once."""

from __future__ import annotations

from dataclasses import dataclass

from swm.accelerator.design import PlacedLayer, Schedule
from swm.accelerator.resources import Estimate, container_bits, estimate
from swm.device.power import Energy, Watts, beyond_supply, energy, power
from swm.layers.registry import kind
from swm.layers.values import FixedLayer, Format

__all__ = ["DesignFigures", "StreamFigures", "axi_iterations", "design_figures", "stream_figures", "widest_word"]


@dataclass(frozen=True)
class DesignFigures:
    """One design on one board. What the board cannot hold or feed has counts, but neither speed nor power.

    Attributes:
        plan: its schedule; of a design that does not fit the one of least parallelism, or the one that was emitted.
        used: resources of `plan`.
        watts: power; None where the design cannot exist or the board states no power.
        joules: energy per inference, likewise.
        beyond_supply: said where the modelled power is above what the board's supply gives; else empty.
        weight_bits: bits of all stored weights (counted).
        weight_words: how many numbers these are (counted).
        useful_share: DSP-cycles doing useful multiplications, as a fraction of the DSPs used x the interval; None
            without DSPs.
        stream_bits_max: bits of the widest stream, port or ROM word.
    """

    plan: Schedule
    used: Estimate
    watts: Watts | None
    joules: Energy | None
    beyond_supply: str
    weight_bits: int
    weight_words: int
    useful_share: float | None
    stream_bits_max: int

    @property
    def fits(self) -> bool:
        """Whether it can exist: resources inside the limits, power inside the supply."""
        return self.plan.fits and not self.beyond_supply

    @property
    def overflow(self) -> str:
        """What is too large; empty when it fits."""
        return self.plan.overflow or self.beyond_supply

    @property
    def interval(self) -> int | None:
        """Cycles from frame to frame (modelled); None where the design cannot exist."""
        return self.plan.interval if self.fits else None

    @property
    def latency(self) -> int | None:
        """Cycles of one inference (modelled), likewise."""
        return self.plan.latency if self.fits else None

    @property
    def latency_us(self) -> float | None:
        """Latency of one inference in microseconds (modelled), likewise."""
        return self.plan.latency / self.plan.clock_mhz if self.fits else None

    @property
    def inferences_per_s(self) -> float | None:
        """Inferences per second at full throughput (modelled), likewise."""
        return self.plan.inferences_per_s if self.fits else None


@dataclass(frozen=True)
class StreamFigures:
    """A stream between two processes.

    Attributes:
        layer: name of the layer it runs in; empty between layers.
        name: of the stream, unique with the layer's.
        tensor: whose values it carries; empty inside a layer.
        source: process that writes it, as "layer.process".
        target: process that reads it.
        words: per beat.
        bits: of a word.
        beats: per inference.
        depth: beats that it holds; None where processes follow each other and it is an array.
    """

    layer: str
    name: str
    tensor: str
    source: str
    target: str
    words: int
    bits: int
    beats: int
    depth: int | None

    @property
    def width(self) -> int:
        """Bits of a beat."""
        return self.words * self.bits


def design_figures(plan: Schedule) -> DesignFigures:
    """Resources, power, energy and counts of a schedule."""
    used, specs = estimate(plan), [layer.spec for layer in plan.layers]
    watts = power(plan.board, plan.clock_mhz, used.routed) if plan.fits and plan.board.power else None
    fault = beyond_supply(plan.board, watts) if watts else ""
    watts = None if fault else watts
    useful = sum(p.products * p.tokens(layer.spec) for layer in plan.layers for p in layer.processes)
    return DesignFigures(
        plan=plan,
        used=used,
        watts=watts,
        joules=energy(watts, plan.inferences_per_s) if watts else None,
        beyond_supply=fault,
        weight_bits=sum(spec.stored_bits for spec in specs),
        weight_words=sum(spec.stored_words for spec in specs),
        useful_share=useful / (used.routed.dsp * plan.board.dsp_ports.multipliers * plan.interval)
        if used.routed.dsp and plan.fits and not fault
        else None,
        stream_bits_max=widest_word(plan),
    )


def axi_iterations(plan: Schedule) -> dict[str, int]:
    """Iterations per inference, and cycles, of the processes at the AXI edges; none where the ports are arrays."""
    if not plan.backend.streaming:
        return {}
    return {name: e.positions * e.beats for name, e in (("axi_in", plan.input), ("axi_out", plan.output))}


def stream_figures(plan: Schedule) -> tuple[StreamFigures, ...]:
    """Every stream: those between layers first, then those inside, in the order of the data."""
    sources, targets = {("", plan.input.name): "input"}, {("", plan.output.name): "output"}
    for layer in plan.layers:
        outer = {f"in{i}": name for i, name in enumerate(layer.inputs)}
        outer |= {f"out{i}": name for i, name in enumerate(layer.outputs)}
        for process in layer.processes:
            for ports, ends in ((process.program.reads, targets), (process.program.writes, sources)):
                for port in ports:
                    key = ("", outer[port.stream]) if port.stream in outer else (layer.spec.name, port.stream)
                    ends[key] = f"{layer.spec.name}.{process.name}"
    streaming = plan.backend.streaming
    found = []
    for edge in plan.edges:
        key, depth, beats = ("", edge.name), edge.depth if streaming else None, edge.beats * edge.positions
        found.append(StreamFigures(*key, edge.tensor, sources[key], targets[key], edge.vec, edge.bits, beats, depth))
    for layer in plan.layers:
        depths = dict(layer.depths)
        for s in kind(layer.spec.kind).streams(layer.built):
            key, depth = (layer.spec.name, s.name), depths.get(s.name, 2) if streaming else None
            beats = s.beats * layer.spec.tokens
            found.append(StreamFigures(*key, "", sources[key], targets[key], s.words, s.bits, beats, depth))
    return tuple(found)


def widest_word(plan: Schedule) -> int:
    """Bits of the widest stream, port or ROM word of a schedule: what HLS compilers limit (Vitis HLS: 4,096)."""
    streams = max(stream.width for stream in stream_figures(plan))
    ports = max(edge.vec * container_bits(edge.bits) for edge in (plan.input, plan.output))
    return max(streams, ports, *(_rom_word(layer) for layer in plan.layers))


def _rom_word(layer: PlacedLayer) -> int:
    """Bits of the widest ROM word of a layer; widths follow from the shapes, so that no numbers are needed."""
    roms = {name for process in layer.processes for name in process.roms}
    if not roms:
        return 0
    spec = layer.spec
    formats = tuple(Format(shape.bits, 0) for shape in spec.inputs)
    shaped = FixedLayer(spec, "", (), "", formats, Format(spec.out_bits, 0))
    members = kind(spec.kind).configuration(shaped, layer.built)
    weights = members.get("rom_lanes", 0) * members.get("weight_bits", 0)
    bias = layer.built.out_vec * members.get("bias_bits", 0) if "bias" in roms else 0
    return int(max(weights, bias))
