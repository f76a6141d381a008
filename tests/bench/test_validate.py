# SPDX-License-Identifier: Apache-2.0
"""The models against others' reports: parsing, what is left out, errors by hand; the published sets where they are."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from swm.bench import validate, validate_power
from swm.bench.bands import keep_bands, of_area, of_validation
from swm.bench.validate import run_validation
from swm.bench.validate_loops import loop_errors, loops_of_reports, published_schedule
from swm.bench.validate_page import markdown, tables
from swm.bench.validate_power import held_out, measured_boards, power_rows
from swm.bench.validate_resources import operators, operators_of_reports, report_errors, resource_errors
from swm.cli.bench import bench
from swm.errors import OptionError, OutputError
from swm.report.bands import Band, read_bands, write_bands

COLUMNS = (
    *("repo", "device", "clocks_ns", "lut_n", "ff_n", "dsp_n", "bram_tiles"),
    *("clocks_w", "logic_w", "signals_w", "bram_w", "dsp_w"),
)

REPORT = """
================================================================
== Vitis HLS Report for 'top'
================================================================
* Target device:  xc7z020-clg400-1
    * Expression:
    +------------------+----------+----+---+----+------------+------------+
    |   Variable Name  | Operation| DSP| FF| LUT| Bitwidth P0| Bitwidth P1|
    +------------------+----------+----+---+----+------------+------------+
    |a_fu_1_p2         |         +|   0|  0|  20|          16|           5|
    |b_fu_1_p2         |         +|   0|  0|  20|          16|           5|
    |c_fu_1_p2         |       and|   0|  0|   2|           1|           1|
    +------------------+----------+----+---+----+------------+------------+
    |Total             |          |   0|  0|  40|          33|          11|
    +------------------+----------+----+---+----+------------+------------+
    * Memory:
    +----------+--------+---------+---+----+-----+------+-----+------+-------------+
    |  Memory  | Module | BRAM_18K| FF| LUT| URAM| Words| Bits| Banks| W*Bits*Banks|
    +----------+--------+---------+---+----+-----+------+-----+------+-------------+
    |w_U       |top_w   |        4|  0|   0|    0|  1024|    36|     1|        36864|
    +----------+--------+---------+---+----+-----+------+-----+------+-------------+
    * FIFO:
    +---------+---------+---+----+-----+------+-----+---------+
    |   Name  | BRAM_18K| FF| LUT| URAM| Depth| Bits| Size:D*B|
    +---------+---------+---+----+-----+------+-----+---------+
    |x_U      |       16| 50|   0|    -|  1024|   36|    36864|
    +---------+---------+---+----+-----+------+-----+---------+
    * Instance:
    +------------------------+--------------------+---------+----+----+----+-----+
    |        Instance        |       Module       | BRAM_18K| DSP| FF | LUT| URAM|
    +------------------------+--------------------+---------+----+----+----+-----+
    |mul_18s_25s_43_2_1_U1   |mul_18s_25s_43_2_1  |        0|   1|   0|   5|    0|
    +------------------------+--------------------+---------+----+----+----+-----+
"""


def row(repo, device="xc7a100t", clock="clk=10.0", scale=1.0, **other):
    """A report of 1,000 LUTs, FFs and 10 blocks of each kind at 100 MHz."""
    watts = {"clocks_w": 0.01, "logic_w": 0.01, "signals_w": 0.02, "bram_w": 0.02, "dsp_w": 0.01}
    counts = {"lut_n": 1000, "ff_n": 1000, "dsp_n": 10, "bram_tiles": 10}
    scaled = {name: scale * value for name, value in watts.items()}
    return {"repo": repo, "device": device, "clocks_ns": clock, **counts, **scaled, **other}


def table(folder, *lines):
    path = folder / "power.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(lines)
    return path


def test_operators_of_a_report_against_the_rules(tmp_path: Path):
    (tmp_path / "top_csynth.rpt").write_text(REPORT)
    (tmp_path / "other.rpt").write_text("no report")
    reports = operators_of_reports(tmp_path)
    found = operators(reports)
    assert [(kind, sizes) for kind, sizes, *_ in found] == [
        ("adder", (16,)),
        ("multiplier", (18, 25)),
        ("memory", (1024, 36, 1)),
        ("FIFO", (1024, 36)),
    ]  # equal adders count once, a logical and has no rule
    sums = {e["resource"]: e for e in report_errors(reports)}
    assert sums["bram18"] == {
        "resource": "bram18",
        "reports": 1,
        "median_error": 0.8,
        "low": 5.0,
        "high": 5.0,
    }  # 4 of 20
    assert sums["dsp"]["median_error"] == 0
    errors = {(e["operator"], e["resource"]): e for e in resource_errors(found)}
    assert errors["adder", "lut"]["bias"] == pytest.approx(32 / 20 - 1)
    assert errors["memory", "bram18"]["median_error"] == 0.5  # 2 against 4
    assert errors["FIFO", "bram18"] | {"bias": 0} == errors["FIFO", "bram18"] | {"bias": 0}
    assert (errors["FIFO", "bram18"]["reported"], errors["FIFO", "bram18"]["modelled"]) == (16, 2)
    assert errors["FIFO", "bram18"]["bias"] == pytest.approx(2 / 16 - 1)
    assert errors["multiplier", "dsp"]["median_error"] == 0
    assert errors["FIFO", "lut"]["median_error"] is None and errors["FIFO", "lut"]["unreported"] == 1


LOOPS = """<profile>
<UserAssignments><TargetClockPeriod>10</TargetClockPeriod></UserAssignments>
<PerformanceEstimates><SummaryOfLoopLatency>
<outer><TripCount>9</TripCount><Latency>900</Latency>
<copy><TripCount>100</TripCount><Latency>110</Latency><PipelineII>1</PipelineII><PipelineDepth>2</PipelineDepth></copy>
<slow><TripCount>40</TripCount><Latency>200</Latency><PipelineII>4</PipelineII><PipelineDepth>9</PipelineDepth></slow>
<open><TripCount>undef</TripCount><Latency>undef</Latency><PipelineII>1</PipelineII></open>
</outer></SummaryOfLoopLatency></PerformanceEstimates>
<Copy><SummaryOfLoopLatency>
<copy><TripCount>100</TripCount><Latency>110</Latency><PipelineII>1</PipelineII><PipelineDepth>2</PipelineDepth></copy>
</SummaryOfLoopLatency></Copy></profile>
"""


def test_loops_of_a_report_against_the_rule(tmp_path: Path):
    """Loops inside loops are found, each once; one without counts, and one that is not pipelined, say nothing."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "top_csynth.xml").write_text(LOOPS)
    (tmp_path / "a" / "bad_csynth.xml").write_text(LOOPS.replace("</profile>", ""))
    (tmp_path / "a" / "hostile_csynth.xml").write_text('<!DOCTYPE x [<!ENTITY a "b">]>' + LOOPS)
    found = loops_of_reports(tmp_path)
    assert [(one.name, one.iterations, one.cycles, one.ii, one.modelled) for one in found] == [
        ("copy", 100, 110, 1, 110),
        ("slow", 40, 200, 4, 50),
    ]
    steady, whole = loop_errors(found)
    assert (steady["equal"], steady["median_error"]) == (1, 0.375)  # of 0 and 3/4
    assert (whole["equal"], whole["median_error"], whole["high"]) == (1, 0.375, 4.0)
    assert loop_errors([]) == []


def test_the_schedule_of_clstm_by_hand():
    """336 iterations at II 2 and 128 at II 1, with a fill of 14 each at 200 MHz: 828 cycles."""
    found = {(row["system"].split(",")[0], row["board"]): row for row in published_schedule()}
    assert {row["modelled"] for row in found.values()} == {828}
    assert found["C-LSTM", "adm-pcie-ku3"]["published"] == pytest.approx(1024, abs=0.1)
    assert found["E-RNN", "adm-pcie-7v3"]["published"] == pytest.approx(832, abs=0.1)
    assert found["E-RNN", "adm-pcie-7v3"]["error"] == pytest.approx(828 / 832 - 1, abs=1e-3)


def test_each_repository_is_predicted_by_the_others_of_its_family(tmp_path: Path):
    lines = [row("a/x"), row("b/x", scale=4.0), row("c/x", scale=2.0), row("c/x", scale=2.0), row("d/x", "xczu9eg")]
    found, left_out = power_rows(table(tmp_path, *lines))
    assert not left_out and len(found) == 5
    predicted = {r["repo"]: r for r in held_out(found)}
    assert "d/x" not in predicted  # alone in its family
    assert predicted["a/x"]["modelled_w"] == pytest.approx(0.07 * (4 * 2) ** 0.5)  # geometric mean of b and c
    assert predicted["b/x"]["error"] == pytest.approx((1 * 2) ** 0.5 / 4 - 1)
    assert predicted["c/x"]["error"] == pytest.approx((1 * 4) ** 0.5 / 2 - 1)


def test_what_says_nothing_is_left_out_with_the_reason(tmp_path: Path):
    lines = [
        row("a/x", clock="clk=10.0;fast=5.0"),
        row("b/x", lut_n=""),
        row("amjal/x"),
        row("c/x", scale=0.1),
        row("d/x", clock="clk=10.0;dbg_hub/inst/TCK=50.0;clkfbout=10.0"),
        row("e/x", dsp_w="<0.001"),
    ]
    found, left_out = power_rows(table(tmp_path, *lines))
    assert [r.repo for r in found] == ["d/x", "e/x"] and found[0].clocks_mhz == (100,)
    assert found[1].watts["dsp"] == 0.0005
    assert sorted(left_out.values()) == [1, 1, 1, 1] and len(left_out) == 4
    with pytest.raises(OptionError, match="has no column"):
        (tmp_path / "bad.csv").write_text("repo\na/b\n")
        power_rows(tmp_path / "bad.csv")
    with pytest.raises(OptionError, match="cannot be read"):
        power_rows(tmp_path / "none.csv")
    with pytest.raises(OptionError, match="not a folder"):
        operators_of_reports(tmp_path / "none")


def test_a_board_is_predicted_by_its_other_rows(monkeypatch):
    """Two boards of one kind that take 1 W beside their devices: each is found from the other."""
    rows = [s for s in validate_power.systems() if s.board == "arty-a7-100t" and s.network is None][:2]
    device = validate_power._device_watts(rows[0])
    pair = [r.model_copy(update={"watts": device + 1}) for r in rows]
    monkeypatch.setattr(validate_power, "systems", lambda: pair)
    for one in measured_boards():
        assert one["board_error"] == pytest.approx(0)
        assert one["device_error"] == pytest.approx(-1 / (device + 1))


def test_the_command(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(validate, "measured_boards", list)
    power = table(tmp_path, row("a/x"), row("b/x", scale=1.1))
    (tmp_path / "top_csynth.rpt").write_text(REPORT)
    words = ["validate", "--reports", str(tmp_path), "--power", str(power), "--markdown", str(tmp_path / "v.md")]
    bands = tmp_path / "bands.json"
    write_bands((Band("interval", "kept", backend="rtl"), Band("dynamic_w", "replaced", median=0.5)), bands)
    done = CliRunner().invoke(bench, [*words, "--json", "--bands", str(bands)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["power"]["median_error"] == pytest.approx(0.095, abs=0.01)
    assert "median absolute error 9.5 %" in (tmp_path / "v.md").read_text()
    kept = {band.key: band for band in read_bands(bands)}
    assert kept["interval", "", "", "rtl"].against == "kept"
    assert kept["bram18", "", "", "vitis"].median == kept["bram18", "", "", "generic"].median == 0.8
    seven = kept["dynamic_w", "", "7series", ""]
    assert seven.median == kept["dynamic_w", "", "", ""].median == pytest.approx(0.095, abs=0.01) and seven.rows == 2
    assert CliRunner().invoke(bench, ["validate", "--bands", "bands.txt"]).exit_code != 0
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(OutputError, match="not a file of error bands"):
        keep_bands(iter(()), tmp_path / "other.json")
    far = table(tmp_path, row("a/x"), row("b/x", scale=3.0))
    assert CliRunner().invoke(bench, ["validate", "--power", str(far)]).exit_code == 1
    with pytest.raises(OptionError, match="no report that others"):
        run_validation(power=table(tmp_path, row("a/x")))


def test_the_published_sets(shared, tmp_path: Path):
    """What docs/validation.md states: 35 % is reached, memories are exact, boards are within 25 %."""
    result = run_validation(reports=shared / "vendor_reports", power=shared / "facts" / "vivado_power_reports.csv")
    power = result["power"]
    assert power["repositories"] >= 12 and power["median_error"] <= 0.35
    errors = {(e["operator"], e["resource"]): e for e in result["resources"]}
    for key in (("FIFO", "bram18"), ("memory", "bram18"), ("multiplier", "dsp")):
        assert errors[key]["median_error"] == 0 and errors[key]["count"] >= 10
    assert all(abs(one["board_error"]) <= 0.25 for one in result["boards"]) and len(result["boards"]) == 9
    shipped = {band.key: band for band in read_bands()}
    for band in of_validation(result, ""):  # what reports show is what this command finds
        known = shipped[band.key]
        assert (band.rows, band.against, band.command) == (known.rows, known.against, known.command)
        pairs = zip((band.median, band.low, band.high), (known.median, known.low, known.high), strict=True)
        assert all(a == pytest.approx(b) for a, b in pairs), band.key
    text = markdown(result)
    assert f"{100 * power['median_error']:.1f} %" in text
    page = (Path(__file__).parents[2] / "docs" / "validation.md").read_text()
    assert f"**median absolute error {100 * power['median_error']:.1f} %**" in " ".join(page.split())
    assert len(tables(result)) == 6
    steady, _ = result["loops"]
    assert steady["loops"] >= 40 and steady["equal"] > steady["loops"] / 2 and steady["projects"] >= 5


def test_bands_of_areas_are_of_whole_layers():
    """Errors of a layer's processes cancel; a layer without a resource says nothing of it."""

    def line(case, process, modelled, measured, held_out=True):
        figures = {"ff": 0, "dsp": 0, "bram18": 0}
        return {
            "case": case,
            "family": "xc7",
            "process": process,
            "held_out": held_out,
            "predicted": {"lut": modelled, **figures},
            "measured": {"lut": measured, **figures},
        }

    rows = [line("a", "rfft", 100, 80), line("a", "mac", 100, 120), line("b", "mac", 150, 100)]
    rows.append(line("c", "mac", 1000, 1, held_out=False))  # which the fit has seen
    found = list(of_area({"rows": rows, "tool": "yosys 1", "quick": True}, "2026-01-01"))
    assert [(b.figure, b.backend, b.rows) for b in found] == [("lut", "rtl", 2)]
    assert found[0].median == pytest.approx(0.25) and found[0].low == pytest.approx(100 / 150)
    assert found[0].command == "swm bench area --quick"
