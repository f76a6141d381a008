# SPDX-License-Identifier: Apache-2.0
"""Published systems: every row says how it is known, ours are the model's own figures, the ratios are arithmetic."""

import json

import pytest
from click.testing import CliRunner

from swm.accelerator.schedule import make_schedule
from swm.bench import published
from swm.bench.published import KNOWN, Network, run_published, systems
from swm.bench.published_page import markdown, tables
from swm.bench.shapes import lstm_step, mlp
from swm.cli.bench import bench
from swm.device import load_board, load_target
from swm.report import design_figures

SMALL = Network(kind="mlp", widths=(20, 16, 5), block=4, bits=8, clock_mhz=100)


@pytest.fixture
def few(monkeypatch):
    """Two rows, one of a small network and one that cannot be modelled."""
    modelled = systems()[0].model_copy(update={"network": SMALL})
    refused = next(s for s in systems() if s.refused)
    monkeypatch.setattr(published, "systems", lambda: (modelled, refused))
    return modelled, refused


def test_every_row_says_how_it_is_known_and_where_from():
    found = systems()
    assert len({(s.name, s.board) for s in found}) == len(found) >= 15
    for system in found:
        assert system.known in KNOWN and system.source
        assert bool(system.check) == (system.known == "recalled, checked")  # what is merely recalled stays out
        assert "recalled" not in (system.bits + system.accuracy + system.boundary).replace("recalled, checked", "")
        assert (system.network is None) == bool(system.refused)
        assert system.watts is None or system.boundary
        if system.board:
            load_target(system.board)


def test_rates_agree_with_what_they_were_checked_against():
    """The arithmetic of the `check` of each row."""
    rate = {(s.name.split(" (")[0], s.board): s for s in systems()}
    ese = rate["ESE, LSTM", "adm-pcie-ku3"]
    assert rate["C-LSTM, block 16", "adm-pcie-7v3"].frames_per_s / ese.frames_per_s == pytest.approx(18.8, abs=0.05)
    assert rate["C-LSTM, block 16", "adm-pcie-ku3"].frames_per_s / ese.frames_per_s == pytest.approx(21, abs=0.2)
    clstm = rate["C-LSTM, block 16", "adm-pcie-7v3"]
    energy = (clstm.frames_per_s / clstm.watts) / (ese.frames_per_s / ese.watts)
    assert energy == pytest.approx(33.5, abs=0.1)
    north = rate["TrueNorth, MNIST", ""]
    assert north.frames_per_s / north.watts == pytest.approx(1 / 0.108e-3)
    ernn = rate["E-RNN, LSTM, block 16", "adm-pcie-7v3"]
    assert ernn.frames_per_s / ernn.watts == pytest.approx(15_300, rel=0.001)


def test_shapes_of_published_networks():
    """The LSTM's matrices have the parameters that C-LSTM states: 0.41M at block 8, 0.20M at block 16."""
    for block, stated in ((8, 0.41e6), (16, 0.20e6)):
        specs = [layer.spec for layer in lstm_step(160, 1024, 512, block, 16).layers]
        weights = sum(s.n * s.m // block for s in specs if s.kind == "circulant")
        assert weights == pytest.approx(stated, rel=0.03)
    kinds = [layer.spec.kind for layer in mlp((490, 256, 12), 8, 4).layers]
    assert kinds == ["circulant", "dense"]


def test_ours_are_the_figures_of_the_model(few):
    result = run_published(quick=True)
    ours = result["rows"][0]["ours"]
    plan = make_schedule(mlp(SMALL.widths, 4, 8), load_board("pynq-z2"), clock_mhz=100)
    figures = design_figures(plan)
    assert (ours["interval"], ours["watts"]) == (plan.interval, figures.watts.total)
    assert ours["frames_per_joule"] == pytest.approx(1 / figures.joules.total)
    assert result["rows"][1]["ours"] is None and result["rows"][1]["not_modelled"] == few[1].refused
    text = markdown(result)
    assert few[0].name in text and f"not modelled: {few[1].refused}" in text and "None" not in text
    assert tables(result)[0].row_count == 2


def test_the_command(few, tmp_path):
    page, plot = str(tmp_path / "p.md"), str(tmp_path / "p.svg")
    done = CliRunner().invoke(bench, ["published", "--quick", "--json", "--markdown", page, "--plot", plot])
    assert done.exit_code == 0, done.output
    assert [row["known"] for row in json.loads(done.stdout)["rows"]] == ["sourced"] * 2
    assert "<svg" in (tmp_path / "p.svg").read_text() and "frames/J" in (tmp_path / "p.md").read_text()
    assert ".md" in str(CliRunner().invoke(bench, ["published", "--markdown", "p.txt"]).exception)


def test_the_bundled_network_stands_in_at_the_accuracy_asked_for(monkeypatch):
    made = {
        (1, 12): {"accuracy": 0.99, "frames_per_s": 10.0, "fits": True},
        (2, 8): {"accuracy": 0.98, "frames_per_s": 30.0, "fits": True},
        (4, 8): {"accuracy": 0.96, "frames_per_s": 90.0, "fits": True},
        (8, 8): {"accuracy": 0.97, "frames_per_s": 900.0, "fits": False},
    }
    monkeypatch.setattr(published, "_choice", lambda block, bits, board: made[block, bits])
    assert published._bundled("zc706", 0.95, tuple(made)) is made[4, 8]
    assert published._bundled("zc706", 0.97, tuple(made)) is made[2, 8]
    assert published._bundled("zc706", 0.999, tuple(made)) is made[1, 12]


def test_headline_ratios_are_ours_over_theirs(monkeypatch):
    stand_in = {"network": "n", "accuracy": 0.98, "frames_per_s": 5000.0, "frames_per_joule": 18518.0}
    monkeypatch.setattr(published, "_bundled", lambda *_: stand_in)
    ours = {"network": "l", "frames_per_s": 2 * 17544, "frames_per_joule": 3 * 17544 / 41}
    monkeypatch.setattr(published, "_modelled", lambda *_: ours)
    found = {one["ratio"]: one for one in run_published()["headlines"]}
    lstm = found["LSTM over ESE, block 16, XCKU060 at 200 MHz"]
    assert lstm["ours"] == pytest.approx([2, 3])
    assert lstm["published"] == pytest.approx([21.15, 33.5], rel=0.01)
    mnist = next(one for name, one in found.items() if "dense network" in name)
    assert mnist["ours"] == pytest.approx([5, 2], rel=0.001) and "98.0 % for ours" in mnist["accuracy"]
    assert mnist["published"] == pytest.approx([363, 71.3], rel=0.01)
