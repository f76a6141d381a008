# SPDX-License-Identifier: Apache-2.0
"""The integer transforms against float FFTs, their gain, their widths, and rounding against big integers."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swm.layers.arithmetic import (
    forward_transform,
    inverse_transform,
    packed_spectrum,
    spectral_product,
    twiddles,
)
from swm.layers.circulant import CirculantSpec
from swm.layers.rounding import round_shift, saturate
from swm.layers.values import TensorShape

BLOCKS = [2, 4, 8, 16, 32, 64, 128, 256]


def _spec(k, bits, shifts):
    shape = TensorShape(k, bits)
    return CirculantSpec("l", (shape,), shape, block=k, weight_bits=bits, fft_shifts=shifts)


@given(st.integers(-(2**40), 2**40), st.integers(-8, 20))
def test_round_shift_is_floor_of_value_plus_half(value, shift):
    exact = floor(Fraction(value) / Fraction(2) ** shift + Fraction(1, 2))
    assert int(round_shift(np.array([value]), shift)[0]) == exact


@given(st.lists(st.integers(-(2**20), 2**20), min_size=1), st.integers(2, 20))
def test_saturate_clips_and_counts(values, bits):
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    clipped, count = saturate(np.array(values), bits)
    assert clipped.tolist() == [min(max(v, low), high) for v in values]
    assert count == sum(not low <= v <= high for v in values)


@pytest.mark.parametrize("k", BLOCKS)
@pytest.mark.parametrize("scaled", [False, True])
def test_forward_transform_is_the_packed_half_spectrum(k, scaled):
    stages = k.bit_length() - 1
    shifts = stages // 2 if scaled else 0
    x = np.random.default_rng(k).integers(-2048, 2048, size=(20, k))
    re, im = forward_transform(x, shifts)
    exact = packed_spectrum(x) / 2.0**shifts
    # one rounding of half a unit a multiplying stage, at worst added up over the stages that follow
    assert np.abs(np.stack([re, im], -1) - exact).max() <= 0.75 * k**0.5 + 1


@pytest.mark.parametrize("k", BLOCKS)
@pytest.mark.parametrize("scaled", [False, True])
def test_gain_of_both_transforms_is_one(k, scaled):
    """Regression for published designs: gain 1/2 at odd log2 k, 1/4 with shifted weights."""
    stages = k.bit_length() - 1
    shifts = stages // 2 if scaled else 0
    x = np.random.default_rng(k).integers(-2048, 2048, size=(50, k))
    re, im = forward_transform(x, shifts)
    back = inverse_transform(re, im, shifts)
    gain = float((back * x).sum() / (x * x).sum())
    assert gain == pytest.approx(1.0, abs=0.01)
    # each halving dropped from the forward side comes back as a doubling of the rounding error before it
    assert np.abs(back - x).max() <= 2 + 4 * (2**shifts - 1)


@pytest.mark.parametrize("k", BLOCKS)
@pytest.mark.parametrize("bits", [4, 12, 18])
def test_spectra_of_extreme_inputs_fit_their_width(k, bits):
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    phase = np.arange(k)
    rows = [np.full(k, low), np.full(k, high), np.where(phase % 2 == 0, low, high), np.where(phase % 2 == 0, high, low)]
    for f in range(k // 2 + 1):
        for angle in (0.0, np.pi / 2):
            wave = np.cos(2 * np.pi * f * phase / k + angle)
            rows += [np.where(wave >= 0, high, low), np.where(wave >= 0, low, high)]
    for shifts in {0, (k.bit_length() - 1) // 2}:
        spec = _spec(k, bits, shifts)
        re, im = forward_transform(np.array(rows), shifts)
        limit = 2 ** (spec.spectrum_bits - 1)
        assert max(re.max(), im.max()) < limit
        assert min(re.min(), im.min()) >= -limit


@pytest.mark.parametrize("k", BLOCKS)
def test_inverse_transform_never_leaves_its_width(k):
    bits = 12
    rng = np.random.default_rng(0)
    for shifts in {0, (k.bit_length() - 1) // 2}:
        spec = _spec(k, bits, shifts)
        limit = 2 ** (spec.rounded_bits - 1)
        corners = rng.choice([-limit, limit - 1], size=(2, 2000, k // 2))
        corners[:, 0], corners[:, 1] = -limit, limit - 1
        y = inverse_transform(corners[0], corners[1], shifts)
        assert -(2 ** (spec.inverse_bits - 1)) <= y.min()
        assert y.max() < 2 ** (spec.inverse_bits - 1)


@pytest.mark.parametrize("k", [2, 4, 16, 64])
def test_circular_convolution_end_to_end(k):
    """A whole integer layer against the circulant matrix in exact arithmetic: non-symmetric w and x, gain one."""
    rng = np.random.default_rng(k)
    w, x = rng.normal(size=(2, 3, k)), rng.integers(-2000, 2000, size=(4, 3, k))
    frac = 12
    weights = np.floor(packed_spectrum(w) * 2**frac + 0.5).astype(np.int64)
    re, im = forward_transform(x, 0)
    sums = spectral_product(re, im, weights, 48)
    y = inverse_transform(round_shift(sums[0], 8), round_shift(sums[1], 8), 0)
    index = (np.arange(k)[:, None] - np.arange(k)) % k
    exact = np.einsum("ijrc,bjc->bir", w[:, :, index], x.astype(float))
    assert np.abs(y / 2.0 ** (frac - 8) - exact).max() <= 2e-3 * np.abs(exact).max() + 2


def test_spectral_product_in_float64_equals_int64():
    rng = np.random.default_rng(0)
    re, im = rng.integers(-(2**18), 2**18, size=(2, 3, 4, 8))
    weights = rng.integers(-(2**17), 2**17, size=(5, 4, 8, 2))
    for fast, exact in zip(spectral_product(re, im, weights, 50), spectral_product(re, im, weights, 60), strict=True):
        np.testing.assert_array_equal(fast, exact)


def test_twiddles_are_rounded_cosines():
    cos, sin = twiddles(256)
    assert cos[0] == 1 << 16
    assert sin[0] == 0
    np.testing.assert_allclose(np.hypot(cos, sin), 1 << 16, atol=1)
