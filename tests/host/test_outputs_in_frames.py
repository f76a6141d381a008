# SPDX-License-Identifier: Apache-2.0
"""Networks of several heads: what leaves the hardware leaves it as one tensor, which the host takes apart."""

import numpy as np
import pytest
from host_models import Builder, load
from test_cut import ops, same

import swm


def convolution(model, tensor, n, m, size=1, stride=1):
    weight = model.constant(model.rng.normal(size=(m, n, size, size)) / np.sqrt(n * size * size))
    return model.node("Conv", tensor, weight, strides=[stride] * 2, pads=[size // 2] * 4)


def heads(path):
    """A policy and a value behind one layer; the layer's own output is read, too."""
    model = Builder(8)
    hidden = model.node("Relu", model.linear("x", 8, 12))
    policy = model.node("Softmax", model.linear(hidden, 12, 5))
    return model.save(path, policy, model.node("Tanh", model.linear(hidden, 12, 1)), hidden)


def detector(path):
    """Classes and boxes from maps of two sizes, as single-shot detectors give them; boxes end in an Exp."""
    model = Builder(3, 8, 8)
    maps = [model.node("Relu", convolution(model, "x", 3, 8, 3, 2))]
    maps.append(model.node("Relu", convolution(model, maps[0], 8, 8, 3, 2)))
    joined = []
    for m in (2, 4):
        parts = []
        for tensor in maps:
            last = model.node("Transpose", convolution(model, tensor, 8, m), perm=[0, 2, 3, 1])
            parts.append(model.node("Reshape", last, model.constant([0, -1, m], np.int64)))
        joined.append(model.node("Concat", *parts, axis=1))
    return model.save(path, model.node("Softmax", joined[0], axis=-1), model.node("Exp", joined[1]))


def images_and_numbers(path):
    """An image of its own size, and one number for all of it."""
    model = Builder(2, 4, 6)
    inner = model.node("Relu", convolution(model, "x", 2, 4, 3))
    mean = model.node("Flatten", model.node("GlobalAveragePool", inner))
    return model.save(path, convolution(model, inner, 4, 3, 3), model.node("Sigmoid", model.linear(mean, 4, 1)))


CASES = {
    "heads": (heads, (8,), 5 + 1 + 12, 8 * 12 + 12 * 6),
    "detector": (detector, (3, 8, 8), 20 * (2 + 4), 16 * 27 * 8 + 4 * 72 * 8 + 20 * 8 * 6),
    "images": (images_and_numbers, (2, 4, 6), 24 * 3 + 1, 24 * 18 * 4 + 24 * 36 * 3 + 4),
}


@pytest.mark.parametrize("name", CASES)
def test_all_products_are_in_hardware_and_the_parts_are_the_network(name, tmp_path):
    make, shape, values, products = CASES[name]
    made = swm.split(load(make(tmp_path / "m.onnx")))
    assert (made.verdict, made.share, made.outside, made.multiplications) == ("with host parts", 1.0, (), products)
    assert made.hardware.sample_shape(made.cut[1]) == (values,)
    assert "Concat" in ops(made.hardware)
    same(made, {"x": np.random.default_rng(1).normal(size=(7, *shape)).astype(np.float32)})


@pytest.mark.parametrize(("name", "backend"), [("heads", "generic"), ("detector", "generic"), ("images", "vitis")])
def test_words_and_answers_of_a_project(name, backend, tmp_path):
    """Parts in very different ranges share one format: each is brought to the range of the largest."""
    make, shape, values, _ = CASES[name]
    graph = load(make(tmp_path / "m.onnx"))
    x = np.random.default_rng(2).normal(size=(50, *shape)).astype(np.float32)
    fixed = swm.quantize(graph, bits=14, calibration=x)
    wanted, found = (swm.run(one, {"x": x}) for one in (graph, fixed))
    for tensor, value in wanted.items():
        assert np.linalg.norm(found[tensor] - value) < 0.01 * np.linalg.norm(value), tensor
    assert swm.check(graph, backend="rtl").hardware == "with host parts"
    project = swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", backend=backend, vectors=x[:3])
    result = swm.verify(project)
    assert result.ok, result.first_mismatch
    assert result.words == 3 * values


def test_a_trunk_that_carries_the_network_keeps_its_heads_on_the_host(tmp_path):
    """One tensor that leaves is simpler: heads of few multiplications stay where they are."""
    model = Builder(40)
    trunk = model.node("Relu", model.linear("x", 40, 40))
    made = swm.split(load(model.save(tmp_path / "m.onnx", *(model.linear(trunk, 40, 1) for _ in range(2)))))
    assert (made.verdict, ops(made.hardware), made.outside != ()) == ("with host parts", ["Linear", "Relu"], True)


def test_what_is_no_sample_does_not_leave(tmp_path):
    """A sum over the samples is the host's, and so is all that it would need alone."""
    model = Builder(6)
    hidden = model.node("Relu", model.linear("x", 6, 8))
    total = model.node("ReduceSum", model.linear(hidden, 8, 2), model.constant([0], np.int64), keepdims=0)
    made = swm.split(load(model.save(tmp_path / "m.onnx", model.linear(hidden, 8, 4), total)))
    assert (made.verdict, made.share) == ("with host parts", 1.0)
    same(made, {"x": np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)})
