# SPDX-License-Identifier: Apache-2.0
"""Networks of several heads or inputs: hardware reads one tensor and writes one; the host joins and takes apart."""

import numpy as np
import pytest
from host_models import Builder, load
from onnx import TensorProto
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


def twins(path):
    """How far two images are apart, by one network for both."""
    model = Builder(2, 4, 6)
    kernel = model.constant(model.rng.normal(size=(4, 2, 3, 3)) / 4)
    weight = model.constant(model.rng.normal(size=(96, 8)) / 10)
    made = []
    for tensor in ("x", model.input("y", 2, 4, 6)):
        inner = model.node("Relu", model.node("Conv", tensor, kernel, pads=[1] * 4))
        made.append(model.node("MatMul", model.node("Flatten", inner), weight))
    apart = model.node("Sub", *made)
    return model.save(path, model.node("ReduceSum", model.node("Mul", apart, apart), model.constant([1], np.int64)))


def driver(path):
    """A steering angle and a speed from an image and large numbers beside it; the host casts what is no float."""
    model = Builder(2, 4, 6, elem=TensorProto.UINT8)
    image = model.node("Div", model.node("Cast", "x", to=TensorProto.FLOAT), model.constant([128.0]))
    inner = model.node("Flatten", model.node("Relu", convolution(model, image, 2, 4, 3)))
    beside = model.node("Relu", model.linear(model.input("y", 3), 3, 8))
    joined = model.node("Concat", inner, beside, axis=1)
    return model.save(path, model.linear(joined, 104, 2), model.node("Tanh", model.linear(joined, 104, 1)))


CASES = {
    "heads": (heads, [(8,)], 5 + 1 + 12, 8 * 12 + 12 * 6),
    "detector": (detector, [(3, 8, 8)], 20 * (2 + 4), 16 * 27 * 8 + 4 * 72 * 8 + 20 * 8 * 6),
    "images": (images_and_numbers, [(2, 4, 6)], 24 * 3 + 1, 24 * 18 * 4 + 24 * 36 * 3 + 4),
    "twins": (twins, [(2, 4, 6), (2, 4, 6)], 2 * 8, 2 * (24 * 18 * 4 + 96 * 8)),
    "driver": (driver, [(2, 4, 6), (3,)], 2 + 1, 24 * 18 * 4 + 3 * 8 + 104 * 3),
}


def feeds(shapes, samples, seed):
    """Normal values; those of an image of bytes beside numbers, and of these a thousand times as large."""
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=(samples, *shape)).astype(np.float32) for shape in shapes]
    if len(values) == 2 and shapes[0] != shapes[1]:
        values = [np.clip(128 + 40 * values[0], 0, 255).astype(np.uint8), 1000 * values[1]]
    return dict(zip("xy", values, strict=False))


@pytest.mark.parametrize("name", CASES)
def test_all_products_are_in_hardware_and_the_parts_are_the_network(name, tmp_path):
    make, shapes, values, products = CASES[name]
    made = swm.split(load(make(tmp_path / "m.onnx")))
    assert (made.verdict, made.share, made.outside, made.multiplications) == ("with host parts", 1.0, (), products)
    assert made.hardware.sample_shape(made.cut[1]) == (values,)
    assert ("Concat" in ops(made.hardware), ops(made.before)[-1:] == ["Concat"]) == (True, len(shapes) > 1)
    same(made, feeds(shapes, 7, 1))


@pytest.mark.parametrize(
    ("name", "backend"),
    [("heads", "generic"), ("detector", "generic"), ("images", "vitis"), ("twins", "vitis"), ("driver", "generic")],
)
def test_words_and_answers_of_a_project(name, backend, tmp_path):
    """Parts in very different ranges share one format: each is brought to the range of the largest."""
    make, shapes, values, _ = CASES[name]
    graph, x = load(make(tmp_path / "m.onnx")), feeds(shapes, 50, 2)
    fixed = swm.quantize(graph, bits=14, calibration=x)
    wanted, found = (swm.run(one, x) for one in (graph, fixed))
    for tensor, value in wanted.items():
        assert np.linalg.norm(found[tensor] - value) < 0.01 * np.linalg.norm(value), tensor
    assert swm.check(graph, backend="rtl").hardware == "with host parts"
    project = swm.emit(
        fixed, board="pynq-z2", path=tmp_path / "p", backend=backend, vectors={tensor: a[:3] for tensor, a in x.items()}
    )
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
