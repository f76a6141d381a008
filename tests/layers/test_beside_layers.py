# SPDX-License-Identifier: Apache-2.0
"""Positions of a row side by side: what each of them sees in the line buffer's tokens, and when they are chosen."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from swm.accelerator.backend import RTL, VITIS
from swm.accelerator.fixed_graph import NetworkShape, ShapedLayer
from swm.accelerator.resources import estimate_parts
from swm.accelerator.schedule import make_schedule
from swm.accelerator.search import Search
from swm.device.board import load_board
from swm.device.limits import Limits
from swm.device.primitives import routed
from swm.layers.add import AddSpec
from swm.layers.beside import Beside, beside, same_layer, several
from swm.layers.circulant_conv import CirculantConvSpec
from swm.layers.conv import ConvSpec
from swm.layers.dense import DenseSpec
from swm.layers.depthwise import DepthwiseSpec
from swm.layers.geometry import Geometry
from swm.layers.pool import PoolSpec
from swm.layers.values import TensorShape
from swm.layers.window import seen

BOARD = load_board("zcu104")
GEOMETRIES = [  # grid, kernel, strides, dilations, pads
    ((3, 12), (2, 5), (1, 1), (1, 1), (1, 2, 0, 2)),
    ((4, 12), (3, 3), (1, 2), (1, 1), (0, 1, 0, 1)),
    ((2, 9), (1, 2), (1, 1), (1, 3), (0, 0, 0, 3)),
    ((2, 8), (2, 2), (2, 2), (1, 1), (0, 0, 0, 0)),
    ((1, 6), (1, 7), (1, 1), (1, 1), (0, 4, 0, 2)),
    ((2, 12), (1, 3), (1, 3), (1, 2), (0, 5, 0, 3)),
]


@pytest.mark.parametrize("axes", GEOMETRIES)
def test_every_position_sees_what_its_kernel_does(axes):
    one, n = Geometry.of(*axes), 3
    image = np.random.default_rng(0).integers(-99, 99, (2, *one.grid, n))
    wanted = seen(image, one, 7)  # (samples, rows, columns, taps, channels)
    found = Beside.choices(one, n, 5, 8)
    assert found
    for columns in found:
        them = Beside(one, columns, n)
        wide = seen(image.reshape(2, *them.geometry.grid, columns * n), them.geometry, 7)
        rows, tokens = one.kernel[0], them.geometry.kernel[1]
        positions = wide.reshape(*wide.shape[:3], rows, tokens * columns, n)  # those that leave together
        parts = [
            positions[..., [them.first + p * one.strides[1] + t * one.dilations[1] for t in range(one.kernel[1])], :]
            for p in range(them.outputs)
        ]
        np.testing.assert_array_equal(np.stack(parts, 3).reshape(wanted.shape), wanted)


def convolution(n, m, grid, kernel, bits=8, pads=(1, 1, 1, 1), name="l0"):
    geometry = Geometry.of(grid, kernel, (1, 1), (1, 1), pads)
    shapes = (TensorShape(n, bits, prod(grid)),), TensorShape(m, bits, prod(geometry.out))
    return ConvSpec(name, *shapes, "relu", geometry=geometry, weight_bits=bits)


def one_layer(spec):
    return NetworkShape((ShapedLayer(spec, ("x",), "y"),), "x", "y")


def test_a_matrix_of_every_position_takes_multipliers_between_powers_of_two():
    """32 to 32 at 125 positions in 400 cycles: 512 a position, or 64 for each of five, a pair of products in a DSP."""
    spec = DenseSpec("l0", (TensorShape(32, 8, 125),), TensorShape(32, 8, 125), weight_bits=8)
    made = make_schedule(one_layer(spec), BOARD, target_interval=400)
    (placed,) = [layer for layer in made.layers if layer.spec.kind == "dense"]
    (process,) = placed.processes
    assert (process.kernel, process.cost.dsp, placed.spec.beside) == ("dense_beside", 5 * 64 // 2, 5)
    assert same_layer(placed.spec, spec)
    assert (placed.spec.dense_macs, placed.spec.stored_words) == (spec.dense_macs, spec.stored_words)
    modules = make_schedule(one_layer(spec), BOARD, target_interval=400, backend=RTL)
    assert {p.kernel for layer in modules.layers for p in layer.processes} <= {"dense", "width"}
    assert make_schedule(one_layer(spec), BOARD, target_interval=500).layers[0].spec.beside == 1  # 256 of one position


def test_a_kernel_a_channel_is_faster_than_a_position_a_cycle():
    geometry = Geometry.of((16, 16), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1))
    shape = TensorShape(4, 8, 256)
    spec = DepthwiseSpec("l0", (shape,), shape, "relu", geometry=geometry, weight_bits=8)
    fast = make_schedule(one_layer(spec), BOARD)
    placed = next(layer for layer in fast.layers if layer.spec.kind == "depthwise")
    assert (fast.interval, fast.fits, same_layer(placed.spec, spec)) == (
        256 * 4 // 16,
        True,
        True,
    )  # the port, 128 bits
    assert placed.processes[1].products * placed.spec.output.positions == spec.dense_macs == placed.spec.dense_macs
    assert placed.processes[1].cost.dsp == 4 * 9 * 4  # every one of them in every cycle
    assert make_schedule(one_layer(spec), BOARD, backend=RTL).interval >= 256


def test_a_layer_of_few_channels_is_faster_than_a_position_a_cycle():
    """And stays as it was where a position a cycle is enough, or where there are no modules."""
    network = one_layer(convolution(3, 8, (16, 16), (3, 3)))
    fast = make_schedule(network, BOARD)
    assert fast.fits
    assert fast.interval == 16 * 16 * 8 // 16  # the port of the output, 128 bits
    placed = next(layer for layer in fast.layers if layer.spec.kind == "conv")
    assert placed.processes[1].kernel == "conv_beside"
    assert same_layer(placed.spec, network.layers[0].spec)
    assert placed.spec.dense_macs == network.layers[0].spec.dense_macs
    slow = make_schedule(network, BOARD, target_interval=400)
    assert {p.kernel for layer in slow.layers for p in layer.processes} <= {"window", "dense", "width"}
    modules = make_schedule(network, BOARD, backend=RTL)
    assert modules.interval >= 16 * 16
    assert {p.kernel for layer in modules.layers for p in layer.processes} <= {"window", "dense", "width"}


@pytest.mark.parametrize("backend", [VITIS, RTL], ids=["vitis", "rtl"])
def test_a_block_circulant_kernel_is_not_slower_than_the_same_one_dense(backend):
    """Spectra left the line buffer one tap at a time: nine cycles a position, where dense kernels took one."""
    geometry = Geometry.of((8, 16), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1))
    shape = TensorShape(16, 8, 128)
    spec = CirculantConvSpec("l0", (shape,), shape, "relu", geometry=geometry, block=8, weight_bits=8)
    network = one_layer(spec)
    made, dense = (make_schedule(one, BOARD, backend=backend) for one in (network, network.left_dense()))
    assert made.interval == 128 <= dense.interval  # a position a cycle, which the ports bring
    (built,) = [layer.built for layer in made.layers if layer.spec.kind == "circulant_conv"]
    assert (made.fits, built.tap_rows, built.tap_columns, built.window.window_beats) == (True, 3, 3, 1)
    slow = make_schedule(network, BOARD, backend=backend, target_interval=128 * 9)
    (built,) = [layer.built for layer in slow.layers if layer.spec.kind == "circulant_conv"]
    assert built.tap_rows * built.tap_columns < 9  # a beat no wider than the interval asks


def test_blocks_of_several_positions_are_faster_than_a_position_a_cycle():
    """On a board with multipliers and ports for them; the layer stays what it was, and zeros do not count as useful."""
    geometry = Geometry.of((16, 16), (3, 3), (2, 2), (1, 1), (1, 1, 1, 1))
    ends = (TensorShape(16, 12, 256),), TensorShape(32, 12, 64)
    spec = CirculantConvSpec("l0", *ends, "relu", geometry=geometry, block=8, weight_bits=12)
    network = one_layer(spec)
    made = make_schedule(network, load_board("alveo-u250"))
    (placed,) = [layer for layer in made.layers if layer.spec.kind == "circulant_conv"]
    columns = placed.spec.seen.columns
    assert (made.fits, made.interval) == (True, 256 // columns)
    assert columns > 1
    assert same_layer(placed.spec, spec)
    assert (placed.spec.dense_macs, placed.spec.stored_words) == (spec.dense_macs, spec.stored_words)
    (mac,) = [process for process in placed.processes if process.kernel == "spectral_mac"]
    assert mac.products * mac.tokens(placed.spec) == 9 * 4 * 2 * (2 + 3 * 3) * 64  # taps, blocks, a block, positions
    assert make_schedule(network, load_board("alveo-u250"), backend=RTL).interval >= 256


def test_what_is_judged_is_what_is_placed():
    """The sum of the parts of a choice is the estimate of the same choice placed, regrouped tokens among them."""
    first = convolution(2, 6, (8, 12), (3, 3))
    pool = Geometry.of((8, 12), (2, 2), (2, 2), (1, 1), (0, 0, 0, 0))
    second = PoolSpec("l1", (first.output,), TensorShape(6, 8, 24), geometry=pool)
    third = convolution(6, 6, (4, 6), (3, 3), name="l2")
    last = AddSpec("l3", (third.output, third.output), third.output)
    names = ("x", "a", "b", "c", "y")
    reads = (("x",), ("a",), ("b",), ("c", "b"))
    specs = (first, second, third, last)
    network = NetworkShape(
        tuple(ShapedLayer(s, r, w) for s, r, w in zip(specs, reads, names[1:], strict=True)), "x", "y"
    )
    for interval in (30, 20, 16):
        search = Search(network, BOARD, Limits(), backend=VITIS)
        found = search.at(interval)
        assert found is not None, interval
        kinds = [p.kernel for layer in found.placement.layers for p in layer.processes]
        assert "conv_beside" in kinds
        chosen = search._choose(interval, search._preferences[0])
        options = [chosen[number] for number in search._numbers]
        judged = search._judge.cost(options, search._ends(interval, options))
        placed = search._placed(search._named(options), search._ends(interval, options))
        used = estimate_parts(placed.placement.layers, placed.placement.edges, BOARD, VITIS).routed
        assert routed(judged) == used


def test_tokens_are_whole():
    spec = convolution(3, 8, (4, 6), (3, 3))
    assert several(spec.output, 3) == TensorShape(24, 8, 8)
    assert beside(spec, 3).n == 3
    assert beside(spec, 3).positions == 24
    with pytest.raises(ValueError, match="no tokens of 5"):
        several(spec.output, 5)
    other = replace(beside(spec, 3), weight_bits=9)
    assert not same_layer(other, spec)
    assert not same_layer(replace(spec, inputs=(TensorShape(15, 8, 24),)), spec)
