# SPDX-License-Identifier: Apache-2.0
"""What the templates of a SystemVerilog project see of a Design, and its ROMs as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.design import Design, Edge, PlacedLayer
from swm.emit.context import comment, host_places, turned_ends
from swm.layers import registry
from swm.layers.curves import Table
from swm.layers.rtl.base import Parameter, rom_file
from swm.layers.rtl.registry import rtl
from swm.layers.values import FixedLayer, Ints

__all__ = ["rom_files", "rtl_context", "rtl_instances"]


@dataclass(frozen=True)
class Wire:
    """A stream: the signals `<name>_valid`, `<name>_ready` and `<name>_data` of `width` bits."""

    name: str
    width: int
    depth: int


@dataclass(frozen=True)
class Instance:
    """One process: an instance with its parameters as text, and the streams at its ports, the lowest first."""

    name: str
    module: str
    parameters: tuple[tuple[str, str], ...]
    reads: tuple[Wire, ...]
    writes: tuple[Wire, ...]


@dataclass(frozen=True)
class LayerBlock:
    """One layer: a title, the node it came from (harmless text) and its processes."""

    name: str
    title: str
    instances: tuple[Instance, ...]


def rtl_context(design: Design) -> dict[str, Any]:
    """Everything that the templates of hls/rtl projects need."""
    graph, schedule = design.graph, design.schedule
    edges = {e.name: Wire(e.name, e.width, e.depth) for e in schedule.edges}
    fixed = {layer.spec.name: layer for layer in graph.layers}
    inner: list[Wire] = []
    layers = []
    for placed in schedule.layers:
        local = _streams(placed)
        inner += local.values()
        layers.append(_layer(placed, fixed.get(placed.spec.name), edges, local))
    return {
        "model": comment(graph.name),
        "board": comment(schedule.board.name),
        "part": schedule.board.part,
        "backend": design.backend,
        "bits": graph.bits,
        "verdict": schedule.verdict,
        "fits": schedule.fits,
        "clock_mhz": f"{schedule.clock_mhz:g}",
        "clock_ns": f"{1000.0 / schedule.clock_mhz:.3f}",
        "vendor": schedule.board.vendor,
        "interval": schedule.interval,
        "latency": schedule.latency,
        "host": host_places(graph),
        "turned": turned_ends(graph),
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "input": _axis(schedule.input, edges),
        "output": _axis(schedule.output, edges),
        "wires": [*edges.values(), *inner],
        "layers": layers,
    }


def rtl_instances(design: Design) -> dict[str, tuple[str, str]]:
    """Instances in the top → layer (empty: an edge) and process."""
    pairs = [(layer.spec.name, process.name) for layer in design.schedule.layers for process in layer.processes]
    inner = {f"u_{layer}_{process}": (layer, process) for layer, process in pairs}
    return {"u_input": ("", "input"), **inner, "u_output": ("", "output")}


def _axis(edge: Edge, edges: dict[str, Wire]) -> dict[str, Any]:
    container = next(width for width in (8, 16, 32) if edge.bits <= width)
    return {
        "wire": edges[edge.name],
        "n": edge.channels,
        "bits": edge.bits,
        "vec": edge.vec,
        "container": container,
        "width": edge.vec * container,
        "tokens": edge.positions,
        "token_beats": edge.beats,
        "period": edge.beats * edge.positions,
    }


def _streams(placed: PlacedLayer) -> dict[str, Wire]:
    depths = dict(placed.depths)
    streams = registry.kind(placed.spec.kind).streams(placed.built)
    return {s.name: Wire(f"{placed.spec.name}_{s.name}", s.width, depths.get(s.name, 2)) for s in streams}


def _layer(placed: PlacedLayer, layer: FixedLayer | None, edges: dict[str, Wire], local: dict[str, Wire]) -> LayerBlock:
    spec = placed.spec
    wires = {f"in{i}": edges[name] for i, name in enumerate(placed.inputs)}
    wires |= {f"out{i}": edges[name] for i, name in enumerate(placed.outputs)}
    wires |= local
    instances = []
    modules = rtl(spec.kind).modules(layer, placed.built)
    for process, module in zip(placed.processes, modules, strict=True):
        reads = tuple(wires[name] for name in dict.fromkeys(p.stream for p in process.program.reads))
        writes = tuple(wires[name] for name in dict.fromkeys(p.stream for p in process.program.writes))
        parameters = {name: _text(value) for name, value in module.parameters.items()}
        depths = tuple(wire.depth for wire in writes)
        parameters["DEPTH" if len(writes) == 1 else "DEPTHS"] = _text(depths[0] if len(writes) == 1 else depths)
        name = f"{spec.name}_{process.name}"
        instances.append(Instance(name, module.module, tuple(parameters.items()), reads, writes))
    what = f"{spec.kind}, {spec.n} to {spec.m} channels, {spec.activation}"
    return LayerBlock(spec.name, f"{comment(layer.node)}: {what}" if layer else what, tuple(instances))


def _text(value: Parameter) -> str:
    """A parameter as SystemVerilog: lists have their first entry in the lowest bits."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "{" + ", ".join(f"32'd{v}" if v >= 0 else f"-32'sd{-v}" for v in reversed(value)) + "}"
    return str(value)


def rom_files(design: Design) -> Iterator[tuple[str, str]]:
    """Name and text of every ROM file: a hexadecimal word a line, as $readmemh reads them."""
    fixed = {layer.spec.name: layer for layer in design.graph.layers}
    for placed in design.schedule.layers:
        layer = fixed.get(placed.spec.name)
        if layer is None:
            continue
        modules = rtl(placed.spec.kind).modules(layer, placed.built)
        read = {value for module in modules for value in module.parameters.values()}
        for rom in registry.kind(placed.spec.kind).roms(layer, placed.built):
            if (name := rom_file(placed.spec.name, rom.name)) not in read:
                continue  # a constant, where all windows of a mean count alike
            bits = rtl(placed.spec.kind).rom_bits(layer, placed.built, rom.name)
            yield name, _words(rom.values, bits, placed.built.out_vec)
        for table_name, table in rtl(placed.spec.kind).tables(layer).items():
            yield rom_file(placed.spec.name, table_name), _segments(table)


def _words(values: Ints, bits: int, vec: int) -> str:
    """Weights (banks, depth, lanes): all banks side by side; a bias (words,): `vec` a word."""
    words = values.reshape(-1, vec) if values.ndim == 1 else values.transpose(1, 0, 2).reshape(values.shape[1], -1)
    return _hexadecimal(_bits(words.reshape(-1), bits).reshape(len(words), -1))


def _segments(table: Table) -> str:
    """A start and the rise above it a word."""
    columns = [_bits(np.array(table.starts, np.int64), table.start_bits)]
    if table.rises:
        columns.append(_bits(np.array(table.rises, np.int64), table.rise_bits))
    return _hexadecimal(np.concatenate(columns, axis=1))


def _bits(values: Ints, bits: int) -> NDArray[np.uint8]:
    """(n,) integers → (n, bits), two's complement, the lowest bit first."""
    return ((values[:, None] >> np.arange(bits)) & 1).astype(np.uint8)


def _hexadecimal(words: NDArray[np.uint8]) -> str:
    """(n, bits), the lowest bit first → a line a word."""
    rows = np.packbits(words, axis=1, bitorder="little")[:, ::-1]
    digits = -(-words.shape[1] // 4)
    return "".join(f"{row.tobytes().hex()[-digits:]}\n" for row in rows)
