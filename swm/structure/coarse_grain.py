# SPDX-License-Identifier: Apache-2.0
"""Coarse-grain sparsity (CGS): whole blocks of a matrix are zero, as many in each block row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.structure.base import FunctionBody, Operations, Rows, WeightStructure, register
from swm.structure.moments import Moments, moments, supports
from swm.structure.packing import index_bits

__all__ = [
    "MOST_BLOCK",
    "CoarseGrain",
    "block_energies",
    "block_operations",
    "check_ids",
    "cut",
    "expanded",
    "fit_blocks",
    "grid",
    "largest",
    "losses",
    "multiply_blocks",
    "row_weights",
    "small",
    "taken",
    "write_blocks",
]

MOST_BLOCK = 16  # the papers' block of 16 x 16


def grid(shape: tuple[int, int], ratio: int) -> tuple[int, int, int, int]:
    """Block size B, block rows, block columns and blocks kept a row of a matrix (m, n).

    B is 16, or as much smaller as leaves `ratio` blocks in a row, of which at least one is kept.
    """
    m, n = shape
    block = MOST_BLOCK
    while block > 1 and (-(-n // block) < ratio or block > m):
        block //= 2
    columns = -(-n // block)
    return block, -(-m // block), columns, max(1, round(columns / ratio))


@register
@dataclass(frozen=True, eq=False)
class CoarseGrain(WeightStructure):
    """An m x n matrix of B x B blocks, of which each block row keeps the same number.

    `size` is the ratio r: of the nb blocks in a row, max(1, round(nb / r)) are kept (methods of CGS; the balanced count
    is what lets every processing element finish at the same time). B follows from the shape, see `grid`.

    Attributes:
        blocks: (block rows, kept, B, B) float32: rows and columns inside the matrix's blocks.
        ids: (block rows, kept) integers, ascending: in which block column each lies.
        shape: (m, n).
        ratio: r.

    Raises:
        OptionError: arrays of other shapes, or ids that are not ascending block columns.
    """

    label: ClassVar[str] = "coarse-grain"
    function: ClassVar[str] = "CoarseGrain"
    letter: ClassVar[str] = "r"
    codes: ClassVar[frozenset[str]] = frozenset({"ids"})

    blocks: NDArray[np.float32]
    ids: NDArray[np.integer]
    shape: tuple[int, int]
    ratio: int

    def __post_init__(self) -> None:
        """Check what the class text promises."""
        block, rows, columns, kept = grid(self.shape, self.ratio)
        if self.blocks.shape != (rows, kept, block, block) or self.ids.shape != (rows, kept):
            raise OptionError(f"a {self.label} matrix {self.shape} of ratio {self.ratio} keeps {rows} x {kept} blocks")
        check_ids(self.ids, columns)

    @property
    def size(self) -> int:
        """R."""
        return self.ratio

    @property
    def block(self) -> int:
        """B."""
        return int(self.blocks.shape[2])

    @classmethod
    def check_size(cls, size: int) -> int:
        """A ratio from 2 on."""
        if super().check_size(size) < 2:
            raise OptionError(f"a ratio of {size} keeps every block: choose one from 2")
        return int(size)

    @classmethod
    def reason_against(cls, shape: tuple[int, int], size: int) -> str:
        """Fewer inputs than the ratio."""
        return f"fewer than {size} inputs to keep one of" if shape[1] < size else ""

    @classmethod
    def project(cls, matrix: NDArray[np.floating], size: int) -> Self:
        """The blocks of largest Frobenius norm in each block row, which is exact."""
        block, _, _, kept = grid(_shape(matrix), size)
        ids = largest(block_energies(matrix, block), kept)
        return cls(taken(matrix, ids, block), ids, _shape(matrix), size)

    @classmethod
    def fit(cls, matrix: NDArray[np.floating], size: int, rows: Rows) -> tuple[Self, NDArray[np.float32]]:
        """Blocks whose loss costs the outputs most, and their least squares.

        What the loss of a block costs is that of the optimal brain surgeon for a group of weights: tr(W_g
        (H^-1)_gg^-1 W_g^T) with the Gram matrix H of the inputs.
        """
        shape = _shape(matrix)
        block, _, _, kept = grid(shape, size)
        seen = moments(shape, rows)
        ids = largest(losses(seen, seen.best(matrix), block), kept)
        found = cls(fit_blocks(seen, matrix, ids, block), ids, shape, size)
        return found, seen.bias(found.to_dense())

    @cached_property
    def _rows(self) -> NDArray[np.float32]:
        return row_weights(self.blocks)

    def to_dense(self) -> NDArray[np.float32]:
        """The matrix written out, (m, n)."""
        return expanded(self.blocks, self.ids, self.shape)

    def matmul(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """`x W^T`: kept blocks only, one batched product with numpy."""
        return multiply_blocks(self._rows, self.ids, self.shape, x)

    @property
    def words(self) -> int:
        """Entries of the kept blocks; indices are counted by `bits`."""
        return int(self.blocks.size)

    @property
    def code_bits(self) -> dict[str, int]:
        """ceil(log2 nb) bits an index."""
        return {"ids": index_bits(grid(self.shape, self.ratio)[2])}

    @property
    def operations(self) -> Operations:
        """One multiplication for each kept entry."""
        return block_operations(self.blocks)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Blocks and ids."""
        return {"blocks": self.blocks, "ids": self.ids}

    @classmethod
    def array_shapes(cls, shape: tuple[int, int], size: int) -> dict[str, tuple[int, ...]]:
        """See the class."""
        block, rows, _, kept = grid(shape, size)
        return {"blocks": (rows, kept, block, block), "ids": (rows, kept)}

    @classmethod
    def from_arrays(cls, shape: tuple[int, int], size: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See the class."""
        return cls(np.asarray(arrays["blocks"], np.float32), small(arrays["ids"]), shape, size)

    @classmethod
    def write_transposed(cls, body: FunctionBody, shape: tuple[int, int], size: int) -> str:
        """Blocks to their columns by a product with 0 and 1, columns to the matrix."""
        block, rows, columns, kept = grid(shape, size)
        return write_blocks(body, "blocks", "ids", (rows, kept, block), columns, shape)

    @classmethod
    def describe(cls, shape: tuple[int, int], size: int) -> str:
        """The convention in full."""
        block, rows, columns, kept = grid(shape, size)
        return (
            f"y = x W^T with a coarse-grain sparse matrix W of {shape[0]} x {shape[1]}, cut into {rows} x {columns} "
            f"blocks of {block} x {block}, of which each row keeps {kept}: blocks[i, s] stands in column ids[i, s]."
        )


def _shape(matrix: NDArray[Any]) -> tuple[int, int]:
    m, n = matrix.shape
    return int(m), int(n)


def small(values: NDArray[Any]) -> NDArray[np.integer]:
    """Indices in the smallest of ONNX's signed integer types that holds them."""
    most = int(np.max(values, initial=0))
    return values.astype(np.int8 if most < 1 << 7 else np.int16 if most < 1 << 15 else np.int32)


def check_ids(ids: NDArray[np.integer], columns: int) -> None:
    """Raise OptionError unless each row of ids is ascending and names block columns."""
    if ids.size and (ids.min() < 0 or ids.max() >= columns or (np.diff(ids.astype(np.int64), axis=-1) <= 0).any()):
        raise OptionError(f"indices of kept blocks must ascend within 0 to {columns - 1}")


def cut(matrix: NDArray[np.floating], block: int, rows: int = 0, columns: int = 0) -> NDArray[np.float64]:
    """Blocks (block rows, block columns, B, B) of a matrix padded with zeros, to at least so many of them."""
    m, n = matrix.shape
    rows, columns = max(rows, -(-m // block)), max(columns, -(-n // block))
    padded = np.zeros((rows * block, columns * block))
    padded[:m, :n] = matrix
    return padded.reshape(rows, block, columns, block).transpose(0, 2, 1, 3)


def block_energies(matrix: NDArray[np.floating], block: int) -> NDArray[np.float64]:
    """Squared Frobenius norm of each block, (block rows, block columns)."""
    energies: NDArray[np.float64] = np.square(cut(matrix, block)).sum(axis=(2, 3))
    return energies


def losses(seen: Moments, matrix: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    """What the outputs lose with each block alone, the others making good what they can: (rows, columns)."""
    inverse, pieces = seen.inverse(), cut(matrix, block)
    found = np.empty(pieces.shape[:2])
    for j in range(pieces.shape[1]):
        own = slice(j * block, min((j + 1) * block, matrix.shape[1]))
        width = own.stop - own.start
        gain = np.linalg.inv(inverse[own, own])
        part = pieces[:, j, :, :width]
        found[:, j] = np.einsum("irc,cd,ird->i", part, gain, part)
    return found


def largest(values: NDArray[np.float64], kept: int) -> NDArray[np.integer]:
    """Indices of the `kept` largest values along the last axis, ascending; of equal ones the first."""
    order = np.argsort(-values, axis=-1, kind="stable")[..., :kept]
    return small(np.sort(order, axis=-1))


def taken(matrix: NDArray[np.floating], ids: NDArray[np.integer], block: int) -> NDArray[np.float32]:
    """The blocks in the columns `ids` of each block row."""
    blocks = cut(matrix, block, len(ids), int(ids.max()) + 1)
    return blocks[np.arange(len(ids))[:, None], ids].astype(np.float32)


def fit_blocks(
    seen: Moments, matrix: NDArray[np.floating], ids: NDArray[np.integer], block: int
) -> NDArray[np.float32]:
    """Blocks of least squares in given places, (block rows, kept, B, B)."""
    m, n = matrix.shape
    full = np.zeros((m, n))
    for i, own in enumerate(ids):
        rows, columns = slice(i * block, min((i + 1) * block, m)), supports(own, block, n)
        if i * block < m and columns.size:  # not padding alone
            full[rows, columns] = seen.restricted(matrix, rows, columns)
    return taken(full, ids, block)


def expanded(blocks: NDArray[np.floating], ids: NDArray[np.integer], shape: tuple[int, int]) -> NDArray[np.float32]:
    """The (m, n) matrix with blocks in the given block columns."""
    rows, _, block, _ = blocks.shape
    m, n = shape
    whole = np.zeros((rows, -(-n // block), block, block), np.float32)
    whole[np.arange(rows)[:, None], ids] = blocks
    return np.ascontiguousarray(whole.transpose(0, 2, 1, 3).reshape(rows * block, -1)[:m, :n])


def row_weights(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blocks (block rows, kept, B, B) as one matrix a block row, (block rows, B, kept * B)."""
    rows, _, block, _ = blocks.shape
    return np.ascontiguousarray(blocks.transpose(0, 2, 1, 3).reshape(rows, block, -1))


def multiply_blocks(
    weights: NDArray[np.floating], ids: NDArray[np.integer], shape: tuple[int, int], x: NDArray[np.floating]
) -> NDArray[np.floating]:
    """`x W^T`, (..., n) → (..., m): kept blocks only, in one batched product.

    Args:
        weights: as `row_weights` gives them.
        ids: (block rows, kept), the column of each block.
        shape: (m, n).
        x: (..., n).

    Raises:
        OptionError: the last axis of x is not n long.
    """
    (rows, block, _), (m, n) = weights.shape, shape
    if x.ndim == 0 or x.shape[-1] != n:
        raise OptionError(f"matmul needs (..., {n}), got an array of shape {x.shape}")
    flat = x.reshape(-1, n)
    padded = np.zeros((max(-(-n // block), int(ids.max()) + 1), block, len(flat)), x.dtype)
    padded.reshape(-1, len(flat))[:n] = flat.T
    read = padded[ids].reshape(rows, -1, len(flat))  # (block rows, kept * B, batch)
    y = np.matmul(weights.astype(x.dtype, copy=False), read).reshape(-1, len(flat))[:m]
    return np.ascontiguousarray(y.T).reshape(*x.shape[:-1], m)


def block_operations(blocks: NDArray[Any]) -> Operations:
    """One multiplication for each entry of blocks (block rows, kept, B, B), and the sums of each row."""
    rows, kept, block, _ = blocks.shape
    return Operations(int(blocks.size), rows * block * (kept * block - 1))


def write_blocks(
    body: FunctionBody, blocks: str, ids: str, kept: tuple[int, int, int], columns: int, shape: tuple[int, int]
) -> str:
    """Operators that make W^T of blocks and ids; `kept` is (block rows, kept a row, B)."""
    rows, each, block = kept
    m, n = shape
    wide = body.node("Cast", [ids], "wide_ids", to=7)  # int64
    places = body.node("Reshape", [wide, body.integers("places_shape", [rows, each, 1])], "places")
    found = body.node("Equal", [places, body.integers("every_column", np.arange(columns)[None, None, :])], "found")
    chosen = body.node("Cast", [found], "chosen", to=1)
    scatter = body.node("Transpose", [chosen], "scatter", perm=(0, 2, 1))  # (block rows, block columns, kept)
    flat = body.node("Reshape", [blocks, body.integers("flat_shape", [rows, each, block * block])], "flat")
    placed = body.node("MatMul", [scatter, flat], "placed")
    split = body.node("Reshape", [placed, body.integers("split_shape", [rows, columns, block, block])], "split")
    turned = body.node("Transpose", [split], "turned", perm=(1, 3, 0, 2))
    padded_shape = body.integers("padded_shape", [columns * block, rows * block])
    padded = body.node("Reshape", [turned, padded_shape], "padded")
    return padded if (n, m) == (columns * block, rows * block) else body.slice(padded, [n, m], [0, 1], "matrix")
