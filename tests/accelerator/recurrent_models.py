# SPDX-License-Identifier: Apache-2.0
"""Recurrent networks as exporters write them: transposes, squeezes and initial states that follow the batch."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import swm

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


class Exported:
    """Nodes and weights of one model."""

    def __init__(self, steps, n, batch="batch", seed=0):
        self.rng = np.random.default_rng(seed)
        self.steps, self.batch, self.nodes, self.weights = steps, batch, [], []
        self.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, steps, n])]

    def constant(self, values, dtype=np.float32):
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, op, *inputs, outputs=1, **attributes):
        names = [f"{op.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"{op}{len(self.nodes)}", **attributes))
        return names if outputs > 1 else names[0]

    def zeros(self, directions, hidden):
        """Initial states as torch's exporter writes them: zeros in the shape that the batch asks for."""
        size = self.node("Gather", self.node("Shape", "x"), self.constant([0], np.int64))
        ends = (self.constant([v], np.int64) for v in (directions, hidden))
        first, last = ends
        return self.node("ConstantOfShape", self.node("Concat", first, size, last, axis=0))

    def begun(self, state, d, hidden):
        """Constant states, or zeros."""
        both = (
            self.constant(self.rng.uniform(-0.5, 0.5, (d, 1, hidden))) if state == "constant" else self.zeros(d, hidden)
        )
        return both, both

    def given(self, op, d, hidden):
        """States that a caller gives, samples first: h, and c of an LSTM."""
        found = []
        for name in ("h", "c")[: 1 + (op == "LSTM")]:
            name = f"{name}_in{len(self.inputs)}"
            self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [self.batch, d, hidden]))
            found.append(self.time_first(name))
        return found[0], found[-1]

    def ends(self, lengths):
        """Where sequences end: constants, or ("given") numbers that a caller gives, of int64 as torch has them."""
        if lengths is None:
            return ""
        if lengths != "given":
            return self.constant(lengths, np.int32)
        if all(value.name != "lengths" for value in self.inputs):
            self.inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT64, [self.batch]))
        return self.node("Cast", "lengths", to=TensorProto.INT32)

    def layer(self, op, source, n, hidden, *, peepholes=False, state="computed", lengths=None, **attributes):
        """(time, batch, n) → Y and Y_h."""
        d = 2 if attributes.get("direction") == "bidirectional" else 1
        rows, rng = GATES[op] * hidden, self.rng
        w, r = rng.normal(size=(d, rows, n)) / np.sqrt(n), rng.normal(size=(d, rows, hidden)) / np.sqrt(hidden)
        h, c = self.given(op, d, hidden) if state == "given" else self.begun(state, d, hidden)
        inputs = [source, self.constant(w), self.constant(r), self.constant(rng.normal(size=(d, 2 * rows)) / 4)]
        inputs += [self.ends(lengths), h]
        if op == "LSTM":
            inputs += [c] + ([self.constant(rng.normal(size=(d, 3 * hidden)) / 4)] if peepholes else [])
        outputs = self.node(op, *inputs, outputs=3 if op == "LSTM" else 2, hidden_size=hidden, **attributes)
        return outputs[:2]

    def time_first(self, source):
        return self.node("Transpose", source, perm=[1, 0, 2])

    def flat(self, y, directions, hidden):
        """Y → (time, batch, directions * hidden)."""
        if directions == 1:
            return self.node("Squeeze", y, self.constant([1], np.int64))
        turned = self.node("Transpose", y, perm=[0, 2, 1, 3])
        return self.node("Reshape", turned, self.constant([0, 0, directions * hidden], np.int64))

    def linear(self, source, n, m):
        product = self.node("MatMul", source, self.constant(self.rng.normal(size=(n, m)) / np.sqrt(n)))
        return self.node("Add", product, self.constant(self.rng.normal(size=m)))

    def load(self, output, *shape):
        self.nodes[-1].output[0] = "out"
        assert output == self.nodes[-1].name.lower() + "_0"
        return self.load_several({"out": [self.batch, *shape]})

    def load_several(self, outputs):
        """The model with some tensors, of these shapes, as its outputs."""
        values = [helper.make_tensor_value_info(t, TensorProto.FLOAT, shape) for t, shape in outputs.items()]
        graph = helper.make_graph(self.nodes, "net", self.inputs, values, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        return swm.load(model)


def returning(*outputs, op="LSTM", n=12, hidden=8, steps=5, layers=1, **options):
    """Layers alone that return some of y (samples first), h and c, as torch's exporter writes it."""
    model = Exported(steps, n)
    source, ends = model.time_first("x"), []
    for layer in range(layers):
        y, h = model.layer(op, source, hidden if layer else n, hidden, **options)
        source = model.flat(y, 1, hidden)
        ends.append((h, f"{y[:-1]}2"))
    states = list(zip(*ends, strict=True))[: 1 + (op == "LSTM")]
    states = [of[0] if layers == 1 else model.node("Concat", *of, axis=0) for of in states]
    shapes = [[model.batch, steps, hidden], *[[layers, model.batch, hidden]] * len(states)]
    tensors = dict(zip("yhc", zip([model.time_first(source), *states], shapes, strict=True), strict=False))
    return model.load_several(dict(tensors[name] for name in outputs))


def sequence(op="LSTM", n=12, hidden=16, steps=5, take="all", batch="batch", **options):
    """A layer over a sequence, then a matrix: all steps, the last one (`gather`, `slice`), or Y_h (`state`)."""
    model = Exported(steps, n, batch)
    d = 2 if options.get("direction") == "bidirectional" else 1
    y, final = model.layer(op, model.time_first("x"), n, hidden, **options)
    if take == "state":
        if d == 1:
            tensor = model.node("Squeeze", final, model.constant([0], np.int64))
        else:
            tensor = model.node("Reshape", model.time_first(final), model.constant([-1, d * hidden], np.int64))
    else:
        tensor = model.time_first(model.flat(y, d, hidden))
        if take == "gather":
            tensor = model.node("Gather", tensor, model.constant(-1, np.int64), axis=1)
        elif take == "slice":
            ends = (model.constant([v], np.int64) for v in (-1, 2**31 - 1, 1))
            tensor = model.node("Squeeze", model.node("Slice", tensor, *ends), model.constant([1], np.int64))
    shape = (steps, 4) if take == "all" else (4,)
    return model.load(model.linear(tensor, d * hidden, 4), *shape)
