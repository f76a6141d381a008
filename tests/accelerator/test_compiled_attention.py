# SPDX-License-Identifier: Apache-2.0
"""The fast integer engine on what transformers are made of, against each kind's own `run`, over random layers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers.activations import EXAMPLES
from test_integers_compiled import needs_compiler

from swm.accelerator import compiled_beats, compiled_layers, compiled_moves
from swm.accelerator.integers import run_layer
from swm.device import load_board
from swm.layers import registry
from swm.layers.layernorm import LayerNormSpec, NormLayer
from swm.layers.matmul import MatMulSpec
from swm.layers.offset import OffsetSpec
from swm.layers.recurrent import RecurrentSpec
from swm.layers.rmsnorm import RmsNormSpec
from swm.layers.rotary import RotarySpec
from swm.layers.softmax import SoftmaxLayer, SoftmaxSpec
from swm.layers.values import FixedLayer, FloatLayer, Format, TensorShape

pytestmark = needs_compiler
FRAMES = 3


def assert_same(layer, values):
    words, counts = run_layer(layer, values)
    made = compiled_beats.compiled_beats(layer)
    assert made is not None
    fast, fast_counts = made.run(values)
    np.testing.assert_array_equal(fast, words)
    assert fast_counts == counts


def words(rng, bits, shape):
    high = 1 << (bits - 1)
    found = rng.integers(-high, high, size=shape)
    found[0] = rng.choice([-high, high - 1], size=shape[1:])
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 18), st.integers(1, 5), st.integers(1, 4), st.data())
def test_rotations(seed, bits, half, groups, data):
    """Tokens that share rows; the iterations that the header counts, for every beat that it takes."""
    rng, weight_bits = np.random.default_rng(seed), data.draw(st.integers(4, 18))
    rows, each = (data.draw(st.integers(1, 4)) for _ in range(2))
    activation, n = data.draw(st.sampled_from(list(EXAMPLES))), 2 * half * groups
    shape = TensorShape(n, bits, rows * each)
    options = {"half": half, "rows": rows, "each": each, "weight_bits": weight_bits}
    spec = RotarySpec("l", (shape,), shape, activation, parameters=EXAMPLES[activation], **options)
    tables = {name: words(rng, weight_bits, (rows, n)) for name in ("cosines", "sines")}
    formats = (Format(bits, bits - 1),), Format(bits, bits - 2)
    layer = FixedLayer(spec, "l", ("x",), "y", *formats, tables, weight_frac=weight_bits - 2)
    assert_same(layer, (words(rng, bits, (FRAMES * rows * each, n)),))
    kind = registry.kind("rotary")
    for vec in kind.choices(spec):
        (process,) = kind.processes(kind.build(spec, vec), load_board("zcu104").dsp_ports)
        waits = 0 if vec >= n or vec % (2 * half) == 0 else 2 * half // vec
        assert process.program.iterations(spec.tokens) == waits + rows * each * -(-n // vec)
        assert half % vec == 0 or not waits


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(4, 18), st.integers(4, 18), st.integers(1, 4), st.integers(1, 5), st.data()
)
def test_products_of_two_streams(seed, bits, stored, heads, rows, data):
    """Every order of heads and lines; heads that share a matrix."""
    rng = np.random.default_rng(seed)
    n, m = (data.draw(st.integers(1, 40)) for _ in range(2))
    shared = data.draw(st.integers(1, 3))
    heads *= shared
    inside, stored_inside, along = (data.draw(st.booleans()) for _ in range(3))
    line, lines = (n, m) if along else (m, n)
    activation = data.draw(st.sampled_from(list(EXAMPLES)))
    a, b = TensorShape(n, bits, heads * rows), TensorShape(line, stored, heads // shared * lines)
    orders = {"heads": heads, "heads_inside": inside, "stored_inside": stored_inside, "along_inner": along}
    orders["shared"] = shared
    out = TensorShape(m, bits, heads * rows)
    spec = MatMulSpec("l", (a, b), out, activation, parameters=EXAMPLES[activation], **orders)
    formats = Format(bits, bits - 1), Format(stored, stored - 2)
    shift = max(f.frac for f in formats) - sum(f.frac for f in formats)
    layer = FixedLayer(spec, "l", ("a", "b"), "y", formats, Format(bits, bits - 2), acc_shift=shift)
    shapes = (FRAMES * a.positions, n), (FRAMES * b.positions, line)
    assert_same(layer, (words(rng, bits, shapes[0]), words(rng, stored, shapes[1])))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(4, 18),
    st.integers(2, 60),
    st.sampled_from([2.0**-6, 0.177, 1.0, 5.0, 64.0]),
    st.integers(-2, 8),
    st.sampled_from(["table", "exact"]),
    st.sampled_from([(0, 1), (1, 1), (2, 1), (1, 2), (2, 3)]),
)
def test_softmax(seed, bits, n, factor, whole, division, mask):
    """Both divisions, masks; a token of one value alone, too, whose quotients are all the same."""
    rng, (rows, each) = np.random.default_rng(seed), mask
    positions = 2 * each
    shape = TensorShape(n, bits, positions)
    spec = SoftmaxSpec("l", (shape,), shape, factor=factor, division=division, mask_rows=rows, mask_each=each)
    hidden = rng.random((rows, n)) < 0.7
    hidden[np.arange(rows), rng.integers(n, size=rows)] = False
    names = ("softmax", "l", "l", ("x",), "y", ((n, positions),), n, positions)
    float_layer = SoftmaxLayer(*names, hidden=hidden, each=each)
    outputs = rng.choice([1.0, 0.9, 0.01], size=(1, n))
    layer = registry.kind("softmax").quantize(spec, float_layer, (), outputs, (Format(bits, bits - whole),))
    x = words(rng, bits, (positions * FRAMES, n))
    x[1] = x[1, 0]
    assert_same(layer, (x,))
    if rows:
        every = hidden[np.arange(len(x)) // each % rows]
        np.testing.assert_array_equal(run_layer(layer, (x,))[0][every], 0)


@pytest.mark.parametrize("factor", [8.0, 50.0])
def test_a_steep_softmax_is_built_and_near_the_float_one(factor):
    """Whole doublings of the factor move the binary point: a table of so steep a function would be too large."""
    shape = TensorShape(6, 12, 4)
    spec = SoftmaxSpec("l", (shape,), shape, factor=factor)
    kind = registry.kind("softmax")
    float_layer = SoftmaxLayer("softmax", "l", "l", ("x",), "y", ((6, 4),), 6, 4, factor=factor)
    layer = kind.quantize(spec, float_layer, (), np.ones((1, 6)), (Format(12, 9),))
    x = words(np.random.default_rng(3), 10, (4, 6))
    powers = np.exp(factor * (x - x.max(axis=1, keepdims=True)) / 512)
    wanted = powers / powers.sum(axis=1, keepdims=True)
    assert abs(run_layer(layer, (x,))[0] / 2.0**layer.output_format.frac - wanted).max() < 2e-3
    assert kind.processes(kind.minimal(spec), load_board("zcu104").dsp_ports)


def test_a_table_that_is_none_is_refused_by_both():
    shape = TensorShape(4, 8)
    spec = SoftmaxSpec("l", (shape,), shape)
    float_layer = FloatLayer("softmax", "l", "l", ("x",), "y", ((4, 1),), 4, 1)
    layer = registry.kind("softmax").quantize(spec, float_layer, (), np.ones((1, 4)), (Format(8, 4),))
    wrong = FixedLayer(
        *(spec, "l", ("x",), "y", layer.input_formats, layer.output_format, layer.arrays),
        inner=(type(layer.inner[0])(**{**vars(layer.inner[0]), "starts": (0,) * len(layer.inner[0].starts)}),),
    )
    assert compiled_beats.compiled_beats(wrong) is None
    with pytest.raises(ValueError, match="no table of exponents"):
        run_layer(wrong, (np.zeros((1, 4), np.int64),))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 18), st.integers(0, 3), st.integers(0, 2), st.data())
def test_offsets(seed, bits, before, after, data):
    """Constants finer and coarser than the values, and positions of constants alone."""
    rng = np.random.default_rng(seed)
    n, positions = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 5))
    activation, fine = data.draw(st.sampled_from(list(EXAMPLES))), data.draw(st.integers(-6, 12))
    out = TensorShape(n, bits, before + positions + after)
    ends = (TensorShape(n, bits, positions),), out, activation
    spec = OffsetSpec("l", *ends, parameters=EXAMPLES[activation], before=before, weight_bits=bits)
    given_frac, value_frac = bits - 1, max(bits - 1, fine)
    layer = FixedLayer(
        *(spec, "l", ("x",), "y", (Format(bits, given_frac),), Format(bits, bits - 2)),
        {"weights": words(rng, bits, (out.positions, n))},
        *(fine, given_frac + fine - value_frac),
    )
    assert_same(layer, (words(rng, bits, (FRAMES * positions, n)),))


@settings(max_examples=40, deadline=None)
@given(
    *(st.integers(0, 2**32 - 1), st.integers(4, 18), st.integers(2, 60), st.sampled_from([1e-5, 1e-2, 1.0])),
    *(st.sampled_from(list(EXAMPLES)), st.booleans()),
)
def test_normalisations(seed, bits, n, epsilon, activation, mean):
    rng = np.random.default_rng(seed)
    shape = TensorShape(n, bits, 1)
    kind = LayerNormSpec if mean else RmsNormSpec
    spec = kind("l", (shape,), shape, activation, parameters=EXAMPLES[activation], weight_bits=bits)
    gains, bias = (rng.normal(size=n).astype(np.float32) for _ in range(2))
    float_layer = NormLayer(
        *(spec.kind, "l", "l", ("x",), "y", ((n, 1),), n, 1), bias=bias, gains=gains, epsilon=epsilon
    )
    form = Format(bits, bits - 2)
    layer = registry.kind(spec.kind).quantize(spec, float_layer, (), rng.normal(size=(9, n)), (form,))
    x = words(rng, bits, (7, n))
    x[1] = 1
    assert_same(layer, (x,))


def test_no_kind_is_left_to_numpy():
    """Forks and what converts beats or tokens stand in schedules only."""
    covered = {spec.kind for spec in (*compiled_beats.MAKERS, *compiled_layers.KINDS, *compiled_moves.KINDS)}
    assert covered | {RecurrentSpec.kind, "fork", "width", "regroup"} == {kind.name for kind in registry.kinds()}
