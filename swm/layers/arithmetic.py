# SPDX-License-Identifier: Apache-2.0
"""Transforms and spectral products of docs/arithmetic.md on numpy int64 arrays."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from swm.layers.rounding import Ints, round_shift
from swm.layers.values import TWIDDLE_FRAC

__all__ = [
    "forward_transform",
    "inverse_transform",
    "packed_spectrum",
    "spectral_product",
    "twiddles",
]

EXACT_FLOAT = 1 << 53  # integers below this magnitude are exact in float64, so BLAS may add them


@lru_cache
def twiddles(block: int) -> tuple[Ints, Ints]:
    """Cosines and sines of 2 pi t / k for t < k/4, 16 fractional bits, int64."""
    angle = 2 * np.pi * np.arange(max(block // 4, 1)) / block
    scale = float(1 << TWIDDLE_FRAC)
    return (
        np.floor(np.cos(angle) * scale + 0.5).astype(np.int64),
        np.floor(np.sin(angle) * scale + 0.5).astype(np.int64),
    )


def forward_transform(x: Ints, shifts: int) -> tuple[Ints, Ints]:
    """Packed half spectrum of (..., k) real integers; the last `shifts` stages halve.

    Returns:
        Real and imaginary parts, each (..., k/2); word 0 holds bins 0 and k/2.
    """
    block = x.shape[-1]
    stages = block.bit_length() - 1
    if block == 2:
        return x[..., :1] + x[..., 1:], x[..., :1] - x[..., 1:]
    quarter = block // 4
    x0, x1, x2, x3 = (x[..., m * quarter : (m + 1) * quarter] for m in range(4))
    t0, t1, t2, t3 = x0 + x2, x0 - x2, x1 + x3, x1 - x3
    first = max(0, 2 - (stages - shifts))
    first_re: Ints = np.stack([t0 + t2, t1], axis=-1)
    first_im: Ints = np.stack([t0 - t2, -t3], axis=-1)
    re = round_shift(first_re, first).reshape(*x.shape[:-1], 2 * quarter)
    im = round_shift(first_im, first).reshape(*x.shape[:-1], 2 * quarter)
    for stage in range(3, stages + 1):
        re, im = _forward_stage(re, im, stage, int(stage > stages - shifts))
    return re, im


def _forward_stage(re: Ints, im: Ints, stage: int, shift: int) -> tuple[Ints, Ints]:
    """Join pairs of spectra of 2^(stage-1) points: sub-transform r with sub-transform r + k/N."""
    words = re.shape[-1]
    half = 1 << (stage - 1)  # words of one result
    quarter = half // 2  # words of one operand
    shape = (*re.shape[:-1], words // half, quarter)
    e_re, o_re = re[..., : words // 2].reshape(shape), re[..., words // 2 :].reshape(shape)
    e_im, o_im = im[..., : words // 2].reshape(shape), im[..., words // 2 :].reshape(shape)
    cos, sin = twiddles(2 * half)
    t_re = round_shift(o_re * cos + o_im * sin, TWIDDLE_FRAC)
    t_im = round_shift(o_im * cos - o_re * sin, TWIDDLE_FRAC)
    out_re: Ints = np.empty((*re.shape[:-1], words // half, half), np.int64)
    out_im: Ints = np.empty_like(out_re)
    out_re[..., 0], out_im[..., 0] = e_re[..., 0] + o_re[..., 0], e_re[..., 0] - o_re[..., 0]
    out_re[..., quarter], out_im[..., quarter] = e_im[..., 0], -o_im[..., 0]
    out_re[..., 1:quarter], out_im[..., 1:quarter] = (e_re + t_re)[..., 1:], (e_im + t_im)[..., 1:]
    mirrored = slice(half - 1, quarter, -1)  # words half-1 down to quarter+1, for i = 1 .. quarter-1
    out_re[..., mirrored], out_im[..., mirrored] = (e_re - t_re)[..., 1:], -(e_im - t_im)[..., 1:]
    flat = re.shape
    return round_shift(out_re, shift).reshape(flat), round_shift(out_im, shift).reshape(flat)


def inverse_transform(re: Ints, im: Ints, forward_shifts: int) -> Ints:
    """(..., k/2) packed spectrum → (..., k) integers; the first `log2 k - forward_shifts` stages halve."""
    block = 2 * re.shape[-1]
    stages = block.bit_length() - 1
    halvings = stages - forward_shifts
    if block == 2:
        return round_shift(np.concatenate([re + im, re - im], axis=-1), halvings)
    for done, stage in enumerate(range(stages, 2, -1)):
        re, im = _inverse_stage(re, im, stage, int(done < halvings))
    last = min(2, max(0, halvings - (stages - 2)))
    a_re, a_im, b_re, b_im = re[..., 0::2], im[..., 0::2], re[..., 1::2], im[..., 1::2]
    total, difference = a_re + a_im, a_re - a_im
    y = np.concatenate([total + 2 * b_re, difference - 2 * b_im, total - 2 * b_re, difference + 2 * b_im], axis=-1)
    return round_shift(y, last)


def _inverse_stage(re: Ints, im: Ints, stage: int, halve: int) -> tuple[Ints, Ints]:
    """Split each spectrum of 2^stage points into those of its even and odd samples."""
    words = re.shape[-1]
    half = 1 << (stage - 1)
    quarter = half // 2
    shape = (*re.shape[:-1], words // half, half)
    x_re, x_im = re.reshape(shape), im.reshape(shape)
    cos, sin = twiddles(2 * half)
    cos, sin = cos[1:], sin[1:]
    low, mirrored = slice(1, quarter), slice(half - 1, quarter, -1)
    y_re, y_im = x_re[..., mirrored], -x_im[..., mirrored]  # conjugate
    d_re, d_im = x_re[..., low] - y_re, x_im[..., low] - y_im
    out_re: Ints = np.empty((2, *re.shape[:-1], words // half, quarter), np.int64)
    out_im: Ints = np.empty_like(out_re)
    out_re[0, ..., 0] = round_shift(x_re[..., 0] + x_im[..., 0], halve)
    out_im[0, ..., 0] = round_shift(2 * x_re[..., quarter], halve)
    out_re[1, ..., 0] = round_shift(x_re[..., 0] - x_im[..., 0], halve)
    out_im[1, ..., 0] = round_shift(-2 * x_im[..., quarter], halve)
    out_re[0, ..., 1:] = round_shift(x_re[..., low] + y_re, halve)
    out_im[0, ..., 1:] = round_shift(x_im[..., low] + y_im, halve)
    out_re[1, ..., 1:] = round_shift(d_re * cos - d_im * sin, TWIDDLE_FRAC + halve)
    out_im[1, ..., 1:] = round_shift(d_im * cos + d_re * sin, TWIDDLE_FRAC + halve)
    flat = (*re.shape[:-1], words // 2)
    return (
        np.concatenate([out_re[0].reshape(flat), out_re[1].reshape(flat)], axis=-1),
        np.concatenate([out_im[0].reshape(flat), out_im[1].reshape(flat)], axis=-1),
    )


def spectral_product(x_re: Ints, x_im: Ints, weights: Ints, bits: int) -> tuple[Ints, Ints]:
    """Exact sums over block columns of the products of packed spectral words.

    Args:
        x_re: (batch, q, k/2) real parts of the input spectra.
        x_im: the imaginary parts.
        weights: (p, q, k/2, 2) packed weight spectra.
        bits: width that holds every sum; up to 53 bits the sums run in float64 BLAS, which is exact there.

    Returns:
        Real and imaginary parts, each (batch, p, k/2).
    """
    kind = np.float64 if bits <= EXACT_FLOAT.bit_length() - 1 else np.int64
    xr, xi = (v.transpose(2, 0, 1).astype(kind) for v in (x_re, x_im))  # (k/2, batch, q)
    wr, wi = (weights[..., part].transpose(2, 1, 0).astype(kind) for part in (0, 1))  # (k/2, q, p)
    rr, ii = xr @ wr, xi @ wi
    re, im = rr - ii, xr @ wi + xi @ wr
    re[0], im[0] = rr[0], ii[0]  # word 0 is two real bins, multiplied part by part
    return re.transpose(1, 2, 0).astype(np.int64), im.transpose(1, 2, 0).astype(np.int64)


def packed_spectrum(columns: NDArray[np.floating]) -> NDArray[np.float64]:
    """Half spectrum of real vectors (..., k) as (..., k/2, 2): word 0 holds the two real bins 0 and k/2."""
    half = np.fft.rfft(columns.astype(np.float64))
    packed = np.stack([half.real, half.imag], axis=-1)[..., :-1, :]
    packed[..., 0, 1] = half[..., -1].real
    return packed
