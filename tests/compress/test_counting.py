# SPDX-License-Identifier: Apache-2.0
"""Multiplications of an inference: all positions and steps, dense and structured, against sums by hand."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from support import inputs, mlp
from test_plan import convolutions, model, recurrent

import swm
from swm.cli.convert import convert as convert_command
from swm.onnx_io import from_proto
from swm.structure import BlockCirculant, BlockCirculantConv


def layers(graph, **options):
    report = swm.convert(graph, **options).report
    return report, {layer.name: layer for layer in report.layers}


def test_convolutions_count_every_pixel():
    """9 x 9 pixels in, 9 x 9 behind the two padded or pointwise ones, 4 x 4 behind a stride of 2."""
    report, found = layers(from_proto(convolutions()), block=4)
    assert [layer.positions for layer in report.layers] == [81, 81, 16, 16]
    assert found["depthwise"].multiplications_before == 81 * 16 * 9
    assert found["pointwise"].multiplications_before == 81 * 32 * 16
    assert found["strided"].multiplications_before == 16 * 16 * 32 * 9
    assert found["last"].multiplications_after == 16 * 4 * 16
    # block 4: transforms of 4 points have no multiplication; a product of half spectra has 2 + 4
    assert found["pointwise"].multiplications_after == 81 * 8 * 4 * 6
    assert found["strided"].multiplications_after == 16 * 9 * 4 * 8 * 6
    before = 81 * (16 * 9 + 32 * 16) + 16 * (16 * 32 * 9 + 4 * 16)
    assert report.multiplications[0] == report.to_json()["multiplications_before"] == before


def test_transforms_of_a_strided_convolution_run_at_every_input_pixel():
    kernel = BlockCirculantConv(np.zeros((9, 2, 3, 8), np.float32), (16, 24), (3, 3))
    one, transform = kernel.operations_of(1, 1), kernel.operations_of(1, 0)
    assert one == kernel.operations
    assert transform.multiplications == 3 * 4 * 1  # 8 points: one unit of the third stage has no multiplication
    many = kernel.operations_of(81, 16)
    assert many.multiplications == 81 * 12 + 16 * (2 * 4 + 9 * 2 * 3 * 14)


@pytest.mark.parametrize(("op", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_layers_count_every_step(op, gates):
    _, found = layers(from_proto(recurrent(op, gates, 16, 8)), block=2)
    w, r = found["rnn/W"], found["rnn/R"]
    assert w.positions == r.positions == 6
    assert w.multiplications_before == 6 * gates * 16 * 8
    assert r.multiplications_before == 6 * gates * 16 * 16
    matrix = BlockCirculant(np.zeros((gates * 8, 8, 2), np.float32))
    assert r.multiplications_after == 6 * matrix.operations.multiplications


def test_both_directions_count():
    rng = np.random.default_rng(0)
    weights = {n: rng.normal(size=(2, 32, w)).astype(np.float32) for n, w in (("w", 4), ("r", 8))}
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], name="rnn", hidden_size=8, direction="bidirectional")
    _, found = layers(from_proto(model([node], weights, [5, 3, 4], 4)), block=2)
    assert found["rnn/W"].multiplications_before == 2 * 5 * 32 * 4  # of one of the three sequences


def test_tokens_count():
    rng = np.random.default_rng(0)
    proto = model(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")],
        {"w": rng.normal(size=(16, 8)).astype(np.float32)},
        ["batch", 7, 16],
        3,
    )
    report, found = layers(from_proto(proto), block=4)
    assert found["fc"].positions == 7 and report.multiplications == (7 * 128, 7 * 128)


def free_steps():
    """A network whose inputs leave free how many steps there are."""
    proto = recurrent("LSTM", 4, 16, 8)
    del proto.graph.input[:]
    proto.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["steps", 1, 8]))
    return proto


def test_free_shapes_are_counted_for_the_given_inputs_and_else_said_to_be_free(tmp_path):
    graph = from_proto(free_steps())
    report, found = layers(graph, block=2)
    assert found["rnn/R"].positions is None and report.multiplications is None
    assert found["rnn/R"].multiplications_before == 64 * 16
    assert report.to_json()["multiplications_before"] is None
    report, found = layers(graph, block=2, calibration=inputs(11, 8)[:, None])
    assert found["rnn/R"].positions == 11 and found["rnn/R"].multiplications_before == 11 * 64 * 16
    swm.save(graph, tmp_path / "m.onnx")
    done = CliRunner().invoke(convert_command, [str(tmp_path / "m.onnx"), "-o", str(tmp_path / "o.onnx"), "--block=2"])
    assert "leaves free how many positions or steps" in " ".join(done.output.split())


def test_a_batch_counts_once_whether_free_fixed_or_given():
    for batch in ("batch", 1, 4):
        report, _ = layers(from_proto(mlp((20, 24, 16, 5), batch=batch)), block=4)
        assert report.multiplications[0] == 20 * 24 + 24 * 16 + 16 * 5
    report, _ = layers(from_proto(mlp((20, 24, 16, 5), batch=4)), block=4, calibration=inputs(40))
    assert report.multiplications[0] == 20 * 24 + 24 * 16 + 16 * 5


def test_the_command_shows_them(tmp_path):
    swm.save(from_proto(convolutions()), tmp_path / "m.onnx")
    arguments = [str(tmp_path / "m.onnx"), "-o", str(tmp_path / "o.onnx"), "--block", "4"]
    done = CliRunner().invoke(convert_command, [*arguments, "--json", str(tmp_path / "o.json")])
    data = json.loads((tmp_path / "o.json").read_text())
    assert data["layers"][1]["positions"] == 81
    line = f"multiplications {data['multiplications_before']:,} -> {data['multiplications_after']:,} per inference"
    assert line in done.output


def test_what_does_not_run_is_counted_at_one_position():
    """An operator that onnxruntime does not know stands before the layer: nothing tells the shapes."""
    weights = {"w": np.ones((16, 8), np.float32)}
    nodes = [
        helper.make_node("Strange", ["x"], ["a"], domain="nobody"),
        helper.make_node("MatMul", ["a", "w"], ["y"], name="fc"),
    ]
    graph = helper.make_graph(
        nodes,
        "m",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("nobody", 1)]
    _, found = layers(from_proto(helper.make_model(graph, opset_imports=opsets, ir_version=9)), block=4)
    assert found["fc"].positions is None and found["fc"].multiplications_before == 128
