# SPDX-License-Identifier: Apache-2.0
"""Layers put in their places: forks where a tensor has several readers, width converters where beats differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd

from swm.accelerator.design import Edge, PlacedLayer
from swm.accelerator.fixed_graph import NetworkShape
from swm.device.board import DspPorts
from swm.layers.base import Implementation, TensorShape
from swm.layers.fork import ForkSpec
from swm.layers.registry import kind
from swm.layers.width import WidthSpec

__all__ = ["Placement", "place"]


@dataclass(frozen=True)
class Placement:
    """Placed layers in execution order, and the edges that join them; the first comes in, the last goes out."""

    layers: tuple[PlacedLayer, ...]
    edges: tuple[Edge, ...]


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
        first = next(layer for layer in network.layers if network.input in layer.inputs)
        shape = first.spec.inputs[first.inputs.index(network.input)]
        self._deliver(network.input, "x", shape, self._ends[0])
        for index, (layer, built) in enumerate(zip(network.layers, self._chosen, strict=True)):
            processes = kind(layer.spec.kind).processes(built, self._ports)
            inputs = tuple(self._inputs[index, port] for port in range(len(layer.inputs)))
            place = len(self._layers)
            self._layers.append(PlacedLayer(built, processes, inputs, ()))
            name = self._deliver(layer.output, f"{layer.spec.name}_y", layer.spec.output, built.out_vec)
            self._layers[place] = replace(self._layers[place], outputs=(name,))
        output = self._inputs[-1, 0]
        edges = sorted(self._edges, key=lambda e: e.name == output)  # stable: the output comes last
        return Placement(tuple(self._layers), tuple(edges))

    def _deliver(self, tensor: str, name: str, shape: TensorShape, vec: int) -> str:
        """Bring a tensor from its writer to all readers; gives the name of the edge that the writer writes."""
        readers = self._readers(tensor)
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
        travel in beats that divide both, so that no padding is left when they are grouped anew.
        """
        if reader.shape.channels != shape.channels:
            common = gcd(shape.channels, reader.shape.channels)
            even = common & -common  # the largest power of two that divides both
            if shape.channels % edge.vec or reader.shape.channels % edge.vec:
                edge = self._converted(edge, shape, even)
            edge = replace(edge, channels=reader.shape.channels, positions=reader.shape.positions)
        if reader.vec != edge.vec:
            edge = self._converted(edge, reader.shape, reader.vec)
        self._inputs[reader.layer, reader.port] = edge.name

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
        for index, (layer, built) in enumerate(zip(self._network.layers, self._chosen, strict=True)):
            found += [
                _Reader(index, port, built.in_vec, layer.spec.inputs[port])
                for port, name in enumerate(layer.inputs)
                if name == tensor
            ]
        if tensor == self._network.output:
            last = next(layer for layer in self._network.layers if layer.output == tensor)
            found.append(_Reader(-1, 0, self._ends[1], last.spec.output))
        return found
