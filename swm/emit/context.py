# SPDX-License-Identifier: Apache-2.0
"""What the templates see of a Design: numbers, safe identifiers and escaped comments, nothing else.

Nothing here knows a kind of layer: names of kernels, streams, ROMs and configuration members come from the kind, what
they mean is said in its template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swm.accelerator.design import Design, Edge, PlacedLayer
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.loading import LOAD_DEPTH, Load, loads
from swm.device.memories import fifo
from swm.emit.host_files import host_operators
from swm.emit.roms import RomPage, lines, rom_page
from swm.layers import registry
from swm.layers.base import LayerKind
from swm.layers.curves import Curve
from swm.layers.finish import curve_struct, describe
from swm.layers.program import ProcessModel
from swm.layers.values import FixedLayer, Format, LayerSpec

__all__ = [
    "INPUT_EDGE",
    "OUTPUT_EDGE",
    "WEIGHTS_EDGE",
    "host_places",
    "project_context",
    "stream_depths",
    "ticks",
    "turned_ends",
]

INPUT_EDGE, OUTPUT_EDGE, WEIGHTS_EDGE = "axi.input", "axi.output", "axi.weights"
BOUNDED = "SWM_SIM_BOUNDED"  # streams of stated depth: our stand-ins have them, the vendor's C simulation has not
COSIM_FRAMES = 4
SRL_DEPTH = 32  # the deepest FIFO that is one shift register a bit


def comment(text: str) -> str:
    """Foreign text made harmless inside a C++, Tcl, Makefile or configuration comment.

    What remains is printable ASCII on one line without a backslash: a backslash at a line's end would continue the
    comment, `*/` would end one, brackets and `$` start commands in Tcl.
    """
    kept = "".join(c if c.isascii() and (c.isalnum() or c in " _-.,:") else "_" for c in text)
    return kept[:80]


def ticks(design: Design) -> dict[str, int]:
    """Numbers of all processes, by `layer.process`: consecutive in the order of the data, AXI edges included.

    Behind them come what loads weights at start: the port, and the loop `layer.weights` of each memory.
    """
    names = [f"{p.spec.name}.{process.name}" for p in design.schedule.layers for process in p.processes]
    if design.backend.streaming:
        names = [INPUT_EDGE, *names, OUTPUT_EDGE]
    filled = [f"{load.layer}.weights" for load in loads(design.schedule)]
    names += [WEIGHTS_EDGE, *filled] if filled else []
    return {name: number for number, name in enumerate(names)}


def stream_depths(design: Design) -> dict[str, int]:
    """Beats that every stream of a design holds, by the name of its variable in the emitted top function."""
    depths = {edge.name: edge.depth for edge in design.schedule.edges}
    for placed in design.schedule.layers:
        held = dict(placed.depths)
        streams = registry.kind(placed.spec.kind).streams(placed.built)
        depths |= {f"{placed.spec.name}_{stream.name}": held.get(stream.name, 2) for stream in streams}
    return depths | {f"{load.layer}_load": LOAD_DEPTH for load in loads(design.schedule)}


@dataclass(frozen=True)
class Channel:
    """A stream (or array) as a template sees it.

    Attributes:
        name: of the variable.
        element: C++ type of a word.
        words: a beat.
        depth: beats that the stream holds.
        storage: what it is made of: "srl", "lutram" or "bram".
        size: words of the array that takes its place where processes follow each other, a frame.
    """

    name: str
    element: str
    words: int
    depth: int
    storage: str
    size: int

    @property
    def beat(self) -> str:
        """C++ type of a beat."""
        return f"{self.name}_beat"


@dataclass(frozen=True)
class ProcessPage:
    """One process: which kernel, and with what it is called.

    Attributes:
        name: in its layer.
        function: in the emitted top.
        kernel: name of the function template in namespace swm.
        configuration: its C++ configuration.
        tokens: how often its loop goes through its period a frame.
        arguments: further template arguments.
        roms: that it reads.
        reads: streams or arrays that it reads.
        writes: streams or arrays that it writes.
    """

    name: str
    function: str
    kernel: str
    configuration: str
    tokens: int
    arguments: tuple[int, ...]
    roms: tuple[RomPage, ...]
    reads: tuple[Channel, ...]
    writes: tuple[Channel, ...]

    @property
    def loaded(self) -> tuple[RomPage, ...]:
        """Memories that it fills at start: one or none."""
        return tuple(rom for rom in self.roms if rom.loaded)


@dataclass(frozen=True)
class ActivationPage:
    """The struct that an activation policy of finish.h reads.

    Attributes:
        name: C++ name.
        title: what it is, in words.
        members: its integers.
        tables: name, bits, number of entries and initializer of each.
    """

    name: str
    title: str
    members: Mapping[str, int]
    tables: tuple[tuple[str, int, int, str], ...]


@dataclass(frozen=True)
class LayerPage:
    """One layer.

    Attributes:
        name: C identifier.
        node: the float node it came from, harmless text; empty for forks and width converters.
        spec: shapes and widths.
        parallelism: what the kind shows of how it is built.
        members: of its C++ configuration, by name.
        activations: the structs of its activations: inside it, and behind it.
        tokens: how often its loops go through their period a frame.
        formats: of inputs, weights and output, as text; empty for forks and width converters.
        roms: in the order in which the kernels read them.
        streams: between its processes.
        processes: in the order of the data.
    """

    name: str
    node: str
    spec: LayerSpec
    parallelism: Mapping[str, int]
    members: Mapping[str, Any]
    activations: tuple[ActivationPage, ...]
    tokens: int
    formats: Mapping[str, str]
    roms: tuple[RomPage, ...]
    streams: tuple[Channel, ...]
    processes: tuple[ProcessPage, ...]

    @property
    def kind(self) -> str:
        """Name of the kind."""
        return self.spec.kind


def project_context(design: Design) -> dict[str, Any]:
    """Everything that the templates of one project need."""
    graph, schedule, backend = design.graph, design.schedule, design.backend
    numbers = ticks(design)
    edges = {edge.name: _edge(edge) for edge in schedule.edges}
    if not backend.streaming:  # the outer edges are the ports of the top
        for edge, port in ((schedule.input, "in"), (schedule.output, "out")):
            edges[edge.name] = replace(edges[edge.name], name=port)
    fixed = {layer.spec.name: layer for layer in graph.layers}
    filled = {load.layer: load for load in loads(schedule)}
    layers = [_layer(p, fixed.get(p.spec.name), edges, numbers, filled.get(p.spec.name)) for p in schedule.layers]
    return {
        "backend": backend,
        "defines": " ".join(f"-D{name}" for name in backend.defines if name != BOUNDED),
        "bounded": f"-D{BOUNDED}",
        "cosim_frames": COSIM_FRAMES,
        "streaming": backend.streaming,
        "control": backend.control,
        "model": comment(graph.name),
        "bits": graph.bits,
        "layer_count": len(graph.layers),
        "board": comment(schedule.board.name),
        "part": schedule.board.part,
        "fits": schedule.fits,
        "overflow": schedule.overflow,  # our own words and numbers
        "verdict": schedule.verdict,
        "clock_ns": f"{1000.0 / schedule.clock_mhz:.3f}",
        "clock_mhz": f"{schedule.clock_mhz:g}",
        "interval": schedule.interval,
        "latency": schedule.latency,
        "host": host_places(graph),
        "turned": turned_ends(graph),
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "input_format": graph.input,
        "output_format": graph.output,
        "input": _axi(schedule.input, edges[schedule.input.name], numbers.get(INPUT_EDGE, 0)),
        "output": _axi(schedule.output, edges[schedule.output.name], numbers.get(OUTPUT_EDGE, 0)),
        "weights": _weights(tuple(filled.values()), numbers),
        "edges": list(edges.values()),
        "layers": layers,
        "rom_files": [rom.file for layer in layers for rom in layer.roms if rom.file],
        "headers": list(dict.fromkeys(file.name for kind in kinds_of(design) for file in kind.headers)),
        "processes": [{"tick": number, "key": name} for name, number in numbers.items()],
        "stored_bits": sum(spec.stored_bits for spec in graph.specs),
    }


def host_places(graph: FixedGraph) -> list[tuple[str, str]]:
    """Where the host computes, and what; empty if it computes nothing."""
    places = (host_operators(graph) or {}).items()
    return [(place, ", ".join(map(comment, operators))) for place, operators in places if operators]


def turned_ends(graph: FixedGraph) -> list[tuple[str, int, int]]:
    """The ends of the hardware whose values pass in another order than they lie in the model's array."""
    ends = (("input", graph.input_order), ("output", graph.output_order))
    return [(name, order.channels, order.positions) for name, order in ends if order is not None]


def kinds_of(design: Design) -> list[LayerKind]:
    """The kinds of the layers of a design, each once, in the order of the data."""
    names = dict.fromkeys(placed.spec.kind for placed in design.schedule.layers)
    return [registry.kind(name) for name in names]


def _edge(edge: Edge) -> Channel:
    size = edge.positions * edge.beats * edge.vec
    return Channel(edge.name, f"swm::int_t<{edge.bits}>", edge.vec, edge.depth, _fifo(edge.depth, edge.width), size)


def _fifo(depth: int, width: int) -> str:
    """What a FIFO is made of: the same choice as the resource model makes."""
    if depth <= SRL_DEPTH:
        return "srl"
    return "bram" if fifo(depth, width).bram18 else "lutram"


def _axi(edge: Edge, channel: Channel, tick: int) -> dict[str, Any]:
    """Members of the configuration of an AXI edge, and the channel behind it."""
    container = next(width for width in (8, 16, 32) if edge.bits <= width)
    return {
        "channel": channel,
        "tick": tick,
        "n": edge.channels,
        "bits": edge.bits,
        "vec": edge.vec,
        "container": container,
        "tokens": edge.positions,
    }


def _weights(filled: tuple[Load, ...], numbers: Mapping[str, int]) -> dict[str, Any] | None:
    """The port for weights: what fills which memory with how many beats; None where all weights lie in ROMs."""
    if not filled:
        return None
    return {
        "tick": numbers[WEIGHTS_EDGE],
        "load_bits": filled[0].port_bits,
        "beats": [load.beats for load in filled],
        "streams": [f"{load.layer}_load" for load in filled],
        "layers": [load.layer for load in filled],
        "depth": LOAD_DEPTH,
    }


def _layer(
    placed: PlacedLayer,
    layer: FixedLayer | None,
    edges: Mapping[str, Channel],
    numbers: Mapping[str, int],
    load: Load | None,
) -> LayerPage:
    spec, kind = placed.spec, registry.kind(placed.spec.kind)
    depths = dict(placed.depths)
    streams = {}
    for stream in kind.streams(placed.built):
        depth = depths.get(stream.name, 2)
        size = spec.tokens * stream.beats * stream.words
        element = f"net::{spec.name}_traits::{stream.element}"
        name = f"{spec.name}_{stream.name}"
        streams[stream.name] = Channel(name, element, stream.words, depth, _fifo(depth, stream.width), size)
    channels = {f"in{i}": edges[name] for i, name in enumerate(placed.inputs)}
    channels |= {f"out{i}": edges[name] for i, name in enumerate(placed.outputs)}
    channels |= streams
    roms = {} if layer is None else {rom.name: rom_page(spec.name, rom) for rom in kind.roms(layer, placed.built)}
    members = {name: value for name, value in kind.configuration(layer, placed.built).items() if name != "tick"}
    if load is not None:
        members |= {"load_tick": numbers[f"{spec.name}.weights"], "load_bits": load.port_bits}
    return LayerPage(
        name=spec.name,
        node="" if layer is None else comment(layer.node),
        spec=spec,
        parallelism=kind.parallelism(placed.built),
        members={"tick": numbers[f"{spec.name}.{placed.processes[0].name}"], **members},
        activations=() if layer is None else _activations(layer),
        tokens=spec.tokens,
        formats={} if layer is None else _formats(layer),
        roms=tuple(roms.values()),
        streams=tuple(streams.values()),
        processes=tuple(_process(spec, process, channels, roms) for process in placed.processes),
    )


def _activations(layer: FixedLayer) -> tuple[ActivationPage, ...]:
    inner = registry.kind(layer.spec.kind).inner_activations(layer)
    pages = (_activation(*one) for one in (*inner, (curve_struct(layer.spec), describe(layer), layer.curve)))
    return tuple(page for page in pages if page is not None)


def _activation(name: str, title: str, curve: Curve | None) -> ActivationPage | None:
    members = {} if curve is None else curve.members()
    numbers = {name: value for name, value in members.items() if isinstance(value, int)}
    lists = {name: np.array(value, np.int64) for name, value in members.items() if name not in numbers}
    tables = tuple((name, numbers[f"{name}_bits"], len(v), lines(v)) for name, v in lists.items())
    return ActivationPage(name, title, numbers, tables) if members else None


def _formats(layer: FixedLayer) -> dict[str, str]:
    weights = layer.arrays.get("weights")
    bits = getattr(layer.spec, "weight_bits", 0)
    return {
        "input": ", ".join(map(str, layer.input_formats)),
        "weights": "-" if weights is None else str(Format(bits, layer.weight_frac)),
        "output": str(layer.output_format),
    }


def _process(
    spec: LayerSpec, process: ProcessModel, channels: Mapping[str, Channel], roms: Mapping[str, RomPage]
) -> ProcessPage:
    # A stream may be used by several runs of a program; the kernel takes it once.
    reads = dict.fromkeys(port.stream for port in process.program.reads)
    writes = dict.fromkeys(port.stream for port in process.program.writes)
    return ProcessPage(
        name=process.name,
        function=_function(spec.name, process.name),
        kernel=process.kernel,
        configuration=f"swm::{process.view}<{spec.name}>" if process.view else spec.name,
        tokens=process.tokens(spec),
        arguments=process.arguments,
        roms=tuple(roms[name] for name in process.roms),
        reads=tuple(channels[name] for name in reads),
        writes=tuple(channels[name] for name in writes),
    )


def _function(layer: str, process: str) -> str:
    """The name of a process's function: distinct from the layer's configuration, and `x_width` stutters not."""
    return f"{layer}_process" if layer.endswith(f"_{process}") else f"{layer}_{process}"
