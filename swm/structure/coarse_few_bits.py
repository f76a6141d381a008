# SPDX-License-Identifier: Apache-2.0
"""Coarse-grain sparsity with few bits a weight: what Yin et al. train together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.structure.base import FunctionBody, Operations, Rows, WeightStructure, register
from swm.structure.coarse_grain import CoarseGrain, fit_blocks, grid, largest, losses, small, taken, write_blocks
from swm.structure.few_bits import check_codes, feedback_codes, level, quantized, row_scales, signs, write_codes
from swm.structure.moments import moments, supports
from swm.structure.packing import index_bits

__all__ = ["COARSE_FEW_BITS", "CoarseFewBits"]

WORDS = ("One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight")


@dataclass(frozen=True, eq=False)
class CoarseFewBits(WeightStructure):
    """A coarse-grain sparse matrix whose kept entries are codes of a few bits, with a scale for each row.

    `size` is the ratio, as in `CoarseGrain`; how many bits is a matter of the class: see `COARSE_FEW_BITS`.

    Attributes:
        code: (block rows, kept, B, B) int8.
        ids: (block rows, kept) integers, ascending.
        scales: (block rows * B, 1) float32.
        shape: (m, n).
        ratio: r.

    Raises:
        OptionError: arrays of other shapes, codes beyond their bits, ids that do not ascend.
    """

    letter: ClassVar[str] = "r"
    codes: ClassVar[frozenset[str]] = frozenset({"code", "ids"})
    signed: ClassVar[frozenset[str]] = frozenset({"code"})
    width: ClassVar[int]

    code: NDArray[np.int8]
    ids: NDArray[np.integer]
    scales: NDArray[np.float32]
    shape: tuple[int, int]
    ratio: int

    def __post_init__(self) -> None:
        """Check what the class text promises."""
        check_codes(self.code, self.width)
        if self.scales.shape != (self.code.shape[0] * self.code.shape[2], 1):
            raise OptionError(f"codes {self.code.shape} need a scale a row, got {self.scales.shape}")
        self.coarse  # noqa: B018  # checks the rest

    @cached_property
    def coarse(self) -> CoarseGrain:
        """The same matrix with real numbers in its blocks."""
        rows, _, block, _ = self.code.shape
        return CoarseGrain(self.code * self.scales.reshape(rows, 1, block, 1), self.ids, self.shape, self.ratio)

    @property
    def size(self) -> int:
        """R."""
        return self.ratio

    @classmethod
    def check_size(cls, size: int) -> int:
        """As of `CoarseGrain`."""
        return CoarseGrain.check_size(size)

    @classmethod
    def reason_against(cls, shape: tuple[int, int], size: int) -> str:
        """As of `CoarseGrain`."""
        return CoarseGrain.reason_against(shape, size)

    @classmethod
    def project(cls, matrix: NDArray[np.floating], size: int) -> Self:
        """The blocks of largest norm, and their nearest codes."""
        coarse = CoarseGrain.project(matrix, size)
        flat = coarse.blocks.transpose(0, 2, 1, 3).reshape(len(coarse.ids) * coarse.block, -1)
        scales = row_scales(flat, cls.width).astype(np.float32)
        own = scales.reshape(len(coarse.ids), 1, coarse.block, 1)
        return cls(quantized(coarse.blocks, own, cls.width), coarse.ids, scales, coarse.shape, size)

    @classmethod
    def fit(cls, matrix: NDArray[np.floating], size: int, rows: Rows) -> tuple[Self, NDArray[np.float32]]:
        """Blocks as of `CoarseGrain`, codes as of `FewBits`, each row of blocks with the moments of what it reads."""
        m, n = matrix.shape
        block, _, _, kept = grid((m, n), size)
        seen = moments((m, n), rows)
        ids = largest(losses(seen, seen.best(matrix), block), kept)
        start = CoarseGrain(fit_blocks(seen, matrix, ids, block), ids, (m, n), size).to_dense()
        code, scales = np.zeros((m, n)), np.ones((len(ids) * block, 1))
        if cls.width == 1:
            code += 1.0  # what padding holds: there is no 0
        for i, own in enumerate(ids):
            part, columns = slice(i * block, min((i + 1) * block, m)), supports(own, block, n)
            target = start[part][:, columns].astype(np.float64)
            scales[part] = row_scales(target, cls.width)
            code[part, columns] = feedback_codes(seen.of(columns, part), target, scales[part], cls.width)
        cells = taken(code, ids, block)
        if cls.width == 1:
            cells[cells == 0] = 1.0
        found = cls(cells.astype(np.int8), ids, scales.astype(np.float32), (m, n), size)
        return found, seen.bias(found.to_dense())

    def to_dense(self) -> NDArray[np.float32]:
        """The matrix written out, (m, n)."""
        return self.coarse.to_dense()

    def matmul(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """`x W^T`: kept blocks only."""
        return self.coarse.matmul(x)

    @property
    def words(self) -> int:
        """A code for each kept entry, and a scale for each row."""
        return int(self.code.size + self.scales.size)

    @property
    def code_bits(self) -> dict[str, int]:
        """Bits of a code, and ceil(log2 nb) of an index."""
        return {"code": self.width, "ids": index_bits(grid(self.shape, self.ratio)[2])}

    @property
    def operations(self) -> Operations:
        """A multiplication for each code and each scale; of one-bit codes, additions instead."""
        scales = int(self.scales.size)
        products = 0 if self.width == 1 else int(self.code.size)
        return Operations(products + scales, self.coarse.operations.additions)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Codes, at one bit as 0 and 1, ids and scales."""
        code = (self.code > 0).astype(np.int8) if self.width == 1 else self.code
        return {"code": code, "ids": self.ids, "scales": self.scales}

    @classmethod
    def array_shapes(cls, shape: tuple[int, int], size: int) -> dict[str, tuple[int, ...]]:
        """See the class."""
        block, rows, _, kept = grid(shape, size)
        return {"code": (rows, kept, block, block), "ids": (rows, kept), "scales": (rows * block, 1)}

    @classmethod
    def from_arrays(cls, shape: tuple[int, int], size: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See the class."""
        scales = np.asarray(arrays["scales"], np.float32)
        return cls(signs(arrays["code"], cls.width), small(arrays["ids"]), scales, shape, size)

    @classmethod
    def write_transposed(cls, body: FunctionBody, shape: tuple[int, int], size: int) -> str:
        """Codes times scales, then as coarse-grain blocks."""
        block, rows, columns, kept = grid(shape, size)
        real = write_codes(body, "code", cls.width)
        own = body.node("Reshape", ["scales", body.integers("scales_shape", [rows, 1, block, 1])], "row_scales")
        blocks = body.node("Mul", [real, own], "blocks")
        return write_blocks(body, blocks, "ids", (rows, kept, block), columns, shape)

    @classmethod
    def describe(cls, shape: tuple[int, int], size: int) -> str:
        """The convention in full."""
        block, rows, columns, kept = grid(shape, size)
        what = "0 stands for -1" if cls.width == 1 else f"from -{level(cls.width)} to {level(cls.width)}"
        return (
            f"y = x W^T with a coarse-grain sparse matrix W of {shape[0]} x {shape[1]}, cut into {rows} x {columns} "
            f"blocks of {block} x {block}, of which each row keeps {kept}, in block columns ids; its entries are codes "
            f"of {cls.width} bit(s), {what}, times the row's scale."
        )


def _of(bits: int) -> type[CoarseFewBits]:
    name = f"CoarseGrain{WORDS[bits - 1]}Bit"
    return register(
        type(name, (CoarseFewBits,), {"label": f"coarse-grain {bits}-bit", "function": name, "width": bits})
    )


COARSE_FEW_BITS: dict[int, type[CoarseFewBits]] = {bits: _of(bits) for bits in range(1, 9)}
