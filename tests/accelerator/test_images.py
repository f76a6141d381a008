# SPDX-License-Identifier: Apache-2.0
"""Images pass with their channels last, users never see it: orders of streams, what is free and what is reordered."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from networks import Model, quantized, relative_error, smooth

import swm
from swm.accelerator.integers import run_fixed, run_integers
from swm.accelerator.layout import ChannelsLast, transposed
from swm.accelerator.lower import hardware_findings, lower
from swm.accelerator.store import load_fixed, save_fixed
from swm.compress import fold_affine
from swm.errors import OutputError
from swm.simplify.transposed import as_convolutions

SHAPE = (6, 4, 4)


def kinds(graph):
    return [layer.kind for layer in lower(graph).layers]


def normalised(model, tensor, channels, *, axis=1, rank=4):
    """A gain and an offset a channel: what is left of a BatchNormalization that nothing takes in."""
    sizes = [1] * (rank - 1)
    sizes[axis - 1] = channels
    gains = model.rng.uniform(0.5, 2, channels) * np.where(np.arange(channels) % 2, 1, -1)
    scaled = model.node("Mul", tensor, model.constant(gains.reshape(sizes)))
    return model.node("Add", scaled, model.constant(model.rng.normal(size=channels).reshape(sizes)))


def classifier(path, *, shape=SHAPE, outputs=5, activation="Relu"):
    """Batch normalisation, PReLU, a residual sum and a join along the channels, then a matrix over all of it."""
    model = Model(*shape)
    c, rank = shape[0], len(shape) + 1
    trunk = model.node(activation, normalised(model, "x", c, rank=rank))
    slopes = model.constant(model.rng.uniform(0.1, 0.4, c).reshape(c, *[1] * (rank - 2)))
    side = model.node("PRelu", normalised(model, trunk, c, rank=rank), slopes)
    total = model.node("Add", trunk, side, name="sum")
    joined = model.node("Concat", total, side, axis=1, name="join")
    flat = model.node("Flatten", joined)
    size = 2 * int(np.prod(shape))
    hidden = model.node("Relu", model.linear(flat, size, 16, "fc"))
    return fold_affine(model.save(path, model.linear(hidden, 16, outputs, "out"), outputs))


def image(count, *shape):
    return smooth(count, int(np.prod(shape))).reshape(count, *shape)


@pytest.mark.parametrize("shape", [SHAPE, (5, 9), (1, 4, 4), (7, 1, 1)])
def test_channels_of_images_are_tokens_and_users_give_and_get_what_the_model_takes(tmp_path, shape):
    graph = classifier(tmp_path / "m.onnx", shape=shape)
    lowered = lower(graph)
    channels, positions = shape[0], int(np.prod(shape[1:]))
    image_kinds = ["scale", "scale", "prelu", "add", "concat", "dense", "dense"]
    assert [layer.kind for layer in lowered.layers if channels > 1] == image_kinds * (channels > 1)
    if min(channels, positions) > 1:
        assert lowered.orders["x"] == ChannelsLast(channels, positions)
        assert lowered.layers[0].shapes == ((channels, positions),)
        assert lowered.layers[4].m == 2 * channels
    x = image(60, *shape)
    fixed = quantized(graph, x, bits=16)
    want = swm.run(graph, x)
    result = run_fixed(fixed, x)
    assert result.values.shape == want.shape
    assert relative_error(result.values, want) < 2e-3


def test_an_image_that_leaves_the_hardware_is_shaped_as_the_models(tmp_path):
    model = Model(*SHAPE)
    graph = fold_affine(model.save(tmp_path / "m.onnx", model.node("Relu", normalised(model, "x", 6)), *SHAPE))
    x = image(20, *SHAPE)
    fixed = quantized(graph, x, bits=16)
    result = run_fixed(fixed, x)
    assert (fixed.input_order, fixed.output_order) == (ChannelsLast(6, 16), ChannelsLast(6, 16))
    assert result.values.shape == (20, *SHAPE)
    assert relative_error(result.values, swm.run(graph, x)) < 1e-3
    assert (result.inputs.reshape(20, 4, 4, 6)[:, 1, 2] == fixed.input.quantize(x)[:, :, 1, 2]).all()


def test_a_circulant_matrix_over_an_image_takes_its_values_in_the_models_order(tmp_path):
    graph = swm.convert(classifier(tmp_path / "m.onnx"), block=4).graph
    lowered = lower(graph)
    assert [layer.kind for layer in lowered.layers[-3:]] == ["reorder", "circulant", "dense"]
    order = lowered.layers[-3]
    assert (order.shapes, order.m, order.positions) == (((12, 16),), 192, 1)
    x = image(60, *SHAPE)
    fixed = quantized(graph, x, bits=16)
    assert relative_error(run_fixed(fixed, x).values, swm.run(graph, x)) < 5e-3


def test_an_image_that_only_a_matrix_reads_passes_as_the_model_has_it(tmp_path):
    model = Model(*SHAPE)
    flat = model.node("Flatten", model.node("Mul", "x", model.constant(0.5)))
    graph = swm.convert(model.save(tmp_path / "m.onnx", model.linear(flat, 96, 8, "fc"), 8), block=4).graph
    lowered = lower(graph)
    assert "reorder" not in [layer.kind for layer in lowered.layers]
    assert lowered.orders == {}


def test_transposes_between_the_two_orders_cost_nothing(tmp_path):
    """What exporters of channels-last frameworks write at the ends."""
    model = Model(4, 4, 6)
    inside = model.node("Transpose", "x", perm=[0, 3, 1, 2])
    acted = model.node("Relu", normalised(model, inside, 6))
    out = model.node("Transpose", acted, perm=[0, 2, 3, 1])
    graph = fold_affine(model.save(tmp_path / "m.onnx", model.linear(out, 6, 3, "fc"), 4, 4, 3))
    lowered = lower(graph)
    assert [layer.kind for layer in lowered.layers] == ["scale", "dense"]
    assert (lowered.orders.get("x"), lowered.output_order) == (None, None)
    x = image(40, 4, 4, 6)
    assert relative_error(run_fixed(quantized(graph, x, 16), x).values, swm.run(graph, x)) < 1e-3


def test_a_product_along_the_positions_is_reordered_once_for_all_its_readers(tmp_path):
    """Token mixing: tokens become channels and back."""
    model = Model(10, 6)
    turned = model.node("Transpose", model.linear("x", 6, 6, "in"), perm=[0, 2, 1])
    left, right = (model.linear(turned, 10, 10, name) for name in ("a", "b"))
    back = model.node("Transpose", model.node("Add", left, right), perm=[0, 2, 1])
    graph = fold_affine(model.save(tmp_path / "m.onnx", model.linear(back, 6, 4, "out"), 10, 4))
    assert kinds(graph) == ["dense", "reorder", "dense", "dense", "add", "reorder", "dense"]
    x = smooth(40, 10, 6)
    assert relative_error(run_fixed(quantized(graph, x, 16), x).values, swm.run(graph, x)) < 1e-3


def test_what_is_turned_otherwise_turns_columns_or_is_named(tmp_path):
    model = Model(2, 3, 4)
    turned = model.node("Transpose", "x", perm=[0, 3, 2, 1])
    graph = model.save(tmp_path / "m.onnx", model.linear(model.node("Flatten", turned), 24, 3, "fc"), 3)
    assert kinds(graph) == ["dense"]
    x = smooth(40, 2, 3, 4)
    assert relative_error(run_fixed(quantized(graph, x, 16), x).values, swm.run(graph, x)) < 1e-3
    model = Model(2, 3, 4)
    turned = model.node("Transpose", "x", perm=[0, 3, 2, 1])
    graph = model.save(tmp_path / "t.onnx", model.linear(turned, 2, 3, "culprit"), 4, 3, 3)
    assert [(f.node, f.op) for f in hardware_findings(graph)] == [("culprit", "Linear")]
    batch = Model(3, 4)
    moved = batch.node("Transpose", "x", perm=[1, 0, 2], name="culprit")
    (found,) = hardware_findings(batch.save(tmp_path / "b.onnx", batch.linear(moved, 4, 3, "fc")))
    assert "samples" in found.reason


def convolved(model, tensor, channels, outputs, group=1):
    """Each position alone."""
    weight = model.constant(model.rng.normal(size=(outputs, channels // group, 1, 1)) / np.sqrt(channels // group))
    return model.node("Conv", tensor, weight, group=group)


def shuffled(path):
    """Channels of two groups change places between convolutions of groups, as in ShuffleNet; the result is pooled."""
    model = Model(6, 3, 4)
    parts = model.constant([0, 2, 6, 3, 4], np.int64)
    apart = model.node("Reshape", convolved(model, "x", 6, 12, 2), parts)
    together = model.constant([0, 12, 3, 4], np.int64)
    mixed = model.node("Reshape", model.node("Transpose", apart, perm=[0, 2, 1, 3, 4]), together)
    pooled = model.node("GlobalAveragePool", convolved(model, model.node("Relu", mixed), 12, 8, 2))
    return model.save(path, pooled, 8, 1, 1)


def shuffled_parts(path):
    """Of what a shuffle of channels makes, some pass a convolution by, as in ShuffleNet V2; three parts, too."""
    model = Model(8, 3, 4)
    parts = model.constant([0, 2, 4, 3, 4], np.int64)
    apart = model.node("Reshape", convolved(model, "x", 8, 8), parts)
    together = model.constant([0, 8, 3, 4], np.int64)
    mixed = model.node("Reshape", model.node("Transpose", apart, perm=[0, 2, 1, 3, 4]), together)
    a, b, c = model.node("Split", mixed, model.constant([2, 4, 2], np.int64), outputs=3, axis=1)
    joined = model.node("Concat", convolved(model, a, 2, 6), b, c, axis=1)
    return model.save(path, model.node("GlobalAveragePool", convolved(model, joined, 12, 8)), 8, 1, 1)


def transposed_convolutions(path):
    """Strides that differ along rows and columns, groups, one output channel."""
    model = Model(4, 3, 2)
    tensor, channels = "x", 4
    for outputs, group, strides, pads in (
        (6, 1, [2, 1], [1, 0, 0, 1]),
        (4, 2, [1, 3], [0, 1, 0, 0]),
        (1, 1, [3, 2], [0] * 4),
    ):
        weight = model.constant(model.rng.normal(size=(channels, outputs // group, 3, 3)) / 3)
        more = {"strides": strides, "pads": pads, "group": group}
        tensor, channels = model.node("ConvTranspose", tensor, weight, **more), outputs
    out = model.node("MaxPool", tensor, kernel_shape=[2, 2])
    graph = model.save(path, out, 1, 23, 16)
    return as_convolutions(graph)


@pytest.mark.parametrize(
    ("network", "shape", "moves"),
    [
        (shuffled, (6, 3, 4), ["reorder"]),
        (shuffled_parts, (8, 3, 4), ["reorder", "pad", "pad", "pad"]),
        (transposed_convolutions, (4, 3, 2), ["depth_to_space", "pad", "reorder", "pad", "depth_to_space", "pad"]),
    ],
)
def test_groups_and_patches_that_change_places_are_moved_in_hardware(tmp_path, network, shape, moves):
    graph = network(tmp_path / "m.onnx")
    found = kinds(graph)
    assert [kind for kind in found if kind in ("reorder", "depth_to_space", "pad")] == moves
    x = image(40, *shape)
    assert relative_error(run_fixed(quantized(graph, x, 16), x).values, swm.run(graph, x)) < 1e-3


@pytest.mark.parametrize("perm", [(1, 2, 0), (2, 0, 1), (0, 1, 2), (2, 1, 0)])
@pytest.mark.parametrize("order", [None, ChannelsLast(2, 12), ChannelsLast(6, 4)])
def test_orders_behind_a_transpose(perm, order):
    """The stream stays: values of the result, brought into its order, are the stream that there was."""
    values = np.arange(24)[None]
    stream = values if order is None else order.to_words(values)
    found = transposed(order, (2, 3, 4), perm)
    moved = values.reshape(1, 2, 3, 4).transpose(0, *(1 + axis for axis in perm)).reshape(1, 24)
    ways = [None, *(ChannelsLast(c, 24 // c) for c in (2, 3, 4, 6, 8, 12))]
    right = [o for o in ways if ((moved if o is None else o.to_words(moved)) == stream).all()]
    if right:
        assert found == right[0]
    assert ((moved if found is None else found.to_words(moved)) == stream).all()
    if found is not None:
        assert (found.to_model(found.to_words(moved)) == moved).all()


def test_orders_are_saved_and_damaged_ones_refused(tmp_path):
    x = image(20, *SHAPE)
    model = Model(*SHAPE)
    out = model.node("Relu", normalised(model, "x", 6))
    fixed = quantized(fold_affine(model.save(tmp_path / "m.onnx", out, *SHAPE)), x)
    save_fixed(fixed, tmp_path / "fixed.npz")
    back = load_fixed(tmp_path / "fixed.npz")
    assert (back.input_order, back.output_order, back.output_shape) == (
        ChannelsLast(6, 16),
        ChannelsLast(6, 16),
        SHAPE,
    )
    assert (run_fixed(back, x).values == run_fixed(fixed, x).values).all()
    for name, value in (("input_order", {"channels": 6, "positions": 15}), ("output_shape", [6, 4, 5])):
        with np.load(tmp_path / "fixed.npz") as stored:
            arrays = dict(stored)
        meta = json.loads(arrays["meta"].tobytes())
        meta["graph"][name] = value
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
        np.savez(tmp_path / "bad.npz", **arrays)
        with pytest.raises(OutputError, match="damaged"):
            load_fixed(tmp_path / "bad.npz")


@pytest.mark.parametrize("backend", ["vitis", "generic"])
def test_simulation_gives_the_words_of_a_network_over_images(tmp_path, backend):
    graph = swm.convert(classifier(tmp_path / "m.onnx"), block=4).graph
    x = image(40, *SHAPE)
    fixed = swm.quantize(graph, bits=10, calibration=x)
    project = swm.emit(fixed, path=tmp_path / "p", board="pynq-z2", backend=backend, vectors=x[:5])
    assert "channels last" in (tmp_path / "p" / "README.md").read_text()
    found = project.verify()
    assert (found.ok, found.mismatches, found.words) == (True, 0, 25)
    assert found.iterations_expected


def test_the_hosts_driver_turns_images(tmp_path):
    """An operator on either side that hardware has not: the driver in the project passes words in their order."""
    model = Model(*SHAPE)
    inside = model.node("Exp", model.node("Mul", "x", model.constant(0.25)))
    model_out = model.node("Relu", normalised(model, inside, 6))
    flat = model.node("Flatten", model_out)
    hidden = model.linear(flat, 96, 96, "fc")
    again = model.node("Reshape", hidden, model.constant([-1, *SHAPE], np.int64))
    out = model.node("Erf", model.node("Relu", normalised(model, again, 6)))
    graph = model.save(tmp_path / "m.onnx", out, *SHAPE)
    x = image(30, *SHAPE)
    fixed = swm.quantize(graph, bits=14, calibration=x)
    assert fixed.host is not None
    assert fixed.input_order is not None
    swm.emit(fixed, path=tmp_path / "p", board="zcu104", vectors=x[:5])
    np.save(tmp_path / "x.npy", x[:5])
    driver = [sys.executable, str(tmp_path / "p" / "host" / "host.py"), str(tmp_path / "x.npy")]
    subprocess.run([*driver, str(tmp_path / "words.npy")], check=True, capture_output=True)
    words, counts = run_integers(fixed, np.load(tmp_path / "words.npy").astype(np.int64))
    np.save(tmp_path / "answer.npy", words)
    subprocess.run([*driver, str(tmp_path / "answer.npy"), str(tmp_path / "out.npz")], check=True, capture_output=True)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    (want,) = session.run(None, {"x": x[:5]})
    got = np.load(tmp_path / "out.npz")[graph.outputs[0].name]
    assert got.shape == want.shape
    assert relative_error(got, want) < 0.01
    assert counts is not None


def pyramid(path):
    """Every kind that looks at several positions of an image, and what stands between them; a product at the end."""
    model = Model(6, 9, 8)
    trunk = model.node("Relu", normalised(model, "x", 6))
    tops = model.node("MaxPool", trunk, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0])  # 5 x 4
    means = model.node("AveragePool", trunk, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 0], ceil_mode=1)
    means = model.node("Tanh", means)
    joined = model.node("Concat", tops, means, axis=1)
    margins = model.constant([0, 0, 1, 0, 0, 0, 0, -1], np.int64)
    padded = model.node("Pad", joined, margins, model.constant(0.5))  # 6 x 3
    scales = model.constant([1, 1, 1, 2], np.float32)
    wide = model.node("Resize", padded, "", scales, mode="nearest")  # 6 x 6
    blocks = model.node("AveragePool", wide, kernel_shape=[2, 3], strides=[2, 3], count_include_pad=1)  # 3 x 2
    mean = model.node("ReduceMean", wide, axes=[2, 3], keepdims=0)
    top = model.node("Flatten", model.node("GlobalMaxPool", joined))
    around = model.constant([0, 0, 0, 1, 0, 0, 1, 0], np.int64)
    shut = model.node("Pad", joined, around, model.constant(-np.inf))  # as exporters pad unevenly before a MaxPool
    rows = model.node("ReduceMean", model.node("MaxPool", shut, kernel_shape=[2, 2], strides=[2, 3]), axes=[3])  # 3 x 1
    columns = model.node("ReduceMax", joined, axes=[2], keepdims=0)  # 4
    parts = [blocks, rows, columns]
    flat = model.node("Concat", *(model.node("Flatten", p) for p in parts), mean, top, axis=1)
    return fold_affine(model.save(path, model.linear(flat, 12 * (6 + 3 + 4) + 24, 4, "fc"), 4))


def test_every_kind_of_image_layer_in_one_network(tmp_path):
    graph = pyramid(tmp_path / "m.onnx")
    x = image(60, 6, 9, 8)
    found = set(kinds(graph))
    assert {"pool", "global_pool", "pad", "upsample", "concat", "reorder"} <= found
    assert relative_error(run_fixed(quantized(graph, x, 16), x).values, swm.run(graph, x)) < 2e-3
    fixed = swm.quantize(graph, bits=9, calibration=x)
    for backend in ("vitis", "generic"):
        verified = swm.emit(fixed, path=tmp_path / backend, board="zcu104", backend=backend, vectors=x[:3]).verify()
        assert (verified.ok, verified.mismatches, verified.words) == (True, 0, 12)


def decoder(path, *, axes):
    """Transposed convolutions: one whose stride divides its kernel, one where both ends are cut, one of stride 1."""
    model, rank = Model(6, *(4, 3)[:axes]), axes

    def transposed(tensor, inputs, outputs, kernel, **attributes):
        weight = model.constant(model.rng.normal(size=(inputs, outputs, *kernel)) / np.sqrt(inputs))
        bias = model.constant(model.rng.normal(size=outputs) / 4)
        spread = {name: value * rank for name, value in attributes.items() if name != "pads"}
        return model.node("ConvTranspose", tensor, weight, bias, pads=attributes.get("pads", [0]) * 2 * rank, **spread)

    hidden = model.node("Relu", transposed("x", 6, 8, (2,) * rank, strides=[2]))
    hidden = model.node("Tanh", transposed(hidden, 8, 4, (3, 5)[:rank], strides=[2], pads=[1], output_padding=[1]))
    return model.save(path, transposed(hidden, 4, 3, (3, 2)[:rank], strides=[1], pads=[1]))


@pytest.mark.parametrize("axes", [1, 2])
def test_transposed_convolutions_become_hardware(tmp_path, axes):
    graph = fold_affine(swm.simplify(decoder(tmp_path / "m.onnx", axes=axes)))
    x = image(40, 6, *(4, 3)[:axes])
    assert {"conv", "pad"} <= set(kinds(graph))
    assert kinds(graph).count("depth_to_space") == (2 if axes == 2 else 0)
    assert "reorder" not in kinds(graph)
    assert relative_error(run_fixed(quantized(graph, x, 16), x).values, swm.run(graph, x)) < 2e-3
    if axes == 2:
        fixed = swm.quantize(graph, bits=9, calibration=x)
        verified = swm.emit(fixed, path=tmp_path / "p", board="zcu104", vectors=x[:3]).verify()
        assert (verified.ok, verified.mismatches) == (True, 0)


@pytest.mark.parametrize("reduction", ["ReduceMean", "ReduceMax", "ReduceSum"])
def test_reductions_of_all_positions(tmp_path, reduction):
    """Of an image, of an image with channels last, of a sequence; other axes are named."""
    for place, (shape, axes, right) in enumerate(
        [((5, 4, 3), [2, 3], True), ((4, 3, 5), [1, 2], True), ((7, 5), [1], True), ((5, 4, 3), [1], False)]
    ):
        model = Model(*shape)
        given = [model.constant(axes, np.int64)] if reduction == "ReduceSum" else []
        more = {} if given else {"axes": axes}
        out = model.node(reduction, "x", *given, keepdims=0, name="culprit", **more)
        graph = model.save(tmp_path / f"{place}.onnx", out)
        if not right:
            assert "reduces axes (1,)" in hardware_findings(graph)[0].reason
            continue
        x = image(30, *shape)
        assert kinds(graph) == ["global_pool"]
        assert relative_error(run_fixed(quantized(graph, x, 16), x).values, swm.run(graph, x)) < 1e-3


def test_images_that_lie_channels_last_in_the_model_are_padded_and_repeated_as_they_are(tmp_path):
    model = Model(4, 5, 6)
    margins = model.constant([0, 1, 0, 0, 0, 0, 2, 0], np.int64)
    padded = model.node("Pad", model.node("Relu", "x"), margins, model.constant(0.25))
    wide = model.node("Resize", padded, "", model.constant([1, 3, 2, 1], np.float32), mode="nearest")
    graph = model.save(tmp_path / "m.onnx", model.linear(wide, 6, 3, "fc"), 15, 14, 3)
    assert kinds(graph) == ["scale", "pad", "upsample", "dense"]
    x = image(20, 4, 5, 6)
    result = run_fixed(quantized(graph, x, 16), x)
    assert result.values.shape == (20, 15, 14, 3)
    assert relative_error(result.values, swm.run(graph, x)) < 1e-3


@pytest.mark.parametrize(("shape", "axis"), [((6, 3, 4), 1), ((6, 5), 1), ((5, 6), 2)])
def test_parts_of_the_channels_are_cut_where_they_pass(tmp_path, shape, axis):
    """The halves of a gated linear unit, of images and of tokens; no order changes."""
    model = Model(*shape)
    inner = convolved(model, "x", 6, 6) if len(shape) > 2 else model.node("Tanh", "x")
    ends = [(model.constant([first], np.int64), model.constant([last], np.int64)) for first, last in ((0, 4), (2, 6))]
    a, b = (model.node("Slice", inner, *pair, model.constant([axis], np.int64)) for pair in ends)
    graph = model.save(tmp_path / "m.onnx", model.node("Mul", a, model.node("Sigmoid", b)))
    assert kinds(graph).count("pad") == 2
    assert "reorder" not in kinds(graph)
    x = image(30, *shape)
    assert relative_error(run_fixed(quantized(graph, x, 16), x).values, swm.run(graph, x)) < 1e-3


@pytest.mark.parametrize("mode", ["expand", "nearest", "linear"])
def test_one_position_becomes_all_positions(tmp_path, mode):
    """The pooled vector beside each pixel that it was pooled of, as in DeepLab and PointNet."""
    model = Model(5, 4, 3)
    pooled = model.node("GlobalAveragePool", convolved(model, "x", 5, 6))
    if mode == "expand":
        spread = model.node("Expand", pooled, model.constant([1, 1, 4, 3], np.int64))
    else:
        spread = model.node("Resize", pooled, "", model.constant([1, 1, 4, 3], np.float32), mode=mode)
    out = convolved(model, model.node("Concat", "x", spread, axis=1), 11, 4)
    graph = model.save(tmp_path / "m.onnx", out, 4, 4, 3)
    assert kinds(graph).count("upsample") == 1
    x = image(30, 5, 4, 3)
    assert relative_error(run_fixed(quantized(graph, x, 16), x).values, swm.run(graph, x)) < 1e-3


def test_a_shape_that_claims_more_values_than_there_are_is_named_as_that(tmp_path):
    model = Model(2, 6)
    out = model.node("MaxPool", "x", kernel_shape=[2], strides=[2], name="culprit")
    graph = model.save(tmp_path / "m.onnx", out)
    wrong = replace(graph.types[out], shape=("batch", 2, 4))
    (found,) = hardware_findings(replace(graph, types={**graph.types, out: wrong}))
    assert (found.node, "more values than it computes" in found.reason) == ("culprit", True)
