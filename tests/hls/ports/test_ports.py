# SPDX-License-Identifier: Apache-2.0
"""The kernels of hls/ against an independent integer model: every integer on every port, in every flavour.

The driver runs each kernel on all tokens in one call, then on the same tokens in several calls, and fails when the
answers differ, when a beat too many is written or one is left unread, and (generic flavour, g++) on any undefined
behaviour.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ports import model
from ports.cases import ACTIVATIONS, BITS, Case, all_cases
from ports.conftest import Lines, chosen

CASES = all_cases()
Answers = Callable[[str], Lines]


def check(case: Case, lines: list[list[int]]) -> None:
    *ports, whole, parts = lines
    for port, (got, want) in enumerate(zip(ports, case.expected(), strict=True)):
        assert got == want.reshape(-1).tolist(), f"port {port} of {case.cfg}"
    calls = np.array([case.cfg.iterations(tokens) for tokens in (1, 2, case.tokens - 3)])
    assert whole == case.cfg.iterations(case.tokens), f"one call of {case.cfg}"
    assert parts == calls.sum(0).tolist(), f"three calls of {case.cfg}"


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: f"{n}-{CASES[n]}")
@pytest.mark.parametrize("flavour", ["generic/g++", "sim/clang++"])
def test_every_integer_on_every_port(flavour: str, number: int, answers: Answers) -> None:
    check(CASES[number], answers(flavour)[number])


@pytest.mark.parametrize("flavour", ["generic/clang++", "sim/g++", "real/g++"])
def test_other_compilers_and_the_vendors_headers_give_the_same_bits(flavour: str, answers: Answers) -> None:
    lines = answers(flavour)
    assert len(lines) == len(chosen(flavour))
    for number, found in lines.items():
        check(CASES[number], found)


@pytest.mark.parametrize("flavour", ["real/g++", "sim/g++"])
def test_selections_hold_every_kind(flavour: str) -> None:
    cases = [case for _, case in chosen(flavour)]
    assert {case.kind for case in cases} == {case.kind for case in CASES}
    blocks = {case.cfg.k for case in cases if case.kind == "circulant"}
    assert min(blocks) <= 4
    assert blocks & {8, 16}
    assert blocks & {32, 64, 128, 256}


def test_the_cases_cover_what_they_should() -> None:
    layers = [c.cfg for c in CASES if isinstance(c.cfg, model.Circulant)]
    assert {(c.k, c.in_bits) for c in layers} >= {(2**s, b) for s in range(1, 9) for b in BITS}
    assert {c.activation.kind for c in layers} == set(ACTIVATIONS)
    unrolled, passes = ([c for c in layers if c.unrolled == which] for which in (True, False))
    for some in (unrolled, passes):
        assert any(c.q % c.fft_lanes for c in some)
        assert any(c.p % c.ifft_lanes for c in some)
        assert any(c.row_groups > 1 and c.p % c.mac_rows for c in some)
        assert any(c.column_groups > 1 and c.q % c.mac_columns for c in some)
        assert any(c.q < c.mac_columns for c in some)
        assert any(c.word_groups > 1 for c in some)
        assert any(c.word_groups > 1 and c.row_groups > 1 and c.column_groups > 1 for c in some)
        assert any(c.n % c.k for c in some)
        assert any(c.m % c.k for c in some)
        assert any(c.n % c.in_vec for c in some)
        assert any(c.m % c.out_vec for c in some)
        assert any(c.fft_shifts for c in some)
        assert any(not c.fft_shifts for c in some)
        assert any(c.mac_rows != c.ifft_lanes and c.ifft_lanes > 1 for c in some)
        assert any(c.loop.loads > c.loop.products for c in some)  # idle iterations
        assert any(c.loop.loads < c.loop.products for c in some)
        assert any(c.loop.beats > 1 and c.loop.group >= 2 * c.loop.beats for c in some)  # a drain takes its time
        assert any(c.packed for c in some)
        assert any(0 < c.fabric_rows < c.mac_rows for c in some)
        assert any(c.fabric_rows == c.mac_rows for c in some)
        assert {c.products for c in some} == {3, 4}
        assert {c.weight_bits for c in some} >= {17, 18}
        assert {c.rom_banks for c in some} >= {1, 2, 4}
        assert {c.mac_bins for c in some} >= {2, 4, 8}
        assert any(c.in_vec < 4 for c in some)
        assert any(c.out_vec < 4 for c in some)
    assert max(c.fft_lanes for c in passes) > 1
    assert any(c.in_vec < c.k for c in unrolled)
    dense = [c.cfg for c in CASES if isinstance(c.cfg, model.Dense)]
    assert any(c.packed for c in dense)
    assert any(c.fabric_rows for c in dense)
    assert any(c.row_groups > 1 and c.m % c.rows for c in dense)
    assert any(c.n % c.columns for c in dense)
    assert any(c.loop.loads > c.loop.products for c in dense)
    assert {c.activation.kind for c in dense} == set(ACTIVATIONS)
    finals = [(c.cfg.out_bits, c.expected()[-1]) for c in CASES if c.kind == "circulant"]
    clipped = [np.mean(np.abs(y) >= 2 ** (bits - 1) - 1) for bits, y in finals]
    assert max(clipped) > 0.1  # extremes do saturate
    assert np.median(clipped) < 0.9  # and not everything does


@pytest.mark.parametrize("k", [2, 4, 8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("scaled", [False, True])
def test_the_model_is_a_fourier_transform_and_back_has_gain_one(k: int, scaled: bool) -> None:
    """The model itself against numpy.fft in double, odd log2 k included: a gain of 0.5 or 2 could not hide."""
    rng = np.random.default_rng(k)
    stages, bits = model.clog2(k), 16
    shifts = stages // 2 if scaled else 0
    x = rng.integers(-(2**15), 2**15, (20, k))
    re, im = model.forward(x, bits, shifts)
    want = np.fft.rfft(x) / 2**shifts
    packed = np.concatenate([(want[:, 0].real + 1j * want[:, -1].real)[:, None], want[:, 1:-1]], 1)
    # A half a stage from each rounding, and a relative 2^-17 from each twiddle.
    bound = 2 * stages + np.abs(packed).max() * stages * 2.0**-16
    assert np.abs(re + 1j * im - packed).max() < bound
    back = model.inverse(re, im, bits + 8 + shifts, shifts)
    assert np.abs(back - x).max() < 2 + 4 * bound * 2.0**shifts / k**0.5
    slope = float((back * x).sum() / (x * x).sum())
    assert slope == pytest.approx(1, abs=1e-3)


def test_the_whole_layer_is_a_circulant_product() -> None:
    """Weights from a first column, C[r, c] = w[(r - c) mod k]: the model's output against the dense product."""
    rng, plain = np.random.default_rng(1), model.Policy("identity")
    for k in (2, 4, 8, 16, 32, 64):
        cfg = model.Circulant(
            2 * k, 3 * k, k, 16, 16, 18, 20, 0, 12, 0, plain, 1, 1, 1, 1, min(2, k // 2), 3, 1, 4, 0, 0
        )
        w = rng.integers(-200, 201, (cfg.p, cfg.q, k))
        spectrum = np.fft.rfft(w)
        wr, wi = np.rint(spectrum.real).astype(np.int64)[..., :-1], np.rint(spectrum.imag).astype(np.int64)[..., :-1]
        wi[..., 0] = np.rint(spectrum[..., -1].real)
        x = rng.integers(-1000, 1001, (5, cfg.n))
        index = (np.arange(k)[:, None] - np.arange(k)) % k
        full = np.concatenate([np.concatenate(list(row), 1) for row in w[:, :, index]], 0)
        exact = x @ full.T / 2**12
        got = model.circulant(cfg, (wr, wi), np.zeros(cfg.m, np.int64), x)[-1]
        assert np.abs(got - exact).max() < 4
