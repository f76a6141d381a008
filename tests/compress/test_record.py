# SPDX-License-Identifier: Apache-2.0
"""What a converted file remembers: the original's hash, what the conversion cost, and nothing that makes no sense."""

import hashlib
import json

import numpy as np
import pytest
from support import inputs, write_mlp

import swm
from swm.compress import CONVERSION, parse_record, sample_hashes


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The file of a converted network, its conversion, and the original's file."""
    folder = tmp_path_factory.mktemp("record")
    original = folder / "m.onnx"
    graph = swm.load(write_mlp(original))
    x = inputs(200)
    conversion = swm.convert(graph, block=4, calibration=x, labels=swm.run(graph, x).argmax(axis=1))
    swm.save(conversion.graph, folder / "small.onnx")
    return folder / "small.onnx", conversion, original


def test_the_file_remembers(made):
    file, conversion, original = made
    record = parse_record(swm.load(file, simplify=True).metadata[CONVERSION])
    assert (record.original, record.sha256) == ("m.onnx", hashlib.sha256(original.read_bytes()).hexdigest())
    assert record.accuracy == conversion.report.accuracy and record.accuracy.test_samples == 40
    assert record.accuracy.dense == 1.0 and record.accuracy.test_interval is not None
    assert (record.fitted_samples, record.swm) == (160, swm.__version__)
    assert [la.block for la in record.layers] == [4, 4, 1]
    assert all(
        la.output_error == own.output_error for la, own in zip(record.layers, conversion.report.layers, strict=True)
    )
    assert record.fitted_hashes == sample_hashes(inputs(200))


def test_a_graph_knows_its_file(made):
    file, _, _ = made
    assert swm.load(file).sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_same_samples_are_known_again_in_any_shape():
    x = inputs(120)
    assert sample_hashes(x) == sample_hashes({"x": x.reshape(120, 4, 5).astype(np.float64)})
    assert sample_hashes(x[:100])[0] in sample_hashes(x)
    assert not set(sample_hashes(x[:99])) & set(sample_hashes(x))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: "no JSON",
        lambda data: "[]",
        lambda data: json.dumps({**data, "layers": 3}),
        lambda data: json.dumps({**data, "fitted_samples": -1}),
        lambda data: json.dumps({**data, "accuracy": {**data["accuracy"], "test": 1.7}}),
        lambda data: json.dumps({**data, "accuracy": {**data["accuracy"], "dense": float("nan")}}),
        lambda data: json.dumps({**data, "accuracy": {**data["accuracy"], "dense_interval": [0.2, 3]}}),
        lambda data: json.dumps({**data, "layers": [{**data["layers"][0], "output_error": float("inf")}]}),
        lambda data: json.dumps({**data, "original": "x" * 2000}),
        lambda data: json.dumps({**data, "layers": []}) + " " * (5 << 20),
    ],
)
def test_a_record_that_makes_no_sense_is_none(made, change):
    text = made[1].graph.metadata[CONVERSION]
    assert parse_record(text) is not None
    assert parse_record(change(json.loads(text))) is None
