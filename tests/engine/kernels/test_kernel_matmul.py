# SPDX-License-Identifier: Apache-2.0
"""Every engine against the matrix written out in float64, and the interface they share."""

import platform
import threading

import numpy as np
import pytest

from swm.engine.kernels import ENGINES, BlockMatmul, CompiledEngine
from swm.errors import OptionError
from swm.kernels import build as build
from swm.structure import BlockCirculant

BLOCKS = [2, 4, 8, 16, 32, 64, 128, 256]
TOLERANCE = 1e-5  # of the largest output
ENGINE_NAMES = list(ENGINES)


def random_matrix(p, q, k, cut_m=0, cut_n=0, seed=0):
    columns = np.random.default_rng([seed, p, q, k]).normal(size=(p, q, k)).astype(np.float32)
    m, n = p * k - cut_m, q * k - cut_n
    return columns, (m, n), BlockCirculant(columns.astype(np.float64), (m, n)).to_dense()


def check(product, dense, batch, seed=1):
    x = np.random.default_rng(seed).normal(size=(batch, dense.shape[1])).astype(np.float32)
    exact = x @ dense.T
    y = product(x)
    assert y.shape == exact.shape
    assert y.dtype == np.float32
    assert np.abs(y - exact).max() <= TOLERANCE * np.abs(exact).max()


def usable(name):
    if ENGINES[name].missing():
        pytest.skip(ENGINES[name].missing())
    return ENGINES[name]


@pytest.mark.parametrize("k", BLOCKS)
@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_engines_equal_the_dense_product(name, k):
    engine = usable(name)
    for p, q, cut_m, cut_n in ((1, 1, 0, 0), (3, 2, 1, 0), (2, 5, 0, 1), (5, 3, k - 1, k - 1)):
        columns, shape, dense = random_matrix(p, q, k, cut_m, cut_n)
        for threads in (1, 2) if name != "pyfftw" else (1 + p % 2,):  # planning takes its time
            product = engine.prepare(BlockCirculant(columns, shape), threads=threads)
            for batch in (1, 7, 33) if name != "pyfftw" else (1, 33):
                check(product, dense, batch)


@pytest.mark.parametrize("few", [0, 9, 17])
@pytest.mark.parametrize("k", BLOCKS)
def test_both_layouts_of_the_compiled_engine_at_every_batch(k, few):
    usable("compiled")
    for p, q, cut in ((9, 20, 1), (20, 7, 0), (4, 9, k // 2)):
        columns, shape, dense = random_matrix(p, q, k, cut, cut)
        product = CompiledEngine().prepare(BlockCirculant(columns, shape), threads=2, few=few)
        x = np.random.default_rng(1).normal(size=(33, shape[1])).astype(np.float32)
        exact = x @ dense.T
        for batch in range(1, 34):
            assert np.abs(product(x[:batch]) - exact[:batch]).max() <= TOLERANCE * np.abs(exact).max()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other instruction sets of x86")
@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3"])
def test_narrower_vectors(monkeypatch, target):
    """What a machine without AVX-512, or without AVX, compiles."""
    usable("compiled")
    monkeypatch.setattr(build, "_loaded", {})
    monkeypatch.setattr(build, "FLAGS", tuple(f"-march={target}" if f == "-march=native" else f for f in build.FLAGS))
    for k in (2, 32):
        for p, q, cut in ((9, 20, 1), (3, 2, 0)):
            columns, shape, dense = random_matrix(p, q, k, cut, cut)
            product = CompiledEngine().prepare(BlockCirculant(columns, shape))
            for batch in (1, 4, 11, 32, 33):
                check(product, dense, batch)


@pytest.mark.parametrize("k", [512, 2048])
def test_blocks_larger_than_hardware_takes(k):
    usable("compiled")
    columns, shape, dense = random_matrix(2, 1, k)
    for batch in (1, 17):
        check(CompiledEngine().prepare(BlockCirculant(columns, shape)), dense, batch)


def test_whole_tiles_go_to_lanes_and_rests_to_the_other_layout():
    usable("compiled")
    columns, shape, _ = random_matrix(8, 8, 16)
    product = CompiledEngine().prepare(BlockCirculant(columns, shape), few=10)
    lanes = build.load_library("matmul.cpp", {"SWM_K": 16}).swm_lanes()
    for batch, tiles in ((1, 0), (lanes, 1), (3 * lanes, 3), (3 * lanes + 1, 3)):
        before = product.tiles
        product(np.zeros((batch, shape[1]), np.float32))
        assert product.tiles - before == tiles


@pytest.mark.parametrize("name", [*ENGINE_NAMES, "auto"])
def test_layout_type_and_output_of_the_interface(name):
    if name != "auto":
        usable(name)
    columns, shape, dense = random_matrix(3, 2, 8, 1, 1)
    product = BlockMatmul(BlockCirculant(columns, shape), engine=name)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, shape[1])).astype(np.float32)
    exact = x @ dense.T
    out = np.full((5, shape[0]), np.nan, np.float32)
    assert product(x, out) is out
    frozen = x.copy()
    frozen.flags.writeable = False
    for other in (x.astype(np.float64), np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], frozen):
        np.testing.assert_allclose(product(other), exact, atol=1e-4)
    np.testing.assert_allclose(out, exact, atol=1e-4)
    assert product(x[:0]).shape == (0, shape[0])
    for wrong in (x[:, 1:], x[0], x[None]):
        with pytest.raises(OptionError):
            product(wrong)
    for wrong in (out[:4], out.astype(np.float64), np.empty((5, 2 * shape[0]), np.float32)[:, ::2]):
        with pytest.raises(OptionError):
            product(x, wrong)


@pytest.mark.parametrize(
    ("columns", "shape", "threads"),
    [
        (np.zeros((2, 2)), None, 1),
        (np.zeros((1, 1, 3)), None, 1),
        (np.zeros((1, 1, 1)), None, 1),
        (np.zeros((0, 1, 4)), None, 1),
        (np.zeros((2, 2, 4)), (9, 8), 1),
        (np.zeros((2, 2, 4)), (4, 8), 1),
        (np.zeros((2, 2, 4)), None, 0),
    ],
)
def test_impossible_matrices_are_refused(columns, shape, threads):
    for engine in ENGINES.values():
        with pytest.raises(OptionError):
            engine.prepare(BlockCirculant(columns.astype(np.float32), shape), threads=threads)


@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_one_prepared_matrix_in_many_threads(name):
    columns, shape, dense = random_matrix(4, 4, 16)
    product = usable(name).prepare(BlockCirculant(columns, shape), threads=2)
    failures = []

    def work(seed):
        try:
            for turn in range(20):
                check(product, dense, 1 + (seed * 7 + turn) % 40, seed)
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_few_samples_of_a_large_matrix_are_shared_out(batch):
    usable("compiled")
    columns, shape, dense = random_matrix(33, 40, 64, 5, 7)
    alone, shared = (CompiledEngine().prepare(BlockCirculant(columns, shape), threads=t) for t in (1, 3))
    x = np.random.default_rng(1).normal(size=(batch, shape[1])).astype(np.float32)
    for _ in range(20):
        np.testing.assert_array_equal(alone(x), shared(x))
    check(shared, dense, batch)


@pytest.mark.parametrize("p", [*range(1, 70, 4), 80, 113, 129])
def test_every_number_of_output_vectors(p):
    usable("compiled")
    columns, shape, dense = random_matrix(p, 3, 4, 1)
    product = CompiledEngine().prepare(BlockCirculant(columns, shape))
    for batch in (1, 2, 4, 16):
        check(product, dense, batch)
