# SPDX-License-Identifier: Apache-2.0
"""Least squares for block-circulant weights from statistics that are gathered chunk by chunk.

The problem separates by frequency, as the DFT keeps sums of squares (Parseval) and turns every circulant block into
numbers, one per bin: with X_j, Y_i the half spectra of the centred blocks, `H_f[j, j'] = E[conj(X_j) X_j']`,
`b_i(f)[j] = E[conj(X_j) Y_i]`, and `(H_f + ridge * mean(diag H_f) I) w_i(f) = b_i(f)`: k/2+1 systems, shared by all
block rows. For a convolution j runs over kernel positions and channel blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy  # its parts are imported when first used
from numpy.typing import NDArray

from swm.structure.rectify import rectified
from swm.structure.transforms import default_transforms

__all__ = ["SpectralSystem", "block_spectra"]

PARTIAL_ROUNDS = 8  # of imputing the missing rows of a partial last block; the gain has levelled off by then
PARTIAL_BYTES = 1 << 27  # of inputs kept for that
Complex = NDArray[np.complexfloating]
Real = NDArray[np.floating]


def block_spectra(values: Real, block: int) -> Complex:
    """Half spectra of the blocks of each row: (rows, n) → (k/2+1, rows, blocks), padded with zeros."""
    rows, n = values.shape
    blocks = -(-n // block)
    if n != blocks * block:
        values = np.concatenate([values, np.zeros((rows, blocks * block - n), values.dtype)], axis=1)
    half = default_transforms().forward(values.reshape(rows, blocks, block))
    return np.ascontiguousarray(half.transpose(2, 0, 1))


class SpectralSystem:
    """The normal equations of one layer, bin by bin.

    Spectra are centred on the first chunk's means, so that single precision suffices for the products; sums over
    chunks are double.

    Args:
        inputs: number of input blocks, kernel positions included.
        outputs: m, rows of the matrix.
        block: k.
    """

    def __init__(self, inputs: int, outputs: int, block: int) -> None:
        """Start with no rows."""
        self.inputs, self.outputs, self.block = inputs, outputs, block
        self.bins = block // 2 + 1
        self.rows = 0
        p = -(-outputs // block)
        self._gram: list[NDArray[Any]] = []
        self._cross: list[NDArray[Any]] = []
        for f in range(self.bins):
            kind = np.float64 if self._is_real(f) else np.complex128
            self._gram.append(np.zeros((inputs, inputs), kind))
            self._cross.append(np.zeros((inputs, p), kind))
        self._sum_x = np.zeros((self.bins, inputs), np.complex128)
        self._sum_y = np.zeros(outputs)
        self._shift_x: Complex | None = None
        self._shift_y: Real | None = None
        self._kept: list[tuple[Complex, Real]] = []
        self._kept_bytes = 0
        self.freedom = 0.0  # effective degrees of freedom of a bin, known once solved

    def _is_real(self, f: int) -> bool:
        return f in (0, self.bins - 1)

    def add(self, spectra: Complex, targets: Real) -> None:
        """Add rows.

        Args:
            spectra: (k/2+1, rows, input blocks) of the inputs.
            targets: (rows, m).
        """
        if self._shift_x is None or self._shift_y is None:
            self._shift_x, self._shift_y = spectra.mean(axis=1, keepdims=True), targets.mean(axis=0)
        y = targets - self._shift_y
        self._sum_y += y.sum(axis=0, dtype=np.float64)
        self.rows += len(targets)
        y_half = block_spectra(y, self.block)
        for f in range(self.bins):
            x = spectra[f] - self._shift_x[f]
            self._sum_x[f] += x.sum(axis=0, dtype=np.complex128)
            if self._is_real(f):  # a real transform is real there: a quarter of the work
                x, answer = np.ascontiguousarray(x.real), np.ascontiguousarray(y_half[f].real)
            else:
                answer = y_half[f]
            adjoint = x.conj().T
            self._gram[f] += adjoint @ x
            self._cross[f] += adjoint @ answer
        if self.outputs % self.block and self._kept_bytes < PARTIAL_BYTES:
            self._kept.append((spectra - self._shift_x, y[:, self._last :].copy()))
            self._kept_bytes += spectra.nbytes

    @property
    def _last(self) -> int:
        """First row of the last block row."""
        return (-(-self.outputs // self.block) - 1) * self.block

    def solve(
        self,
        ridge: float,
        rectify: Sequence[tuple[Complex, Real]] = (),
        rounds: int = 0,
        note: Callable[[str], None] = lambda _what: None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Columns (p, input blocks, k) and the bias (m,) that answers the means, both double.

        Args:
            ridge: regularisation relative to the mean diagonal of each system.
            rectify: rows as given to `add`, if a ReLU follows the layer: the fit is then refined for what it passes.
            rounds: of that refinement.
            note: called with what is going on, bin by bin and round by round.
        """
        assert self._shift_x is not None  # a layer is fitted to at least one chunk
        assert self._shift_y is not None
        mean_x, mean_y = self._sum_x / self.rows, self._sum_y / self.rows  # what the shifts left over
        y_bins = block_spectra(mean_y[None, :], self.block)[:, 0]
        grams, crosses = [], []
        for f in range(self.bins):
            x = mean_x[f].real if self._is_real(f) else mean_x[f]
            y = y_bins[f].real if self._is_real(f) else y_bins[f]
            grams.append(self._gram[f] / self.rows - np.outer(x.conj(), x))
            crosses.append(self._cross[f] / self.rows - np.outer(x.conj(), y))
        diagonal = [float(np.trace(g).real) / self.inputs for g in grams]
        floor = max(diagonal) * 1e-12 or 1.0  # bins, or whole inputs, without energy stay solvable
        factors = []
        for f, (gram, weight) in enumerate(zip(grams, diagonal, strict=True)):
            note(f"solving, bin {f + 1} of {self.bins}")
            gram[np.diag_indices(self.inputs)] += ridge * max(weight, floor)
            factors.append(_factor(gram))
        self.freedom = self._freedom(factors, [ridge * max(weight, floor) for weight in diagonal])
        half = np.stack([_solve(f, c) for f, c in zip(factors, crosses, strict=True)])  # (bins, inputs, p)
        if self.outputs % self.block:
            half[:, :, -1:] = self._partial(factors, half[:, :, -1:], mean_x, mean_y[self._last :])
        mean_in = (mean_x + self._shift_x[:, 0])[:, None, :]
        offset: Real = mean_y + self._shift_y
        if rectify and rounds:
            centre = mean_in.astype(np.complex64)
            kept = [(np.conjugate(x - centre), y) for x, y in rectify]
            penalties = [ridge * max(weight, floor) for weight in diagonal]
            half, offset = rectified(kept, half, offset, self._solver(factors), penalties, rounds, note)
        columns = np.fft.irfft(half.transpose(2, 1, 0), n=self.block)
        answered = np.fft.irfft((mean_in @ half)[:, 0].T, n=self.block).reshape(-1)[: self.outputs]
        bias: NDArray[np.float64] = offset - answered
        return columns, bias

    def _freedom(self, factors: list[Any], penalties: list[float]) -> float:
        """Mean over the bins of `tr H (H + lambda I)^-1`: how many of its numbers a row of blocks takes from the data.

        As `inputs - lambda tr (H + lambda I)^-1`, the trace from the inverse of the Cholesky factor, a third of the
        work of the factor's products.
        """
        left = []
        for (kind, factor), penalty in zip(factors, penalties, strict=True):
            if kind != "cholesky":
                continue  # rounding made the system indefinite: nothing sound can be said
            lower = np.tril(factor[0])
            lapack: Any = scipy.linalg.lapack
            invert = lapack.ztrtri if np.iscomplexobj(lower) else lapack.dtrtri
            inverse, failed = invert(lower, lower=1)
            if not failed:
                left.append(self.inputs - penalty * float(np.vdot(inverse, inverse).real))
        return float(np.mean(left)) if left else float(self.inputs)

    def _solver(self, factors: list[Any]) -> Callable[[int, Complex], Complex]:
        return lambda f, right: _solve(factors[f], right.real if self._is_real(f) else right)

    def _partial(self, factors: list[Any], row: Complex, mean_x: Complex, mean_y: Real) -> Complex:
        """Refit the last block row when only its first rows exist.

        The missing rows are free, but the systems separate by frequency only if all k rows have targets. So each
        round takes the current answer as the target of the missing rows, which never raises the error on the rows
        that exist. Uses as many of the inputs as `PARTIAL_BYTES` keeps.
        """
        x = np.concatenate([s for s, _ in self._kept], axis=1) - mean_x[:, None, :]
        y = np.concatenate([t for _, t in self._kept]) - mean_y
        adjoint = x.conj().transpose(0, 2, 1) / x.shape[1]
        for _ in range(PARTIAL_ROUNDS):
            answer = np.fft.irfft((x @ row)[:, :, 0].T, n=self.block)
            answer[:, : y.shape[1]] = y
            right = adjoint @ np.fft.rfft(answer).T[:, :, None]
            row = np.stack([_solve(f, right[i].real if self._is_real(i) else right[i]) for i, f in enumerate(factors)])
        return row


def _factor(gram: NDArray[Any]) -> tuple[str, Any]:
    """Cholesky where it succeeds, else LU, for systems that rounding made indefinite."""
    try:
        return "cholesky", scipy.linalg.cho_factor(gram, lower=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        return "lu", scipy.linalg.lu_factor(gram, check_finite=False)


def _solve(factor: tuple[str, Any], right: NDArray[Any]) -> Complex:
    solver = scipy.linalg.cho_solve if factor[0] == "cholesky" else scipy.linalg.lu_solve
    solution: Complex = solver(factor[1], right, check_finite=False).astype(np.complex128)
    return solution
