# SPDX-License-Identifier: Apache-2.0
"""Models that this project did not write: whatever onnxruntime runs, it runs after load → save with the same result."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from swm.errors import ModelError
from swm.graph import Opaque
from swm.onnx_io import load, save, subgraph_proto, to_proto

from .support import assert_same, random_feeds, run, session

SHARED = Path(os.environ.get("SWM_SHARED") or Path(__file__).resolve().parents[3] / "shared")
MODELS = SHARED / "models" / "models.json"
ENTRIES = json.loads(MODELS.read_text()) if MODELS.is_file() else []
# Sums of many thousand terms that other shapes of the same product round differently.
TOLERANCE = 2e-5


def feeds_of(runner, path):
    feeds = random_feeds(runner)
    if "silero" in path:
        feeds["input"] = np.random.default_rng(0).standard_normal((1, 512)).astype(np.float32)
        feeds["sr"] = np.array(16000, np.int64)
    return feeds


@pytest.mark.parametrize("entry", ENTRIES, ids=[e["path"] for e in ENTRIES])
def test_model(entry, shared, tmp_path):
    path = shared / "models" / entry["path"]
    if not entry["runs"]:
        try:
            graph = load(path)
        except ModelError:
            return
        to_proto(graph)
        return
    runner = session(str(path))
    feeds = feeds_of(runner, entry["path"])
    wanted = runner.run(None, feeds)
    graph = load(path)
    save(graph, tmp_path / "saved.onnx")
    assert_same(wanted, run(str(tmp_path / "saved.onnx"), feeds), TOLERANCE)
    again = load(tmp_path / "saved.onnx")
    assert to_proto(again).SerializeToString(deterministic=True) == (tmp_path / "saved.onnx").read_bytes()
    assert [type(n) for n in again.nodes] == [type(n) for n in graph.nodes]


def test_segments_of_a_model(shared):
    """Typed and opaque nodes run apart, segment by segment, give what the whole gives."""
    path = shared / "models" / "mlp" / "ezkl_large_mlp.onnx"
    runner = session(str(path))
    feeds = random_feeds(runner)
    graph = load(path)
    values = dict(feeds)
    for node in graph.nodes:
        inputs = [t for t in dict.fromkeys(node.inputs) if t in values]
        part = subgraph_proto(graph, [node], inputs, list(node.outputs))
        values |= zip(node.outputs, run(part, {t: values[t] for t in inputs}), strict=True)
    assert any(isinstance(n, Opaque) for n in graph.nodes)
    assert_same(runner.run(None, feeds), [values[v.name] for v in graph.outputs])
