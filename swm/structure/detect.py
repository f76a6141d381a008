# SPDX-License-Identifier: Apache-2.0
"""Whether a dense matrix is block-circulant already, to float noise: what training with the structure leaves behind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from swm.structure.circulant import MAX_BLOCK

__all__ = ["TOLERANCE", "circulant_columns"]

# Of the largest weight. Expanding copies numbers; what an inverse FFT or an exporter's folding in float32 adds stays
# below some units of the last place (6e-8), while two trained weights differ by far more.
TOLERANCE = 1e-6


def circulant_columns(matrices: NDArray[np.floating], *, limit: int = MAX_BLOCK) -> NDArray[np.float32] | None:
    """First columns of the circulant blocks that matrices consist of, with the largest block size they share.

    A block size k counts only where a whole block fits, and where the matrices show more than what any matrix of few
    distinct numbers shows: not all blocks may be constant, and the matrices may not be permutations or diagonals (one
    number in each row), which are circulant and gain nothing. Where k does not divide the shape, the last blocks are
    cut off, as they are in a `BlockCirculant` of that shape; entries of a column that no element shows are 0.

    Args:
        matrices: (g, m, n), of one layer: positions of a kernel, gates, directions; g may be 1.
        limit: the largest block size to look for.

    Returns:
        (g, p, q, k) float32, or None if there is no such size.
    """
    weights = np.asarray(matrices, dtype=np.float64)
    _, m, n = weights.shape
    if min(m, n) < 2 or not np.isfinite(weights).all():
        return None
    if max(np.count_nonzero(weights, axis=2).max(), np.count_nonzero(weights, axis=1).max()) < 2:
        return None
    tolerance = TOLERANCE * np.abs(weights).max()
    k = 1 << (min(m, n, limit, MAX_BLOCK).bit_length() - 1)
    while k > 1:
        columns = _columns(weights, k, tolerance)
        if columns is not None:
            return columns.astype(np.float32)
        k //= 2
    return None


def _columns(weights: NDArray[np.float64], k: int, tolerance: float) -> NDArray[np.float64] | None:
    # The first whole block refuses nearly all sizes at the price of one block.
    first = weights[0, :k, :k]
    if (
        np.abs(first[1:, 1:] - first[:-1, :-1]).max() > tolerance
        or np.abs(first[1:, 0] - first[:-1, -1]).max() > tolerance
    ):
        return None
    g, m, n = weights.shape
    p, q = -(-m // k), -(-n // k)
    padded = np.full((g, p * k, q * k), np.nan)
    padded[:, :m, :n] = weights
    # diagonals[g, i, j, d, r] = W[(r), (r - d) mod k] of block (i, j): the elements that are one number w[d].
    blocks = padded.reshape(g, p, k, q, k).transpose(0, 1, 3, 2, 4)
    rows = np.arange(k)
    diagonals = blocks[..., rows[None, :], (rows[None, :] - rows[:, None]) % k]
    seen = ~np.isnan(diagonals)
    low = np.where(seen, diagonals, np.inf).min(axis=-1)
    high = np.where(seen, diagonals, -np.inf).max(axis=-1)
    if (high - low > 2 * tolerance).any():  # -inf for a number that no element shows
        return None
    if (high.max(axis=-1) - low.min(axis=-1) <= tolerance).all():  # every block is constant
        return None
    return np.where(seen, diagonals, 0.0).sum(axis=-1) / np.maximum(seen.sum(axis=-1), 1)
