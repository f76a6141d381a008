# SPDX-License-Identifier: Apache-2.0
"""The benchmark machinery on tiny cases: keys, counts, fits, page and plot. No time is judged."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support import write_mlp

import swm
from swm.bench import conv as bench_conv
from swm.bench import kernels as bench_kernels
from swm.bench import models as bench_models
from swm.bench import rnn as bench_rnn
from swm.bench import timing
from swm.bench.conv import ConvCase
from swm.bench.fixed import run_fixed_bench
from swm.bench.fixed_cases import cases, network
from swm.bench.kernels import KernelCase, fit_exponent, operations, run_kernels
from swm.bench.machine import MachineLimits
from swm.bench.page import page
from swm.bench.plots import draw
from swm.bench.rnn import CellCase
from swm.bench.timing import BlasThreads, interleaved
from swm.cli.bench import bench
from swm.engine.kernels import CompiledEngine
from swm.errors import OptionError, OutputError

pytestmark = pytest.mark.skipif(CompiledEngine().missing() is not None, reason="no C++ compiler")
KEYS = {"case", "n", "k", "batch", "threads", "dense_ms", "swm_ms", "speedup", "limit_fraction"}


@pytest.fixture(scope="module")
def result():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "_ATTEMPTS", 1)
        patch.setattr(bench_kernels, "CASES", (KernelCase(64, 8, 4, 2.0, quick=True),))
        patch.setattr(bench_kernels, "FIT_CASES", tuple(KernelCase(n, n // 8, 2, dense=False) for n in (64, 128, 256)))
        return run_kernels(quick=True)


def test_rows_have_the_agreed_keys_and_are_plain_json(result):
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    for row in result["rows"]:
        assert row.keys() >= KEYS
        assert row["error"] <= 1e-5
        assert row["speedup"] == pytest.approx(row["dense_ms"] / row["swm_ms"])
        assert row["limit_fraction"] > 0
    assert {row["threads"] for row in result["rows"]} == {1, 2}
    assert {"compiled", "scipy"} & {row["engine"] for row in result["rows"]}
    assert {"cpu", "versions", "compiler", "blas"} <= result["machine"].keys()
    assert result["machine"]["versions"]["swm"] == swm.__version__
    assert [row["dense_ms"] for row in result["growth"]["rows"]] == [None] * 3


def test_exponent_of_known_curves():
    sizes = [256, 1024, 4096, 16384]
    assert fit_exponent(sizes, [3e-9 * n**2 for n in sizes])["exponent"] == pytest.approx(2)
    fit = fit_exponent(sizes, [1e-9 * n * np.log2(n) for n in sizes])
    assert fit["exponent"] == pytest.approx(fit["exponent_of_n_log_n"])
    assert 1.05 < fit["exponent"] < 1.2


def test_counted_operations():
    # one block of 2: two transforms of 2.5 k log2 k, and two real products
    assert operations(2, 2, 1) == 2 * 5 + 4
    assert operations(1024, 64, 3) == 3 * (2 * 16 * 2.5 * 64 * 6 + 256 * (31 * 8 + 4))


def test_limit_fraction_is_the_larger_share():
    limits = MachineLimits(100.0, ((10, 50.0), (100, 5.0)))
    assert limits.fraction(100, 10, 2.0) == pytest.approx(0.5)
    assert limits.fraction(10, 50, 20.0) == pytest.approx(0.5)
    assert limits.fraction(10, 50, 20.0, threads=2) == pytest.approx(0.25)
    assert limits.read_rate(1e9) == 5.0


def test_contenders_take_turns():
    seen = []
    interleaved({"a": (1, lambda: seen.append("a")), "b": (1, lambda: seen.append("b"))}, BlasThreads(), 3, 0.0)
    assert "".join(seen) == "aabb" + "aabb" * 3


def test_disturbed_measurements_are_repeated_and_the_quietest_kept(monkeypatch):
    readings = iter([(0, 0, 0), (1, 2, 1), (1, 2, 1), (2, 3.5, 2), (2, 3.5, 2), (3, 4.6, 3)])
    monkeypatch.setattr(timing, "_busy", lambda: next(readings))
    monkeypatch.setattr(timing, "_ATTEMPTS", 3)
    monkeypatch.setattr(timing.time, "sleep", lambda _: None)
    results = iter([{"a": 1}, {"a": 2}, {"a": 3}])
    kept, others = timing.undisturbed(lambda: next(results))
    assert kept == {"a": 3}
    assert others == pytest.approx(0.1)


def test_page_and_plot(result, tmp_path):
    text = page([result])
    assert "| 64/8/4" in text
    assert "Time grows as n^" in text
    draw(result, str(tmp_path / "plot.svg"))
    assert (tmp_path / "plot.svg").read_text().lstrip().startswith("<?xml")
    with pytest.raises(OutputError, match=r"\.svg"):
        draw(result, str(tmp_path / "plot.png"))
    with pytest.raises(OutputError):
        draw(result, str(tmp_path / "none" / "plot.svg"))


def test_the_published_page_is_that_of_the_published_results():
    root = Path(__file__).parents[2]
    names = ("kernels", "conv", "rnn", "fixed", "convert", "models")  # as the page itself says
    results = [json.loads((root / "benchmarks" / "results" / f"{name}.json").read_text("utf-8")) for name in names]
    assert (root / "docs" / "benchmarks.md").read_text("utf-8") == page(results), "python -m swm.bench.page writes it"


def test_fixed_rows(monkeypatch):
    macs = sum(spec.m * spec.n for spec in network().specs)
    assert macs == 784 * 512 + 512 * 512 + 512 * 10 == 668_672
    monkeypatch.setattr("swm.bench.fixed.interleaved", lambda calls, *_: dict.fromkeys(calls, _Fixed))
    result = run_fixed_bench(quick=True)
    assert all(row.keys() >= KEYS and row["equal"] for row in result["rows"])
    assert "Bit-accurate" in page([result])
    kinds = {spec.kind for case in cases() for spec in case.graph.specs}
    assert kinds >= {
        "dense",
        "circulant",
        "conv",
        "circulant_conv",
        "depthwise",
        "scale",
        "prelu",
        "layernorm",
        "add",
        "pool",
    }


class _Fixed:
    median, spread, best = 1.0, 0.0, 1.0


def test_command_line(monkeypatch, result):
    monkeypatch.setattr("swm.bench.kernels.run_kernels", lambda **_: result)
    done = CliRunner().invoke(bench, ["kernels", "--quick"])
    assert done.exit_code == 0
    assert "1024" not in done.output
    done = CliRunner().invoke(bench, ["kernels", "--json"])
    assert json.loads(done.stdout)["rows"]


@pytest.fixture(scope="module")
def layers():
    """Results of the benchmarks of convolutions and recurrent layers on tiny cases."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "_ATTEMPTS", 1)
        patch.setattr(bench_conv, "CASES", (ConvCase(16, (3, 2), (5, 4), 8, 2, stride=2, goal=2.0, quick=True),))
        cells = (CellCase("LSTM", 16, 8, 8, 1, 3, goal=2.0, quick=True), CellCase("GRU", 8, 8, 4, 20, 2, quick=True))
        patch.setattr(bench_rnn, "CASES", cells)
        return bench_conv.run_conv(quick=True), bench_rnn.run_rnn(quick=True)


def test_layers_have_the_same_keys_as_products(layers, tmp_path):
    for result in layers:
        assert json.loads(json.dumps(result, allow_nan=False)) == result
        for row in result["rows"]:
            assert row.keys() >= KEYS
            assert row["error"] <= 1e-5
            assert row["speedup"] == pytest.approx(row["dense_ms"] / row["swm_ms"])
            assert row["baseline"] == "onnxruntime"
        assert {row["threads"] for row in result["rows"]} == {1, 2}
    text = page(list(layers))
    assert "16 3x2 on 5x4, stride 2/8/2" in text
    assert "LSTM 8-16/8/1" in text
    for result in layers:
        draw(result, str(tmp_path / f"{result['benchmark']}.svg"))


def test_counted_operations_of_layers():
    # 2 blocks of 8: 4 x 3 pixels in (here padding keeps the size), 12 out, 6 taps of 4 block products
    case = ConvCase(16, (3, 2), (4, 3), 8, 5)
    assert bench_conv.operations(case, 6) == 5 * (24 * 2 * 2.5 * 8 * 3 + 12 * 6 * 4 * (6 * 3 + 4))
    # W: 8 x 1 blocks of 8 on 3 samples; R: 8 x 2 blocks on 1 sample, 3 times
    cell = CellCase("LSTM", 16, 8, 8, 1, 3)
    each = (9 * 2.5 * 8 * 3 + 8 * (8 * 3 + 4)) + (10 * 2.5 * 8 * 3 + 16 * (8 * 3 + 4))
    assert bench_rnn.operations(cell) == 3 * each


@pytest.mark.parametrize("name", ["conv", "rnn"])
def test_commands_of_layers(monkeypatch, layers, name):
    result = next(r for r in layers if r["benchmark"] == name)
    monkeypatch.setattr(f"swm.bench.{name}.run_{name}", lambda **_: result)
    done = CliRunner().invoke(bench, [name, "--quick"])
    assert done.exit_code == 0
    assert "onnxruntime" in done.output


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The table of a folder with a model, one that is too small, and a file that is none; with the folder."""
    folder = tmp_path_factory.mktemp("models")
    write_mlp(folder / "good.onnx", widths=(32, 24, 24, 5))
    (folder / "below").mkdir()
    write_mlp(folder / "below" / "fixed.onnx", widths=(32, 24, 5), batch=2)
    write_mlp(folder / "small.onnx", widths=(3, 2))
    (folder / "broken.onnx").write_bytes(b"no model")
    swm.save(swm.convert(swm.load(folder / "good.onnx"), block=8).graph, folder / "done.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_models, "_ATTEMPTS", 1)
        return bench_models.run_models(folder, quick=True), folder


def test_models_are_compared_and_what_cannot_be_is_named(compared):
    result, _ = compared
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert [r["batch"] for r in result["rows"] if r["case"] == "good.onnx"] == [1, 64]
    assert [r["batch"] for r in result["rows"] if r["case"] == "below/fixed.onnx"] == [2, 64]
    for row in result["rows"]:
        assert row["k"] == 8
        assert row["threads"] == 1
        assert row["error"] <= 1e-5
        assert row["speedup"] == pytest.approx(row["dense_ms"] / row["swm_ms"])
        assert row["slower"] == (row["speedup"] < 1 / bench_models.SLOWER)
        assert sum(row["engines"].values()) == 1 + (row["case"] == "good.onnx")
        assert row["engine"]
    reasons = {s["model"]: s["reason"] for s in result["skipped"]}
    assert set(reasons) == {"broken.onnx", "done.onnx", "small.onnx"}
    assert "converted already" in reasons["done.onnx"]
    assert "large enough" in reasons["small.onnx"]
    assert "broken.onnx" in reasons["broken.onnx"]


def test_models_leave_the_environment_as_it_was(monkeypatch, tmp_path):
    monkeypatch.delenv("SWM_BUILD", raising=False)
    monkeypatch.setenv("SWM_THREADS", "2")
    with pytest.raises(OptionError, match="no \\.onnx file"):
        bench_models.run_models(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(OptionError, match=r"can be compared \(broken\.onnx"):
        bench_models.run_models(tmp_path, quick=True)
    assert os.environ["SWM_THREADS"] == "2"
    assert "SWM_BUILD" not in os.environ


def test_models_page_plot_and_status(compared, monkeypatch, tmp_path):
    result, folder = compared
    text = page([result])
    assert "| good.onnx | 8 | 64 |" in text
    assert "Not compared: small.onnx" in text
    for slower, status in ((False, 0), (True, 1)):
        rows = [{**r, "slower": slower} for r in result["rows"]]
        monkeypatch.setattr(bench_models, "run_models", lambda *_, rows=rows, **__: {**result, "rows": rows})
        done = CliRunner().invoke(bench, ["models", str(folder), "--quick"])
        assert done.exit_code == status, done.output
        assert ("SLOWER" in done.output) == slower
        assert ("slower converted" in done.output) == slower
        assert CliRunner().invoke(bench, ["models", str(folder), "--json"]).exit_code == status
    pytest.importorskip("matplotlib")
    draw(result, str(tmp_path / "models.svg"))


def test_inputs_of_models(compared):
    _, folder = compared
    assert bench_models.example_inputs(swm.load(folder / "good.onnx"), 3)["x"].shape == (3, 32)
    fixed = swm.load(folder / "below" / "fixed.onnx")
    assert [bench_models.example_inputs(fixed, n)["x"].shape for n in (1, 64)] == [(2, 32), (64, 32)]
