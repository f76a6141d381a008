# SPDX-License-Identifier: Apache-2.0
"""Activations in integers: the definition in rationals, the stated errors over every input, the sizes of tables."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers.activations import EXAMPLES

from swm.device.board import load_board
from swm.graph import Clip, Elu, Gelu, HardSigmoid, LeakyRelu, Quant, Swish
from swm.layers.activations import Chosen, Levels, activation_of, joined
from swm.layers.base import Obstacle
from swm.layers.curves import Bounds, Ramp, Steps, Table
from swm.layers.dense import DenseSpec
from swm.layers.finish import describe, finish, finish_cost
from swm.layers.fit import MOST_CONSTANTS, curve_of
from swm.layers.functions import TABLES, check_parameters, evaluate
from swm.layers.values import FixedLayer, Format, TensorShape

PORTS = load_board("pynq-z2").dsp_ports
SHAPED = sorted(set(EXAMPLES) - {"identity", "relu", "steps"})  # steps jump: they have tests of their own


def nearest(value):
    return floor(value + Fraction(1, 2))


def clipped(value, low, high):
    return min(max(value, low), high)


def word(curve, v):
    """Section 5 of docs/arithmetic.md for one sum, not saturated, in rationals."""
    if isinstance(curve, Bounds):
        return clipped(nearest(Fraction(v) / Fraction(2) ** curve.plain_shift), curve.low, curve.high)
    edge = 1 << (curve.input_bits - 1)
    z = clipped(nearest(Fraction(v, 1 << curve.input_shift)), -edge, edge - 1)
    if isinstance(curve, Ramp):
        if curve.leaky and v >= 0:
            return nearest(Fraction(v) / Fraction(2) ** curve.plain_shift)
        value = z * curve.slope + curve.offset * 2**curve.offset_shift
        return clipped(nearest(Fraction(value) / Fraction(2) ** curve.out_shift), curve.low, curve.high)
    segment, place = divmod(clipped(z, curve.first, curve.last) - curve.first, 1 << curve.step_bits)
    value = curve.starts[segment]
    if curve.rises:
        value = (value << curve.step_bits) + curve.rises[segment] * place
    if curve.rectified:
        value += max(z, 0) << curve.base_shift
    return nearest(Fraction(value) / Fraction(2) ** curve.out_shift)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(SHAPED),
    st.sampled_from([4, 5, 8, 11]),
    st.integers(-3, 24),
    st.integers(-3, 4),
    st.lists(st.integers(-(1 << 30), 1 << 30), min_size=5, max_size=5),
    st.integers(0, 26),
)
def test_words_are_the_definition(activation, bits, value_frac, spare, values, smaller):
    curve = curve_of(activation, EXAMPLES[activation], value_frac, bits - 1 - spare, bits)
    values = np.array(values) >> smaller
    assert curve.apply(values).tolist() == [word(curve, int(v)) for v in values]
    high = max(abs(word(curve, int(v))) for v in values)
    assert high.bit_length() < curve.inner_bits + 1 or isinstance(curve, Bounds) or getattr(curve, "leaky", False)


@pytest.mark.parametrize("activation", SHAPED)
@pytest.mark.parametrize(("bits", "frac", "value_frac"), [(4, 1, 6), (6, 4, 3), (8, 7, 14), (8, 4, 9), (10, 6, 9)])
def test_the_stated_error_is_the_largest_over_every_sum(activation, bits, frac, value_frac):
    """Every sum from -64 to 64 whose exact result does not saturate: words within the stated error and half a bit."""
    parameters = EXAMPLES[activation]
    curve = curve_of(activation, parameters, value_frac, frac, bits)
    sums = np.arange(-64 << value_frac, 64 << value_frac)
    want = evaluate(activation, parameters, sums / 2.0**value_frac) * 2.0**frac
    held = np.abs(want) < (1 << (bits - 1)) - 1
    words = curve.apply(sums)
    assert np.abs(words - want)[held].max() <= 0.5 + curve.error * 2.0**frac + 1e-9
    if isinstance(curve, Table):
        assert curve.error * 2.0**frac <= 0.5
        z = np.arange(curve.first - 8, curve.last + 9)  # every entry, and beyond
        unit = 2.0 ** (curve.input_shift - value_frac)
        edges = (z - 0.5, z + 0.5) if curve.input_shift else (z,)
        value = curve.value(z) * unit * 2.0**-curve.base_shift
        brute = max(np.abs(value - evaluate(activation, parameters, e * unit)).max() for e in edges)
        assert curve.error >= brute - 1e-12
        assert curve.error <= max(brute, 2.0 ** -(frac + 1))
        inner = z[(z > curve.first + (1 << curve.step_bits)) & (z < curve.last - (1 << curve.step_bits))]
        assert len(inner) == 0 or curve.error < 1


@pytest.mark.parametrize("activation", sorted(TABLES))
@pytest.mark.parametrize("value_frac", [-30, -6, -1, 0, 1])
@pytest.mark.parametrize(("bits", "frac"), [(4, -4), (7, 5), (10, 9), (10, 25)])
def test_coarse_sums_have_an_entry_each(activation, value_frac, bits, frac):
    """Where sums are coarser than the output, and where the output is finer than a table needs to be."""
    curve = curve_of(activation, EXAMPLES[activation], value_frac, frac, bits)
    fine = min(frac, bits - 1, value_frac + 36)
    assert curve.error <= 2.0 ** -(fine + 1)
    sums = np.arange(-20, 21)
    want = evaluate(activation, EXAMPLES[activation], sums / 2.0**value_frac) * 2.0**frac
    held = np.abs(want) < (1 << (bits - 1)) - 1
    off = np.abs(curve.apply(sums) - want)[held]
    assert off.max(initial=0) <= 0.5 + curve.error * 2.0**frac + 1e-9


@pytest.mark.parametrize("activation", sorted(TABLES))
def test_tables_follow_the_output_bits(activation):
    """More entries as the output gets finer, 2 to 2.5 for two bits; constants where that takes few."""
    curves = [curve_of(activation, EXAMPLES[activation], 24, bits - 3, bits) for bits in (4, 8, 10, 12, 14)]
    sizes = [len(c.starts) for c in curves]
    assert [bool(c.rises) for c in curves[2:]] == [True] * 3
    assert not curves[0].rises
    assert sizes[0] <= 8
    assert all(1.5 < b / a < 3 for a, b in pairwise(sizes[2:]))
    assert all(len(c.starts) <= MOST_CONSTANTS for c in curves if not c.rises)
    assert sum(c.rises[0] or c.rises[-1] for c in curves if c.rises) == 0


# The tables of sunxindx3906/FFT-LSTM (Op.h): y = slope x + offset on 22 segments, constant beyond; below zero, slopes
# and offsets by turns
STEP = {"sigmoid": 0.5, "tanh": 0.4}
PUBLISHED = {
    "sigmoid": """.0133857 .0736214 .00858818 .0496338 .0139985 .0739803 .022652 .108594 .0362273 .156108 .0568646
        .21802 .0866895 .292582 .126445 .372093 .173032 .441973 .217198 .48614 .244919 .5""",
    "tanh": """.00167675 -.992622 .00205339 -.991116 .00456386 -.982078 .0101272 -.964275 .0223917 -.929935
        .0491182 -.865791 .105898 -.752232 .220035 -.569613 .424045 -.324801 .71022 -.0958612 .949872 0""",
}


@pytest.mark.parametrize(("activation", "bits"), [("sigmoid", 8), ("tanh", 7)])
def test_tables_beat_the_published_ones_of_22_segments(activation, bits):
    slopes, offsets = np.array(PUBLISHED[activation].split(), float).reshape(-1, 2).T
    x = np.linspace(-11 * STEP[activation], 0, 40001)[:-1]  # the functions are symmetric
    i = np.floor(x / STEP[activation]).astype(int) + 11
    published = np.abs(slopes[i] * x + offsets[i] - evaluate(activation, (), x)).max()
    curve = curve_of(activation, (), 20, bits - 1, bits)
    assert len(curve.starts) <= 22 + 2  # the two constants beyond
    assert curve.error < 0.75 * published
    assert (published, len(curve.rises)) == (
        pytest.approx({"sigmoid": 0.0041, "tanh": 0.0151}[activation], rel=0.02),
        24,
    )


def layer_of(activation, bits=8, frac=None, value_frac=12):
    shape = TensorShape(3, bits)
    spec = DenseSpec("l", (shape,), shape, activation, bits, parameters=EXAMPLES[activation])
    output = Format(bits, bits - 1 if frac is None else frac)
    return FixedLayer(spec, "n", ("x",), "y", (Format(bits, value_frac),), output, {}, 0)


def test_saturation_is_counted_as_without_an_activation():
    """A clipped word is not a saturated one, unless the output cannot hold the bound."""
    sums = np.arange(-20 << 12, 20 << 12, 1 << 10)
    roomy, tight = layer_of("clip", frac=3), layer_of("clip", frac=5)  # up to 16, up to 4: the bound is 6
    assert finish(sums, roomy)[1] == 0
    assert finish(sums, tight)[1] == np.count_nonzero(sums >= 4 << 12)
    assert finish(sums, layer_of("gelu", frac=4))[1] == np.count_nonzero(sums / 4096 >= 8 - 1 / 32)
    assert finish(sums, layer_of("tanh"))[1] <= np.count_nonzero(sums / 4096 > 2.7)


def test_costs_follow_the_form():
    def cost(activation, bits):
        return finish_cost(layer_of(activation, bits).spec, 30, 4, PORTS)

    assert cost("clip", 8) == cost("identity", 8)
    assert (cost("relu", 12).dsp, cost("leaky_relu", 12).dsp, cost("gelu", 12).dsp) == (0, 4, 4)
    assert cost("sigmoid", 4).dsp == 0  # constants
    assert cost("gelu", 16).lut + 200 * cost("gelu", 16).bram18 > cost("gelu", 10).lut + 200 * cost("gelu", 10).bram18


def test_an_activation_is_told_in_words():
    assert describe(layer_of("relu")) == "relu: exact"
    assert "bounds 0 and 48" in describe(layer_of("clip", frac=3))
    assert "leaky_relu 0.01: slope 41 / 2^12" in describe(layer_of("leaky_relu"))
    text = describe(layer_of("tanh"))
    assert text.startswith("tanh: table of 26 lines, each 0.25 wide, off by at most 3.7e-03 (0.47 of")


def test_a_curve_that_cannot_be_is_refused():
    curve = curve_of("gelu", (), 12, 7, 8)
    for change in ({"input_bits": 3}, {"rises": (1,)}, {"step_bits": 40}, {"input_shift": -1}, {"starts": ()}):
        with pytest.raises(ValueError, match="no curve"):
            replace(curve, **change)
    with pytest.raises(ValueError, match="no curve"):
        Bounds(0, 5, 4)
    with pytest.raises(ValueError, match="there is no softsign"):
        curve_of("softsign", (), 12, 7, 8)


ENDS = {"name": "n", "inputs": ("x",), "outputs": ("y",)}


@pytest.mark.parametrize(
    ("node", "want"),
    [
        (Clip(low=0.0, high=6.0, **ENDS), ("clip", (0.0, 6.0))),
        (Clip(low=0.0, **ENDS), ("relu", ())),
        (LeakyRelu(alpha=0.0, **ENDS), ("relu", ())),
        (HardSigmoid(**ENDS), ("hard_sigmoid", (0.2, 0.5))),
        (Gelu(tanh=True, **ENDS), ("gelu_tanh", ())),
        (Swish(alpha=1.5, **ENDS), ("swish", (1.5,))),
    ],
)
def test_nodes_and_their_parameters(node, want):
    assert activation_of(node) == want


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (Elu(alpha=100.0, **ENDS), "its parameter 100 is not one of 0.015625 to 2"),
        (Clip(low=2.0, high=1.0, **ENDS), "its lower bound 2 lies above its upper one 1"),
        (LeakyRelu(alpha=float("nan"), **ENDS), "its parameter nan"),
        (Swish(alpha=-1.0, **ENDS), "its parameter -1 is not one of"),
    ],
)
def test_parameters_that_are_not_built_are_named(node, words):
    obstacle = activation_of(node)
    assert isinstance(obstacle, Obstacle)
    assert words in obstacle.reason
    assert "host" in obstacle.remedy
    assert check_parameters("nothing", ()) == "there is no nothing of 0 parameters"


STEPS = [(0.25, -2, 1), (1.0, -1, 1), (0.3, 0, 15), (0.0117, -128, 127), (3.7, -4, 3), (2.0**-9, -512, 511)]


@pytest.mark.parametrize("parameters", STEPS)
@pytest.mark.parametrize(("bits", "frac", "value_frac"), [(4, 1, 6), (8, 7, 14), (8, 4, 9), (12, 6, 20), (16, 15, 3)])
def test_steps_are_levels_but_at_their_edges(parameters, bits, frac, value_frac):
    """Every sum farther than the stated doubt from an edge has its level, to the stated error and the last rounding."""
    step, low, high = parameters
    curve = curve_of("steps", parameters, value_frac, frac, bits)
    assert isinstance(curve, Steps)
    reach = int((max(abs(low), abs(high)) + 3) * step * 2**value_frac) + 2
    sums = np.unique(np.linspace(-reach, reach, 20001).astype(np.int64))
    x = sums / 2.0**value_frac
    place = x / step + 0.5
    sure = np.abs(place - np.round(place)) > curve.doubt
    words = curve.apply(sums)
    want = evaluate("steps", parameters, x)
    assert (np.abs(words * 2.0**-frac - want)[sure] <= 2.0 ** -(frac + 1) + curve.error + 1e-12).all()
    assert curve.doubt <= 2**-9
    assert curve.error <= 2.0 ** -(frac + 2)
    if np.log2(step) == int(np.log2(step)):
        assert (curve.ramp.slope, curve.width) in ((1, 1), (1, 0))  # no multiplier; a step below the output's last bit
    exact = [word(curve.ramp, int(v)) for v in sums[::997]]
    shifted = [nearest(Fraction(c * curve.width) / Fraction(2) ** curve.width_shift) for c in exact]
    assert words[::997].tolist() == shifted


def test_quantizers_become_steps_or_say_why_not():
    node = Levels(name="q", inputs=("x",), outputs=("y",), step=0.5, low=-4, high=3)
    assert activation_of(node) == Chosen("steps", (0.5, -4.0, 3.0))
    assert joined("identity", activation_of(node)) == activation_of(node)
    assert joined("relu", activation_of(node)) == Chosen("steps", (0.5, 0.0, 3.0))
    assert joined("sigmoid", activation_of(node)) is None
    assert "scale" in activation_of(Quant(name="q", inputs=("x", "s", "z", "b"), outputs=("y",))).reason
    assert check_parameters("steps", (0.5, 3.0, 1.0))
    assert check_parameters("steps", (1e-12, 0.0, 1.0))


def test_steps_cost_two_multipliers_unless_their_width_is_a_power_of_two():
    def dsp(width):
        spec = DenseSpec(
            name="d", inputs=(TensorShape(8, 8),), output=TensorShape(8, 8), activation="steps",
            parameters=(width, -8.0, 7.0), weight_bits=8,
        )  # fmt: skip
        return finish_cost(spec, 20, 1, PORTS).dsp

    assert dsp(0.25) == 0
    assert dsp(0.3) > 0
