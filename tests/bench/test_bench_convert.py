# SPDX-License-Identifier: Apache-2.0
"""The benchmark of conversion on tiny cases: keys, what a process tells, page, plot and command. No time is judged."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from swm.bench import convert as bench_convert
from swm.bench import timing
from swm.bench.convert import CASES, ConvertCase, calibration, run_convert, write_model
from swm.bench.convert_child import measure
from swm.bench.page import page
from swm.bench.plots import draw
from swm.cli.bench import bench
from swm.errors import OutputError

KEYS = {"case", "n", "k", "batch", "threads", "dense_ms", "swm_ms", "speedup", "limit_fraction"}
OWN = {"seconds", "peak_mib_over_model", "relative_error"}
TINY = tuple(ConvertCase(kind, 16, 4, 24, quick=True, goal=kind == "linear") for kind in ("linear", "conv", "lstm"))


@pytest.fixture(scope="module")
def result():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "_ATTEMPTS", 1)
        patch.setattr(bench_convert, "CASES", TINY)
        patch.setattr(bench_convert, "describe", lambda: _MACHINE)
        return run_convert(quick=True)


_MACHINE = {
    "cpu": "a cpu",
    "versions": {},
    "cores": 1,
    "load_at_start": 0.0,
    "date": "today",
    "python": "3",
    "blas": "b",
    "compiler": "c",
}


def test_rows_have_the_agreed_keys_and_are_plain_json(result):
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert [r["case"] for r in result["rows"]] == ["linear 16/4/24", "conv 16/4/24", "lstm 16/4/24"]
    for row in result["rows"]:
        assert row.keys() >= KEYS | OWN
        assert row["dense_ms"] is row["speedup"] is row["limit_fraction"] is None
        assert row["swm_ms"] == pytest.approx(1e3 * row["seconds"])
        assert row["peak_mib_over_model"] > 0


def test_the_case_that_issue_3_asks_for_is_measured():
    asked = [c for c in CASES if c.goal]
    assert {(c.kind, c.n, c.samples) for c in asked} == {("linear", 4096, 2048)}
    for kind in ("linear", "conv", "lstm"):
        assert {c.k for c in CASES if c.kind == kind} == {4, 8, 16, 64}


@pytest.mark.parametrize("kind", ["linear", "conv", "lstm"])
def test_structure_is_found_behind_the_noise(tmp_path, kind):
    case = ConvertCase(kind, 16, 4, 300)
    write_model(case, tmp_path / "m.onnx")
    told = measure(tmp_path / "m.onnx", case)
    assert told["relative_error"] < 0.5  # projection of noise alone would leave 0.87
    assert np.isfinite(calibration(case)).all()


def test_page_and_plot(result, tmp_path):
    assert "| linear 16/4/24" in page([result])
    with pytest.raises(OutputError, match=r"\.svg"):
        draw(result, "plot.png")
    draw(result, str(tmp_path / "plot.svg"))
    assert (tmp_path / "plot.svg").read_text().lstrip().startswith("<?xml")


def test_command_line(monkeypatch, result):
    monkeypatch.setattr("swm.bench.convert.run_convert", lambda **_: result)
    done = CliRunner().invoke(bench, ["convert", "--quick"])
    assert done.exit_code == 0
    assert "lstm 16/4/24" in done.output
    assert json.loads(CliRunner().invoke(bench, ["convert", "--json"]).stdout)["rows"]
