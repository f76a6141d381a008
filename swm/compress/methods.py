# SPDX-License-Identifier: Apache-2.0
"""Ways to find the columns of one layer, by name. A further one is a class here and a line in `METHODS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from swm.errors import CalibrationError, OptionError
from swm.progress import Note, quiet
from swm.structure import project
from swm.structure.fit import RIDGE
from swm.structure.rectify import RECTIFY_BYTES
from swm.structure.spectral import SpectralSystem

__all__ = ["METHODS", "Chunks", "Freedom", "Method", "Problem", "Solution", "choose_method"]

RECTIFY_ROUNDS = 12  # of relaxing targets under a ReLU; 20 rounds gain half a point more on mnist-net
RECTIFY_WORK = 270_000_000_000  # operations at most that those rounds may take, about four seconds
TARGET_WORK = 4_000  # operations in whose time a round takes one target there and back through the transforms
# Spectra of the inputs (k/2+1, rows, input blocks of all matrices), and targets (rows, m).
Chunks = Callable[[], Iterable[tuple[NDArray[np.complexfloating], NDArray[np.floating]]]]


@dataclass(frozen=True, eq=False)
class Problem:
    """One layer to fit: `sum_s C_s x_s + b` against targets.

    Attributes:
        matrices: dense (m, n_s): one for a matrix, one a kernel position for a convolution.
        block: k.
        chunks: gives the calibration rows anew at each call; None without calibration.
        rectified: whether nothing but a ReLU reads the outputs.
        note: called with what is going on, every second or so.
    """

    matrices: tuple[NDArray[Any], ...]
    block: int
    chunks: Chunks | None
    rectified: bool = False
    note: Note = quiet


@dataclass(frozen=True, eq=False)
class Solution:
    """Columns (p, q_s, k) of each matrix, and the bias (m,), None where the method has no say in it."""

    columns: tuple[NDArray[np.float32], ...]
    bias: NDArray[np.float32] | None


@dataclass(frozen=True)
class Freedom:
    """How much a fit could bend to its samples.

    Attributes:
        effective: degrees of freedom, ridge counted, of the numbers of a frequency bin that answer for one output.
        rows: samples (of a convolution pixels, of a recurrent layer steps) that they were fitted to.
        numbers: how many there are.
    """

    effective: float
    rows: int
    numbers: int

    @property
    def share(self) -> float:
        """Of the rows, those that the fit can follow whatever they say; near 1 it has learnt them by heart."""
        return self.effective / max(self.rows, 1)


class Method(Protocol):
    """A way to fit; `needs_calibration` says whether `Problem.chunks` must be there.

    `freedoms` holds what is known of every fit so far.
    """

    label: ClassVar[str]
    needs_calibration: ClassVar[bool]
    freedoms: list[Freedom]

    def fit(self, problem: Problem) -> Solution:
        """Columns and bias of one layer."""


class Projection:
    """Nearest in the Euclidean norm of the weights."""

    label: ClassVar[str] = "projection"
    needs_calibration: ClassVar[bool] = False

    def __init__(self) -> None:
        """It learns from no samples."""
        self.freedoms: list[Freedom] = []

    def fit(self, problem: Problem) -> Solution:
        """Means along the wrapped diagonals."""
        return Solution(tuple(project(m, problem.block).astype(np.float32) for m in problem.matrices), None)


class LeastSquares:
    """Nearest in the mean squared output error over the calibration rows, by a `SpectralSystem`.

    Where nothing but a ReLU reads the outputs, errors that it swallows do not count.
    """

    label: ClassVar[str] = "least squares"
    needs_calibration: ClassVar[bool] = True

    def __init__(self) -> None:
        """No fit yet."""
        self.freedoms: list[Freedom] = []

    def fit(self, problem: Problem) -> Solution:
        """One ridge system per frequency bin."""
        counts = [-(-m.shape[1] // problem.block) for m in problem.matrices]
        system = SpectralSystem(sum(counts), problem.matrices[0].shape[0], problem.block)
        assert problem.chunks is not None  # choose_method sees to it
        kept: list[tuple[NDArray[np.complexfloating], NDArray[np.floating]]] = []
        room = RECTIFY_BYTES if problem.rectified else 0
        for spectra, targets in problem.chunks():
            system.add(spectra, targets)
            room -= spectra.nbytes + targets.nbytes
            if room > 0:
                kept.append((spectra, targets))
        work = sum(16 * x.size * -(-y.shape[1] // problem.block) + TARGET_WORK * y.size for x, y in kept)  # of a round
        columns, bias = system.solve(RIDGE, kept, min(RECTIFY_ROUNDS, RECTIFY_WORK // max(work, 1)), problem.note)
        self.freedoms.append(Freedom(system.freedom, system.rows, sum(counts)))
        split = np.split(columns.astype(np.float32), np.cumsum(counts)[:-1], axis=1)
        return Solution(tuple(np.ascontiguousarray(c) for c in split), bias.astype(np.float32))


METHODS: dict[str, Callable[[], Method]] = {"least-squares": LeastSquares, "projection": Projection}


def choose_method(name: str | None, *, calibrated: bool) -> Method:
    """The method of that name; by default least squares with calibration, projection without.

    Raises:
        OptionError: no such method.
        CalibrationError: it needs calibration inputs and there are none.
    """
    name = name or ("least-squares" if calibrated else "projection")
    if name not in METHODS:
        raise OptionError(f"there is no method {name!r}; choose one of {', '.join(sorted(METHODS))}")
    method = METHODS[name]()
    if method.needs_calibration and not calibrated:
        raise CalibrationError(f"the method {name!r} needs calibration inputs")
    return method
