# SPDX-License-Identifier: Apache-2.0
"""Engines built from library FFTs and batched complex products: scipy (always there) and planned FFTW."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy  # its parts are imported when first used
from numpy.typing import NDArray

from swm.engine.kernels.cache import cache_folder, machine_key, replace_file
from swm.engine.kernels.interface import Floats, MatmulEngine, Prepared, check_shape, expand, result_array
from swm.errors import ToolError

try:
    import pyfftw
except ImportError:  # pyfftw has no wheel for every platform
    pyfftw = None

__all__ = ["DenseEngine", "FftwEngine", "ScipyEngine"]

_log = logging.getLogger(__name__)
_KEPT_PLANS = 8  # batch sizes a prepared matrix keeps plans for


def _bins(columns: Floats) -> NDArray[np.complex64]:
    """(k/2+1, q, p) complex64: one matrix a frequency bin."""
    half = np.fft.rfft(columns.astype(np.float64))
    return np.ascontiguousarray(half.transpose(2, 1, 0).astype(np.complex64))


class DenseEngine(MatmulEngine):
    """The matrix written out and multiplied by numpy's BLAS, on as many threads as that is set to."""

    name: ClassVar[str] = "dense"

    def prepare(self, columns: Floats, shape: tuple[int, int] | None = None, *, threads: int = 1) -> Prepared:
        """See MatmulEngine."""
        m, n = check_shape(columns, shape, threads)
        transposed = expand(columns.astype(np.float32, copy=False), m, n).T

        def product(x: Floats, out: Floats | None = None) -> Floats:
            x, out = result_array(x, m, n, out)
            return np.matmul(x, transposed, out=out)

        return product


class ScipyEngine(MatmulEngine):
    """scipy.fft and one batched complex product."""

    name: ClassVar[str] = "scipy"

    def prepare(self, columns: Floats, shape: tuple[int, int] | None = None, *, threads: int = 1) -> Prepared:
        """See MatmulEngine."""
        m, n = check_shape(columns, shape, threads)
        p, q, k = columns.shape
        weights = _bins(columns)

        def product(x: Floats, out: Floats | None = None) -> Floats:
            x, out = result_array(x, m, n, out)
            if n != q * k:
                x = np.pad(x, ((0, 0), (0, q * k - n)))
            half = scipy.fft.rfft(x.reshape(len(x), q, k), axis=-1, workers=threads)
            sums = np.ascontiguousarray(np.matmul(half.transpose(2, 0, 1), weights).transpose(1, 2, 0))
            y = scipy.fft.irfft(sums, n=k, axis=-1, workers=threads)
            out[:] = y.reshape(len(x), p * k)[:, :m]
            return out

        return product


class FftwEngine(MatmulEngine):
    """FFTW plans for the exact shapes, measured once and kept as wisdom in the cache folder."""

    name: ClassVar[str] = "pyfftw"

    def missing(self) -> str | None:
        """See MatmulEngine."""
        return "pyfftw is not installed" if pyfftw is None else None

    def prepare(self, columns: Floats, shape: tuple[int, int] | None = None, *, threads: int = 1) -> Prepared:
        """See MatmulEngine."""
        if pyfftw is None:
            raise ToolError("pyfftw is not installed: pip install pyfftw")
        return _FftwProduct(columns, check_shape(columns, shape, threads), threads)


class _FftwProduct:
    """Plans and their arrays, one set a batch size; a lock, because plans own the arrays they work on."""

    def __init__(self, columns: Floats, shape: tuple[int, int], threads: int) -> None:
        self._m, self._n = shape
        self._blocks = columns.shape
        self._weights = _bins(columns)
        self._threads = threads
        self._lock = threading.Lock()
        self._plans: dict[int, tuple[Any, ...]] = {}

    def __call__(self, x: Floats, out: Floats | None = None) -> Floats:
        """See Prepared."""
        x, out = result_array(x, self._m, self._n, out)
        if not len(x):
            return out
        with self._lock:
            if len(x) not in self._plans:
                if len(self._plans) == _KEPT_PLANS:
                    del self._plans[next(iter(self._plans))]
                self._plans[len(x)] = self._plan(len(x))
            time_in, bins_in, forward, bins_out, time_out, inverse = self._plans[len(x)]
            time_in.reshape(len(x), -1)[:, : self._n] = x
            forward.execute()
            np.matmul(bins_in, self._weights, out=bins_out)
            inverse.execute()
            np.multiply(time_out.reshape(len(x), -1)[:, : self._m], np.float32(1 / self._blocks[2]), out=out)
        return out

    def _plan(self, batch: int) -> tuple[Any, ...]:
        p, q, k = self._blocks
        bins = k // 2 + 1
        time_in, time_out = pyfftw.zeros_aligned((batch, q, k), "f4"), pyfftw.zeros_aligned((batch, p, k), "f4")
        bins_in, bins_out = pyfftw.zeros_aligned((bins, batch, q), "c8"), pyfftw.zeros_aligned((bins, batch, p), "c8")
        options: dict[str, Any] = {"axes": (-1,), "flags": ("FFTW_MEASURE",), "threads": self._threads}
        with _Wisdom():
            forward = pyfftw.FFTW(time_in, bins_in.transpose(1, 2, 0), direction="FFTW_FORWARD", **options)
            inverse = pyfftw.FFTW(bins_out.transpose(1, 2, 0), time_out, direction="FFTW_BACKWARD", **options)
        time_in[:] = 0  # planning by measurement writes into the arrays; the padding must stay zero
        return time_in, bins_in, forward, bins_out, time_out, inverse


class _Wisdom:
    """Reads the cache's wisdom once a process, and writes it back when planning has added to it."""

    _read: ClassVar[bool] = False

    def __enter__(self) -> None:
        path = self._path()
        if not _Wisdom._read:
            _Wisdom._read = True
            try:
                pyfftw.import_wisdom(tuple(path.read_bytes().split(b"\0")))
            except (OSError, ValueError, TypeError) as error:
                _log.debug("no FFTW wisdom from %s: %s", path, error)
        self._before = pyfftw.export_wisdom()

    def __exit__(self, *_: object) -> None:
        after = pyfftw.export_wisdom()
        if after != self._before:
            try:
                replace_file(self._path(), b"\0".join(after))
            except OSError as error:
                _log.debug("FFTW wisdom not kept: %s", error)

    @staticmethod
    def _path() -> Path:
        return cache_folder() / f"fftw-{pyfftw.__version__}-{machine_key()}.wisdom"
