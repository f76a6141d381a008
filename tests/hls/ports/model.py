# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of docs/arithmetic.md once more, in numpy, from the page alone: neither from hls/ nor swm/fixed.

Every intermediate value is held against the width that the page gives it, so a passing comparison also shows that no
register of the circuit can overflow for these inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
T = 16


def clog2(n: int) -> int:
    return (n - 1).bit_length()


def round_shift(v: Ints, s: int) -> Ints:
    return (v + (1 << (s - 1))) >> s if s > 0 else v << -s


def saturate(v: Ints, bits: int) -> Ints:
    return np.clip(v, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def fits(v: Ints, bits: int) -> Ints:
    assert np.all((v >= -(1 << (bits - 1))) & (v < 1 << (bits - 1))), f"a value leaves {bits} bits"
    return v


@dataclass(frozen=True)
class Circulant:
    """What the kernels are told of one layer, and what the page derives from it."""

    id: int
    m: int
    n: int
    k: int
    in_bits: int
    weight_bits: int
    out_bits: int
    bias_bits: int
    fft_shifts: int
    acc_shift: int
    out_shift: int
    act_shift: int
    out_frac: int
    activation: str
    in_vec: int
    out_vec: int
    fft_lanes: int
    mac_blocks: int
    mac_bins: int
    ifft_lanes: int

    @property
    def stages(self) -> int:
        return clog2(self.k)

    @property
    def p(self) -> int:
        return -(-self.m // self.k)

    @property
    def q(self) -> int:
        return -(-self.n // self.k)

    @property
    def words(self) -> int:
        return self.k // 2

    @property
    def units(self) -> int:
        return max(1, self.k // 4)

    @property
    def passes(self) -> int:
        return max(1, self.stages - 1)

    @property
    def fft_groups(self) -> int:
        return -(-self.q // self.fft_lanes)

    @property
    def mac_groups(self) -> int:
        return -(-self.p // self.mac_blocks)

    @property
    def wx(self) -> int:
        return self.in_bits + self.stages - self.fft_shifts

    @property
    def wa(self) -> int:
        return self.in_bits + 4

    @property
    def wy(self) -> int:
        return self.wa + 1 + self.fft_shifts

    @property
    def iterations(self) -> tuple[int, int, int]:
        """Pipelined iterations of rfft, mac and irfft, counted by hand from the loops that the design asks for."""
        groups = self.mac_groups * (self.words // self.mac_bins)
        return (
            self.fft_groups * self.fft_lanes * self.k // self.in_vec + self.passes * self.fft_groups * self.units,
            self.fft_groups * self.units + groups * self.q,
            groups
            + self.passes * self.mac_groups * (self.mac_blocks // self.ifft_lanes) * self.units
            + -(-self.m // self.out_vec),
        )


def twiddle(block: int) -> tuple[Ints, Ints]:
    angle = [2 * np.pi * t / block for t in range(max(1, block // 4))]
    c = [floor(np.cos(a) * 2**T + 0.5) for a in angle]
    s = [floor(np.sin(a) * 2**T + 0.5) for a in angle]
    return np.array(c, np.int64), np.array(s, np.int64)


def forward(x: Ints, bits: int, shifts: int) -> tuple[Ints, Ints]:
    """Packed half spectra (re, im) of the rows of x, natural word order."""
    k = x.shape[-1]
    stages = clog2(k)
    width = bits + stages - shifts
    if k == 2:
        return fits(x[..., :1] + x[..., 1:], width), fits(x[..., :1] - x[..., 1:], width)
    x0, x1, x2, x3 = (x[..., m * k // 4 : (m + 1) * k // 4] for m in range(4))
    h = sum(stage > stages - shifts for stage in (1, 2))
    re, im = (np.empty((*x.shape[:-1], k // 2), np.int64) for _ in range(2))
    re[..., 0::2], im[..., 0::2] = x0 + x2 + x1 + x3, x0 + x2 - x1 - x3
    re[..., 1::2], im[..., 1::2] = x0 - x2, x3 - x1
    re, im = fits(round_shift(re, h), width), fits(round_shift(im, h), width)
    for stage in range(3, stages + 1):
        size = 1 << stage
        c, s = twiddle(size)
        u = np.arange(k // 4)
        i = u % (size // 4)
        base = 2 * (u - i)
        first = i == 0
        er, ei, our, oi = re[..., u], im[..., u], re[..., u + k // 4], im[..., u + k // 4]
        tr, ti = round_shift(our * c[i] + oi * s[i], T), round_shift(oi * c[i] - our * s[i], T)
        low, high = base + i, np.where(first, base + size // 4, base + size // 2 - i)
        re, im = np.empty_like(re), np.empty_like(im)
        re[..., low], im[..., low] = np.where(first, er + our, er + tr), np.where(first, er - our, ei + ti)
        re[..., high], im[..., high] = np.where(first, ei, er - tr), np.where(first, -oi, ti - ei)
        h = int(stage > stages - shifts)
        re, im = fits(round_shift(re, h), width), fits(round_shift(im, h), width)
    return re, im


def inverse(re: Ints, im: Ints, width: int, shifts: int) -> Ints:
    """Real rows of packed half spectra; the first log2(k) - shifts stages halve."""
    words = re.shape[-1]
    k = 2 * words
    stages = clog2(k)
    if k == 2:
        return fits(np.concatenate([round_shift(re + im, 1), round_shift(re - im, 1)], -1), width)
    for done in range(stages - 2):
        size = k >> done
        h = int(done < stages - shifts)
        c, s = twiddle(size)
        u = np.arange(k // 4)
        i = u % (size // 4)
        base = 2 * (u - i)
        first = i == 0
        low, high = base + i, np.where(first, base + size // 4, base + size // 2 - i)
        xr, xi, yr, yi = re[..., low], im[..., low], re[..., high], im[..., high]
        dr, di = xr - yr, xi + yi
        er = round_shift(np.where(first, xr + xi, xr + yr), h)
        ei = round_shift(np.where(first, 2 * yr, xi - yi), h)
        our = np.where(first, round_shift(xr - xi, h), round_shift(dr * c[i] - di * s[i], T + h))
        oi = np.where(first, round_shift(-2 * yi, h), round_shift(di * c[i] + dr * s[i], T + h))
        re, im = fits(np.concatenate([er, our], -1), width), fits(np.concatenate([ei, oi], -1), width)
    ar, ai, br, bi = re[..., 0::2], im[..., 0::2], re[..., 1::2], im[..., 1::2]
    h = sum(done < stages - shifts for done in (stages - 2, stages - 1))
    parts = (ar + ai + 2 * br, ar - ai - 2 * bi, ar + ai - 2 * br, ar - ai + 2 * bi)
    return fits(np.concatenate([round_shift(y, h) for y in parts], -1), width)


def finish(v: Ints, activation: str, out_bits: int, out_shift: int, act_shift: int, out_frac: int) -> Ints:
    if activation in {"identity", "relu"}:
        return saturate(round_shift(np.maximum(v, 0) if activation == "relu" else v, out_shift), out_bits)
    function = np.tanh if activation == "tanh_" else lambda x: 1 / (1 + np.exp(-x))
    table = np.array([floor(function(n / 16 - 8) * 2**16 + 0.5) for n in range(257)], np.int64)
    z = saturate(round_shift(v, act_shift), 16)
    i, d = (z + 2**15) >> 8, z & 255
    return saturate(round_shift(256 * table[i] + (table[i + 1] - table[i]) * d, 24 - out_frac), out_bits)


def multiply(cfg: Circulant, weights: tuple[Ints, Ints], xr: Ints, xi: Ints) -> tuple[Ints, Ints]:
    """Exact spectral sums (samples, p, words) of weights (p, q, words) and spectra (samples, q, words)."""
    wr, wi = weights
    rr, ii = np.einsum("pqw,sqw->spw", wr, xr), np.einsum("pqw,sqw->spw", wi, xi)
    re, im = rr - ii, np.einsum("pqw,sqw->spw", wr, xi) + np.einsum("pqw,sqw->spw", wi, xr)
    re[..., 0], im[..., 0] = rr[..., 0], ii[..., 0]
    width = cfg.weight_bits + cfg.wx + 1 + clog2(cfg.q)
    return fits(re, width), fits(im, width)


@dataclass(frozen=True)
class Answer:
    """What each process of a circulant layer sends, (samples, integers), in the order of the beats."""

    spectra: Ints
    sums: Ints
    outputs: Ints


def circulant(cfg: Circulant, weights: tuple[Ints, Ints], bias: Ints, x: Ints) -> Answer:
    """The whole layer for the rows of x."""
    samples = len(x)
    blocks = padded(x, cfg.q * cfg.k).reshape(samples, cfg.q, cfg.k)
    xr, xi = forward(blocks, cfg.in_bits, cfg.fft_shifts)
    ar, ai = (saturate(round_shift(a, cfg.acc_shift), cfg.wa) for a in multiply(cfg, weights, xr, xi))
    y = inverse(ar, ai, cfg.wy, cfg.fft_shifts).reshape(samples, cfg.p * cfg.k)[:, : cfg.m]
    out = finish(y + bias, cfg.activation, cfg.out_bits, cfg.out_shift, cfg.act_shift, cfg.out_frac)
    return Answer(
        spectrum_beats(cfg, xr, xi), sum_beats(cfg, ar, ai), padded(out, -(-cfg.m // cfg.out_vec) * cfg.out_vec)
    )


def padded(x: Ints, length: int) -> Ints:
    return np.pad(x, ((0, 0), (0, length - x.shape[1])))


def spectrum_beats(cfg: Circulant, re: Ints, im: Ints) -> Ints:
    """Group of blocks, unit, lane, (low, high) word, part."""
    extra = cfg.fft_groups * cfg.fft_lanes - cfg.q
    packed = np.pad(np.stack([re, im], -1), ((0, 0), (0, extra), (0, 0), (0, 0)))
    u = np.arange(cfg.units)
    order = [u, np.where(u == 0, cfg.k // 4, cfg.words - u)] if cfg.k > 2 else [u]
    picked = packed[:, :, np.stack(order, -1)]  # (sample, block, unit, word, part)
    split = picked.reshape(len(re), cfg.fft_groups, cfg.fft_lanes, cfg.units, len(order), 2)
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(len(re), -1)


def sum_beats(cfg: Circulant, re: Ints, im: Ints) -> Ints:
    """Group of block rows, group of words, block row, word, part."""
    extra = cfg.mac_groups * cfg.mac_blocks - cfg.p
    packed = np.pad(np.stack([re, im], -1), ((0, 0), (0, extra), (0, 0), (0, 0)))
    split = packed.reshape(len(re), cfg.mac_groups, cfg.mac_blocks, cfg.words // cfg.mac_bins, cfg.mac_bins, 2)
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(len(re), -1)


def circulant_rom(cfg: Circulant, weights: tuple[Ints, Ints]) -> Ints:
    """Group of block rows, group of words, block column; block row, word, part."""
    packed = np.pad(np.stack(weights, -1), ((0, cfg.mac_groups * cfg.mac_blocks - cfg.p), (0, 0), (0, 0), (0, 0)))
    split = packed.reshape(cfg.mac_groups, cfg.mac_blocks, cfg.q, cfg.words // cfg.mac_bins, cfg.mac_bins, 2)
    depth = cfg.mac_groups * (cfg.words // cfg.mac_bins) * cfg.q
    return split.transpose(0, 3, 2, 1, 4, 5).reshape(depth, -1)


@dataclass(frozen=True)
class Dense:
    """A dense layer; with rows = columns = 0 a scale layer (m = n)."""

    id: int
    m: int
    n: int
    in_bits: int
    weight_bits: int
    out_bits: int
    bias_bits: int
    out_shift: int
    act_shift: int
    out_frac: int
    activation: str
    in_vec: int
    out_vec: int
    rows: int
    columns: int

    @property
    def scale(self) -> bool:
        return self.rows == 0

    @property
    def n_pad(self) -> int:
        widest = max(self.columns, self.in_vec)
        return -(-self.n // widest) * widest

    @property
    def iterations(self) -> int:
        beats_out = -(-self.m // self.out_vec)
        if self.scale:
            return beats_out
        return self.n_pad // self.in_vec + -(-self.m // self.rows) * (self.n_pad // self.columns) + beats_out


def dense(cfg: Dense, weights: Ints, bias: Ints, x: Ints) -> Ints:
    acc = x * weights if cfg.scale else x @ weights.T
    fits(acc, cfg.weight_bits + cfg.in_bits + (0 if cfg.scale else clog2(cfg.n)))
    out = finish(acc + bias, cfg.activation, cfg.out_bits, cfg.out_shift, cfg.act_shift, cfg.out_frac)
    return padded(out, -(-cfg.m // cfg.out_vec) * cfg.out_vec)


def dense_rom(cfg: Dense, weights: Ints) -> Ints:
    """Group of rows, group of columns; row, column. A scale layer: beat; value."""
    if cfg.scale:
        return padded(weights[None], -(-cfg.n // cfg.in_vec) * cfg.in_vec).reshape(-1, cfg.in_vec)
    groups = -(-cfg.m // cfg.rows)
    full = np.pad(weights, ((0, groups * cfg.rows - cfg.m), (0, cfg.n_pad - cfg.n)))
    split = full.reshape(groups, cfg.rows, cfg.n_pad // cfg.columns, cfg.columns)
    return split.transpose(0, 2, 1, 3).reshape(-1, cfg.rows * cfg.columns)
