# SPDX-License-Identifier: Apache-2.0
"""Explorations: the grid, what is shared and kept, points that fail, processes that die, the front."""

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from support import inputs, write_mlp

import swm
from swm import exploring
from swm.cli.explore import explore as explore_command
from swm.errors import CalibrationError, OptionError, OutputError, UnknownBoard
from swm.explore import Exploration, Point, front_tables, steps, summary_lines
from swm.explore.plot import svgs
from swm.explore.point import Figures, better, front, objective_value
from swm.explore.store import Store, key_of
from swm.explore.tasks import measured, run
from swm.explore.workers import StepError, on_this_machine
from swm.report.explored import front_rows, read_explored
from swm.report.sentences import explored_sentence

FIGURES = Figures(
    clock_mhz=100, interval=10, latency_us=1.0, inferences_per_s=1e7, watts=2.0, joules=2e-7,
    dsp=10, bram18=3, m10k=None, uram=1, lut=1000, ff=900, share=0.5,
)  # fmt: skip
POINT = Point("pynq-z2", "circulant", "8", 12, 0.9, 100, FIGURES)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of these tests' own: what is kept must come from them."""
    before = os.environ.get("SWM_CACHE")
    os.environ["SWM_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield Path(os.environ["SWM_CACHE"])
    os.environ.pop("SWM_CACHE") if before is None else os.environ.update(SWM_CACHE=before)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_mlp(tmp_path_factory.mktemp("model") / "m.onnx")


@pytest.fixture(scope="module")
def found(cache, model):
    """A real exploration, with a process of its own: two boards, of which one is tiny, two choices, two widths."""
    labels = np.arange(64) % 5
    return swm.explore(
        swm.load(model),
        boards=["pynq-z2", "zcu104"],
        inputs=inputs(),
        labels=labels,
        blocks=[4, "1000x"],
        bits=[8, 12],
        workers=1,
    )


def here(task, folder, key, arguments):
    """A submit that does the step at once, in this process."""
    from concurrent.futures import Future

    done = Future()
    try:
        done.set_result(run(task, folder, key, json.loads(json.dumps(arguments))))
    except Exception as error:
        done.set_exception(error)
    return done


@pytest.fixture
def in_this_process(monkeypatch):
    from contextlib import nullcontext

    monkeypatch.setattr(steps, "on_this_machine", lambda count: nullcontext(here))


def test_the_grid_is_whole_and_a_failing_choice_is_named_at_its_points(found):
    places = [(p.board, p.block, p.bits) for p in found.points]
    assert places == [(b, k, w) for b in ("pynq-z2", "zcu104") for k in ("4", "1000x") for w in (8, 12)]
    assert found.errors == tuple(p for p in found.points if p.block == "1000x")
    assert all("budget" in p.reason or "1000" in p.reason for p in found.errors)
    assert all(p.figures is None and p.accuracy is None for p in found.errors)
    assert all(p.whole for p in found.points if p.block == "4")


def test_figures_are_those_of_the_same_network_by_the_long_road(found, model):
    """Nothing is lost between the steps: accuracy, schedule and energy as `swm.quantize` and `swm.report` give them."""
    graph, x = swm.load(model), inputs()
    order = np.random.default_rng(exploring.SEED).permutation(64)
    fit, test = np.sort(order[:32]), np.sort(order[32:])
    small = swm.convert(graph, block=4, calibration=x[fit], hold_out=False).graph
    fixed = swm.quantize(small, bits=12, calibration=x[fit])
    answers = swm.run(fixed, x[test])
    point = next(p for p in found.points if (p.board, p.block, p.bits) == ("zcu104", "4", 12))
    assert point.accuracy == np.mean(answers.argmax(1) == (np.arange(64) % 5)[test])
    assert found.samples == 32
    design = swm.report(fixed, boards="zcu104").boards[0].structured
    assert point.figures.interval == design.interval
    assert point.figures.joules == pytest.approx(design.joules.total)
    assert point.figures.dsp == design.used.routed.dsp
    assert point.weight_bits == design.weight_bits


def test_a_chip_has_energies_and_a_board_of_intel_its_own_memories(found, model, in_this_process, tmp_path):
    """Energies as `swm report` has them; of a chip nothing else. M10K are counted as such."""
    both = swm.explore(
        swm.load(model),
        boards=["asic-40nm", "de10-nano"],
        inputs=inputs(),
        labels=np.arange(64) % 5,
        blocks=[4],
        bits=[8, 12],
        backend="rtl",
    )
    assert not both.errors and all(p.whole for p in both.points)
    chip, intel = both.points[1], both.points[3]
    order = np.random.default_rng(exploring.SEED).permutation(64)
    small = swm.convert(swm.load(model), block=4, calibration=inputs()[np.sort(order[:32])], hold_out=False).graph
    energy = swm.report(small, boards="asic-40nm", bits=12).chips[0].structured.joules
    assert chip.figures == Figures(joules=energy) and chip.to_json()["cost"] is None
    assert intel.figures.m10k is not None and intel.figures.bram18 is None
    text = " ".join(summary_lines(both))
    assert "of chips the energy alone is known" in text and "off is not known" in text
    assert any(p.board == "asic-40nm" for p in both.front)
    chips = replace(both, points=both.points[:2])
    assert (len(svgs(both)), len(svgs(chips))) == (2, 1)  # no plot of a throughput
    both.to_html(tmp_path / "e.html")
    (tmp_path / "e.json").write_text(json.dumps(both.to_json()))
    rows = front_rows(read_explored(tmp_path / "e.json"))
    report = swm.report(swm.load(model), boards="kv260")
    assert "Of chips the energy of operations" in explored_sentence(report, read_explored(tmp_path / "e.json"))
    assert ["-"] * 3 in [list(row[6:]) for row in rows] and any(row[7].endswith(" M10K") for row in rows)


def test_what_is_done_is_done_once(found, cache, model, in_this_process, monkeypatch):
    """The same grid again does nothing; a board more does its designs alone, two bits more no conversion."""
    did = []
    monkeypatch.setattr(steps, "on_this_machine", lambda count: pytest.fail("nothing is left to do"))
    again = swm.explore(
        swm.load(model),
        boards=["pynq-z2", "zcu104"],
        inputs=inputs(),
        labels=np.arange(64) % 5,
        blocks=[4],
        bits=[8, 12],
    )
    assert again.reused == 7 and not again.errors
    assert again.points == tuple(p for p in found.points if p.block == "4")

    def counted(task, *rest):
        did.append(task)
        return here(task, *rest)

    from contextlib import nullcontext

    monkeypatch.setattr(steps, "on_this_machine", lambda count: nullcontext(counted))
    more = swm.explore(
        swm.load(model),
        boards=["pynq-z2", "kv260"],
        inputs=inputs(),
        labels=np.arange(64) % 5,
        blocks=[4],
        bits=[8, 10],
    )
    assert sorted(did) == ["design"] * 3 + ["measure"]
    assert not more.errors and more.reused == 3


def test_a_step_that_was_kept_is_not_done_by_a_process_either(tmp_path):
    store = Store(tmp_path)
    store.keep("k", {"value": 1})
    assert run("no such task", str(tmp_path), "k", {}) == {"value": 1}
    (tmp_path / "d.json").write_text("{damaged")
    assert store.result("d") is None


def test_keys_know_content(tmp_path):
    store = Store(tmp_path)
    one = store.keep_arrays({"x": np.arange(4)})
    assert store.keep_arrays({"x": np.arange(4)}) == one
    assert store.keep_arrays({"x": np.arange(4).astype(np.int32)}) != one
    assert store.keep_arrays({"y": np.arange(4)}) != one
    assert store.arrays(one)["x"].tolist() == [0, 1, 2, 3]
    assert key_of("a", {"b": 1}) == key_of("a", {"b": 1}) != key_of("a", {"b": 2})
    old = time.time() - 40 * 24 * 3600
    os.utime(tmp_path / f"{one}.npz", (old, old))
    store.tidy()
    assert not (tmp_path / f"{one}.npz").exists()


def test_a_model_that_was_tidied_away_is_made_again(found, cache, model, in_this_process):
    for file in (cache / "explore").glob("*.onnx"):
        file.unlink()
    again = swm.explore(
        swm.load(model), boards="pynq-z2", inputs=inputs(), labels=np.arange(64) % 5, blocks=[4], bits=[9]
    )
    assert not again.errors


def test_agreement_and_fidelity_where_there_are_no_labels():
    dense = np.array([[1.0, 2.0], [3.0, 1.0]])
    assert measured(np.array([[5.0, 1.0], [3.0, 1.0]]), None, dense) == ("agreement", 0.5)
    assert measured(np.array([[1.0], [1.0]]), None, np.array([[1.0], [2.0]])) == ("fidelity", 1 - 1 / np.sqrt(5))
    assert measured(np.array([[5.0, 1.0]]), np.array([0]), None) == ("accuracy", 1.0)


ANSWERS = """
import json, os, sys, time
for line in sys.stdin:
    task = json.loads(line)["task"]
    if task == "die":
        os._exit(1)
    if task == "sleep":
        time.sleep(60)
    if task == "once" and not os.path.exists(sys.argv[1]):
        open(sys.argv[1], "w").close()
        os._exit(1)
    print(json.dumps({"error": "named"} if task == "err" else {"result": {"pid": os.getpid()}}), flush=True)
"""


def test_a_process_that_dies_is_replaced_and_its_step_done(tmp_path):
    with on_this_machine(2, (sys.executable, "-c", ANSWERS, str(tmp_path / "died"))) as submit:
        steps = [submit(task, "", "", {}) for task in ("ok", "once", "err", "die", "ok")]
        assert isinstance(steps[0].result()["pid"], int) and isinstance(steps[1].result()["pid"], int)
        with pytest.raises(StepError, match="named"):
            steps[2].result()
        with pytest.raises(StepError, match="killed, twice"):
            steps[3].result()
        steps[4].result()
    assert (tmp_path / "died").exists()


def test_leaving_ends_the_processes_at_once():
    started = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        on_this_machine(1, (sys.executable, "-c", ANSWERS, "none")) as submit,
    ):
        pid = submit("ok", "", "", {}).result()["pid"]
        submit("sleep", "", "", {})
        raise KeyboardInterrupt
    assert time.monotonic() - started < 30
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_dominance_by_hand():
    cheap = replace(POINT, figures=replace(FIGURES, lut=500))
    assert FIGURES.cost == 1000 + 55 * 10 + 288 * 3 + 4608
    assert better(cheap, POINT) and not better(POINT, cheap) and not better(POINT, POINT)
    assert replace(FIGURES, bram18=None, m10k=3).cost == FIGURES.cost + (160 - 288) * 3
    assert Figures(joules=1e-7).cost is None
    chip = replace(POINT, figures=Figures(joules=1e-8))  # beats no board: nobody knows how fast it is
    assert not better(chip, POINT) and not better(POINT, chip) and better(chip, replace(chip, accuracy=0.8))
    accurate = replace(POINT, accuracy=0.95)
    assert not better(cheap, accurate) and not better(accurate, cheap)
    beyond = replace(POINT, figures=None, reason="too large")
    assert front([POINT, cheap, accurate, beyond]) == (cheap, accurate)
    unpowered = replace(POINT, figures=replace(FIGURES, watts=None, joules=None))
    assert objective_value(unpowered, "energy") == float("inf")
    assert better(POINT, unpowered)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=12
    )
)
def test_the_front_is_what_nothing_dominates(rows):
    points = [
        replace(POINT, accuracy=a / 4, figures=replace(FIGURES, joules=e, inferences_per_s=r, lut=c))
        for a, e, r, c in rows
    ]
    chosen = front(points)
    assert chosen
    assert not any(better(p, q) for p in points for q in chosen)
    assert all(p in chosen or any(better(q, p) for q in chosen) for p in points)


def test_least_accuracy_and_objective(found):
    whole = [p for p in found.points if p.whole]
    least = max(p.accuracy for p in whole)
    strict = replace(found, min_accuracy=least)
    assert strict.front and all(p.accuracy >= least for p in strict.front)
    assert replace(found, min_accuracy=1.0).best is None or least == 1.0
    fast = replace(found, objective="throughput")
    assert fast.best.figures.inferences_per_s == max(p.figures.inferences_per_s for p in fast.front)


def test_forms(found, tmp_path):
    data = json.loads(json.dumps(found.to_json()))
    assert len(data["points"]) == 8 and data["points"][data["best"]]["fits"]
    assert [p["reason"] != "" for p in data["points"]].count(True) == len(found.errors)
    lines = "\n".join(summary_lines(found))
    assert "failed: pynq-z2, block 1000x, 8 bits" in lines and "32 samples" in lines
    (table,) = front_tables(found, 200)
    assert table.row_count == len(found.front)
    assert [t.row_count for t in front_tables(found, 80)] == [len(found.front)] * 2
    found.to_html(tmp_path / "e.html")
    page = (tmp_path / "e.html").read_text()
    assert "<svg" in page and "http://" not in page.replace("http://www.w3.org", "").replace("http://purl", "").replace(
        "http://creativecommons", ""
    )
    assert page.count("<tr") == 2 + len(found.front) + len(found.points)
    found.to_plot(tmp_path / "e.png")
    assert (tmp_path / "e.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OutputError, match=r"\.svg or \.png"):
        found.to_plot(tmp_path / "e.txt")
    hostile = replace(found, model="<script>alert(1)</script>")
    hostile.to_html(tmp_path / "h.html")
    assert "<script" not in (tmp_path / "h.html").read_text()
    assert "8 points" in repr(found) and isinstance(found, Exploration)


def test_the_command(found, cache, model, tmp_path):
    np.save(tmp_path / "x.npy", inputs())
    np.save(tmp_path / "y.npy", np.arange(64) % 5)
    words = [model, "--board", "zcu104", "--blocks", "4", "--bits", "8", "--inputs", str(tmp_path / "x.npy")]
    done = CliRunner().invoke(explore_command, [*words, "--labels", str(tmp_path / "y.npy"), "--json"])
    assert done.exit_code == 0, done.output
    (point,) = json.loads(done.stdout)["points"]
    assert point["interval"] == next(p for p in found.points if p.board == "zcu104" and p.bits == 8).figures.interval
    for wrong, said in (
        (["--bits", "a"], "whole numbers"),
        (["--html", "m.onnx"], r"\.html"),
        (["--plot", "p"], "svg"),
    ):
        failed = CliRunner().invoke(explore_command, [*words, *wrong])
        assert failed.exception is not None and said.replace("\\", "") in str(failed.exception)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"boards": []}, OptionError, "nothing to explore"),
        ({"boards": "pynqz2"}, UnknownBoard, "pynq-z2"),
        ({"boards": "ulx3s"}, OptionError, "take back end rtl"),
        (
            {"boards": ["kv260", "asic-40nm"], "objective": "cost"},
            OptionError,
            "of asic-40nm nothing but energy is known",
        ),
        ({"blocks": [3]}, OptionError, "power of two"),
        ({"blocks": ["x"]}, OptionError, "power of two"),
        ({"bits": [3]}, OptionError, "3 bits"),
        ({"objective": "speed"}, OptionError, "choose one of energy"),
        ({"structures": "cgz"}, OptionError, "did you mean"),
        ({"min_accuracy": 95}, OptionError, "fraction"),
        ({"labels": np.zeros(3, int)}, CalibrationError, "64 class numbers"),
        ({"inputs": inputs(3)}, CalibrationError, "cannot be halved"),
        ({"workers": 0}, OptionError, "at least one"),
    ],
)
def test_bad_options_end_before_any_work(model, monkeypatch, tmp_path, options, error, said):
    monkeypatch.setenv("SWM_CACHE", str(tmp_path))
    monkeypatch.setattr(steps, "on_this_machine", lambda count: pytest.fail("work was begun"))
    with pytest.raises(error, match=said):
        swm.explore(swm.load(model), **{"boards": "pynq-z2", "inputs": inputs(), **options})


def test_a_cluster_needs_dask(model, monkeypatch, tmp_path):
    monkeypatch.setenv("SWM_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(OptionError, match=r"swm-fpga\[cluster\]"):
        swm.explore(swm.load(model), boards="pynq-z2", inputs=inputs(), cluster="tcp://localhost:1")


def test_a_cluster_that_loses_a_worker_loses_no_step_and_does_none_twice(cache, model):
    """Two workers of a local Dask cluster, of which one is killed as soon as results are there."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'swm-fpga[cluster]'")
    import threading

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        pids = [w.pid for w in cluster.workers.values()]
        folder = cache / "explore"
        before = {f.name for f in folder.glob("*.json")}
        kept: dict[str, int] = {}

        def kill():
            while len(new := [f for f in folder.glob("*.json") if f.name not in before]) < 4:
                time.sleep(0.02)
            kept.update({f.name: f.stat().st_ino for f in new})
            assert Path(f"/proc/{pids[0]}").exists()
            os.kill(pids[0], signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        found = swm.explore(
            swm.load(model),
            boards=["pynq-z2", "kv260", "zcu104"],
            inputs=inputs(seed=5),
            blocks=[2, 4],
            bits=[8, 10, 12],
            cluster=cluster.scheduler_address,
        )
        killer.join()
    assert not found.errors and all(p.whole for p in found.points)
    assert kept and {name: (folder / name).stat().st_ino for name in kept} == kept  # none was written again
