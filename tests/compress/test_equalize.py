# SPDX-License-Identifier: Apache-2.0
"""Channels of unlike range before fixed point: the same float network, less lost to rounding, and left alone else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import swm
from swm.compress import equalized, prepared
from swm.graph import Conv, Graph, Linear
from swm.host import split_for_hardware
from swm.structure import Dense

RNG = np.random.default_rng(5)
SPREAD = 2.0 ** -(np.arange(8) % 4 * 2)  # of the channels: a factor of 64


def network(path, activation="Relu", spread=SPREAD):
    """Conv, a convolution of each channel alone, pooling, Conv, Flatten, Gemm; channels as small as `spread` says."""
    shapes = {"w0": (8, 3, 3, 3), "w1": (8, 1, 3, 3), "w2": (8, 8, 1, 1), "w3": (5, 32), "b0": (8,), "b2": (8,)}
    weights = {name: RNG.normal(size=shape) / 3 for name, shape in shapes.items()}
    for name in ("w0", "b0", "w2", "b2"):
        weights[name] *= spread.reshape(-1, *[1] * (weights[name].ndim - 1))
    weights["w1"] /= spread.reshape(-1, 1, 1, 1)
    weights["w3"] = (weights["w3"].reshape(5, 8, 4) / spread[:, None]).reshape(5, 32)
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], name="c0"),
        helper.make_node(activation, ["c0"], ["a0"], name="a0"),
        helper.make_node("Conv", ["a0", "w1"], ["c1"], name="c1", group=8),
        helper.make_node("Conv", ["c1", "w2", "b2"], ["c2"], name="c2"),
        helper.make_node(activation, ["c2"], ["a2"], name="a2"),
        helper.make_node("MaxPool", ["a2"], ["p2"], name="p2", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p2"], ["f"], name="f"),
        helper.make_node("Gemm", ["f", "w3"], ["y"], name="y", transB=1),
    ]
    values = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", ["N", 3, 8, 8]), ("y", ["N", 5]))]
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:], values), opset_imports=[helper.make_opsetid("", 17)]
    )
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    return swm.load(path)


def changed(graph: Graph, other: Graph) -> set[str]:
    return {a.name for a, b in zip(graph.nodes, other.nodes, strict=True) if a is not b}


@pytest.fixture(scope="module")
def images():
    return RNG.normal(size=(40, 3, 8, 8)).astype(np.float32)


def test_channels_are_scaled_through_what_keeps_a_factor(tmp_path, images, monkeypatch):
    graph = prepared(network(tmp_path / "m.onnx"))
    other = equalized(graph, {"x": images}, 8)
    assert {"c0", "c1", "c2", "y"} <= changed(graph, other)
    want = swm.run(graph, images)
    assert np.abs(swm.run(other, images) - want).max() <= 1e-5 * np.abs(want).max()
    for node, was in zip(other.nodes, graph.nodes, strict=True):
        if isinstance(node, Conv | Linear) and isinstance(was, Conv | Linear):
            now, before = node.weight.to_dense(), was.weight.to_dense()
            factors = np.abs(now[before != 0] / before[before != 0])
            assert (np.log2(factors) == np.round(np.log2(factors))).all()

    def error():
        return np.linalg.norm(swm.run(swm.quantize(graph, bits=8, calibration=images), images) - want)

    cuts: list[Graph] = []
    monkeypatch.setattr("swm.host.split_for_hardware", lambda g, b: cuts.append(g) or split_for_hardware(g, b))
    scaled = error()
    assert len(cuts) == 1  # what the cut depends on has not changed
    monkeypatch.setattr("swm.compress.equalized", lambda graph, feeds, bits: graph)
    assert scaled < 0.5 * error()


def test_what_gains_nothing_or_keeps_no_factor_is_left(tmp_path, images):
    even = prepared(network(tmp_path / "e.onnx", spread=np.ones(8)))
    assert equalized(even, {"x": images}, 8) is even
    curved = prepared(network(tmp_path / "s.onnx", activation="Sigmoid"))
    assert changed(curved, equalized(curved, {"x": images}, 8)) <= {"c1", "c2"}  # nothing lies between these


def test_weights_of_few_bits_stay_on_their_grid(tmp_path, images):
    graph = prepared(network(tmp_path / "m.onnx"))
    nodes = [
        replace(
            n, weight=Dense(np.round(n.weight.to_dense() * 8 / np.abs(n.weight.to_dense()).max()).astype(np.float32))
        )
        if isinstance(n, Conv | Linear)
        else n
        for n in graph.nodes
    ]
    coarse = graph.with_nodes(nodes)
    assert equalized(coarse, {"x": images}, 8) is coarse
