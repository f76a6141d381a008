# SPDX-License-Identifier: Apache-2.0
"""Networks by their shapes alone, small designs, and a board made to measure, for the tests of the report."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import onnx
import support

import swm
from swm.accelerator.backend import VITIS
from swm.accelerator.design import Design
from swm.accelerator.fixed_graph import NetworkShape, ShapedLayer
from swm.accelerator.lower import lower
from swm.accelerator.quantize import network_shape, quantize_layers
from swm.accelerator.resources import estimate
from swm.accelerator.schedule import make_schedule
from swm.compress import fold_affine
from swm.device import load_board
from swm.engine import FloatEngine
from swm.layers.add import AddSpec
from swm.layers.circulant import CirculantSpec
from swm.layers.dense import DenseSpec
from swm.layers.values import TensorShape

BITS = 12
WIDTHS = (128, 256, 128, 10)
MINIMAL = replace(VITIS, parallelism="minimal")  # one lane everywhere

BOARD = """
name = "mine"
title = "A board made to measure"
device = "XC7Z000"
part = "xc7z000"
family = "7series"

[resources]
lut = {lut}
ff = {ff}
bram18 = {bram18}
dsp = {dsp}
kind = "published"
source = "a vendor report"

[dsp_ports]
wide = 25
narrow = 18
kind = "published"
source = "a manual"

[clock]
mhz = 100
reason = "it has this oscillator"

[stream]
bits = 64
reason = "one port"

[power.static]
watts = 0.12
junction_c = 43
kind = "published"
source = "a vendor report"

[power.dynamic]
dsp = 6.0
bram36 = 19.0
lut = 0.25
ff = 0.066
kind = "modelled"
source = "a table"
"""


def product(name, n, m, block=None, *, positions=1, bits=BITS, activation="relu"):
    """The spec of a product, block-circulant or dense."""
    ends = {"inputs": (TensorShape(n, bits, positions),), "output": TensorShape(m, bits, positions)}
    if block is None:
        return DenseSpec(name, **ends, activation=activation, weight_bits=bits)
    return CirculantSpec(name, **ends, activation=activation, block=block, weight_bits=bits)


def chain(block=None, widths=WIDTHS, **options):
    """Products one after the other, the last one dense."""
    specs = [product(f"fc{i}", n, m, block, **options) for i, (n, m) in enumerate(pairwise(widths))]
    specs[-1] = product(specs[-1].name, widths[-2], widths[-1], activation="identity", **options)
    layers = [ShapedLayer(spec, (f"t{i}",), f"t{i + 1}") for i, spec in enumerate(specs)]
    return NetworkShape(tuple(layers), "t0", f"t{len(layers)}")


def residual(block=None, *, positions=3):
    """A path around two products, over several tokens: forks and sums."""
    shape = TensorShape(32, BITS, positions)
    first, second, third = (product(f"fc{i}", 32, 32, block, positions=positions) for i in range(3))
    layers = (
        ShapedLayer(first, ("x",), "a"),
        ShapedLayer(second, ("a",), "b"),
        ShapedLayer(third, ("b",), "c"),
        ShapedLayer(AddSpec("join", (shape, shape), shape), ("a", "c"), "y"),
    )
    return NetworkShape(layers, "x", "y")


def renamed(network, name):
    """The same with another name of the first layer."""
    first, *rest = network.layers
    return replace(network, layers=(replace(first, spec=replace(first.spec, name=name)), *rest))


def own_board(folder, **resources):
    """A board of a user's own; generous where nothing is said."""
    path = folder / "mine.toml"
    path.write_text(BOARD.format(**{"lut": 100_000, "ff": 200_000, "bram18": 400, "dsp": 100, **resources}))
    return load_board(path)


def board_between(folder, network, dense_network):
    """A board that holds the structured network, and whose memories are too small for the weights of the dense one."""
    least = estimate(make_schedule(network, own_board(folder), backend=MINIMAL)).routed
    for share in (0.7, 0.5, 0.35, 0.25):  # of the board, filled by the structured network at one lane
        shares = {"lut": share, "ff": share / 2, "bram18": share, "dsp": share / 3}
        board = own_board(folder, **{name: int(getattr(least, name) / part) + 1 for name, part in shares.items()})
        if make_schedule(network, board).fits and not make_schedule(dense_network, board).fits:
            return board
    raise AssertionError("the dense network fits wherever the structured one does")


def design(folder, board, backend=VITIS):
    """A whole design of a small network, and the shape of its dense twin."""
    path = folder / "mlp.onnx"
    onnx.save(support.mlp(widths=(20, 24, 16, 5)), str(path))
    dense = fold_affine(swm.load(path))
    ready = fold_affine(swm.convert(swm.load(path), block=4).graph)
    lowered = lower(ready)
    names = list(lowered.tensors)
    x = support.inputs().astype(np.float32)
    activations = FloatEngine(ready, names, deterministic=True).run({ready.inputs[0].name: x})
    graph = quantize_layers(ready, lowered, BITS, activations)
    schedule = make_schedule(graph.shape, board, backend=backend)
    return Design(graph, schedule), network_shape(lower(dense), BITS)
