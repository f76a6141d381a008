# SPDX-License-Identifier: Apache-2.0
"""Real FFTs over the last axis, and the only place that plans them: FFTW where pyfftw is installed, scipy otherwise.

`default_transforms()` takes arrays of any shape, by plans that cost nothing to make. `fftw_plan` binds two arrays for
good, measured if asked; the kernels of `swm.engine` prepare their products with it.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import scipy  # its parts are imported when first used
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyfftw

__all__ = [
    "FftwTransforms",
    "FftwWisdom",
    "ScipyTransforms",
    "Transforms",
    "default_transforms",
    "fftw_plan",
    "fftw_version",
]

_log = logging.getLogger(__name__)
Direction = Literal["forward", "inverse"]


class Transforms(Protocol):
    """A pair of real transforms over the last axis; the half spectrum of k points has k/2+1 bins."""

    def forward(self, x: NDArray[np.floating]) -> NDArray[np.complexfloating]:
        """(..., k) real → (..., k/2+1) complex of the same precision."""

    def inverse(self, spectrum: NDArray[np.complexfloating], k: int) -> NDArray[np.floating]:
        """(..., k/2+1) complex → (..., k) real, normalised by 1/k."""


@dataclass(frozen=True)
class ScipyTransforms:
    """scipy.fft (pocketfft), on so many threads."""

    threads: int = 1

    def forward(self, x: NDArray[np.floating]) -> NDArray[np.complexfloating]:
        """(..., k) real → (..., k/2+1) complex."""
        out: NDArray[np.complexfloating] = scipy.fft.rfft(x, axis=-1, workers=self.threads)
        return out

    def inverse(self, spectrum: NDArray[np.complexfloating], k: int) -> NDArray[np.floating]:
        """(..., k/2+1) complex → (..., k) real."""
        out: NDArray[np.floating] = scipy.fft.irfft(spectrum, n=k, axis=-1, workers=self.threads)
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


@cache
def _fftw() -> Any:
    """pyfftw, imported at first use: with the parts of scipy that it imports it takes longer than numpy."""
    try:
        import pyfftw
    except ImportError:  # pyfftw has no wheel for every platform; scipy gives the same numbers
        return None
    return pyfftw


_one_at_a_time = threading.Lock()  # plans own the arrays that they work on, and threads share plans


def _execute(key: tuple[Direction, tuple[int, ...], str], values: NDArray[Any]) -> NDArray[Any]:
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
def _plan(direction: Direction, real_shape: tuple[int, ...], real: str) -> pyfftw.FFTW:
    half_shape = (*real_shape[:-1], real_shape[-1] // 2 + 1)
    empty = _fftw().empty_aligned
    return fftw_plan(direction, empty(real_shape, dtype=real), empty(half_shape, dtype=real.upper()))


def fftw_version() -> str | None:
    """Version of pyfftw, None where it is not installed."""
    return None if _fftw() is None else str(_fftw().__version__)


def fftw_plan(
    direction: Direction,
    time_side: NDArray[Any],
    frequency_side: NDArray[Any],
    *,
    measured: bool = False,
    threads: int = 1,
) -> pyfftw.FFTW:
    """A plan between two arrays, which may be views; `execute()` reads one and writes the other, unscaled.

    Args:
        direction: "forward" from the time side.
        time_side: (..., k) real.
        frequency_side: (..., k/2+1) complex of the same precision.
        measured: time several ways first, which writes into the arrays; inside a `FftwWisdom` that is kept.
        threads: of the transform.
    """
    sides = (time_side, frequency_side) if direction == "forward" else (frequency_side, time_side)
    sign = "FFTW_FORWARD" if direction == "forward" else "FFTW_BACKWARD"
    effort = "FFTW_MEASURE" if measured else "FFTW_ESTIMATE"
    return _fftw().FFTW(*sides, axes=(-1,), direction=sign, flags=(effort,), threads=threads)


class FftwWisdom:
    """What measured planning found: read from a file once per process, written back when planning has added to it."""

    _read: ClassVar[set[Path]] = set()

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        self._path = path

    def __enter__(self) -> None:
        """Know what the file knows."""
        if self._path not in FftwWisdom._read:
            FftwWisdom._read.add(self._path)
            try:
                _fftw().import_wisdom(tuple(self._path.read_bytes().split(b"\0")))
            except (OSError, ValueError, TypeError) as error:
                _log.debug("no FFTW wisdom from %s: %s", self._path, error)
        self._before = _fftw().export_wisdom()

    def __exit__(self, *_: object) -> None:
        """Keep what is new."""
        after = _fftw().export_wisdom()
        if after != self._before:
            temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            try:
                temporary.write_bytes(b"\0".join(after))
                temporary.replace(self._path)
            except OSError as error:
                _log.debug("FFTW wisdom not kept: %s", error)


def default_transforms() -> Transforms:
    """FFTW when pyfftw can be imported, else scipy."""
    return ScipyTransforms() if _fftw() is None else FftwTransforms()
