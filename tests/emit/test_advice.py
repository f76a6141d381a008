# SPDX-License-Identifier: Apache-2.0
"""Poor agreement in `swm verify` says what to do: more bits, another calibration, or another conversion."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from support import inputs, mlp

import swm
from swm.accelerator.saturation import Saturation
from swm.cli.emit import emit as emit_command
from swm.cli.verify import print_verification
from swm.cli.verify import verify as verify_command
from swm.emit.advice import Distance, agreement_advice
from swm.onnx_io import from_proto


def advice(reference, own=None, bits=8, saturated=None, calibrated=None):
    return list(agreement_advice(reference, own, bits, saturated or {}, calibrated or {}))


def test_good_agreement_needs_none():
    assert advice(Distance(0.97, 0.3)) == []
    assert advice(Distance(None, 0.05)) == []


def test_bits_by_the_error_that_they_leave():
    (text,) = advice(Distance(0.8, 0.16))
    assert "8 bits leave an error of 16.0 %" in text and "--bits 11" in text
    assert "--bits 10" in advice(Distance(0.8, 0.01))[0]
    assert "--bits 18" in advice(Distance(None, 5.0), bits=17)[0]
    assert "18 bits are the most" in advice(Distance(0.5, 0.3), bits=18)[0]


def test_another_calibration_where_the_vectors_reach_further():
    cut, usual = Saturation(30, 1000, 0.03), Saturation(2, 1000, 0.002)
    (text,) = advice(Distance(0.8, 0.5), None, 8, {"x": cut, "l0.sum": cut}, {"x": usual})
    assert "x 3.0 %, of the calibration inputs 0.2 %" in text and "--calibration" in text and "--bits" not in text
    # as much as at calibration is what the formats were chosen for
    assert "--bits" in advice(Distance(0.8, 0.5), None, 8, {"x": cut}, {"x": cut})[0]


def test_another_conversion_where_fixed_point_is_not_to_blame():
    (text,) = advice(Distance(0.8, 0.5), Distance(0.99, 0.01))
    assert "conversion" in text and "smaller block" in text
    assert "--bits" in advice(Distance(0.8, 0.5), Distance(0.8, 0.5))[0]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("advice")
    swm.save(from_proto(mlp((20, 24, 16, 5))), folder / "m.onnx")
    np.save(folder / "x.npy", inputs(100))
    np.save(folder / "small.npy", inputs(100) / 30)
    return folder


def emitted(files, name, calibration, bits):
    arguments = [files / "m.onnx", "-o", files / name, "--board", "pynq-z2", "--backend", "generic", "--bits", bits]
    arguments += ["--calibration", files / calibration, "--vectors", files / "x.npy"]
    done = CliRunner().invoke(emit_command, [str(a) for a in arguments] + ["--json", str(files / f"{name}.json")])
    assert done.exit_code == 0, done.output
    return done.output, json.loads((files / f"{name}.json").read_text())


def test_the_bits_that_are_named_help(files):
    output, data = emitted(files, "coarse", "x.npy", 4)
    assert data["saturated"]["x"]["values"] == 2000
    total = sum(s["count"] for s in data["saturated"].values())
    assert f"4 bits: {total:,} of 6,500 calibration values saturate" in output
    assert output.startswith("The design fits")  # the verdict is first
    done = CliRunner().invoke(verify_command, [str(files / "coarse"), "--json", str(files / "v.json")])
    found = json.loads((files / "v.json").read_text())
    text = " ".join(done.output.split())
    assert found["top1_agreement"] < 0.95 and found["advice"][0] in text
    assert f"{found['saturated']:,} of {found['rounded']:,} values saturated" in text
    assert (
        found["rounded"] == sum(s["values"] for s in found["saturated_by_place"].values()) == 100 * (20 + 24 + 16 + 5)
    )
    worst = max(found["saturated_by_place"].items(), key=lambda item: item[1]["share"])
    assert f"saturated at {worst[0]}: {worst[1]['count']:,} of {worst[1]['values']:,} values" in text
    bits = int(found["advice"][0].split("--bits ")[1].split()[0])
    graph = swm.load(files / "m.onnx")
    better = swm.run(swm.quantize(graph, bits=bits, calibration=inputs(100)), inputs(100))
    assert np.mean(better.argmax(1) == swm.run(graph, inputs(100)).argmax(1)) >= 0.95


def test_a_calibration_that_does_not_reach_far_enough_is_named(files, capsys):
    emitted(files, "short", "small.npy", 12)
    result = swm.verify(files / "short")
    assert len(result.advice) == 1 and "calibration inputs" in result.advice[0] and "x " in result.advice[0]
    assert result.saturated_by_place["x"].used > 3
    print_verification(result)


def test_one_output_has_no_agreement(tmp_path):
    """The largest of one is always the same one: it used to say 100 %."""
    graph = from_proto(mlp((20, 8, 1)))
    fixed = swm.quantize(graph, bits=4, calibration=inputs())
    result = swm.verify(swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", backend="generic", vectors=inputs(20)))
    assert result.top1_agreement is None and result.relative_error > 0.1
    assert "--bits" in result.advice[0]
    assert not any("top-1" in line for line in result.remarks)
