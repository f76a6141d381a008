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
from swm.accelerator.placement import Flow, ends_of, links, reading
from swm.accelerator.resources import axi_cost, brings_streams, load_cost, overhead_cost, process_costs
from swm.device.board import Board
from swm.device.memories import fifo
from swm.device.primitives import Cost
from swm.layers.program import ProcessModel
from swm.layers.registry import kind
from swm.layers.values import Implementation, TensorShape

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
        self._links: dict[tuple[str, Flow, tuple[Flow, ...], bool], Cost] = {}

    def cost(self, chosen: Sequence[Option], ends: tuple[int, int]) -> Cost:
        """Of all layers in order, with beats of `ends` words at the AXI edges."""
        parts = [option.cost for option in chosen]
        shapes = ends_of(self._network, [option.built for option in chosen])
        for tensor, writer, readers in self._tensors:
            written = Flow(ends[0], shapes[0])
            if writer is not None:
                built = chosen[writer].built
                written = Flow(built.out_vec, built.spec.output)
            read = tuple([Flow(ends[1], shapes[1]) if i < 0 else _read(chosen[i].built, port) for i, port in readers])
            # the stream behind the AXI input is a part of the shell
            has_stream = writer is None or chosen[writer].brings_stream
            key = (tensor, written, read, has_stream)
            if key not in self._links:
                self._links[key] = self._link(tensor, written, dict(zip(readers, read, strict=True)), has_stream)
            parts.append(self._links[key])
        memories = sum(option.loaded for option in chosen)
        if memories:
            parts.append(load_cost(self._board, memories))
        return Cost().plus(*parts, self._shell(shapes, ends))

    def _link(self, tensor: str, written: Flow, read: dict[tuple[int, int], Flow], has_stream: bool) -> Cost:
        """What stands between a writer and its readers; its own stream, too, where it does not have it."""
        placed = links(self._network, tensor, written, read, self._ports)
        edges = {edge.name: edge for edge in placed.edges}
        costs = [
            cost
            for la in placed.layers
            for cost in process_costs(la, edges, self._backend, self._board.family).values()
        ]
        inner = {name for layer in placed.layers for name in layer.outputs}
        own = [] if has_stream else [fifo(e.depth, e.width) for e in placed.edges if e.name not in inner]
        return Cost().plus(*costs, *own)

    def _shell(self, shapes: tuple[TensorShape, TensorShape], ends: tuple[int, int]) -> Cost:
        edges = [Edge("", "", vec, s.bits, s.channels, s.positions) for s, vec in zip(shapes, ends, strict=True)]
        return axi_cost(edges[0], edges[1], self._backend, self._board.family).plus(overhead_cost(self._board))


def _read(built: Implementation, port: int) -> Flow:
    return Flow(built.reads(port), built.spec.inputs[port])
