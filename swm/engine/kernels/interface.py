# SPDX-License-Identifier: Apache-2.0
"""What every engine of block-circulant products answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

from swm.kernels import Floats
from swm.structure import BlockCirculant

__all__ = ["MatmulEngine", "Prepared"]


class Prepared(Protocol):
    """A matrix made ready for repeated products; may be called from several threads at once."""

    def __call__(self, x: Floats, out: Floats | None = None) -> Floats:
        """`x W^T`: (batch, n) float32 → (batch, m) float32, into `out` if it is given (C order).

        Raises:
            OptionError: x is not (batch, n), or out is not a writable (batch, m) of float32 in C order.
        """


class MatmulEngine(ABC):
    """One way to multiply by block-circulant matrices."""

    name: ClassVar[str]

    def missing(self) -> str | None:
        """Why the engine cannot run here, or None if it can."""
        return None

    @abstractmethod
    def prepare(self, matrix: BlockCirculant, *, threads: int = 1) -> Prepared:
        """Make a matrix ready.

        Args:
            matrix: of any size and block.
            threads: how many to use.

        Raises:
            OptionError: fewer than one thread.
            ToolError: the engine cannot run here.
        """
