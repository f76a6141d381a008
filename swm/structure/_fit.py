# SPDX-License-Identifier: Apache-2.0
"""Fitting structured matrices to dense ones: Euclidean projection, data-aware least squares, ridge refit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fit", "fit_dense", "least_squares", "project"]

RIDGE = 1e-2  # times the mean diagonal of each system (methods.md section 7)
PARTIAL_ROUNDS = 8  # of imputing the missing rows of a partial last block; the gain has levelled off by then


@dataclass(frozen=True)
class Fit:
    """A fitted layer: circulant columns (p, q, k) or a matrix (m, n), and the bias (m,), float64."""

    columns: NDArray[np.float64]
    bias: NDArray[np.float64]


def project(matrix: NDArray[np.floating], block: int) -> NDArray[np.float64]:
    """Nearest block-circulant matrix in the Frobenius norm: the mean along each wrapped diagonal of each block.

    Equals least squares on the weights (methods.md section 7.1). Only entries inside the matrix count: padding of a
    last, partial block neither pulls the mean to zero nor costs anything.

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

    The problem separates by frequency (methods.md section 7.3): with X_j, Y_i the half spectra of the centred blocks,
    `H_f[j, j'] = E[conj(X_j) X_j']`, `b_i(f)[j] = E[conj(X_j) Y_i]`, and
    `(H_f + ridge * mean(diag H_f) I) w_i(f) = b_i(f)`: k/2+1 systems of size q, shared by all p block rows.

    Args:
        inputs: (samples, n), what the layer will see.
        targets: (samples, m), what it should answer, bias included.
        block: k.
        ridge: regularisation relative to the mean diagonal.

    Returns:
        Columns (p, q, k) and the bias (m,) that corrects the means.
    """
    samples, n = inputs.shape
    m = targets.shape[1]
    p, q = -(-m // block), -(-n // block)
    mean_in = inputs.mean(axis=0, dtype=np.float64)
    mean_out = targets.mean(axis=0, dtype=np.float64)
    bins = block // 2 + 1
    gram: NDArray[np.complexfloating] = np.zeros((bins, q, q), np.complex128)
    cross: NDArray[np.complexfloating] = np.zeros((bins, q, p), np.complex128)
    chunk = max(1, (1 << 24) // max(p * block, q * block))  # bounds memory to some hundred MB whatever the sample count
    for start in range(0, samples, chunk):
        x = _spectra(inputs[start : start + chunk] - mean_in, q, block)
        y = _spectra(targets[start : start + chunk] - mean_out, p, block)
        adjoint = x.conj().transpose(0, 2, 1)
        gram += adjoint @ x
        cross += adjoint @ y
    gram /= samples
    cross /= samples
    diagonal = np.einsum("fjj->f", gram).real / q
    floor = float(diagonal.max()) * 1e-12 or 1.0  # bins, or whole inputs, without energy stay solvable
    gram += (ridge * np.maximum(diagonal, floor))[:, None, None] * np.eye(q)
    half = np.linalg.solve(gram, cross)  # (bins, q, p)
    if m % block:
        half[:, :, -1:] = _partial_block(
            inputs - mean_in, targets[:, (p - 1) * block :] - mean_out[(p - 1) * block :], gram, half
        )
    columns = np.fft.irfft(half.transpose(2, 1, 0), n=block)
    padded = np.zeros(q * block)
    padded[:n] = mean_in
    mean_half = np.fft.rfft(padded.reshape(q, block))
    answered = np.fft.irfft(np.einsum("fjp,jf->pf", half, mean_half), n=block).reshape(-1)[:m]
    return Fit(columns, mean_out - answered)


def _partial_block(
    inputs: NDArray[np.float64],
    targets: NDArray[np.float64],
    gram: NDArray[np.complexfloating],
    half: NDArray[np.complexfloating],
) -> NDArray[np.complexfloating]:
    """Refit the last block row when only its first rows exist.

    The missing rows are free, but the systems separate by frequency only if all k rows have targets. So each round
    takes the current answer as the target of the missing rows, which never raises the error on the rows that exist.

    Args:
        inputs: (samples, n), centred.
        targets: (samples, rows that exist), centred.
        gram: (bins, q, q) regularised systems.
        half: (bins, q, p) first solution, with zeros as targets of the missing rows.

    Returns:
        (bins, q, 1), the refitted last block row.
    """
    bins, q, _ = gram.shape
    block = 2 * (bins - 1)
    existing = targets.shape[1]
    x = _spectra(inputs, q, block)
    adjoint = x.conj().transpose(0, 2, 1) / len(inputs)
    row = half[:, :, -1:]
    for _ in range(PARTIAL_ROUNDS):
        answer = np.fft.irfft((x @ row)[:, :, 0].T, n=block)  # (samples, k)
        answer[:, :existing] = targets
        row = np.linalg.solve(gram, adjoint @ np.fft.rfft(answer).T[:, :, None])
    return row


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
    x = inputs - mean_in
    y = targets - mean_out
    gram = x.T @ x / len(x)
    weight = ridge * float(np.trace(gram)) / len(gram) or 1.0  # inputs that never vary leave `start` as it is
    matrix = np.linalg.solve(
        gram + weight * np.eye(len(gram)), x.T @ y / len(x) + weight * start.T.astype(np.float64)
    ).T
    return Fit(matrix, mean_out - matrix @ mean_in)


def _blocks(matrix: NDArray[np.floating], block: int) -> NDArray[np.float64]:
    m, n = matrix.shape
    p, q = -(-m // block), -(-n // block)
    padded = np.zeros((p * block, q * block))
    padded[:m, :n] = matrix
    return padded.reshape(p, block, q, block).transpose(0, 2, 1, 3)


def _spectra(values: NDArray[np.float64], blocks: int, block: int) -> NDArray[np.complexfloating]:
    """Half spectra of the blocks of each sample, (k/2+1, samples, blocks)."""
    samples, width = values.shape
    if width != blocks * block:
        values = np.concatenate([values, np.zeros((samples, blocks * block - width))], axis=1)
    return np.ascontiguousarray(np.fft.rfft(values.reshape(samples, blocks, block)).transpose(2, 0, 1))
