# SPDX-License-Identifier: Apache-2.0
"""Searches: what each layer may have, the diagonal first, nothing twice, the same seed the same trials."""

import sys

import numpy as np
import pytest
from support import inputs, write_mlp

import swm
from swm.errors import OptionError
from swm.explore import steps
from swm.explore.point import Figures, Point, front
from swm.explore.search import GENERATION, block_choices, search

optuna = pytest.importorskip("optuna", reason="needs optuna: pip install 'swm-fpga[search]'")

LAYERS = {"a": (1, 2, 4, 8), "b": (1, 4), "c": (1, 2, 4, 8)}


def answered(places, what=""):
    """Figures by a formula: small blocks are accurate and dear, layer c costs most and bears the most."""
    found = []
    for place in places:
        sizes = {**dict.fromkeys(LAYERS, 1), **dict(p.split("=") for p in place.block.split(",") if "=" in place.block)}
        a, b, c = (int(sizes[name]) for name in LAYERS)
        accuracy = 1 - 0.02 * np.log2(a) - 0.05 * np.log2(b) - 0.001 * np.log2(c) - 0.1 * (place.bits < 8)
        joules = (10 / a + 5 / b + 100 / c) * place.bits * 1e-9
        figures = Figures(100, 10, 1.0, 1e6, 1.0, joules, 1, 1, 0, 100, 100, 0.1)
        found.append(Point(**place._asdict(), accuracy=float(accuracy), weight_bits=1, figures=figures))
    return found


def asked(trials, seed=0, evaluate=answered, **more):
    options = {"layers": LAYERS, "boards": ["x", "y"], "bits": [6, 8, 12], "objective": "energy", **more}
    return search(evaluate, trials=trials, seed=seed, **options)


def test_the_diagonal_comes_first_and_no_place_is_evaluated_twice():
    rounds = []

    def counted(places, what):
        rounds.append(([p.block for p in places], what))
        return answered(places)

    points = asked(40, evaluate=counted)
    every = [block for blocks, _ in rounds for block in blocks]
    assert rounds[0][0][:4] == ["1", "a=8,b=4,c=8", "a=2,c=2", "a=4,b=4,c=4"]
    assert [what for _, what in rounds] == ["trials 1 to 16 of 40", "trials 17 to 32 of 40", "trials 33 to 40 of 40"]
    places = [(p.board, p.block, p.bits) for p in points]
    assert len(set(places)) == len(places) == len(every) <= 40
    assert max(len(blocks) for blocks, _ in rounds) <= GENERATION


def test_the_same_seed_tries_the_same_and_the_search_finds_better_than_its_diagonal():
    points = asked(160)
    assert points == asked(160)
    assert points != asked(160, seed=1)
    found = {p.block for p in front(points)}
    assert any("c=8" in block and "a=8" not in block and "b=4" not in block for block in found)
    dense, whole = (next(p for p in points if p.block == block) for block in ("1", "a=8,b=4,c=8"))
    middle = [p for p in points if p.accuracy > 0.95 and p.figures.joules < dense.figures.joules / 3]
    assert middle and whole.accuracy < 0.95


def test_points_that_fail_or_fit_no_board_do_not_end_a_search():
    def broken(places, what):
        return [
            Point(**p._asdict(), accuracy=None, weight_bits=None, figures=None, reason="no", failed=True)
            for p in places
        ]

    assert all(p.failed for p in asked(20, evaluate=broken))


def test_a_real_search_by_layers(tmp_path, monkeypatch):
    from concurrent.futures import Future
    from contextlib import nullcontext

    from swm.explore.tasks import run

    def here(task, folder, key, arguments):
        done = Future()
        done.set_result(run(task, folder, key, arguments))
        return done

    monkeypatch.setenv("SWM_CACHE", str(tmp_path))
    monkeypatch.setattr(steps, "on_this_machine", lambda count: nullcontext(here))
    graph = swm.load(write_mlp(tmp_path / "m.onnx"))
    choices = block_choices(graph, [2, 4, 1024])
    assert choices and all(sizes == (1, 2, 4) for sizes in choices.values())
    found = swm.explore(
        graph, boards="zcu104", inputs=inputs(), labels=np.arange(64) % 5, blocks=[2, 4], bits=[8], trials=6
    )
    assert not found.errors and found.front
    assert {"1", ",".join(f"{name}=4" for name in choices)} <= {p.block for p in found.points}
    assert any("=2" in p.choice and p.choice.startswith("blocks ") for p in found.points)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trials": 0}, "at least one"),
        ({"trials": 5, "blocks": ["8x"]}, "no budgets"),
        ({"trials": 5, "structures": "cgs"}, "circulant sizes"),
        ({"trials": 5, "blocks": [1024]}, "no layer of this network"),
    ],
)
def test_what_cannot_be_searched(tmp_path, monkeypatch, options, words):
    monkeypatch.setenv("SWM_CACHE", str(tmp_path))
    graph = swm.load(write_mlp(tmp_path / "m.onnx"))
    with pytest.raises(OptionError, match=words):
        swm.explore(graph, boards="zcu104", inputs=inputs(), **options)


def test_without_optuna_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(OptionError, match=r"swm-fpga\[search\]"):
        asked(1)
