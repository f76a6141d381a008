# SPDX-License-Identifier: Apache-2.0
"""Layers put in their places: forks where a tensor has several readers, width converters where beats differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd

from swm.accelerator.design import Edge, PlacedLayer
from swm.accelerator.fixed_graph import NetworkShape
from swm.device.board import DspPorts
from swm.layers.beside import beat_of
from swm.layers.fork import ForkSpec
from swm.layers.registry import kind
from swm.layers.regroup import RegroupBuilt, RegroupSpec
from swm.layers.values import Implementation, TensorShape
from swm.layers.width import WidthSpec

__all__ = ["Flow", "Placement", "ends_of", "links", "place", "reading"]


@dataclass(frozen=True)
class Placement:
    """Placed layers in execution order, and the edges that join them; the first comes in, the last goes out."""

    layers: tuple[PlacedLayer, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class Flow:
    """How a layer writes or reads a tensor: words a beat, and its tokens."""

    vec: int
    shape: TensorShape


@dataclass(frozen=True)
class _Reader:
    """Who reads a tensor: a layer's input, or the AXI output (`layer` -1)."""

    layer: int
    port: int
    vec: int
    shape: TensorShape


def place(network: NetworkShape, chosen: Sequence[Implementation], ends: tuple[int, int], ports: DspPorts) -> Placement:
    """Join implementations by edges.

    Args:
        network: layers and tensors.
        chosen: how each layer is built, in the same order.
        ends: words a beat of the AXI input and output.
        ports: port widths of the device's DSP, for the processes' costs.
    """
    return _Placer(network, chosen, ends, ports).run()


def links(
    network: NetworkShape, tensor: str, written: Flow, read: Mapping[tuple[int, int], Flow], ports: DspPorts
) -> Placement:
    """The edges of one tensor, and the forks and converters on them.

    Args:
        network: layers and tensors.
        tensor: which.
        written: how it is written.
        read: how its readers take it, by the places that `reading` gives.
        ports: port widths of the device's DSP.
    """
    placer = _Placer(network, (), (written.vec, written.vec), ports)
    readers = [_Reader(*place, flow.vec, flow.shape) for place, flow in read.items()]
    placer.deliver(tensor, tensor, written.shape, written.vec, readers)
    return placer.placement()


def ends_of(network: NetworkShape, chosen: Sequence[Implementation]) -> tuple[TensorShape, TensorShape]:
    """The tokens in which the first layer reads the network's input, and the last one writes its output."""
    layers = list(zip(network.layers, chosen, strict=True))
    first, reads = next((layer, built) for layer, built in layers if network.input in layer.inputs)
    last = next(built for layer, built in layers if layer.output == network.output)
    return reads.spec.inputs[first.inputs.index(network.input)], last.spec.output


def reading(network: NetworkShape, tensor: str) -> list[tuple[int, int]]:
    """Who reads a tensor, as (layer, input of the layer); (-1, 0) is the AXI output."""
    found = [(i, port) for i, la in enumerate(network.layers) for port, name in enumerate(la.inputs) if name == tensor]
    return [*found, (-1, 0)] if tensor == network.output else found


def _tokens(network: NetworkShape, tensor: str) -> TensorShape:
    """Of one position: as its writer has them, those of the input as its first reader has them."""
    written = next((layer.spec.output for layer in network.layers if layer.output == tensor), None)
    if written is not None:
        return written
    first = next(layer for layer in network.layers if tensor in layer.inputs)
    return first.spec.inputs[first.inputs.index(tensor)]


class _Placer:
    def __init__(
        self, network: NetworkShape, chosen: Sequence[Implementation], ends: tuple[int, int], ports: DspPorts
    ) -> None:
        self._network, self._chosen, self._ends, self._ports = network, chosen, ends, ports
        self._layers: list[PlacedLayer] = []
        self._edges: list[Edge] = []
        self._inputs: dict[tuple[int, int], str] = {}

    def run(self) -> Placement:
        network = self._network
        shape, _ = ends_of(network, self._chosen)
        self.deliver(network.input, "x", shape, self._ends[0], self._readers(network.input))
        for index, (layer, built) in enumerate(zip(network.layers, self._chosen, strict=True)):
            processes = kind(layer.spec.kind).processes(built, self._ports)
            inputs = tuple(self._inputs[index, port] for port in range(len(layer.inputs)))
            place = len(self._layers)
            self._layers.append(PlacedLayer(built, processes, inputs, ()))
            readers = self._readers(layer.output)
            name = self.deliver(layer.output, f"{layer.spec.name}_y", built.spec.output, built.out_vec, readers)
            self._layers[place] = replace(self._layers[place], outputs=(name,))
        return self.placement()

    def placement(self) -> Placement:
        """What has been placed."""
        output = self._inputs.get((-1, 0))
        edges = sorted(self._edges, key=lambda e: e.name == output)  # stable: the output comes last
        return Placement(tuple(self._layers), tuple(edges))

    def deliver(self, tensor: str, name: str, shape: TensorShape, vec: int, readers: list[_Reader]) -> str:
        """Bring a tensor from its writer to all readers; gives the name of the edge that the writer writes."""
        edge = self._edge(name, tensor, shape, vec)
        if len(readers) == 1:
            self._adapt(readers[0], edge, shape)
            return edge.name
        copies = [self._edge(f"{name}{i}", tensor, shape, vec) for i in range(len(readers))]
        spec = ForkSpec(f"{name}_fork", (shape,), shape, copies=len(readers))
        self._add(Implementation(spec, vec, vec), (edge.name,), tuple(c.name for c in copies))
        for reader, copy in zip(readers, copies, strict=True):
            self._adapt(reader, copy, shape)
        return edge.name

    def _adapt(self, reader: _Reader, edge: Edge, shape: TensorShape) -> None:
        """Bring an edge to its reader's beats.

        A reshape between writer and reader costs nothing where beats end with the tokens of both; else the values
        travel in beats that divide both, so that no padding is left when they are grouped anew. Where positions lie
        side by side that would take longer than either neighbour: their tokens are split and joined whole.
        """
        if reader.shape.channels != shape.channels and self._same_tokens(edge.tensor, reader, shape):
            edge, shape = self._regrouped(edge, shape, reader.shape, reader.vec)
        if reader.shape.channels != shape.channels:
            common = gcd(shape.channels, reader.shape.channels)
            even = common & -common  # the largest power of two that divides both
            if shape.channels % edge.vec or reader.shape.channels % edge.vec:
                edge = self._converted(edge, shape, even)
            edge = replace(edge, channels=reader.shape.channels, positions=reader.shape.positions)
        if reader.vec != edge.vec:
            edge = self._converted(edge, reader.shape, reader.vec)
        self._inputs[reader.layer, reader.port] = edge.name

    def _same_tokens(self, tensor: str, reader: _Reader, shape: TensorShape) -> bool:
        """Whether a tensor is written and read in the same tokens but for positions that lie side by side in one."""
        plain = _tokens(self._network, tensor)
        read = plain if reader.layer < 0 else self._network.layers[reader.layer].spec.inputs[reader.port]
        return plain.channels == read.channels and (shape != plain or reader.shape != read)

    def _regrouped(self, edge: Edge, shape: TensorShape, wanted: TensorShape, vec: int) -> tuple[Edge, TensorShape]:
        """An edge in tokens of other sizes, which hold whole positions; and the tokens in which it passes then."""
        sizes = shape.channels, wanted.channels
        if all(size % edge.vec == 0 for size in sizes):
            return edge, shape
        if all(size % vec == 0 for size in sizes):
            return self._converted(edge, shape, vec), shape
        if max(sizes) % min(sizes):  # split into what divides both, then joined
            common = gcd(*sizes)
            parts = replace(shape, channels=common, positions=shape.positions * shape.channels // common)
            return self._regrouped(*self._regrouped(edge, shape, parts, beat_of(common)), wanted, vec)
        if edge.vec < shape.channels:
            edge = self._converted(edge, shape, beat_of(shape.channels))
        after = self._edge(f"{edge.name}_n{wanted.channels}", edge.tensor, wanted, max(vec, beat_of(wanted.channels)))
        spec = RegroupSpec(f"{edge.name}_regroup", (shape,), wanted)
        self._add(RegroupBuilt(spec, edge.vec, after.vec), (edge.name,), (after.name,))
        return after, wanted

    def _converted(self, edge: Edge, shape: TensorShape, vec: int) -> Edge:
        after = self._edge(f"{edge.name}_v{vec}", edge.tensor, shape, vec)
        spec = WidthSpec(f"{edge.name}_width", (shape,), shape)
        self._add(Implementation(spec, edge.vec, vec), (edge.name,), (after.name,))
        return after

    def _add(self, built: Implementation, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        processes = kind(built.spec.kind).processes(built, self._ports)
        self._layers.append(PlacedLayer(built, processes, inputs, outputs))

    def _edge(self, name: str, tensor: str, shape: TensorShape, vec: int) -> Edge:
        edge = Edge(name, tensor, vec, shape.bits, shape.channels, shape.positions)
        self._edges.append(edge)
        return edge

    def _readers(self, tensor: str) -> list[_Reader]:
        found = []
        for layer, port in reading(self._network, tensor):
            if layer < 0:
                found.append(_Reader(layer, port, self._ends[1], ends_of(self._network, self._chosen)[1]))
            else:
                built = self._chosen[layer]
                found.append(_Reader(layer, port, built.reads(port), built.spec.inputs[port]))
        return found
