# SPDX-License-Identifier: Apache-2.0
"""PReLU with a slope a channel against rational arithmetic and the float function; its ROM and loop."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swm.device.board import load_board
from swm.layers import registry
from swm.layers.values import FloatLayer, Format

KIND = registry.kind("prelu")


def made(bits, frac, seed, size=1.0):
    """A quantized layer of 6 channels, calibration words, and what the float function makes of them."""
    rng = np.random.default_rng(seed)
    slopes = (rng.normal(size=6) * size).astype(np.float32)
    fmt = Format(bits, frac)
    x = fmt.quantize(rng.normal(size=(100, 6)) * fmt.largest / 3)
    real = x / 2.0**frac
    want = np.where(real < 0, real * slopes, real)
    layer = FloatLayer("prelu", "l", "n", ("x",), "y", ((6, 1),), 6, 1, scale=slopes)
    return KIND.quantize(KIND.spec(layer, bits), layer, (real,), want, (fmt,)), x, want, slopes


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 18), st.integers(-4, 20), st.integers(0, 99), st.sampled_from([1e-3, 0.3, 8.0]))
def test_words_are_the_rational_result(bits, frac, seed, size):
    layer, x, want, slopes = made(bits, frac, seed, size)
    words, _ = KIND.run(layer, (x,))
    out, high = layer.output_format, 1 << (bits - 1)
    for row, got in zip(x[:10].tolist(), words[:10].tolist(), strict=True):
        for value, slope, word in zip(row, layer.arrays["weights"].tolist(), got, strict=True):
            factor = Fraction(slope, 1 << layer.weight_frac) if value < 0 else 1
            exact = Fraction(value) / Fraction(2) ** frac * factor * Fraction(2) ** out.frac
            assert word == min(max(floor(exact + Fraction(1, 2)), -high), high - 1)
    held = np.abs(words) < high - 1
    slope_error = np.abs(slopes - layer.arrays["weights"] / 2.0**layer.weight_frac)
    bound = 0.5 + slope_error * np.abs(x) / 2.0**frac * 2.0**out.frac + 1e-6 * np.abs(want) * 2.0**out.frac + 1e-6
    assert (np.abs(words - want * 2.0**out.frac) <= bound)[held].all()


@pytest.mark.parametrize("vec", [1, 4, 8])
def test_the_rom_holds_beats_of_slopes(vec):
    layer, *_ = made(12, 8, 0)
    built = KIND.build(layer.spec, vec)
    (rom,), members = KIND.roms(layer, built), KIND.configuration(layer, built)
    for channel in range(6):
        beat, lane = divmod(channel, vec)
        lanes = members["rom_lanes"]
        assert rom.values[lane // lanes, beat, lane % lanes] == layer.arrays["weights"][channel]
    (process,) = KIND.processes(built, load_board("pynq-z2").dsp_ports)
    assert process.program.iterations(5) == 5 * -(-6 // vec)
    assert process.cost.dsp == vec
