# SPDX-License-Identifier: Apache-2.0
"""Saturations with their denominator and the share of the range that values use, at calibration and in a run."""

import numpy as np
import pytest
from support import inputs, mlp

import swm
from swm.accelerator.integers import run_fixed
from swm.accelerator.saturation import Saturation, measured, observed
from swm.accelerator.store import load_fixed, save_fixed
from swm.layers.values import Format
from swm.onnx_io import from_proto


@pytest.fixture(scope="module")
def fixed():
    converted = swm.convert(from_proto(mlp((20, 24, 16, 5))), block=4, calibration=inputs()).graph
    return swm.quantize(converted, bits=8, calibration=inputs())


def test_text():
    assert str(Saturation(12, 5120, 12 / 5120, -8.0, 7.996, 0.97)) == (
        "12 of 5,120 values (0.23 %), range -8..8 used to 97 %"
    )
    assert str(Saturation(0, 10, 0.0)) == "0 of 10 values (0.00 %)"


def test_floats_before_and_integers_after_the_cut():
    form = Format(4, 1)  # -4 .. 3.5
    found = measured(form, np.array([[-5.0, 1.0], [3.0, 3.9]]))
    assert (found.count, found.values, found.share, found.low, found.high) == (2, 4, 0.5, -4.0, 3.5)
    assert found.used == 1.25
    assert measured(form, np.array([-2.0, 0.5])).used == 0.5
    assert measured(form, np.zeros((0, 3))) == Saturation(0, 0, 0.0, -4.0, 3.5, 0.0)
    assert observed(1, 8, form, 7).used == observed(1, 8, form, 8).used == 1
    assert observed(0, 8, form, None).used is None


def test_every_place_of_a_run_has_its_denominator(fixed):
    x = inputs(37) * 3
    result = run_fixed(fixed, x)
    found = result.ranges
    assert {place: s.count for place, s in found.items()} == result.saturated
    assert {place: s.values for place, s in found.items()} == {
        "x": 37 * 20,
        "l0_fc0.sum": 37 * 24,  # six blocks of four real numbers of a half spectrum
        "l0_fc0.output": 37 * 24,
        "l1_fc1.sum": 37 * 16,
        "l1_fc1.output": 37 * 16,
        "l2_fc2.output": 37 * 5,
    }
    assert all(s.share == s.count / s.values and s.count <= s.values for s in found.values())
    lowest = -(fixed.input.largest + 2.0**-fixed.input.frac)
    assert found["x"].used == pytest.approx(max(x.max() / fixed.input.largest, x.min() / lowest))
    assert found["l2_fc2.output"].used == min(1, np.abs(result.words).max() / 127)
    assert found["l1_fc1.output"].high == fixed.layers[1].output_format.largest
    assert found["l0_fc0.sum"].used is None


def test_the_compiled_engine_counts_the_same(fixed):
    x = inputs(37) * 3
    plain, fast = run_fixed(fixed, x).ranges, run_fixed(fixed, x, compiled=True).ranges
    assert {p: (s.count, s.values) for p, s in plain.items()} == {p: (s.count, s.values) for p, s in fast.items()}


def test_calibration_is_kept_with_the_network(fixed, tmp_path):
    assert fixed.saturated["x"].values == 64 * 20
    assert fixed.saturated["x"].count == fixed.input.overflows(inputs())
    assert 0.25 < fixed.saturated["x"].used < 4
    save_fixed(fixed, tmp_path / "f.npz")
    assert dict(load_fixed(tmp_path / "f.npz").saturated) == dict(fixed.saturated)
