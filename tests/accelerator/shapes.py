# SPDX-License-Identifier: Apache-2.0
"""Networks by their shapes alone, for tests of the schedule."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

from swm.accelerator.fixed_graph import NetworkShape, ShapedLayer
from swm.device.board import load_board
from swm.layers.add import AddSpec
from swm.layers.circulant.spec import CirculantSpec, forward_shifts
from swm.layers.dense import DenseSpec
from swm.layers.registry import kind
from swm.layers.values import TensorShape


def product(name, n, m, block=None, bits=12, positions=1, activation="relu"):
    """A dense spec, or a circulant one."""
    ins, out = (TensorShape(n, bits, positions),), TensorShape(m, bits, positions)
    if block is None:
        return DenseSpec(name, ins, out, activation, weight_bits=bits)
    shifts = forward_shifts(bits, block)
    return CirculantSpec(name, ins, out, activation, block=block, weight_bits=bits, fft_shifts=shifts)


def chain(*specs):
    """Layers one behind the other; tensors t0, t1, ..."""
    layers = (ShapedLayer(s, (f"t{i}",), f"t{i + 1}") for i, s in enumerate(specs))
    return NetworkShape(tuple(layers), "t0", f"t{len(specs)}")


def bundled(block=8, bits=12, last=None):
    """The bundled network's shape; `block` None: its dense twin."""
    return chain(
        product("fc1", 784, 512, block, bits),
        product("fc2", 512, 512, block, bits),
        product("fc3", 512, 10, last, bits, activation="identity"),
    )


def residual(width=24, hidden=16, block=4, bits=12):
    """A path around two layers, joined by a sum, then a dense layer."""
    shape = TensorShape(width, bits)
    layers = (
        ShapedLayer(product("up", width, hidden, block, bits), ("x",), "a"),
        ShapedLayer(product("down", hidden, width, block, bits, activation="identity"), ("a",), "b"),
        ShapedLayer(AddSpec("join", (shape, shape), shape, "relu"), ("x", "b"), "c"),
        ShapedLayer(product("head", width, 5, None, bits, activation="identity"), ("c",), "y"),
    )
    return NetworkShape(layers, "x", "y")


def deep(layers=60, shapes=25, bits=8):
    """`layers` layers of `shapes` distinct shapes, circulant and dense, widths 64 to 1024."""
    widths = [64 * (1 + 5 * i % 16) for i in range(shapes)]
    blocks = (8, 16, 4, 32, 128, 2, 64)
    specs = []
    for index in range(layers):
        place = index % shapes
        n, m = widths[place], widths[(place + 1) % shapes]
        block = None if n * m <= 64 * 320 else blocks[place % len(blocks)]
        specs.append(product(f"l{index}", n, m, block, bits))
    return chain(*specs)


@st.composite
def small_networks(draw):
    """One to three layers behind each other, or a residual block."""
    bits = draw(st.sampled_from([6, 8, 12, 16, 18]))
    if draw(st.integers(0, 3)) == 0:
        return residual(draw(st.integers(1, 60)), draw(st.integers(1, 60)), draw(st.sampled_from([2, 4, 8, 16])), bits)
    sizes = draw(st.lists(st.integers(1, 200), min_size=2, max_size=4))
    positions = draw(st.sampled_from([1, 1, 3]))
    specs = []
    for index, (n, m) in enumerate(pairwise(sizes)):
        block = draw(st.sampled_from([None, 2, 4, 8, 16, 32]))
        specs.append(product(f"l{index}", n, m, block, bits, positions))
    return chain(*specs)


@dataclass(frozen=True)
class Factors:
    """How a board is scaled."""

    lut: float = 1.0
    ff: float = 1.0
    bram18: float = 1.0
    dsp: float = 1.0


def scaled(name, factors):
    """A board with other capacities."""
    board = load_board(name)
    changed = {k: max(1, int(getattr(board.resources, k) * v)) for k, v in vars(factors).items()}
    return board.model_copy(update={"resources": board.resources.model_copy(update=changed)})


def slowest(schedule):
    """Cycles a frame of the slowest process, AXI edges included."""
    cycles = [p.program.cycles * la.spec.positions for la in schedule.layers for p in la.processes]
    return max(*cycles, *(e.beats * e.positions for e in (schedule.input, schedule.output)))


def stream_bits(schedule):
    """Widths of all streams."""
    inner = [s.width for la in schedule.layers for s in kind(la.spec.kind).streams(la.built)]
    return [e.width for e in schedule.edges] + inner
