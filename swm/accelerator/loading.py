# SPDX-License-Identifier: Apache-2.0
"""Weights that are loaded at start: which layers take them from the port `weights`, and the bytes that a host sends.

The format is the one of hls/swm/load.h: layer by layer, bank by bank, address by address; a word of a memory is its
weights, lane 0 first, each in a container of 8, 16 or 32 bits, little end first, padded with zeros to whole beats.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.design import Design, PlacedLayer, Schedule
from swm.accelerator.resources import container_bits, load_bits
from swm.layers.program import LoadedMemory
from swm.layers.registry import kind

__all__ = ["LOAD_DEPTH", "Load", "loads", "weight_bytes"]

LOAD_DEPTH = 2
"""Beats that the stream from the port to a layer holds: it carries nothing once frames flow."""


@dataclass(frozen=True)
class Load:
    """How one memory is filled.

    Attributes:
        layer: name of the layer.
        memory: what is filled.
        port_bits: bits of a beat.
    """

    layer: str
    memory: LoadedMemory
    port_bits: int

    @property
    def container(self) -> int:
        """Bits that a weight takes on the wire."""
        return container_bits(self.memory.bits)

    @property
    def word_beats(self) -> int:
        """Beats of a word."""
        return -(-self.memory.lanes * self.container // self.port_bits)

    @property
    def beats(self) -> int:
        """Beats that fill the memory, and iterations of the loop that takes them."""
        return self.memory.banks * self.memory.depth * self.word_beats


def loads(schedule: Schedule) -> tuple[Load, ...]:
    """The memories in the order in which they are filled; empty where all weights lie in ROMs."""
    return tuple(_loads(schedule.layers, load_bits(schedule.board)))


def _loads(layers: Iterable[PlacedLayer], port_bits: int) -> Iterable[Load]:
    for placed in layers:
        memory = kind(placed.spec.kind).loaded(placed.built)
        if memory is not None:
            yield Load(placed.spec.name, memory, port_bits)


def weight_bytes(design: Design) -> NDArray[np.uint8]:
    """All beats of one load, (beats, bytes of a beat)."""
    fixed = {layer.spec.name: layer for layer in design.graph.layers}
    placed = {layer.spec.name: layer for layer in design.schedule.layers}
    parts = []
    for load in loads(design.schedule):
        layer, built = fixed[load.layer], placed[load.layer].built
        roms = kind(layer.spec.kind).roms(layer, built)
        values = next(rom.values for rom in roms if rom.name == load.memory.rom)
        words = values.reshape(-1, load.memory.lanes)
        lanes = load.word_beats * load.port_bits // load.container
        padded = np.pad(words, ((0, 0), (0, lanes - words.shape[1])))
        parts.append(padded.astype(f"<i{load.container // 8}").view(np.uint8).reshape(-1, load.port_bits // 8))
    return np.concatenate(parts)
