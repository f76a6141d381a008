# SPDX-License-Identifier: Apache-2.0
"""The published schema: the file is what the package has, and real reports keep to it, key by key."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from report_networks import chain, design, own_board, residual

from swm.accelerator.backend import GENERIC
from swm.cli.report import report as command
from swm.report import Accuracy, Evidence, Verified, compare_design, compare_networks, read_explored
from swm.report.measured import Area, Build, LayerArea, Measured, ProcessArea, Synthesis
from swm.report.schema import ReportData, json_schema
from swm.report.to_json import SCHEMA

from test_explored import exploration  # isort: skip

PUBLISHED = Path(__file__).parents[2] / "docs" / "report.schema.json"


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Of networks and a project; one that fits nothing, one without power; bare, and with all that may be known."""
    folder = tmp_path_factory.mktemp("schema")
    board = own_board(folder)
    tiny = own_board(folder, dsp=1, bram18=0, lut=400, ff=800)
    made, _ = design(folder, board, GENERIC)
    area = Area(10, 20, 1, 2)
    layer = LayerArea("fc0", area, (ProcessArea("mac", area, 1.0),))
    known = Evidence(
        accuracies=(Accuracy("fixed", 0.9, 100, (0.85, 0.95), "of the test set"), Accuracy("fixed", None)),
        layer_errors={"fc0": 0.1},
        original="net.onnx",
        original_sha256="0" * 64,
        fitted_samples=10,
        format_samples=20,
        project=True,
        verified=Verified(True, 100, 0, 10, "g++", "2026-01-01", "0.1", False, 10.0, 20.0),
        measured=Measured(
            ((Synthesis("xc7", "7series", "yosys", "synth", area, (layer,), 1.0), "2026-01-01", False),),
            (Build("ulx3s", ("yosys",), area, area, 90.0, 25.0, 1, (1,), "board.bit", 5.0), "2026-01-01", True),
        ),
        remarks=("a remark",),
    )
    path = folder / "explored.json"
    path.write_text(json.dumps(exploration().to_json()))
    full = compare_design(made, evidence=known, accuracy={"dense_float": 0.95})
    return (
        compare_networks(chain(8), chain(), [board, tiny], accuracy={"dense_float": 0.98, "fixed": 0.97}),
        compare_networks(residual(4), residual(), [board.model_copy(update={"power": None})]),
        replace(full, explored=read_explored(path)),
    )


def _keys(schema):
    """Keys of every object, those that must be there, and what they mean; how types are spelled is pydantic's."""
    objects = {"": schema, **schema["$defs"]}
    described = {
        name: {key: one.get("description") for key, one in o.get("properties", {}).items()}
        for name, o in objects.items()
    }
    return described, {name: sorted(o.get("required", [])) for name, o in objects.items()}


def test_the_file_is_what_the_package_says():
    assert _keys(json.loads(PUBLISHED.read_text())) == _keys(json_schema()), "swm report --json-schema writes the file"
    done = CliRunner().invoke(command, ["--json-schema"])
    assert done.exit_code == 0 and json.loads(done.stdout) == json_schema()
    assert json_schema()["properties"]["schema"]["const"] == SCHEMA


def test_real_reports_keep_to_it(reports):
    for report in reports:
        data = json.loads(json.dumps(report.to_json()))
        found = ReportData.model_validate_json(json.dumps(data))
        assert found.verdict == data["verdict"] and len(found.boards) == len(report.boards)


def test_real_reports_by_another_validator(reports):
    validator = pytest.importorskip("jsonschema", reason="needs jsonschema (pip install swm-fpga[test])")
    schema = json.loads(PUBLISHED.read_text())
    validator.Draft202012Validator.check_schema(schema)
    for report in reports:
        validator.validate(json.loads(json.dumps(report.to_json())), schema, cls=validator.Draft202012Validator)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(new=1),
        lambda d: d.pop("kinds"),
        lambda d: d["boards"][0]["structured"].update(interval="10"),
        lambda d: d["boards"][0]["structured"].pop("roofline"),
        lambda d: d["boards"][0]["errors"]["lut"].update(median="small"),
        lambda d: d["boards"][0]["structured"]["layers"][0]["processes"][0].pop("cycles"),
        lambda d: d.update(schema=3),
    ],
)
def test_a_key_more_or_less_is_no_report(reports, change):
    data = json.loads(json.dumps(reports[0].to_json()))
    change(data)
    with pytest.raises(ValidationError):
        ReportData.model_validate_json(json.dumps(data))
