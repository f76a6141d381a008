# SPDX-License-Identifier: Apache-2.0
"""Permuted-diagonal blocks (PermDNN): each k x k block holds one wrapped diagonal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.structure.base import FunctionBody, Operations, Rows, WrittenOut, register
from swm.structure.coarse_grain import cut, small
from swm.structure.moments import moments
from swm.structure.packing import index_bits

__all__ = ["PermutedDiagonal"]

MOST = 32  # a table of all diagonals stands in ONNX files


@register
@dataclass(frozen=True, eq=False)
class PermutedDiagonal(WrittenOut):
    """An m x n matrix of k x k blocks; entry (r, (r + shift) mod k) of a block is its r-th value, all others are 0.

    Deng et al., PermDNN, MICRO 2018.

    Attributes:
        values: (p, q, k) float32.
        shifts: (p, q) integers, 0 to k - 1.
        shape: (m, n).

    Raises:
        OptionError: arrays of other shapes, or shifts beyond the block.
    """

    label: ClassVar[str] = "permuted-diagonal"
    function: ClassVar[str] = "PermutedDiagonal"
    codes: ClassVar[frozenset[str]] = frozenset({"shifts"})
    candidates: ClassVar[tuple[int, ...]] = (2, 4, 8, 16, 32)

    values: NDArray[np.float32]
    shifts: NDArray[np.integer]
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        """Check what the class text promises."""
        if {n: a.shape for n, a in self.arrays.items()} != self.array_shapes(self.shape, self.size):
            raise OptionError(f"{self.label} values {self.values.shape} do not make a matrix of {self.shape}")
        if self.shifts.min() < 0 or self.shifts.max() >= self.size:
            raise OptionError(f"shifts lie within 0 to {self.size - 1}")

    @property
    def size(self) -> int:
        """K."""
        return int(self.values.shape[-1])

    @classmethod
    def check_size(cls, size: int) -> int:
        """2 to 32."""
        if not 2 <= super().check_size(size) <= MOST:
            raise OptionError(f"blocks of {size} are impossible for {cls.label} weights: choose 2 to {MOST}")
        return int(size)

    @classmethod
    def reason_against(cls, shape: tuple[int, int], size: int) -> str:
        """Fewer than two blocks in a direction."""
        return f"fewer than two blocks of {size}" if min(shape) < 2 * size else ""

    @classmethod
    def project(cls, matrix: NDArray[np.floating], size: int) -> Self:
        """The diagonal of largest energy in each block, which is exact."""
        diagonals = _diagonals(matrix, size)
        shifts = np.square(diagonals).sum(axis=-1).argmax(axis=-1)
        m, n = matrix.shape
        values = np.take_along_axis(diagonals, shifts[..., None, None], 2)[:, :, 0]
        return cls(values.astype(np.float32), small(shifts), (m, n))

    @classmethod
    def fit(cls, matrix: NDArray[np.floating], size: int, rows: Rows) -> tuple[Self, NDArray[np.float32]]:
        """The diagonals of largest energy after weighing each input by its own, and their least squares row by row."""
        m, n = matrix.shape
        seen = moments((m, n), rows)
        found = cls.project(seen.best(matrix) * np.sqrt(np.diag(seen.gram)), size)
        fitted, kept = np.zeros((m, n)), found.to_dense() != 0
        for row in range(m):
            columns = np.flatnonzero(kept[row])
            if columns.size:
                fitted[row, columns] = seen.restricted(matrix, slice(row, row + 1), columns)[0]
        values = np.take_along_axis(_diagonals(fitted, size), found.shifts[..., None, None].astype(np.int64), 2)
        result = cls(values[:, :, 0].astype(np.float32), found.shifts, (m, n))
        return result, seen.bias(result.to_dense())

    def expanded(self) -> NDArray[np.float32]:
        """The matrix, (m, n), made anew."""
        p, q, k = self.values.shape
        m, n = self.shape
        blocks = np.zeros((p, q, k, k), np.float32)
        rows = np.arange(k)
        np.put_along_axis(
            blocks, (rows + self.shifts[..., None].astype(np.int64))[..., None] % k, self.values[..., None], axis=-1
        )
        return np.ascontiguousarray(blocks.transpose(0, 2, 1, 3).reshape(p * k, q * k)[:m, :n])

    @property
    def words(self) -> int:
        """Values, padding included; shifts are counted by `bits`."""
        return int(self.values.size)

    @property
    def code_bits(self) -> dict[str, int]:
        """ceil(log2 k) bits a shift."""
        return {"shifts": index_bits(self.size)}

    @property
    def operations(self) -> Operations:
        """One multiplication for each value."""
        p, q, k = self.values.shape
        return Operations(p * q * k, p * k * (q - 1))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Values and shifts."""
        return {"values": self.values, "shifts": self.shifts}

    @classmethod
    def array_shapes(cls, shape: tuple[int, int], size: int) -> dict[str, tuple[int, ...]]:
        """See the class."""
        p, q = -(-shape[0] // size), -(-shape[1] // size)
        return {"values": (p, q, size), "shifts": (p, q)}

    @classmethod
    def from_arrays(cls, shape: tuple[int, int], size: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See the class."""
        del size
        return cls(np.asarray(arrays["values"], np.float32), small(arrays["shifts"]), shape)

    @classmethod
    def write_transposed(cls, body: FunctionBody, shape: tuple[int, int], size: int) -> str:
        """Diagonals of 0 and 1 out of a table, times values, padding cut off."""
        (p, q, k), (m, n) = cls.array_shapes(shape, size)["values"], shape
        rows = np.arange(k)
        table = (rows[None, None, :] == (rows[:, None] + rows[None, :])[:, :, None] % k).astype(np.int64)
        diagonals = body.node("Cast", [body.integers("table_integers", table)], "table", to=1)
        chosen = body.node("Gather", [diagonals, body.node("Cast", ["shifts"], "wide", to=7)], "chosen", axis=0)
        columns = body.node("Reshape", ["values", body.integers("columns_shape", [p, q, k, 1])], "columns")
        blocks = body.node("Mul", [chosen, columns], "blocks")
        turned = body.node("Transpose", [blocks], "turned", perm=(1, 3, 0, 2))
        padded = body.node("Reshape", [turned, body.integers("padded_shape", [q * k, p * k])], "padded")
        return padded if (m, n) == (p * k, q * k) else body.slice(padded, [n, m], [0, 1], "matrix")

    @classmethod
    def describe(cls, shape: tuple[int, int], size: int) -> str:
        """The convention in full."""
        return (
            f"y = x W^T, W in blocks of {size} x {size}: entry (r, (r + shifts[i, j])"
            f" mod {size}) of block (i, j) is values[i, j, r], all others are 0."
        )


def _diagonals(matrix: NDArray[np.floating], k: int) -> NDArray[np.float64]:
    """Wrapped diagonals of each block, (p, q, shift, row)."""
    blocks, rows = cut(matrix, k), np.arange(k)
    return blocks[..., rows[None, :], (rows[None, :] + rows[:, None]) % k]
