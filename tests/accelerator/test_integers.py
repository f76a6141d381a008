# SPDX-License-Identifier: Apache-2.0
"""The integer engine on graphs: saturation counted, shapes of the results, any number of samples."""

import numpy as np
import pytest
from networks import Model, branches, quantized, residual, smooth, tokens
from support import inputs, write_mlp

import swm
from swm import bundled
from swm.accelerator.integers import BATCH, flatten_inputs, run_fixed, run_integers
from swm.compress import accuracy
from swm.errors import CalibrationError


def test_leading_activation_becomes_a_layer(tmp_path):
    model = Model(20)
    graph = model.save(tmp_path / "m.onnx", model.linear(model.node("Relu", "x"), 20, 5, "fc"), 5)
    fixed = quantized(graph, inputs(100), bits=14)
    assert fixed.specs[0].kind == "scale"
    np.testing.assert_allclose(run_fixed(fixed, inputs(50)).values, swm.run(graph, inputs(50)), atol=0.02)


def test_saturation_is_counted(tmp_path):
    fixed = quantized(swm.load(write_mlp(tmp_path / "m.onnx")), inputs(50))
    quiet, loud = run_fixed(fixed, inputs(50) * 0.1), run_fixed(fixed, inputs(50) * 50)
    assert sum(quiet.saturated.values()) == 0
    assert loud.saturated["x"] > 0
    assert loud.saturated["l0_fc0.output"] + loud.saturated["l1_fc1.output"] > 0


@pytest.mark.parametrize(("build", "shape"), [(residual, (24,)), (tokens, (6, 12)), (branches, (20,))])
def test_words_do_not_depend_on_how_samples_are_grouped(tmp_path, build, shape):
    fixed = quantized(build(tmp_path / "m.onnx"), smooth(40, *shape))
    x = fixed.input.quantize(flatten_inputs(fixed, smooth(BATCH + 7, *shape) * 2))
    words, counts = run_integers(fixed, x)
    one_by_one = [run_integers(fixed, row[None]) for row in x]
    np.testing.assert_array_equal(words, np.concatenate([w for w, _ in one_by_one]))
    assert counts == {place: sum(c[place] for _, c in one_by_one) for place in counts}
    none, counts = run_integers(fixed, x[:0])
    assert none.shape == (0, fixed.outputs)
    assert not any(counts.values())


def test_an_output_that_is_read_further_on(tmp_path):
    """The network's output is a tensor in its middle: another branch of the graph reads it and is dead."""
    model = Model(8)
    out = model.linear("x", 8, 4, "fc")
    model.linear(out, 4, 4, "dead")
    graph = model.save(tmp_path / "m.onnx", out, 4)
    fixed = quantized(graph, smooth(30, 8))
    assert len(fixed.layers) == 1
    assert run_fixed(fixed, smooth(5, 8)).values.shape == (5, 4)


def test_a_sum_of_a_tensor_with_itself(tmp_path):
    model = Model(8)
    hidden = model.linear("x", 8, 8, "fc")
    graph = model.save(tmp_path / "m.onnx", model.node("Add", hidden, hidden, name="twice"), 8)
    fixed = quantized(graph, smooth(30, 8), bits=14)
    np.testing.assert_allclose(run_fixed(fixed, smooth(5, 8)).values, swm.run(graph, smooth(5, 8)), atol=0.01)


def test_inputs_of_the_wrong_width(tmp_path):
    fixed = quantized(swm.load(write_mlp(tmp_path / "m.onnx")), inputs())
    with pytest.raises(CalibrationError, match="20 values a sample"):
        run_fixed(fixed, np.zeros((3, 21), np.float32))


def test_twelve_bits_cost_the_bundled_network_at_most_0_3_points():
    images, labels = bundled.test()
    calibration = bundled.calibration()[0]
    converted = swm.convert(swm.load(bundled.model_path()), block=8, calibration=calibration).graph
    fixed = quantized(converted, calibration)
    difference = accuracy(swm.run(converted, images), labels) - accuracy(run_fixed(fixed, images).values, labels)
    assert abs(difference) <= 0.003
