# SPDX-License-Identifier: Apache-2.0
"""Networks of random integers and random parallelism, and many emitted projects as one C++ file."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
from layers.activations import EXAMPLES

from swm.accelerator.design import Design, Schedule
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.placement import place
from swm.accelerator.simulation import simulated
from swm.device.board import load_board
from swm.device.primitives import packs
from swm.layers.add import AddSpec
from swm.layers.circulant import CirculantSpec
from swm.layers.circulant.built import CirculantBuilt
from swm.layers.circulant.spec import forward_shifts
from swm.layers.concat import ConcatSpec
from swm.layers.dense import DenseBuilt, DenseSpec
from swm.layers.functions import TABLES
from swm.layers.layernorm import LayerNormSpec
from swm.layers.registry import kind
from swm.layers.roots import roots
from swm.layers.rotary import RotarySpec
from swm.layers.scale import ScaleSpec
from swm.layers.values import FixedLayer, Format, TensorShape, clog2

ACTIVATIONS = tuple(EXAMPLES)
BLOCKS = (2, 4, 8, 16, 32, 64)
FRAMES = 6
MOST_LANES = 32  # multipliers of a layer, so that compilers take seconds
WIDEST = 4096


def integers(rng, bits, shape):
    """Random integers, the ends of the range among them."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    values = rng.integers(low, high + 1, shape)
    return np.where(rng.random(shape) < 0.1, rng.choice([low, high], shape), values)


class Drawing:
    """A network drawn at random, layer by layer; the values of its frames flow along and choose binary points."""

    def __init__(self, seed):
        self.rng = rng = np.random.default_rng(seed)
        self.turn = 4 * sum(seed)  # so that a few networks show every activation
        self.layers = []
        bits, channels, positions = self.bits(), int(rng.integers(3, 40)), int(rng.choice([1, 1, 2, 3, 4]))
        self.frames = integers(rng, bits, (FRAMES, channels * positions))
        self.frames[0], self.frames[1] = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        self.tensors = {"x": (Format(bits, int(rng.integers(0, bits + 3))), TensorShape(channels, bits, positions))}
        self.values = {"x": self.frames}
        here = "x"
        for _ in range(int(rng.integers(2, 5))):
            here = getattr(self, rng.choice(["chain", "residual", "rotate", "side", "scale", "regroup", "normal"]))(
                here
            )
        last = self.product(here, int(rng.integers(1, 9)), block=None, activation="identity")
        self.graph = FixedGraph("random", tuple(self.layers), None, None, bits, "x", "y", last, {})

    def bits(self):
        return int(self.rng.integers(4, 19))

    def activation(self):
        self.turn += 1
        return ACTIVATIONS[self.turn % len(ACTIVATIONS)]

    def block(self):
        return [None, *BLOCKS][int(self.rng.integers(len(BLOCKS) + 1))]

    def chain(self, source):
        return self.product(source, int(self.rng.integers(3, 40)))

    def residual(self, source):
        """A path around one or two layers."""
        n = self.tensors[source][1].channels
        inner = source if self.rng.random() < 0.5 else self.chain(source)
        return self.add(source, self.product(inner, n))

    def side(self, source):
        """Two or three tensors side by side."""
        first = self.product(source, 4 * int(self.rng.integers(1, 6)))
        more = [source] if self.rng.random() < 0.5 else [source, self.product(source, int(self.rng.integers(1, 20)))]
        return self.concat([first, *more])

    def regroup(self, source):
        """The same values of a frame in tokens of another size."""
        shape = self.tensors[source][1]
        total = shape.channels * shape.positions
        sizes = [d for d in range(2, total + 1) if total % d == 0 and total // d <= 8]
        n = int(self.rng.choice(sizes or [total]))
        return self.product(source, int(self.rng.integers(3, 30)), positions=total // n)

    def product(self, source, m, *, positions=None, block=0, activation=None):
        rng, (form, shape) = self.rng, self.tensors[source]
        positions = positions or shape.positions
        n = shape.channels * shape.positions // positions
        block = self.block() if block == 0 else block
        activation, weight_bits, out_bits = activation or self.activation(), self.bits(), self.bits()
        name = f"l{len(self.layers)}_" + ("dense" if block is None else f"circulant{block}")
        shapes = (TensorShape(n, form.bits, positions),), TensorShape(m, out_bits, positions)
        acc_shift = 0
        if block is None:
            spec = DenseSpec(name, *shapes, activation, weight_bits, parameters=EXAMPLES[activation])
            weights = integers(rng, weight_bits, (m, n))
        else:
            shifts = forward_shifts(form.bits, block)
            if block > 2 and rng.random() < 0.3:
                shifts = clog2(block) // 2
            more = {"parameters": EXAMPLES[activation]}
            spec = CirculantSpec(name, *shapes, activation, block, weight_bits, shifts, **more)
            weights = integers(rng, weight_bits, (spec.p, spec.q, block // 2, 2))
            acc_shift = max(0, spec.accumulator_bits - spec.rounded_bits - int(rng.integers(0, 6)))
        bias = integers(rng, spec.bias_bits, m) >> int(rng.integers(0, 5))
        arrays = {"weights": weights, "bias": bias}

        def made(value_frac, output):
            weight_frac = value_frac - form.frac + acc_shift
            return FixedLayer(spec, name, (source,), f"{name}_t", (form,), output, arrays, weight_frac, acc_shift)

        return self.lively(made, spec.value_bits, out_bits, activation)

    def scale(self, source):
        form, shape = self.tensors[source]
        weight_bits, out_bits, activation = self.bits(), self.bits(), self.activation()
        name = f"l{len(self.layers)}_scale"
        ends = (shape,), replace(shape, bits=out_bits)
        spec = ScaleSpec(name, *ends, activation, weight_bits, parameters=EXAMPLES[activation])
        arrays = {
            "weights": integers(self.rng, weight_bits, shape.channels),
            "bias": integers(self.rng, spec.bias_bits, shape.channels) >> 2,
        }

        def made(value_frac, output):
            return FixedLayer(spec, name, (source,), f"{name}_t", (form,), output, arrays, value_frac - form.frac)

        return self.lively(made, spec.value_bits, out_bits, activation)

    def normal(self, source):
        form, shape = self.tensors[source]
        if shape.channels < 2:
            return self.scale(source)
        weight_bits, out_bits, activation = self.bits(), self.bits(), self.activation()
        name, frac = f"l{len(self.layers)}_normal", int(self.rng.integers(2, out_bits + 3))
        ends = (shape,), replace(shape, bits=out_bits)
        spec = LayerNormSpec(name, *ends, activation, weight_bits, parameters=EXAMPLES[activation])
        table = roots(min(frac + 2, 18))
        arrays = {
            "weights": integers(self.rng, weight_bits, shape.channels),
            "bias": integers(self.rng, spec.bias_bits, shape.channels) >> 8,
            "epsilon": np.array([1 + int(self.rng.integers(2)) * 12345]),
            "roots": np.stack([table.starts, table.rises], axis=1),
        }
        shift = form.frac - frac

        def made(value_frac, output):
            more = arrays, value_frac - frac, shift
            return FixedLayer(spec, name, (source,), f"{name}_t", (form,), output, *more)

        return self.lively(made, spec.value_bits, out_bits, activation)

    def rotate(self, source):
        """Pairs of channels turned, neighbours or further apart; sometimes those behind them stay as they are."""
        rng = self.rng
        if self.tensors[source][1].channels % 2:
            source = self.product(source, 4 * int(rng.integers(1, 9)))
        form, shape = self.tensors[source]
        n, weight_bits, out_bits, activation = shape.channels, self.bits(), self.bits(), self.activation()
        half = int(rng.choice([1] if rng.random() < 0.4 else [d for d in range(1, n // 2 + 1) if n % (2 * d) == 0]))
        each = int(rng.choice([d for d in range(1, shape.positions + 1) if shape.positions % d == 0]))
        rows = int(rng.choice([d for d in range(1, shape.positions // each + 1) if shape.positions // each % d == 0]))
        cosines, sines = tables = integers(rng, weight_bits, (2, rows, n // 2 // half, 2, half))
        turned = int(rng.integers(1, n // 2 // half + 1))
        cosines[:, turned:], sines[:, turned:] = 1 << (weight_bits - 2), 0
        name = f"l{len(self.layers)}_rotary"
        ends = (shape,), replace(shape, bits=out_bits)
        more = {"half": half, "rows": rows, "each": each, "weight_bits": weight_bits}
        spec = RotarySpec(name, *ends, activation, parameters=EXAMPLES[activation], **more)
        arrays = dict(zip(("cosines", "sines"), tables.reshape(2, rows, n), strict=True))

        def made(value_frac, output):
            return FixedLayer(spec, name, (source,), f"{name}_t", (form,), output, arrays, value_frac - form.frac)

        return self.lively(made, spec.value_bits, out_bits, activation)

    def add(self, a, b):
        formats, shape = (self.tensors[a][0], self.tensors[b][0]), self.tensors[a][1]
        out_bits, activation, name = self.bits(), self.activation(), f"l{len(self.layers)}_add"
        value_frac = max(f.frac for f in formats)
        ends = (shape, self.tensors[b][1]), replace(shape, bits=out_bits)
        spec = AddSpec(name, *ends, activation, parameters=EXAMPLES[activation])

        def made(_, output):
            return FixedLayer(spec, name, (a, b), f"{name}_t", formats, output)

        width = max(f.bits + value_frac - f.frac for f in formats) + 1
        return self.lively(made, width, out_bits, activation, value_frac)

    def concat(self, sources):
        formats, shapes = zip(*(self.tensors[s] for s in sources), strict=True)
        name, bits = f"l{len(self.layers)}_concat", self.bits()
        output = TensorShape(sum(s.channels for s in shapes), bits, shapes[0].positions)
        spec = ConcatSpec(name, shapes, output)
        frac = int(np.median([f.frac for f in formats])) + int(self.rng.integers(-2, 3))
        return self.keep(FixedLayer(spec, name, tuple(sources), f"{name}_t", formats, Format(bits, frac)))

    def lively(self, made, width, out_bits, activation, value_frac=None):
        """Keep the layer at binary points that leave many values, few saturated: equal bits then say something."""
        rng, found = self.rng, []
        fits = activation not in TABLES  # tables take a while to make, fine ones most
        for shift in range(-2, width + 2, 1 if fits else 4):
            if fits:
                out_frac = int(rng.integers(2, 12)) if value_frac is None else value_frac - shift
                layer = made(out_frac + shift, Format(out_bits, out_frac))
            else:
                point = shift + 3 if value_frac is None else value_frac
                layer = made(point, Format(out_bits, min(out_bits - int(rng.integers(1, 4)), 10)))
            out, counts = self.run(layer)
            share = counts["output"] / out.size
            found.append((share < 0.25, min(len(np.unique(out)), 12), rng.random(), layer))
        return self.keep(max(found, key=lambda f: f[:3])[3])

    def run(self, layer):
        pairs = zip(layer.inputs, layer.spec.inputs, strict=True)
        values = tuple(self.values[tensor].reshape(-1, shape.channels) for tensor, shape in pairs)
        return kind(layer.spec.kind).run(layer, values)

    def keep(self, layer):
        self.layers.append(layer)
        self.values[layer.output], _ = self.run(layer)
        self.tensors[layer.output] = layer.output_format, layer.spec.output
        return layer.output


def draw_lively(seed):
    """A drawing whose outputs are more than constants."""
    for attempt in range(50):
        drawing = Drawing([seed, attempt])
        if len(np.unique(drawing.values[drawing.layers[-1].output])) > 6:
            return drawing
    raise AssertionError("the draw gives constant outputs only")


def power(rng, largest):
    return 1 << int(rng.integers(largest.bit_length()))


def random_implementation(rng, spec, ports):
    """One of the legal ways to build a layer, with few multipliers."""
    if isinstance(spec, CirculantSpec):
        return _until(lambda: _circulant(rng, spec, ports))
    if isinstance(spec, DenseSpec):
        return _until(lambda: _dense(rng, spec, ports))
    one = kind(spec.kind)
    return one.build(spec, int(rng.choice([vec for vec in one.choices(spec) if vec <= 16])))


def _until(draw):
    return next(built for built in iter(draw, 0) if built is not None)


def _circulant(rng, spec, ports):
    top = min(16, 4 * spec.block) if spec.unrolled else 16
    packed = int(packs(spec.weight_bits, spec.spectrum_bits, ports) and rng.random() < 0.6)
    rows, columns = int(rng.integers(1, 2 * spec.p + 1)), int(rng.integers(1, 2 * spec.q + 1))
    built = CirculantBuilt(
        spec,
        in_vec=power(rng, top),
        out_vec=power(rng, top),
        mac_rows=rows,
        mac_columns=columns,
        mac_bins=power(rng, spec.words),
        products=4 if packed or spec.weight_bits == 18 else 3,
        fabric_rows=int(rng.integers(rows + 1)) if rng.random() < 0.3 else 0,
        packed=packed,
        storage=str(rng.choice(["bram", "lutram"])),
    )
    if not built.valid or built.lanes > MOST_LANES or (packed and (rows % 2 or built.fabric_rows % 2)):
        return None
    return built if max(s.width for s in built.streams()) <= WIDEST else None


def _dense(rng, spec, ports):
    packed = int(packs(spec.weight_bits, spec.data_bits, ports) and rng.random() < 0.6)
    rows, columns = int(rng.integers(1, spec.m + 4)), power(rng, 16)
    built = DenseBuilt(
        spec,
        in_vec=power(rng, columns),
        out_vec=power(rng, 8),
        rows=rows,
        columns=columns,
        fabric_rows=int(rng.integers(rows + 1)) if rng.random() < 0.3 else 0,
        packed=packed,
    )
    if not built.valid or rows * columns > 2 * MOST_LANES or (packed and built.fabric_rows % 2):
        return None
    return built


def random_design(rng, graph, backend):
    """A design of random legal implementations."""
    board = load_board(str(rng.choice(["pynq-z2", "zcu104"])))
    chosen = [random_implementation(rng, spec, board.dsp_ports) for spec in graph.specs]
    ends = power(rng, 4), power(rng, 4)
    placed = simulated(place(graph.shape, chosen, ends, board.dsp_ports), 100.0)
    layers, edges = placed.placement.layers, placed.placement.edges
    return Design(graph, Schedule(board, 100.0, backend, layers, edges, placed.interval, placed.latency))


HEAD = """
#include <stdlib.h>
#include <string.h>
// Depth of a stream: SWM_DEPTHS="name=beats name=beats " overrules the design's.
inline int depth_of(const char* name, int beats) {
  const char* list = getenv("SWM_DEPTHS");
  const size_t length = strlen(name);
  for (const char* at = list; at != nullptr && *at != 0; at = strchr(at, ' ') + 1) {
    if (strncmp(at, name, length) == 0 && at[length] == '=') return atoi(at + length + 1);
  }
  return beats;
}
"""


def merged(projects):
    """Emitted projects in one C++ file, each in a namespace; the program's first argument says which one runs."""
    headers, bodies, cases = [], [], []
    for index, project in enumerate(projects):
        source = project / "src"
        names = [source / "layers.h", *sorted(source.glob("weights_*.h")), source / "top.h", source / "top.cpp"]
        top = "\n".join(name.read_text(encoding="utf-8") for name in names)
        bench = (project / "tb" / "testbench.cpp").read_text(encoding="utf-8")
        assert bench.count("int main(") == 1
        text = f"{top}\nnamespace bench {{\n{bench.replace('int main(', 'int main_of(')}\n}}\n"
        headers += [line for line in re.findall(r"^#include .*$", text, re.M) if re.search(r'<|"swm/|sdata|hls_', line)]
        text = re.sub(r'^(#include .*|#pragma once|extern "C" \{.*|\}  // extern "C")$', "", text, flags=re.M)
        text = re.sub(r"SWM_STREAM_DEPTH\((\w+), (\d+)\)", r'SWM_STREAM_DEPTH(\1, depth_of("\1", \2))', text)
        bodies.append(f"namespace n{index} {{\n{text}\n}}  // namespace n{index}\n")
        cases.append(f"    case {index}: return n{index}::bench::main_of(argc - 1, argv + 1);")
    main = ["int main(int argc, char** argv) {", "  switch (atoi(argv[1])) {", *cases, "  }", "  return 9;", "}", ""]
    return "\n".join([*dict.fromkeys(headers), HEAD, *bodies, *main])


def joins(graph):
    """Kinds and shapes that a set of networks should hold, as words."""
    found = {spec.kind for spec in graph.specs} | {spec.activation for spec in graph.specs}
    found |= {f"block {s.block}" for s in graph.specs if isinstance(s, CirculantSpec)}
    written = {layer.output: layer.spec.output for layer in graph.layers}
    for layer in graph.layers:
        for tensor, shape in zip(layer.inputs, layer.spec.inputs, strict=True):
            if tensor in written and written[tensor].positions != shape.positions:
                found.add("regrouped")
        if layer.spec.positions > 1:
            found.add("tokens")
        if isinstance(layer.spec, RotarySpec):
            found.add("rotated neighbours" if layer.spec.half == 1 else "rotated halves")
            found |= {"some left alone"} if not layer.arrays["sines"].any(axis=0).all() else set()
    readers = [t for layer in graph.layers for t in layer.inputs]
    if any(readers.count(t) > 2 for t in readers):
        found.add("three readers")
    if all(a.output in b.inputs for a, b in pairwise(graph.layers)) and len(readers) == len(graph.layers):
        found.add("chain")
    found |= {"whole blocks" for s in graph.specs if isinstance(s, CirculantSpec) and not s.m % s.block}
    found |= {
        "parts of blocks" for s in graph.specs if isinstance(s, CirculantSpec) and s.m % s.block and s.n % s.block
    }
    return found
