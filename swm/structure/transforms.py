# SPDX-License-Identifier: Apache-2.0
"""Real FFTs over the last axis: pyfftw where it is installed, scipy otherwise, one thread."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import scipy  # its parts are imported when first used
from numpy.typing import NDArray

try:
    import pyfftw
except ImportError:  # pyfftw has no wheel for every platform; scipy gives the same numbers
    pyfftw = None

__all__ = ["FftwTransforms", "ScipyTransforms", "Transforms", "default_transforms"]


class Transforms(Protocol):
    """A pair of real transforms over the last axis; the half spectrum of k points has k/2+1 bins."""

    def forward(self, x: NDArray[np.floating]) -> NDArray[np.complexfloating]:
        """(..., k) real → (..., k/2+1) complex of the same precision."""

    def inverse(self, spectrum: NDArray[np.complexfloating], k: int) -> NDArray[np.floating]:
        """(..., k/2+1) complex → (..., k) real, normalised by 1/k."""


class ScipyTransforms:
    """scipy.fft (pocketfft), single thread."""

    def forward(self, x: NDArray[np.floating]) -> NDArray[np.complexfloating]:
        """(..., k) real → (..., k/2+1) complex."""
        out: NDArray[np.complexfloating] = scipy.fft.rfft(x, axis=-1, workers=1)
        return out

    def inverse(self, spectrum: NDArray[np.complexfloating], k: int) -> NDArray[np.floating]:
        """(..., k/2+1) complex → (..., k) real."""
        out: NDArray[np.floating] = scipy.fft.irfft(spectrum, n=k, axis=-1, workers=1)
        return out


class FftwTransforms:
    """FFTW plans, one for each shape and precision, kept for the life of the process."""

    def forward(self, x: NDArray[np.floating]) -> NDArray[np.complexfloating]:
        """(..., k) real → (..., k/2+1) complex."""
        if x.dtype.char not in "fd":  # as scipy takes them
            x = x.astype(np.float32 if x.dtype == np.float16 else np.float64)
        return _execute(("forward", x.shape, x.dtype.char), x)

    def inverse(self, spectrum: NDArray[np.complexfloating], k: int) -> NDArray[np.floating]:
        """(..., k/2+1) complex → (..., k) real."""
        real = "f" if spectrum.dtype == np.complex64 else "d"
        y = _execute(("inverse", (*spectrum.shape[:-1], k), real), spectrum)
        y *= 1.0 / k  # execute() leaves the scale out
        return y


_one_at_a_time = threading.Lock()  # plans own the arrays that they work on, and threads share plans


def _execute(key: tuple[str, tuple[int, ...], str], values: NDArray[Any]) -> NDArray[Any]:
    """Run a plan on its own arrays.

    Calling the plan with an array instead makes that array the plan's own, and a later call may copy its input over it:
    a caller's weights were overwritten that way.
    """
    with _one_at_a_time:
        plan = _plan(*key)
        plan.input_array[...] = values
        plan.execute()
        return np.array(plan.output_array)


@lru_cache(maxsize=256)
def _plan(direction: str, real_shape: tuple[int, ...], real: str) -> pyfftw.FFTW:
    half_shape = (*real_shape[:-1], real_shape[-1] // 2 + 1)
    time_side = pyfftw.empty_aligned(real_shape, dtype=real)
    frequency_side = pyfftw.empty_aligned(half_shape, dtype=real.upper())
    sides = (time_side, frequency_side) if direction == "forward" else (frequency_side, time_side)
    sign = "FFTW_FORWARD" if direction == "forward" else "FFTW_BACKWARD"
    return pyfftw.FFTW(*sides, axes=(-1,), direction=sign, flags=("FFTW_ESTIMATE",), threads=1)


def default_transforms() -> Transforms:
    """FFTW when pyfftw can be imported, else scipy."""
    return ScipyTransforms() if pyfftw is None else FftwTransforms()
