# SPDX-License-Identifier: Apache-2.0
"""Structure found in dense weights: what was expanded is found again, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from support import inputs, mlp

import swm
from swm.cli.check import check
from swm.cli.convert import convert
from swm.compress import detect_structure
from swm.compress.fold import fold_affine
from swm.graph import LSTM, Affine, Conv, Graph, Linear, TensorType, Value, densified, is_structured
from swm.onnx_io import load as load_model
from swm.structure import (
    COARSE_FEW_BITS,
    BlockCirculant,
    BlockCirculantConv,
    Dense,
    FewBits,
    circulant_columns,
    few_bits,
)
from swm.structure.few_bits import level


@st.composite
def circulant(draw):
    """A block-circulant matrix of at least one whole block, cut off or not."""
    k = 2 ** draw(st.integers(1, 4))
    p, q = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    m = draw(st.integers(max((p - 1) * k + 1, k), p * k))
    n = draw(st.integers(max((q - 1) * k + 1, k), q * k))
    columns = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(p, q, k)).astype(np.float32)
    return BlockCirculant(columns, (m, n))


@settings(max_examples=60, deadline=None)
@given(circulant(), st.booleans())
def test_an_expanded_matrix_is_found_with_its_block(weight, noisy):
    dense = weight.to_dense()
    if noisy:  # what an inverse FFT in float32 leaves
        dense = dense * (1 + np.random.default_rng(0).uniform(-1e-7, 1e-7, dense.shape)).astype(np.float32)
    columns = circulant_columns(dense[None])
    assert columns is not None
    found = BlockCirculant(columns[0], weight.shape)
    assert found.block == weight.block
    np.testing.assert_allclose(found.to_dense(), weight.to_dense(), atol=1e-6 * np.abs(dense).max())


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 99))
def test_nothing_is_found_in_other_matrices(m, n, seed):
    rng = np.random.default_rng(seed)
    assert circulant_columns(rng.normal(size=(1, m, n))) is None
    # Pruned, and of few values: equal numbers by chance are no structure. (At least 4 x 4: of signs, a small matrix may
    # well be circulant by chance.)
    wide = rng.normal(size=(1, m + 14, n + 14)) * (rng.random((1, m + 14, n + 14)) < 0.3)
    assert circulant_columns(wide) is None
    assert circulant_columns(np.sign(wide)) is None


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((8, 8)),
        np.ones((8, 8)),
        np.eye(8),
        3 * np.eye(8)[::-1],
        np.full((1, 8), 2.0),
        np.full((8, 8), np.nan),
        np.ones((14, 14)),
    ],
    ids=["zeros", "constant", "identity", "reversal", "one row", "nan", "constant, cut off"],
)
def test_constant_and_permutation_matrices_are_no_finds(matrix):
    assert circulant_columns(matrix[None]) is None


def test_one_weight_that_differs_refuses_the_block():
    dense = BlockCirculant(np.random.default_rng(1).normal(size=(2, 2, 8)).astype(np.float32)).to_dense()
    dense[13, 5] += 1e-4
    assert circulant_columns(dense[None]) is None


def test_a_dense_file_of_a_structured_network_is_found_out(tmp_path):
    graph = swm.convert(load_model(_save(tmp_path / "m.onnx", mlp((32, 32, 32, 5)))), block=8).graph
    plain = graph
    for node in graph.nodes:
        if is_structured(node):
            plain = plain.with_replaced(node, densified(node))
    swm.save(plain, tmp_path / "dense.onnx")
    assert not any(map(is_structured, load_model(tmp_path / "dense.onnx").nodes))
    found = detect_structure(load_model(tmp_path / "dense.onnx"))
    blocks = [node.weight.block for node in found.nodes if is_structured(node)]
    assert blocks == [8, 8]
    x = inputs(9, 32)
    np.testing.assert_allclose(swm.run(found, x), swm.run(plain, x), atol=1e-5)


def test_a_graph_without_finds_is_returned_itself(tmp_path):
    graph = load_model(_save(tmp_path / "m.onnx", mlp()))
    assert detect_structure(graph) is graph


def test_convolutions_over_all_positions(tmp_path):
    rng = np.random.default_rng(0)
    kernel = BlockCirculantConv(rng.normal(size=(9, 2, 2, 4)).astype(np.float32), (8, 8), (3, 3)).to_tensor()
    graph = _one_node(tmp_path, "Conv", kernel, [1, 8, 6, 6], [1, 8, 4, 4])
    (node,) = detect_structure(graph).nodes
    assert isinstance(node, Conv)
    assert node.weight.size == 4
    x = rng.normal(size=(1, 8, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(swm.run(detect_structure(graph), x), swm.run(graph, x), atol=1e-4)
    # In two groups of channels, where blocks of both side by side could be one of twice the size.
    grouped = _one_node(tmp_path, "Conv", kernel[:, :4], [1, 8, 6, 6], [1, 8, 4, 4], group=2)
    (node,) = detect_structure(grouped).nodes
    assert (node.group, node.weight.block, node.weight.columns.shape) == (2, 4, (9, 2, 1, 4))
    np.testing.assert_allclose(swm.run(detect_structure(grouped), x), swm.run(grouped, x), atol=1e-4)
    # One position of nine that is not circulant: the layer is not.
    kernel[0, 0, 1, 1] += 0.1
    graph = _one_node(tmp_path, "Conv", kernel, [1, 8, 6, 6], [1, 8, 4, 4])
    assert detect_structure(graph) is graph


def test_recurrent_gates_share_a_block_that_straddles_none():
    rng = np.random.default_rng(0)
    hidden = 12  # 12 = 3 blocks of 4: a block of 8 would straddle
    w = BlockCirculant(rng.normal(size=(12, 2, 4)).astype(np.float32)).to_dense()
    r = rng.normal(size=(4 * hidden, hidden)).astype(np.float32)
    node = LSTM(
        name="l", inputs=("x",), outputs=("y",), input_weight=(Dense(w),), recurrent_weight=(Dense(r),), hidden=hidden,
        activations=(),
    )  # fmt: skip
    from swm.compress.detect import _detected

    found = _detected(node)
    assert isinstance(found, LSTM)
    assert found.input_weight[0].size == 4
    assert isinstance(found.recurrent_weight[0], Dense)
    np.testing.assert_array_equal(found.input_weight[0].to_dense(), w)
    whole = BlockCirculant(rng.normal(size=(6, 1, 8)).astype(np.float32)).to_dense()
    assert _detected(replace(node, input_weight=(Dense(whole),))).input_weight[0].size < 8


QUANTIZED = {
    "branched_model_ch_last": {(FewBits, 4)},
    "finn_kws_w3a3_qonnx": {(FewBits, 3)},
    "TFC_2W2A": {(FewBits, 2)},
    "qkeras_jettagging": {(FewBits, 6), (FewBits, 7)},
}


@pytest.mark.parametrize("bits", [1, 2, 3, 8])
@pytest.mark.parametrize("rows", [True, False])
def test_few_bits_are_found_with_their_scales(bits, rows):
    rng = np.random.default_rng(bits)
    scales = rng.uniform(0.01, 2, (24 if rows else 1, 1)).astype(np.float32) * np.ones((24, 1), np.float32)
    top = level(bits)
    code = rng.choice([-1, 1], (24, 40)) if bits == 1 else rng.integers(-top, top + 1, (24, 40))
    code[:, 0] = top
    weight = (code.astype(np.float32) * scales).astype(np.float32)
    found = few_bits(weight)
    assert found.width == bits
    np.testing.assert_array_equal(found.to_dense(), weight)  # to the last bit
    np.testing.assert_array_equal(found.code, code)
    noisy = weight * (1 + 1e-7 * rng.normal(size=weight.shape)).astype(np.float32)
    assert few_bits(noisy).width == bits
    wrong = weight.copy()
    wrong[3, 5] += 1e-3 * scales[3, 0]
    assert few_bits(wrong) is None


@pytest.mark.parametrize("matrix", [np.full((8, 8), 0.5), np.eye(8), np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_averages_and_permutations_are_no_few_bits(matrix):
    assert few_bits(matrix) is None


@given(m=st.integers(2, 9), n=st.integers(4, 12), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_ordinary_matrices_have_no_few_bits(m, n, seed):
    assert few_bits(np.random.default_rng(seed).normal(size=(m, n)).astype(np.float32)) is None


@pytest.mark.parametrize("bits", [1, 3])
def test_few_bits_in_coarse_blocks_are_found_together(bits):
    wanted = COARSE_FEW_BITS[bits].project(np.random.default_rng(0).normal(size=(40, 72)).astype(np.float32), 4)
    node = Linear(name="n", inputs=("x",), outputs=("y",), weight=Dense(wanted.to_dense()))
    ends = [Value(t, TensorType(1, ("n", width))) for t, width in (("x", 72), ("y", 40))]
    graph = Graph("g", (ends[0],), (ends[1],), (node,))
    found = detect_structure(graph).nodes[0].weight
    assert type(found) is COARSE_FEW_BITS[bits]
    np.testing.assert_array_equal(found.to_dense(), wanted.to_dense())


def test_weights_of_few_bits_convert_fold_and_are_listed(tmp_path):
    """They are dense but for how they are stored: scales of rows fold into theirs, and blocks can be asked for."""
    rng = np.random.default_rng(1)
    proto = mlp((32, 32, 4), names=["wide", "last"])
    weight = (rng.integers(-3, 4, (32, 32)) * np.float32(0.25)).astype(np.float32)
    proto.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weight, "w0"))
    graph = swm.load(_save(tmp_path / "m.onnx", proto), simplify=True, detect=True)
    wide = next(n for n in graph.nodes if n.name == "wide")
    assert (type(wide.weight), wide.weight.width) == (FewBits, 3)
    listed = json.loads(CliRunner().invoke(check, [str(tmp_path / "m.onnx"), "--json"]).output)["nodes"][0]
    assert "is few-bit 3 (32 x 32)" in listed["structured"] and "can be, block 2 to 16" in listed["structured"]
    asked = CliRunner().invoke(check, [str(tmp_path / "m.onnx"), "--block", "64", "--json"]).output
    assert "; stays as it is: fewer than two blocks of 64" in json.loads(asked)["nodes"][0]["structured"]
    affine = Affine(
        name="s", inputs=("h",), outputs=(wide.outputs[0],), scale=-np.ones(32, np.float32), shift=np.zeros(32), axis=-1
    )
    scaled = graph.with_nodes(
        [m for n in graph.nodes for m in ((replace(n, outputs=("h",)), affine) if n is wide else (n,))]
    )
    (folded,) = (n for n in fold_affine(scaled).nodes if n.name == "wide")
    np.testing.assert_array_equal(folded.weight.code, -wide.weight.code)
    x = rng.normal(size=(60, 32)).astype(np.float32)
    made = swm.convert(graph, block=4, calibration=x)
    assert [r.structure for r in made.report.layers] == ["block-circulant", "dense"]
    kept = swm.convert(graph, block={"last": 2}, calibration=x)
    assert next(n for n in kept.graph.nodes if n.name == "wide").weight is wide.weight


def test_no_false_finds_in_models_of_others(shared):
    files = sorted((shared / "models").rglob("*.onnx"))
    assert len(files) > 40
    for path in files:
        try:
            graph = load_model(path)
        except swm.SwmError:
            continue  # docs/models.md says which and why
        found = [node for node in detect_structure(graph).nodes if is_structured(node)]
        if path.stem in QUANTIZED:  # trained with few bits, which a Quant in the file says
            assert {(type(node.weight), node.weight.size) for node in found} == QUANTIZED[path.stem], path
        else:
            assert not found, path


def _save(path, model):
    onnx.save(model, str(path))
    return path


def _one_node(folder, op, weight, into, out, **attributes):
    node = onnx.helper.make_node(op, ["x", "w"], ["y"], name="n", **attributes)
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], "g", [info("x", 1, into)], [info("y", 1, out)], [onnx.numpy_helper.from_array(weight, "w")]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    return load_model(_save(folder / "one.onnx", model))


def test_load_detects_only_when_asked_and_the_commands_ask(tmp_path):
    weight = BlockCirculant(np.random.default_rng(0).normal(size=(4, 4, 4)).astype(np.float32)).to_dense()
    proto = mlp((16, 16, 5), names=["wide", "last"])
    proto.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weight, "w0"))
    path = _save(tmp_path / "m.onnx", proto)
    assert not any(map(is_structured, swm.load(path).nodes))
    assert any(map(is_structured, swm.load(path, detect=True).nodes))
    nodes = json.loads(CliRunner().invoke(check, [str(path), "--json"]).output)["nodes"]
    assert nodes[0]["structured"] == "is block-circulant 4 (16 x 16)"
    done = CliRunner().invoke(convert, [str(path), "-o", str(tmp_path / "k.onnx"), "--block", "4"])
    assert "structured in the file already, and left as they are: wide" in done.output
    assert any(map(is_structured, swm.load(tmp_path / "k.onnx").nodes))


def test_what_exporters_leave_around_a_structured_layer_is_gone_too(tmp_path):
    """Structure is found in the simplified graph, unless simplifying broke it: a scale of rows folded into a kernel."""
    rng = np.random.default_rng(0)
    kernel = BlockCirculant(rng.normal(size=(4, 4, 4)).astype(np.float32)).to_dense().reshape(16, 16, 1, 1)
    rows = [rng.uniform(1, 2, 16).astype(np.float32) for _ in range(4)]
    make, info = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    for scaled in (False, True):
        h = "n" if scaled else "c"
        nodes = [
            make("Conv", ["x", "w"], ["c"], "conv"),
            *([make("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"], "norm")] if scaled else []),
            make("Shape", [h], ["shape"], "shape"),
            make("Reshape", [h, "shape"], ["y"], "same"),
        ]
        given = {"w": kernel, **(dict(zip("sbmv", rows, strict=True)) if scaled else {})}
        tensors = [onnx.numpy_helper.from_array(a, n) for n, a in given.items()]
        ends = [[info(t, 1, ["n", 16, 3, 3])] for t in "xy"]
        graph = onnx.helper.make_graph(nodes, "g", *ends, tensors)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
        found = swm.load(_save(tmp_path / "m.onnx", model), simplify=True, detect=True)
        assert any(map(is_structured, found.nodes)), scaled
        assert ("Shape" in {n.op_name for n in found.nodes}) is scaled, [n.op_name for n in found.nodes]
