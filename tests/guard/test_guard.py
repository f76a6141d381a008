# SPDX-License-Identifier: Apache-2.0
"""What C++ does on hostile input stays in the child."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from onnx import helper

import swm
from swm.engine import FloatEngine
from swm.engine import session as engine_session
from swm.errors import CalibrationError, ModelError
from swm.guard import guarded, server
from swm.onnx_io import from_proto, proto, types
from tests.onnx_io.support import make_model, session

GIB = 1 << 30
WAYS = ["fork", "server", "fresh"] if sys.platform.startswith("linux") else ["fresh"]


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
        time.sleep(3600)
    return b"second"


def folder():
    return os.getcwd().encode()


def wait_twice(first, second):
    """Wait for a file, whichever is not there yet, to come and go; say who waits."""
    path = second if os.path.exists(first) else first
    with open(path + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".new", path)
    while os.path.exists(path):
        time.sleep(0.02)
    return b"done"


prepared = []


def before_forks():
    prepared.append(str(os.getpid()))


def who_prepared():
    return " ".join(prepared).encode()


def eventually(condition):
    return any(condition() or time.sleep(0.05) for _ in range(400))


def alive(number):
    """Whether a process works; one that is over may wait to be reaped, since not every machine reaps orphans."""
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def of_script(text):
    """A process of its own that runs a script."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, env=environment)


def limited(function, *args, seconds=20.0, memory=GIB):
    return guarded(function, *args, seconds=seconds, memory=memory)


@pytest.fixture(autouse=True)
def few_forks(monkeypatch):
    """Every test begins as a process does."""
    monkeypatch.setattr(server._place, "forks", 0)


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    if request.param == "server":
        monkeypatch.setattr(server._place, "forks", 99)
    if request.param == "fresh":
        monkeypatch.setattr(sys, "platform", "other")


@pytest.mark.usefixtures("way")
def test_results_come_through_whole():
    data = os.urandom(3 << 20)
    assert limited(echo, data).data == data
    assert limited(echo, b"").data == b""


@pytest.mark.usefixtures("way")
def test_crashes_errors_and_memory_are_told_apart():
    assert limited(abort).fate == "crashed (SIGABRT)"
    assert limited(divide, 0).error == "integer division or modulo by zero"
    swelled = limited(fill, 3 * GIB, memory=GIB // 4)
    assert swelled.data is None
    assert "GiB" in swelled.fate + swelled.error


@pytest.mark.usefixtures("way")
def test_a_hang_ends():
    assert limited(sleep, 600, seconds=0.3).fate == "did not end in 0.3 s"


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no forks")


@linux
def test_a_child_that_waits_for_a_lock_is_tried_again_by_the_server(tmp_path):
    assert limited(fail_first, str(tmp_path / "mark"), seconds=9.0).data == b"second"
    assert server.enough_forks()  # of this process, from now on


@linux
def test_a_fork_that_does_nothing_is_given_up_long_before_its_time(tmp_path):
    limited(echo, b"")
    assert not server.enough_forks()
    assert limited(fail_first, str(tmp_path / "mark"), seconds=600.0).data == b"second"
    assert server.enough_forks()  # not asked a second time


def test_where_forking_fails_the_server_does(monkeypatch):
    def fail():
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", fail)
    assert limited(echo, b"x").data == b"x"


def test_where_no_process_can_be_had_the_outcome_says_so(monkeypatch):
    def fail(*_, **__):
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", fail)
    monkeypatch.setattr(subprocess, "Popen", fail)
    monkeypatch.setattr(server._place, "server", None)
    assert limited(echo, b"x").fate == "could not be tried in a process of its own (no more processes)"


@linux
class TestServer:
    @pytest.fixture(autouse=True)
    def enough(self, monkeypatch):
        monkeypatch.setattr(server._place, "forks", 99)

    def number(self):
        limited(echo, b"")
        return server._place.server._process.pid

    def test_it_is_kept(self):
        assert self.number() == self.number()

    def test_another_takes_the_place_of_one_that_was_killed(self):
        first = self.number()
        os.kill(first, signal.SIGKILL)
        assert limited(echo, b"x").data == b"x"
        assert self.number() != first

    def test_it_has_one_thread(self):
        """No fork of it can take along a lock that another thread holds; whatever modules it was asked for."""
        number = self.number()
        limited(in_child, cosine().SerializeToString(), np.ones((3, 2), np.float32))
        guarded(echo, b"", seconds=20, memory=GIB, modules=["swm.engine.session", "swm.simplify.slimming", "onnxslim"])
        assert self.number() == number
        assert len(os.listdir(f"/proc/{number}/task")) == 1

    def test_what_a_library_does_at_first_use_is_done_once_before_the_forks(self):
        """onnx's table of operators and onnxruntime's first session are set up in the server, and not in each child."""
        number = self.number()
        assert [limited(who_prepared).data for _ in range(2)] == [str(number).encode()] * 2
        assert all(callable(module.before_forks) for module in (proto, types, engine_session))

    def test_its_children_end_with_it(self, tmp_path):
        number = self.number()
        first, second = tmp_path / "first", tmp_path / "second"
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(limited, wait_twice, str(first), str(second))
            assert eventually(first.exists)
            child = int(first.read_text())
            os.kill(number, signal.SIGKILL)
            assert eventually(lambda: not alive(child))
            assert eventually(second.exists)  # tried again by the next server
            second.unlink()
            assert call.result().data == b"done"

    def test_the_user_may_ignore_the_end_of_children(self):
        script = (
            "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN);"
            "from tests.guard.test_guard import limited, abort, echo; from swm.guard import server; server.demand();"
            "print(limited(echo, b'x').data, limited(abort).fate, len({id(server._place.server) for _ in range(2)}))"
        )
        assert of_script(script).stdout.read() == b"b'x' crashed (SIGABRT) 1\n"

    def test_modules_of_the_folder_do_not_take_the_place_of_others(self, monkeypatch, tmp_path):
        (tmp_path / "socket.py").write_text("raise SystemExit")
        (tmp_path / "pickle.py").write_text("raise SystemExit")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(server._place, "server", None)
        assert limited(folder).data.decode() == str(tmp_path)
        assert server._place.server is not None

    def test_a_hundred_calls_beside_a_busy_session(self):
        """None waits for a lock: each answers at its first trial, by one server, in seconds that are ample for it."""
        self.number()
        with busy_session() as (data, x, wanted):
            for _ in range(100):
                assert limited(in_child, data, x, seconds=5.0).data == wanted

    def test_calls_of_many_threads(self):
        with ThreadPoolExecutor(8) as pool:
            wanted = [os.urandom(1000 * i) for i in range(64)]
            assert [o.data for o in pool.map(lambda data: limited(echo, data), wanted)] == wanted

    def test_a_fork_of_the_user_has_a_server_of_its_own(self):
        first = self.number()
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            fork = os.fork()
        if fork == 0:
            try:
                other = self.number()
                os.write(writer, limited(echo, b"same" if other == first else b"other").data)
                server._place.close()
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader, "rb") as file:
            assert file.read() == b"other"
        os.waitpid(fork, 0)
        assert self.number() == first

    def test_files_are_closed_again(self):
        self.number()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(200):
            limited(echo, b"")
        assert len(os.listdir("/proc/self/fd")) == before

    def test_files_beyond_the_1024th(self):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if 0 <= most < 2048:
            pytest.skip("no more files than that may be open")
        script = (
            "import os, resource; resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048));"
            "files = [os.open(os.devnull, 0) for _ in range(1500)];"
            "from tests.guard.test_guard import limited, echo; from swm.guard import server;"
            "print(limited(echo, b'f').data); server.demand(); print(limited(echo, b's').data)"
        )
        assert of_script(script).stdout.read() == b"b'f'\nb's'\n"

    def test_it_ends_with_the_process_that_needs_it_even_a_killed_one(self, tmp_path):
        mark = tmp_path / "mark"
        script = (
            "from tests.guard.test_guard import limited, wait_twice, echo; from swm.guard import server;"
            "server.demand(); limited(echo, b'');"
            f"print(server._place.server._process.pid, flush=True); limited(wait_twice, {str(mark)!r}, '')"
        )
        user = of_script(script)
        number = int(user.stdout.readline())
        assert eventually(mark.exists)
        child = int(mark.read_text())
        assert alive(number)
        assert alive(child)
        user.kill()
        user.wait()
        assert eventually(lambda: not alive(number) and not alive(child))


def test_what_cannot_be_written_is_an_error(monkeypatch):
    monkeypatch.setattr(server._place, "forks", 99)
    assert "lock" in limited(echo, threading.Lock()).error


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


def test_an_endless_run_is_one_error_the_second_time_without_a_trial(monkeypatch):
    calls = counted(monkeypatch)
    graph = from_proto(endless(), "endless.onnx")
    for _ in range(2):
        with pytest.raises(ModelError, match=r"did not end in 2 s.*endless\.onnx.*SWM_TRUST_MODELS"):
            swm.run(graph, np.ones(2, np.float32))
    assert len(calls) == 1


def test_an_absurd_size_is_one_error():
    weights = {"s": np.array([1 << 33], np.int64)}
    graph = from_proto(make_model([helper.make_node("Expand", ["x", "s"], ["y"])], {"x": (1,)}, {"y": None}, weights))
    with pytest.raises((ModelError, CalibrationError)):
        swm.run(graph, np.ones(1, np.float32))


def counted(monkeypatch):
    calls = []
    original = guarded

    def count(*args, **options):
        calls.append(args)
        return original(*args, **options)

    monkeypatch.setattr("swm.engine.session.guarded", count)
    return calls


def cosine():
    return make_model([helper.make_node("Cos", ["x"], ["y"])], {"x": ("n", 2)}, {"y": ("n", 2)})


def test_a_part_is_tried_once_for_its_content_and_shapes(monkeypatch):
    calls = counted(monkeypatch)
    monkeypatch.setattr("swm.engine.session._verdicts", {})
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
    monkeypatch.setattr("swm.engine.session._verdicts", {})
    monkeypatch.setenv("SWM_TRUST_MODELS", "1")
    swm.run(from_proto(cosine()), np.ones((3, 2), np.float32))
    assert not calls


def in_child(model, x):
    return session(model).run(None, {"x": x})[0].tobytes()


@contextlib.contextmanager
def busy_session():
    """A session with threads of its own at work in this process; a model, an input, and the bytes of its output."""
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
        yield data, x, wanted
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("way", WAYS[:1], indirect=True)
@pytest.mark.usefixtures("way")
def test_children_beside_running_sessions_are_reliable():
    """Sessions at work in this process never hold up a child that makes its own."""
    with busy_session() as (data, x, wanted):
        for _ in range(40):
            assert limited(in_child, data, x).data == wanted


def test_inputs_without_elements_are_tried_though_longer_ones_ran(monkeypatch):
    """onnxruntime's LSTM aborts on some."""
    calls = counted(monkeypatch)
    monkeypatch.setattr("swm.engine.session._verdicts", {})
    graph = from_proto(cosine())
    engine = FloatEngine(graph)
    for rows in (3, 2, 0):
        engine.run({"x": np.ones((rows, 2), np.float32)})
    assert [len(args[3]["x"]) for args in calls] == [3, 0]


def cnn():
    rng = np.random.default_rng(0)
    weights = {f"k{i}": rng.standard_normal((8, 8, 3, 3)).astype(np.float32) for i in range(3)}
    nodes = []
    for i in range(3):
        nodes.append(helper.make_node("Conv", ["x" if not i else f"r{i - 1}", f"k{i}"], [f"c{i}"], pads=[1] * 4))
        nodes.append(helper.make_node("Elu", [f"c{i}"], [f"r{i}"]))
    return make_model(nodes, {"x": ("n", 8, 6, 6)}, {"r2": None}, weights)


def test_conversion_runs_each_node_in_one_trial_only(monkeypatch):
    calls = counted(monkeypatch)
    monkeypatch.setattr("swm.engine.session._verdicts", {})
    graph = from_proto(cnn())
    x = np.random.default_rng(1).standard_normal((300, 8, 6, 6)).astype(np.float32)
    swm.convert(graph, block=4, calibration=x, permute=False)  # whose orders are tried as networks of their own
    # The network, and the last layer, which stays dense and is a new node after its refit. Others open sessions only.
    assert [args[2] for args in calls if args[3] is not None] == [["r2"], ["c2"]]


def test_a_graph_that_ran_is_freed_with_its_engine():
    graph = from_proto(cosine())
    swm.run(graph, np.ones((3, 2), np.float32))
    gone = weakref.ref(graph)
    del graph
    gc.collect()
    assert gone() is None
