# SPDX-License-Identifier: Apache-2.0
"""Networks that are no chain, as ONNX files, and their quantization without the public API."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import swm
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.lower import lower
from swm.accelerator.quantize import quantize_layers
from swm.compress import fold_affine
from swm.engine import FloatEngine


class Model:
    """Writes nodes one after the other; `shape` of tensors is left to shape inference."""

    def __init__(self, *shape, seed=0):
        self.rng = np.random.default_rng(seed)
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape])
        self.nodes, self.weights = [], []

    def constant(self, values, dtype=np.float32):
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op, *inputs, name=None, outputs=1, **attributes):
        name = name or f"{op.lower()}{len(self.nodes)}"
        found = [f"{name}_out", *(f"{name}_out{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(op, list(inputs), found, name=name, **attributes))
        return found[0] if outputs == 1 else found

    def linear(self, tensor, n, m, name=None, bias=True):
        """MatMul and Add, which serve tokens too."""
        weight = self.constant(self.rng.normal(size=(n, m)) / np.sqrt(n))
        product = self.node("MatMul", tensor, weight, name=name)
        return self.node("Add", product, self.constant(self.rng.normal(size=m) / 4)) if bias else product

    def save(self, path, output, *shape):
        value = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", *shape] if shape else None)
        graph = helper.make_graph(self.nodes, "net", [self.input], [value], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.save(model, str(path))
        return swm.load(path)


def residual(path, width=24, hidden=16, outputs=5, depth=2, activation="Relu"):
    """An MLP with `depth` residual blocks."""
    model = Model(width)
    tensor = "x"
    for i in range(depth):
        inner = model.node(activation, model.linear(tensor, width, hidden, f"up{i}"))
        back = model.linear(inner, hidden, width, f"down{i}")
        tensor = model.node(activation, model.node("Add", tensor, back, name=f"join{i}"))
    return model.save(path, model.linear(tensor, width, outputs, "head"), outputs)


def tokens(path, positions=6, width=12, hidden=20, outputs=8, tail=()):
    """An MLP over every token of a sequence."""
    model = Model(positions, width)
    tensor = model.linear(model.node("Relu", model.linear("x", width, hidden, "up")), hidden, outputs, "down")
    for op in tail:
        tensor = model.node(op, tensor)
    return model.save(path, tensor, positions, outputs)


def branches(path, width=20):
    """Two branches of different scale joined along the channels, behind a fork."""
    model = Model(width)
    trunk = model.node("Relu", model.linear("x", width, 16, "trunk"))
    left = model.node("Tanh", model.linear(trunk, 16, 8, "left"))
    right = model.node("Mul", model.linear(trunk, 16, 16, "right"), model.constant([9.0]))
    joined = model.node("Concat", left, right, axis=1, name="join")
    return model.save(path, model.linear(joined, 24, 6, "head"), 6)


def quantized(graph, x, bits=12) -> FixedGraph:
    ready = fold_affine(graph)
    lowered = lower(ready)
    names = list(lowered.tensors)
    activations = FloatEngine(ready, names, deterministic=True).run({ready.inputs[0].name: x})
    return quantize_layers(ready, lowered, bits, activations)


def relative_error(fixed_values, want):
    return float(np.sqrt(np.mean((fixed_values - want) ** 2)) / want.std())


def smooth(*shape, seed=1):
    """Correlated inputs: what calibration sees in practice is never white noise."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(*shape[:-1], 8)) @ rng.normal(size=(8, shape[-1])) / 3).astype(np.float32)
