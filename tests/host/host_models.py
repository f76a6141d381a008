# SPDX-License-Identifier: Apache-2.0
"""Networks with parts that have no hardware form, as ONNX models."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import swm


class Builder:
    """Writes nodes one after the other; inputs are float and have "batch" as their first axis."""

    def __init__(self, *shape, seed=0, elem=TensorProto.FLOAT, batch="batch"):
        self.rng = np.random.default_rng(seed)
        self.batch = batch
        self.inputs = [helper.make_tensor_value_info("x", elem, [batch, *shape])]
        self.nodes, self.weights = [], []

    def input(self, name, *shape, batch=None):
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch or self.batch, *shape]))
        return name

    def constant(self, values, dtype=np.float32):
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op, *inputs, name=None, **attributes):
        name = name or f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    def linear(self, tensor, n, m, name=None):
        weight = self.constant(self.rng.normal(size=(n, m)) / np.sqrt(n))
        product = self.node("MatMul", tensor, weight, name=name)
        return self.node("Add", product, self.constant(self.rng.normal(size=m) / 4))

    def save(self, path, *outputs, elem=TensorProto.FLOAT):
        values = [helper.make_tensor_value_info(t, elem, None) for t in outputs]
        graph = helper.make_graph(self.nodes, "net", self.inputs, values, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.save(model, str(path))
        return str(path)


def classifier(path, batch="batch", name="fc1"):
    """Bytes of an image, normalised a channel, channels last to first, pooled; an MLP; Softmax and the class."""
    model = Builder(4, 6, 3, elem=TensorProto.UINT8, batch=batch)
    image = model.node("Cast", "x", to=TensorProto.FLOAT)
    image = model.node("Transpose", image, perm=[0, 3, 1, 2])
    image = model.node("Sub", image, model.constant([[[120.0]], [[110.0]], [[100.0]]]))
    image = model.node("Div", image, model.constant([[[60.0]], [[55.0]], [[50.0]]]))
    image = model.node("MaxPool", image, kernel_shape=[2, 2], strides=[2, 2])
    image = model.node("Abs", image)  # hardware has none
    hidden = model.node("Relu", model.linear(model.node("Flatten", image), 18, 16, name))
    scores = model.node("Softmax", model.linear(hidden, 16, 5, "fc2"), axis=-1)
    return model.save(path, model.node("ArgMax", scores, axis=1, keepdims=0), elem=TensorProto.INT64)


def images(samples=60, seed=3):
    """Smooth images of bytes, (samples, 4, 6, 3)."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.uniform(0, 1, (2, samples, 3, 3))
    ramp = [np.stack([np.ones(n), np.linspace(-1, 1, n), np.linspace(-1, 1, n) ** 2]) for n in (4, 6)]
    values = np.einsum("skc,ki,sjc,jl->silc", rows, ramp[0], columns, ramp[1])
    return np.clip(60 + 90 * values, 0, 255).astype(np.uint8)


def anomaly(path):
    """An autoencoder and the error of its reconstruction: the host reads the input again behind the hardware."""
    model = Builder(12)
    inner = model.node("Relu", model.linear("x", 12, 4, "down"))
    error = model.node("Sub", model.linear(inner, 4, 12, "up"), "x")
    return model.save(path, model.node("ReduceMean", model.node("Mul", error, error), axes=[1], keepdims=1))


def in_the_middle(path):
    """Erf between two layers: no cut leaves it at an end."""
    model = Builder(8)
    return model.save(path, model.linear(model.node("Erf", model.linear("x", 8, 8, "a")), 8, 4, "b"))


def load(path):
    return swm.load(path, simplify=True)
