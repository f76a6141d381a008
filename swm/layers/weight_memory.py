# SPDX-License-Identifier: Apache-2.0
"""Kinds whose weights lie in a memory that may be block RAM, LUTs or UltraRAM."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from swm.device.memories import Storage
from swm.layers.base import LayerKind
from swm.layers.program import LoadedMemory
from swm.layers.values import Implementation

__all__ = ["WeightMemory", "stored_in"]


def stored_in(built: Any, storage: Storage) -> Implementation | None:
    """The same layer with its weights moved out of block RAM; None where they do not lie there.

    Args:
        built: an implementation with a field `storage`.
        storage: where to.
    """
    moved: Implementation | None = replace(built, storage=storage) if built.storage == "bram" else None
    return moved


class WeightMemory(LayerKind):
    """A kind with one memory of weights, that of its `product`; what it is built as has a field `storage`."""

    def product(self, built: Any) -> Any:
        """What multiplies by the weights: it has the banks, depth and lanes of the memory."""
        return built

    def spare_blocks(self, built: Implementation) -> Implementation | None:
        """Weights in LUTs."""
        return stored_in(built, "lutram")

    def move_to_uram(self, built: Implementation) -> Implementation | None:
        """Weights in UltraRAM."""
        return stored_in(built, "uram")

    def loaded(self, built: Any) -> LoadedMemory | None:
        """The weights, in UltraRAM."""
        if built.storage != "uram":
            return None
        product = self.product(built)
        return LoadedMemory("weights", product.rom_banks, product.rom_depth, product.rom_lanes, built.spec.weight_bits)
