# SPDX-License-Identifier: Apache-2.0
"""`swm verify --trace`: the layer that is broken is the one that is named; ranges and errors are the engine's."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from designs import Sketch, design, residual
from support import inputs, write_mlp

import swm
from swm.accelerator.integers import run_fixed
from swm.cli.verify import verify as command
from swm.emit import emit_project, verify_project
from swm.emit.floats import FLOATS
from swm.errors import OptionError, OutputError


def edit(file, pattern):
    """Change the number that a pattern finds first in a file of a project."""
    text = file.read_text()
    found = re.search(pattern, text)
    file.write_text(text[: found.start(1)] + str(int(found[1]) ^ 1) + text[found.end(1) :])


def test_a_line_of_a_header_is_traced_to_its_layer(tmp_path):
    """A path around two layers: the sum is wrong, what it reads is not, and everything behind it is."""
    project = emit_project(design(residual(), built={"l1_circulant": {"out_vec": 4}}), tmp_path / "p")
    edit(project / "src" / "layers.h", r"struct l2_add \{[\s\S]*?out_shift = (\d+);")
    result = verify_project(project, trace=True)
    names = [layer.name for layer in result.trace]
    assert names[0] == "axi.input"
    assert set(names[1:]) == {p.spec.name for p in swm.load_project(project).schedule.layers}
    assert {"fork", "width"} <= {layer.kind for layer in result.trace}
    assert result.first_layer.name == "l2_add"
    assert {layer.name for layer in result.trace if layer.mismatches} == {"l2_add", "l3_dense"}
    assert not result.ok
    assert re.match(
        r"sample \d+, position 0, channel \d+: C\+\+ -?\d+, integer engine -?\d+", result.first_layer.first_mismatch
    )
    words = {layer.name: layer.words for layer in result.trace}
    assert words["l0_circulant"] == 16 * result.samples
    assert [words[n] for n in names if n.endswith("fork")] == [2 * 16 * result.samples]  # of both readers


def test_a_weight_is_traced_to_its_layer_where_processes_follow_each_other(tmp_path):
    sketch = (
        Sketch(12, positions=2).product("x", "a", 10, positions=2, activation="relu").product("a", "b", 9, positions=2)
    )
    made = design(sketch.product("b", "y", 4).graph(), "generic")
    project = emit_project(made, tmp_path / "p", vectors=np.random.default_rng(0).normal(size=(7, 24)))
    edit(project / "src" / "weights_l1_dense.h", r"_weights\[[^=]*= \{[\s{]*(-?\d+)")
    result = verify_project(project, trace=True)
    rows = {layer.name: layer for layer in result.trace}
    assert list(rows) == ["axi.input", "l0_dense", "l1_dense", "l2_dense"]
    assert result.first_layer is rows["l1_dense"]
    assert (rows["l0_dense"].words, rows["l0_dense"].mismatches) == (7 * 2 * 10, 0)
    assert "channel 0: " in rows["l1_dense"].first_mismatch
    assert rows["l0_dense"].error is None  # made without a float network


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traced")
    graph = swm.load(write_mlp(folder / "m.onnx", activation="Tanh"))
    fixed = swm.quantize(graph, bits=8, calibration=inputs(40))
    return swm.emit(fixed, board="pynq-z2", backend="generic", path=folder / "p", vectors=3 * inputs(30))


def test_ranges_saturation_and_errors_are_those_of_the_engine(project):
    result = project.verify(trace=True)
    assert result.ok and result.first_layer is None
    found = run_fixed(project.design.graph, 3 * inputs(30))
    last, first = result.trace[-1], result.trace[0]
    assert (last.low, last.high) == (found.values.min(), found.values.max())
    assert last.error == pytest.approx(result.relative_error)
    assert last.max_error == pytest.approx(result.max_error, rel=1e-4)
    assert first.saturated == found.saturated["x"] > 0
    assert sum(layer.saturated for layer in result.trace) == result.saturated
    assert [layer.error is None for layer in result.trace] == [layer.node == "" for layer in result.trace]
    assert all(0 < layer.used <= 1 for layer in result.trace)


def test_the_command_prints_a_line_a_layer(project):
    done = CliRunner().invoke(command, [str(project.path), "--trace", "--json"])
    assert done.exit_code == 0, done.exception
    data = json.loads(done.stdout)
    assert (data["first_layer"], [layer["name"] for layer in data["trace"]]) == (None, ["axi.input", *_names(project)])
    header = project / "src" / "layers.h"
    whole = header.read_text()
    edit(header, rf"struct {_names(project)[2]} \{{[\s\S]*?out_shift = (\d+);")
    done = CliRunner().invoke(command, [str(project.path), "--trace"], env={"COLUMNS": "200"})
    header.write_text(whole)
    assert done.exit_code == 1
    assert (
        f"first layer that differs: {_names(project)[2]} (node 'fc2')" in done.stdout
        and "no layer differs" not in done.stdout
    )


def _names(project):
    return [spec.name for spec in project.design.graph.specs]


def test_float_values_that_are_damaged_are_told(project):
    file = project / "verify" / FLOATS
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    with pytest.raises(OutputError, match="damaged"):
        verify_project(project.path, trace=True)
    file.write_bytes(whole)


def test_rtl_projects_are_not_traced(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx"))
    made = swm.emit(
        swm.quantize(graph, bits=8, calibration=inputs(20)), board="pynq-z2", backend="rtl", path=tmp_path / "p"
    )
    with pytest.raises(OptionError, match="only C\\+\\+ projects"):
        swm.verify(made, trace=True)
