# SPDX-License-Identifier: Apache-2.0
"""Add and concat against rational arithmetic; loops of these and of fork and width as the headers describe them."""

from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swm.device.board import load_board
from swm.layers import registry
from swm.layers.add import AddSpec
from swm.layers.base import Preference
from swm.layers.concat import ConcatSpec
from swm.layers.fork import ForkBuilt, ForkSpec
from swm.layers.hadamard import HadamardSpec
from swm.layers.values import FixedLayer, FloatLayer, Format, TensorShape
from swm.layers.width import WidthBuilt, WidthSpec

PORTS = load_board("pynq-z2").dsp_ports


def rounded(value, fmt):
    """Nearest integer at the format's binary point (half rounds up), saturated, from a rational."""
    low, high = -(1 << (fmt.bits - 1)), (1 << (fmt.bits - 1)) - 1
    return min(max(floor(value * Fraction(2) ** fmt.frac + Fraction(1, 2)), low), high)


def exact(word, fmt):
    return Fraction(int(word)) / Fraction(2) ** fmt.frac


formats = st.builds(Format, st.integers(4, 18), st.integers(-6, 30))


def words(draw, fmt, count):
    low, high = -(1 << (fmt.bits - 1)), (1 << (fmt.bits - 1)) - 1
    return np.array([draw(st.lists(st.integers(low, high), min_size=count, max_size=count))], np.int64)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_add_is_the_rational_sum_rounded_once(data):
    a, b, out = data.draw(formats), data.draw(formats), data.draw(formats)
    out = Format(out.bits, min(out.frac, max(a.frac, b.frac)))
    activation = data.draw(st.sampled_from(["identity", "relu"]))
    shapes = tuple(TensorShape(3, f.bits) for f in (a, b))
    spec = AddSpec("l", shapes, TensorShape(3, out.bits), activation)
    layer = FixedLayer(spec, "n", ("a", "b"), "y", (a, b), out)
    x, y = words(data.draw, a, 3), words(data.draw, b, 3)
    got, counts = registry.kind("add").run(layer, (x, y))
    sums = [exact(v, a) + exact(w, b) for v, w in zip(x[0], y[0], strict=True)]
    sums = [max(s, Fraction(0)) for s in sums] if activation == "relu" else sums
    assert got[0].tolist() == [rounded(s, out) for s in sums]
    wide = Format(200, out.frac)
    assert counts["output"] == sum(rounded(s, wide) != rounded(s, out) for s in sums)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_hadamard_is_the_rational_product_rounded_once(data):
    a, b, out = data.draw(formats), data.draw(formats), data.draw(formats)
    out = Format(out.bits, min(out.frac, a.frac + b.frac))
    held = data.draw(st.booleans())
    shapes = (TensorShape(3, a.bits, 2), TensorShape(3, b.bits, 1 if held else 2))
    spec = HadamardSpec("l", shapes, TensorShape(3, out.bits, 2), data.draw(st.sampled_from(["identity", "relu"])))
    assert spec.held == held
    layer = FixedLayer(spec, "n", ("a", "b"), "y", (a, b), out, acc_shift=max(a.frac, b.frac) - a.frac - b.frac)
    x, y = words(data.draw, a, 6).reshape(2, 3), words(data.draw, b, 3 if held else 6).reshape(-1, 3)
    got, counts = registry.kind("hadamard").run(layer, (x, y))
    pairs = zip(x.ravel(), np.broadcast_to(y, x.shape).ravel(), strict=True)
    products = [exact(v, a) * exact(w, b) for v, w in pairs]
    products = [max(p, Fraction(0)) for p in products] if spec.activation == "relu" else products
    assert got.ravel().tolist() == [rounded(p, out) for p in products]
    wide = Format(200, out.frac)
    assert counts["output"] == sum(rounded(p, wide) != rounded(p, out) for p in products)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_concat_is_each_value_rounded_to_the_output(data):
    given_formats = data.draw(st.lists(formats, min_size=2, max_size=8))
    out = data.draw(formats)
    shapes = tuple(TensorShape(data.draw(st.integers(1, 3)), f.bits) for f in given_formats)
    spec = ConcatSpec("l", shapes, TensorShape(sum(s.channels for s in shapes), out.bits))
    names = tuple(f"x{i}" for i in range(len(shapes)))
    layer = FixedLayer(spec, "n", names, "y", tuple(given_formats), out)
    values = tuple(words(data.draw, f, s.channels) for f, s in zip(given_formats, shapes, strict=True))
    got, _ = registry.kind("concat").run(layer, values)
    want = [rounded(exact(w, f), out) for v, f in zip(values, given_formats, strict=True) for w in v[0]]
    assert got[0].tolist() == want


@settings(max_examples=100, deadline=None)
@given(st.integers(4, 18), st.floats(1e-4, 1e4), st.floats(1e-4, 1e4), st.integers(0, 1000))
def test_add_and_concat_stay_within_the_quantization_error(bits, left, right, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 200, 4)) * np.array([left, right])[:, None, None]
    fmts = tuple(Format(bits, bits - 1 - int(np.ceil(np.log2(np.abs(v).max())))) for v in (a, b))
    ints = tuple(f.quantize(v) for f, v in zip(fmts, (a, b), strict=True))
    for kind, want in (("add", a + b), ("concat", np.concatenate([a, b], axis=1))):
        shapes = ((4, 1), (4, 1))
        layer = FloatLayer(kind, "l", "n", ("a", "b"), "y", shapes, want.shape[1], 1)
        answers = registry.kind(kind)
        fixed = answers.quantize(answers.spec(layer, bits), layer, (a, b), want, fmts)
        got, counts = answers.run(fixed, ints)
        step = max(2.0**-f.frac for f in (*fmts, fixed.output_format))
        error = np.abs(got / 2.0**fixed.output_format.frac - want)
        assert np.sort(error, axis=None)[: error.size - counts["output"]].max() <= 3 * step


def test_configurations_name_what_the_headers_read():
    a, b, out = Format(12, 9), Format(12, 5), Format(12, 6)
    shapes = (TensorShape(8, 12), TensorShape(8, 12))
    layer = FixedLayer(AddSpec("l", shapes, TensorShape(8, 12), "tanh"), "n", ("a", "b"), "y", (a, b), out)
    kind = registry.kind("add")
    assert kind.configuration(layer, kind.minimal(layer.spec)) == {
        "n": 8,
        "a_bits": 12,
        "b_bits": 12,
        "a_shift": 0,
        "b_shift": 4,
        "vec": 1,
        "out_bits": 12,
        "out_shift": 3,
        "activation": "curve<l_activation>",
    }
    joined = FixedLayer(ConcatSpec("l", shapes, TensorShape(16, 12)), "n", ("a", "b"), "y", (a, b), out)
    kind = registry.kind("concat")
    members = kind.configuration(joined, kind.minimal(joined.spec))
    assert members == {"vec": 1, "out_bits": 12, "channels": (8, 8), "in_bits": (12, 12), "in_shifts": (3, -1)}


def touched(ports):
    return {p.stream: [r.start + r.step * i for r in p.steady for i in range(r.count)] for p in ports}


@pytest.mark.parametrize("n", [1, 5, 8, 21])
@pytest.mark.parametrize("vec", [1, 2, 8])
def test_loops_of_a_beat_an_iteration(n, vec):
    beats = -(-n // vec)
    spec = AddSpec("l", (TensorShape(n, 12),) * 2, TensorShape(n, 12))
    (add,) = registry.kind("add").processes(registry.kind("add").build(spec, vec), PORTS)
    assert add.program.iterations(7) == 7 * beats
    assert touched(add.program.reads) == {"in0": list(range(beats)), "in1": list(range(beats))}
    fork = ForkBuilt(ForkSpec("f", (TensorShape(n, 12),), TensorShape(n, 12), copies=3), vec, vec)
    (process,) = registry.kind("fork").processes(fork, PORTS)
    assert set(touched(process.program.writes)) == {"out0", "out1", "out2"}


def test_loop_of_a_concat():
    kind = registry.kind("concat")
    spec = ConcatSpec("l", tuple(TensorShape(n, 12) for n in (8, 4, 5)), TensorShape(17, 12))
    assert kind.choices(spec) == [1, 2, 4]
    (process,) = kind.processes(kind.build(spec, 4), PORTS)
    assert process.program.period == 5
    assert touched(process.program.reads) == {"in0": [0, 1], "in1": [2], "in2": [3, 4]}


@pytest.mark.parametrize("n", [1, 3, 8, 13, 32])
@pytest.mark.parametrize("vecs", [(1, 4), (2, 8), (4, 1), (8, 2), (4, 4)])
def test_loop_of_a_width_converter(n, vecs):
    """What width.h says: full beats, and the rest at the end of a token."""
    v, u = vecs
    built = WidthBuilt(WidthSpec("w", (TensorShape(n, 12),), TensorShape(n, 12)), v, u)
    (process,) = registry.kind("width").processes(built, PORTS)
    period = max(-(-n // v), -(-n // u))
    parts = max(v, u) // min(v, u)
    assert process.program.period == period
    if v <= u:
        full = [j for j in range(period) if j % parts == parts - 1 or j == period - 1]
        assert touched(process.program.writes) == {"out0": full}
        assert len(full) == -(-n // u)
    else:
        taken = [j for j in range(period) if j % parts == 0]
        assert touched(process.program.reads) == {"in0": taken}
        assert len(taken) == -(-n // v)


def test_offers_take_the_fewest_words_that_are_fast_enough():
    kind = registry.kind("add")
    spec = AddSpec("l", (TensorShape(100, 12, positions=3),) * 2, TensorShape(100, 12, positions=3))
    offer = kind.offer(spec, PORTS)
    plain = Preference((1.0,) * 5)
    chosen = {interval: offer.cheapest(interval, plain) for interval in (300, 299, 150, 12, 3, 2)}
    assert [c and c.in_vec for c in chosen.values()] == [1, 2, 2, 32, 128, None]
    assert all(c.in_vec == c.out_vec for c in chosen.values() if c)


def test_an_offer_puts_the_fewest_positions_side_by_side_that_are_fast_enough():
    spec = AddSpec("l", (TensorShape(5, 12, positions=12),) * 2, TensorShape(5, 12, positions=12))
    offer, plain = registry.kind("add").offer(spec, PORTS), Preference((1.0,) * 5)
    together = replace(plain, beside=True)
    assert offer.cheapest(12, together) == offer.cheapest(12, plain)
    assert offer.cheapest(11, plain) is None
    chosen = [offer.cheapest(interval, together) for interval in (11, 6, 5, 3, 2, 1)]
    assert [c.spec.positions for c in chosen] == [6, 6, 4, 3, 2, 1]
    assert [c.in_vec for c in chosen] == [16, 16, 16, 32, 32, 64]


@pytest.mark.parametrize("name", ["fork", "width"])
def test_placed_kinds_are_made_by_the_schedule_only(name):
    kind = registry.kind(name)
    assert kind.takes == ()
    layer = FloatLayer(name, "l", "n", ("x",), "y", ((4, 1),), 4, 1)
    with pytest.raises(TypeError, match="placed by the schedule"):
        kind.spec(layer, 12)
