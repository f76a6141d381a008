# SPDX-License-Identifier: Apache-2.0
"""What every engine of block-circulant products answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError

__all__ = ["MOST_BLOCK", "Floats", "MatmulEngine", "Prepared", "check_shape", "expand", "result_array"]

Floats = NDArray[np.float32]

MOST_BLOCK = 4096  # what the kernels can do; `swm.structure` allows up to 256, which is what hardware is built for


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
    def prepare(self, columns: Floats, shape: tuple[int, int] | None = None, *, threads: int = 1) -> Prepared:
        """Make a matrix ready.

        Args:
            columns: (p, q, k) first columns of the blocks, k a power of two from 2 to 4096.
            shape: (m, n) with (p-1) k < m <= p k and (q-1) k < n <= q k; None means (p k, q k).
            threads: how many to use.

        Raises:
            OptionError: shapes that do not fit.
            ToolError: the engine cannot run here.
        """


def check_shape(columns: NDArray[np.floating], shape: tuple[int, int] | None, threads: int = 1) -> tuple[int, int]:
    """(m, n) of a block-circulant matrix.

    Raises:
        OptionError: columns are no (p, q, k) with k a power of two from 2 to 4096, (m, n) does not fit, or threads < 1.
    """
    if columns.ndim != 3 or not columns.size:
        raise OptionError(f"columns must have shape (p, q, k), got {columns.shape}")
    p, q, k = columns.shape
    if not 2 <= k <= MOST_BLOCK or k & (k - 1):
        raise OptionError(f"block size {k} is impossible: choose a power of two from 2 to {MOST_BLOCK}")
    if threads < 1:
        raise OptionError(f"{threads} threads are impossible: use 1 or more")
    m, n = shape or (p * k, q * k)
    if not ((p - 1) * k < m <= p * k and (q - 1) * k < n <= q * k):
        raise OptionError(f"a matrix of shape {(m, n)} is not made of {p} x {q} blocks of {k}")
    return int(m), int(n)


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


def expand(columns: NDArray[np.floating], m: int, n: int) -> NDArray[np.floating]:
    """The matrix written out, (m, n), in the precision of `columns`."""
    p, q, k = columns.shape
    rows, cols = np.indices((k, k))
    blocks = columns[:, :, (rows - cols) % k]
    return np.ascontiguousarray(blocks.transpose(0, 2, 1, 3).reshape(p * k, q * k)[:m, :n])
