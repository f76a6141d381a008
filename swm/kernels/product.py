# SPDX-License-Identifier: Apache-2.0
"""Block-circulant products by matmul.cpp, specialised for the block size (product.h describes layouts and steps)."""

from __future__ import annotations

import ctypes
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.kernels.build import load_library
from swm.kernels.memory import Floats, Scratch, address, aligned, check_threads, result_array

__all__ = [
    "CompiledProduct",
    "KernelPlan",
    "few_samples",
    "kernel_plan",
    "packed_spectra",
    "three_parts",
]


def few_samples(p: int, q: int) -> int:
    """Below this many samples (of a tile's 16) blocks lie in vector lanes instead of samples.

    Measured: the two layouts take equally long at 14 to 16 samples, unless there are too few blocks to fill a vector.
    """
    return 14 if min(p, q) >= 8 else 7


class KernelPlan(ctypes.Structure):
    """struct Plan of product.h: a matrix in the kernel's layouts, which must outlive it."""

    _fields_: ClassVar = [
        *((name, ctypes.c_int64) for name in ("m", "n", "p", "q", "pl", "few")),
        *((name, ctypes.c_void_p) for name in ("weights", "tile_weights", "bias")),
        ("relu", ctypes.c_int64),
    ]


def kernel_plan(
    columns: Floats, shape: tuple[int, int], lanes: int, few: int | None = None
) -> tuple[KernelPlan, tuple[Floats, Floats]]:
    """The plan of a matrix, and the two layouts of its weights that it points at.

    Args:
        columns: (p, q, k), the first column of each block.
        shape: (m, n), where padding is cut off.
        lanes: of the library's vectors.
        few: below so many samples of a tile blocks lie in lanes; by default as measured.
    """
    p, q, _ = columns.shape
    outputs = min(lanes, 4 if p <= 4 else 8 if p <= 8 else 16)
    packed = packed_spectra(columns)
    weights = _single_layout(packed, outputs), _batch_layout(three_parts(packed), lanes)
    few = few_samples(p, q) if few is None else few
    return KernelPlan(*shape, p, q, outputs, few, *(w.ctypes.data for w in weights)), weights


class CompiledProduct:
    """`act(x W^T + b)` ready for repeated calls from any thread: (batch, n) float32 → (batch, m) float32.

    Args:
        columns: (p, q, k) float32, the first column of each block of W.
        shape: (m, n) of W.
        threads: how many to use.
        few: below so many samples of a tile blocks lie in lanes; by default as measured.
        bias: (m,) float32, or None.
        relu: whether act is `max(y, 0)`; otherwise it is nothing.

    Attributes:
        tiles: tiles of samples that calls so far have run with samples in lanes.

    Raises:
        OptionError: fewer than one thread.
        ToolError: the library is not built yet, and there is no compiler.
    """

    def __init__(
        self,
        columns: Floats,
        shape: tuple[int, int],
        *,
        threads: int = 1,
        few: int | None = None,
        bias: Floats | None = None,
        relu: bool = False,
    ) -> None:
        """Build the library if need be and lay the weights out."""
        self._m, self._n = shape
        self._threads = check_threads(threads)
        p, q, k = columns.shape
        library = load_library("matmul.cpp", {"SWM_K": k})
        library.swm_work.argtypes = [ctypes.c_int64] * 3
        library.swm_work.restype = ctypes.c_int64
        self._run = library.swm_matmul
        self._run.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 2 + [ctypes.c_void_p]
        self._run.restype = ctypes.c_int64
        self._plan, self._weights = kernel_plan(columns, shape, library.swm_lanes(), few)
        self._bias = None if bias is None else np.array(bias, np.float32)
        self._plan.bias = None if self._bias is None else self._bias.ctypes.data
        self._plan.relu = relu
        self._plan_at = ctypes.addressof(self._plan)
        self._scratch = Scratch(threads * library.swm_work(p, q, self._plan.pl))
        self.tiles = 0

    def __call__(self, x: Floats, out: Floats | None = None) -> Floats:
        """The product, into `out` if it is given (C order).

        Raises:
            OptionError: x is not (batch, n), or out does not fit.
        """
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
