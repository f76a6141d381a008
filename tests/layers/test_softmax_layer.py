# SPDX-License-Identifier: Apache-2.0
"""The softmax kind by itself: how far its words are from the function, for every width, in both variants."""

import numpy as np
import pytest

from swm.layers.base import Obstacle, Operand
from swm.layers.reciprocals import reciprocals
from swm.layers.softmax import SoftmaxKind, SoftRows
from swm.layers.values import Format


def node(**changed):
    return SoftRows(name="s", inputs=("x",), outputs=("y",), **changed)


def fixed_of(kind, bits, x, factor=1.0, exact=False):
    """The layer for rows x, its integers, and the function of what they stand for."""
    n = x.shape[1]
    layer = kind.lower(node(factor=factor), (Operand("x", n, 1),), "l")
    given = Format(bits, bits - 4)
    words = given.quantize(x)
    held = factor * (words - words.max(axis=1, keepdims=True)) / 2.0**given.frac
    wanted = np.exp(held)
    wanted /= wanted.sum(axis=1, keepdims=True)
    spec = kind.divided_exactly(kind.spec(layer, bits)) if exact else kind.spec(layer, bits)
    return kind.quantize(spec, layer, (x,), wanted, (given,)), words, wanted


@pytest.mark.parametrize("division", ["table", "exact"])
@pytest.mark.parametrize(("bits", "most"), [(4, 2.5), (8, 2.5), (12, 2.5), (16, 2.5), (18, 6.0)])
def test_words_are_close_to_the_function(division, bits, most):
    """Steps of the output, as docs/arithmetic.md section 6 says."""
    kind, rng = SoftmaxKind(), np.random.default_rng(0)
    for n in (2, 17, 200):
        layer, words, wanted = fixed_of(kind, bits, 2 * rng.normal(size=(100, n)), exact=division == "exact")
        got, _ = kind.run(layer, (words,))
        step = 2.0**-layer.output_format.frac
        assert np.abs(got * step - np.minimum(wanted, layer.output_format.largest)).max() <= most * step, n


def test_a_factor_is_a_part_of_the_exponents():
    kind = SoftmaxKind()
    layer, words, wanted = fixed_of(kind, 14, np.random.default_rng(1).normal(size=(50, 9)), factor=0.25)
    got, _ = kind.run(layer, (words,))
    assert np.abs(got * 2.0**-layer.output_format.frac - wanted).max() < 2.5 * 2.0**-layer.output_format.frac


def test_extremes_neither_overflow_nor_divide_by_nothing():
    for bits in (4, 18):
        kind = SoftmaxKind()
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        layer, *_ = fixed_of(kind, bits, np.zeros((3, 4096)))
        rows = np.full((3, 4096), low, np.int64)
        rows[1, 7], rows[2] = high, high
        got, _ = kind.run(layer, (rows,))
        assert got[1, 7] == (1 << (bits - 1)) - 1  # nearly 1
        assert got[1].sum() - got[1, 7] <= 4096
        np.testing.assert_array_equal(got[0], got[2])
        assert (got >= 0).all()


@pytest.mark.parametrize(("frac", "most"), [(8, 1.9), (11, 1.75), (17, 1.85)])
def test_reciprocals_are_as_close_as_stated(frac, most):
    """Over every mantissa; the second figure is that of docs/arithmetic.md, in 2^-frac."""
    table = reciprocals(frac)
    m = np.arange(1 << frac, 2 << frac)
    assert (np.abs(table.value(m) - 4.0**frac / m) <= 1.25).all()
    assert table.error * 2.0**frac < most


def test_what_is_not_taken_is_said():
    kind = SoftmaxKind()
    for bad, text in ((node(), "over 1 values"), (node(factor=1e-3), "0.001")):
        found = kind.lower(bad, (Operand("x", 1 if "over" in text else 8, 4),), "l")
        assert isinstance(found, Obstacle)
        assert text in found.reason
