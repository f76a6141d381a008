# SPDX-License-Identifier: Apache-2.0
"""The compiled engine: matmul.cpp specialised for the block size (layouts and steps are described there)."""

from __future__ import annotations

import ctypes
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.engine.kernels._build import compiler, load_library
from swm.engine.kernels._interface import Floats, MatmulEngine, Prepared, check_shape, result_array
from swm.errors import ToolError

__all__ = ["CompiledEngine", "few_samples"]

_ALIGN = 64  # bytes, a cache line and the widest vector


def few_samples(p: int, q: int) -> int:
    """Below this many samples (of a tile's 16) blocks lie in vector lanes instead of samples.

    Measured: the two layouts take equally long at 14 to 16 samples, unless there are too few blocks to fill a vector.
    """
    return 14 if min(p, q) >= 8 else 7


class _Plan(ctypes.Structure):
    _fields_: ClassVar = [
        *((name, ctypes.c_int64) for name in ("m", "n", "p", "q", "pl", "few")),
        ("weights", ctypes.c_void_p),
    ]


def aligned(size: int, kind: type[np.floating]) -> NDArray[np.floating]:
    """Zeros at a cache line's start."""
    item = np.dtype(kind).itemsize
    raw = np.zeros(size + _ALIGN // item, kind)
    start = -raw.ctypes.data % _ALIGN // item
    return raw[start : start + size]


def address(array: NDArray[Any]) -> int:
    """Where the first element of a non-empty array lies; the quick way for writable arrays."""
    if array.flags.writeable:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    return int(array.ctypes.data)


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

    def prepare(
        self, columns: Floats, shape: tuple[int, int] | None = None, *, threads: int = 1, few: int | None = None
    ) -> Prepared:
        """See MatmulEngine; `few` sets where the layouts change over."""
        checked = check_shape(columns, shape, threads)
        return CompiledProduct(columns, checked, threads, few_samples(*columns.shape[:2]) if few is None else few)


class CompiledProduct:
    """A matrix in the kernel's layout, and scratch memory for as many calls as run at once.

    Attributes:
        tiles: tiles of samples that calls so far have run with samples in lanes.
    """

    def __init__(self, columns: Floats, shape: tuple[int, int], threads: int, few: int) -> None:
        self._m, self._n = shape
        self._threads = threads
        p, q, k = columns.shape
        library = load_library("matmul.cpp", {"SWM_K": k})
        library.swm_work.argtypes = [ctypes.c_int64] * 3
        library.swm_work.restype = ctypes.c_int64
        self._run = library.swm_matmul
        self._run.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 2 + [ctypes.c_void_p]
        self._run.restype = ctypes.c_int64
        lanes = library.swm_lanes()
        outputs = min(lanes, 4 if p <= 4 else 8 if p <= 8 else 16)
        self._weights = _weights(columns, outputs)
        self._plan = _Plan(self._m, self._n, p, q, outputs, few, self._weights.ctypes.data)
        self._plan_at = ctypes.addressof(self._plan)
        self._work_size = threads * library.swm_work(p, q, outputs)
        self._free: list[tuple[int, NDArray[np.floating]]] = []
        self.tiles = 0

    def __call__(self, x: Floats, out: Floats | None = None) -> Floats:
        """See Prepared."""
        x, out = result_array(x, self._m, self._n, out)
        batch = len(x)
        if not batch:
            return out
        try:
            work = self._free.pop()
        except IndexError:
            memory = aligned(self._work_size, np.float32)
            work = (memory.ctypes.data, memory)
        self.tiles += self._run(self._plan_at, address(x), address(out), batch, self._threads, work[0])
        self._free.append(work)
        return out


def _weights(columns: Floats, outputs: int) -> Floats:
    """Packed spectra as matmul.cpp reads them: [k/2 rows][vectors][q][2][outputs], its factors folded in."""
    p, q, k = columns.shape
    rows, vectors = k // 2, -(-p // outputs)
    half = np.fft.rfft(columns.astype(np.float64))
    packed = np.zeros((vectors * outputs, q, rows, 2))
    packed[:p, ..., 0], packed[:p, ..., 1] = half.real[..., :-1], half.imag[..., :-1]
    packed[:p, :, 0, 1] = half.real[..., -1]
    scale = np.full(rows, 0.25 / rows)
    scale[0] = 0.5 / rows
    if rows > 1:
        scale[rows // 2] = 1.0 / rows
    ordered = (packed * scale[:, None]).reshape(vectors, outputs, q, rows, 2).transpose(3, 0, 2, 4, 1)
    memory = aligned(ordered.size, np.float32)
    memory[:] = ordered.reshape(-1)
    return memory
