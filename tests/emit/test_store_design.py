# SPDX-License-Identifier: Apache-2.0
"""A Design survives its two files whole; damaged files end in one error."""

import json

import pytest
from designs import Sketch, design, mlp, residual

from swm.accelerator.store_design import load_design, save_design
from swm.errors import OutputError


@pytest.mark.parametrize("network", [mlp, residual])
@pytest.mark.parametrize("backend", ["vitis", "generic"])
def test_a_design_is_read_as_it_was_written(tmp_path, network, backend):
    made = design(network(), backend, ends=(2, 1), control="ap_ctrl_none", frames=3)
    save_design(made, tmp_path)
    read = load_design(tmp_path)
    assert read.schedule == made.schedule
    assert read.graph.specs == made.graph.specs
    again = tmp_path / "again"
    again.mkdir()
    save_design(read, again)
    assert json.loads((again / "design.json").read_text()) == json.loads((tmp_path / "design.json").read_text())


def test_a_project_of_before_has_no_target(tmp_path):
    save_design(design(mlp()), tmp_path)
    data = json.loads((tmp_path / "design.json").read_text())
    assert data["schedule"].pop("target", 1) is None
    (tmp_path / "design.json").write_text(json.dumps(data))
    assert load_design(tmp_path).schedule.target is None


def faults(data):
    """Named damages, each of a copy of the data."""

    def damaged(change):
        copy = json.loads(json.dumps(data))
        change(copy)
        return json.dumps(copy)

    yield "not json", json.dumps(data)[:-40]
    yield "nested", "[" * 100_000
    yield "another version", damaged(lambda d: d.update(version=99))
    yield "text for a number", damaged(lambda d: d["schedule"].update(interval="64"))
    yield "no cycles", damaged(lambda d: d["schedule"].update(interval=0))
    yield "no depth", damaged(lambda d: d["schedule"]["edges"][0].update(depth=0))
    yield "missing key", damaged(lambda d: d["schedule"].pop("backend"))
    yield "unknown key", damaged(lambda d: d["schedule"]["backend"].update(colour="red"))
    yield "unknown kind", damaged(lambda d: d["layers"][0]["place"].update(kind="banana"))
    yield "unknown class", damaged(lambda d: d["layers"][0]["place"].update(built="Popen"))
    yield "edge that is not there", damaged(lambda d: d["layers"][0]["place"].update(inputs=["nowhere"]))
    yield "board", damaged(lambda d: d["board"].update(part='x"; [exec rm]'))
    yield "another network", damaged(lambda d: d["layers"][0]["spec"].update(name="l9"))
    yield "no layers", damaged(lambda d: d.update(layers=[]))
    yield "a list", "[]"


def test_damaged_designs_are_told(tmp_path):
    save_design(design(mlp()), tmp_path)
    file = tmp_path / "design.json"
    for name, text in faults(json.loads(file.read_text())):
        file.write_text(text)
        with pytest.raises(OutputError, match="emit the project again"):
            load_design(tmp_path)
            pytest.fail(name)
    file.unlink()
    with pytest.raises(OutputError):
        load_design(tmp_path)


def test_a_design_with_another_network_s_numbers_is_told(tmp_path):
    save_design(design(Sketch(24).product("x", "y", 4).graph()), tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    save_design(design(mlp()), other)
    (other / "fixed.npz").replace(tmp_path / "fixed.npz")
    with pytest.raises(OutputError, match="different designs"):
        load_design(tmp_path)
