# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions written as convolutions, and shuffled pixels: the same numbers."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from swm.graph import Conv, ConvTranspose, DepthToSpace
from swm.onnx_io import from_proto, to_proto
from swm.simplify import transposed

RNG = np.random.default_rng(3)


def graph_of(nodes, constants, shape, rank):
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * (rank + 2))],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    return from_proto(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "g.onnx")


def run(graph, x):
    session = onnxruntime.InferenceSession(to_proto(graph).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def deconvolution(shape, outputs, kernel, **attributes):
    weight = RNG.normal(size=(shape[0], outputs // attributes.get("group", 1), *kernel)).astype(np.float32)
    bias = RNG.normal(size=outputs).astype(np.float32)
    node = helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], name="up", **attributes)
    return graph_of([node], {"w": weight, "b": bias}, shape, len(kernel))


@st.composite
def cases(draw):
    rank = draw(st.integers(1, 2))
    strides = [draw(st.integers(1, 3)) for _ in range(rank)]
    dilations = [draw(st.integers(1, 2)) for _ in range(rank)]
    kernel = draw(st.lists(st.integers(1, 5), min_size=rank, max_size=rank))
    pads = [draw(st.integers(0, 3)) for _ in range(2 * rank)]
    more = [draw(st.integers(0, s - 1)) for s in strides]
    grid = [draw(st.integers(2, 6)) for _ in range(rank)]
    reach = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
    sizes = [(g - 1) * s + r + 1 + m for g, s, r, m in zip(grid, strides, reach, more, strict=True)]
    if any(s - a - b < 1 for s, a, b in zip(sizes, pads[:rank], pads[rank:], strict=True)):
        pads = [0] * (2 * rank)
    shape = {"strides": strides, "dilations": dilations, "pads": pads, "output_padding": more}
    return grid, kernel, {**shape, "group": draw(st.sampled_from((1, 2, 4)))}


@settings(max_examples=50, deadline=None)
@given(case=cases())
def test_the_same_numbers(case):
    grid, kernel, attributes = case
    graph = deconvolution((4, *grid), 8, kernel, **attributes)
    found = transposed.as_convolutions(graph)
    x = RNG.normal(size=(2, 4, *grid)).astype(np.float32)
    np.testing.assert_allclose(run(found, x), run(graph, x), rtol=1e-4, atol=1e-5)
    kept = any(isinstance(n, ConvTranspose) for n in found.nodes)
    rank, strides, pads = len(kernel), attributes["strides"], attributes["pads"]
    reach = [(k - 1) * d for k, d in zip(kernel, attributes["dilations"], strict=True)]
    too_far = any(p // s > r // s for p, r, s in zip(pads[:rank], reach, strides, strict=True))
    last = [r + m - e for r, m, e in zip(reach, attributes["output_padding"], pads[rank:], strict=True)]
    assert kept == (too_far or min(last) < 0)


@pytest.mark.parametrize("attributes", [{"group": 2, "strides": [2, 2]}, {"strides": [2, 1]}])
def test_what_stays_where_the_size_of_the_image_is_not_known(attributes):
    graph = deconvolution((4, "h", "w"), 4, (3, 3), **attributes)
    assert transposed.as_convolutions(graph) is graph
    whole = deconvolution((4, "h", "w"), 4, (3, 3), dilations=[2, 1])
    assert not any(isinstance(n, ConvTranspose) for n in transposed.as_convolutions(whole).nodes)


def test_no_zeros_are_multiplied_where_the_stride_divides_the_kernel():
    graph = deconvolution((8, 5, 5), 4, (4, 4), strides=[2, 2], pads=[1, 1, 1, 1])
    (conv,) = (n for n in transposed.as_convolutions(graph).nodes if isinstance(n, Conv))
    (before,) = graph.nodes
    assert (conv.kernel, conv.weight.words) == ((2, 2), before.weight.size)
    assert (conv.weight.to_dense() != 0).all()


@pytest.mark.parametrize("between", [[], ["Relu"], ["Relu", "Tanh"]])
def test_pixels_are_shuffled_whole_behind_a_convolution(between):
    weight, bias = (RNG.normal(size=s).astype(np.float32) for s in ((12, 3, 3, 3), (12,)))
    names = ["c", *(f"a{i}" for i in range(len(between)))]
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv", pads=[1] * 4)]
    nodes += [helper.make_node(op, [names[i]], [names[i + 1]], name=op) for i, op in enumerate(between)]
    nodes += [helper.make_node("DepthToSpace", [names[-1]], ["y"], name="shuffle", blocksize=2, mode="CRD")]
    graph = graph_of(nodes, {"w": weight, "b": bias}, (3, 5, 6), 2)
    found = transposed.as_convolutions(graph)
    assert [n.mode for n in found.nodes if isinstance(n, DepthToSpace)] == ["DCR"]
    x = RNG.normal(size=(2, 3, 5, 6)).astype(np.float32)
    np.testing.assert_allclose(run(found, x), run(graph, x), rtol=1e-5, atol=1e-6)


def test_a_shuffle_stays_where_something_else_reads_the_convolution():
    weight = RNG.normal(size=(12, 3, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("DepthToSpace", ["c"], ["d"], name="shuffle", blocksize=2, mode="CRD"),
        helper.make_node("ReduceMean", ["c"], ["m"], name="mean", keepdims=1, axes=[1, 2, 3]),
        helper.make_node("Add", ["d", "m"], ["y"], name="sum"),
    ]
    graph = graph_of(nodes, {"w": weight}, (3, 4, 4), 2)
    assert transposed.as_convolutions(graph) is graph
