# SPDX-License-Identifier: Apache-2.0
"""Parts of a tensor in hardware: Slice, Split and Gather of one index, as what is left when the rest is cut off."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import swm
from swm.accelerator.lower import hardware_findings
from swm.onnx_io import from_proto

RNG = np.random.default_rng(5)
INTS = {f"i{n}": np.array([n]) for n in (-1, 0, 1, 2, 3, 5, 1 << 31)}


def graph_of(nodes, shape):
    constants = {
        "w": RNG.normal(size=(4, 3, 3, 3)[: len(shape) + 1]).astype(np.float32),
        "at": np.array(2),
        "two_three": np.array([2, 3]),
        "three_two": np.array([3, 2]),
        **INTS,
    }
    made = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["c"], name="c"), *nodes],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    return from_proto(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "g.onnx")


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs, [output], name=output, **attributes)


CASES = {
    "the last step": ((3, 7), [node("Slice", ["c", "i-1", "i2147483648", "i2"], "y")]),
    "one step, without its axis": ((3, 7), [node("Gather", ["c", "at"], "y", axis=2)]),
    "an inner column": ((3, 7, 6), [node("Gather", ["c", "at"], "y", axis=3)]),
    "rows in the middle": ((3, 7, 6), [node("Slice", ["c", "i1", "i3", "i2"], "y")]),
    "some channels": ((3, 7), [node("Slice", ["c", "i1", "i3", "i1"], "y")]),
    "both parts": (
        (3, 7),
        [
            helper.make_node("Split", ["c", "two_three"], ["a", "b"], name="s", axis=2),
            node("Slice", ["b", "i1", "i3", "i2"], "d"),
            node("Add", ["a", "d"], "y"),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_part_of_a_tensor(name):
    shape, nodes = CASES[name]
    graph = graph_of(nodes, shape)
    assert swm.check(graph).hardware == "all"
    x = RNG.normal(size=(20, *shape)).astype(np.float32)
    want = swm.run(graph, x)
    got = swm.run(swm.quantize(graph, bits=16, calibration=x), x)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, atol=2e-3 * np.abs(want).max())


def test_words_of_a_project(tmp_path):
    graph = graph_of(CASES["both parts"][1], (3, 7))
    x = RNG.normal(size=(20, 3, 7)).astype(np.float32)
    fixed = swm.quantize(graph, bits=12, calibration=x)
    result = swm.emit(fixed, path=tmp_path / "p", board="pynq-z2", backend="generic", vectors=x).verify()
    assert (result.ok, result.words, result.mismatches) == (True, 160, 0)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Slice", ["c", "i3", "i0", "i2", "i-1"], "y")],
        [node("Gather", ["c", "two_three"], "y", axis=2)],
    ],
)
def test_what_is_no_range_is_refused(nodes):
    (found,) = hardware_findings(graph_of(nodes, (3, 7)))
    assert "some of its values" in found.reason
