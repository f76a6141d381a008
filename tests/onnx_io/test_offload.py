# SPDX-License-Identifier: Apache-2.0
"""Models too large for one file, with a small limit in place of 2 GiB."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from support import inputs, write_mlp

import swm
from swm.errors import OutputError
from swm.onnx_io import save as save_limited
from swm.onnx_io.write import writer


@pytest.fixture
def graph(tmp_path):
    (tmp_path / "source").mkdir()
    graph = swm.load(write_mlp(tmp_path / "source" / "m.onnx", widths=(20, 64, 48, 5)))
    return swm.convert(graph, block=4, calibration=inputs(100)).graph


def data_files(folder):
    return sorted(p.name for p in folder.iterdir() if p.name.endswith(".data"))


def test_weights_past_the_limit_go_to_a_second_file(graph, tmp_path):
    path = tmp_path / "out" / "m.onnx"
    path.parent.mkdir()
    save_limited(graph, path, inline_limit=1000)
    (name,) = data_files(path.parent)
    model = onnx.load(str(path), load_external_data=False)
    locations = {e.value for t in model.graph.initializer for e in t.external_data if e.key == "location"}
    assert locations == {name}
    assert path.stat().st_size < (path.parent / name).stat().st_size
    x = inputs(7)
    (plain,) = ort.InferenceSession(str(path)).run(None, {"x": x})
    np.testing.assert_allclose(plain, swm.run(graph, x), atol=1e-5)
    np.testing.assert_allclose(swm.run(swm.load(path), x), swm.run(graph, x), atol=1e-6)


def test_below_the_limit_one_file_is_written(graph, tmp_path):
    (tmp_path / "out").mkdir()
    save_limited(graph, tmp_path / "out" / "m.onnx", inline_limit=1 << 20)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["m.onnx"]


def test_a_later_model_replaces_the_data_and_leaves_other_files_alone(graph, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "m.onnx.notes.data").write_text("mine")
    save_limited(graph, folder / "m.onnx", inline_limit=1000)
    before = data_files(folder)
    other = swm.convert(swm.load(tmp_path / "source" / "m.onnx"), block=8, calibration=inputs(100)).graph
    save_limited(other, folder / "m.onnx", inline_limit=1000)
    after = data_files(folder)
    assert len(before) == len(after) == 2
    assert set(before) & set(after) == {"m.onnx.notes.data"}
    np.testing.assert_allclose(swm.run(swm.load(folder / "m.onnx"), inputs(3)), swm.run(other, inputs(3)), atol=1e-6)


def test_when_the_model_cannot_be_written_nothing_is_left_and_the_old_one_stays(graph, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    folder.mkdir()
    save_limited(graph, folder / "m.onnx", inline_limit=1000)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(path, data):
        raise OutputError("no space")

    monkeypatch.setattr(writer, "write_atomic", full)
    other = swm.convert(swm.load(tmp_path / "source" / "m.onnx"), block=8, calibration=inputs(100)).graph
    with pytest.raises(OutputError, match="no space"):
        save_limited(other, folder / "m.onnx", inline_limit=1000)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_missing_folder_is_a_clear_error(graph, tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        save_limited(graph, tmp_path / "none" / "m.onnx", inline_limit=1000)
