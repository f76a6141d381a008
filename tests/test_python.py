# SPDX-License-Identifier: Apache-2.0
"""What a user of a notebook meets: values that say what they are in a line, and steps that name the one before."""

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import onnx
import pytest
from support import inputs, mlp, write_mlp

import swm
from swm.errors import ModelError, OptionError


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    graph = swm.load(write_mlp(tmp_path_factory.mktemp("m") / "m.onnx"))
    conversion = swm.convert(graph, block=4, calibration=inputs())
    fixed = swm.quantize(conversion.graph, bits=12, calibration=inputs())
    return graph, conversion, fixed, swm.design(fixed, board="pynq-z2", backend="generic")


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", swm.__version__)  # tests/test_packaging.py holds it against the wheel's


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


class Reader(HTMLParser):
    """Opened and closed tags, and the text of table cells."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.tags = [], [], set()
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, _attributes):
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] == "td":
            self.cells.append(data)


def test_values_are_tables_in_a_notebook(road, tmp_path):
    graph, conversion, fixed, design = road
    project = swm.emit(design, path=tmp_path / "p", vectors=inputs(3))
    for value, words in (
        (graph, {"fc1", "Linear", "16 x 24", "dense", "384"}),
        (conversion, {"fc1", "block-circulant 4", "384 -> 96"}),
        (fixed, {"fc1", "circulant", "24 -> 16"}),
        (design, {"l1_fc1", "circulant", "24 -> 16"}),
        (project, {"pynq-z2", "generic", "12", "372 cycles per inference (modelled)"}),
    ):
        assert words <= set(Reader(value._repr_html_()).cells), value
    hostile = swm.load(mlp(names=["<script>alert(1)</script>", "b", "c"]))
    assert "script" not in Reader(hostile._repr_html_()).tags
    deep = swm.load(mlp(widths=(4,) * 40))
    page = deep._repr_html_()
    assert page.count("<tr>") == 31 and "and 47 more" in page


def test_emit_gives_a_project_that_stands_for_its_folder(road, tmp_path):
    *_, design = road
    project = swm.emit(design, path=tmp_path / "p", vectors=inputs(3))
    assert isinstance(project, swm.Project)
    text = repr(project)
    for words in ("p'", "fits pynq-z2", "generic", "cycles per inference (modelled)", f"{len(project.files)} files"):
        assert words in text
    assert len(text) < 300 + len(str(tmp_path)) and "\n" not in text
    assert (project.board, project.fits, project.interval) == ("pynq-z2", True, design.schedule.interval)
    assert Path(project) == tmp_path / "p" and os.path.isdir(project)
    assert (project / "src" / "top.cpp").is_file() and all((project / name).is_file() for name in project.files)
    outcome = project.verify()
    assert outcome.ok and outcome.words == 15 and project.backup is None
    text = repr(outcome)
    assert "bit-exact; 15 words of 3 samples, 0 differ" in text and "top-1 agreement" in text and len(text) < 200
    assert [row.board.name for row in project.report().boards] == ["pynq-z2"]
    assert [row.board.name for row in swm.report(project, boards="zcu104").boards] == ["zcu104"]
    assert swm.load_project(project).schedule.interval == project.interval
    (project / "src" / "top.cpp").write_text("// mine\n")
    again = swm.emit(design, path=project, vectors=inputs(3), force=True)
    assert again.backup == tmp_path / "p.bak-1"
    assert swm.emit(design, path=project, vectors=inputs(3), force=True).backup is None


def test_load_takes_a_path_a_model_or_its_bytes(tmp_path):
    model = mlp()
    path = Path(write_mlp(tmp_path / "m.onnx"))
    wanted = swm.run(swm.load(path), inputs(3))
    for given in (model, model.SerializeToString(), str(path)):
        assert (swm.run(swm.load(given), inputs(3)) == wanted).all()
    assert swm.load(model, simplify=True).linear() and model == mlp()  # which stays as it is
    for given, error, words in (
        (b"", ModelError, "no ONNX graph"),
        (b"\x00nonsense", ModelError, "not an ONNX file"),
        (onnx.ModelProto(), ModelError, "no ONNX graph"),
        (3, OptionError, "got a int"),
        (Exported(), OptionError, "give its attribute .model_proto"),
    ):
        with pytest.raises(error, match=words):
            swm.load(given)


class Exported:
    """As what torch.onnx.export gives."""

    model_proto = None


def test_external_data_without_a_folder_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(mlp(), str(path), save_as_external_data=True, location="m.data", size_threshold=0)
    assert swm.load(path).linear()
    for given in (path.read_bytes(), onnx.load(str(path), load_external_data=False)):
        with pytest.raises(ModelError, match=r"its folder is unknown; load it from its path"):
            swm.load(given)
