# SPDX-License-Identifier: Apache-2.0
"""What C++ does on hostile input stays in the child."""

import os
import threading
import time

import numpy as np
import onnxruntime
import pytest
from onnx import helper

import swm
from swm import guard
from swm.errors import CalibrationError, ModelError
from swm.frontend import from_proto
from swm.guard import guarded
from tests.frontend.support import make_model, session

GIB = 1 << 30
FORKS = [False, True] if hasattr(os, "fork") else [True]


def fill(size):
    return bytes(np.ones(size, np.uint8))


def echo(data):
    return data


def divide(number):
    return bytes(1 // number)


def abort():
    os.abort()


def sleep(seconds):
    return bytes(time.sleep(seconds) or 0)


def fail_first(path):
    """Hang without work, as on a lock that another thread held, unless called a second time."""
    if not os.path.exists(path):
        open(path, "w").close()
        time.sleep(60)
    return b"second"


def limited(function, *args, seconds=20.0, memory=GIB, fresh=None):
    return guarded(function, *args, seconds=seconds, memory=memory, fresh=fresh)


@pytest.mark.parametrize("fresh", FORKS)
def test_results_come_through_whole(fresh):
    data = os.urandom(3 << 20)
    assert limited(echo, data, fresh=fresh).data == data
    assert limited(echo, b"", fresh=fresh).data == b""


@pytest.mark.parametrize("fresh", FORKS)
def test_crashes_errors_and_memory_are_told_apart(fresh):
    assert limited(abort, fresh=fresh).fate == "crashed (SIGABRT)"
    assert limited(divide, 0, fresh=fresh).error == "integer division or modulo by zero"
    swelled = limited(fill, 3 * GIB, fresh=fresh, memory=GIB // 4)
    assert swelled.data is None
    assert "GiB" in swelled.fate + swelled.error


@pytest.mark.parametrize("fresh", FORKS)
def test_a_hang_ends(fresh):
    start = time.monotonic()
    assert limited(sleep, 60, seconds=0.3, fresh=fresh).fate == "did not end in 0.3 s"
    assert time.monotonic() - start < 10


def test_a_child_that_waits_for_a_lock_is_tried_again_afresh(tmp_path):
    assert limited(fail_first, str(tmp_path / "mark"), seconds=1.0).data == b"second"


def test_shape_inference_that_aborts_costs_only_the_types():
    """onnx 1.23 ends the process on a Slice backwards over an axis of length 0."""
    weights = {name: np.array([value], np.int64) for name, value in (("s", -1), ("e", -9), ("a", 0), ("t", -1))}
    model = make_model([helper.make_node("Slice", ["x", *weights], ["y"])], {"x": (0, 2)}, {"y": None}, weights)
    graph = from_proto(model)
    assert graph.nodes[0].steps == (-1,)


def endless():
    """A Loop that carries on for 2^62 turns."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Abs", ["a"], ["b"])],
        "body",
        [helper.make_tensor_value_info(n, t, []) for n, t in (("i", 7), ("c", 9))]
        + [helper.make_tensor_value_info("a", 1, None)],
        [helper.make_tensor_value_info("d", 9, []), helper.make_tensor_value_info("b", 1, None)],
    )
    weights = {"n": np.array(1 << 62, np.int64), "go": np.array(True)}
    return make_model([helper.make_node("Loop", ["n", "go", "x"], ["y"], body=body)], {"x": (2,)}, {"y": (2,)}, weights)


def test_an_endless_run_is_one_error_the_second_time_at_once():
    graph = from_proto(endless(), "endless.onnx")
    for limit in (8.0, 1.0):
        start = time.monotonic()
        with pytest.raises(ModelError, match=r"did not end in 2 s.*endless\.onnx.*SWM_TRUST_MODELS"):
            swm.run(graph, np.ones(2, np.float32))
        assert time.monotonic() - start < limit


def test_an_absurd_size_is_one_error():
    weights = {"s": np.array([1 << 33], np.int64)}
    graph = from_proto(make_model([helper.make_node("Expand", ["x", "s"], ["y"])], {"x": (1,)}, {"y": None}, weights))
    with pytest.raises((ModelError, CalibrationError)):
        swm.run(graph, np.ones(1, np.float32))


def counted(monkeypatch):
    calls = []
    original = guard.guarded

    def count(*args, **options):
        calls.append(args)
        return original(*args, **options)

    monkeypatch.setattr("swm.engine._trial.guarded", count)
    return calls


def cosine():
    return make_model([helper.make_node("Cos", ["x"], ["y"])], {"x": ("n", 2)}, {"y": ("n", 2)})


def test_a_part_is_tried_once_for_its_content_and_shapes(monkeypatch):
    calls = counted(monkeypatch)
    monkeypatch.setattr("swm.engine._trial._verdicts", {})
    x = np.ones((3, 2), np.float32)
    graph = from_proto(cosine())
    swm.run(graph, x)
    swm.run(graph, 2 * x)
    swm.run(from_proto(cosine()), x)
    assert len(calls) == 1
    for rows in range(1, 30):
        swm.run(graph, np.ones((rows, 2), np.float32))
    assert len(calls) == 8  # from then on new lengths are the user's own


def test_harmless_layers_and_trusted_models_are_not_tried(monkeypatch):
    calls = counted(monkeypatch)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    layer = make_model(nodes, {"x": ("n", 2)}, {"y": ("n", 2)}, {"w": np.eye(2, dtype=np.float32)})
    swm.run(from_proto(layer), np.ones((3, 2), np.float32))
    monkeypatch.setattr("swm.engine._trial._verdicts", {})
    monkeypatch.setenv("SWM_TRUST_MODELS", "1")
    swm.run(from_proto(cosine()), np.ones((3, 2), np.float32))
    assert not calls


def in_child(model, x):
    return session(model).run(None, {"x": x})[0].tobytes()


def test_forks_beside_running_sessions_are_reliable():
    """Sessions with threads of their own, at work in this process, never hold up a child that makes its own."""
    weights = {"w": np.eye(256, dtype=np.float32)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Softmax", ["a"], ["y"])]
    data = make_model(nodes, {"x": ("n", 256)}, {"y": None}, weights).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 4
    busy = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    x = np.ones((64, 256), np.float32)
    wanted = session(data).run(None, {"x": x})[0].tobytes()
    stop = threading.Event()

    def work():
        while not stop.is_set():
            busy.run(None, {"x": x})

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(40):
            assert limited(in_child, data, x).data == wanted
    finally:
        stop.set()
        thread.join()
