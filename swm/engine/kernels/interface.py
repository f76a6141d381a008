# SPDX-License-Identifier: Apache-2.0
"""What every engine of block-circulant products answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.structure import BlockCirculant

__all__ = ["Floats", "MatmulEngine", "Prepared", "check_threads", "result_array"]

Floats = NDArray[np.float32]


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


def check_threads(threads: int) -> int:
    """The number itself.

    Raises:
        OptionError: it is below 1.
    """
    if threads < 1:
        raise OptionError(f"{threads} threads are impossible: use 1 or more")
    return threads


def result_array(x: Floats, m: int, n: int, out: Floats | None) -> tuple[Floats, Floats]:
    """(x in C order, where to write).

    Raises:
        OptionError: x is not (batch, n), or out does not fit.
    """
    if x.ndim != 2 or x.shape[1] != n:
        raise OptionError(f"this product needs (batch, {n}), got an array of shape {x.shape}")
    if x.dtype != np.float32 or not x.flags.c_contiguous:
        x = np.ascontiguousarray(x, np.float32)
    if out is None:
        return x, np.empty((len(x), m), np.float32)
    if out.shape != (len(x), m) or out.dtype != np.float32 or not out.flags.carray:
        raise OptionError(f"out must be a writable float32 array ({len(x)}, {m}) in C order")
    return x, out
