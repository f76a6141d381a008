# SPDX-License-Identifier: Apache-2.0
"""Positions of a row side by side, emitted for both back ends: every word and every loop as the Python side says."""

import shutil
from dataclasses import replace
from math import prod

import numpy as np
import pytest
from convolution_networks import Drawn
from hls_tools import STAND_INS, UNDEFINED, UNOPTIMIZED, VITIS, compiler
from random_networks import FRAMES, integers
from test_random_networks import build, check, of_arrays

from swm.accelerator.backend import VITIS as STREAMS
from swm.accelerator.design import Design, Schedule
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.integers import run_integers
from swm.accelerator.placement import place
from swm.accelerator.simulation import simulated
from swm.accelerator.store_design import load_design, save_design
from swm.device.board import load_board
from swm.layers.add import AddSpec
from swm.layers.beside import Beside, beat_of, beside
from swm.layers.conv import ConvBesideBuilt, ConvBuilt, ConvSpec
from swm.layers.dense import DenseBesideBuilt, DenseSpec
from swm.layers.depthwise import DepthwiseBuilt, DepthwiseSpec
from swm.layers.geometry import Geometry
from swm.layers.pool import PoolBuilt, PoolSpec
from swm.layers.values import FixedLayer, Format, Implementation, TensorShape, clog2

ZCU104 = load_board("zcu104")


class Network:
    """Layers one after the other over random integers, each built as told; `columns`: input positions of a token."""

    def __init__(self, seed, bits, n, grid):
        self.rng, self.bits, self.grid = np.random.default_rng(seed), bits, grid
        self.frames = integers(self.rng, bits, (FRAMES, n * prod(grid)))
        self.shape = TensorShape(n, bits, prod(grid))
        self.layers, self.builts = [], []
        self.formats = {"x": Format(bits, bits - 2)}

    def conv(self, m, kernel, columns, *, strides=(1, 1), dilations=(1, 1), pads=(0, 0, 0, 0), rows=1, **more):
        geometry = Geometry.of(self.grid, kernel, strides, dilations, pads)
        n, bits, shape = self.shape.channels, self.bits, TensorShape(m, self.bits, prod(geometry.out))
        activation = "identity" if len(self.layers) % 2 else "relu"
        spec = ConvSpec(self.name, (self.shape,), shape, activation, geometry=geometry, weight_bits=bits)
        weights = integers(self.rng, bits, (m, geometry.taps * n))
        arrays = {"weights": weights, "bias": integers(self.rng, spec.bias_bits, m) >> 4 + clog2(spec.patch) // 2}
        built = ConvBuilt(spec, beat_of(n), beat_of(m), rows=m, columns=beat_of(n))
        if columns > 1:
            assert columns in Beside.choices(geometry, n, m, bits)
            built = replace(ConvBesideBuilt.of(spec, columns, rows), **more)
        here = self.formats[self.last]
        out = Format(bits, here.frac - clog2(spec.patch) // 2)  # about the size of a random sum
        return self._add(spec, built, (self.last,), out, arrays, bits - 1, geometry.out)

    def depthwise(self, kernel, columns, *, strides=(1, 1), pads=(0, 0, 0, 0), rows=1, fabric=0):
        geometry = Geometry.of(self.grid, kernel, strides, (1, 1), pads)
        n, shape = self.shape.channels, replace(self.shape, positions=prod(geometry.out))
        spec = DepthwiseSpec(self.name, (self.shape,), shape, "relu", geometry=geometry, weight_bits=self.bits)
        bias = integers(self.rng, spec.bias_bits, n) >> 4 + clog2(geometry.taps) // 2
        arrays = {"weights": integers(self.rng, self.bits, (n, geometry.taps)), "bias": bias}
        built = next(
            b for b in DepthwiseBuilt.several_positions(spec) if (b.seen.columns, b.tap_rows) == (columns, rows)
        )
        out = Format(self.bits, self.formats[self.last].frac - clog2(geometry.taps) // 2)
        return self._add(spec, replace(built, fabric=fabric), (self.last,), out, arrays, self.bits - 1, geometry.out)

    def dense(self, m, positions, columns, **more):
        n, shape = self.shape.channels, replace(self.shape, channels=m)
        spec = DenseSpec(self.name, (self.shape,), shape, "relu", weight_bits=self.bits)
        bias = integers(self.rng, spec.bias_bits, m) >> 4 + clog2(n) // 2
        arrays = {"weights": integers(self.rng, self.bits, (m, n)), "bias": bias}
        ways = DenseBesideBuilt.ways(spec)
        built = next(way for way in ways if (way.spec.beside, way.columns) == (positions, columns))
        out = Format(self.bits, self.formats[self.last].frac - clog2(n) // 2)
        return self._add(spec, replace(built, **more), (self.last,), out, arrays, self.bits - 1, self.grid)

    def pool(self, kernel, columns, *, strides=(1, 1), mean=False, rows=1):
        geometry = Geometry.of(self.grid, kernel, strides, (1, 1), (0, 0, 0, 0))
        shape = replace(self.shape, positions=prod(geometry.out))
        bounds = tuple((0, size) for size in self.grid)
        spec = PoolSpec(self.name, (self.shape,), shape, geometry=geometry, mean=mean, bounds=bounds)
        wide, vec = beside(spec, columns), beat_of(columns * self.shape.channels)
        taken = Beside(geometry, columns, self.shape.channels).geometry.kernel[1] if columns > 1 else 1
        built = PoolBuilt(wide, vec, beat_of(wide.output.channels), rows, taken)
        here, frac = self.formats[self.last], spec.reciprocals.frac if mean else 0
        return self._add(spec, built, (self.last,), here, {}, frac, geometry.out)

    def sum(self, other, positions):
        """With an earlier tensor of the same shape."""
        spec = AddSpec(self.name, (self.shape, self.shape), self.shape)
        wide = beside(spec, positions)
        built = Implementation(wide, beat_of(wide.n), beat_of(wide.n))
        inputs = self.last, other
        out = Format(self.bits, min(self.formats[t].frac for t in inputs) - 1)
        return self._add(spec, built, inputs, out, {}, 0, self.grid)

    @property
    def name(self):
        return f"l{len(self.layers)}"

    @property
    def last(self):
        return list(self.formats)[-1]

    def _add(self, spec, built, inputs, out, arrays, weight_frac, grid):
        formats = tuple(self.formats[t] for t in inputs)
        layer = FixedLayer(spec, spec.name, inputs, f"t{spec.name}", formats, out, arrays, weight_frac)
        self.layers.append(layer)
        self.builts.append(built)
        self.formats[layer.output] = out
        self.shape, self.grid = spec.output, grid
        return self

    def drawn(self):
        return Drawn(FixedGraph("b", tuple(self.layers), None, None, self.bits, "x", "y", self.last, {}), self.frames)

    def design(self, graph):
        placed = simulated(place(graph.shape, self.builts, (4, 2), ZCU104.dsp_ports), 100.0)
        layers, edges = placed.placement.layers, placed.placement.edges
        return Design(graph, Schedule(ZCU104, 100.0, STREAMS, layers, edges, placed.interval, placed.latency))


NETWORKS = (
    # As LeNet begins; 6 channels fill no beat: tokens of 4, 2, 1 and again 2 positions.
    Network(0, 8, 1, (6, 12)).conv(6, (5, 5), 4, pads=(2, 2, 2, 2), rows=5, packed=1, storage="lutram")
    .pool((2, 2), 4, strides=(2, 2), rows=2).pool((2, 2), 1).pool((1, 2), 1).conv(4, (2, 1), 2),
    # A residual path, a stride of 2, 3 channels at the edge of the device; tokens of 2, 4, 8 and 2.
    Network(1, 12, 3, (4, 16)).conv(4, (3, 3), 4, strides=(1, 2), pads=(1, 1, 1, 1), rows=3, fabric_rows=2)
    .conv(4, (1, 3), 8, pads=(0, 1, 0, 1)).sum("tl0", 4).conv(2, (3, 2), 8, dilations=(1, 2), pads=(1, 1, 1, 1)),
    # Neither token a multiple of the other (6 and 4 positions); means; two inputs of one output.
    Network(2, 9, 2, (3, 12)).conv(3, (3, 2), 6, pads=(1, 0, 1, 1), fabric_rows=3)
    .pool((1, 2), 4, strides=(1, 2), mean=True).conv(5, (2, 2), 2, strides=(1, 2)),
    # A kernel a channel: all rows of it at once, and one after the other; 6 words of 8, and 12 of 16.
    Network(3, 8, 3, (4, 8)).depthwise((3, 3), 2, pads=(1, 1, 1, 1), rows=3)
    .depthwise((2, 2), 4, strides=(2, 2), fabric=1).depthwise((2, 1), 4),
    # A matrix at each position: three or five at a time, in beats of parts of a position; a join between them.
    Network(4, 8, 8, (3, 5)).dense(8, 3, 1, packed=1, storage="lutram").dense(8, 5, 1, fabric_rows=3).sum("tl0", 5)
    .dense(8, 3, 2).conv(4, (1, 1), 1),
)  # fmt: skip


@pytest.fixture(scope="module")
def drawn():
    found = [network.drawn() for network in NETWORKS]
    return found, [network.design(one.graph) for network, one in zip(NETWORKS, found, strict=True)]


@pytest.fixture(scope="module")
def streaming(drawn, tmp_path_factory):
    cxx = shutil.which("clang++") or compiler("g++")
    return build(tmp_path_factory.mktemp("vitis"), cxx, *drawn, [*UNOPTIMIZED, *VITIS, "-DSWM_SIM_BOUNDED", *STAND_INS])


@pytest.fixture(scope="module")
def arrays(drawn, tmp_path_factory):
    generic = [of_arrays(made) for made in drawn[1]]
    return build(tmp_path_factory.mktemp("generic"), compiler("g++"), drawn[0], generic, UNDEFINED)


def test_the_networks_hold_what_they_should(drawn):
    layers = [layer for made in drawn[1] for layer in made.schedule.layers]
    regrouped = [layer.spec for layer in layers if layer.spec.kind == "regroup"]
    assert {spec.split for spec in regrouped} == {True, False}
    assert sum(isinstance(layer.built, ConvBesideBuilt) for layer in layers) >= 6
    for one in drawn[0]:
        words, _ = run_integers(one.graph, one.frames)
        assert len(np.unique(words)) > 8
    assert {layer.spec.kind for layer in layers} >= {"conv", "dense", "depthwise", "pool", "add", "fork", "width"}


@pytest.mark.parametrize("index", range(len(NETWORKS)))
def test_streams_of_the_designs_depths_carry_the_right_words(drawn, streaming, tmp_path, index):
    check(tmp_path, drawn[0][index], drawn[1][index], streaming[index])


@pytest.mark.parametrize("index", range(len(NETWORKS)))
def test_calls_over_arrays_give_the_right_words(drawn, arrays, tmp_path, index):
    check(tmp_path, drawn[0][index], of_arrays(drawn[1][index]), arrays[index])


def test_a_saved_design_is_read_as_it_was_placed(drawn, tmp_path):
    made = drawn[1][0]
    save_design(made, tmp_path)
    assert load_design(tmp_path).schedule == made.schedule
