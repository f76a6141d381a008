# SPDX-License-Identifier: Apache-2.0
"""The kernels of hls/ once more, in numpy, from their contract alone: every integer on every port, and every loop.

The arithmetic follows docs/arithmetic.md, the order of beats and the numbers of iterations follow what the headers of
hls/swm promise. Nothing here comes from the bodies of hls/ or from swm/. Every intermediate value is held against the
width that the page gives it, so a passing comparison also shows that no register of the circuit can overflow for
these inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Streams = list[Ints]  # (tokens, integers of a token) of each port that is written, in the order of the data
T = 16


def clog2(n: int) -> int:
    return (n - 1).bit_length()


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def power_of_two(n: int) -> bool:
    return n > 0 and n & (n - 1) == 0


def round_shift(v: Ints, s: int) -> Ints:
    return (v + (1 << (s - 1))) >> s if s > 0 else v << -s


def saturate(v: Ints, bits: int) -> Ints:
    return np.clip(v, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def fits(v: Ints, bits: int) -> Ints:
    assert np.all((v >= -(1 << (bits - 1))) & (v < 1 << (bits - 1))), f"a value leaves {bits} bits"
    return v


def padded(x: Ints, length: int) -> Ints:
    return np.pad(x, ((0, 0), (0, length - x.shape[1])))


def in_beats(x: Ints, vec: int) -> Ints:
    """Tokens in whole beats, the surplus of the last one zero."""
    return padded(x, ceil_div(x.shape[1], vec) * vec)


@dataclass(frozen=True)
class Policy:
    """An activation as finish.h is told of it: its numbers by name, and the entries of a table."""

    kind: str
    numbers: tuple[tuple[str, int], ...] = ()
    starts: tuple[int, ...] = ()
    rises: tuple[int, ...] = ()


@dataclass(frozen=True)
class Loop:
    """Loads, products and drains as one flat loop (product_walk.h)."""

    loads: int
    products: int
    group: int  # products of a drain group
    beats: int  # of a drain group
    last_beats: int

    def iterations(self, tokens: int) -> int:
        step = max(1, self.group // self.beats)
        return self.loads + tokens * max(self.products, self.loads) + step * (self.last_beats - 1) + 1


@dataclass(frozen=True)
class Circulant:
    """What the kernels are told of one layer, and what the contract derives from it."""

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
    activation: Policy
    in_vec: int
    out_vec: int
    mac_rows: int
    mac_columns: int
    mac_bins: int
    products: int
    rom_banks: int
    rom_lanes: int
    fabric_rows: int
    packed: int

    @property
    def stages(self) -> int:
        return clog2(self.k)

    @property
    def unrolled(self) -> bool:
        return self.k <= 16

    @property
    def p(self) -> int:
        return ceil_div(self.m, self.k)

    @property
    def q(self) -> int:
        return ceil_div(self.n, self.k)

    @property
    def words(self) -> int:
        return self.k // 2

    @property
    def fft_lanes(self) -> int:
        return max(1, self.in_vec // (self.k if self.unrolled else 4))

    @property
    def ifft_lanes(self) -> int:
        return max(1, self.out_vec // (self.k if self.unrolled else 4))

    @property
    def fft_groups(self) -> int:
        return ceil_div(self.q, self.fft_lanes)

    @property
    def row_beats(self) -> int:
        return ceil_div(self.p, self.ifft_lanes)

    @property
    def row_groups(self) -> int:
        return ceil_div(self.p, self.mac_rows)

    @property
    def column_groups(self) -> int:
        return ceil_div(self.q, self.mac_columns)

    @property
    def word_groups(self) -> int:
        return self.words // self.mac_bins

    @property
    def drain_words(self) -> int:
        return self.words if self.unrolled else self.mac_bins

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
    def order(self) -> list[int]:
        """Words of a block as they pass the products: natural, or by units u and k/2 - u (0: k/4)."""
        if self.unrolled:
            return list(range(self.words))
        return [w for u in range(self.k // 4) for w in (u, self.words - u if u else self.k // 4)]

    def rows_of(self, group: int) -> int:
        return min(self.mac_rows, self.p - group * self.mac_rows)

    @property
    def loop(self) -> Loop:
        columns, words = self.column_groups, self.word_groups
        return Loop(
            loads=self.fft_groups * (1 if self.unrolled else self.k // 4),
            products=self.row_groups * words * columns,
            group=words * columns if self.unrolled else columns,
            beats=ceil_div(self.mac_rows, self.ifft_lanes),
            last_beats=ceil_div(self.rows_of(self.row_groups - 1), self.ifft_lanes),
        )

    @property
    def legal(self) -> bool:
        lanes = self.mac_rows * self.mac_columns * self.mac_bins * 2
        beats = (
            self.in_vec * self.in_bits,
            self.out_vec * self.out_bits,
            self.fft_lanes * (self.k if self.unrolled else 4) * self.wx,
            self.ifft_lanes * self.drain_words * 2 * self.wa,
            self.rom_lanes * self.weight_bits,
        )
        return (
            all(map(power_of_two, (self.in_vec, self.out_vec, self.mac_bins)))
            and self.words % self.mac_bins == 0
            and (self.unrolled or (self.mac_bins >= 2 and max(self.in_vec, self.out_vec) <= self.k))
            and self.mac_columns % self.fft_lanes == 0
            and (self.mac_rows % self.ifft_lanes == 0 or self.row_groups == 1)
            and self.loop.beats <= self.loop.group
            and self.rom_banks * self.rom_lanes == lanes
            and (self.products == 4 or self.weight_bits <= 17)
            and (not self.packed or (self.products == 4 and not self.mac_rows % 2 and not self.fabric_rows % 2))
            and (not self.packed or (2 * self.weight_bits + self.wx <= 27 and self.wx <= 18))
            and max(beats) <= 4096
        )

    def iterations(self, tokens: int) -> list[int]:
        """Of every process, counted by hand from the loops that the headers describe."""
        mac = self.loop.iterations(tokens)
        if self.unrolled:
            return [tokens * self.fft_groups, mac, tokens * self.row_beats]
        units = self.k // 4
        load = max(units, self.fft_lanes * self.k // self.in_vec)
        forward = [units + tokens * self.fft_groups * units] * (self.stages - 2)
        last = self.loop.last_beats
        first = last if self.row_groups == 1 else self.loop.beats
        slot, last_slot = first * units, max(last * units, first * self.word_groups)
        collect = last_slot + tokens * ((self.row_groups - 1) * slot + last_slot)
        back = [units + tokens * self.row_beats * units] * (self.stages - 3)
        store = max(units, self.ifft_lanes * self.k // self.out_vec)
        end = store + 1 + tokens * self.row_beats * store
        return [load + tokens * self.fft_groups * load, *forward, mac, collect, *back, end]


def twiddle(block: int) -> tuple[Ints, Ints]:
    angle = [2 * np.pi * t / block for t in range(max(1, block // 4))]
    c = [floor(np.cos(a) * 2**T + 0.5) for a in angle]
    s = [floor(np.sin(a) * 2**T + 0.5) for a in angle]
    return np.array(c, np.int64), np.array(s, np.int64)


def unit_words(k: int, size: int) -> tuple[Ints, Ints]:
    """The two words that each unit of stage log2 `size` takes or gives, in blocks of k."""
    u = np.arange(k // 4)
    if size == 4:
        return 2 * u, 2 * u + 1
    i = u % (size // 4)
    base = 2 * (u - i)
    return base + i, np.where(i == 0, base + size // 4, base + size // 2 - i)


def forward_passes(x: Ints, bits: int, shifts: int) -> list[tuple[Ints, Ints]]:
    """Packed half spectra (re, im) of the rows of x after stage 2, 3, .. log2 k (k = 2: after its one stage)."""
    k = x.shape[-1]
    stages = clog2(k)
    width = bits + stages - shifts
    if k == 2:
        return [(fits(x[..., :1] + x[..., 1:], width), fits(x[..., :1] - x[..., 1:], width))]
    x0, x1, x2, x3 = (x[..., m * k // 4 : (m + 1) * k // 4] for m in range(4))
    h = sum(stage > stages - shifts for stage in (1, 2))
    re, im = (np.empty((*x.shape[:-1], k // 2), np.int64) for _ in range(2))
    re[..., 0::2], im[..., 0::2] = x0 + x2 + x1 + x3, x0 + x2 - x1 - x3
    re[..., 1::2], im[..., 1::2] = x0 - x2, x3 - x1
    found = [(fits(round_shift(re, h), width), fits(round_shift(im, h), width))]
    for stage in range(3, stages + 1):
        re, im = found[-1]
        size = 1 << stage
        c, s = twiddle(size)
        u = np.arange(k // 4)
        i = u % (size // 4)
        first = i == 0
        er, ei, our, oi = re[..., u], im[..., u], re[..., u + k // 4], im[..., u + k // 4]
        tr, ti = round_shift(our * c[i] + oi * s[i], T), round_shift(oi * c[i] - our * s[i], T)
        low, high = unit_words(k, size)
        re, im = np.empty_like(re), np.empty_like(im)
        re[..., low], im[..., low] = np.where(first, er + our, er + tr), np.where(first, er - our, ei + ti)
        re[..., high], im[..., high] = np.where(first, ei, er - tr), np.where(first, -oi, ti - ei)
        h = int(stage > stages - shifts)
        found.append((fits(round_shift(re, h), width), fits(round_shift(im, h), width)))
    return found


def forward(x: Ints, bits: int, shifts: int) -> tuple[Ints, Ints]:
    return forward_passes(x, bits, shifts)[-1]


def inverse_passes(re: Ints, im: Ints, width: int, shifts: int) -> tuple[list[tuple[Ints, Ints]], Ints]:
    """Words (re, im) after stage log2 k, .., 3, and the real rows; the first log2(k) - shifts stages halve."""
    words = re.shape[-1]
    k = 2 * words
    stages = clog2(k)
    if k == 2:
        return [], fits(np.concatenate([round_shift(re + im, 1), round_shift(re - im, 1)], -1), width)
    found = []
    for done in range(stages - 2):
        size = k >> done
        h = int(done < stages - shifts)
        c, s = twiddle(size)
        i = np.arange(k // 4) % (size // 4)
        first = i == 0
        low, high = unit_words(k, size) if size > 4 else (None, None)
        xr, xi, yr, yi = re[..., low], im[..., low], re[..., high], im[..., high]
        dr, di = xr - yr, xi + yi
        er = round_shift(np.where(first, xr + xi, xr + yr), h)
        ei = round_shift(np.where(first, 2 * yr, xi - yi), h)
        our = np.where(first, round_shift(xr - xi, h), round_shift(dr * c[i] - di * s[i], T + h))
        oi = np.where(first, round_shift(-2 * yi, h), round_shift(di * c[i] + dr * s[i], T + h))
        between = width - min(2, shifts)  # words between passes: the last two stages grow last
        re, im = fits(np.concatenate([er, our], -1), between), fits(np.concatenate([ei, oi], -1), between)
        found.append((re, im))
    ar, ai, br, bi = re[..., 0::2], im[..., 0::2], re[..., 1::2], im[..., 1::2]
    h = sum(done < stages - shifts for done in (stages - 2, stages - 1))
    parts = (ar + ai + 2 * br, ar - ai - 2 * bi, ar + ai - 2 * br, ar - ai + 2 * bi)
    return found, fits(np.concatenate([round_shift(y, h) for y in parts], -1), width)


def inverse(re: Ints, im: Ints, width: int, shifts: int) -> Ints:
    return inverse_passes(re, im, width, shifts)[1]


def finish(v: Ints, policy: Policy, out_bits: int, out_shift: int) -> Ints:
    """Section 5 of docs/arithmetic.md."""
    plain = round_shift(v, out_shift)
    c = dict(policy.numbers)
    if policy.kind in {"identity", "relu"}:
        return saturate(round_shift(np.maximum(v, 0) if policy.kind == "relu" else v, out_shift), out_bits)
    if policy.kind == "clip":
        return saturate(np.clip(plain, c["low"], c["high"]), out_bits)
    z = saturate(round_shift(v, c["input_shift"]), c["input_bits"])
    if policy.kind in {"ramp", "leaky"}:
        value = fits(z * c["slope"], c["input_bits"] + c["slope_bits"]) + (c["offset"] << c["offset_shift"])
        words = np.clip(round_shift(value, c["out_shift"]), c["low"], c["high"])
        return saturate(np.where(v >= 0, plain, words) if policy.kind == "leaky" else words, out_bits)
    place = np.clip(z, c["first"], c["first"] + (c["entries"] << c["step_bits"]) - 1) - c["first"]
    i, d = np.divmod(place, 1 << c["step_bits"])
    value = np.array(policy.starts)[i]
    if policy.rises:
        value = value * 2 ** c["step_bits"] + np.array(policy.rises)[i] * d
    if c["rectified"]:
        value = value + np.maximum(z, 0) * 2 ** c["base_shift"]
    return saturate(round_shift(value, c["out_shift"]), out_bits)


def multiply(cfg: Circulant, weights: tuple[Ints, Ints], xr: Ints, xi: Ints) -> tuple[Ints, Ints]:
    """Exact spectral sums (tokens, p, words) of weights (p, q, words) and spectra (tokens, q, words)."""
    wr, wi = weights
    rr, ii = np.einsum("pqw,sqw->spw", wr, xr), np.einsum("pqw,sqw->spw", wi, xi)
    re, im = rr - ii, np.einsum("pqw,sqw->spw", wr, xi) + np.einsum("pqw,sqw->spw", wi, xr)
    re[..., 0], im[..., 0] = rr[..., 0], ii[..., 0]
    width = cfg.weight_bits + cfg.wx + 1 + clog2(cfg.q)
    return fits(re, width), fits(im, width)


def circulant(cfg: Circulant, weights: tuple[Ints, Ints], bias: Ints, x: Ints) -> Streams:
    """What every process of a layer writes for the rows of x, the outputs last."""
    blocks = padded(x, cfg.q * cfg.k).reshape(len(x), cfg.q, cfg.k)
    passes = forward_passes(blocks, cfg.in_bits, cfg.fft_shifts)
    xr, xi = passes[-1]
    ar, ai = (saturate(round_shift(a, cfg.acc_shift), cfg.wa) for a in multiply(cfg, weights, xr, xi))
    back, y = inverse_passes(ar, ai, cfg.wy, cfg.fft_shifts)
    v = y.reshape(len(x), cfg.p * cfg.k)[:, : cfg.m] + bias
    out = in_beats(finish(v, cfg.activation, cfg.out_bits, cfg.out_shift), cfg.out_vec)
    sums = sum_beats(cfg, ar, ai)
    if cfg.unrolled:
        return [side_by_side(xr, xi, cfg.fft_lanes, np.arange(cfg.words)[None]), sums, out]
    k = cfg.k
    ahead = [
        side_by_side(re, im, cfg.fft_lanes, np.stack(unit_words(k, 4 << place), -1))
        for place, (re, im) in enumerate(passes)
    ]
    u = np.arange(k // 4)
    behind = [side_by_side(re, im, cfg.ifft_lanes, np.stack([u, u + k // 4], -1)) for re, im in back]
    return [*ahead, sums, *behind, out]


def side_by_side(re: Ints, im: Ints, lanes: int, beats: Ints) -> Ints:
    """Blocks (tokens, blocks, words) as (group of blocks, beat, lane, word of the beat, part); missing blocks zero."""
    tokens, blocks, _ = re.shape
    groups = ceil_div(blocks, lanes)
    packed = np.pad(np.stack([re, im], -1), ((0, 0), (0, groups * lanes - blocks), (0, 0), (0, 0)))
    split = packed[:, :, beats].reshape(tokens, groups, lanes, *beats.shape, 2)
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(tokens, -1)


def sum_beats(cfg: Circulant, re: Ints, im: Ints) -> Ints:
    """Group of block rows, group of words, row beat, lane, word, part; rows beyond p only to fill a beat."""
    packed, parts = np.stack([re, im], -1)[:, :, cfg.order], []
    for group in range(cfg.row_groups):
        rows = packed[:, group * cfg.mac_rows :][:, : cfg.rows_of(group)]
        beats = ceil_div(rows.shape[1], cfg.ifft_lanes)
        rows = np.pad(rows, ((0, 0), (0, beats * cfg.ifft_lanes - rows.shape[1]), (0, 0), (0, 0)))
        split = rows.reshape(len(re), beats, cfg.ifft_lanes, -1, cfg.drain_words, 2)
        parts.append(split.transpose(0, 3, 1, 2, 4, 5).reshape(len(re), -1))
    return np.concatenate(parts, 1)


def in_banks(words: Ints, banks: int) -> Ints:
    """[address][all lanes] as [bank][address][lane]."""
    return words.reshape(len(words), banks, -1).transpose(1, 0, 2)


def circulant_rom(cfg: Circulant, weights: tuple[Ints, Ints]) -> Ints:
    """Address (group of rows, group of words, group of columns), lane (row, column, word, part)."""
    g, o, f, b = cfg.row_groups, cfg.mac_rows, cfg.word_groups, cfg.mac_bins
    rows, columns = g * o - cfg.p, cfg.column_groups * cfg.mac_columns - cfg.q
    packed = np.pad(np.stack(weights, -1)[:, :, cfg.order], ((0, rows), (0, columns), (0, 0), (0, 0)))
    split = packed.reshape(g, o, cfg.column_groups, cfg.mac_columns, f, b, 2)
    words = split.transpose(0, 4, 2, 1, 3, 5, 6).reshape(g * f * cfg.column_groups, -1)
    return in_banks(words, cfg.rom_banks)


@dataclass(frozen=True)
class Dense:
    """A dense layer."""

    m: int
    n: int
    in_bits: int
    weight_bits: int
    out_bits: int
    bias_bits: int
    out_shift: int
    activation: Policy
    in_vec: int
    out_vec: int
    rows: int
    columns: int
    rom_banks: int
    rom_lanes: int
    fabric_rows: int
    packed: int

    @property
    def row_groups(self) -> int:
        return ceil_div(self.m, self.rows)

    @property
    def loop(self) -> Loop:
        groups = ceil_div(self.n, self.columns)
        return Loop(
            loads=ceil_div(self.n, self.in_vec),
            products=self.row_groups * groups,
            group=groups,
            beats=ceil_div(self.rows, self.out_vec),
            last_beats=ceil_div(self.m - (self.row_groups - 1) * self.rows, self.out_vec),
        )

    @property
    def legal(self) -> bool:
        return (
            all(map(power_of_two, (self.in_vec, self.out_vec, self.columns)))
            and self.in_vec <= self.columns
            and (self.rows % self.out_vec == 0 or self.row_groups == 1)
            and self.loop.beats <= self.loop.group
            and self.rom_banks * self.rom_lanes == self.rows * self.columns
            and (not self.packed or (not self.rows % 2 and not self.fabric_rows % 2))
            and (not self.packed or 2 * self.weight_bits + self.in_bits <= 27)
        )

    def iterations(self, tokens: int) -> list[int]:
        return [self.loop.iterations(tokens)]


def dense(cfg: Dense, weights: Ints, bias: Ints, x: Ints) -> Streams:
    acc = fits(x @ weights.T, cfg.weight_bits + cfg.in_bits + clog2(cfg.n))
    out = finish(acc + bias, cfg.activation, cfg.out_bits, cfg.out_shift)
    return [in_beats(out, cfg.out_vec)]


def dense_rom(cfg: Dense, weights: Ints) -> Ints:
    """Address (group of rows, group of columns), lane (row, column)."""
    columns = ceil_div(cfg.n, cfg.columns)
    full = np.pad(weights, ((0, cfg.row_groups * cfg.rows - cfg.m), (0, columns * cfg.columns - cfg.n)))
    split = full.reshape(cfg.row_groups, cfg.rows, columns, cfg.columns)
    return in_banks(split.transpose(0, 2, 1, 3).reshape(cfg.row_groups * columns, -1), cfg.rom_banks)


@dataclass(frozen=True)
class Scale:
    """A gain and an offset a channel."""

    n: int
    in_bits: int
    weight_bits: int
    out_bits: int
    bias_bits: int
    out_shift: int
    activation: Policy
    in_vec: int
    out_vec: int
    rom_banks: int
    rom_lanes: int

    def iterations(self, tokens: int) -> list[int]:
        return [tokens * ceil_div(self.n, self.in_vec)]


def scale(cfg: Scale, gains: Ints, bias: Ints, x: Ints) -> Streams:
    v = fits(x * gains, cfg.weight_bits + cfg.in_bits) + bias
    out = finish(v, cfg.activation, cfg.out_bits, cfg.out_shift)
    return [in_beats(out, cfg.out_vec)]


def scale_rom(cfg: Scale, gains: Ints) -> Ints:
    return in_banks(in_beats(gains[None], cfg.in_vec).reshape(-1, cfg.in_vec), cfg.rom_banks)


@dataclass(frozen=True)
class Prelu:
    """A slope a channel below zero."""

    n: int
    in_bits: int
    weight_bits: int
    slope_frac: int
    out_bits: int
    out_shift: int
    vec: int
    rom_banks: int
    rom_lanes: int

    def iterations(self, tokens: int) -> list[int]:
        return [tokens * ceil_div(self.n, self.vec)]


def prelu(cfg: Prelu, slopes: Ints, bias: None, x: Ints) -> Streams:
    v = np.where(x < 0, fits(x * slopes, cfg.weight_bits + cfg.in_bits), x * 2**cfg.slope_frac)
    return [in_beats(saturate(round_shift(v, cfg.out_shift), cfg.out_bits), cfg.vec)]


def prelu_rom(cfg: Prelu, slopes: Ints) -> Ints:
    return in_banks(in_beats(slopes[None], cfg.vec).reshape(-1, cfg.vec), cfg.rom_banks)


@dataclass(frozen=True)
class Add:
    """The sum of two tensors."""

    n: int
    a_bits: int
    b_bits: int
    out_bits: int
    a_shift: int
    b_shift: int
    out_shift: int
    activation: Policy
    vec: int

    def iterations(self, tokens: int) -> list[int]:
        return [tokens * ceil_div(self.n, self.vec)]


def add(cfg: Add, a: Ints, b: Ints) -> Streams:
    v = fits(a << cfg.a_shift, cfg.a_bits + cfg.a_shift) + fits(b << cfg.b_shift, cfg.b_bits + cfg.b_shift)
    return [in_beats(finish(v, cfg.activation, cfg.out_bits, cfg.out_shift), cfg.vec)]


@dataclass(frozen=True)
class Concat:
    """Tensors one after the other."""

    vec: int
    out_bits: int
    channels: tuple[int, ...]
    in_bits: tuple[int, ...]
    in_shifts: tuple[int, ...]

    def iterations(self, tokens: int) -> list[int]:
        return [tokens * sum(ceil_div(n, self.vec) for n in self.channels)]


def concat(cfg: Concat, *inputs: Ints) -> Streams:
    moved = [saturate(round_shift(x, s), cfg.out_bits) for x, s in zip(inputs, cfg.in_shifts, strict=True)]
    return [in_beats(np.concatenate(moved, 1), cfg.vec)]


@dataclass(frozen=True)
class Width:
    """Beats of in_vec values become beats of out_vec."""

    n: int
    bits: int
    in_vec: int
    out_vec: int

    def iterations(self, tokens: int) -> list[int]:
        return [tokens * max(ceil_div(self.n, self.in_vec), ceil_div(self.n, self.out_vec))]


@dataclass(frozen=True)
class Fork:
    """One stream to several readers."""

    n: int
    bits: int
    vec: int
    copies: int

    def iterations(self, tokens: int) -> list[int]:
        return [tokens * ceil_div(self.n, self.vec)]
