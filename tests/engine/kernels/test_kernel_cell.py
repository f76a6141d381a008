# SPDX-License-Identifier: Apache-2.0
"""Compiled recurrent steps against numpy's (test_structured compares those with onnxruntime) and onnxruntime's."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from swm.engine.kernels import CellParameters, CompiledCell, CompiledEngine, Policy, dense_cell
from swm.engine.kernels.cell import FUNCTIONS
from swm.engine.recurrent import run_recurrent
from swm.engine.structured import StructuredLayer
from swm.errors import OptionError
from swm.graph import GRU, LSTM, RNN, GateActivation
from swm.structure import BlockCirculant, Dense

pytestmark = pytest.mark.skipif(CompiledEngine().missing() is not None, reason="no C++ compiler")
GATES = {LSTM: 4, GRU: 3, RNN: 1}
PLACES = {LSTM: 3, GRU: 2, RNN: 1}


def circulant(rng, m, n, k):
    columns = rng.normal(size=(-(-m // k), -(-n // k), k)) / np.sqrt(n)
    return BlockCirculant(columns.astype(np.float32), (m, n))


@st.composite
def layers(draw):
    kind = draw(st.sampled_from([LSTM, GRU, RNN]))
    k = draw(st.sampled_from([2, 4, 8, 16]))
    hidden, inputs = draw(st.integers(1, 40)), draw(st.integers(1, 20))
    direction = draw(st.sampled_from(["forward", "reverse", "bidirectional"]))
    directions = 1 + (direction == "bidirectional")
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    rows = GATES[kind] * hidden
    activations = tuple(
        GateActivation(
            draw(st.sampled_from(FUNCTIONS)), draw(st.sampled_from([0.3, 1.0])), draw(st.sampled_from([0.2, 0.7]))
        )
        for _ in range(PLACES[kind] * directions)
    )
    extra = {}
    if kind is LSTM:
        extra = {"input_forget": draw(st.booleans())}
        if draw(st.booleans()):
            extra["peepholes"] = rng.normal(size=(directions, 3 * hidden)).astype(np.float32)
    if kind is GRU:
        extra = {"linear_before_reset": draw(st.booleans())}
    dense_w = draw(st.booleans())
    w = [circulant(rng, rows, inputs, k) for _ in range(directions)]
    node = kind(
        name="cell",
        inputs=("x", "lens", "h", "c"),
        outputs=("y", "yh", "yc"),
        input_weight=tuple(Dense(v.to_dense()) if dense_w else v for v in w),
        recurrent_weight=tuple(circulant(rng, rows, hidden, k) for _ in range(directions)),
        bias=rng.normal(size=(directions, 2 * rows)).astype(np.float32) if draw(st.booleans()) else None,
        hidden=hidden,
        direction=direction,
        activations=activations,
        clip=draw(st.sampled_from([None, 0.4])),
        **extra,
    )
    steps, batch = draw(st.integers(1, 6)), draw(st.integers(1, 20))
    x = rng.normal(size=(steps, batch, inputs)).astype(np.float32)
    lens = rng.integers(0, steps + 1, size=batch).astype(np.int32) if draw(st.booleans()) else None
    state = [
        rng.normal(size=(directions, batch, hidden)).astype(np.float32) if draw(st.booleans()) else None for _ in "hc"
    ]
    return node, [x, lens, state[0], state[1] if kind is LSTM else None], draw(st.integers(1, 2))


@settings(max_examples=200, deadline=None)
@given(layers())
def test_equals_numpy_step_by_step(case):
    node, tensors, threads = case
    layer = StructuredLayer(node, Policy("eager", threads, "compiled"))
    got, wanted = layer(tensors), run_recurrent(node, tensors)
    assert layer.choice.engine == "compiled"
    assert len(got) == len(wanted)
    largest = max(np.abs(numpys).max(initial=0) for numpys in wanted)
    assume(largest < 1e4)  # unbounded gates multiply what they pass round, and their rounding errors with it
    for ours, numpys in zip(got, wanted, strict=True):
        assert ours.dtype == np.float32
        assert np.abs(ours - numpys).max(initial=0) <= 1e-4 * max(largest, 1)


@pytest.mark.parametrize("batch", [1, 3, 15, 16, 40])
@pytest.mark.parametrize(("kind", "before"), [("LSTM", False), ("GRU", False), ("GRU", True), ("RNN", False)])
def test_equals_onnxruntime(kind, before, batch):
    rng = np.random.default_rng(0)
    gates, places = {"LSTM": (4, 3), "GRU": (3, 2), "RNN": (1, 1)}[kind]
    w, r = circulant(rng, gates * 48, 32, 16), circulant(rng, gates * 48, 48, 16)
    bias = rng.normal(size=2 * gates * 48).astype(np.float32)
    names = ["Tanh"] if kind == "RNN" else ["Sigmoid", "Tanh", "Tanh"][:places]
    both, rest = bias[: gates * 48] + bias[gates * 48 :], None
    if before:
        both[96:], rest = bias[96:144], bias[-48:]
    parameters = CellParameters(
        kind, 48, tuple((n, 0.0, 0.0) for n in names), both, linear_before_reset=before, rest_bias=rest
    )
    x = rng.normal(size=(9, batch, 32)).astype(np.float32)
    zeros = np.zeros((batch, 48), np.float32)
    cell = CompiledCell(r, parameters, threads=2)
    y, h, _ = cell(w.matmul(x), np.full(batch, 9), zeros, zeros if kind == "LSTM" else None)
    wanted = dense_cell(kind, w.to_dense(), r.to_dense(), bias, linear_before_reset=before)(x)
    np.testing.assert_allclose(y, wanted, atol=2e-6)
    np.testing.assert_array_equal(h, y[-1])


def one_step(name, values, alpha=0.0, beta=0.0):
    """An RNN whose product is zero: its output is the activation of its input."""
    n = len(values)
    cell = CompiledCell(
        BlockCirculant(np.zeros((-(-n // 2), -(-n // 2), 2), np.float32), (n, n)),
        CellParameters("RNN", n, ((name, alpha, beta),), np.zeros(n, np.float32)),
    )
    y, _, _ = cell(values.reshape(1, 1, n), np.array([1]), np.zeros((1, n), np.float32))
    return y[0, 0]


def test_sigmoid_and_tanh_are_accurate_everywhere():
    x = np.concatenate([np.linspace(-100, 100, 4001), np.geomspace(1e-30, 1, 301), [0.0, -0.0]]).astype(np.float32)
    exact = x.astype(np.float64)
    tanh, sigmoid = one_step("Tanh", x), one_step("Sigmoid", x)
    assert np.abs(tanh / np.where(x == 0, 1, np.tanh(exact)) - (x != 0)).max() <= 4e-7  # relative, near zero too
    assert np.abs(sigmoid - 1 / (1 + np.exp(-exact))).max() <= 2e-7


def test_infinity_and_what_is_not_a_number_go_where_they_should():
    x = np.array([np.inf, -np.inf, np.nan, 1e30, -1e30], np.float32)
    with np.errstate(invalid="ignore"):  # zero times infinity in the product's transform of a later step
        np.testing.assert_array_equal(one_step("Tanh", x), [1, -1, np.nan, 1, -1])
        np.testing.assert_allclose(one_step("Sigmoid", x), [1, 0, np.nan, 1, 0], atol=1e-30)
        np.testing.assert_array_equal(one_step("Relu", x), np.array([np.inf, 0, np.nan, 1e30, 0], np.float32))


def test_empty_batches_and_sequences():
    cell = CompiledCell(
        BlockCirculant(np.ones((2, 2, 4), np.float32)),
        CellParameters("RNN", 8, (("Tanh", 0, 0),), np.zeros(8, np.float32)),
    )
    y, h, c = cell(np.empty((3, 0, 8), np.float32), np.empty(0, int), np.empty((0, 8), np.float32))
    assert (y.shape, h.shape, c) == ((3, 0, 8), (0, 8), None)
    y, h, _ = cell(np.empty((0, 2, 8), np.float32), np.zeros(2, int), np.ones((2, 8), np.float32))
    assert y.shape == (0, 2, 8)
    assert (h == 1).all()


def test_what_the_kernel_cannot_do_is_refused():
    zeros = np.zeros(8, np.float32)
    with pytest.raises(OptionError, match="no RNN with activations"):
        CompiledCell(
            BlockCirculant(np.ones((2, 2, 4), np.float32)), CellParameters("RNN", 8, (("Elu", 1.0, 0),), zeros)
        )
    with pytest.raises(OptionError, match="is not the recurrent one"):
        CompiledCell(BlockCirculant(np.ones((3, 2, 4), np.float32)), CellParameters("RNN", 8, (("Tanh", 0, 0),), zeros))
    cell = CompiledCell(
        BlockCirculant(np.ones((2, 2, 4), np.float32)), CellParameters("RNN", 8, (("Tanh", 0, 0),), zeros)
    )
    with pytest.raises(OptionError, match="do not fit"):
        cell(np.ones((1, 1, 7), np.float32), np.array([1]), np.ones((1, 8), np.float32))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_state_of_zeros_hides_no_damaged_weight(number):
    """R 0 is not computed, unless it is not zero."""
    columns = np.ones((2, 2, 4), np.float32)
    columns[0, 0, 0] = number
    with np.errstate(invalid="ignore"):
        cell = CompiledCell(
            BlockCirculant(columns), CellParameters("RNN", 8, (("Affine", 1, 0),), np.zeros(8, np.float32))
        )
        y, _, _ = cell(np.zeros((1, 1, 8), np.float32), None, np.zeros((1, 8), np.float32))
    assert np.isnan(y).any()
