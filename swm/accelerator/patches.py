# SPDX-License-Identifier: Apache-2.0
"""Images that are laid out of patches by a Transpose: what transposed convolutions and pixel shuffles end in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from swm.accelerator.layout import Order, Permuted, order_of

__all__ = ["Patches", "patches_of"]


@dataclass(frozen=True)
class Patches:
    """An image (channels, rows * side, columns * wide) that passes patch by patch of side x wide pixels.

    Attributes:
        channels: of a pixel.
        grid: of patches, rows and columns.
        pixels: of a patch, rows (side) and columns (wide).
        channels_first: whether in a patch all pixels of one channel follow each other (DepthToSpace's mode CRD), else
            all channels of one pixel (DCR).
    """

    channels: int
    grid: tuple[int, int]
    pixels: tuple[int, int]
    channels_first: bool

    @property
    def order(self) -> Order:
        """How it passes."""
        (rows, columns), (side, wide) = self.grid, self.pixels
        passing = (1, 3, 0, 2, 4) if self.channels_first else (1, 3, 2, 4, 0)
        return order_of((self.channels, rows, side, columns, wide), passing)


def patches_of(order: Permuted, sizes: tuple[int, ...]) -> Patches | None:
    """The patches of an image (channels, rows, columns) that passes in an order; None if it passes as none."""
    channels, rows, columns = sizes
    for side, wide, first in product(_divisors(rows), _divisors(columns), (False, True)):
        found = Patches(channels, (rows // side, columns // wide), (side, wide), first)
        if found.order == order:
            return found
    return None


def _divisors(number: int) -> list[int]:
    return [n for n in range(1, number + 1) if number % n == 0]
