# SPDX-License-Identifier: Apache-2.0
"""Designs made by hand: float layers, quantized, with the parallelism that a test asks for, placed and simulated."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from layers.activations import EXAMPLES

from swm.accelerator.backend import GENERIC, VITIS
from swm.accelerator.design import Design, Schedule
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.lower import lower
from swm.accelerator.placement import place
from swm.accelerator.quantize import quantize_layers
from swm.accelerator.simulation import simulated
from swm.device.board import load_board
from swm.engine import FloatEngine
from swm.graph import AveragePool, Graph, Linear, MaxPool, Pad, Reshape, Resize, TensorType, Value
from swm.layers.convolution import tap_major
from swm.layers.formats import best_format
from swm.layers.functions import evaluate
from swm.layers.geometry import Geometry
from swm.layers.layernorm import NormLayer
from swm.layers.matmul.kind import MatMulLayer
from swm.layers.offset import OffsetLayer
from swm.layers.recurrent import RecurrentLayer
from swm.layers.registry import kind
from swm.layers.rotary import RotaryLayer
from swm.layers.softmax import SoftmaxLayer
from swm.layers.values import FloatLayer
from swm.layers.window import seen
from swm.structure import BlockCirculant, BlockCirculantConv, Dense, project


class Sketch:
    """A network drawn layer by layer; tensors are named, values of a calibration set flow along."""

    def __init__(self, channels, *, positions=1, bits=12, seed=0, name="sketch", samples=64):
        self.rng = np.random.default_rng(seed)
        self.bits, self.name = bits, name
        mixed = self.rng.normal(size=(samples, 8)) @ self.rng.normal(size=(8, channels * positions)) / 3
        self.inputs = mixed.astype(np.float32)
        self.values = {"x": mixed.reshape(-1, channels)}
        self.formats = {"x": best_format(mixed, bits)}
        self.layers = []

    def product(self, source, target, m, *, block=None, positions=1, activation="identity", node=None):
        """A dense matrix, or a block-circulant one; `positions` splits a frame anew (a reshape)."""
        x = self.values[source].reshape(len(self.inputs) * positions, -1)
        n = x.shape[1]
        matrix = (self.rng.normal(size=(m, n)) / np.sqrt(n)).astype(np.float32)
        weight = Dense(matrix) if block is None else BlockCirculant(project(matrix, block).astype(np.float32), (m, n))
        bias = (self.rng.normal(size=m) / 4).astype(np.float32)
        y = x @ np.asarray(weight.to_dense(), np.float64).T + bias
        name = "dense" if block is None else "circulant"
        made = {"weight": weight, "bias": bias, "m": m, "shapes": ((n, positions),), "positions": positions}
        return self._add(name, (source,), target, (x,), y, activation, node, made)

    def convolution(self, source, target, m, geometry, *, block=None, groups=1, activation="identity"):
        """A kernel over a grid: plain, block-circulant, or one a channel."""
        x = self.values[source]
        n, taps = x.shape[1], geometry.taps
        tensor = self.rng.normal(size=(m, n // groups, *geometry.kernel)).astype(np.float32) / np.sqrt(n)
        weight = Dense(tap_major(tensor.reshape(m, -1), tensor.shape[1]))
        if block is not None:
            weight = BlockCirculantConv.from_dense(tensor, block=block)
            tensor = weight.to_tensor()
        bias = (self.rng.normal(size=m) / 4).astype(np.float32)
        patches = seen(x.reshape(len(self.inputs), *geometry.grid, n), geometry).reshape(-1, taps, n)
        flat = tensor.reshape(groups, m // groups, -1, taps)
        apart = patches.reshape(-1, taps, groups, n // groups)
        y = np.einsum("stgc,gmct->sgm", apart, flat).reshape(-1, m)
        name = "depthwise" if groups == n == m else "conv" if block is None else "circulant_conv"
        made = {"weight": weight, "bias": bias, "m": m, "shapes": ((n, int(np.prod(geometry.grid))),)}
        made |= {"positions": int(np.prod(geometry.out)), "geometry": geometry, "groups": groups}
        return self._add(name, (source,), target, (x,), y + bias, activation, None, made)

    def add(self, a, b, target, *, activation="identity"):
        x, y = self.values[a], self.values[b]
        return self._join("add", (a, b), target, (x, y), x + y, activation)

    def concat(self, sources, target):
        values = tuple(self.values[s] for s in sources)
        return self._join("concat", tuple(sources), target, values, np.concatenate(values, axis=1), "identity")

    def scale(self, source, target, *, activation="identity", kind_name="scale"):
        x = self.values[source]
        n, positions = x.shape[1], len(x) // len(self.inputs)
        gain, bias = self.rng.uniform(0.5, 2, n).astype(np.float32), self.rng.normal(size=n).astype(np.float32)
        made = {"scale": gain, "bias": bias, "m": n, "shapes": ((n, positions),), "positions": positions}
        return self._add(kind_name, (source,), target, (x,), x * gain + bias, activation, None, made)

    def prelu(self, source, target):
        x = self.values[source]
        n, positions = x.shape[1], len(x) // len(self.inputs)
        slopes = self.rng.uniform(-0.5, 0.5, n).astype(np.float32)
        made = {"scale": slopes, "m": n, "shapes": ((n, positions),), "positions": positions}
        return self._add("prelu", (source,), target, (x,), np.where(x < 0, x * slopes, x), "identity", None, made)

    def normalize(self, source, target, *, kind_name="layernorm"):
        x = self.values[source]
        n, positions = x.shape[1], len(x) // len(self.inputs)
        gain, bias = self.rng.uniform(0.5, 2, n).astype(np.float32), self.rng.normal(size=n).astype(np.float32)
        centred = x if kind_name == "rmsnorm" else x - x.mean(1, keepdims=True)
        y = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * gain + bias
        made = {"gains": gain, "epsilon": 1e-5, "bias": bias, "m": n, "shapes": ((n, positions),)}
        made |= {"positions": positions, "float_layer": NormLayer}
        return self._add(kind_name, (source,), target, (x,), y, "identity", None, made)

    def offset(self, source, target, *, before=0, after=0, activation="identity"):
        """Constants for each value, `before` and `after` positions of constants alone around them."""
        x = self.values[source]
        n, positions = x.shape[1], len(x) // len(self.inputs)
        table = (self.rng.normal(size=(before + positions + after, n)) / 4).astype(np.float32)
        y = np.repeat(table[None].astype(np.float64), len(self.inputs), axis=0)
        y[:, before : before + positions] += x.reshape(-1, positions, n)
        made = {"table": table, "before": before, "m": n, "shapes": ((n, positions),)}
        made |= {"positions": len(table), "float_layer": OffsetLayer}
        return self._add("offset", (source,), target, (x,), y.reshape(-1, n), activation, None, made)

    def rotate(self, source, target, *, half, each=1, rows=None, activation="identity"):
        """Pairs of channels `half` apart, turned by an angle for each pair of a position and a row of the tables."""
        x = self.values[source]
        n, positions = x.shape[1], len(x) // len(self.inputs)
        angles = np.repeat(self.rng.normal(size=(rows or positions // each, n // 2 // half, 1, half)), 2, axis=2)
        sines = np.sin(angles) * [[[-1], [1]]]
        tables = np.stack([np.cos(angles), sines]).reshape(2, -1, n).astype(np.float32)
        cosine, sine = tables[:, np.arange(len(x)) // each % tables.shape[1]]
        y = x * cosine + x.reshape(len(x), -1, 2, half)[:, :, ::-1].reshape(x.shape) * sine
        made = {"m": n, "shapes": ((n, positions),), "positions": positions, "float_layer": RotaryLayer}
        made |= {"tables": tables, "each": each, "half": half}
        return self._add("rotary", (source,), target, (x,), y, activation, None, made)

    def softmax(self, source, target, *, factor=1.0, exact=False, hidden=None, each=1):
        """Over the channels, of values times a factor; quotients by a table of reciprocals, or exact ones."""
        x = self.values[source]
        if hidden is not None:
            x = np.where(hidden[np.arange(len(x)) // each % len(hidden)], -1e9, x)
        powers = np.exp(factor * (x - x.max(1, keepdims=True)))
        n, positions = x.shape[1], len(x) // len(self.inputs)
        made = {"factor": factor, "m": n, "shapes": ((n, positions),), "positions": positions}
        made |= {"float_layer": SoftmaxLayer, "hidden": hidden, "each": each}
        y = powers / powers.sum(1, keepdims=True)
        return self._add("softmax", (source,), target, (x,), y, "identity", None, made, exact=exact)

    def mix(self, a, b, target, *, heads, inner, inside=True, stored_inside=True, along_inner=True, shared=1):
        """The product of two streams for every head, in the orders that `HeadProducts` names; tokens are split anew."""
        samples, stored = len(self.inputs), heads // shared

        def matrices(tensor, count, lines_inside, line):
            values = self.values[tensor].reshape(samples, *((-1, count) if lines_inside else (count, -1)), line)
            return values.swapaxes(1, 2) if lines_inside else values

        x = matrices(a, heads, inside, inner)
        columns = self.values[b].size // samples // stored // inner
        lines = matrices(b, stored, stored_inside, inner if along_inner else columns)
        each = np.repeat(lines, shared, axis=1)
        y = x @ (each.swapaxes(2, 3) if along_inner else each)
        y = (y.swapaxes(1, 2) if inside else y).reshape(-1, columns)
        positions = len(y) // samples
        made = {"shapes": ((inner, positions), (lines.shape[3], stored * lines.shape[2])), "m": columns}
        made |= {"positions": positions, "heads": heads, "heads_inside": inside, "stored_inside": stored_inside}
        made |= {"along_inner": along_inner, "shared": shared, "float_layer": MatMulLayer}
        return self._add("matmul", (a, b), target, (x, lines), y, "identity", None, made)

    def reverse(self, source, target):
        """The positions of a frame from its end."""
        x = self.values[source]
        positions, n = len(x) // len(self.inputs), x.shape[1]
        made = {"m": n, "shapes": ((n, positions),), "positions": positions}
        y = x.reshape(-1, positions, n)[:, ::-1].reshape(x.shape)
        return self._add("reverse", (source,), target, (x,), y, "identity", None, made)

    def recurrent(
        self, source, target, cell, hidden, *, block=None, projection=None, peepholes=False, start=False, bound=0.0,
        last=False, cells=False, gates=None, states=(),
    ):  # fmt: skip
        """An LSTM, GRU or RNN over a frame; `start`: initial states other than zero, `states`: tensors of them."""
        x = self.values[source]
        n, steps = x.shape[1], len(x) // len(self.inputs)
        rows, m = hidden * {"rnn": 1, "lstm": 4, "gru": 3, "gru_after": 3}[cell], projection or hidden
        made = {
            "weight": self._weight(rows, n, block),
            "recurrent": self._weight(rows, m, block),
            "projection": self._weight(m, hidden, block) if projection else None,
            "peepholes": (self.rng.normal(size=(3, hidden)) / 4).astype(np.float32) if peepholes else None,
            "input_bias": (self.rng.normal(size=rows) / 4).astype(np.float32),
            "state_bias": (self.rng.normal(size=rows) / 4).astype(np.float32),
            "initial_h": (self.rng.uniform(-0.9, 0.9, m) * start).astype(np.float32),
            "initial_c": (self.rng.uniform(-0.9, 0.9, hidden) * start).astype(np.float32),
            "gates": gates or ((("sigmoid", ()), ("tanh", ()), ("tanh", ())) if cell != "rnn" else (("tanh", ()),)),
            "cell": cell,
            "hidden": hidden,
            "bound": bound,
            "last": last,
            "cells": cells,
            "wide": cells,
            "float_layer": RecurrentLayer,
            "m": m,
            "shapes": ((n, steps), *((hidden, 1) for _ in states)),
            "positions": (1 if last else steps) + cells,
        }
        if cell.startswith("gru"):
            made["gates"] = made["gates"][:2]
        probe = {k: v for k, v in made.items() if k != "float_layer"}
        sources, values = (source, *states), (x, *(self.values[t] for t in states))
        layer = RecurrentLayer("recurrent", "", "", sources, target, **probe)
        y = kind("recurrent").run_float(layer, values)
        return self._add("recurrent", sources, target, values, y, "identity", None, made)

    def _weight(self, m, n, block):
        matrix = (self.rng.normal(size=(m, n)) / np.sqrt(n)).astype(np.float32)
        return Dense(matrix) if block is None else BlockCirculant(project(matrix, block).astype(np.float32), (m, n))

    def _join(self, name, sources, target, values, y, activation):
        positions = len(y) // len(self.inputs)
        shapes = tuple((v.shape[1], positions) for v in values)
        made = {"m": y.shape[1], "shapes": shapes, "positions": positions}
        return self._add(name, sources, target, values, y, activation, None, made)

    def _add(self, name, sources, target, values, y, activation, node, made, *, exact=False):
        index = len(self.layers)
        layer = made.pop("float_layer", FloatLayer)(
            kind=name,
            name=f"l{index}_{name}",
            node=f"node{index}" if node is None else node,
            inputs=sources,
            output=target,
            activation=activation,
            parameters=EXAMPLES[activation],
            **made,
        )
        y = evaluate(activation, EXAMPLES[activation], y)
        formats = tuple(self.formats[s] for s in sources)
        spec = kind(name).spec(layer, self.bits)
        fixed = kind(name).quantize(kind(name).divided_exactly(spec) if exact else spec, layer, values, y, formats)
        self.layers.append(fixed)
        self.values[target], self.formats[target] = y, fixed.output_format
        return self

    def graph(self):
        last = self.layers[-1].output
        return FixedGraph(self.name, tuple(self.layers), None, None, self.bits, "x", "y", last, {})


def design(graph, backend="vitis", *, built=None, ends=(1, 1), board="pynq-z2", clock_mhz=100.0, **options):
    """Place a graph; `built` changes the minimal parallelism of layers, by name; `options` change the back end."""
    built = built or {}
    made = load_board(board)
    chosen = [replace(kind(s.kind).minimal(s), **built.get(s.name, {})) for s in graph.specs]
    placed = simulated(place(graph.shape, chosen, ends, made.dsp_ports), clock_mhz)
    taken = replace({"vitis": VITIS, "generic": GENERIC}[backend], **options)
    layers, edges = placed.placement.layers, placed.placement.edges
    return Design(graph, Schedule(made, clock_mhz, taken, layers, edges, placed.interval, placed.latency))


def mlp(*, bits=12, **options):
    """The small network of the golden texts: blocks of 8, then dense."""
    sketch = Sketch(24, bits=bits, **options)
    return sketch.product("x", "h", 16, block=8, activation="relu").product("h", "y", 4).graph()


def residual(*, bits=12, **options):
    """The other one: a path around two layers, joined by a sum."""
    sketch = Sketch(16, bits=bits, **options)
    sketch.product("x", "a", 16, block=4, activation="relu").product("a", "b", 16, block=8)
    return sketch.add("a", "b", "c", activation="relu").product("c", "y", 4).graph()


def curves(*, bits=6, **options):
    """One activation of each form: bounds, a slope, lines with a rectified part, constants."""
    sketch = Sketch(6, bits=bits, **options)
    sketch.product("x", "a", 5, activation="leaky_relu").product("a", "b", 6, block=2, activation="swish")
    return sketch.product("b", "c", 5, activation="sigmoid").product("c", "y", 4, activation="clip").graph()


def normal(*, bits=8, **options):
    """A normalisation between two matrices."""
    return Sketch(6, bits=bits, **options).product("x", "a", 5).normalize("a", "b").product("b", "y", 4).graph()


def convolutions(*, bits=8, **options):
    """A plain, a block-circulant and a depthwise kernel over a small image, then a matrix over all of it."""
    first = Geometry.of((4, 5), (3, 3), (1, 2), (1, 1), (1, 1, 1, 1))
    second = Geometry.of(first.out, (2, 3), (1, 1), (2, 1), (1, 1, 1, 1))
    third = Geometry.of(second.out, (3, 1), (2, 1), (1, 1), (0, 0, 1, 0))
    sketch = Sketch(2, positions=20, bits=bits, **options)
    sketch.convolution("x", "a", 6, first, activation="relu").convolution("a", "b", 4, second, block=4)
    return sketch.convolution("b", "c", 4, third, groups=4).product("c", "y", 3).graph()


@lru_cache
def groups(*, bits=8):
    """Kernels of channels in groups: plain, with blocks that are transformed at once, and pass by pass."""
    geometry = Geometry.of((3, 2), (2, 2), (1, 1), (1, 1), (1, 0, 0, 1))
    sketch = Sketch(4, positions=6, bits=bits, seed=2)
    sketch.convolution("x", "a", 16, geometry, groups=2, activation="relu")
    sketch.convolution("a", "b", 64, geometry, block=4, groups=2)
    return sketch.convolution("b", "y", 64, geometry, block=32, groups=2).graph()


@lru_cache
def images(*, bits=8, name="images"):
    """Kinds that look at several positions of an image, and the order that a block-circulant matrix asks for."""
    steps = [
        (AveragePool, "a", (3, 3, 2), {**WINDOW, "kernel": (3, 3), "pads": (1, 1, 1, 1)}),
        (Pad, "b", (3, 4, 2), {"pads": (0, 0, 0, 0, 0, 0, 1, 0), "value": 0.25}),
        (Resize, "c", (3, 4, 4), {"mode": "nearest", "scales": (1.0, 1.0, 1.0, 2.0)}),
        (MaxPool, "d", (3, 2, 2), {**WINDOW, "kernel": (2, 2), "pads": (0, 0, 0, 0)}),
        (Reshape, "e", (12,), {"shape": (-1, 12)}),
        (Linear, "y", (8,), {"weight": _blocks(8, 12, 4)}),
    ]
    return of_nodes(steps, (3, 5, 4), bits, name)


def of_nodes(steps, sizes, bits, name):
    """Nodes, given as (class, tensor, its sizes, fields), quantized on random inputs of `sizes`.

    Each reads the tensor before it, or those that its fields name as `inputs`.
    """
    nodes, types, source = [], {"x": TensorType(1, ("batch", *sizes))}, "x"
    for op, target, made, fields in steps:
        nodes.append(op(**{"name": f"node_{target}", "inputs": (source,), "outputs": (target,), **fields}))
        types[target] = TensorType(1, ("batch", *made))
        source = target
    ends = [tuple(Value(t, types[t]) for t in tensors) for tensors in ("x", source)]
    graph = Graph(name, *ends, tuple(nodes), types=types).verify()
    lowered = lower(graph)
    x = np.random.default_rng(0).normal(size=(16, *sizes)).astype(np.float32)
    values = FloatEngine(graph, list(lowered.tensors), deterministic=True).run({"x": x})
    return replace(quantize_layers(graph, lowered, bits, values), source=None)


WINDOW = {"strides": (2, 2), "dilations": (1, 1)}


def _blocks(m, n, block):
    matrix = np.random.default_rng(1).normal(size=(m, n)) / np.sqrt(n)
    return BlockCirculant(project(matrix, block).astype(np.float32), (m, n))


def sequence(*, bits=8, **options):
    """An LSTM of circulant gates over three steps, its last one to a matrix."""
    sketch = Sketch(6, positions=3, bits=bits, **options)
    return sketch.recurrent("x", "h", "lstm", 8, block=4, peepholes=True, last=True).product("h", "y", 4).graph()
