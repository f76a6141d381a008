# SPDX-License-Identifier: Apache-2.0
"""Fitting structured matrices to dense ones: Euclidean projection, data-aware least squares, ridge refit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when first used
from numpy.typing import NDArray

from swm.structure.spectral import SpectralSystem, block_spectra

__all__ = ["Fit", "fit_dense", "least_squares", "project"]

RIDGE = 1e-2  # times the mean diagonal of each system


@dataclass(frozen=True)
class Fit:
    """A fitted layer: circulant columns (p, q, k) or a matrix (m, n), and the bias (m,), float64."""

    columns: NDArray[np.float64]
    bias: NDArray[np.float64]


def project(matrix: NDArray[np.floating], block: int) -> NDArray[np.float64]:
    """Nearest block-circulant matrix in the Frobenius norm: the mean along each wrapped diagonal of each block.

    The entries on a wrapped diagonal share one number, so the sum of squared differences splits into one term per
    diagonal, each least at the mean: on a random matrix a fraction 1/k of the energy survives. Only entries inside the
    matrix count: padding of a last, partial block neither pulls the mean to zero nor costs anything.

    Args:
        matrix: (m, n).
        block: k.

    Returns:
        Columns (p, q, k), float64.
    """
    blocks = _blocks(matrix, block)  # (p, q, k, k)
    inside = _blocks(np.ones(matrix.shape), block)
    p, q, k, _ = blocks.shape
    columns = np.zeros((p, q, k))
    rows = np.arange(k)
    for shift in range(k):
        diagonal = (slice(None), slice(None), (rows + shift) % k, rows)
        columns[:, :, shift] = blocks[diagonal].sum(axis=-1) / np.maximum(inside[diagonal].sum(axis=-1), 1)
    return columns


def least_squares(inputs: NDArray[np.floating], targets: NDArray[np.floating], block: int, ridge: float = RIDGE) -> Fit:
    """Block-circulant matrix and bias that minimise the mean squared error of `C x + b` against targets.

    Single precision in means single-precision products with double sums; double in, double throughout.

    Args:
        inputs: (samples, n), what the layer will see.
        targets: (samples, m), what it should answer, bias included.
        block: k.
        ridge: regularisation relative to the mean diagonal.

    Returns:
        Columns (p, q, k) and the bias (m,) that corrects the means.
    """
    samples, n = inputs.shape
    q = -(-n // block)
    system = SpectralSystem(q, targets.shape[1], block)
    chunk = max(1, (1 << 24) // max(targets.shape[1], q * block))  # bounds memory whatever the sample count
    for start in range(0, samples, chunk):
        rows = slice(start, start + chunk)
        system.add(block_spectra(inputs[rows], block), targets[rows])
    return Fit(*system.solve(ridge))


def fit_dense(
    inputs: NDArray[np.floating],
    targets: NDArray[np.floating],
    start: NDArray[np.floating],
    ridge: float = RIDGE,
) -> Fit:
    """Ridge refit of a dense layer: minimise `E|W x + b - t|^2 + ridge * mean(diag H) |W - start|^2`.

    Args:
        inputs: (samples, n).
        targets: (samples, m), bias included.
        start: (m, n), where the penalty pulls to.
        ridge: regularisation relative to the mean variance of an input.

    Returns:
        Matrix (m, n) in `columns`, and the bias (m,).
    """
    mean_in = inputs.mean(axis=0, dtype=np.float64)
    mean_out = targets.mean(axis=0, dtype=np.float64)
    x = inputs - mean_in.astype(inputs.dtype)
    samples, n = x.shape
    left = targets - mean_out - x @ start.T  # what `start` leaves over
    weight = ridge * float(np.vdot(x, x)) / (samples * n) or 1.0  # inputs that never vary leave `start` as it is
    if samples < n:  # the same solution from the smaller system
        delta = _ridge_solve(x @ x.T, samples * weight, left).T @ x
    else:
        delta = _ridge_solve(x.T @ x, samples * weight, x.T @ left).T
    matrix = start.astype(np.float64) + delta
    return Fit(matrix, mean_out - matrix @ mean_in)


def _ridge_solve(gram: NDArray[np.floating], weight: float, right: NDArray[np.floating]) -> NDArray[np.float64]:
    """`(gram + weight I)^-1 right`, solved in double."""
    system = gram.astype(np.float64)
    system[np.diag_indices(len(system))] += weight
    factor = scipy.linalg.cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    solution: NDArray[np.float64] = scipy.linalg.cho_solve(factor, right.astype(np.float64), check_finite=False)
    return solution


def _blocks(matrix: NDArray[np.floating], block: int) -> NDArray[np.float64]:
    m, n = matrix.shape
    p, q = -(-m // block), -(-n // block)
    padded = np.zeros((p * block, q * block))
    padded[:m, :n] = matrix
    return padded.reshape(p, block, q, block).transpose(0, 2, 1, 3)
