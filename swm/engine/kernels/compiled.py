# SPDX-License-Identifier: Apache-2.0
"""The compiled engine: matmul.cpp specialised for the block size (product.h describes layouts and steps)."""

from __future__ import annotations

import ctypes
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.engine.kernels.build import compiler, load_library
from swm.engine.kernels.interface import Floats, MatmulEngine, Prepared, check_threads, result_array
from swm.errors import ToolError
from swm.structure import BlockCirculant

__all__ = [
    "CompiledEngine",
    "KernelPlan",
    "Scratch",
    "address",
    "aligned",
    "few_samples",
    "kernel_plan",
    "packed_spectra",
    "three_parts",
]

_ALIGN = 64  # bytes, a cache line and the widest vector


def few_samples(p: int, q: int) -> int:
    """Below this many samples (of a tile's 16) blocks lie in vector lanes instead of samples.

    Measured: the two layouts take equally long at 14 to 16 samples, unless there are too few blocks to fill a vector.
    """
    return 14 if min(p, q) >= 8 else 7


class KernelPlan(ctypes.Structure):
    """struct Plan of product.h: a matrix in the kernel's layouts, which must outlive it."""

    _fields_: ClassVar = [
        *((name, ctypes.c_int64) for name in ("m", "n", "p", "q", "pl", "few")),
        *((name, ctypes.c_void_p) for name in ("weights", "tile_weights")),
    ]


def kernel_plan(matrix: BlockCirculant, lanes: int, few: int | None = None) -> tuple[KernelPlan, tuple[Floats, Floats]]:
    """The plan of a matrix, and the two layouts of its weights that it points at."""
    p, q, _ = matrix.columns.shape
    outputs = min(lanes, 4 if p <= 4 else 8 if p <= 8 else 16)
    packed = packed_spectra(matrix.columns)
    weights = _single_layout(packed, outputs), _batch_layout(three_parts(packed), lanes)
    few = few_samples(p, q) if few is None else few
    return KernelPlan(*matrix.shape, p, q, outputs, few, *(w.ctypes.data for w in weights)), weights


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


class CompiledEngine(MatmulEngine):
    """C++ with samples (many) or blocks (few samples) in vector lanes; built on first use."""

    name: ClassVar[str] = "compiled"

    def missing(self) -> str | None:
        """See MatmulEngine."""
        try:
            compiler()
        except ToolError as error:
            return str(error)
        return None

    def prepare(self, matrix: BlockCirculant, *, threads: int = 1, few: int | None = None) -> Prepared:
        """See MatmulEngine; `few` sets where the layouts change over."""
        return CompiledProduct(matrix, check_threads(threads), few)


class CompiledProduct:
    """A matrix in the kernel's layout, and scratch memory for as many calls as run at once.

    Attributes:
        tiles: tiles of samples that calls so far have run with samples in lanes.
    """

    def __init__(self, matrix: BlockCirculant, threads: int, few: int | None) -> None:
        self._m, self._n = matrix.shape
        self._threads = threads
        p, q, k = matrix.columns.shape
        library = load_library("matmul.cpp", {"SWM_K": k})
        library.swm_work.argtypes = [ctypes.c_int64] * 3
        library.swm_work.restype = ctypes.c_int64
        self._run = library.swm_matmul
        self._run.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 2 + [ctypes.c_void_p]
        self._run.restype = ctypes.c_int64
        self._plan, self._weights = kernel_plan(matrix, library.swm_lanes(), few)
        self._plan_at = ctypes.addressof(self._plan)
        self._scratch = Scratch(threads * library.swm_work(p, q, self._plan.pl))
        self.tiles = 0

    def __call__(self, x: Floats, out: Floats | None = None) -> Floats:
        """See Prepared."""
        x, out = result_array(x, self._m, self._n, out)
        batch = len(x)
        if not batch:
            return out
        work = self._scratch.take()
        self.tiles += self._run(self._plan_at, address(x), address(out), batch, self._threads, work[0])
        self._scratch.give(work)
        return out


def packed_spectra(columns: Floats) -> NDArray[np.float64]:
    """First columns (..., k) → half spectra (..., k/2 rows, 2) as transform.h packs them, its factors folded in."""
    rows = columns.shape[-1] // 2
    half = np.fft.rfft(columns.astype(np.float64))
    packed = np.empty((*columns.shape[:-1], rows, 2))
    packed[..., 0], packed[..., 1] = half.real[..., :-1], half.imag[..., :-1]
    packed[..., 0, 1] = half.real[..., -1]
    scale = np.full(rows, 0.25 / rows)
    scale[0] = 0.5 / rows
    if rows > 1:
        scale[rows // 2] = 1.0 / rows
    return packed * scale[:, None]


def three_parts(packed: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., rows, 2) → (..., rows, 3): re, im - re, re + im; row 0, which holds two real bins, keeps them first."""
    re, im = packed[..., 0], packed[..., 1]
    parts = np.stack([re, im - re, re + im], axis=-1)
    parts[..., 0, 1] = im[..., 0]
    return parts


def _single_layout(spectra: NDArray[np.float64], outputs: int) -> Floats:
    """(p, q, rows, 2) → [rows][vectors][q][2][outputs], as product.h reads them."""
    p, q, rows, parts = spectra.shape
    vectors = -(-p // outputs)
    padded = np.zeros((vectors * outputs, q, rows, parts))
    padded[:p] = spectra
    return _flat(padded.reshape(vectors, outputs, q, rows, parts).transpose(3, 0, 2, 4, 1))


def _batch_layout(spectra: NDArray[np.float64], lanes: int) -> Floats:
    """(p, q, rows, 3) → [rows][groups][q][3][outputs of the group], as product.h reads them."""
    p, _, rows, _ = spectra.shape
    sizes = [8 if lanes == 16 else 4] * p  # more than enough of them; the rest is taken in halves
    groups, start = [], 0
    for size in (*sizes, 4, 2, 1):
        if p - start >= size:
            group = spectra[start : start + size]
            groups.append(group.transpose(2, 1, 3, 0).reshape(rows, -1))
            start += size
    return _flat(np.concatenate(groups, axis=1))


def _flat(values: NDArray[np.float64]) -> Floats:
    """A copy in float32 at a cache line's start."""
    memory = aligned(values.size, np.float32)
    memory[:] = values.reshape(-1)
    return memory
