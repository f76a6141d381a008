# SPDX-License-Identifier: Apache-2.0
"""Whether a dense matrix is sparse in a form that has a structure here: ternary, coarse-grain, N:M."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from swm.structure.base import WeightStructure
from swm.structure.coarse_grain import CoarseGrain
from swm.structure.detect import TOLERANCE
from swm.structure.hierarchical import Hierarchical
from swm.structure.n_of_m import N_OF_M
from swm.structure.ternary import TERNARY

__all__ = ["sparse_structure"]

LEAST_GAIN = 1.5  # times fewer bits, of 32-bit numbers; 2:4 gives 1.9. An ordinary trained matrix has hardly a zero
RATIOS = (64, 32, 16, 8, 4, 2)


def sparse_structure(matrix: NDArray[np.floating]) -> WeightStructure | None:
    """The structure that holds a matrix in the fewest bits without changing it; None if none saves a third of them.

    What is below `TOLERANCE` of the largest weight counts as 0. Diagonals and permutations, with one number in each
    row and column, stay what they are.

    Args:
        matrix: (m, n), without NaN.
    """
    weights = np.asarray(matrix, dtype=np.float32)
    top = float(np.abs(weights).max(initial=0))
    if weights.ndim != 2 or min(weights.shape) < 2 or not np.isfinite(weights).all() or not top:
        return None
    kept = np.abs(weights) > TOLERANCE * top
    if 2 * np.count_nonzero(kept) > weights.size or max(kept.sum(axis=0).max(), kept.sum(axis=1).max()) < 2:
        return None
    weights = np.where(kept, weights, np.float32(0))
    close = [w for w in _tried(weights, kept) if np.abs(w.to_dense() - weights).max() <= TOLERANCE * top]
    best = min(close, key=lambda w: w.bits(32), default=None)
    return best if best is not None and LEAST_GAIN * best.bits(32) <= 32 * weights.size else None


def _tried(weights: NDArray[np.float32], kept: NDArray[np.bool_]) -> Iterator[WeightStructure]:
    """Of each structure, the sizes that may hold the matrix."""
    m, n = weights.shape
    for group in N_OF_M:
        padded = np.zeros((m, -(-n // group) * group), np.bool_)
        padded[:, :n] = kept
        most = int(padded.reshape(m, -1, group).sum(axis=2).max())
        if 2 * most <= group:
            yield N_OF_M[group].project(weights, most)
            if most in TERNARY[group].candidates:
                yield TERNARY[group].project(weights, most)
    for kind in (CoarseGrain, Hierarchical):
        sizes = (r for r in RATIOS if r in kind.candidates and not kind.reason_against((m, n), r))
        found = next((w for r in sizes if np.array_equal((w := kind.project(weights, r)).to_dense(), weights)), None)
        if found is not None:
            yield found
