# SPDX-License-Identifier: Apache-2.0
"""Structured sparse ternary weights (N,k): of N consecutive weights at most k are +-1, all others 0; a scale a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.structure.base import FunctionBody, Operations, Rows, WrittenOut, register
from swm.structure.moments import moments
from swm.structure.packing import index_bits

__all__ = [
    "TERNARY",
    "Ternary",
    "byte_of",
    "code_table",
    "pattern_count",
    "pattern_of_byte",
    "rank",
    "unrank",
]

ROUNDS = 20  # of the patterns for a scale and the scale for the patterns
MOST_PATTERNS = 1 << 12  # a table of them stands in ONNX files


def pattern_count(group: int, kept: int) -> int:
    """P, the patterns of at most k signs in N places."""
    return sum(comb(group, i) << i for i in range(kept + 1))


def rank(pattern: NDArray[np.integer]) -> int:
    """Number of a pattern (N,) of -1, 0 and 1 among those of at most as many signs; bijective onto 0 to P - 1.

    With m signs at p_0 < p_1 < ...: sum_{i<m} C(N, i) 2^i + (sum_j C(p_j, j + 1)) 2^m + sum_j [w(p_j) < 0] 2^j: fewer
    signs come first, then places in the order of the combinatorial number system, then signs.
    """
    group, places = len(pattern), np.flatnonzero(pattern).tolist()
    m = len(places)
    before = sum(comb(group, i) << i for i in range(m))
    place = sum(comb(p, j + 1) for j, p in enumerate(places))
    return before + (place << m) + sum(int(pattern[p] < 0) << j for j, p in enumerate(places))


def unrank(number: int, group: int) -> NDArray[np.int8]:
    """The pattern of a number, (N,): the inverse of `rank`."""
    m = 0
    while number >= comb(group, m) << m:
        number -= comb(group, m) << m
        m += 1
    signs, place = number & ((1 << m) - 1), number >> m
    pattern = np.zeros(group, np.int8)
    for j in reversed(range(m)):
        p = next(p for p in reversed(range(group)) if comb(p, j + 1) <= place)
        place -= comb(p, j + 1)
        pattern[p] = -1 if signs >> j & 1 else 1
    return pattern


def byte_of(pattern: NDArray[np.integer]) -> int:
    """The byte of an (8,2) pattern that hardware decodes without a table: two places of 3 bits, each with a sign bit.

    Places differ: both signs. Places and signs equal: one sign. Places equal, signs not: none. Bits 2..0 hold the first
    place, bit 3 its sign (1 for -1), bits 6..4 and 7 the second; the first place is the lower one.
    """
    places = np.flatnonzero(pattern).tolist()
    if not places:
        return 0b1000_0000
    first, last = places[0], places[-1]
    low, high = (int(pattern[p] < 0) << 3 | p for p in (first, last))
    return high << 4 | low


def pattern_of_byte(byte: int) -> NDArray[np.int8]:
    """The pattern of a byte, (8,); every byte has one."""
    pattern = np.zeros(8, np.int8)
    first, last = byte & 7, byte >> 4 & 7
    negative = byte >> 3 & 1, byte >> 7 & 1
    if first != last or negative[0] == negative[1]:
        pattern[first] = 1 - 2 * negative[0]
        pattern[last] = 1 - 2 * negative[1]
    return pattern


@lru_cache
def code_table(group: int, kept: int) -> NDArray[np.int8]:
    """Pattern of every code, (codes, N): of (8,2) the bytes of `byte_of`, else the numbers of `rank`."""
    if (group, kept) == (8, 2):
        return np.stack([pattern_of_byte(byte) for byte in range(256)])
    return np.stack([unrank(number, group) for number in range(pattern_count(group, kept))])


@lru_cache
def _codes_by_digits(group: int, kept: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All patterns, read as numbers of N digits to the base 3, ascending; and the code of each."""
    patterns = [unrank(number, group) for number in range(pattern_count(group, kept))]
    codes = np.array([byte_of(p) if (group, kept) == (8, 2) else i for i, p in enumerate(patterns)])
    digits = _digits(np.stack(patterns))
    order = np.argsort(digits)
    return digits[order], codes[order]


def _digits(patterns: NDArray[np.integer]) -> Any:
    return (patterns.astype(np.int64) + 1) @ 3 ** np.arange(patterns.shape[-1])


def patterns_for(values: NDArray[np.floating], alpha: NDArray[np.floating], kept: int) -> NDArray[np.int8]:
    """Nearest patterns (..., N) for a scale: signs of the k largest |w| of each group, where |w| > alpha / 2."""
    size = np.abs(values)
    order = np.argsort(-size, axis=-1, kind="stable")[..., :kept]
    chosen = np.zeros(values.shape, np.bool_)
    np.put_along_axis(chosen, order, True, axis=-1)
    return np.where(chosen & (size > alpha / 2), np.sign(values), 0).astype(np.int8)


def row_alphas(groups: NDArray[np.floating], kept: int) -> NDArray[np.float64]:
    """A scale for each row of groups (m, G, N), (m, 1, 1): patterns and mean |w| over their signs in turn."""
    size = np.abs(groups).astype(np.float64)
    tiny = np.finfo(np.float32).tiny
    alpha = np.maximum(1.5 * size.mean(axis=(1, 2), keepdims=True), tiny)
    for _ in range(ROUNDS):
        signs = patterns_for(groups, alpha, kept) != 0
        count = signs.sum(axis=(1, 2), keepdims=True)
        alpha = np.where(count > 0, (size * signs).sum(axis=(1, 2), keepdims=True) / np.maximum(count, 1), alpha)
    return np.maximum(alpha, tiny)


@dataclass(frozen=True, eq=False)
class Ternary(WrittenOut):
    """`alpha[i]` times patterns of -1, 0 and 1; `size` is k, how many of N consecutive weights may be other than 0.

    N is a matter of the class: see `TERNARY`. What is stored of a group is its code (`code_table`).

    Attributes:
        code: (m, ceil(n / N)) integers.
        alpha: (m, 1) float32.
        shape: (m, n).
        kept: k.

    Raises:
        OptionError: arrays of other shapes, or codes that no pattern has.
    """

    letter: ClassVar[str] = "k"
    codes: ClassVar[frozenset[str]] = frozenset({"code"})
    one_is_dense: ClassVar[bool] = False
    group: ClassVar[int]
    candidates: ClassVar[tuple[int, ...]]

    code: NDArray[np.integer]
    alpha: NDArray[np.float32]
    shape: tuple[int, int]
    kept: int

    def __post_init__(self) -> None:
        """Check what the class text promises."""
        if {n: a.shape for n, a in self.arrays.items()} != self.array_shapes(self.shape, self.kept):
            raise OptionError(f"{self.label} codes {self.code.shape} do not make a matrix of {self.shape}")
        last = len(code_table(self.group, self.kept)) - 1
        if self.code.size and (self.code.min() < 0 or self.code.max() > last):
            raise OptionError(f"codes of ({self.group},{self.kept}) lie within 0 to {last}")

    @property
    def size(self) -> int:
        """K."""
        return self.kept

    @classmethod
    def check_size(cls, size: int) -> int:
        """1 to N, as far as a table of all patterns stays small."""
        if super().check_size(size) > cls.group or pattern_count(cls.group, size) > MOST_PATTERNS:
            raise OptionError(f"{size} signs in {cls.group} weights are impossible: choose 1 to {cls.candidates[-1]}")
        return int(size)

    @classmethod
    def project(cls, matrix: NDArray[np.floating], size: int) -> Self:
        """Best patterns for the scale and best scale for the patterns in turn, each row for itself."""
        groups = cls._groups(matrix)
        alpha = row_alphas(groups, size)
        return cls._of(patterns_for(groups, alpha, size), alpha, matrix.shape, size)

    @classmethod
    def fit(cls, matrix: NDArray[np.floating], size: int, rows: Rows) -> tuple[Self, NDArray[np.float32]]:
        """Patterns of the dense least squares, group by group, each error made good by what follows."""
        m, n = matrix.shape
        seen = moments((m, n), rows)
        target = seen.best(matrix)
        alpha = row_alphas(cls._groups(target), size)
        every = np.ones((m, cls.group), np.bool_)

        def choose(_: int, part: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
            return every, alpha[:, 0] * patterns_for(part, alpha[:, 0], size)

        fixed = seen.with_feedback(target, cls.group, choose)
        found = cls._of(np.sign(cls._groups(fixed)).astype(np.int8), alpha, (m, n), size)
        return found, seen.bias(found.to_dense())

    @classmethod
    def _groups(cls, matrix: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
        m, n = matrix.shape
        padded = np.zeros((m, -(-n // cls.group) * cls.group))
        padded[:, :n] = matrix
        return padded.reshape(m, -1, cls.group)

    @classmethod
    def from_patterns(cls, signs: NDArray[np.integer], alpha: NDArray[np.floating], kept: int) -> Self:
        """The matrix `alpha * signs`.

        Args:
            signs: (m, n) of -1, 0 and 1, at most `kept` of each group other than 0.
            alpha: (m, 1).
            kept: k.
        """
        return cls._of(cls._groups(signs).astype(np.int8), alpha, signs.shape, kept)

    @classmethod
    def _of(cls, patterns: NDArray[np.int8], alpha: NDArray[np.floating], shape: tuple[int, ...], kept: int) -> Self:
        digits, codes = _codes_by_digits(cls.group, kept)
        codes = codes[np.searchsorted(digits, _digits(patterns))]
        m, n = shape
        return cls(codes.astype(_type(cls.group, kept)), alpha.reshape(m, 1).astype(np.float32), (m, n), kept)

    def expanded(self) -> NDArray[np.float32]:
        """The matrix, (m, n), made anew."""
        m, n = self.shape
        return code_table(self.group, self.kept)[self.code].reshape(m, -1)[:, :n] * self.alpha

    @property
    def words(self) -> int:
        """A code for each group, and a scale for each row."""
        return int(self.code.size + self.alpha.size)

    @property
    def code_bits(self) -> dict[str, int]:
        """ceil(log2) of the codes."""
        return {"code": index_bits(len(code_table(self.group, self.kept)))}

    @property
    def operations(self) -> Operations:
        """A multiplication for each scale; k additions for each group."""
        return Operations(len(self.alpha), int(self.code.size) * self.kept)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Codes and scales."""
        return {"code": self.code, "alpha": self.alpha}

    @classmethod
    def array_shapes(cls, shape: tuple[int, int], size: int) -> dict[str, tuple[int, ...]]:
        """See the class."""
        return {"code": (shape[0], -(-shape[1] // cls.group)), "alpha": (shape[0], 1)}

    @classmethod
    def from_arrays(cls, shape: tuple[int, int], size: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See the class."""
        return cls(arrays["code"].astype(_type(cls.group, size)), np.asarray(arrays["alpha"], np.float32), shape, size)

    @classmethod
    def write_transposed(cls, body: FunctionBody, shape: tuple[int, int], size: int) -> str:
        """Patterns out of a table, times scales, turned, padding cut off."""
        m, n = shape
        groups = -(-n // cls.group)
        table = body.node("Cast", [body.integers("table_integers", code_table(cls.group, size))], "table", to=1)
        wide = body.node("Cast", ["code"], "wide", to=7)
        patterns = body.node("Gather", [table, wide], "patterns", axis=0)
        flat = body.node("Reshape", [patterns, body.integers("flat_shape", [m, groups * cls.group])], "flat")
        scaled = body.node("Mul", [flat, "alpha"], "padded")
        turned = body.node("Transpose", [scaled], "transposed", perm=(1, 0))
        return turned if n == groups * cls.group else body.slice(turned, [n], [0], "matrix")

    @classmethod
    def describe(cls, shape: tuple[int, int], size: int) -> str:
        """The convention in full."""
        coding = "bytes of two places with signs" if (cls.group, size) == (8, 2) else "ranks of patterns"
        return (
            f"y = x W^T with a ternary matrix W of {shape[0]} x {shape[1]}: of {cls.group} consecutive weights a row "
            f"at most {size} are +-alpha of that row, the others 0; code holds {coding}, which the table spells out."
        )


def _type(group: int, kept: int) -> type[np.integer]:
    return np.uint8 if len(code_table(group, kept)) <= 256 else np.int16


def _grouped(group: int, word: str) -> type[Ternary]:
    name = f"Ternary{word}"
    sizes = tuple(k for k in range(1, group + 1) if pattern_count(group, k) <= MOST_PATTERNS)
    return register(
        type(name, (Ternary,), {"label": f"ternary {group},", "function": name, "group": group, "candidates": sizes})
    )


TERNARY: dict[int, type[Ternary]] = {4: _grouped(4, "Four"), 8: _grouped(8, "Eight"), 16: _grouped(16, "Sixteen")}
