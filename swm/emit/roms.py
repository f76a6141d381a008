# SPDX-License-Identifier: Apache-2.0
"""ROMs as a project has them: small ones as text in a header, large ones in files (hls/swm/rom.h)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from swm.layers.program import Rom
from swm.layers.values import Ints

__all__ = ["TEXT_WORDS", "RomPage", "lines", "rom_page"]

VALUES_A_LINE = 16
TEXT_WORDS = 4096  # of a ROM that stands in its header; a compiler takes 3 to 4 KB of memory for each


@dataclass(frozen=True, eq=False)
class RomPage:
    """A ROM: its numbers stand as text in the header, or, of a large one, in files beside it.

    Attributes:
        name: of the variable.
        element: C++ type of a word, in the traits of its layer.
        shape: of the array.
        initializer: its numbers as text; empty for a memory that is loaded at start.
        storage: what it is made of; "uram": loaded at start.
        image: the numbers of a large one as C simulation reads them (hls/swm/rom.h); None for a small one.
    """

    name: str
    element: str
    shape: tuple[int, ...]
    initializer: str
    storage: str
    image: Ints | None = None

    @property
    def file(self) -> str:
        """The file that C simulation reads, in tb; empty where the numbers stand in the header."""
        return "" if self.image is None else f"{self.name}.bin"

    @property
    def words(self) -> int:
        """How many it has."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of a word in the file."""
        return 0 if self.image is None else self.image.dtype.itemsize

    @property
    def loaded(self) -> bool:
        """Whether it is filled at start."""
        return self.storage == "uram"


def rom_page(layer: str, rom: Rom) -> RomPage:
    """A ROM of the layer of a name."""
    name, values = f"{layer}_{rom.name}", rom.values
    if rom.storage == "uram":
        return RomPage(name, rom.element, values.shape, "", rom.storage)
    text = lines(values) if values.ndim == 1 else "\n".join(_nested(values))
    image = values.astype(_container(values)) if values.size > TEXT_WORDS else None
    return RomPage(name, rom.element, values.shape, text, rom.storage, image)


def _container(values: Ints) -> str:
    """The smallest type of whole bytes, little end first, that holds all of these."""
    low, high = int(values.min()), int(values.max())
    return next(f"<i{size}" for size in (1, 2, 4, 8) if -(1 << (8 * size - 1)) <= low and high < 1 << (8 * size - 1))


def _nested(values: Ints) -> Iterator[str]:
    """Braced rows, one for each word of a ROM, the banks in braces around them."""
    for index, bank in enumerate(values.tolist()):
        rows = ",\n".join("{" + ",".join(map(str, row)) + "}" for row in bank)
        yield "{" + rows + "}" + ("," if index < len(values) - 1 else "")


def lines(values: Ints) -> str:
    """Integers as the text of an initializer."""
    texts = [str(value) for value in values.tolist()]
    chunks = (texts[i : i + VALUES_A_LINE] for i in range(0, len(texts), VALUES_A_LINE))
    return ",\n".join(", ".join(chunk) for chunk in chunks)
