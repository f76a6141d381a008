# SPDX-License-Identifier: Apache-2.0
"""The grid of `swm bench area`: what is mapped, what is fitted, and which rows judge the fit."""

import pytest

from swm.bench import area
from swm.bench.plots import draw
from swm.bench.tables import headlines, rows_as_text
from swm.report.measured import Area, LayerArea, ProcessArea, Synthesis

TWICE, MORE = 2.0, 30


@pytest.fixture
def result(monkeypatch):
    """Counts that are twice the model's and 30, but for 12 bits, where they are 10 % above that."""

    def synthesise(_project, family, processes, **_options):
        layers = {}
        for layer, process in processes.values():
            layers.setdefault(layer, []).append(ProcessArea(process, counts.pop(0) if layer else Area(), 0.0))
        found = tuple(LayerArea(name, Area(), tuple(inside)) for name, inside in layers.items())
        return Synthesis(family.name, family.board, "yosys 9.9", family.part, Area(), found, 0.0)

    counts = []

    def emitted(made, path):
        for layer in area.estimate(made.schedule).layers[: len(made.schedule.layers)]:
            for process in layer.processes:
                known, off = process.routed, 1.1 if made.graph.bits == area.HELD_OUT else 1.0
                lut, ff = (round(off * (TWICE * n + MORE)) for n in (known.lut, known.ff))
                counts.append(Area(lut, ff, known.dsp, known.bram18))
        return path

    monkeypatch.setattr(area, "emit_project", emitted)
    monkeypatch.setattr(area, "synthesise", synthesise)
    return area.run_area(quick=True)


def test_the_fit_is_judged_by_rows_that_it_has_not_seen(result):
    assert {row["held_out"] for row in result["rows"] if row["bits"] == 12} == {True}
    for fit in result["fits"].values():
        for slope, offset in fit.values():
            assert slope == pytest.approx(TWICE, rel=0.1)
            assert offset == pytest.approx(MORE, abs=20)
    errors = result["errors"]
    assert errors["lut_predicted"] == pytest.approx(0.1 / 1.1, abs=0.02)
    assert errors["lut_modelled"] > 0.5
    assert errors["dsp_exact"] == errors["bram18_exact"] == 1


def test_rows_show_counted_modelled_and_fitted(result, tmp_path):
    head, rows = rows_as_text(result)
    assert len(rows) == len(result["rows"]) and all(len(row) == len(head) for row in rows)
    assert sum(row[0].endswith("*") for row in rows) == result["errors"]["rows"]
    assert any("which no fit has seen" in line for line in headlines(result))
    draw(result, str(tmp_path / "area.svg"))
    assert "</svg>" in (tmp_path / "area.svg").read_text()


def test_the_whole_grid_has_every_block_and_width():
    cases = list(area._cases(False))
    assert {c.block for c in cases} == set(area.BLOCKS) and {c.bits for c in cases} == set(area.BITS)
    assert len({c.name for c in cases}) == len(cases)
