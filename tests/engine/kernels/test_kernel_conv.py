# SPDX-License-Identifier: Apache-2.0
"""The compiled convolution against the kernel written out in float64, at every stride, dilation, padding and size."""

import itertools
import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swm.engine.kernels import CompiledConv, CompiledEngine, ConvGeometry, dense_conv
from swm.errors import OptionError
from swm.structure import BlockCirculantConv

pytestmark = pytest.mark.skipif(CompiledEngine().missing() is not None, reason="no C++ compiler")
TOLERANCE = 1e-5  # of the largest output


def exact(tensor, x, g):
    """The convolution in float64, by its definition."""
    rank = len(g.kernel)
    padded = np.pad(x.astype(float), [(0, 0), (0, 0), *((g.pads[i], g.pads[rank + i]) for i in range(rank))])
    y = np.zeros((len(x), len(tensor), *g.out(x.shape[2:])))
    for tap in itertools.product(*map(range, g.kernel)):
        cut = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, s, n in zip(tap, g.dilations, g.strides, y.shape[2:], strict=True)
        )
        seen = padded[(slice(None), slice(None), *cut)]
        y += np.einsum("mc,nc...->nm...", tensor[(slice(None), slice(None), *tap)].astype(float), seen)
    return y


def random_conv(rng, g, k):
    m, c = g.channels
    shape = (math.prod(g.kernel), -(-m // k), -(-c // k), k)
    return BlockCirculantConv(rng.normal(size=shape).astype(np.float32), g.channels, g.kernel)


def check(g, k, x_shape, threads=1, bias=True):
    rng = np.random.default_rng([k, *x_shape])
    weight = random_conv(rng, g, k)
    x = rng.normal(size=x_shape).astype(np.float32)
    offset = rng.normal(size=g.channels[0]).astype(np.float32) if bias else None
    wanted = exact(weight.to_tensor(), x, g)
    if offset is not None:
        wanted += offset.reshape(-1, *[1] * len(g.kernel))
    conv = CompiledConv(weight, g, offset, threads=threads)
    for _ in range(2):  # scratch memory is not clean the second time
        y = conv(x)
        assert y.shape == wanted.shape
        assert y.dtype == np.float32
        assert np.abs(y - wanted).max(initial=0) <= TOLERANCE * np.abs(wanted).max(initial=1e-30)
    return conv


@st.composite
def cases(draw):
    rank = draw(st.integers(1, 2))
    k = draw(st.sampled_from([2, 4, 8, 16]))

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    channels = draw(st.integers(1, 4 * k)), draw(st.integers(1, 3 * k))
    g = ConvGeometry(channels, each(1, 4), each(1, 3), each(1, 3), each(0, 3) + each(0, 3))
    reach = [d * (r - 1) + 1 for d, r in zip(g.dilations, g.kernel, strict=True)]
    spatial = tuple(max(1, r - g.pads[i] - g.pads[rank + i]) + draw(st.integers(0, 17)) for i, r in enumerate(reach))
    return g, k, (draw(st.integers(0, 5)), channels[1], *spatial), draw(st.integers(1, 3)), draw(st.booleans())


@settings(max_examples=150, deadline=None)
@given(cases())
def test_equals_the_definition(case):
    check(*case)


@pytest.mark.parametrize("k", [2, 4, 8, 16, 32, 64, 128, 256])
def test_every_block_size(k):
    check(ConvGeometry((k + 1, 2 * k - 1), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)), k, (2, 2 * k - 1, 5, 6))


@pytest.mark.parametrize("blocks", range(1, 10))
def test_every_number_of_output_blocks(blocks):
    check(ConvGeometry((8 * blocks, 8), (1, 3), (1, 2), (1, 1), (0, 1, 0, 1)), 8, (3, 8, 1, 40))


def test_fewer_samples_than_threads_share_out_one_sample():
    check(ConvGeometry((40, 24), (3, 3), (2, 2), (1, 1), (1, 1, 1, 1)), 8, (1, 24, 31, 29), threads=4)


def test_small_images_share_a_chunk():
    g = ConvGeometry((16, 16), (2, 2), (1, 1), (1, 1), (0, 0, 1, 0))
    conv = check(g, 8, (37, 16, 3, 3))
    (plan,) = conv._plans.values()
    assert plan.parameters.group > 1


def test_several_threads_may_call_one_convolution():
    g = ConvGeometry((16, 16), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1))
    rng = np.random.default_rng(0)
    weight = random_conv(rng, g, 8)
    inputs = [rng.normal(size=(n, 16, 9, 9)).astype(np.float32) for n in (1, 2, 3, 4)]
    conv = CompiledConv(weight, g, threads=2)
    wanted = [conv(x) for x in inputs]
    right = []

    def work(index):
        right.append(all(np.array_equal(conv(inputs[index]), wanted[index]) for _ in range(50)))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert right == [True] * 4


def test_the_baseline_is_the_same_convolution():
    g = ConvGeometry((8, 16), (3, 2), (2, 1), (1, 2), (1, 0, 2, 1))
    rng = np.random.default_rng(0)
    weight = random_conv(rng, g, 8)
    x = rng.normal(size=(2, 16, 9, 8)).astype(np.float32)
    bias = rng.normal(size=8).astype(np.float32)
    np.testing.assert_allclose(
        dense_conv(weight.to_tensor(), g, bias)(x), CompiledConv(weight, g, bias)(x), rtol=1e-4, atol=1e-4
    )


def test_impossible_shapes_are_refused():
    g = ConvGeometry((8, 16), (3, 3), (1, 1), (1, 1), (0, 0, 0, 0))
    weight = BlockCirculantConv(np.ones((9, 1, 2, 8), np.float32), (8, 16), (3, 3))
    with pytest.raises(OptionError, match="smaller than the kernel"):
        CompiledConv(weight, g)(np.ones((1, 16, 2, 5), np.float32))
    with pytest.raises(OptionError, match="16 channels"):
        CompiledConv(weight, g)(np.ones((1, 15, 5, 5), np.float32))
    with pytest.raises(OptionError, match="are not those of"):
        CompiledConv(BlockCirculantConv(weight.columns[:4], (8, 16), (2, 2)), g)
    with pytest.raises(OptionError, match="cannot have these"):
        ConvGeometry((8, 16), (3, 3, 3), (1,) * 3, (1,) * 3, (0,) * 6)
