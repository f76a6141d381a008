# SPDX-License-Identifier: Apache-2.0
"""What a conversion costs is measured on samples that the fit has not seen, and it says so where it cannot be."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper
from support import inputs, write_mlp

import swm
from swm.cli.convert import convert
from swm.compress import wilson
from swm.compress.hold_out import held_out
from swm.errors import CalibrationError
from swm.onnx_io import from_proto


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return swm.load(write_mlp(tmp_path_factory.mktemp("m") / "m.onnx", widths=(64, 64, 48, 5)))


def noise(count, width=64, seed=3):
    """Inputs without any structure that few samples could show."""
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def answers(graph, x):
    return swm.run(graph, x).argmax(axis=1)


@pytest.mark.parametrize("count", [10, 11, 64, 200, 1000, 9_999, 20_000, 60_000])
def test_a_fifth_is_held_out_at_most_2000_and_of_any_order_its_share(count):
    taken = held_out(count)
    assert np.array_equal(taken, held_out(count))
    expected = min(count / 5, 2000)
    assert taken.sum() >= 1 and abs(taken.sum() - expected) <= 2
    for labels in (np.arange(count) * 10 // count, np.arange(count) % 10, np.arange(count) % 5):  # sorted, in turn
        if count >= 1000:
            share = np.bincount(labels[taken]) / np.bincount(labels)
            assert share.min() > 0.5 * expected / count


def test_fewer_than_ten_are_all_fitted():
    assert not held_out(9).any()


def test_wilson_interval():
    assert wilson(1.0, 20) == pytest.approx((0.8389, 1.0), abs=1e-4)
    assert wilson(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(0.0, 1)[0] == 0


def test_the_accuracy_is_that_of_samples_the_fit_has_not_seen(graph):
    """30 samples, that 64 inputs at block 4 learn by heart: on them the converted network is nearly always right."""
    x = noise(30)
    report = swm.convert(graph, block=4, calibration=x, labels=answers(graph, x)).report
    fresh = noise(2000, seed=4)
    converted = swm.convert(graph, block=4, calibration=x).graph
    truth = np.mean(answers(converted, fresh) == answers(graph, fresh))
    assert report.accuracy.dense == 1
    assert report.accuracy.test_samples == held_out(30).sum() == 30 - report.calibration_samples
    low, high = report.accuracy.test_interval
    assert low <= truth <= high
    assert low < report.accuracy.test < high or report.accuracy.test in (low, high)


def test_test_inputs_are_not_fitted_and_all_calibration_is(graph):
    x, fresh = noise(60), noise(100, seed=9)
    result = swm.convert(graph, block=4, calibration=x, test=fresh, test_labels=answers(graph, fresh))
    found = result.report.accuracy
    assert (found.samples, found.test_samples, result.report.calibration_samples) == ("given", 100, 60)
    assert found.test == np.mean(answers(result.graph, fresh) == answers(graph, fresh)) == found.agreement
    whole = swm.convert(graph, block=4, calibration=x, hold_out=False)
    np.testing.assert_array_equal(result.graph.linear()[0].weight.columns, whole.graph.linear()[0].weight.columns)
    assert whole.report.accuracy.test_samples == 0


def test_without_labels_agreement_is_measured_else_relative_error(graph, tmp_path):
    found = swm.convert(graph, block=4, calibration=noise(60)).report.accuracy
    assert found.test is None and 0 <= found.agreement <= 1 and found.test_samples == held_out(60).sum()
    one = swm.load(write_mlp(tmp_path / "one.onnx", widths=(64, 64, 1)))
    found = swm.convert(one, block=4, calibration=noise(60)).report.accuracy
    assert found.agreement is None and found.relative_error > 0


def test_too_few_samples_for_the_block_are_told_with_the_number_that_helps(graph):
    (warning,) = [w for w in swm.convert(graph, block=4, calibration=noise(100)).report.warnings if "too few" in w]
    assert "effective degrees of freedom" in warning
    wanted = int(warning.split("give about ")[1].split()[0].replace(",", ""))
    assert 80 < wanted <= 400
    assert not [w for w in swm.convert(graph, block=4, calibration=noise(wanted + 100)).report.warnings if "few" in w]
    few = swm.convert(graph, block=4, calibration=noise(3)).report
    assert [w for w in few.warnings if "held out" in w]
    assert few.accuracy.test_samples == 0 and {layer.output_error for layer in few.layers} == {None}
    assert few.layers[1].fitted_error < 0.05  # learnt by heart, and no figure to show


def test_no_calibration_and_large_errors_are_told(graph):
    report = swm.convert(graph, block=8).report
    assert any("no calibration was given" in w and "--calibration" in w for w in report.warnings)
    assert report.accuracy.test_samples == 0
    x = noise(20)
    report = swm.convert(graph, block=16, calibration=x, test=noise(50, seed=8)).report
    large = [layer for layer in report.layers if layer.output_error > 1]
    assert bool(large) == any("zeros" in w and f"{large[0].name}=1" in w for w in report.warnings)


def test_a_layer_worse_than_zeros_is_named(tmp_path):
    graph = swm.load(write_mlp(tmp_path / "m.onnx", widths=(64, 64, 48, 5), activation="Tanh"))
    few = noise(12) + 3
    report = swm.convert(graph, block=2, calibration=few, test=noise(50, seed=5) - 20).report
    assert max(layer.output_error for layer in report.layers) > 1
    assert any("further off than zeros" in w and "--block" in w for w in report.warnings)


def test_a_network_that_stays_dense_is_only_told_the_size_that_would_convert_it(graph):
    (warning,) = swm.convert(graph, block=64).report.warnings
    assert "no layer was converted" in warning
    assert swm.convert(graph, block={"fc*": 1}).report.warnings == ()  # as asked for


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_labels": np.zeros(5, np.int64)}, "without test inputs"),
        ({"test": noise(5), "test_labels": np.zeros(4, np.int64)}, "labels must be 5"),
        ({"test": noise(5), "test_labels": np.full(5, 9)}, r"labels must lie in 0\.\.4"),
        ({"test": noise(5, 63)}, "must have shape"),
    ],
)
def test_bad_test_inputs_are_refused(graph, options, message):
    with pytest.raises(CalibrationError, match=message):
        swm.convert(graph, block=4, calibration=noise(50), **options)


def test_the_command_says_and_writes_it(graph, tmp_path):
    path = write_mlp(tmp_path / "m.onnx", widths=(64, 64, 48, 5))
    x = noise(40)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", answers(graph, x))
    common = [str(path), "--block", "4", "--calibration", str(tmp_path / "x.npy")]
    labelled = [*common, "--labels", str(tmp_path / "y.npy")]
    done = CliRunner().invoke(convert, [*labelled, "-o", str(tmp_path / "a.onnx"), "--json", str(tmp_path / "a.json")])
    assert done.exit_code == 0, done.output
    data = json.loads((tmp_path / "a.json").read_text())
    assert data["accuracy"]["test_samples"] == 8 and 0 <= data["accuracy"]["test"] <= 1
    assert "too few" in " ".join(data["warnings"])
    assert "held-out samples: dense 100.00 % (95 %:" in done.output
    assert "warning: " in done.stderr and "too few for these blocks" in done.stderr
    given = ["--test", str(tmp_path / "x.npy"), "--test-labels", str(tmp_path / "y.npy")]
    done = CliRunner().invoke(convert, [*common, *given, "-o", str(tmp_path / "b.onnx")])
    assert "on 40 test samples" in done.output


def test_the_bundled_network_fitted_to_few_images_is_not_said_to_be_as_good_as_before():
    """It said 99.0 -> 99.0 % of 200 images; of the test images 64.5 % are right."""
    from swm import bundled

    x, y = bundled.calibration()
    images, labels = bundled.test()
    graph = swm.load(bundled.model_path())
    result = swm.convert(graph, block=8, calibration=x[:100], labels=y[:100], permute=False)
    truth = np.mean(answers(result.graph, images) == labels)
    low, high = result.report.accuracy.test_interval
    assert low <= truth <= high
    assert truth < 0.9 and any("accuracy falls" in w for w in result.report.warnings)


def test_batches_are_held_out_whole(tmp_path):
    fixed = swm.load(write_mlp(tmp_path / "m.onnx", batch=2))
    report = swm.convert(fixed, block=4, calibration=inputs(60)).report
    assert report.accuracy.test_samples + report.calibration_samples == 60
    assert report.accuracy.test_samples > 0


def test_a_recurrent_network_without_outputs_holds_nothing_out():
    shapes = {"x": (1, "n", 2), "w": (1, 12, 2), "r": (1, 12, 3)}
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    node = helper.make_node("LSTM", list(shapes), ["", "h"], hidden_size=3)
    graph = from_proto(helper.make_model(helper.make_graph([node], "g", given, [])))
    feeds = {"x": np.ones((1, 3, 2), np.float32), "w": np.ones((1, 12, 2), np.float32)}
    feeds["r"] = np.ones((1, 12, 3), np.float32)
    assert swm.convert(graph, block=2, calibration=feeds).report.layers == ()
