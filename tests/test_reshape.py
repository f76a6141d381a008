# SPDX-License-Identifier: Apache-2.0
"""Arrays of a wrong shape: the message names the expression that fits, and that expression does fit."""

import re

import numpy as np
import pytest
from support import inputs, mlp

import swm
from swm.errors import CalibrationError
from swm.onnx_io import from_proto
from swm.reshape import reshape_advice

CASES = [
    ((200, 784), ("n", 1, 28, 28), "x.reshape(-1, 1, 28, 28)"),
    ((200, 28, 28), ("n", 1, 28, 28), "x.reshape(-1, 1, 28, 28)"),
    ((200, 1, 28, 28), (None, 784), "x.reshape(-1, 784)"),
    ((200, 28, 28), (1, 784, 1), "x.reshape(-1, 784, 1)"),
    ((50, 32, 32, 3), ("n", 3, 32, 32), "x.transpose(0, 3, 1, 2)"),
    ((50, 3, 32, 32), ("n", 32, 32, 3), "x.transpose(0, 2, 3, 1)"),
    ((50, 28, 28, 1), ("n", 1, 28, 28), "x.transpose(0, 3, 1, 2)"),
    ((50, 100, 12), ("n", 12, 100), "x.transpose(0, 2, 1)"),
    ((50, 120), ("n", None, 12), "x.reshape(len(x), -1, 12)"),
    ((28, 28, 3), ("n", 28, 28, 3), "x[None]"),
    ((32, 30, 3), ("n", 3, 32, 30), "x[None].transpose(0, 3, 1, 2)"),
    ((784,), ("n", 784), "x[None]"),
    ((784,), ("n", 1, 28, 28), "x.reshape(1, 1, 28, 28)"),
    ((784, 200), ("n", 784), "x.T"),
    ((200, 785), ("n", 784), "x[:, :-1]"),
    ((200, 785), ("n", 1, 28, 28), "x[:, :-1]"),
    ((70, 20), (32, 20), "x[:64]"),
]


@pytest.mark.parametrize(("have", "want", "expression"), CASES)
def test_the_expression_that_is_named_makes_the_array_fit(have, want, expression):
    advice = reshape_advice(have, want)
    assert expression in advice
    made = eval(expression, {"x": np.zeros(have)})
    if "[:, :-1]" in expression:
        assert made.size // len(made) == np.prod(want[1:])
        return
    assert made.ndim == len(want)
    for axis, (size, wanted) in enumerate(zip(made.shape, want, strict=True)):
        assert not isinstance(wanted, int) or size == wanted or (axis == 0 and size % wanted == 0)


@pytest.mark.parametrize(
    ("have", "want"),
    [((5, 7), ("n", 20)), ((5,), ("n", 20)), ((), ("n", 20)), ((0, 7), ("n", 20)), ((5, 7, 3), ("n", None, None, 9))],
)
def test_nothing_is_invented_where_nothing_fits(have, want):
    assert reshape_advice(have, want) == ""


def test_layouts_are_named():
    assert "NHWC where the model takes NCHW" in reshape_advice((9, 32, 32, 3), ("n", 3, 32, 32))
    assert "NCHW where the model takes NHWC" in reshape_advice((9, 3, 32, 32), ("n", 32, 32, 3))


def images():
    """A network that takes 3 x 4 x 5 images."""
    from onnx import helper

    proto = mlp((60, 12, 5))
    proto.graph.node.insert(0, helper.make_node("Flatten", ["image"], ["x"], name="flat"))
    del proto.graph.input[:]
    proto.graph.input.append(helper.make_tensor_value_info("image", 1, ["n", 3, 4, 5]))
    return from_proto(proto)


def test_functions_say_it():
    graph, x = images(), inputs(20, 60)
    for call in (
        lambda a: swm.convert(graph, block=4, calibration=a),
        lambda a: swm.quantize(graph, bits=12, calibration=a),
        lambda a: swm.run(graph, a),
    ):
        with pytest.raises(CalibrationError, match=re.escape("(n, 3, 4, 5), got (20, 60); ")) as caught:
            call(x)
        assert str(caught.value).endswith("x.reshape(-1, 3, 4, 5)")
        with pytest.raises(
            CalibrationError, match=re.escape("NHWC where the model takes NCHW: x.transpose(0, 3, 1, 2)")
        ):
            call(x.reshape(-1, 4, 5, 3))


def test_a_fixed_network_takes_no_axes_in_another_order():
    """The values a sample are as many, so nothing else would notice."""
    graph, x = images(), inputs(20, 60)
    fixed = swm.quantize(graph, bits=12, calibration=x.reshape(-1, 3, 4, 5))
    np.testing.assert_array_equal(swm.run(fixed, x), swm.run(fixed, x.reshape(-1, 3, 4, 5)))
    with pytest.raises(CalibrationError, match="NHWC where the model takes NCHW"):
        swm.run(fixed, x.reshape(-1, 4, 5, 3))
