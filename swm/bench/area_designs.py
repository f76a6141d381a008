# SPDX-License-Identifier: Apache-2.0
"""Designs of `swm bench area`: layers as they are built, with random parameters, placed for a board of a family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from swm.accelerator.backend import RTL
from swm.accelerator.design import Design, Schedule
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.placement import place
from swm.accelerator.simulation import simulated
from swm.device import Board, load_board
from swm.layers.registry import kind
from swm.layers.values import FixedLayer, FloatLayer, Format, Implementation

__all__ = [
    "BITS",
    "BOARDS",
    "CYCLONE",
    "FEWER_BITS",
    "FITTED",
    "HELD_OUT",
    "SEEN",
    "Case",
    "Chain",
    "bound",
    "graph_of",
    "placed",
]

BITS, HELD_OUT = (8, 12, 16), 12
CYCLONE = "cyclonev"
BOARDS = {"xc7": "pynq-z2", "xcup": "zcu104", "ecp5": "ulx3s", "gowin": "tangnano20k", CYCLONE: "cyclonev-5cea9"}
SEEN: dict[str, tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]] = {
    "xc7": (("xc7", BITS, (0, 1)), ("xcup", (HELD_OUT,), (1,))),
    "ecp5": (("ecp5", (8, HELD_OUT), (0, 1)),),
    "gowin": (("gowin", (8, HELD_OUT), (0, 1)),),
    CYCLONE: ((CYCLONE, BITS, (0, 1)),),
}
"""By family that prices are fitted for: families that are mapped, each with bits and ways of building."""
FITTED = tuple(SEEN)
FEWER_BITS = (8, HELD_OUT)
"""Of layers over images on Cyclone V."""
_SAMPLES = 8  # frames that number formats are chosen by


@dataclass(frozen=True)
class Case:
    """A small design to be mapped.

    Attributes:
        name: as a row shows it.
        family: of devices, as `swm synth --family` takes it.
        bits: of data and weights.
        block: block size of a product; 1: dense; 0: no product.
        make: the design.
    """

    name: str
    family: str
    bits: int
    block: int
    make: Callable[[], Design]


def bound(make: Callable[..., Design], *arguments: Any) -> Callable[[], Design]:
    """A design that is made when it is asked for."""
    return lambda: make(*arguments)


def graph_of(bits: int, *layers: FixedLayer) -> FixedGraph:
    """Layers that follow each other."""
    last = layers[-1].output
    return FixedGraph("area", layers, None, None, bits, "x", last, last, {})


def placed(graph: FixedGraph, built: tuple[Implementation, ...], vec: int, board: Board) -> Design:
    """A design of layers as they are built, with `vec` words a beat at its ends."""
    found = simulated(place(graph.shape, built, (vec, vec), board.dsp_ports), 100.0, RTL)
    placement = found.placement
    schedule = Schedule(board, 100.0, RTL, placement.layers, placement.edges, found.interval, found.latency)
    return Design(graph, schedule)


class Chain:
    """Layers one behind the other, quantized on random values; each is built as it is told."""

    def __init__(self, bits: int, channels: int, grid: tuple[int, ...]) -> None:
        """Values of `bits` bits, `channels` at every position of a grid."""
        self.bits, self.channels, self.grid = bits, channels, grid
        self._layers: list[FixedLayer] = []
        self._built: list[Implementation] = []
        self._rng = np.random.default_rng(0)
        self._format = Format(bits, bits - 3)

    def numbers(self, *sizes: int) -> Any:
        """Float32 numbers around 0, smaller the more of them meet in a sum."""
        return (self._rng.normal(size=sizes) / np.sqrt(sizes[-1])).astype(np.float32)

    def add(
        self,
        name: str,
        m: int,
        grid: tuple[int, ...],
        lanes: dict[str, Any],
        made: type[FloatLayer] = FloatLayer,
        exact: bool = False,
        **fields: Any,
    ) -> None:
        """Put a layer of a kind behind those there are.

        Args:
            name: of the kind.
            m: channels that it writes.
            grid: positions that it writes.
            lanes: changes of its minimal parallelism.
            made: type of the float layer.
            exact: whether a Softmax divides.
            fields: more of it.
        """
        index, count = len(self._layers), prod(grid)
        shape = (self.channels, prod(self.grid))
        tensors = {"inputs": ("x" if index == 0 else f"t{index - 1}",), "output": f"t{index}"}
        shapes = {"shapes": (shape,), "m": m, "positions": count, "grid": grid}
        layer = made(**{"kind": name, "name": f"l{index}", "node": name, **tensors, **shapes, **fields})
        one = kind(name)
        spec = one.spec(layer, self.bits)
        spec = one.divided_exactly(spec) if exact else spec
        values = self._rng.normal(size=(_SAMPLES * shape[1], shape[0]))
        wanted = self._rng.normal(size=(_SAMPLES * count, m))
        fixed = one.quantize(spec, layer, (values,), wanted, (self._format,))
        self._layers.append(fixed)
        self._built.append(replace(one.minimal(spec), **lanes))
        self._format, self.channels, self.grid = fixed.output_format, m, grid

    def design(self, family: str) -> Design:
        """All of them, for the board of a family."""
        assert all(getattr(built, "valid", True) for built in self._built)
        graph = graph_of(self.bits, *self._layers)
        vec = max(self._built[0].in_vec, self._built[-1].out_vec)
        return placed(graph, tuple(self._built), vec, load_board(BOARDS[family]))
