# SPDX-License-Identifier: Apache-2.0
"""The scale layer against rational arithmetic; its ROMs, loop and cost."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swm.device.board import load_board
from swm.layers import registry
from swm.layers.scale import ScaleSpec
from swm.layers.values import FixedLayer, FloatLayer, Format, TensorShape

PORTS = load_board("pynq-z2").dsp_ports
KIND = registry.kind("scale")


def nearest(value):
    return floor(value + Fraction(1, 2))


def clipped(value, bits):
    return min(max(value, -(1 << (bits - 1))), (1 << (bits - 1)) - 1)


def finished(value, activation, fmt):
    """Section 5 of docs/arithmetic.md in rationals."""
    value = max(value, Fraction(0)) if activation == "relu" else value
    return clipped(nearest(value * Fraction(2) ** fmt.frac), fmt.bits)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(4, 18),
    st.integers(-4, 24),
    st.integers(-2, 20),
    st.integers(-2, 20),
    st.sampled_from(["identity", "relu"]),
    st.integers(0, 1000),
)
def test_words_are_the_rational_result(bits, frac, weight_frac, out_frac, activation, seed):
    rng = np.random.default_rng(seed)
    n = 5
    fmt, out = Format(bits, frac), Format(bits, min(out_frac, frac + weight_frac))
    spec = ScaleSpec("l", (TensorShape(n, bits),), TensorShape(n, bits), activation, weight_bits=bits)
    high = 1 << (bits - 1)
    arrays = {
        "weights": rng.integers(-high, high, size=n),
        "bias": rng.integers(-1 << (spec.bias_bits - 1), 1 << (spec.bias_bits - 1), size=n),
    }
    layer = FixedLayer(spec, "n", ("x",), "y", (fmt,), out, arrays, weight_frac)
    x = rng.integers(-high, high, size=(4, n))
    words, _ = KIND.run(layer, (x,))
    sums = x.astype(object) * arrays["weights"].astype(object) + arrays["bias"].astype(object)
    want = [[finished(Fraction(v) / Fraction(2) ** (frac + weight_frac), activation, out) for v in row] for row in sums]
    assert words.tolist() == want


@pytest.mark.parametrize("bits", [8, 12, 18])
@pytest.mark.parametrize("seed", range(5))
def test_quantized_scale_follows_the_float_one(bits, seed):
    rng = np.random.default_rng(seed)
    gains, offsets = (rng.normal(size=6) * rng.uniform(0.1, 30) for _ in range(2))
    x = rng.normal(size=(300, 6)) * rng.uniform(0.1, 30)
    want = x * gains + offsets
    shapes = ((6, 1),)
    layer = FloatLayer(
        "scale", "l", "n", ("x",), "y", shapes, 6, 1, scale=gains.astype(np.float32), bias=offsets.astype(np.float32)
    )
    incoming = Format(bits, bits - 1 - int(np.ceil(np.log2(np.abs(x).max()))))
    fixed = KIND.quantize(KIND.spec(layer, bits), layer, (x,), want, (incoming,))
    words, _ = KIND.run(fixed, (incoming.quantize(x),))
    error = np.sqrt(np.mean((words / 2.0**fixed.output_format.frac - want) ** 2)) / want.std()
    assert error < 2.0 ** (5 - bits)


@pytest.mark.parametrize("vec", [1, 4, 128])
def test_roms_are_the_beats_of_the_kernel(vec):
    n, bits = 10, 12
    spec = ScaleSpec("l", (TensorShape(n, bits),), TensorShape(n, bits), weight_bits=bits)
    arrays = {"weights": np.arange(1, n + 1), "bias": -np.arange(1, n + 1)}
    layer = FixedLayer(spec, "n", ("x",), "y", (Format(bits, 8),), Format(bits, 8), arrays, 8)
    built = KIND.build(spec, vec)
    gains, offsets = KIND.roms(layer, built)
    members = KIND.configuration(layer, built)
    banks, beats, lanes = gains.values.shape
    assert (banks, lanes) == (members["rom_banks"], members["rom_lanes"])
    assert banks * lanes == vec
    assert beats == -(-n // vec)
    for channel in range(n):
        beat, lane = divmod(channel, vec)
        assert gains.values[lane // lanes, beat, lane % lanes] == channel + 1
        assert offsets.values[channel] == -channel - 1
    assert offsets.values.shape == (beats * vec,)
    assert not gains.values.sum() - n * (n + 1) // 2


def test_an_activation_alone_takes_no_multiplier():
    layer = FloatLayer(
        "scale", "l", "n", ("x",), "y", ((16, 1),), 16, 1, scale=np.ones(16, np.float32), bias=np.zeros(16, np.float32)
    )
    spec = KIND.spec(layer, 18)
    (process,) = KIND.processes(KIND.build(spec, 4), PORTS)
    assert spec.unit
    assert process.cost.dsp == 0
    assert process.products == 0
    wide = ScaleSpec("l", spec.inputs, spec.output, weight_bits=18)
    (process,) = KIND.processes(KIND.build(wide, 4), PORTS)
    assert process.cost.dsp == 4
    assert process.products == 16
