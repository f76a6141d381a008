# SPDX-License-Identifier: Apache-2.0
"""Pooling, padding, upsampling and reordering: integers against their definition, loops, costs, what is refused."""

from dataclasses import replace
from fractions import Fraction
from math import floor, prod

import numpy as np
import pytest

from swm.device.board import load_board
from swm.graph import AveragePool, DepthToSpace, GlobalAveragePool, GlobalMaxPool, MaxPool, Pad, ReduceMean, Resize
from swm.layers import registry
from swm.layers.averages import reciprocals
from swm.layers.base import Obstacle, Operand, Preference
from swm.layers.global_pool import AllPositions
from swm.layers.pool import PoolBuilt
from swm.layers.values import Format

PORTS = load_board("pynq-z2").dsp_ports
POOL, GLOBAL, PAD, UP, REORDER, PIXELS = (
    registry.kind(name) for name in ("pool", "global_pool", "pad", "upsample", "reorder", "depth_to_space")
)
ENDS = {"name": "n", "inputs": ("x",), "outputs": ("y",)}


def lowered(kind, node, channels, grid):
    return kind.lower(node, (Operand("x", channels, prod(grid), grid),), "l")


def quantized(kind, node, channels, grid, bits, frac, values):
    """The layer for data of `bits` bits, and its words and format for integers (samples, *grid, channels)."""
    layer = lowered(kind, node, channels, grid)
    spec = kind.spec(layer, bits)
    floats = values.reshape(-1, channels) / 2.0**frac
    outputs = np.abs(floats).max() * np.ones((spec.output.positions, spec.m)) * 0.99
    fixed = kind.quantize(spec, layer, (floats,), outputs, (Format(bits, frac),))
    words, counts = kind.run(fixed, (values.reshape(-1, channels),))
    return fixed, words.reshape(len(values), *((*layer.grid, channels) if layer.grid else (channels,))), counts


def integers(bits, *shape, seed=0):
    most = 1 << (bits - 1)
    return np.random.default_rng(seed).integers(-most, most, shape)


def windows(values, node):
    """Of each output position, by plain loops: the values that a window sees, and how many of them count."""
    (_, rows, columns, _), (kr, kc) = values.shape, node.kernel
    top, left, bottom, right = node.pads
    found, y = [], -top
    while y + (kr - 1) * node.dilations[0] < rows + bottom + (node.strides[0] - 1) * node.ceil and (
        not node.ceil or y < rows
    ):
        line, x = [], -left
        while x + (kc - 1) * node.dilations[1] < columns + right + (node.strides[1] - 1) * node.ceil and (
            not node.ceil or x < columns
        ):
            at = [(y + i * node.dilations[0], x + j * node.dilations[1]) for i in range(kr) for j in range(kc)]
            inside = [(r, c) for r, c in at if 0 <= r < rows and 0 <= c < columns]
            padded = [(r, c) for r, c in at if -top <= r < rows + bottom and -left <= c < columns + right]
            count = len(padded if getattr(node, "include_pad", False) else inside)
            line.append((np.stack([values[:, r, c] for r, c in inside], 1), count))
            x += node.strides[1]
        found.append(line)
        y += node.strides[0]
    return found


GEOMETRIES = [
    ((2, 2), (2, 2), (0, 0, 0, 0), (1, 1), False),
    ((3, 3), (2, 1), (1, 1, 1, 1), (1, 1), True),
    ((3, 2), (2, 3), (1, 0, 0, 1), (1, 2), False),
    ((2, 3), (3, 2), (0, 1, 1, 0), (2, 1), True),
    ((1, 4), (1, 1), (0, 3, 0, 0), (1, 1), False),
]


def pooling(kind, geometry, **more):
    kernel, strides, pads, dilations, ceil = geometry
    return kind(**ENDS, kernel=kernel, strides=strides, pads=pads, dilations=dilations, ceil=ceil, **more)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("bits", [4, 9, 18])
def test_the_greatest_value_of_a_window_is_exact(geometry, bits):
    node, values = pooling(MaxPool, geometry), integers(bits, 2, 7, 6, 3)
    fixed, words, counts = quantized(POOL, node, 3, (7, 6), bits, 3, values)
    assert (fixed.output_format, counts["output"]) == (Format(bits, 3), 0)
    want = [[seen.max(1) for seen, _ in line] for line in windows(values, node)]
    assert (words == np.array(want).transpose(2, 0, 1, 3)).all()


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("bits", [4, 12, 18])
def test_a_mean_is_the_exact_sum_by_a_reciprocal_rounded_once(geometry, include, bits):
    node, values = pooling(AveragePool, geometry, include_pad=include), integers(bits, 2, 7, 6, 3)
    fixed, words, _ = quantized(POOL, node, 3, (7, 6), bits, 3, values)
    table, shift = fixed.spec.reciprocals, fixed.value_frac - fixed.output_format.frac
    for y, line in enumerate(windows(values, node)):
        for x, (seen, count) in enumerate(line):
            exact = [Fraction(int(v) * table.table[count], 2**shift) for v in seen.sum(1).ravel()]
            limit = 1 << (bits - 1)
            want = [min(max(floor(v + Fraction(1, 2)), -limit), limit - 1) for v in exact]
            assert words[:, y, x].ravel().tolist() == want
            means = seen.sum(1).ravel() / count * 2.0 ** (fixed.output_format.frac - 3)
            close = np.abs(means) < limit - 1
            assert (np.abs(words[:, y, x].ravel() - means)[close] <= 0.5 + 0.125 + 1e-9).all()


@pytest.mark.parametrize("counts", [[9], [4, 6, 9], [1], [8], [49, 48, 42], [12544]])
@pytest.mark.parametrize("bits", [4, 18])
def test_reciprocals_are_fine_enough_and_no_finer(counts, bits):
    table = reciprocals(counts, bits)
    for count in counts:
        off = abs(Fraction(table.table[count], 2**table.frac) - Fraction(1, count)) * count
        assert off * 2 ** (bits - 1) <= Fraction(1, 8)
    assert any(entry % 2 for entry in table.table if entry)
    assert (table.constant == 1) == (len(counts) == 1 and counts[0] & (counts[0] - 1) == 0)
    assert (table.cost(20, 4, PORTS).dsp > 0) == (len(counts) > 1)


@pytest.mark.parametrize(("mode", "node"), [("max", GlobalMaxPool), ("mean", GlobalAveragePool), ("sum", None)])
@pytest.mark.parametrize("grid", [(5, 3), (8,), (1, 1)])
def test_all_positions_at_once(mode, node, grid):
    values = integers(10, 3, *grid, 5)
    given = AllPositions(**ENDS, mode=mode) if node is None else node(**ENDS)
    fixed, words, _ = quantized(GLOBAL, given, 5, grid, 10, 4, values)
    flat = values.reshape(3, -1, 5)
    want = {"max": flat.max(1), "mean": flat.mean(1), "sum": flat.sum(1)}[mode] * 2.0 ** (fixed.output_format.frac - 4)
    assert (np.abs(words.reshape(3, 5) - np.clip(want, -512, 511)) <= 0.626).all()
    assert fixed.spec.output.positions == 1


@pytest.mark.parametrize("margins", [(1, 2, 0, 1), (0, 0, 0, 0), (-1, 2, 3, -2), (-2, -1, -1, -1)])
def test_padding_and_cutting(margins):
    top, left, bottom, right = margins
    node = Pad(**ENDS, pads=(0, 0, top, left, 0, 0, bottom, right), value=-1.25)
    values = integers(8, 2, 5, 6, 3)
    _, words, _ = quantized(PAD, node, 3, (5, 6), 8, 2, values)
    around = tuple((max(b, 0), max(e, 0)) for b, e in ((top, bottom), (left, right)))
    want = np.pad(values, ((0, 0), *around, (0, 0)), constant_values=-5)
    rows, columns = 5 + top + bottom, 6 + left + right
    assert (words == want[:, max(-top, 0) :][:, :rows, max(-left, 0) :][:, :, :columns]).all()


@pytest.mark.parametrize("coordinates", ["asymmetric", "half_pixel", "pytorch_half_pixel", ""])
def test_repeated_positions(coordinates):
    floor_ = {"nearest": "floor"} if coordinates == "asymmetric" else {}
    node = Resize(**ENDS, mode="nearest", scales=(1.0, 1.0, 2.0, 3.0), coordinates=coordinates, **floor_)
    values = integers(8, 2, 3, 4, 5)
    _, words, _ = quantized(UP, node, 5, (3, 4), 8, 2, values)
    assert (words == values.repeat(2, 1).repeat(3, 2)).all()


@pytest.mark.parametrize("side", [1, 2, 3])
def test_channels_become_pixels(side):
    node = DepthToSpace(**ENDS, block=side)
    values = integers(8, 2, 4, 5, 4 * side**2)
    layer = lowered(PIXELS, node, 4 * side**2, (4, 5))
    fixed = PIXELS.quantize(PIXELS.spec(layer, 8), layer, (), np.zeros(0), (Format(8, 2),))
    words, _ = PIXELS.run(fixed, (values.reshape(-1, 4 * side**2),))
    assert fixed.spec.m == 4
    for y, x in np.ndindex(4 * side, 5 * side):
        first = 4 * (y % side * side + x % side)
        assert (
            words.reshape(2, 4 * side, 5 * side, 4)[:, y, x] == values[:, y // side, x // side, first : first + 4]
        ).all()
    assert PIXELS.choices(fixed.spec) == [1, 2, 4]
    for vec in PIXELS.choices(fixed.spec):
        (process,) = PIXELS.processes(PIXELS.build(fixed.spec, vec), PORTS)
        beats = 20 * 4 * side**2 // vec
        assert (process.program.period, process.program.prologue) == (beats, beats // 4)
        assert (touched(process.program.reads)["in0"], touched(process.program.writes)["out0"]) == (beats, beats)


def touched(ports, repeats=1):
    return {p.stream: repeats * sum(r.count for r in p.steady) for p in ports}


@pytest.mark.parametrize("vec", [1, 4])
def test_loops_read_and_write_whole_frames(vec):
    channels, beats = 6, -(-6 // vec)
    cases = [
        (POOL, pooling(MaxPool, GEOMETRIES[1]), 42, 4 * 6),
        (GLOBAL, GlobalAveragePool(**ENDS), 42, 1),
        (PAD, Pad(**ENDS, pads=(0, 0, 1, -1, 0, 0, 2, 3)), 42, 10 * 8),
        (UP, Resize(**ENDS, mode="nearest", scales=(1.0, 1.0, 2.0, 3.0)), 42, 14 * 18),
    ]
    for kind, node, come, go in cases:
        spec = kind.spec(lowered(kind, node, channels, (7, 6)), 12)
        assert spec.tokens == 1
        built = PoolBuilt(spec, vec, vec) if kind is POOL else kind.build(spec, vec)
        first, last = kind.processes(built, PORTS)[0], kind.processes(built, PORTS)[-1]
        assert touched(first.program.reads)["in0"] == come * beats
        assert touched(last.program.writes, last.repeats)["out0"] == go * beats
        assert sum(p.cost.lut for p in kind.processes(built, PORTS)) > 0


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("channels", "positions"), [(6, 20), (5, 7), (16, 16)])
def test_a_reordered_frame(channels, positions, whole):
    layer = REORDER.layer("l", "n", ("x", "y"), (channels, positions), whole=whole)
    spec = REORDER.spec(layer, 12)
    of_three = REORDER.layer("l", "n", ("x", "y"), (channels, positions), whole=whole, frames=3)
    several = REORDER.spec(of_three, 12)
    fixed = REORDER.quantize(spec, layer, (), np.zeros(0), (Format(12, 3),))
    values = integers(12, 3 * positions, channels)
    words, _ = REORDER.run(fixed, (values,))
    assert (words.reshape(3, channels, positions) == values.reshape(3, positions, channels).swapaxes(1, 2)).all()
    again, _ = REORDER.run(replace(fixed, spec=several), (values,))  # one sample of three frames
    assert (again.shape, several.whole) == (words.shape, whole)
    assert (again == words).all()
    widest = REORDER.choices(spec)[-1]
    assert widest >= max(channels, positions) / 2
    for vec in REORDER.choices(spec):
        (process,) = REORDER.processes(REORDER.build(spec, vec), PORTS)
        come = positions * -(-channels // vec)
        go = (
            -(-channels * positions // vec) if whole else channels * -(-positions // vec)
        )  # no beat ends with a channel
        (three,) = REORDER.processes(REORDER.build(several, vec), PORTS)
        assert (three.program, three.repeats, three.cost) == (process.program, 3, process.cost)
        assert REORDER.beats(several, vec) == 3 * REORDER.beats(spec, vec)
        program = process.program
        assert (program.prologue, program.period, program.iterations(4)) == (max(come, go),) * 2 + (5 * max(come, go),)
        assert (touched(program.reads)["in0"], touched(program.writes)["out0"]) == (come, go)
        assert process.cost.memory > 0 or process.cost.bram18 >= vec or process.cost.ff >= 2 * 12 * come


def test_a_large_reorder_takes_two_frames_of_block_ram():
    spec = REORDER.spec(REORDER.layer("l", "n", ("x", "y"), (64, 256), whole=True), 18)
    (process,) = REORDER.processes(REORDER.build(spec, 4), PORTS)
    assert process.cost.bram18 == 4 * 8  # 2 x 64 x 256 words of 18 bits in four banks


def test_an_offer_is_as_fast_as_asked_and_no_wider_than_needed():
    spec = POOL.spec(lowered(POOL, pooling(MaxPool, GEOMETRIES[0]), 16, (8, 8)), 12)
    offer, weights = POOL.offer(spec, PORTS), Preference((1.0, 1.0, 1.0, 1.0, 1.0))
    found = [offer.cheapest(interval, weights) for interval in (10**6, 1100, 300, 70, 10)]
    assert found[-1] is None
    cycles = [max(p.program.cycles * p.tokens(spec) for p in POOL.processes(b, PORTS)) for b in found[:-1]]
    assert all(c <= limit for c, limit in zip(cycles, (10**6, 1100, 300, 70), strict=True))
    assert [b.window.out_words for b in found[:-1]] == sorted(b.window.out_words for b in found[:-1])
    assert found[0].window.out_words == 1


NOTHING = pooling(MaxPool, ((1, 1), (1, 1), (2, 0, 0, 0), (1, 1), False))
REFUSED = [
    (POOL, NOTHING, (4, 4), "nothing but padding"),
    (POOL, pooling(MaxPool, ((9, 1), (1, 1), (0,) * 4, (1, 1), False)), (4, 4), "larger than the padded input"),
    (POOL, pooling(MaxPool, GEOMETRIES[0]), (3, 4, 5), "no image of one or two axes"),
    (POOL, pooling(MaxPool, GEOMETRIES[0]), (2048, 1024), "positions"),
    (GLOBAL, ReduceMean(**ENDS, axes=(1,)), (4, 4), "reduces axes (1,)"),
    (GLOBAL, GlobalMaxPool(**ENDS), (2048, 1024), "pools 2,097,152 positions"),
    (PAD, Pad(**ENDS, pads=(0,) * 8, mode="reflect"), (4, 4), "mode 'reflect'"),
    (PAD, Pad(**ENDS, pads=(0, 1, 0, 0, 0, 0, 0, 0)), (4, 4), "pads samples or channels"),
    (PAD, Pad(**ENDS, pads=(0, 0, -4, 0, 0, 0, 0, 0)), (4, 4), "makes (0, 4) positions"),
    (UP, Resize(**ENDS, mode="linear", scales=(1.0, 1.0, 2.0, 2.0)), (4, 4), "mode 'linear'"),
    (UP, Resize(**ENDS, mode="nearest", scales=(1.0, 1.0, 1.5, 2.0)), (4, 4), "scales"),
    (UP, Resize(**ENDS, mode="nearest", scales=(1.0, 1.0, float("inf"), 1e18)), (4, 4), "scales"),
    (UP, Resize(**ENDS, mode="nearest", scales=(1.0, 1.0, 1024.0, 1024.0)), (4, 4), "makes 16,777,216 positions"),
    (PIXELS, DepthToSpace(**ENDS, block=2), (4, 4), "2 x 2 positions each of 3 channels"),
    (PIXELS, DepthToSpace(**ENDS, block=1, mode="CRD"), (4, 4), "its mode is CRD"),
    (PIXELS, DepthToSpace(**ENDS, block=1), (2048, 1024), "positions"),
    (PIXELS, DepthToSpace(**ENDS, block=2), (4,), "no image of two axes"),
    (PAD, Pad(**ENDS, pads=(0, 0, 1, 1, 0, 0, 1, 1), value=float("nan")), (4, 4), "value nan"),
    (PAD, Pad(**ENDS, pads=(0, 0, 1 << 40, 1, 0, 0, 1, 1)), (4, 4), "positions of"),
    (POOL, pooling(MaxPool, ((64, 64), (1, 1), (0,) * 4, (1, 1), False)), (512, 512), "its window 4,096"),
    (
        UP,
        Resize(**ENDS, mode="nearest", sizes=(1, 3, 12, 12), coordinates="align_corners"),
        (4, 4),
        "sizes (1, 3, 12, 12)",
    ),
]


@pytest.mark.parametrize(("kind", "node", "grid", "words"), REFUSED)
def test_what_is_not_built_is_named(kind, node, grid, words):
    found = lowered(kind, node, 3, grid)
    assert isinstance(found, Obstacle)
    assert words in found.reason
    assert found.remedy
