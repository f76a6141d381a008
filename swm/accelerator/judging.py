# SPDX-License-Identifier: Apache-2.0
"""What a choice of implementations takes of a device, summed from parts that are costed once each.

A search judges thousands of choices that share most of their layers. Nothing is placed here; the sum equals the
estimate of the same choice placed (`resources.estimate_parts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from swm.accelerator.design import Edge, PlacedLayer
from swm.accelerator.fixed_graph import NetworkShape
from swm.accelerator.placement import links, reading
from swm.accelerator.resources import axi_cost, load_cost, overhead_cost, process_costs
from swm.device.board import Board, DspPorts
from swm.device.memories import fifo
from swm.device.primitives import Cost
from swm.layers.registry import kind
from swm.layers.values import Implementation

__all__ = ["Judge", "Option"]


@dataclass(frozen=True, eq=False)
class Option:
    """An implementation that some layers of one shape may take, and what it costs; made once, known by identity."""

    built: Implementation
    ports: DspPorts

    @cached_property
    def cost(self) -> Cost:
        """Its processes and the streams between them."""
        processes = kind(self.built.spec.kind).processes(self.built, self.ports)
        return Cost().plus(*process_costs(PlacedLayer(self.built, processes, (), ()), None).values())

    @cached_property
    def in_luts(self) -> Option | None:
        """The same with its weights in LUTs instead of block RAM; None where nothing can move."""
        moved = kind(self.built.spec.kind).spare_blocks(self.built)
        return None if moved is None else Option(moved, self.ports)

    @cached_property
    def in_uram(self) -> Option | None:
        """The same with its weights in UltraRAM; None where nothing can move."""
        moved = kind(self.built.spec.kind).move_to_uram(self.built)
        return None if moved is None else Option(moved, self.ports)

    @cached_property
    def loaded(self) -> bool:
        """Whether a memory of it is filled at start."""
        return kind(self.built.spec.kind).loaded(self.built) is not None


class Judge:
    """Adds up the layers of a network, the edges between them and what stands at the edge of the device."""

    def __init__(self, network: NetworkShape, board: Board) -> None:
        """Find who reads what."""
        self._network, self._board, self._ports = network, board, board.dsp_ports
        writers = {layer.output: place for place, layer in enumerate(network.layers)}
        tensors = [network.input, *writers]
        self._tensors = [(tensor, writers.get(tensor), reading(network, tensor)) for tensor in tensors]
        self._links: dict[tuple[str, int, tuple[int, ...]], Cost] = {}

    def cost(self, chosen: Sequence[Option], ends: tuple[int, int]) -> Cost:
        """Of all layers in order, with beats of `ends` words at the AXI edges."""
        parts = [option.cost for option in chosen]
        for tensor, writer, readers in self._tensors:
            vec = ends[0] if writer is None else chosen[writer].built.out_vec
            vecs = tuple([ends[1] if place < 0 else chosen[place].built.in_vec for place, _ in readers])
            key = (tensor, vec, vecs)
            if key not in self._links:
                self._links[key] = self._link(tensor, vec, dict(zip(readers, vecs, strict=True)))
            parts.append(self._links[key])
        memories = sum(option.loaded for option in chosen)
        if memories:
            parts.append(load_cost(self._board, memories))
        return Cost().plus(*parts, self._shell(ends))

    def _link(self, tensor: str, vec: int, vecs: dict[tuple[int, int], int]) -> Cost:
        placed = links(self._network, tensor, vec, vecs, self._ports)
        processes = (process.cost for layer in placed.layers for process in layer.processes)
        # the stream behind the AXI input is a part of the shell
        written = placed.edges[1:] if tensor == self._network.input else placed.edges
        return Cost().plus(*processes, *(fifo(edge.depth, edge.width) for edge in written))

    def _shell(self, ends: tuple[int, int]) -> Cost:
        network = self._network
        first = next(layer for layer in network.layers if network.input in layer.inputs)
        last = next(layer for layer in network.layers if layer.output == network.output)
        shapes = (first.spec.inputs[first.inputs.index(network.input)], last.spec.output)
        edges = [Edge("", "", vec, s.bits, s.channels, s.positions) for s, vec in zip(shapes, ends, strict=True)]
        return axi_cost(edges[0], edges[1]).plus(overhead_cost(self._board))
