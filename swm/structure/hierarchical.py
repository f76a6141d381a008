# SPDX-License-Identifier: Apache-2.0
"""Hierarchical coarse-grain sparsity (HCGS): small blocks kept within large blocks kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.structure.base import FunctionBody, Operations, Rows, WeightStructure, register
from swm.structure.coarse_grain import (
    block_energies,
    block_operations,
    check_ids,
    expanded,
    fit_blocks,
    largest,
    losses,
    multiply_blocks,
    row_weights,
    small,
    taken,
    write_blocks,
)
from swm.structure.moments import moments
from swm.structure.packing import index_bits

__all__ = ["Hierarchical", "Levels", "levels"]

LARGE, SMALL = 64, 16  # the papers' blocks


class Levels(NamedTuple):
    """How a matrix is cut, see `levels`.

    Attributes:
        large: size of a large block; `large // split` is that of a small one.
        split: small blocks along a side of a large one.
        rows: rows of large blocks.
        columns: large blocks a row.
        kept: large blocks kept a row.
        within: small blocks kept a row of a kept large block.
    """

    large: int
    split: int
    rows: int
    columns: int
    kept: int
    within: int


def levels(shape: tuple[int, int], ratio: int) -> Levels:
    """Both levels of a matrix (m, n) for a ratio: at most 4 of it within large blocks, the rest among them.

    Blocks are 64 and 16, or both as much smaller as leaves enough large blocks in a row. A ratio of 16 keeps a quarter
    of the large blocks and a quarter of the small ones in each.
    """
    m, n = shape
    split = LARGE // SMALL
    inner = min(split, 1 << (ratio.bit_length() // 2))
    outer = ratio // inner
    large = LARGE
    while large > split and (-(-n // large) < outer or large > m):
        large //= 2
    columns = -(-n // large)
    return Levels(large, split, -(-m // large), columns, max(1, round(columns / outer)), split // inner)


@register
@dataclass(frozen=True, eq=False)
class Hierarchical(WeightStructure):
    """An m x n matrix of two levels of blocks; at each, every row of blocks keeps the same number.

    Attributes:
        blocks: (rows of small blocks, kept * within, B, B) float32, in the order of their columns.
        outer: (rows of large blocks, kept) integers, ascending: which large blocks are kept.
        inner: (rows of large blocks, kept, split, within) integers, ascending along the last axis: which small blocks
            of each row of each of them.
        shape: (m, n).
        ratio: `size`, a power of two.

    Raises:
        OptionError: arrays of other shapes, or indices that do not ascend.
    """

    label: ClassVar[str] = "hierarchical coarse-grain"
    function: ClassVar[str] = "Hierarchical"
    letter: ClassVar[str] = "r"
    codes: ClassVar[frozenset[str]] = frozenset({"outer", "inner"})
    candidates: ClassVar[tuple[int, ...]] = (4, 8, 16, 32, 64)

    blocks: NDArray[np.float32]
    outer: NDArray[np.integer]
    inner: NDArray[np.integer]
    shape: tuple[int, int]
    ratio: int

    def __post_init__(self) -> None:
        """Check what the class text promises."""
        wanted = self.array_shapes(self.shape, self.ratio)
        if {name: array.shape for name, array in self.arrays.items()} != wanted:
            raise OptionError(f"a {self.label} matrix {self.shape} of ratio {self.ratio} has arrays {wanted}")
        own = levels(self.shape, self.ratio)
        check_ids(self.outer, own.columns)
        check_ids(self.inner, own.split)

    @property
    def size(self) -> int:
        """The ratio of both levels together."""
        return self.ratio

    @classmethod
    def check_size(cls, size: int) -> int:
        """A power of two from 4 on."""
        if super().check_size(size) < 4 or size & (size - 1):
            raise OptionError(f"a ratio of {size} is impossible for two levels: choose a power of two from 4")
        return int(size)

    @classmethod
    def reason_against(cls, shape: tuple[int, int], size: int) -> str:
        """Too few inputs or outputs for blocks of blocks."""
        split = LARGE // SMALL
        few = shape[1] < size * split or shape[0] < split
        return f"fewer than {size} x {split} inputs, or {split} outputs," if few else ""

    @classmethod
    def project(cls, matrix: NDArray[np.floating], size: int) -> Self:
        """The nearest such matrix: of each large block its best small ones, then the large ones that keep most."""
        m, n = matrix.shape
        own = levels((m, n), size)
        return cls._chosen(matrix, block_energies(matrix, own.large // own.split), size)

    @classmethod
    def _chosen(cls, matrix: NDArray[np.floating], worth: NDArray[np.float64], size: int) -> Self:
        """Blocks of the matrix in the places that are worth most; `worth` is by small block."""
        m, n = matrix.shape
        own = levels((m, n), size)
        padded = np.zeros((own.rows * own.split, own.columns * own.split))
        padded[: worth.shape[0], : worth.shape[1]] = worth
        tiles = padded.reshape(own.rows, own.split, own.columns, own.split).transpose(0, 2, 1, 3)
        best = np.sort(tiles, axis=-1)[..., own.split - own.within :].sum(axis=(2, 3))
        outer = largest(best, own.kept)
        inner = largest(tiles[np.arange(own.rows)[:, None], outer], own.within)
        ids = _columns(outer, inner)
        return cls(taken(matrix, ids, own.large // own.split), outer, inner, (m, n), size)

    @classmethod
    def fit(cls, matrix: NDArray[np.floating], size: int, rows: Rows) -> tuple[Self, NDArray[np.float32]]:
        """Blocks whose loss costs the outputs most (see `CoarseGrain.fit`), and their least squares."""
        m, n = matrix.shape
        own = levels((m, n), size)
        seen = moments((m, n), rows)
        block = own.large // own.split
        found = cls._chosen(matrix, losses(seen, seen.best(matrix), block), size)
        blocks = fit_blocks(seen, matrix, _columns(found.outer, found.inner), block)
        result = cls(blocks, found.outer, found.inner, (m, n), size)
        return result, seen.bias(result.to_dense())

    @cached_property
    def _ids(self) -> NDArray[np.int64]:
        return _columns(self.outer, self.inner)

    @cached_property
    def _rows(self) -> NDArray[np.float32]:
        return row_weights(self.blocks)

    def to_dense(self) -> NDArray[np.float32]:
        """The matrix written out, (m, n)."""
        own = levels(self.shape, self.ratio)
        whole = expanded(self.blocks, self._ids, (own.rows * own.large, own.columns * own.large))
        return np.ascontiguousarray(whole[: self.shape[0], : self.shape[1]])

    def matmul(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """`x W^T`: kept blocks only, one batched product with numpy."""
        return multiply_blocks(self._rows, self._ids, self.shape, x)

    @property
    def words(self) -> int:
        """Entries of the kept blocks; indices are counted by `bits`."""
        return int(self.blocks.size)

    @property
    def code_bits(self) -> dict[str, int]:
        """log2 of the large blocks a row, and of the small blocks along a large one."""
        own = levels(self.shape, self.ratio)
        return {"outer": index_bits(own.columns), "inner": index_bits(own.split)}

    @property
    def operations(self) -> Operations:
        """One multiplication for each kept entry."""
        return block_operations(self.blocks)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Blocks, outer and inner indices."""
        return {"blocks": self.blocks, "outer": self.outer, "inner": self.inner}

    @classmethod
    def array_shapes(cls, shape: tuple[int, int], size: int) -> dict[str, tuple[int, ...]]:
        """See the class."""
        own = levels(shape, size)
        block = own.large // own.split
        return {
            "blocks": (own.rows * own.split, own.kept * own.within, block, block),
            "outer": (own.rows, own.kept),
            "inner": (own.rows, own.kept, own.split, own.within),
        }

    @classmethod
    def from_arrays(cls, shape: tuple[int, int], size: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See the class."""
        blocks = np.asarray(arrays["blocks"], np.float32)
        return cls(blocks, small(arrays["outer"]), small(arrays["inner"]), shape, size)

    @classmethod
    def write_transposed(cls, body: FunctionBody, shape: tuple[int, int], size: int) -> str:
        """Both indices to columns of small blocks, then as for one level."""
        own = levels(shape, size)
        rows, each = own.rows * own.split, own.kept * own.within
        outer = body.node("Cast", ["outer"], "wide_outer", to=7)
        lifted = body.node("Reshape", [outer, body.integers("lifted_shape", [own.rows, own.kept, 1, 1])], "lifted")
        first = body.node("Mul", [lifted, body.integers("small_blocks", [own.split])], "first")
        ids = body.node("Add", [first, body.node("Cast", ["inner"], "wide_inner", to=7)], "columns")
        by_row = body.node("Transpose", [ids], "by_row", perm=(0, 2, 1, 3))
        flat = body.node("Reshape", [by_row, body.integers("ids_shape", [rows, each])], "ids")
        block = own.large // own.split
        return write_blocks(body, "blocks", flat, (rows, each, block), own.columns * own.split, shape)

    @classmethod
    def describe(cls, shape: tuple[int, int], size: int) -> str:
        """The convention in full."""
        own = levels(shape, size)
        return (
            f"y = x W^T with a hierarchically sparse matrix W of {shape[0]} x {shape[1]}: each row of large blocks of "
            f"{own.large} keeps {own.kept} of {own.columns}, numbered in outer, each row of small blocks of "
            f"{own.large // own.split} within one keeps {own.within} of {own.split}, numbered in inner; blocks are "
            "in the order of their columns."
        )


def _columns(outer: NDArray[np.integer], inner: NDArray[np.integer]) -> NDArray[np.int64]:
    """Columns of small blocks, (rows of small blocks, kept * within), ascending."""
    split = inner.shape[2]
    ids = outer.astype(np.int64)[:, :, None, None] * split + inner
    return ids.transpose(0, 2, 1, 3).reshape(len(outer) * split, -1)
