# SPDX-License-Identifier: Apache-2.0
"""The comparison with a Verilog file of Koios: a small one of ours stands for it, canned cells for yosys."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from swm.accelerator.resources import estimate
from swm.report.measured import Area

ROOT = Path(__file__).resolve().parents[2]
VERILOG = """
module stage1_parameter_buffer_18_1_16_2_4 (input clk, input [1:0] a, output reg [17:0] w);
  always @(posedge clk) w <= {16'd7, a};
endmodule
module tiny (input clk, input signed [17:0] x, input [1:0] a, output reg signed [35:0] y);
  wire [17:0] w;
  stage1_parameter_buffer_18_1_16_2_4 weights (clk, a, w);
  always @(posedge clk) y <= x * $signed(w);
endmodule
"""


@pytest.fixture(scope="module")
def koios():
    spec = importlib.util.spec_from_file_location("koios", ROOT / "benchmarks" / "koios.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def file(tmp_path):
    (tmp_path / "it's $(a) file.v").write_text(VERILOG)
    return tmp_path / "it's $(a) file.v"


@pytest.fixture
def run(koios, monkeypatch, tmp_path):
    """Runs the command with yosys's counts canned: 12 DSP blocks."""
    ran = []

    def logged(_command, folder, _log, **_options):
        ran.append((folder / "map.ys").read_text())
        assert (folder / "file.v").read_text() == VERILOG
        (folder / "stat.json").write_text(json.dumps({"design": {"num_cells_by_type": {"DSP48E1": 12, "LUT3": 40}}}))

    monkeypatch.setattr(koios, "run_logged", logged)
    monkeypatch.setattr(koios, "find_tool", lambda _tool: type("T", (), {"program": "yosys", "title": "yosys 9.9"}))
    monkeypatch.setattr(
        koios, "measure_design", lambda design, *_: Area(100, 200, estimate(design.schedule).routed.dsp)
    )
    monkeypatch.setenv("SWM_CACHE", str(tmp_path / "cache"))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["koios.py", *map(str, arguments)])
        return koios.main()

    call.ran = ran
    return call


def test_both_stand_side_by_side_at_as_many_multipliers(run, file, tmp_path, capsys):
    ours = ("--inputs", 32, "--outputs", 32, "--block", 4, "--bits", 12)
    assert run(file, "--top", "tiny", *ours, "--json", tmp_path / "k.json") == 0
    theirs, own = json.loads((tmp_path / "k.json").read_text())["rows"]
    assert (theirs["lut"], theirs["dsp"], theirs["cycles"]) == (40, 12, 4)
    assert 8 <= own["dsp"] <= 12 and own["cycles"] > 4
    assert "words of stage1_parameter_buffer_18_1_16_2_4, one a cycle" in capsys.readouterr().out
    assert "-top tiny" in run.ran[0] and "it's" not in run.ran[0]


def test_cycles_that_nobody_knows_are_not_made_up(koios, tmp_path):
    (tmp_path / "a.v").write_text("module a; endmodule")
    assert koios.counted_cycles(tmp_path / "a.v") == (None, "not known: give --cycles")


@pytest.mark.parametrize("arguments", [(), ("--family", "virtex2")])
def test_bad_input_ends_in_one_line(run, file, capsys, arguments):
    assert run(file, *arguments) == 1
    error = capsys.readouterr().err
    assert "tiny" in error or "unknown family" in error
    assert error.count("\n") == 1 and not run.ran
