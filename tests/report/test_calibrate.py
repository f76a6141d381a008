# SPDX-License-Identifier: Apache-2.0
"""`swm report PROJECT --from DIR --calibrate`: the power of a board, by what a user's own tool reported."""

import pytest
from click.testing import CliRunner
from support import inputs, write_mlp

import swm
from swm.cli.report import report
from swm.device import calibration_file, load_board
from swm.errors import OptionError, OutputError

POWER = """| Tool Version : Vivado v.2024.1 (lin64) Build 1
| Command      : report_power
| Design       : top
| Device       : {device}
| Design State : Routed

Power Report

| Total On-Chip Power (W)  | 2.000        |
| Dynamic (W)              | 1.800        |
| Device Static (W)        | 0.150        |
| Junction Temperature (C) | 40.5         |
| Confidence Level         | High         |

| On-Chip                 | Power (W) | Used     | Available | Utilization (%) |
| Clocks                  |     0.050 |        3 |       --- |             --- |
| Slice Logic             |     0.100 |     2000 |       --- |             --- |
|   LUT as Logic          |     0.090 |      900 |     53200 |            1.69 |
| Signals                 |     0.060 |     1500 |       --- |             --- |
| Block RAM               |     0.030 |        5 |       140 |            3.57 |
| DSPs                    |     0.020 |        9 |       220 |            4.09 |
| PS7                     |     1.540 |        1 |       --- |             --- |

| Clock  | Domain     | Constraint (ns) |
{clocks}
"""
CLOCK = "| ap_clk | ap_clk_net |            10.0 |"


def text(device="xc7z020clg400-1", clocks=CLOCK):
    return POWER.format(device=device, clocks=clocks)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrate")
    write_mlp(folder / "m.onnx")
    fixed = swm.quantize(swm.load(folder / "m.onnx"), bits=8, calibration=inputs())
    swm.emit(fixed, board="pynq-z2", path=folder / "project")
    return folder / "project"


@pytest.fixture
def reports(tmp_path, monkeypatch):
    monkeypatch.setenv("SWM_CONFIG", str(tmp_path / "config"))
    (tmp_path / "reports").mkdir()
    return tmp_path / "reports"


def calibrate(project, reports):
    return CliRunner().invoke(report, [str(project), "--from", str(reports), "--calibrate"])


def test_power_is_the_reported_one_until_the_file_is_deleted(project, reports):
    (reports / "power.rpt").write_text(text())
    before, old = load_board("pynq-z2"), swm.report(project).boards[0].structured
    modelled = old.watts.dynamic * 100 / old.plan.clock_mhz
    result = calibrate(project, reports)
    assert result.exit_code == 0, result.output
    assert "0.260 W of logic reported" in result.output

    after = load_board("pynq-z2")
    new = swm.report(swm.design(swm.load_project(project).graph, board="pynq-z2")).boards[0].structured
    # the processor is the board's, not the logic's; a row of detail is not counted twice
    assert new.watts.dynamic * 100 / new.plan.clock_mhz == pytest.approx(0.26)
    assert after.power.dynamic.lut == pytest.approx(before.power.dynamic.lut * 0.26 / modelled)
    assert (after.power.static.watts, after.power.static.junction_c) == (0.15, 40.5)
    assert "power.rpt" in after.power.dynamic.source
    assert after.power.processor == before.power.processor
    assert after.model_copy(update={"power": before.power}) == before

    assert swm.report(project).boards[0].structured.watts == old.watts  # a project keeps the board it was made for
    assert calibrate(project, reports).exit_code == 0  # so that a second time changes nothing
    assert load_board("pynq-z2").power.dynamic.lut == pytest.approx(after.power.dynamic.lut)
    calibration_file("pynq-z2").unlink()
    assert load_board("pynq-z2") == before


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no power report"),
        ({"a.rpt": text(), "b.rpt": text()}, "several power reports"),
        ({"a.rpt": text(device="xc7a35tcsg324-1")}, "xc7a35tcsg324-1, the project of XC7Z020"),
        ({"a.rpt": text(clocks=CLOCK + "\n| slow | slow_net | 20.0 |")}, "no clock, or several"),
        ({"a.rpt": text(clocks="")}, "no clock, or several"),
        ({"a.rpt": text().split("| On-Chip")[0]}, "no power by component"),
        (
            {"a.rpt": text().replace("0.100 |     2000", "9.100 |     2000")},
            "apart than 8 times: is it of",
        ),
    ],
)
def test_a_report_that_does_not_tell_changes_nothing(project, reports, files, reason):
    for name, body in files.items():
        (reports / name).write_text(body)
    result = calibrate(project, reports)
    assert isinstance(result.exception, OptionError)
    assert reason in str(result.exception)
    assert not calibration_file("pynq-z2").exists()


def test_a_placed_design_does_not_compete_with_the_routed_one(project, reports):
    (reports / "placed.rpt").write_text(text().replace("Routed", "Placed").replace("0.150", "0.990"))
    (reports / "routed.rpt").write_text(text())
    assert "static power 0.15 W" in calibrate(project, reports).output


@pytest.mark.parametrize("damage", [b"[static", b"[static]\nwatts = -1\n", b"\xff\xfe", b"unknown = 1\n"])
def test_a_damaged_calibration_is_named(reports, damage):
    path = calibration_file("kv260")
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    with pytest.raises(OptionError, match=r"kv260\.toml.* is damaged; delete it"):
        load_board("kv260")
    assert "kv260" in swm.board_names()
    assert load_board("zcu104").name == "zcu104"


def test_a_configuration_that_cannot_be_written(project, reports, monkeypatch):
    (reports / "power.rpt").write_text(text())
    monkeypatch.setenv("SWM_CONFIG", str(reports / "power.rpt"))
    assert isinstance(calibrate(project, reports).exception, OutputError)


@pytest.mark.parametrize("arguments", [("--calibrate",), ("--from", ".", "--calibrate"), ("m.onnx", "--calibrate")])
def test_what_it_needs(arguments):
    assert CliRunner().invoke(report, list(arguments)).exit_code == 2
