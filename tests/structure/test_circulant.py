# SPDX-License-Identifier: Apache-2.0
"""BlockCirculant against dense expansions: convention, transforms counted, projection, least squares."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import swm
from swm.errors import OptionError
from swm.structure import BlockCirculant, default_transforms, fit_dense, least_squares, project
from swm.structure.transforms import FftwTransforms, ScipyTransforms

BLOCKS = [2, 4, 8, 16, 32, 64, 128, 256]


def random_circulant(seed, p, q, k, m=None, n=None):
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(p, q, k)).astype(np.float32)
    return BlockCirculant(columns, None if m is None else (m, n))


@pytest.mark.parametrize("k", BLOCKS)
def test_first_column_convention_against_scipy(k):
    columns = np.random.default_rng(k).normal(size=(2, 3, k)).astype(np.float32)
    expected = np.block([[scipy.linalg.circulant(c) for c in row] for row in columns])
    np.testing.assert_array_equal(swm.BlockCirculant(columns).to_dense(), expected)


@pytest.mark.parametrize("k", BLOCKS)
def test_matmul_equals_dense_expansion(k):
    matrix = random_circulant(k, 3, 2, k, 3 * k - 1, 2 * k - (k // 2))
    x = np.random.default_rng(1).normal(size=(5, matrix.shape[1])).astype(np.float32)
    expected = x.astype(np.float64) @ matrix.to_dense().T.astype(np.float64)
    result = matrix.matmul(x)
    assert result.dtype == np.float32
    assert np.abs(result - expected).max() <= 1e-5 * np.abs(expected).max()
    precise = matrix.matmul(x.astype(np.float64))
    assert np.abs(precise - expected).max() <= 1e-12 * np.abs(expected).max()


def test_matmul_keeps_leading_axes():
    matrix = random_circulant(0, 2, 2, 4, 7, 6)
    x = np.random.default_rng(1).normal(size=(2, 3, 6)).astype(np.float32)
    np.testing.assert_allclose(matrix.matmul(x), x @ matrix.to_dense().T, rtol=1e-4, atol=1e-5)


class Counting:
    """Counts real transforms of one block each."""

    def __init__(self):
        self.inner, self.forwards, self.inverses, self.bins = default_transforms(), 0, 0, set()

    def forward(self, x):
        self.forwards += x.size // x.shape[-1]
        return self.inner.forward(x)

    def inverse(self, spectrum, k):
        self.inverses += spectrum.size // spectrum.shape[-1]
        self.bins.add(spectrum.shape[-1])
        return self.inner.inverse(spectrum, k)


def test_q_forward_and_p_inverse_transforms_over_half_spectra():
    matrix = random_circulant(0, 5, 3, 8)
    counting = Counting()
    batch = 4
    assert matrix.spectrum.shape == (5, 3, 5)  # the weights' own transform happens once, not in a product
    matrix.matmul(np.ones((batch, 24), np.float32), counting)
    assert (counting.forwards, counting.inverses) == (3 * batch, 5 * batch)
    assert counting.bins == {5}


@pytest.mark.parametrize("k", [2, 8, 256])
def test_scipy_and_fftw_give_the_same_transforms(k):
    pytest.importorskip("pyfftw")
    x = np.random.default_rng(0).normal(size=(3, 2, k)).astype(np.float32)
    half = ScipyTransforms().forward(x)
    np.testing.assert_allclose(FftwTransforms().forward(x), half, atol=1e-5)
    np.testing.assert_allclose(FftwTransforms().inverse(half, k), x, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(m=st.integers(1, 20), n=st.integers(1, 20), log=st.integers(1, 4), seed=st.integers(0, 99))
def test_projection_is_least_squares_on_the_weights(m, n, log, seed):
    """Regression for a published bug (last entry instead of the sum): the mean is optimal, any step away is worse."""
    k = 1 << log
    weights = np.random.default_rng(seed).normal(size=(m, n))
    columns = project(weights, k)
    best = np.sum((BlockCirculant(columns, (m, n)).to_dense() - weights) ** 2)
    design = np.stack(
        [BlockCirculant(unit.reshape(columns.shape), (m, n)).to_dense().ravel() for unit in np.eye(columns.size)],
        axis=1,
    )
    solution = np.linalg.lstsq(design, weights.ravel(), rcond=None)[0]
    assert best == pytest.approx(np.sum((design @ solution - weights.ravel()) ** 2), abs=1e-9)


def test_projection_of_random_weights_keeps_one_in_k_of_the_energy():
    weights = np.random.default_rng(0).normal(size=(256, 256))
    for k in (2, 8, 64):
        matrix = BlockCirculant.from_dense(weights, block=k)
        error = np.linalg.norm(matrix.to_dense() - weights) / np.linalg.norm(weights)
        assert error == pytest.approx(np.sqrt(1 - 1 / k), abs=0.01)  # see project()


@pytest.mark.parametrize(("m", "n", "k"), [(16, 24, 8), (10, 30, 4), (300, 200, 64)])
def test_least_squares_recovers_a_circulant_matrix(m, n, k):
    truth = BlockCirculant.from_dense(np.random.default_rng(0).normal(size=(m, n)), block=k)
    x = np.random.default_rng(1).normal(size=(3000, n)) + 0.3
    bias = np.arange(m) / m
    fit = least_squares(x, x @ truth.to_dense().T + bias, k, ridge=1e-9)
    exact = (m // k) * k  # a partial last block is refitted iteratively, so held to a looser bound
    found = BlockCirculant(fit.columns, (m, n)).to_dense()
    np.testing.assert_allclose(found[:exact], truth.to_dense()[:exact], atol=1e-4)
    np.testing.assert_allclose(fit.bias[:exact], bias[:exact], atol=1e-3)
    assert np.abs(found - truth.to_dense()).max() < 0.3 * np.abs(truth.to_dense()).max()


def test_least_squares_beats_projection_on_correlated_inputs():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(32, 32))
    x = rng.normal(size=(500, 6)) @ rng.normal(size=(6, 32))
    target = x @ weights.T
    plain = BlockCirculant.from_dense(weights, block=8)
    fitted = BlockCirculant.from_dense(weights, block=8, calibration=x)
    errors = [np.linalg.norm(x @ s.to_dense().T - target) for s in (fitted, plain)]
    assert errors[0] < 0.8 * errors[1]


def test_least_squares_minimises_the_regularised_error():
    """Normal equations over time-domain columns give the same answer as one small system a frequency."""
    rng = np.random.default_rng(3)
    k, p, q = 4, 2, 3
    x = rng.normal(size=(200, q * k)) @ rng.normal(size=(q * k, q * k))
    y = rng.normal(size=(200, p * k))
    fit = least_squares(x, y, k, ridge=1e-12)
    xc, yc = x - x.mean(0), y - y.mean(0)
    units = np.eye(p * q * k).reshape(-1, p, q, k)
    design = np.stack([(xc @ BlockCirculant(u).to_dense().T).ravel() for u in units], axis=1)
    best = np.linalg.lstsq(design, yc.ravel(), rcond=None)[0].reshape(p, q, k)
    np.testing.assert_allclose(fit.columns, best, atol=1e-6)


def test_refit_of_a_dense_layer_solves_the_ridge_problem():
    rng = np.random.default_rng(0)
    truth, x = rng.normal(size=(3, 5)), rng.normal(size=(400, 5)) + 1
    fit = fit_dense(x, x @ truth.T + 2.0, np.zeros((3, 5)), ridge=1e-10)
    np.testing.assert_allclose(fit.columns, truth, atol=1e-6)
    np.testing.assert_allclose(fit.bias, 2.0, atol=1e-6)


@pytest.mark.parametrize("block", [0, 1, 3, 12, 8192, -8, 8.0, True, "8"])
def test_impossible_blocks_are_refused_not_changed(block):
    with pytest.raises(OptionError, match="power of two"):
        BlockCirculant.from_dense(np.zeros((4, 4)), block=block)


@pytest.mark.parametrize("k", BLOCKS)
def test_storage_and_multiplications(k):
    """Storage falls k-fold; multiplications by about k/2 once transforms no longer weigh."""
    matrix = random_circulant(0, 4096 // k, 4096 // k, k)
    assert matrix.words * k == 4096 * 4096
    ratio = 4096 * 4096 / matrix.operations.multiplications
    products_only = 4096 * 4096 / ((4096 // k) ** 2 * (2 * k - 2))
    assert ratio <= products_only
    assert ratio > 0.35 * products_only


def test_transforms_never_touch_a_callers_array():
    """Regression: a plan that had been handed an aligned array copied a later, unaligned input over it."""
    pytest.importorskip("pyfftw")
    rng = np.random.default_rng(0)
    transforms = FftwTransforms()
    room = rng.normal(size=4096).astype(np.float32)
    arrays = [room[start : start + 32].reshape(4, 8) for start in range(0, 2000, 33)]
    before = [a.copy() for a in arrays]
    for array in arrays:
        np.testing.assert_allclose(transforms.forward(array), np.fft.rfft(array), atol=1e-5)
        half = transforms.forward(array)
        kept = half.copy()
        transforms.inverse(half, 8)
        np.testing.assert_array_equal(half, kept)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_threads_share_transforms():
    """Plans own the arrays that they work on."""
    pytest.importorskip("pyfftw")
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(400, 64)).astype(np.float32) for _ in range(4)]
    wanted = [np.fft.rfft(a) for a in arrays]

    def wrong(i):
        return sum(np.abs(FftwTransforms().forward(arrays[i]) - wanted[i]).max() > 1e-4 for _ in range(300))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(wrong, range(4))) == [0] * 4


@pytest.mark.parametrize("kind", [np.float16, np.uint16, np.bool_])
def test_both_transforms_take_numbers_of_any_type(kind):
    """Found by the fuzz campaign: FFTW knows two only."""
    pytest.importorskip("pyfftw")
    x = np.arange(32).reshape(4, 8).astype(kind)
    got, wanted = FftwTransforms().forward(x), ScipyTransforms().forward(x)
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
