# SPDX-License-Identifier: Apache-2.0
"""What a user of a notebook meets: values that say what they are in a line, and steps that name the one before."""

from importlib.metadata import version

import pytest
from support import inputs, write_mlp

import swm
from swm.errors import OptionError


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    graph = swm.load(write_mlp(tmp_path_factory.mktemp("m") / "m.onnx"))
    conversion = swm.convert(graph, block=4, calibration=inputs())
    fixed = swm.quantize(conversion.graph, bits=12, calibration=inputs())
    return graph, conversion, fixed, swm.design(fixed, board="pynq-z2", backend="generic")


def test_version():
    assert swm.__version__ == version("swm")


def test_values_say_what_they_are_in_a_line(road):
    graph, conversion, fixed, design = road
    report = swm.report(design)
    for value, words in (
        (graph, ("Graph 'mlp'", "m.onnx", "x (batch, 20) -> h2 (batch, 5)", "3 Linear", "944 weights")),
        (conversion, ("Conversion of 'mlp'", "block 4", "944 -> 296", "unseen samples")),
        (fixed, ("FixedGraph 'mlp'", "20 -> 5 values", "12 bits", "2 circulant")),
        (design, ("Design 'mlp'", "generic", "inferences/s (modelled)", "fits pynq-z2")),
        (report, ("Report of 'mlp'", "Fits pynq-z2", "uJ each", "float answers agree")),
    ):
        text = repr(value)
        assert len(text) < 300 and "\n" not in text
        assert all(word in text for word in words), text


def test_one_board_needs_no_list(road):
    _, _, fixed, design = road
    assert [row.board.name for row in swm.report(design, boards="zcu104").boards] == ["zcu104"]
    assert [row.board.name for row in swm.report(fixed, boards="arty-a7-100t", backend="generic").boards] == [
        "arty-a7-100t"
    ]


def test_a_float_graph_is_told_to_be_quantized_first(road, tmp_path):
    graph, conversion, *_ = road
    for value, words in ((graph, "swm.quantize"), (conversion, r"conversion\.graph"), ("m.onnx", "swm.quantize")):
        for call in (
            lambda v: swm.emit(v, board="pynq-z2", path=tmp_path / "p"),
            lambda v: swm.emit(v, path=tmp_path / "p"),
            lambda v: swm.design(v, board="pynq-z2"),
        ):
            with pytest.raises(OptionError, match=words):
                call(value)
    with pytest.raises(OptionError, match=r"attribute \.graph"):
        swm.quantize(conversion, bits=12, calibration=inputs())
    assert not list(tmp_path.iterdir())
