# SPDX-License-Identifier: Apache-2.0
"""Refinement of a fit for outputs that a ReLU follows: below zero any negative answer is as good as the target.

The loss of a row is that of relu(y) but for its kink: where the target is positive the plain difference, elsewhere only
what the answer exceeds zero by. Least squares towards targets relaxed so is a majorant of it, hence each round is one
solve with the systems already factored (Zhang et al. 2015 use the same relaxation for low-rank layers); momentum
(Nesterov's) makes few rounds enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy  # its parts are imported when first used
from numpy.typing import NDArray

__all__ = ["RECTIFY_BYTES", "rectified"]

RECTIFY_BYTES = 1 << 28  # of spectra and targets kept for the rounds; further rows count in the first fit only
Complex = NDArray[np.complexfloating]
Real = NDArray[np.floating]


def rectified(
    kept: Sequence[tuple[Complex, Real]],
    half: Complex,
    offset: Real,
    solve: Callable[[int, Complex], Complex],
    penalties: Sequence[float],
    rounds: int,
    note: Callable[[str], None] = lambda _what: None,
) -> tuple[Complex, Real]:
    """Half spectra and offset that answer relu(targets) better.

    Args:
        kept: pieces of conjugates of centred spectra (bins, rows, inputs), and targets (rows, m).
        half: (bins, inputs, p), the fit so far.
        offset: (m,), what it answers to the mean input.
        solve: gives the solution of the factored system of a bin.
        penalties: the ridge of each bin.
        rounds: how often targets are relaxed anew.
        note: called with what is going on, piece by piece.
    """
    samples = sum(len(y) for _, y in kept)
    before, before_offset = half, offset
    for turn in range(rounds):
        momentum = turn / (turn + 3.0)
        ahead, ahead_offset = half + momentum * (half - before), offset + momentum * (offset - before_offset)
        before, before_offset = half, offset
        slope: Any = -np.array(penalties)[:, None, None] * ahead
        step = np.zeros_like(offset)
        single = ahead.astype(np.complex64)
        for x, y in kept:
            note(f"errors under the ReLU, round {turn + 1} of {rounds}")
            left = _left(x, y, single, ahead_offset)
            step += left.sum(axis=0, dtype=np.float64)
            for f, spectrum in enumerate(_spectra(left, ahead)):
                slope[f] += (x[f].T @ spectrum) / samples
        half = ahead + np.stack([solve(f, slope[f]) for f in range(len(half))])
        offset = ahead_offset + step / samples
    return half, offset


def _left(x: Complex, y: Real, half: Complex, offset: Real) -> Real:
    """What a fit leaves of the targets, nothing where both are negative; nothing either where there is no target."""
    product = np.matmul(x, half.conj())
    np.conjugate(product, out=product)
    turned = scipy.fft.irfft(product, axis=0, overwrite_x=True)  # along the bins as they lie; (k, rows, p)
    answer = turned.transpose(1, 2, 0).reshape(len(y), -1)[:, : y.shape[1]] + offset.astype(np.float32)
    return np.where(y > 0, y - answer, -np.maximum(answer, 0))


def _spectra(values: Real, half: Complex) -> Complex:
    bins, _, blocks = half.shape
    block = 2 * (bins - 1)
    padded = np.zeros((len(values), blocks * block), values.dtype)
    padded[:, : values.shape[1]] = values
    spectra = np.fft.rfft(padded.reshape(len(values), blocks, block)).transpose(2, 0, 1)
    return np.ascontiguousarray(spectra.astype(np.complex64))
