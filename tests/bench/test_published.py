# SPDX-License-Identifier: Apache-2.0
"""Published systems: every row says how it is known, ours are the model's own figures, the ratios are arithmetic."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import swm
from swm import bundled
from swm.accelerator.backend import RTL
from swm.accelerator.lower import lower
from swm.accelerator.quantize import network_shape
from swm.accelerator.schedule import make_schedule
from swm.bench import published
from swm.bench.published import KNOWN, Network, run_published, systems, trained
from swm.bench.published_page import markdown, tables
from swm.bench.shapes import LSTM_STEPS, lstm, mlp
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


def test_every_row_of_the_literature_that_something_checks_is_there():
    """Of /work/shared/facts/literature.md, read once: network, board and rate of rows that are sourced or checked."""
    found = {(s.name.split(" (")[0], s.board): s.frames_per_s for s in systems()}
    wanted = {
        ("SWM, MNIST 2", "cyclonev-5cea9"): 2.9e7,
        ("SWM, SVHN", "cyclonev-5cea9"): 384_900,
        ("FINN, CIFAR-10", "zc706"): 21_900,
        ("E-RNN, LSTM, block 8", "adm-pcie-ku3"): 231_514,
        ("E-RNN, LSTM, block 16", "adm-pcie-ku3"): 429_327,
        ("E-RNN, GRU, block 16", "adm-pcie-7v3"): 464_582,
        ("fpgaConvNet, image classification, ZedBoard", ""): 2_431,
    }
    assert {key: found[key] for key in wanted} == wanted
    swm_own = [s for s in systems() if s.board == "cyclonev-5cea9" and s.network]
    assert [s.network.board for s in swm_own] == [""]  # the paper's own device


def test_the_paper_s_device_is_modelled_by_the_back_end_that_knows_it():
    made = published._modelled(mlp((20, 16, 5), 4, 8), "cyclonev-5cea9", None)
    plan = make_schedule(mlp((20, 16, 5), 4, 8), load_board("cyclonev-5cea9"), backend=RTL)
    assert made["fits"] and made["interval"] == plan.interval and made["clock_mhz"] == 100


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
        (layer,) = lstm(153, 1024, 512, block, 16).layers
        assert layer.spec.stored_words == pytest.approx(stated, rel=0.03)
        assert layer.spec.peephole and layer.spec.projected
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


def test_a_frame_of_an_lstm_is_a_step_of_the_whole_layer():
    """The recurrent layer itself, with as many sequences as make it faster; rates count steps."""
    network = Network(kind="lstm", inputs=24, cells=64, projection=32, block=8, bits=12, clock_mhz=200)
    made = published._modelled(network.shape(), "zc706", 200)
    count = made["sequences"]
    plan = make_schedule(lstm(24, 64, 32, 8, 12, sequences=count), load_board("zc706"), clock_mhz=200)
    alone = make_schedule(lstm(24, 64, 32, 8, 12), load_board("zc706"), clock_mhz=200)
    assert count > 1 and made["interval"] == plan.interval / (LSTM_STEPS * count) < alone.interval / LSTM_STEPS
    assert made["frames_per_s"] == pytest.approx(200e6 / made["interval"])
    assert made["frames_per_joule"] == pytest.approx(made["frames_per_s"] / design_figures(plan).watts.total)


def test_trained_networks_have_the_shape_that_is_modelled():
    """What stands for a trained network has the layers of the bundled one, converted; accuracies as in results.md."""
    graph = swm.convert(swm.load(bundled.model_path()), block=8, permute=False).graph
    ours = mlp(published._BUNDLED, 8, 12)
    layers = network_shape(lower(graph), 12).layers
    assert [(a.spec.kind, a.spec.n, a.spec.m) for a in layers] == [
        (b.spec.kind, b.spec.n, b.spec.m) for b in ours.layers
    ]
    page = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
    for one in trained():
        assert f"{100 * one.accuracy:.2f} (" in page and f"bundled MLP, block {one.block}" in page


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
    ours = {"network": "l", "sequences": 1, "frames_per_s": 2 * 17544, "frames_per_joule": 3 * 17544 / 41}
    monkeypatch.setattr(published, "_modelled", lambda *_: ours)
    found = {one["ratio"]: one for one in run_published()["headlines"]}
    lstm = found["LSTM over ESE, block 16, XCKU060 at 200 MHz"]
    assert lstm["ours"] == pytest.approx([2, 3])
    assert lstm["published"] == pytest.approx([21.15, 33.5], rel=0.01)
    assert "TIMIT" in lstm["accuracy"] and "spoken digits" in lstm["accuracy"]
    mnist = next(one for name, one in found.items() if "dense network" in name)
    assert mnist["ours"] == pytest.approx([5, 2], rel=0.001) and "ours 98.0 %" in mnist["accuracy"]
    train = found["MNIST over TrueNorth: trained, block 16, zc706"]
    assert f"{100 * min(one.accuracy for one in trained()):.1f} %, measured on 10,000" in train["accuracy"]
    assert mnist["published"] == pytest.approx([363, 71.3], rel=0.01)
