# SPDX-License-Identifier: Apache-2.0
"""Files that torch wrote (`export_torch.py`), by both exporters: read, converted, in integers, every word run."""

from pathlib import Path

import numpy as np
import pytest

import swm

FOLDER = Path(__file__).parent / "exported"
KINDS = {
    "lstm": ["recurrent", "recurrent", "dense"],
    "gru": ["recurrent", "recurrent", "dense"],
    "llama": [
        *("rmsnorm", "dense", "dense", "dense", "rotary", "rotary", "matmul", "softmax", "matmul"),
        *("dense", "add", "rmsnorm", "dense", "dense", "hadamard", "dense", "add", "dense"),
    ],
    "gru_last": ["recurrent", "reverse", "recurrent", "concat", "dense"],
}
FILES = sorted(file.stem for file in FOLDER.glob("*.onnx"))


def inputs(graph, samples=40):
    """Smooth values, as images and sensors give them."""
    shape = graph.inputs[0].type.shape[1:]
    rng, n = np.random.default_rng(0), int(np.prod(graph.inputs[0].type.shape[1:]))
    return (rng.normal(size=(samples, 8)) @ rng.normal(size=(8, n)) / 3).astype(np.float32).reshape(-1, *shape)


def test_there_are_files_of_both_exporters():
    assert len(FILES) == 18
    assert {name.rpartition("_")[2] for name in FILES} == {"script", "dynamo"}


@pytest.mark.parametrize("name", FILES)
def test_all_of_it_becomes_hardware(name):
    graph = swm.load(FOLDER / f"{name}.onnx", simplify=True, detect=True)
    x = inputs(graph)
    assert swm.check(graph).hardware == "all"
    np.testing.assert_allclose(swm.run(graph, x), swm.run(swm.load(FOLDER / f"{name}.onnx"), x), atol=1e-5)
    fixed = swm.quantize(graph, bits=14, calibration=x)
    kinds = KINDS.get(name.rpartition("_")[0])
    assert kinds is None or [spec.kind for spec in fixed.specs] == kinds
    want = swm.run(graph, x)
    assert np.linalg.norm(swm.run(fixed, x) - want) < 5e-3 * np.linalg.norm(want)
    converted = swm.convert(graph, block=4, calibration=x).graph
    assert swm.check(converted).hardware == "all"
    assert any(getattr(spec, "block", 1) == 4 for spec in swm.quantize(converted, bits=12, calibration=x).specs)


def test_words_of_a_project(tmp_path):
    """One of them down to the C simulation; `python benchmarks/networks.py` runs them all."""
    graph = swm.load(FOLDER / "gru_last_dynamo.onnx", simplify=True)
    x = inputs(graph)
    fixed = swm.quantize(graph, bits=12, calibration=x)
    result = swm.emit(fixed, path=tmp_path / "p", board="pynq-z2", backend="generic", vectors=x[:20]).verify()
    assert (result.ok, result.words, result.mismatches) == (True, 80, 0)
    assert result.relative_error < 0.02
