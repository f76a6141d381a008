# SPDX-License-Identifier: Apache-2.0
"""Engines built from the transforms of `swm.structure` and batched complex products: scipy, FFTW in place."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.engine.kernels.interface import MatmulEngine, Prepared
from swm.errors import ToolError
from swm.kernels import Floats, aligned, cache_folder, check_threads, machine_key, result_array
from swm.structure import BlockCirculant, ScipyTransforms
from swm.structure.transforms import FftwWisdom, fftw_plan, fftw_version

__all__ = ["DenseEngine", "FftwEngine", "ScipyEngine"]

_KEPT_PLANS = 8  # batch sizes a prepared matrix keeps plans for


class DenseEngine(MatmulEngine):
    """The matrix written out and multiplied by numpy's BLAS, on as many threads as that is set to."""

    name: ClassVar[str] = "dense"

    def prepare(self, matrix: BlockCirculant, *, threads: int = 1) -> Prepared:
        """See MatmulEngine."""
        check_threads(threads)
        m, n = matrix.shape
        transposed = matrix.to_dense().astype(np.float32, copy=False).T

        def product(x: Floats, out: Floats | None = None) -> Floats:
            x, out = result_array(x, m, n, out)
            return np.matmul(x, transposed, out=out)

        return product


class ScipyEngine(MatmulEngine):
    """scipy.fft and one batched complex product."""

    name: ClassVar[str] = "scipy"

    def prepare(self, matrix: BlockCirculant, *, threads: int = 1) -> Prepared:
        """See MatmulEngine."""
        (m, n), transforms = matrix.shape, ScipyTransforms(check_threads(threads))

        def product(x: Floats, out: Floats | None = None) -> Floats:
            x, out = result_array(x, m, n, out)
            out[:] = matrix.matmul(x, transforms)
            return out

        return product


class FftwEngine(MatmulEngine):
    """FFTW plans for the exact shapes, measured once and kept as wisdom in the cache folder."""

    name: ClassVar[str] = "pyfftw"

    def missing(self) -> str | None:
        """See MatmulEngine."""
        return "pyfftw is not installed" if fftw_version() is None else None

    def prepare(self, matrix: BlockCirculant, *, threads: int = 1) -> Prepared:
        """See MatmulEngine."""
        if fftw_version() is None:
            raise ToolError("pyfftw is not installed: pip install pyfftw")
        return _FftwProduct(matrix, check_threads(threads))


class _FftwProduct:
    """Plans and their arrays, one set per batch size; a lock, because plans own the arrays they work on."""

    def __init__(self, matrix: BlockCirculant, threads: int) -> None:
        self._m, self._n = matrix.shape
        self._blocks = matrix.columns.shape
        self._weights = matrix.spectrum.astype(np.complex64, copy=False)
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
        time_in, time_out = _zeros((batch, q, k), np.float32), _zeros((batch, p, k), np.float32)
        bins_in, bins_out = _zeros((bins, batch, q), np.complex64), _zeros((bins, batch, p), np.complex64)
        with FftwWisdom(cache_folder() / f"fftw-{fftw_version()}-{machine_key()}.wisdom"):
            forward = fftw_plan("forward", time_in, bins_in.transpose(1, 2, 0), measured=True, threads=self._threads)
            inverse = fftw_plan("inverse", time_out, bins_out.transpose(1, 2, 0), measured=True, threads=self._threads)
        time_in[:] = 0  # planning by measurement writes into the arrays; the padding must stay zero
        return time_in, bins_in, forward, bins_out, time_out, inverse


def _zeros(shape: tuple[int, ...], kind: type[np.inexact]) -> NDArray[Any]:
    """Zeros where vector instructions like them."""
    return aligned(int(np.prod(shape)), kind).reshape(shape)
