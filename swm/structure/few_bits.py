# SPDX-License-Identifier: Apache-2.0
"""Weights of one to eight bits, with a scale for each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.structure.base import FunctionBody, Operations, Rows, WrittenOut, register
from swm.structure.moments import Moments, moments

__all__ = ["FewBits", "check_codes", "feedback_codes", "level", "quantized", "row_scales"]

SCALES = 60  # tried a row, between a fifth of its largest weight over the largest code and all of it
ROUNDS = 4  # of the codes for the scale and the scale for the codes


def level(bits: int) -> int:
    """Largest code of so many bits: codes are symmetric, and -1 and 1 alone at one bit."""
    return max(1, (1 << (bits - 1)) - 1)


def quantized(values: NDArray[np.floating], scales: NDArray[np.floating], bits: int) -> NDArray[np.int8]:
    """The nearest codes: Q_b(w) = clip(round(w / s), -L, L), of one bit the sign (`methods`: Yin et al.)."""
    if bits == 1:
        return np.where(values < 0, -1, 1).astype(np.int8)
    top = level(bits)
    return np.clip(np.rint(values / scales), -top, top).astype(np.int8)


def row_scales(matrix: NDArray[np.floating], bits: int) -> NDArray[np.float64]:
    """A scale for each row, (m, 1), whose codes lose least: the best of a few, refined with the codes in turn."""
    matrix = np.asarray(matrix, dtype=np.float64)
    if bits == 1:
        return np.maximum(np.abs(matrix).mean(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    top = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), np.finfo(np.float32).tiny) / level(bits)
    best, least = top, np.full(top.shape, np.inf)
    for share in np.linspace(0.2, 1.0, SCALES):
        scales = share * top
        loss = np.square(matrix - scales * quantized(matrix, scales, bits)).sum(axis=1, keepdims=True)
        best, least = np.where(loss < least, scales, best), np.minimum(loss, least)
    for _ in range(ROUNDS):
        code = quantized(matrix, best, bits).astype(np.float64)
        energy = np.square(code).sum(axis=1, keepdims=True)
        best = np.where(energy > 0, (matrix * code).sum(axis=1, keepdims=True) / np.maximum(energy, 1), best)
    return best


def feedback_codes(
    seen: Moments, target: NDArray[np.float64], scales: NDArray[np.float64], bits: int
) -> NDArray[np.int8]:
    """Codes column by column, each error made good by the columns that follow (GPTQ, Frantar et al., 2023)."""
    every = np.ones((len(target), 1), np.bool_)
    fixed = seen.with_feedback(target, 1, lambda _, part: (every, scales * quantized(part, scales, bits)))
    return quantized(fixed, scales, bits)


def check_codes(codes: NDArray[np.integer], bits: int) -> None:
    """Raise OptionError unless all codes are ones of so many bits."""
    top = level(bits)
    if codes.size and (np.abs(codes.astype(np.int64)).max() > top or (bits == 1 and (codes == 0).any())):
        raise OptionError(f"codes of {bits} bit(s) lie within -{top} to {top}" + (", 0 aside" if bits == 1 else ""))


@register
@dataclass(frozen=True, eq=False)
class FewBits(WrittenOut):
    """`scales[i] * code[i, j]`, codes of b = `size` bits, 1 to 8: -L to L with L = 2^(b-1) - 1, at one bit -1 and 1.

    Attributes:
        code: (m, n) int8.
        scales: (m, 1) float32.
        width: b.

    Raises:
        OptionError: codes beyond their bits, or another number of scales.
    """

    label: ClassVar[str] = "few-bit"
    function: ClassVar[str] = "FewBits"
    letter: ClassVar[str] = "b"
    codes: ClassVar[frozenset[str]] = frozenset({"code"})
    signed: ClassVar[frozenset[str]] = frozenset({"code"})
    one_is_dense: ClassVar[bool] = False
    candidates: ClassVar[tuple[int, ...]] = (1, 2, 3, 4, 5, 6, 7, 8)

    code: NDArray[np.int8]
    scales: NDArray[np.float32]
    width: int

    def __post_init__(self) -> None:
        """Check what the class text promises."""
        if self.code.ndim != 2 or self.scales.shape != (len(self.code), 1):
            raise OptionError(f"codes {self.code.shape} need a scale a row, got {self.scales.shape}")
        check_codes(self.code, self.width)

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        """(m, n)."""
        m, n = self.code.shape
        return m, n

    @property
    def size(self) -> int:
        """B."""
        return self.width

    @classmethod
    def check_size(cls, size: int) -> int:
        """1 to 8 bits."""
        if super().check_size(size) > 8:
            raise OptionError(f"{size} bits are impossible for {cls.label} weights: choose 1 to 8")
        return int(size)

    @classmethod
    def project(cls, matrix: NDArray[np.floating], size: int) -> Self:
        """Codes and scales, each row for itself: a local minimum of the squared error."""
        scales = row_scales(matrix, size).astype(np.float32)
        return cls(quantized(matrix, scales, size), scales, size)

    @classmethod
    def fit(cls, matrix: NDArray[np.floating], size: int, rows: Rows) -> tuple[Self, NDArray[np.float32]]:
        """Codes of the dense least squares, column by column, each error made good by what follows."""
        m, n = matrix.shape
        seen = moments((m, n), rows)
        target = seen.best(matrix)
        scales = row_scales(target, size)
        found = cls(feedback_codes(seen, target, scales, size), scales.astype(np.float32), size)
        return found, seen.bias(found.to_dense())

    def expanded(self) -> NDArray[np.float32]:
        """The matrix, (m, n), made anew."""
        return self.code * self.scales

    def with_rows_scaled(self, factors: NDArray[np.floating]) -> Self:
        """The matrix with each row times a number, (m,); codes change their sign with it."""
        signs = np.where(factors < 0, -1, 1).astype(np.int8)[:, None]
        scales = self.scales.astype(np.float64) * np.abs(factors)[:, None]
        return type(self)(self.code * signs, scales.astype(np.float32), self.width)

    @property
    def words(self) -> int:
        """A code for each entry, and a scale for each row."""
        return int(self.code.size + self.scales.size)

    @property
    def code_bits(self) -> dict[str, int]:
        """B."""
        return {"code": self.width}

    @property
    def operations(self) -> Operations:
        """A multiplication for each code and each scale; of one-bit codes, additions instead."""
        m, n = self.shape
        return Operations(m if self.width == 1 else m * n + m, m * (n - 1))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Codes, at one bit as 0 and 1, and scales."""
        code = (self.code > 0).astype(np.int8) if self.width == 1 else self.code
        return {"code": code, "scales": self.scales}

    @classmethod
    def array_shapes(cls, shape: tuple[int, int], size: int) -> dict[str, tuple[int, ...]]:
        """See the class."""
        return {"code": shape, "scales": (shape[0], 1)}

    @classmethod
    def from_arrays(cls, shape: tuple[int, int], size: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See the class."""
        del shape
        return cls(signs(arrays["code"], size), np.asarray(arrays["scales"], np.float32), size)

    @classmethod
    def write_transposed(cls, body: FunctionBody, shape: tuple[int, int], size: int) -> str:
        """Codes times scales, turned."""
        real = write_codes(body, "code", size)
        scaled = body.node("Mul", [real, "scales"], "matrix")
        return body.node("Transpose", [scaled], "transposed", perm=(1, 0))

    @classmethod
    def describe(cls, shape: tuple[int, int], size: int) -> str:
        """The convention in full."""
        what = "0 stands for -1" if size == 1 else f"from -{level(size)} to {level(size)}"
        return (
            f"y = x W^T with W[i, j] = scales[i] * code[i, j], {shape[0]} x {shape[1]}; codes of {size} bit(s), {what}."
        )


def signs(codes: NDArray[Any], bits: int) -> NDArray[np.int8]:
    """Codes as they are multiplied by, from codes as they are stored: of one bit, 0 is stored for -1."""
    wide = np.asarray(codes)
    if bits == 1:
        wide = np.where(wide & 1, 1, -1)
    return wide.astype(np.int8)


def write_codes(body: FunctionBody, code: str, bits: int) -> str:
    """Operators that make stored codes real numbers."""
    real = body.node("Cast", [code], "real", to=1)
    if bits > 1:
        return real
    doubled = body.node("Add", [real, real], "doubled")
    one = body.node("Cast", [body.integers("one_integer", [1])], "one", to=1)
    return body.node("Sub", [doubled, one], "signs")
