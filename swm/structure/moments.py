# SPDX-License-Identifier: Apache-2.0
"""Second moments of calibration rows, and the fits of a matrix with fixed zeros or few values that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when first used
from numpy.typing import NDArray

from swm.structure.base import Rows
from swm.structure.fit import RIDGE

__all__ = ["Choice", "Moments", "moments"]

Float = NDArray[np.float64]
PANEL = 128  # columns whose errors are carried on together

# What some columns (m, g) of a matrix become: which entries stay, and their values where these are not their own.
Choice = Callable[[int, Float], tuple[NDArray[np.bool_], Float | None]]


@dataclass(frozen=True, eq=False)
class Moments:
    """Centred sums over calibration rows: all that least squares needs of them.

    Attributes:
        gram: of the inputs, (n, n), with the ridge on its diagonal.
        cross: of wanted outputs and inputs, (m, n).
        ridge: the number added to the diagonal of `gram`.
        mean_in: (n,).
        mean_out: (m,).
    """

    gram: Float
    cross: Float
    ridge: float
    mean_in: Float
    mean_out: Float

    def bias(self, matrix: NDArray[np.floating]) -> NDArray[np.float32]:
        """(m,): what makes the means of the outputs right."""
        return (self.mean_out - matrix.astype(np.float64) @ self.mean_in).astype(np.float32)

    def best(self, start: NDArray[np.floating]) -> Float:
        """The dense (m, n) matrix of least squares, pulled to `start` by the ridge."""
        factor = scipy.linalg.cho_factor(self.gram, lower=True, check_finite=False)
        right = (self.cross + self.ridge * start).T
        solution: Float = scipy.linalg.cho_solve(factor, right, check_finite=False).T
        return solution

    def restricted(self, start: NDArray[np.floating], rows: slice, columns: NDArray[np.integer]) -> Float:
        """The same for some rows of the matrix, all of whose entries but those in `columns` are zero.

        Returns:
            (rows, columns).
        """
        system = self.gram[np.ix_(columns, columns)]
        right = (self.cross[rows, columns] + self.ridge * start[rows, columns]).T
        solution: Float = scipy.linalg.solve(system, right, assume_a="pos", check_finite=False).T
        return solution

    def inverse(self) -> Float:
        """Inverse of `gram`."""
        return np.asarray(np.linalg.inv(self.gram))

    def with_feedback(self, matrix: Float, group: int, choose: Choice) -> Float:
        """Entries fixed from left to right; what later columns can, they make good (Frantar and Alistarh, SparseGPT).

        With the upper Cholesky factor U of the inverse of `gram`, an error e in column j costs least if the later
        columns change by -e / U[j, j] * U[j, j+1:].

        Args:
            matrix: (m, n), the best without limits.
            group: columns that are chosen together.
            choose: called with the number of a group and its columns as they are by then.

        Returns:
            (m, n), whose entries are all chosen.
        """
        upper = scipy.linalg.cholesky(self.inverse(), lower=False, check_finite=False)
        work, n = matrix.copy(), matrix.shape[1]
        panel = max(group, PANEL // group * group)
        for left in range(0, n, panel):
            right = min(left + panel, n)
            errors = np.zeros((len(work), right - left))
            for first in range(left, right, group):
                last = min(first + group, right)
                kept, values = choose(first // group, work[:, first:last])
                for j in range(first, last):
                    own = work[:, j].copy()
                    chosen = own if values is None else values[:, j - first]
                    work[:, j] = np.where(kept[:, j - first], chosen, 0.0)
                    error = (own - work[:, j]) / upper[j, j]
                    errors[:, j - left] = error
                    work[:, j + 1 : right] -= np.outer(error, upper[j, j + 1 : right])
            work[:, right:] -= errors @ upper[left:right, right:]
        return work

    def of(self, columns: NDArray[np.integer], rows: slice) -> Moments:
        """The moments of some inputs and outputs alone."""
        return Moments(
            self.gram[np.ix_(columns, columns)],
            self.cross[rows, columns],
            self.ridge,
            self.mean_in[columns],
            self.mean_out[rows],
        )


def moments(shape: tuple[int, int], rows: Rows) -> Moments:
    """Sums over all calibration rows of a layer, in double precision.

    Args:
        shape: (m, n) of the layer's matrix.
        rows: gives inputs (rows, n) and wanted outputs (rows, m), chunk by chunk.
    """
    m, n = shape
    gram, cross = np.zeros((n, n)), np.zeros((m, n))
    total_in, total_out, count = np.zeros(n), np.zeros(m), 0
    for x, y in rows():
        inputs, outputs = x.astype(np.float64), y.astype(np.float64)
        gram += inputs.T @ inputs
        cross += outputs.T @ inputs
        total_in += inputs.sum(axis=0)
        total_out += outputs.sum(axis=0)
        count += len(x)
    mean_in, mean_out = total_in / max(count, 1), total_out / max(count, 1)
    gram -= count * np.outer(mean_in, mean_in)
    cross -= count * np.outer(mean_out, mean_in)
    ridge = RIDGE * max(float(np.trace(gram)), 0.0) / n or 1.0  # inputs that never vary leave the matrix as it is
    gram[np.diag_indices(n)] += ridge
    return Moments(gram, cross, ridge, mean_in, mean_out)


def supports(ids: Sequence[int] | NDArray[np.integer], block: int, n: int) -> NDArray[np.int64]:
    """Columns of the blocks of a block row, without those beyond the matrix."""
    columns = (np.asarray(ids, dtype=np.int64)[:, None] * block + np.arange(block)).ravel()
    return columns[columns < n]
