# SPDX-License-Identifier: Apache-2.0
"""Layers that exercise every shape, width, lane setting and activation of the kernels, and their C++ driver."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ports import model
from ports.model import Ints

ACTIVATIONS = ("identity", "relu", "sigmoid", "tanh_")
BITS = (8, 12, 16, 18)


@dataclass(frozen=True)
class Case:
    """One layer, its constants and its input vectors."""

    cfg: model.Circulant | model.Dense
    weights: tuple[Ints, Ints] | Ints
    bias: Ints
    x: Ints


def limits(bits: int) -> tuple[int, int]:
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def vectors(rng: np.random.Generator, n: int, bits: int) -> Ints:
    """Random words, small ones, and the extremes: all lowest, all highest, and both in the worst alternations."""
    low, high = limits(bits)
    t = np.arange(n)
    extremes = [np.full(n, low), np.full(n, high), np.where(t % 2, low, high), np.where(t % 4 < 2, low, high)]
    extremes += [np.where(rng.random(n) < 0.5, low, high)]
    return np.array([rng.integers(low, high + 1, n), rng.integers(low // 16, high // 16 + 1, n), *extremes], np.int64)


def circulant_case(number: int, k: int, bits: int, scaled: bool, rng: np.random.Generator) -> Case:
    stages = model.clog2(k)
    shifts = stages // 2 if scaled else 0
    p, q = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    m, n = (p - 1) * k + int(rng.integers(1, k + 1)), (q - 1) * k + int(rng.integers(1, k + 1))
    ifft_lanes = int(rng.choice([1, 2, 3]))
    mac_blocks = ifft_lanes * int(rng.choice([1, 2]))
    in_vec, out_vec, bins = (
        2 ** int(rng.integers(0, top + 1)) for top in (min(stages, 4), min(stages, 4), min(stages - 1, 3))
    )
    weight_bits = int(rng.choice([8, 12, 16, 18]))
    activation = ACTIVATIONS[number % 4]
    acc_shift = max(0, weight_bits - 5 + (stages + model.clog2(q)) // 2 - shifts)
    value = bits + 2 + shifts - stages // 2  # log2 of the typical pre-activation value
    cfg = model.Circulant(
        id=number,
        m=m,
        n=n,
        k=k,
        in_bits=bits,
        weight_bits=weight_bits,
        out_bits=int(rng.choice(BITS)),
        bias_bits=bits + 4,
        fft_shifts=shifts,
        acc_shift=acc_shift,
        out_shift=int(rng.integers(-1, 5)),
        act_shift=value - 14,
        out_frac=int(rng.integers(4, 16)),
        activation=activation,
        in_vec=in_vec,
        out_vec=out_vec,
        fft_lanes=int(rng.integers(1, 5)),
        mac_blocks=mac_blocks,
        mac_bins=bins,
        ifft_lanes=ifft_lanes,
    )
    low, high = limits(weight_bits)
    shape = (2, cfg.p, cfg.q, cfg.words)
    w = rng.integers(low, high + 1, shape) if number % 3 else np.where(rng.random(shape) < 0.5, low, high)
    if number % 6 == 0:
        w[:, 0] = low  # with the lowest inputs the largest sum there is
    bias = rng.integers(*limits(cfg.bias_bits), cfg.m)
    return Case(cfg, (w[0], w[1]), bias, vectors(rng, n, bits))


def dense_case(number: int, scale: bool, rng: np.random.Generator) -> Case:
    bits, weight_bits = int(rng.choice(BITS)), int(rng.choice(BITS))
    n = int(rng.integers(1, 70))
    m = n if scale else int(rng.integers(1, 40))
    in_vec, out_vec = (int(2 ** rng.integers(0, 4)) for _ in range(2))
    if scale:
        out_vec = in_vec
    cfg = model.Dense(
        id=number,
        m=m,
        n=n,
        in_bits=bits,
        weight_bits=weight_bits,
        out_bits=int(rng.choice(BITS)),
        bias_bits=int(rng.integers(8, 31)),
        out_shift=weight_bits - int(rng.integers(0, 4)),
        act_shift=bits + weight_bits - 14,
        out_frac=int(rng.integers(4, 16)),
        activation=ACTIVATIONS[number % 4],
        in_vec=in_vec,
        out_vec=out_vec,
        rows=0 if scale else out_vec * int(rng.integers(1, 4)),
        columns=0 if scale else int(2 ** rng.integers(0, 4)),
    )
    low, high = limits(weight_bits)
    w = rng.integers(low, high + 1, m if scale else (m, n)) if number % 3 else np.full(m if scale else (m, n), low)
    return Case(cfg, w, rng.integers(*limits(cfg.bias_bits), m), vectors(rng, n, bits))


def all_cases() -> list[Case]:
    """Every block size with every width and both scalings, then dense and scale layers."""
    rng = np.random.default_rng(20261121)
    out: list[Case] = []
    for k in (2, 4, 8, 16, 32, 64, 128, 256):
        for i, bits in enumerate(BITS):
            # Growing spectra as long as they fit a DSP port; the other half of the cases scaled.
            scaled = (i + model.clog2(k)) % 2 == 0 or bits + model.clog2(k) > 25
            out.append(circulant_case(len(out), k, bits, scaled, rng))
    out += [dense_case(len(out) + i, False, rng) for i in range(8)]
    out += [dense_case(len(out) + i, True, rng) for i in range(4)]
    return out


def expected(case: Case) -> list[list[Ints]]:
    """The lines that the driver prints for each sample."""
    if isinstance(case.cfg, model.Circulant):
        assert isinstance(case.weights, tuple)
        answer = model.circulant(case.cfg, case.weights, case.bias, case.x)
        return [list(lines) for lines in zip(answer.spectra, answer.sums, answer.outputs, strict=True)]
    assert not isinstance(case.weights, tuple)
    return [[line] for line in model.dense(case.cfg, case.weights, case.bias, case.x)]


def render(cases: list[Case]) -> str:
    """A C++ file that runs all cases."""
    parts = ["// SPDX-License-Identifier: Apache-2.0", '#include "driver.h"', "namespace net {"]
    calls = []
    for case in cases:
        cfg, name = case.cfg, f"layer{case.cfg.id}"
        fields = dataclasses.asdict(cfg)
        activation = fields.pop("activation")
        ints = ", ".join(f"{key} = {value}" for key, value in fields.items())
        parts.append(f"struct {name} {{ static constexpr int {ints}; typedef swm::{activation} activation; }};")
        bias = np.pad(case.bias, (0, -len(case.bias) % cfg.out_vec))
        if isinstance(cfg, model.Circulant):
            assert isinstance(case.weights, tuple)
            rom, traits = model.circulant_rom(cfg, case.weights), "circulant"
            calls.append(f"run_circulant<{name}>({name}_weights, {name}_bias, {len(case.x)});")
        else:
            assert not isinstance(case.weights, tuple)
            rom, kernel = model.dense_rom(cfg, case.weights), "scale" if cfg.scale else "dense"
            traits = f"{kernel}_layer"
            run = f"[](auto& in, auto& out) {{ swm::{kernel}<{name}>({name}_weights, {name}_bias, in, out); }}"
            calls.append(f"run_simple<{name}, swm::{traits}<{name}>>({run}, {len(case.x)});")
        rows = ",".join("{" + ",".join(map(str, row)) + "}" for row in rom.tolist())
        parts.append(f"typedef swm::{traits}<{name}> {name}_traits;")
        # The sizes are the model's: a kernel that expects others does not compile or reads beyond (sanitiser).
        for size, value in zip(("rom_depth", "rom_lanes"), rom.shape, strict=True):
            parts.append(f'static_assert({name}_traits::{size} == {value}, "");')
        parts.append(f"const {name}_traits::weight_t {name}_weights[{rom.shape[0]}][{rom.shape[1]}] = {{{rows}}};")
        parts.append(f"const {name}_traits::bias_t {name}_bias[{len(bias)}] = {{{','.join(map(str, bias))}}};")
    parts += ["}  // namespace net", "using namespace net;", "int main() {", *calls, "return 0;", "}", ""]
    return "\n".join(parts)


def stdin(cases: list[Case]) -> str:
    return "\n".join(" ".join(map(str, row)) for case in cases for row in case.x.tolist())
