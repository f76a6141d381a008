# SPDX-License-Identifier: Apache-2.0
"""N:M sparsity: of M consecutive weights of a row, N are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.structure.base import FunctionBody, Operations, Rows, WrittenOut, register
from swm.structure.coarse_grain import check_ids, largest, small
from swm.structure.moments import moments
from swm.structure.packing import index_bits

__all__ = ["N_OF_M", "NofM"]


@dataclass(frozen=True, eq=False)
class NofM(WrittenOut):
    """Of M consecutive weights of a row, N = `size` are kept; M is a matter of the class, see `N_OF_M`.

    Attributes:
        values: (m, ceil(n / M), N) float32.
        places: (m, ceil(n / M), N) integers, ascending along the last axis.
        shape: (m, n).

    Raises:
        OptionError: arrays of other shapes, or places that do not ascend.
    """

    letter: ClassVar[str] = "n"
    codes: ClassVar[frozenset[str]] = frozenset({"places"})
    one_is_dense: ClassVar[bool] = False
    group: ClassVar[int]
    candidates: ClassVar[tuple[int, ...]]

    values: NDArray[np.float32]
    places: NDArray[np.integer]
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        """Check what the class text promises."""
        if {n: a.shape for n, a in self.arrays.items()} != self.array_shapes(self.shape, self.size):
            raise OptionError(f"{self.label} values {self.values.shape} do not make a matrix of {self.shape}")
        check_ids(self.places, self.group)

    @property
    def size(self) -> int:
        """N."""
        return int(self.values.shape[-1])

    @classmethod
    def check_size(cls, size: int) -> int:
        """1 to M - 1."""
        if super().check_size(size) >= cls.group:
            raise OptionError(f"{size} of {cls.group} weights keep all of them: choose 1 to {cls.group - 1}")
        return int(size)

    @classmethod
    def project(cls, matrix: NDArray[np.floating], size: int) -> Self:
        """The largest N of each group, which is exact."""
        groups = cls._groups(matrix)
        places = largest(np.abs(groups), size)
        m, n = matrix.shape
        return cls(np.take_along_axis(groups, places.astype(np.int64), -1).astype(np.float32), places, (m, n))

    @classmethod
    def fit(cls, matrix: NDArray[np.floating], size: int, rows: Rows) -> tuple[Self, NDArray[np.float32]]:
        """Group by group, what costs least is dropped and made good by what follows (SparseGPT)."""
        m, n = matrix.shape
        seen = moments((m, n), rows)
        spread = np.sqrt(np.diag(seen.inverse()))  # a weight w costs w^2 over its entry of the inverse

        def choose(number: int, part: NDArray[np.float64]) -> tuple[NDArray[np.bool_], None]:
            first = number * cls.group
            worth = np.abs(part) / spread[first : first + part.shape[1]]
            kept = np.zeros(part.shape, np.bool_)
            np.put_along_axis(kept, largest(worth, size).astype(np.int64), True, axis=-1)
            return kept, None

        found = cls.project(seen.with_feedback(seen.best(matrix), cls.group, choose), size)
        return found, seen.bias(found.to_dense())

    @classmethod
    def _groups(cls, matrix: NDArray[np.floating]) -> NDArray[np.float64]:
        m, n = matrix.shape
        padded = np.zeros((m, -(-n // cls.group) * cls.group))
        padded[:, :n] = matrix
        return padded.reshape(m, -1, cls.group)

    def expanded(self) -> NDArray[np.float32]:
        """The matrix, (m, n), made anew."""
        m, n = self.shape
        groups = np.zeros((m, -(-n // self.group), self.group), np.float32)
        np.put_along_axis(groups, self.places.astype(np.int64), self.values, axis=-1)
        return np.ascontiguousarray(groups.reshape(m, -1)[:, :n])

    @property
    def words(self) -> int:
        """Kept weights; their places are counted by `bits`."""
        return int(self.values.size)

    @property
    def code_bits(self) -> dict[str, int]:
        """log2 M bits a place."""
        return {"places": index_bits(self.group)}

    @property
    def operations(self) -> Operations:
        """One multiplication for each kept weight."""
        return Operations(int(self.values.size), int(self.values.size) - self.shape[0])

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Values and places."""
        return {"values": self.values, "places": self.places}

    @classmethod
    def array_shapes(cls, shape: tuple[int, int], size: int) -> dict[str, tuple[int, ...]]:
        """See the class."""
        own = (shape[0], -(-shape[1] // cls.group), size)
        return {"values": own, "places": own}

    @classmethod
    def from_arrays(cls, shape: tuple[int, int], size: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See the class."""
        del size
        return cls(np.asarray(arrays["values"], np.float32), small(arrays["places"]), shape)

    @classmethod
    def write_transposed(cls, body: FunctionBody, shape: tuple[int, int], size: int) -> str:
        """Values to their places by a product with 0 and 1, turned, padding cut off."""
        (m, groups, _), n = cls.array_shapes(shape, size)["values"], shape[1]
        wide = body.node("Cast", ["places"], "wide", to=7)
        columns = body.node("Reshape", [wide, body.integers("columns_shape", [m, groups, size, 1])], "columns")
        every = body.integers("every_place", np.arange(cls.group)[None, None, None, :])
        chosen = body.node("Cast", [body.node("Equal", [columns, every], "found")], "chosen", to=1)
        flat = body.node("Reshape", ["values", body.integers("flat_shape", [m, groups, 1, size])], "flat")
        placed = body.node("MatMul", [flat, chosen], "placed")
        padded = body.node("Reshape", [placed, body.integers("padded_shape", [m, groups * cls.group])], "padded")
        turned = body.node("Transpose", [padded], "transposed", perm=(1, 0))
        return turned if n == groups * cls.group else body.slice(turned, [n], [0], "matrix")

    @classmethod
    def describe(cls, shape: tuple[int, int], size: int) -> str:
        """The convention in full."""
        return (
            f"y = x W^T with W of {shape[0]} x {shape[1]}, of which each {cls.group} consecutive weights of a row hold "
            f"{size}, in the places given; the others are 0."
        )


def _grouped(group: int, word: str) -> type[NofM]:
    own = {"label": f"N of {group}, N =", "function": f"KeptOf{word}", "group": group}
    return register(type(f"NOf{group}", (NofM,), {**own, "candidates": tuple(range(1, group))}))


N_OF_M: dict[int, type[NofM]] = {4: _grouped(4, "Four"), 8: _grouped(8, "Eight"), 16: _grouped(16, "Sixteen")}
