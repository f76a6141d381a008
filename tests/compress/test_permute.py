# SPDX-License-Identifier: Apache-2.0
"""The order of hidden channels: the same network, a better fit, never taken where it is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support import inputs, mlp

import swm
from swm.compress.permute import grouped_rows, permuted
from swm.graph import Linear
from swm.structure import BlockCirculant, Dense


def rising(_graph, _name, _block, state):
    """An error that is higher at each call, of which that of the new order is the first: every order is taken."""
    state.append(0)
    return len(state)


def convolutional():
    """Conv, BatchNormalization, pool, Conv, Relu, Flatten, Gemm."""
    rng = np.random.default_rng(0)
    shapes = {"w0": (8, 4, 3, 3), "b0": (8,), "s": (8,), "t": (8,), "m": (8,), "w1": (8, 8, 3, 3), "w2": (5, 32)}
    weights = {name: rng.normal(size=shape) / 3 for name, shape in shapes.items()} | {"v": rng.uniform(0.5, 1, 8)}
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], name="c0"),
        helper.make_node("Sigmoid", ["c0"], ["a0"], name="a0"),
        helper.make_node("BatchNormalization", ["a0", "s", "t", "m", "v"], ["n0"], name="n0"),
        helper.make_node("MaxPool", ["n0"], ["p0"], name="p0", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p0", "w1"], ["c1"], name="c1"),
        helper.make_node("Relu", ["c1"], ["a1"], name="a1"),
        helper.make_node("Flatten", ["a1"], ["f"], name="f"),
        helper.make_node("MatMul", ["f", "w2t"], ["y"], name="y"),
    ]
    weights["w2t"] = weights.pop("w2").T
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4, 10, 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    return swm.load(made), np.random.default_rng(1).normal(size=(3, 4, 10, 10)).astype(np.float32)


def dense_network():
    return swm.load(mlp((20, 24, 16, 5))), inputs(16)


@pytest.mark.parametrize(
    ("make", "blocks"), [(convolutional, {"c0": 4, "c1": 2}), (dense_network, {"fc0": 4, "fc1": 4})]
)
def test_the_network_computes_what_it_computed(make, blocks):
    graph, x = make()
    state = []
    other = permuted(graph, blocks, lambda *given: rising(*given, state))
    assert len(state) == 2 * len(blocks)  # every layer was tried
    for name in blocks:
        old, new = (next(n for n in g.nodes if n.name == name).weight.to_dense() for g in (graph, other))
        assert not np.array_equal(old, new)
        assert sorted(np.abs(old).sum(axis=1)) == pytest.approx(sorted(np.abs(new).sum(axis=1)), rel=1e-5)
    np.testing.assert_allclose(swm.run(other, x), swm.run(graph, x), atol=1e-5)


def test_scrambled_circulant_rows_are_put_in_order():
    rng = np.random.default_rng(0)
    matrix = BlockCirculant(rng.normal(size=(4, 3, 8)).astype(np.float32)).to_dense()
    scrambled = matrix[rng.permutation(32)]
    assert np.linalg.norm(BlockCirculant.from_dense(scrambled, block=8).to_dense() - scrambled) > 1
    ordered = scrambled[grouped_rows(scrambled[:, None, :], 8)]
    np.testing.assert_allclose(BlockCirculant.from_dense(ordered, block=8).to_dense(), ordered, atol=1e-5)


def test_no_order_is_taken_that_does_not_lower_the_error():
    graph, _ = dense_network()
    assert permuted(graph, {"fc0": 4, "fc1": 4}, lambda *_: 1.0) is graph


def test_channels_that_something_else_reads_stay():
    graph, _ = dense_network()
    hidden = replace(graph.outputs[0], name="a0")
    other = replace(graph, outputs=(*graph.outputs, hidden)).verify()
    assert permuted(other, {"fc0": 4}, lambda *given: rising(*given, [])) is other
    structured = graph.nodes[2]
    assert isinstance(structured, Linear) and isinstance(structured.weight, Dense)
    held = graph.with_replaced(
        structured, replace(structured, weight=BlockCirculant.from_dense(structured.weight.matrix, block=4))
    )
    assert permuted(held, {"fc0": 4}, lambda *given: rising(*given, [])) is held


def test_a_conversion_of_a_scrambled_network_costs_nothing_in_the_right_order():
    """Rows of circulant blocks in any order, and the columns behind them: what one-shot conversion cannot see."""
    rng = np.random.default_rng(2)
    graph = swm.load(mlp((32, 32, 32, 5)))
    first, second, _ = graph.linear()
    order = rng.permutation(32)
    one = BlockCirculant(rng.normal(size=(4, 4, 8)).astype(np.float32) / 6).to_dense()[order]
    graph = graph.with_replaced(first, replace(first, weight=Dense(one)))
    x = rng.normal(size=(400, 32)).astype(np.float32)
    made = {p: swm.convert(graph, block={"fc0": 8}, calibration=x, hold_out=False, permute=p) for p in (False, True)}
    errors = {p: found.report.layers[0].fitted_error for p, found in made.items()}
    assert errors[False] > 0.3 and errors[True] < 0.1
    wanted = swm.run(graph, x)
    assert np.abs(swm.run(made[True].graph, x) - wanted).max() < 0.15 * np.abs(wanted).max()
    assert second.name == made[True].graph.linear()[1].name
