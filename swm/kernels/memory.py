# SPDX-License-Identifier: Apache-2.0
"""Arrays as the C++ wants them: aligned, contiguous, with their addresses; scratch memory; the checks of a product."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError

__all__ = ["Floats", "Scratch", "address", "aligned", "check_threads", "result_array"]

Floats = NDArray[np.float32]
_ALIGN = 64  # bytes, a cache line and the widest vector


def aligned(size: int, kind: type[np.inexact]) -> NDArray[Any]:
    """Zeros at a cache line's start."""
    item = np.dtype(kind).itemsize
    raw = np.zeros(size + _ALIGN // item, kind)  # never empty, as `address` asks
    start = -address(raw) % _ALIGN // item
    return raw[start : start + size]


def address(array: NDArray[Any]) -> int:
    """Where the first element of a non-empty array lies; the quick way for writable arrays."""
    if array.flags.writeable:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    return int(array.ctypes.data)


class Scratch:
    """Scratch memory of one size, a piece for each of the calls that run at once."""

    def __init__(self, floats: int) -> None:
        self._floats = floats
        self._free: list[tuple[int, NDArray[np.floating]]] = []

    def take(self) -> tuple[int, NDArray[np.floating]]:
        """A piece for the caller alone, its address first. A context manager would cost a microsecond a call."""
        try:
            return self._free.pop()
        except IndexError:
            memory = aligned(self._floats, np.float32)
            return memory.ctypes.data, memory

    def give(self, piece: tuple[int, NDArray[np.floating]]) -> None:
        """Back for the next call."""
        self._free.append(piece)


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
