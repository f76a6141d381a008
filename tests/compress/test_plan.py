# SPDX-License-Identifier: Apache-2.0
"""`swm check` predicts what `swm convert` does, weight by weight, and both say why not."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantFormat, quantize_static
from support import inputs, mlp, write_mlp

import swm
from swm.cli.check import check as check_command
from swm.cli.convert import convert as convert_command
from swm.errors import SwmError
from swm.onnx_io import from_proto


def model(nodes, weights, shape, rank, elem=TensorProto.FLOAT):
    graph = helper.make_graph(
        nodes,
        "m",
        [helper.make_tensor_value_info("x", elem, shape)],
        [helper.make_tensor_value_info("y", elem, [None] * rank)],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def recurrent(op, gates, hidden, width):
    """A recurrent layer whose gates some blocks straddle."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(1, gates * hidden, width)).astype(np.float32),
        "r": rng.normal(size=(1, gates * hidden, hidden)).astype(np.float32),
    }
    node = helper.make_node(op, ["x", "w", "r"], ["y"], name="rnn", hidden_size=hidden)
    return model([node], weights, [6, 1, width], 4)


def convolutions():
    """A depthwise and a pointwise convolution, and one of stride 2."""
    rng = np.random.default_rng(0)
    weights = {
        "d": rng.normal(size=(16, 1, 3, 3)).astype(np.float32),
        "p": rng.normal(size=(32, 16, 1, 1)).astype(np.float32),
        "s": rng.normal(size=(16, 32, 3, 3)).astype(np.float32),
        "l": rng.normal(size=(4, 16, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "d"], ["a"], name="depthwise", group=16, pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["a", "p"], ["b"], name="pointwise"),
        helper.make_node("Conv", ["b", "s"], ["c"], name="strided", strides=[2, 2]),
        helper.make_node("Conv", ["c", "l"], ["y"], name="last"),
    ]
    return model(nodes, weights, ["batch", 16, 9, 9], 4)


SYNTHETIC = {
    "mlp": lambda: mlp((20, 24, 16, 5)),
    "one wide layer": lambda: mlp((50, 1)),
    "narrow": lambda: mlp((1, 50, 1)),
    "lstm of 50 cells": lambda: recurrent("LSTM", 4, 50, 50),
    "gru of 12 cells": lambda: recurrent("GRU", 3, 12, 40),
    "rnn of 8 cells": lambda: recurrent("RNN", 1, 8, 8),
    "convolutions": convolutions,
}


def predicted(graph, block):
    return {name for node in swm.check(graph, block=block).nodes for name in node.converts}


def converted(graph, block):
    report = swm.convert(graph, block=block, keep_unknown=True).report
    return {layer.name for layer in report.layers if layer.structure != "dense"}


@pytest.mark.parametrize("name", SYNTHETIC)
def test_check_predicts_convert(name):
    graph = from_proto(SYNTHETIC[name]())
    some = set()
    for block in (2, 4, 8, 16, 64):
        assert predicted(graph, block) == converted(graph, block)
        some |= predicted(graph, block)
    assert some == {weight for node in swm.check(graph).nodes for weight in node.converts}


def test_check_predicts_convert_by_name_and_pattern():
    graph = from_proto(mlp((20, 24, 16, 5)))
    for blocks in ({"fc2": 2}, {"fc*": 4}, {"fc0": 8, "fc2": 8}):
        assert predicted(graph, blocks) == converted(graph, blocks)
    assert predicted(graph, {"fc2": 2}) == {"fc2"}


def test_check_predicts_convert_on_models_of_others():
    folder = Path(os.environ.get("SWM_SHARED", "")) / "models"
    if not os.environ.get("SWM_SHARED") or not folder.is_dir():
        pytest.skip("SWM_SHARED does not name a folder with models")
    compared = 0
    for path in sorted(folder.rglob("*.onnx")):
        try:
            graph = swm.load(path)
        except SwmError:
            continue
        assert predicted(graph, 8) == converted(graph, 8), path.name
        compared += bool(predicted(graph, 8))
    assert compared > 20


def said(graph, **options):
    return {n.name: n.structured for n in swm.check(graph, **options).nodes}


def test_check_says_which_sizes_the_rules_allow():
    lstm = said(from_proto(recurrent("LSTM", 4, 50, 50)))["rnn"]
    assert lstm == "W can be, block 2 (200 x 50); R can be, block 2 (200 x 50)"
    found = said(from_proto(convolutions()))
    assert found["depthwise"] == "stays dense: convolution in 16 groups of 1 x 1 channels, no whole blocks of 2"
    assert found["pointwise"] == "can be, block 2 to 8 (32 x 16 x 1 x 1)"
    assert found["last"].startswith("last layer: stays dense unless --block names it, block 2 ")
    assert said(from_proto(mlp((50, 1))))["fc0"] == "stays dense: fewer than two blocks of 2 in a 1 x 50 matrix"
    straddled = said(from_proto(recurrent("LSTM", 4, 50, 50)), block=8)["rnn"]
    assert "a block of 8 would straddle two gates of 50 cells" in straddled


def test_the_commands_take_a_block_and_explain_the_last_layer(tmp_path):
    """One layer alone is the last one: it comes back dense, and the option that converts it does so."""
    path = write_mlp(tmp_path / "m.onnx", widths=(64, 10), names=["fc, out"])
    done = CliRunner().invoke(check_command, [path, "--block", "4"])
    assert "last layer with weights" in " ".join(done.output.split())
    (warning,) = swm.convert(swm.load(path), block=16).report.warnings
    assert "last layer with weights" in warning and "--block 'fc, out=4'" in warning
    assert "block={'fc, out': 4}" in warning
    assert swm.convert(swm.load(path), block={"fc, out": 4}).report.compression > 3
    single = write_mlp(tmp_path / "n.onnx", widths=(64, 10))
    option = swm.convert(swm.load(single), block=16).report.warnings[0].split("--block ")[1].split()[0]
    done = CliRunner().invoke(convert_command, [single, "-o", str(tmp_path / "o.onnx"), "--block", option])
    assert done.exit_code == 0 and "block-circulant 4" in done.output
    none = swm.convert(from_proto(mlp((64, 1))), block=8).report.warnings
    assert len(none) == 1 and "fewer than two blocks of any size" in none[0]


def test_blocks_that_are_too_large_for_every_layer_are_told_the_largest_that_is_not():
    (warning,) = swm.convert(from_proto(mlp((20, 24, 16, 5))), block=64).report.warnings
    assert "--block 8 is the largest size that converts one" in warning
    assert swm.convert(from_proto(mlp((20, 24, 16, 5))), block=8).report.compression > 1


def halved():
    """The network with weights and tensors of float16."""
    proto = mlp((20, 24, 16, 5))
    for tensor in proto.graph.initializer:
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    return proto


def test_float16_is_told_to_start_from_float32():
    graph = from_proto(halved())
    found = swm.check(graph)
    assert found.advice.startswith("the weights of 3 layers are float16") and "float32 model" in found.advice
    assert swm.convert(graph, block=4).report.warnings == (found.advice,)
    assert found.to_json()["advice"] == found.advice
    assert swm.check(from_proto(mlp())).advice == ""


class Samples:
    """What onnxruntime's quantizer reads its ranges from."""

    def __init__(self):
        self.left = [{"x": row[None]} for row in inputs(8)]

    def get_next(self):
        return self.left.pop() if self.left else None


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
def test_models_quantized_by_onnxruntime_are_told_to_start_from_float32(tmp_path, form):
    write_mlp(tmp_path / "m.onnx")
    quantize_static(tmp_path / "m.onnx", tmp_path / "q.onnx", Samples(), quant_format=form)
    graph = swm.load(tmp_path / "q.onnx")
    advice = swm.check(graph).advice
    assert "quantized already" in advice and "3 layers" in advice and "float32 model" in advice
    assert advice in swm.convert(graph, block=4).report.warnings
    done = CliRunner().invoke(check_command, [str(tmp_path / "q.onnx")])
    if form is QuantFormat.QDQ:  # whose weights simplification writes out
        assert "The whole model can become hardware" in done.output
    else:
        assert "quantized already" in done.output


def test_a_model_whose_weights_run_through_nothing_else_is_not_told(tmp_path):
    """A bias that is dequantized, or a stray half, does not make the weights integers."""
    rng = np.random.default_rng(0)
    proto = model(
        [
            helper.make_node("DequantizeLinear", ["b", "s"], ["bias"]),
            helper.make_node("Conv", ["x", "w", "bias"], ["y"], name="c"),
        ],
        {"b": np.ones(8, np.int32), "s": np.float32(0.1), "w": rng.normal(size=(8, 8, 1, 1)).astype(np.float32)},
        ["n", 8, 4, 4],
        4,
    )
    onnx.checker.check_model(proto)
    assert swm.check(from_proto(proto)).advice == ""


def test_check_says_that_nothing_runs_an_unknown_operator(tmp_path):
    proto = mlp((20, 24, 5))
    proto.graph.node.append(helper.make_node("Frobnicate", ["h1"], ["z"], name="strange"))
    proto.graph.output[0].name = "z"
    onnx.save(proto, tmp_path / "m.onnx")
    found = swm.check(swm.load(tmp_path / "m.onnx"))
    assert [f.node for f in found.unknown] == ["strange"]
    assert "--keep-unknown" in {n.name: n.remedy for n in found.nodes}["strange"]
    done = CliRunner().invoke(check_command, [str(tmp_path / "m.onnx")])
    text = " ".join(done.output.split())
    assert "onnxruntime does not know Frobnicate" in text and "it runs whatever" not in text
