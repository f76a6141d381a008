# SPDX-License-Identifier: Apache-2.0
"""What every weight structure answers, and the dense matrix as the first of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError

__all__ = ["Dense", "Operations", "WeightStructure"]


@dataclass(frozen=True)
class Operations:
    """Real multiplications and additions of one matrix-vector product, counted from the algorithm's loops."""

    multiplications: int
    additions: int

    def __add__(self, other: Operations) -> Operations:
        """Sum, part by part."""
        return Operations(self.multiplications + other.multiplications, self.additions + other.additions)


class WeightStructure(ABC):
    """A constant m x n matrix in some stored form."""

    shape: tuple[int, int]

    @abstractmethod
    def to_dense(self) -> NDArray[np.float32]:
        """The matrix written out, shape (m, n)."""

    @abstractmethod
    def matmul(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """`x W^T`: (..., n) → (..., m), float32 in float32 out, float64 in float64 out."""

    @property
    @abstractmethod
    def words(self) -> int:
        """Real numbers stored, padding included."""

    @property
    @abstractmethod
    def operations(self) -> Operations:
        """Cost of one product with a vector."""

    def bits(self, word_bits: int) -> int:
        """Storage in bits at `word_bits` bits a stored number."""
        return self.words * word_bits


@dataclass(frozen=True, eq=False)
class Dense(WeightStructure):
    """A plain matrix of shape (m, n), float32."""

    matrix: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Raise OptionError unless the array is a matrix."""
        if self.matrix.ndim != 2:
            raise OptionError(f"a dense weight needs a matrix, got an array of shape {self.matrix.shape}")

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        """(m, n): outputs, inputs."""
        m, n = self.matrix.shape
        return m, n

    def to_dense(self) -> NDArray[np.float32]:
        """The matrix itself."""
        return self.matrix

    def matmul(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """`x W^T`: (..., n) → (..., m)."""
        out: NDArray[np.floating] = x @ self.matrix.T.astype(x.dtype, copy=False)
        return out

    @property
    def words(self) -> int:
        """Entries of the matrix, m * n."""
        return int(self.matrix.size)

    @property
    def operations(self) -> Operations:
        """m*n multiplications, m*(n-1) additions."""
        m, n = self.shape
        return Operations(m * n, m * (n - 1))
