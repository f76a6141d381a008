# SPDX-License-Identifier: Apache-2.0
"""Resources of a schedule by layer and process, at HLS level and after routing (modelled), and the board's limits.

Processes bring their own cost (`swm.layers`); added here are the streams between them, the AXI edges, the control port,
the port that fills memories at start where there are such, and what the board needs beside the accelerator
(`Board.overhead`, where known).

Which cost a process has is the back end's choice (`Backend.area`). Back end `rtl` has its modules counted, at prices
fitted to yosys (`swm.layers.rtl.area`); what follows is of the others.

Error: no vendor synthesis of swm's kernels has calibrated this model. Over public pairs of csynth and implementation
reports the ratio csynth / routed was 1.66-2.33 for LUT (1.16 in an over-full part), 1.0-3.3 for FF, 0.96-1.11 for DSP
(one design 0.5) and 1.0-1.47 for BRAM.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swm.accelerator.backend import VITIS, Backend
from swm.accelerator.design import Edge, PlacedLayer, Schedule
from swm.device.board import Board
from swm.device.limits import Limits
from swm.device.memories import fifo
from swm.device.primitives import Cost, Usage, control, hls_level, routed
from swm.layers.program import ProcessModel
from swm.layers.registry import kind
from swm.layers.rtl.area.beats import first as axis_input
from swm.layers.rtl.area.beats import last as axis_output
from swm.layers.rtl.area.price import PACKS, price, prices_of
from swm.layers.rtl.area.registry import count, counted
from swm.layers.values import Implementation

__all__ = [
    "RESOURCE_ERROR",
    "Estimate",
    "LayerUsage",
    "ProcessUsage",
    "Usage",
    "axi_cost",
    "brings_streams",
    "container_bits",
    "estimate",
    "estimate_parts",
    "lacking",
    "load_bits",
    "load_cost",
    "overflow",
    "overhead_cost",
    "process_costs",
]

RESOURCE_ERROR = (
    "not calibrated against a vendor synthesis of swm's own kernels; published csynth/routed ratios: "
    "LUT 1.66-2.33, FF 1.0-3.3, DSP 0.96-1.11, BRAM 1.0-1.47"
)
_LOAD_BITS = 64
"""Bits of a beat of the port for weights at most: loading is done once, so a wider one would save nothing."""
_RESOURCES = ("dsp", "bram18", "uram", "lut", "ff")


@dataclass(frozen=True)
class ProcessUsage:
    """One process with the streams it writes: as csynth would report it, and after routing."""

    name: str
    hls: Usage
    routed: Usage


@dataclass(frozen=True)
class LayerUsage:
    """The processes of one layer; the name "" holds the AXI edges, control and the board's overhead."""

    name: str
    processes: tuple[ProcessUsage, ...]


@dataclass(frozen=True)
class Estimate:
    """Resources of a whole accelerator (modelled, see `RESOURCE_ERROR`)."""

    layers: tuple[LayerUsage, ...]
    hls: Usage
    routed: Usage
    error: str = RESOURCE_ERROR


def container_bits(bits: int) -> int:
    """Smallest of 8, 16, 32 bits that holds a word: the element width of the AXI streams."""
    return 8 if bits <= 8 else 16 if bits <= 16 else 32


def load_bits(board: Board) -> int:
    """Bits of a beat of the port that fills memories of weights at start."""
    return min(_LOAD_BITS, board.stream.bits)


def load_cost(board: Board, memories: int) -> Cost:
    """The port for weights and the process that deals beats out, and a stream to each memory."""
    bits = load_bits(board)
    # A register slice, and `load` and the status on the control port: a register each and their read path.
    port = control(1).plus(Cost(logic=bits, ff=2 * bits), Cost(logic=20, ff=40))
    return port.plus(fifo(2, bits).times(memories))


def estimate(schedule: Schedule) -> Estimate:
    """Resources of a schedule, by layer and process."""
    return estimate_parts(schedule.layers, schedule.edges, schedule.board, schedule.backend)


def estimate_parts(
    layers: Iterable[PlacedLayer], edges: tuple[Edge, ...], board: Board, backend: Backend = VITIS
) -> Estimate:
    """The same from its parts, before a schedule is complete."""
    by_name = {edge.name: edge for edge in edges}
    rows: list[tuple[str, dict[str, Cost]]] = []
    memories = 0  # to be filled at start
    for layer in layers:
        memories += kind(layer.spec.kind).loaded(layer.built) is not None
        rows.append((layer.spec.name, process_costs(layer, by_name, backend, board.family)))
    filled = {"weights": load_cost(board, memories)} if memories else {}
    rows.append(
        ("", {"axi": axi_cost(edges[0], edges[-1], backend, board.family), **filled, "board": overhead_cost(board)})
    )
    modules = backend.area == "modules"

    def used(cost: Cost) -> tuple[Usage, Usage]:
        late = routed(cost, board.dsp_ports.multipliers)
        return (late if modules else hls_level(cost)), late  # no csynth reports modules

    usages = tuple(LayerUsage(n, tuple(ProcessUsage(k, *used(c)) for k, c in d.items())) for n, d in rows)
    total = Cost().plus(*(cost for _, costs in rows for cost in costs.values()))
    return Estimate(usages, *used(total), prices_of(board.family).error if modules else RESOURCE_ERROR)


def brings_streams(process: ProcessModel, built: Implementation, backend: Backend) -> bool:
    """Whether the streams that a process writes are in its cost wherever it stands: its module holds them."""
    return backend.area == "modules" and counted(process.kernel, built)


def process_costs(
    layer: PlacedLayer, edges: Mapping[str, Edge] | None, backend: Backend = VITIS, family: str = PACKS
) -> dict[str, Cost]:
    """What each process of a layer takes with the streams that it writes.

    Args:
        layer: where it stands.
        edges: by name; without them, streams to other layers are left out, but for those that modules hold: these count
            with the depth that an edge has before it is simulated.
        backend: whose resources.
        family: of the device; the C++ model does not ask.
    """
    depths = dict(layer.depths)
    internal = {s.name: s for s in kind(layer.spec.kind).streams(layer.built)}
    costs: dict[str, Cost] = {}
    for process in layer.processes:
        written = dict.fromkeys(port.stream for port in process.program.writes)
        if brings_streams(process, layer.built, backend):
            beats = tuple(_depth(name, layer, depths, edges) for name in written)
            bits = count(process, layer.built, beats)
            assert bits is not None
            costs[process.name] = price(process.kernel, bits, process.cost.dsp, family)
            continue
        streams = [fifo(depths.get(name, 2), internal[name].width) for name in written if name in internal]
        if edges is not None:
            outer = (layer.outputs[int(name.removeprefix("out"))] for name in written if name not in internal)
            streams += [fifo(edges[name].depth, edges[name].width) for name in outer]
        costs[process.name] = process.cost.plus(*streams)
    return costs


def _depth(name: str, layer: PlacedLayer, inner: Mapping[str, int], edges: Mapping[str, Edge] | None) -> int:
    """Beats that a stream holds which a process writes."""
    if edges is None or not name.startswith("out"):
        return inner.get(name, 2)
    return edges[layer.outputs[int(name.removeprefix("out"))]].depth


def overflow(used: Usage, board: Board, limits: Limits) -> str:
    """Say which resources go beyond their limit and by how much; empty when all fit.

    Args:
        used: routed estimate.
        board: the device.
        limits: fractions of it that may be used.
    """
    faults = []
    for key in lacking(used, board, limits):
        need, share, has = getattr(used, key), getattr(limits, key), board.resources.of(key)
        ratio = f"{need / has:.2f} x the device" if has else "the device has none"
        faults.append(f"{board.labels[key]} {need} of {has}, limit {int(share * has)} ({ratio})")
    return "; ".join(faults)


def lacking(used: Usage, board: Board, limits: Limits) -> tuple[str, ...]:
    """The resources that go beyond their limit."""
    over = limits.excess(used, board.resources)
    return tuple(key for key in _RESOURCES if key in over)


def axi_cost(first: Edge, last: Edge, backend: Backend = VITIS, family: str = PACKS) -> Cost:
    """The AXI edges, with the stream behind the input, and the control port."""
    if backend.area == "modules":
        port = last.vec * container_bits(last.bits)
        beats = first.beats * first.positions, last.beats * last.positions
        ends = axis_input(first.width, beats[0], first.beats, first.depth), axis_output(port, beats[1])
        return Cost().plus(*(price("axis", end, 0, family) for end in ends))
    # Register slices of the streams, one process each, and the s_axilite port with frames, counters and reset
    # (36-267 FF, 40-430 LUT in public csynth reports, half of it after routing).
    slices = Cost().plus(
        *(Cost(logic=e.vec * container_bits(e.bits), ff=2 * e.vec * container_bits(e.bits)) for e in (first, last))
    )
    return slices.plus(control(1).times(2), fifo(first.depth, first.width), Cost(logic=215, ff=150))


def overhead_cost(board: Board) -> Cost:
    """What the board needs beside the accelerator."""
    if board.overhead is None:
        return Cost()
    o = board.overhead
    return Cost(dsp=o.dsp, bram18=o.bram18, memory=o.lut, ff=o.ff)
