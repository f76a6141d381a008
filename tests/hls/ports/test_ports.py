# SPDX-License-Identifier: Apache-2.0
"""The kernels of hls/ against an independent integer model: every integer on every port, in every flavour.

The driver runs each kernel twice on each vector and fails when the answers differ, when a beat too many is written,
when the counted iterations are not those of the traits, and (generic flavour) on any undefined behaviour.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ports import model
from ports.cases import ACTIVATIONS, BITS, Case, all_cases, expected

CASES = all_cases()
Answers = Callable[[str], list[list[int]]]


def split(lines: list[list[int]], cases: list[Case]) -> dict[int, tuple[list[list[list[int]]], list[int]]]:
    """Per layer: the lines of each sample, and the iterations of the traits."""
    out, at = {}, 0
    for case in cases:
        stages = 3 if isinstance(case.cfg, model.Circulant) else 1
        samples = [lines[at + s * stages : at + (s + 1) * stages] for s in range(len(case.x))]
        at += stages * len(case.x)
        out[case.cfg.id] = samples, lines[at]
        at += 1
    assert at == len(lines)
    return out


def check(case: Case, found: tuple[list[list[list[int]]], list[int]]) -> None:
    samples, iterations = found
    wanted = case.cfg.iterations
    assert iterations == (list(wanted) if isinstance(wanted, tuple) else [wanted])
    for number, (got, want) in enumerate(zip(samples, expected(case), strict=True)):
        for stage, (g, w) in enumerate(zip(got, want, strict=True)):
            assert g == w.tolist(), f"vector {number}, process {stage} of {case.cfg}"


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.cfg.id}-{getattr(c.cfg, 'k', 'dense')}-{c.cfg.in_bits}bit")
@pytest.mark.parametrize("flavour", ["generic", "sim"])
def test_every_integer_on_every_port(flavour: str, case: Case, answers: Answers) -> None:
    check(case, split(answers(flavour), CASES)[case.cfg.id])


def test_vendor_headers_give_the_same_bits(answers: Answers) -> None:
    lines = answers("real")
    cases = [c for c in CASES if c.cfg.id in {1, 6, 15, 20, 34, 41}]
    found = split(lines, cases)
    for case in cases:
        check(case, found[case.cfg.id])


def test_the_cases_cover_what_they_should() -> None:
    layers = [c.cfg for c in CASES if isinstance(c.cfg, model.Circulant)]
    assert {(c.k, c.in_bits) for c in layers} == {(2**s, b) for s in range(1, 9) for b in BITS}
    assert {c.activation for c in layers} == set(ACTIVATIONS)
    assert any(c.q % c.fft_lanes for c in layers)
    assert any(c.p % c.mac_blocks for c in layers)
    assert any(c.n % c.k for c in layers)
    assert any(c.m % c.k for c in layers)
    assert any(c.fft_shifts for c in layers)
    assert any(not c.fft_shifts for c in layers)
    assert any(c.mac_blocks != c.ifft_lanes and c.ifft_lanes > 1 for c in layers)
    assert {c.mac_bins for c in layers} >= {1, 2, 4, 8}
    clipped = [np.mean(np.abs(expected(c)[2][2]) >= 2 ** (c.cfg.out_bits - 1) - 1) for c in CASES[:32]]
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
    rng = np.random.default_rng(1)
    for k in (2, 4, 8, 16, 32, 64):
        cfg = model.Circulant(0, 2 * k, 3 * k, k, 16, 16, 18, 20, 0, 12, 0, 0, 8, "identity", 1, 1, 1, 1, 1, 1)
        w = rng.integers(-200, 201, (cfg.p, cfg.q, k))
        spectrum = np.fft.rfft(w)
        wr, wi = np.rint(spectrum.real).astype(np.int64)[..., :-1], np.rint(spectrum.imag).astype(np.int64)[..., :-1]
        wi[..., 0] = np.rint(spectrum[..., -1].real)
        x = rng.integers(-1000, 1001, (5, cfg.n))
        index = (np.arange(k)[:, None] - np.arange(k)) % k
        full = np.concatenate([np.concatenate(list(row), 1) for row in w[:, :, index]], 0)
        exact = x @ full.T / 2**12
        got = model.circulant(cfg, (wr, wi), np.zeros(cfg.m, np.int64), x).outputs
        assert np.abs(got - exact).max() < 4
