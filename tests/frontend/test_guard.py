# SPDX-License-Identifier: Apache-2.0
"""What C++ does on hostile input stays in the child."""

import os
import time

import numpy as np
from onnx import helper

from swm.frontend import _guard, from_proto
from swm.frontend._guard import guarded

from .support import make_model


def test_results_come_through_whole():
    data = os.urandom(3 << 20)
    assert guarded(lambda: data) == data
    assert guarded(lambda: b"") == b""


def test_crashes_errors_and_memory_end_in_none():
    assert guarded(os.abort) is None
    assert guarded(lambda: bytes(1 // 0)) is None
    assert guarded(lambda: bytes(np.ones(3 << 30, np.uint8))) is None


def test_a_hang_ends(monkeypatch):
    monkeypatch.setattr(_guard, "_SECONDS", 0.3)
    start = time.monotonic()
    assert guarded(lambda: bytes(time.sleep(60) or 0)) is None
    assert time.monotonic() - start < 5


def test_shape_inference_that_aborts_costs_only_the_types():
    """onnx 1.23 ends the process on a Slice backwards over an axis of length 0."""
    weights = {name: np.array([value], np.int64) for name, value in (("s", -1), ("e", -9), ("a", 0), ("t", -1))}
    model = make_model([helper.make_node("Slice", ["x", *weights], ["y"])], {"x": (0, 2)}, {"y": None}, weights)
    graph = from_proto(model)
    assert graph.nodes[0].steps == (-1,)
