# SPDX-License-Identifier: Apache-2.0
"""Convolutions: integers against plain loops, lowering, costs and offers, and whole networks against onnxruntime."""

import itertools
from dataclasses import replace
from math import prod

import numpy as np
import pytest
from accelerator.networks import Model, quantized, relative_error, smooth

import swm
from swm.accelerator.integers import run_fixed
from swm.accelerator.lower import lower
from swm.accelerator.quantize import network_shape
from swm.accelerator.schedule import make_schedule
from swm.compress import fold_affine
from swm.device.board import load_board
from swm.graph import Conv
from swm.layers.base import Obstacle, Operand, Preference
from swm.layers.circulant import CirculantSpec
from swm.layers.circulant_conv import CirculantConvSpec
from swm.layers.conv import ConvSpec
from swm.layers.convolution import tap_major
from swm.layers.depthwise import DepthwiseSpec
from swm.layers.geometry import Geometry
from swm.layers.registry import kind, kinds
from swm.layers.values import FixedLayer, Format, TensorShape
from swm.layers.window import seen
from swm.structure import BlockCirculantConv, Dense

PORTS = load_board("pynq-z2").dsp_ports
GEOMETRY = Geometry.of((5, 4), (3, 2), (2, 1), (1, 2), (1, 0, 1, 1))
PREFERENCES = [Preference((1.0, 5.0, 5.0, 0.02, 0.01)), Preference((0.2, 1.0, 1.0, 0.05, 0.01), 1.0)]


def shapes(geometry, n, m, bits=8):
    return (TensorShape(n, bits, prod(geometry.grid)),), TensorShape(m, bits, prod(geometry.out))


def layer_of(spec, weights, acc_shift=0, seed=1):
    rng = np.random.default_rng(seed)
    bias = rng.integers(-99, 99, spec.m)
    arrays = {"weights": weights, "bias": bias}
    return FixedLayer(spec, "n", ("x",), "y", (Format(8, 4),), Format(8, 5), arrays, 5 + acc_shift, acc_shift)


def finished(total, out_shift=4):
    return np.clip((total + (1 << (out_shift - 1))) >> out_shift, -128, 127)


def plain(x, w, bias, geometry, group):
    """The convolution as its definition has it: w (M, C/group, kernel rows, kernel columns)."""
    g, out = geometry, np.zeros((len(x), *geometry.out, len(w)), np.int64)
    for o, i, j, r, c in itertools.product(range(len(w)), *(range(k) for k in g.out), *(range(k) for k in g.kernel)):
        y = i * g.strides[0] - g.pads[0] + r * g.dilations[0]
        z = j * g.strides[1] - g.pads[1] + c * g.dilations[1]
        if 0 <= y < g.grid[0] and 0 <= z < g.grid[1]:
            first = o // (len(w) // group) * w.shape[1]
            out[:, i, j, o] += x[:, y, z, first : first + w.shape[1]] @ w[o, :, r, c]
    return finished(out + bias).reshape(-1, len(w))


def test_a_plain_kernel_sums_what_it_sees():
    rng = np.random.default_rng(0)
    x, w = rng.integers(-128, 128, (2, *GEOMETRY.grid, 3)), rng.integers(-128, 128, (4, 3, *GEOMETRY.kernel))
    layer = layer_of(
        ConvSpec("l", *shapes(GEOMETRY, 3, 4), geometry=GEOMETRY, weight_bits=8), tap_major(w.reshape(4, -1), 3)
    )
    words, counts = kind("conv").run(layer, (x.reshape(-1, 3),))
    want = plain(x, w, layer.arrays["bias"], GEOMETRY, 1)
    assert np.array_equal(words, want)
    assert 0 < counts["output"] <= np.count_nonzero((want == -128) | (want == 127))


def test_a_depthwise_kernel_sums_what_it_sees():
    rng = np.random.default_rng(0)
    x, w = rng.integers(-128, 128, (2, *GEOMETRY.grid, 5)), rng.integers(-128, 128, (5, 1, *GEOMETRY.kernel))
    layer = layer_of(DepthwiseSpec("l", *shapes(GEOMETRY, 5, 5), geometry=GEOMETRY, weight_bits=8), w.reshape(5, -1))
    words, _ = kind("depthwise").run(layer, (x.reshape(-1, 5),))
    assert np.array_equal(words, plain(x, w, layer.arrays["bias"], GEOMETRY, 5))


def test_groups_are_convolutions_of_their_own():
    """Plain and block-circulant: the words of the groups side by side, and what saturates counted over all."""
    rng = np.random.default_rng(0)
    plain_spec = ConvSpec("l", *shapes(GEOMETRY, 6, 4), geometry=GEOMETRY, weight_bits=8, groups=2)
    blocks = CirculantConvSpec("l", *shapes(GEOMETRY, 16, 8), geometry=GEOMETRY, block=4, weight_bits=8, groups=2)
    summed = blocks.summed
    assert (summed.p, summed.q, summed.groups, blocks.stored_words) == (1, 12, 2, 2 * 12 * 4)
    for spec, size in ((plain_spec, (4, 18)), (blocks, (2, 12, 2, 2))):
        layer = layer_of(spec, rng.integers(-128, 128, size), 0 if spec is plain_spec else 6)
        x = rng.integers(-128, 128, (2 * prod(GEOMETRY.grid), spec.n))
        got, counts = kind(spec.kind).run(layer, (x,))
        read, written = shapes(GEOMETRY, spec.n // 2, spec.m // 2)
        one = replace(spec, inputs=read, output=written, groups=1)
        halves = {name: np.split(array, 2) for name, array in layer.arrays.items()}
        parts = [
            kind(spec.kind).run(replace(layer, spec=one, arrays={k: a[i] for k, a in halves.items()}), (part,))
            for i, part in enumerate(np.split(x, 2, axis=1))
        ]
        assert np.array_equal(got, np.concatenate([words for words, _ in parts], axis=1))
        assert counts == {place: sum(c[place] for _, c in parts) for place in counts}
        assert np.count_nonzero(got) > got.size / 2


@pytest.mark.parametrize("block", [2, 8, 32])
def test_spectra_are_transformed_once_and_summed_over_all_taps(block):
    """The same bits as the circulant layer gives for the patch written out, every block of it transformed."""
    rng, n, m = np.random.default_rng(0), block + 1, 2 * block
    spec = CirculantConvSpec("l", *shapes(GEOMETRY, n, m), geometry=GEOMETRY, block=block, weight_bits=8)
    summed = spec.summed
    layer = layer_of(spec, rng.integers(-128, 128, (summed.p, summed.q, block // 2, 2)), 6)
    x = rng.integers(-128, 128, (2, *GEOMETRY.grid, n))
    padded = np.pad(x, ((0, 0), (0, 0), (0, 0), (0, spec.read.q * block - n)))
    patches = seen(padded, GEOMETRY).reshape(-1, summed.n)
    assert isinstance(summed, CirculantSpec)
    want, counts = kind("circulant").run(replace(layer, spec=summed), (patches,))
    got, found = kind("circulant_conv").run(layer, (x.reshape(-1, n),))
    assert np.array_equal(got, want)
    assert found == counts


def conv(model, tensor, channels, outputs, kernel, *, group=1, **attributes):
    scale = np.sqrt(channels // group * prod(kernel))
    weight = model.constant(model.rng.normal(size=(outputs, channels // group, *kernel)) / scale)
    bias = model.constant(model.rng.normal(size=outputs) / 4)
    return model.node("Conv", tensor, weight, bias, kernel_shape=list(kernel), group=group, **attributes)


def images(path):
    """Every form on a grid: strides, dilations, groups, depthwise, positions alone, the whole grid."""
    model = Model(3, 9, 7)
    t = model.node("Relu", conv(model, "x", 3, 8, (3, 3), strides=[2, 1], pads=[1, 0, 2, 1]))
    t = conv(model, t, 8, 8, (3, 3), dilations=[2, 1], pads=[2, 1, 2, 1], group=4)
    t = model.node("Relu", conv(model, t, 8, 8, (2, 3), pads=[0, 1, 1, 1], group=8))
    t = model.node("Relu", conv(model, t, 8, 12, (1, 1)))
    return fold_affine(model.save(path, conv(model, t, 12, 5, (5, 6)), 5, 1, 1))


def sequence(path):
    model = Model(6, 15)
    t = model.node("Tanh", conv(model, "x", 6, 8, (4,), strides=[2], pads=[1, 2]))
    return fold_affine(model.save(path, conv(model, t, 8, 4, (3,), dilations=[2]), 4, 4))


@pytest.mark.parametrize(
    ("network", "shape", "wanted"),
    [
        (images, (3, 9, 7), ["conv", "conv", "depthwise", "dense", "dense"]),
        (sequence, (6, 15), ["conv", "conv"]),
    ],
)
def test_networks_compute_what_onnxruntime_computes(tmp_path, network, shape, wanted):
    graph = network(tmp_path / "m.onnx")
    assert [layer.kind for layer in lower(graph).layers] == wanted
    x = smooth(40, prod(shape)).reshape(40, *shape)
    result, want = run_fixed(quantized(graph, x, bits=16), x), swm.run(graph, x)
    assert result.values.shape == want.shape
    assert relative_error(result.values, want) < 2e-3


def circulant(graph, block):
    """The same network with the nearest block-circulant kernels."""

    def structured(node):
        if not isinstance(node, Conv) or node.group > 1:
            return node
        tensor = node.weight.to_dense().reshape(-1, node.channels, *node.kernel)
        return replace(node, weight=BlockCirculantConv.from_dense(tensor, block=block))

    return replace(graph, nodes=tuple(structured(node) for node in graph.nodes))


def test_block_circulant_networks_compute_what_the_float_engine_computes(tmp_path):
    graph = circulant(images(tmp_path / "m.onnx"), 4)
    lowered = lower(graph)
    assert [layer.kind for layer in lowered.layers] == ["circulant_conv", "conv", "depthwise", "circulant", "circulant"]
    x = smooth(40, 3 * 9 * 7).reshape(40, 3, 9, 7)
    result, want = run_fixed(quantized(graph, x, bits=16), x), swm.run(graph, x)
    assert relative_error(result.values, want) < 2e-3
    assert network_shape(lowered, 12).left_dense().layers[0].spec.kind == "conv"


def test_weights_are_counted_once_whatever_the_groups(tmp_path):
    specs = [layer.spec for layer in network_shape(lower(images(tmp_path / "m.onnx")), 12).layers]
    assert [spec.dense_macs for spec in specs] == [
        *(8 * 27 * 30, 8 * 2 * 9 * 30, 8 * 6 * 30),
        *(8 * 12 * 30, 12 * 30 * 5),
    ]
    made = specs[1], kind("conv").minimal(specs[1])
    assert specs[1].stored_words == 8 * 18  # nothing lies between groups
    assert sum(p.products * p.tokens(made[0]) for p in kind("conv").processes(made[1], PORTS)) == specs[1].dense_macs


@pytest.mark.parametrize(
    "spec",
    [
        ConvSpec("l", *shapes(GEOMETRY, 6, 10), geometry=GEOMETRY, weight_bits=8),
        ConvSpec("l", *shapes(GEOMETRY, 12, 24), geometry=GEOMETRY, weight_bits=8, groups=3),
        DepthwiseSpec("l", *shapes(GEOMETRY, 6, 6), geometry=GEOMETRY, weight_bits=8),
        CirculantConvSpec("l", *shapes(GEOMETRY, 12, 16), geometry=GEOMETRY, block=4, weight_bits=8),
        CirculantConvSpec("l", *shapes(GEOMETRY, 40, 32), geometry=GEOMETRY, block=32, weight_bits=8),
        CirculantConvSpec("l", *shapes(GEOMETRY, 16, 32), geometry=GEOMETRY, block=4, weight_bits=8, groups=2),
        CirculantConvSpec("l", *shapes(GEOMETRY, 64, 128), geometry=GEOMETRY, block=32, weight_bits=8, groups=2),
    ],
    ids=lambda spec: f"{spec.kind}{getattr(spec, 'block', '')}_{getattr(spec, 'groups', 1)}",
)
def test_offers_meet_the_interval_they_are_asked_for(spec):
    """From the slowest form to the fastest: every process in time (the C++ counts the same: tests/hls)."""
    one = kind(spec.kind)
    offer = one.offer(spec, PORTS)

    def cycles(built):
        return max(p.program.cycles * p.tokens(spec) for p in one.processes(built, PORTS))

    slow = cycles(one.minimal(spec))
    for preference in PREFERENCES:
        assert offer.cheapest(1, preference) is None
        interval, dsps = slow, []
        while (built := offer.cheapest(interval, preference)) is not None:
            assert cycles(built) <= interval
            dsps.append(sum(p.cost.dsp for p in one.processes(built, PORTS)))
            interval = cycles(built) * 2 // 3
        assert len(dsps) > 1
        assert cycles(offer.cheapest(slow, preference)) <= slow
        assert preference.fabric or dsps[0] < dsps[-1]


def test_weights_move_where_the_search_wants_them():
    for spec in (
        ConvSpec("l", *shapes(GEOMETRY, 6, 10), geometry=GEOMETRY, weight_bits=8),
        CirculantConvSpec("l", *shapes(GEOMETRY, 12, 16), geometry=GEOMETRY, block=4, weight_bits=8),
    ):
        one = kind(spec.kind)
        built = one.minimal(spec)
        assert one.spare_blocks(built).storage == "lutram"
        assert one.spare_blocks(one.spare_blocks(built)) is None
        moved = one.move_to_uram(built)
        memory = one.loaded(moved)
        assert one.loaded(built) is None
        words = spec.stored_words if spec.kind == "conv" else spec.summed_over(spec.read.q).stored_words
        assert memory.banks * memory.depth * memory.lanes == words


def asked(node, operand):
    return next((found for one in kinds() if (found := one.lower(node, (operand,), "l")) is not None), None)


def test_what_cannot_be_built_is_refused_by_name():
    def node(weight, channels, kernel, group=1):
        ones, zeros = (1,) * len(kernel), (0,) * (2 * len(kernel))
        return Conv(
            name="c", inputs=("x",), outputs=("y",), weight=weight, channels=channels, kernel=kernel,
            strides=ones, dilations=ones, pads=zeros, group=group,
        )  # fmt: skip

    dense = node(Dense(np.ones((4, 18), np.float32)), 2, (3, 3))
    assert "no image" in asked(dense, Operand("x", 2, 25)).reason
    assert "larger than the padded input" in asked(dense, Operand("x", 2, 8, (4, 2))).reason
    assert "positions" in asked(dense, Operand("x", 2, 1 << 22, (1 << 11, 1 << 11))).reason
    for n, m in ((3, 4), (2, 6)):  # channels of a group that are no whole blocks, in or out
        grouped = node(BlockCirculantConv.from_dense(np.ones((m, n, 3, 3)), block=2), n, (3, 3), group=2)
        refused = asked(grouped, Operand("x", 2 * n, 25, (5, 5)))
        assert f"straddle two of its 2 groups, of {n} channels in and {m // 2} out" in refused.reason
        assert "'c=1'" in refused.remedy
    large = node(BlockCirculantConv.from_dense(np.ones((4, 600, 3, 3)), block=512), 600, (3, 3))
    refused = asked(large, Operand("x", 600, 25, (5, 5)))
    assert isinstance(refused, Obstacle)
    assert "512" in refused.reason


def test_a_design_keeps_the_interval_of_its_slowest_process(tmp_path):
    """Rows of a frame and of the next one follow each other without a break; FIFOs hold what the loads bring late."""
    network = network_shape(lower(images(tmp_path / "m.onnx")), 8)
    schedule = make_schedule(network, load_board("pynq-z2"))
    slowest = max(p.program.cycles * p.tokens(layer.spec) for layer in schedule.layers for p in layer.processes)
    assert schedule.fits
    assert slowest <= schedule.interval <= 1.02 * slowest
