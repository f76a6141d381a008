# SPDX-License-Identifier: Apache-2.0
"""Whether the weights of a dense matrix are codes of few bits times a scale for each row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from swm.structure.base import WeightStructure
from swm.structure.coarse_few_bits import COARSE_FEW_BITS
from swm.structure.coarse_grain import CoarseGrain
from swm.structure.detect import TOLERANCE
from swm.structure.detect_sparse import LEAST_GAIN
from swm.structure.few_bits import FewBits, level

__all__ = ["coarse_few_bits", "few_bits"]

MOST = level(8)  # the largest code of all


def few_bits(matrix: NDArray[np.floating]) -> FewBits | None:
    """The matrix as codes of the fewest bits, 1 to 8, with a scale for each row; None if it is none.

    A row counts where all of its weights are whole multiples of one number, to `TOLERANCE` of its largest weight. Where
    all rows share a scale, as of quantization by layers, each row has that one, or a multiple. A matrix whose weights
    have one size and sign, or with one number in each row and column, stays what it is: averages, permutations and
    diagonals are not trained.

    Args:
        matrix: (m, n), without NaN.
    """
    weights = np.asarray(matrix, np.float64)
    if weights.ndim != 2 or min(weights.shape) < 2 or not np.isfinite(weights).all():
        return None
    kept = weights != 0
    if max(kept.sum(axis=0).max(), kept.sum(axis=1).max()) < 2 or weights.min() == weights.max():
        return None
    found = _codes(weights)
    if found is None:
        return None
    code, scales = found
    width = next(b for b in range(1, 9) if level(b) >= np.abs(code).max() and (b > 1 or code.all()))
    held = FewBits(code.astype(np.int8), scales, width)
    return held if LEAST_GAIN * held.bits(32) <= 32 * weights.size else None


def coarse_few_bits(coarse: CoarseGrain) -> WeightStructure | None:
    """A coarse-grain matrix with codes of few bits in its blocks; None if they are none."""
    rows, kept, block, _ = coarse.blocks.shape
    flat = coarse.blocks.transpose(0, 2, 1, 3).reshape(rows * block, -1).astype(np.float64)
    found = _codes(flat)
    if found is None:
        return None
    m, n = coarse.shape
    code, scales = found
    cells = code.reshape(rows, block, kept, block).transpose(0, 2, 1, 3)
    inside = np.zeros((rows * block, -(-n // block) * block), np.bool_)
    inside[:m, :n] = True
    there = inside.reshape(rows, block, -1, block).transpose(0, 2, 1, 3)[np.arange(rows)[:, None], coarse.ids]
    one = bool(cells[there].all())  # one bit has no 0 but in padding
    width = next(b for b in range(1, 9) if level(b) >= np.abs(code).max() and (b > 1 or one))
    cells = np.where(cells == 0, 1, cells) if width == 1 else cells
    return COARSE_FEW_BITS[width](cells.astype(np.int8), coarse.ids, scales, coarse.shape, coarse.ratio)


def _codes(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float32]] | None:
    """Whole numbers (m, n) up to `MOST`, the smallest there are, and scales (m, 1)."""
    top = np.abs(weights).max(axis=1, keepdims=True)
    full = np.flatnonzero(top)
    if not len(full) or _multiple(weights[full[:1]], top[full[:1]])[0] == 0:
        return None  # the first row refuses nearly all matrices at the price of a row
    largest = _multiple(weights, top)
    if not largest.all():
        return None
    scales = np.where(top > 0, top / largest[:, None], 1.0)
    code = np.rint(weights / scales)
    return code, _exact(weights, code, scales.astype(np.float32))


def _exact(weights: NDArray[np.float64], code: NDArray[np.float64], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of scales that differ by rounding, those whose products are the weights to the last bit, where there are such."""
    wanted, best = weights.astype(np.float32), scales.copy()
    left = np.ones((len(weights), 1), np.bool_)
    for steps in (0, 1, -1, 2, -2):
        tried = scales + np.float32(steps) * np.spacing(scales)
        same = (code.astype(np.float32) * tried == wanted).all(axis=1, keepdims=True)
        best = np.where(left & same, tried, best)
        left &= ~same
    return best


def _multiple(weights: NDArray[np.float64], top: NDArray[np.float64]) -> NDArray[np.int64]:
    """Of each row, the smallest code that its largest weight can have; 0 where there is none."""
    found = np.zeros(len(weights), np.int64)
    left = np.arange(len(weights))
    for largest in range(1, MOST + 1):
        rows = weights[left]
        scales = np.maximum(top[left], np.finfo(np.float64).tiny) / largest
        wrong = np.abs(rows - np.rint(rows / scales) * scales).max(axis=1)
        fits = wrong <= TOLERANCE * top[left, 0]
        found[left[fits]] = largest
        left = left[~fits]
        if not len(left):
            break
    return found
