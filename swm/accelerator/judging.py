# SPDX-License-Identifier: Apache-2.0
"""What a choice of implementations takes of a device, summed from parts that are costed once each.

A search judges thousands of choices that share most of their layers. Nothing is placed here; the sum equals the
estimate of the same choice placed (`resources.estimate_parts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from swm.accelerator.backend import VITIS, Backend
from swm.accelerator.design import Edge, PlacedLayer
from swm.accelerator.fixed_graph import NetworkShape
from swm.accelerator.placement import links, reading
from swm.accelerator.resources import axi_cost, brings_streams, load_cost, overhead_cost, process_costs
from swm.device.board import Board
from swm.device.memories import fifo
from swm.device.primitives import Cost
from swm.layers.program import ProcessModel
from swm.layers.registry import kind
from swm.layers.values import Implementation

__all__ = ["Judge", "Option"]


@dataclass(frozen=True, eq=False)
class Option:
    """An implementation that some layers of one shape may take, and what it costs; made once, known by identity."""

    built: Implementation
    board: Board
    backend: Backend = VITIS

    @cached_property
    def processes(self) -> tuple[ProcessModel, ...]:
        """In the order of the data."""
        return kind(self.built.spec.kind).processes(self.built, self.board.dsp_ports)

    @cached_property
    def brings_stream(self) -> bool:
        """Whether the stream behind it is in its cost."""
        return brings_streams(self.processes[-1], self.built, self.backend)

    @cached_property
    def cost(self) -> Cost:
        """Its processes and the streams between them."""
        placed = PlacedLayer(self.built, self.processes, (), ())
        return Cost().plus(*process_costs(placed, None, self.backend, self.board.family).values())

    @cached_property
    def in_luts(self) -> Option | None:
        """The same with its weights in LUTs instead of block RAM; None where nothing can move."""
        moved = kind(self.built.spec.kind).spare_blocks(self.built)
        return None if moved is None else Option(moved, self.board, self.backend)

    @cached_property
    def in_uram(self) -> Option | None:
        """The same with its weights in UltraRAM; None where nothing can move."""
        moved = kind(self.built.spec.kind).move_to_uram(self.built)
        return None if moved is None else Option(moved, self.board, self.backend)

    @cached_property
    def loaded(self) -> bool:
        """Whether a memory of it is filled at start."""
        return kind(self.built.spec.kind).loaded(self.built) is not None


class Judge:
    """Adds up the layers of a network, the edges between them and what stands at the edge of the device."""

    def __init__(self, network: NetworkShape, board: Board, backend: Backend = VITIS) -> None:
        """Find who reads what."""
        self._network, self._board, self._ports, self._backend = network, board, board.dsp_ports, backend
        writers = {layer.output: place for place, layer in enumerate(network.layers)}
        tensors = [network.input, *writers]
        self._tensors = [(tensor, writers.get(tensor), reading(network, tensor)) for tensor in tensors]
        self._links: dict[tuple[str, int, tuple[int, ...], bool], Cost] = {}

    def cost(self, chosen: Sequence[Option], ends: tuple[int, int]) -> Cost:
        """Of all layers in order, with beats of `ends` words at the AXI edges."""
        parts = [option.cost for option in chosen]
        for tensor, writer, readers in self._tensors:
            vec = ends[0] if writer is None else chosen[writer].built.out_vec
            vecs = tuple([ends[1] if place < 0 else chosen[place].built.in_vec for place, _ in readers])
            # the stream behind the AXI input is a part of the shell
            has_stream = writer is None or chosen[writer].brings_stream
            key = (tensor, vec, vecs, has_stream)
            if key not in self._links:
                self._links[key] = self._link(tensor, vec, dict(zip(readers, vecs, strict=True)), has_stream)
            parts.append(self._links[key])
        memories = sum(option.loaded for option in chosen)
        if memories:
            parts.append(load_cost(self._board, memories))
        return Cost().plus(*parts, self._shell(ends))

    def _link(self, tensor: str, vec: int, vecs: dict[tuple[int, int], int], has_stream: bool) -> Cost:
        """What stands between a writer and its readers; its own stream, too, where it does not have it."""
        placed = links(self._network, tensor, vec, vecs, self._ports)
        edges = {edge.name: edge for edge in placed.edges}
        costs = [
            cost
            for la in placed.layers
            for cost in process_costs(la, edges, self._backend, self._board.family).values()
        ]
        written = {name for layer in placed.layers for name in layer.outputs}
        own = [] if has_stream else [fifo(e.depth, e.width) for e in placed.edges if e.name not in written]
        return Cost().plus(*costs, *own)

    def _shell(self, ends: tuple[int, int]) -> Cost:
        network = self._network
        first = next(layer for layer in network.layers if network.input in layer.inputs)
        last = next(layer for layer in network.layers if layer.output == network.output)
        shapes = (first.spec.inputs[first.inputs.index(network.input)], last.spec.output)
        edges = [Edge("", "", vec, s.bits, s.channels, s.positions) for s, vec in zip(shapes, ends, strict=True)]
        return axi_cost(edges[0], edges[1], self._backend, self._board.family).plus(overhead_cost(self._board))
