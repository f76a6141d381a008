# SPDX-License-Identifier: Apache-2.0
"""Layer normalisation against rational arithmetic and double precision; its table, loops, ROMs and obstacles."""

from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swm.device.board import load_board
from swm.errors import CalibrationError
from swm.layers import registry
from swm.layers.base import Obstacle, Operand
from swm.layers.layernorm import LayerNormSpec, Normalize, NormLayer
from swm.layers.roots import roots
from swm.layers.values import Format, TensorShape

PORTS = load_board("pynq-z2").dsp_ports
KIND = registry.kind("layernorm")


def nearest(value):
    return floor(value + Fraction(1, 2))


def made(n, bits, *, frac, gains=None, bias=None, epsilon=1e-5, spread=1.0, seed=0):
    """A quantized normalisation, its calibration inputs as integers, and the float outputs for them."""
    rng = np.random.default_rng(seed)
    gains = rng.uniform(0.3, 2, n) if gains is None else gains
    bias = rng.normal(size=n) / 2 if bias is None else bias
    fmt = Format(bits, frac)
    x = fmt.quantize(rng.normal(size=(200, n)) * spread + rng.normal(size=(200, 1)) * spread)
    real = x / 2.0**frac
    want = (real - real.mean(1, keepdims=True)) / np.sqrt(real.var(1, keepdims=True) + epsilon) * gains + bias
    layer = NormLayer(
        *("layernorm", "l", "n", ("x",), "y", ((n, 1),), n, 1),
        bias=bias.astype(np.float32),
        gains=gains.astype(np.float32),
        epsilon=epsilon,
    )
    return KIND.quantize(KIND.spec(layer, bits), layer, (real,), want, (fmt,)), x, want


def word(layer, row):
    """Section 6 of docs/arithmetic.md for one token, in whole numbers and rationals."""
    spec, n = layer.spec, layer.spec.n
    frac = layer.input_formats[0].frac - layer.acc_shift
    root_frac = min(frac + 2, 18)
    total = sum(row)
    spread = n * sum(v * v for v in row) - total**2 + int(layer.arrays["epsilon"][0])
    h = (spread.bit_length() - 1) // 2
    mantissa = spread * 2**root_frac // 4**h
    table = roots(root_frac)
    segment, place = divmod(mantissa - 2**root_frac, 1 << table.step_bits)
    start, rise = (int(v) for v in layer.arrays["roots"][segment])
    root = nearest(Fraction((start << table.step_bits) + rise * place, 4 << table.step_bits))
    out = []
    for value, gain, offset in zip(row, layer.arrays["weights"], layer.arrays["bias"], strict=True):
        narrowed = nearest(Fraction((n * value - total) * 2**frac, 2**h))
        normal = nearest(Fraction(narrowed * root, 2**root_frac))
        assert normal.bit_length() < spec.normal_bits
        y = Fraction(normal * int(gain) + int(offset)) / Fraction(2) ** layer.value_frac
        y = nearest(y * Fraction(2) ** layer.output_format.frac)
        high = 1 << (spec.out_bits - 1)
        out.append(min(max(y, -high), high - 1))
    return out


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_words_are_the_definition(data):
    n, bits = data.draw(st.integers(2, 40)), data.draw(st.integers(4, 18))
    epsilon = data.draw(st.sampled_from([1e-9, 1e-5, 0.1, 1.0]))
    layer, x, _ = made(n, bits, frac=data.draw(st.integers(-2, bits - 2)), epsilon=epsilon)
    high = 1 << (bits - 1)
    tight = st.integers(-2, 2) if data.draw(st.booleans()) else st.integers(-high, high - 1)
    rows = [*x[:3].tolist(), data.draw(st.lists(tight, min_size=n, max_size=n)), [high - 1] * n]
    rows.append([-high if c else high - 1 for c in range(n)])  # the largest value there is
    words, counts = KIND.run(layer, (np.array(rows, np.int64),))
    assert words.tolist() == [word(layer, row) for row in rows]
    assert set(counts) == {"output"}


@pytest.mark.parametrize("bits", [4, 6, 8, 10, 12, 14, 16, 18])
@pytest.mark.parametrize(("n", "spread"), [(16, 1.0), (100, 0.02), (384, 30.0)])
def test_the_error_is_that_of_the_output(bits, n, spread):
    """Given the input's integers, a normalisation is off by little more than the output's own rounding."""
    frac = bits - 1 - int(np.ceil(np.log2(4 * spread)))
    gains = Format(bits, bits - 2)
    gains = gains.quantize(np.linspace(0.5, 1.5, n)) / 2.0**gains.frac  # so that their rounding does not count
    layer, x, want = made(n, bits, frac=frac, spread=spread, gains=gains, bias=np.zeros(n))
    words, _ = KIND.run(layer, (x,))
    scaled = want * 2.0**layer.output_format.frac
    held = np.abs(scaled) < (1 << (bits - 1)) - 1
    assert np.abs(words - scaled)[held].max() < 1.1
    assert np.sqrt(np.mean((words - scaled)[held] ** 2)) < 0.36


@pytest.mark.parametrize("frac", [5, 8, 11, 14, 18])
def test_the_table_of_roots_is_as_good_as_the_page_says(frac):
    table = roots(frac)
    m = np.arange(1 << frac, 4 << frac)
    values = table.value(m)
    off = np.abs(values * np.sqrt(m / 2.0**frac) - 2.0**frac)
    assert off.max() < 1.35 * np.sqrt(m[off.argmax()] / 2.0**frac)
    assert (values.min(), values.max()) == (1 << (frac - 1), 1 << frac)
    assert len(table.starts) == 3 << (frac - table.step_bits)
    assert max(-table.rises.min(), table.starts.max()) < 1 << (frac + 3)  # entry_bits of layernorm.h
    assert len(roots(18).starts) == 768


def test_a_token_without_spread_gives_the_offsets():
    layer, _, _ = made(6, 12, frac=8)
    words, _ = KIND.run(layer, (np.full((2, 6), 100, np.int64),))
    shift = layer.value_frac - layer.output_format.frac
    assert (words == (layer.arrays["bias"] + (1 << (shift - 1))) >> shift).all()


def test_epsilon_beside_which_inputs_are_nothing():
    layer, x, want = made(8, 8, frac=12, epsilon=10.0, spread=1e-2)
    assert layer.arrays["epsilon"][0] == round(10 * 64 * 4.0**12)
    words, _ = KIND.run(layer, (x,))
    assert np.abs(words - want * 2.0**layer.output_format.frac).max() < 2
    with pytest.raises(CalibrationError, match=r"root of its epsilon 10.*raise the inputs"):
        made(8, 8, frac=28, epsilon=10.0, spread=1e-7)


@pytest.mark.parametrize("n", [2, 5, 8, 21])
@pytest.mark.parametrize("vec", [1, 2, 8])
def test_loops_streams_and_roms(n, vec):
    layer, _, _ = made(n, 12, frac=8)
    built = KIND.build(layer.spec, vec)
    beats = -(-n // vec)
    sums, root, outputs = KIND.processes(built, PORTS)
    assert [p.program.iterations(7) for p in (sums, root, outputs)] == [7 * beats, 7, 7 * beats]
    (last,) = next(port.steady for port in sums.program.writes if port.stream == "sums")
    assert (last.start, last.count) == (beats - 1, 1)
    assert [s.beats for s in KIND.streams(built)] == [beats, 1, 1]
    table, gains, offsets = KIND.roms(layer, built)
    members = KIND.configuration(layer, built)
    assert table.values.shape == (1, 3 << (members["root_frac"] - members["root_step"]), 2)
    lanes = members["rom_lanes"]
    for c in range(n):
        beat, lane = divmod(c, vec)
        assert gains.values[lane // lanes, beat, lane % lanes] == layer.arrays["weights"][c]
        assert offsets.values[c] == layer.arrays["bias"][c]
    assert sums.cost.dsp + outputs.cost.dsp >= 3 * vec
    assert root.cost.dsp >= 2


def test_widths_hold_for_the_largest_layers():
    """Spreads stay below 2^62, whatever the layer; one more channel than there may be is refused."""
    spec = LayerNormSpec("l", (TensorShape(4096, 18),), TensorShape(4096, 18), weight_bits=18)
    assert spec.value_bits <= 62
    x = np.full((1, 4096), -(1 << 17), np.int64)
    x[:, ::2] = (1 << 17) - 1
    layer, _, _ = made(4096, 18, frac=10)
    words, _ = KIND.run(layer, (x,))
    assert words[0, :4].tolist() == word(layer, x[0].tolist())[:4]


def node(gains, axis=-1, offsets=None):
    offsets = np.zeros(gains) if offsets is None else np.zeros(offsets)
    ends = {"name": "n", "inputs": ("x",), "outputs": ("y",)}
    return Normalize(gains=np.ones(gains), offsets=offsets, axis=axis, epsilon=1e-5, **ends)


@pytest.mark.parametrize(
    ("given", "channels", "words"),
    [
        (node(8, axis=-2), 8, "from axis -2"),
        (node(8), 16, "8 factors"),
        (node(8, offsets=3), 8, "8 factors"),
        (node(5000), 5000, "it normalises 5,000 values"),
        (node(1), 1, "it normalises 1 values"),
    ],
)
def test_what_is_not_built_is_named(given, channels, words):
    obstacle = KIND.lower(given, (Operand("x", channels, 3),), "l")
    assert isinstance(obstacle, Obstacle)
    assert words in obstacle.reason
    assert obstacle.remedy


def test_damaged_tables_do_not_run():
    layer, x, _ = made(6, 8, frac=5)
    for name, values in (("roots", layer.arrays["roots"][:-1]), ("epsilon", np.array([0]))):
        with pytest.raises(ValueError, match="no table of roots"):
            KIND.run(replace(layer, arrays={**layer.arrays, name: values}), (x,))
