# SPDX-License-Identifier: Apache-2.0
"""A back end from outside the package: a value and a folder of templates; registered, used and taken out again."""

from dataclasses import replace

import numpy as np
import pytest
from emit.designs import mlp

from swm.accelerator.backend import GENERIC, VITIS, backend, backend_names, register_backend, unregister_backend
from swm.accelerator.design import Design
from swm.accelerator.schedule import make_schedule
from swm.accelerator.store_design import load_design
from swm.device.board import load_board
from swm.emit import emit_project, verify_project
from swm.errors import OptionError

PAGE = """\
{# a file that no other back end has #}
# {{ model }} for {{ backend.tool }}
cycles {{ interval }}
{% for layer in layers %}
layer {{ layer.name }} {{ layer.kind }}
{% endfor %}
"""
EACH = "weights of {{ layer.name }}: {{ layer.roms | length }} memories\n"


@pytest.fixture
def arrays(tmp_path):
    """Plain arrays as the generic back end has, but as parallel as the board allows, and two files of its own."""
    folder = tmp_path / "templates of arrays"
    folder.mkdir()
    (folder / "page.txt.j2").write_text(PAGE)
    (folder / "each.txt.j2").write_text(EACH)
    files = ((str(folder / "page.txt.j2"), "notes/page.txt"), (str(folder / "each.txt.j2"), "notes/%.txt"))
    made = replace(
        GENERIC,
        name="arrays",
        title="plain arrays, as parallel as the board allows",
        parallelism="search",
        files=(*GENERIC.files, *files),
        tool="some compiler",
    )
    register_backend(made)
    try:
        yield made
    finally:
        unregister_backend("arrays")


def test_a_new_back_end_emits_and_verifies(tmp_path, arrays):
    assert backend_names() == ("vitis", "generic", "rtl", "arrays")
    assert backend("arrays") is arrays
    graph, board = mlp(), load_board("pynq-z2")
    schedule = make_schedule(graph.shape, board, backend=backend("arrays"))
    least = make_schedule(graph.shape, board, backend=GENERIC)
    streaming = make_schedule(graph.shape, board, backend=VITIS)
    assert [la.built for la in schedule.layers] == [la.built for la in streaming.layers]
    assert schedule.interval < least.interval  # calls one after the other, both of them
    values = np.random.default_rng(2).normal(size=(11, 24)).astype(np.float32)
    project = emit_project(Design(graph, schedule), tmp_path / "p", vectors=values)
    page = (project / "notes" / "page.txt").read_text().splitlines()
    assert page[0] == "# sketch for some compiler"
    assert page[1] == f"cycles {schedule.interval}"
    assert page[2:] == [f"layer {la.spec.name} {la.spec.kind}" for la in schedule.layers]
    assert sorted(f.name for f in (project / "notes").iterdir()) == ["l0_circulant.txt", "l1_dense.txt", "page.txt"]
    assert (project / "notes" / "l1_dense.txt").read_text() == "weights of l1_dense: 2 memories\n"
    assert not (project / "sim").exists()
    result = verify_project(project)
    assert result.ok, (result.first_mismatch, result.remarks)
    assert result.words == 11 * 4
    assert load_design(project / "verify").backend == arrays


def test_out_again(arrays):
    unregister_backend("arrays")
    assert backend_names() == ("vitis", "generic", "rtl")
    with pytest.raises(OptionError, match="unknown back end 'arrays'"):
        backend("arrays")


def test_unknown_names_get_the_nearest():
    with pytest.raises(OptionError, match="did you mean 'vitis'"):
        backend("vitsi")
