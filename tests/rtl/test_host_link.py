# SPDX-License-Identifier: Apache-2.0
"""The project's driver talks through a pseudo-terminal to the Verilator model of a whole board."""

import ast
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zlib
from dataclasses import replace

import numpy as np
import pytest
from emit.designs import Sketch
from host.host_models import anomaly, load
from rtl.many_networks import design
from rtl.test_rtl_networks import LINK
from support import inputs

import swm
from swm.accelerator.integers import run_fixed
from swm.accelerator.layout import ChannelsLast
from swm.emit import emit_project
from swm.errors import OptionError

serial = pytest.importorskip("serial", reason="needs pyserial (pip install 'swm-fpga[link]')")
DIVISOR, SILENCE = 8, 4000  # cycles
needs_verilator = pytest.mark.skipif(
    shutil.which("verilator") is None, reason="needs verilator (Debian: apt-get install verilator)"
)


def network(board="ulx3s"):
    """Answers are longer than questions, so that a host that does not wait for them is too fast for the line.

    Values pass in another order than they lie in the model's arrays, at both ends.
    """
    sketch = Sketch(13, bits=8, positions=2).product("x", "h", 12, positions=2, block=4, activation="relu")
    graph = sketch.product("h", "y", 20, positions=2).graph()
    orders = {"input_order": ChannelsLast(13, 2), "output_order": ChannelsLast(20, 2), "output_shape": (20, 2)}
    return design(replace(graph, **orders), ends=(2, 1), board=board)


def import_driver(project):
    place = importlib.util.spec_from_file_location("project_driver", project / "link" / "accelerator.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return emit_project(network(), tmp_path_factory.mktemp("link") / "project")


@pytest.fixture(scope="module")
def driver(project):
    return import_driver(project)


@pytest.fixture(scope="module")
def model(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    flags = ["--cc", "--exe", "--build", "-Wall", "-Wno-fatal", "--x-initial", "unique", "--top-module", "board_top"]
    flags += [f"-GDIVISOR={DIVISOR}", f"-GTIMEOUT={SILENCE}", "--Mdir", str(folder)]
    flags += ["-MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"]
    sources = sorted(map(str, (project / "rtl").glob("*.sv")))
    done = subprocess.run(
        ["verilator", *flags, *sources, str(project / "sim" / "board.cpp")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "%Warning" not in done.stderr
    return folder / "Vboard_top"


@pytest.fixture
def board(project, model):
    with subprocess.Popen(
        [model, str(DIVISOR), str(SILENCE)], cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.terminal = process.stdout.readline().strip()
        yield process
        process.kill()


def samples(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 13, 2)).astype(np.float32)


def expected(x):
    return run_fixed(network().graph, x.reshape(len(x), -1)).values


def right_words(words):
    """Of integers as the hardware reads them."""
    graph = replace(network().graph, input_order=None)
    return run_fixed(graph, words / 2.0**graph.input.frac).words


def replies(accelerator, count, seconds=20):
    """Status and sequence number of the next replies."""
    found, until = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < until:
        found += accelerator._receive()
    return [(status, sequence) for status, sequence, _ in found]


@needs_verilator
def test_answers_are_those_of_the_integer_engine(board, driver):
    x = samples(40)
    with driver.Accelerator(board.terminal, timeout=10) as accelerator:
        assert np.array_equal(accelerator.infer(x), expected(x))
        assert accelerator.infer(x[:0]).shape == (0, 20, 2)
        assert not accelerator.resent
        # Bytes that need an escape, in both directions: flags and escapes in numbers, and in what comes back.
        words = np.full((2, 26), 0x7E)
        words[1] = 0x7D
        assert np.array_equal(accelerator.words(words), right_words(words))
        with pytest.raises(ValueError, match="samples of 25 values, the network reads 26"):
            accelerator.infer(np.zeros((3, 25)))
        with pytest.raises(ValueError, match="NaN"):
            accelerator.infer(np.full((1, 26), np.nan))


@needs_verilator
def test_every_bad_frame_has_its_own_reply_and_spoils_no_other(board, driver):
    x, good = samples(3), bytes(26 + 2)  # 13 channels and a place of padding, twice
    with driver.Accelerator(board.terminal, timeout=10) as accelerator:
        port, frame = accelerator.port, driver._frame
        wrong = bytearray(frame(driver.INFER, 10, good))
        wrong[5] ^= 1
        cases = [
            (bytes(wrong), 0xE1),
            (frame(driver.INFER, 11, good[:-1]), 0xE2),
            (frame(driver.INFER, 12, b""), 0xE2),
            (frame(driver.INFER, 13, good + b"\1"), 0xE3),
            (frame(driver.IDENTIFY, 14, b"\1"), 0xE3),
            (frame(0x55, 15, good), 0xE6),
            (frame(driver.INFER, 16, good)[:-1] + b"\x7d\x7e", 0xE2),  # taken back by an escape before the flag
            (frame(driver.INFER, 17, good)[:20], 0xE4),  # and then silence
            (b"noise on the line", 0xE4),  # no flag since the silence: nobody listens
            (frame(driver.INFER, 18, good), driver.ANSWER),
        ]
        for wire, status in cases:
            port.write(wire)
            if wire.startswith(b"noise"):
                assert not replies(accelerator, 1, seconds=0.3)
                continue
            assert [found for found, _ in replies(accelerator, 1)] == [status], wire
        port.write(b"\x7e~~~" + bytes(range(60)) * 3)  # a frame of noise, which the next one ends
        assert np.array_equal(accelerator.infer(x), expected(x))
        assert not accelerator.resent


def mutated(driver, rng):
    """A frame with bytes changed, cut, put in or left out, or noise; never one that is right."""
    payload = bytes(rng.choice([0x7E, 0x7D, 0, rng.randrange(256)]) for _ in range(rng.choice([0, 27, 28, 28, 60])))
    wire = bytearray(driver._frame(rng.choice([0, 1, 1, rng.randrange(256)]), rng.randrange(256), payload))
    for _ in range(rng.choice([1, 1, 2, 5])):
        wire[rng.randrange(len(wire))] = rng.choice([0x7E, 0x7D, rng.randrange(256)])
    at = rng.randrange(len(wire))
    wire = rng.choice([wire, wire[:at], wire[:at] + wire[at + 1 :], wire[:at] + bytes([0x7E]) + wire[at:]])
    bodies = [driver._unescape(part) for part in wire.split(b"~")]
    right = any(len(b) >= 6 and zlib.crc32(b[:-4]) == int.from_bytes(b[-4:], "little") for b in bodies)
    return b"" if right else bytes(wire)


@needs_verilator
def test_frames_among_mutated_ones_are_answered_right(board, driver):
    rng, x = random.Random(7), samples(40, seed=5)
    want = expected(x)
    with driver.Accelerator(board.terminal, timeout=10) as accelerator:
        for i in range(0, len(x), 2):
            accelerator.port.write(b"".join(mutated(driver, rng) for _ in range(rng.randrange(1, 12))))
            assert np.array_equal(accelerator.infer(x[i : i + 2]), want[i : i + 2])


@needs_verilator
def test_a_host_that_does_not_wait_is_told_so(board, driver):
    x = samples(1)
    with driver.Accelerator(board.terminal, timeout=10, window=8) as accelerator:
        words = np.random.default_rng(4).integers(-128, 128, (60, 26))
        wires = [driver._frame(driver.INFER, i, one.tobytes()) for i, one in enumerate(accelerator.pack(words))]
        accelerator.port.write(b"".join(wires))
        found, until = [], time.monotonic() + 2
        while len(found) < 60 and time.monotonic() < until:
            found += accelerator._receive()
        assert {status for status, _, _ in found} == {driver.ANSWER, driver.OVERRUN}
        assert len(found) == len({sequence for _, sequence, _ in found})
        right = right_words(words)
        for status, sequence, payload in found:
            assert status == driver.OVERRUN or np.array_equal(
                accelerator.unpack(np.frombuffer(payload, np.uint8))[0], right[sequence]
            )
        assert np.array_equal(accelerator.infer(x), expected(x))


@needs_verilator
@pytest.mark.parametrize("part", [0.5, 1.0], ids=["in the midst of a frame", "behind a frame"])
def test_a_cable_that_is_cut_and_joined_costs_time_alone(board, driver, part):
    x = samples(8, seed=3)
    with driver.Accelerator(board.terminal, timeout=1) as accelerator:
        write, written = accelerator.port.write, []

        def broken(wire):
            written.append(wire)
            if len(written) != 3:
                return write(wire)
            write(wire[: int(part * len(wire))])
            board.send_signal(signal.SIGUSR1)
            time.sleep(0.2)
            write(wire[int(part * len(wire)) :])
            time.sleep(0.2)
            board.send_signal(signal.SIGUSR2)
            return len(wire)

        accelerator.port.write = broken
        assert np.array_equal(accelerator.infer(x), expected(x))
        assert sum(accelerator.resent.values()) >= 1
        assert len(written) > len(x)


@needs_verilator
def test_a_board_that_vanishes_is_one_error(board, driver):
    with driver.Accelerator(board.terminal, timeout=0.2, retries=1) as accelerator:
        board.kill()
        board.wait()
        with pytest.raises(driver.LinkError, match=r"is gone|failed 2 times"):
            accelerator.infer(samples(1))


@needs_verilator
def test_the_script_compares_every_word(board, project, tmp_path):
    script = [sys.executable, str(project / "link" / "accelerator.py"), board.terminal]
    done = subprocess.run([*script, "--frames", "5"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 frames, 200 words, 0 differ")
    x = samples(2)
    np.save(tmp_path / "x.npy", x)
    subprocess.run([*script, str(tmp_path / "x.npy"), str(tmp_path / "y.npy")], check=True)
    assert np.array_equal(np.load(tmp_path / "y.npy"), expected(x))
    other = shutil.copytree(project, tmp_path / "p")
    settings = other / "link" / "link.json"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(re.sub(r'("identity": "01)(.)', r"\1f\2", text)[: len(text) + 1], encoding="utf-8")
    script[1] = str(other / "link" / "accelerator.py")
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "load the bitstream that was built from this project" in done.stderr


def test_a_port_without_a_board_is_one_error(driver, tmp_path):
    ours, theirs = os.openpty()
    with pytest.raises(driver.LinkError, match=r"failed 2 times .* at 1,000,000 baud, at last because no answer came"):
        driver.Accelerator(os.ttyname(theirs), timeout=0.05, retries=1)
    os.close(ours)
    os.close(theirs)
    with pytest.raises(driver.LinkError, match="cannot open"):
        driver.Accelerator(str(tmp_path / "none"))


def test_the_host_parts_run_around_the_board(tmp_path):
    """With the integer engine in place of the board, which the other tests have."""
    graph = load(anomaly(tmp_path / "m.onnx"))
    fixed = swm.quantize(graph, bits=8, calibration=inputs(width=12))
    project = swm.emit(fixed, board="ulx3s", path=tmp_path / "p", backend="rtl")
    module = import_driver(project)

    class OnPaper(module.Accelerator):
        def __init__(self):
            self.settings, self.project = json.loads((project / "link" / "link.json").read_text()), project

        def words(self, words):
            return run_fixed(fixed, words / 2.0**fixed.input.frac).words

    x = inputs(20, width=12, seed=8)
    assert np.array_equal(OnPaper().infer(x), swm.run(fixed, x))


def test_the_driver_needs_numpy_and_pyserial_only(project):
    tree = ast.parse((project / "link" / "accelerator.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    others = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert others == {"numpy", "serial", "swm_network"}
    shared = (project / "link" / "swm_network.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^(?:import|from) (\w+)", shared, re.M)) - set(sys.stdlib_module_names) == {"numpy"}


def test_boards_with_a_serial_line_have_a_top_and_others_have_none(project, tmp_path):
    assert LINK | {"board_top.sv"} <= {file.name for file in (project / "rtl").iterdir()}
    top = (project / "rtl" / "board_top.sv").read_text(encoding="utf-8")
    assert ".IN_BEATS(14), .IN_BYTES(2), .OUT_BYTES(1)" in top
    assert "output logic [7:0] led" in top
    other = emit_project(network(board="zcu104"), tmp_path / "p")
    assert not (other / "link").exists()
    assert not LINK & {file.name for file in (other / "rtl").iterdir()}


def test_a_baud_that_the_clock_does_not_give_is_refused(tmp_path):
    made = network()
    board = made.schedule.board
    for baud, offer in ((7_000_000, "6,250,000"), (4_000_000, "4,166,666")):
        link = board.link.model_copy(update={"baud": baud})
        schedule = replace(made.schedule, board=board.model_copy(update={"link": link}))
        with pytest.raises(OptionError, match=rf"does not give {baud:,} baud.*take {offer}"):
            emit_project(replace(made, schedule=schedule), tmp_path / "p")
        assert not (tmp_path / "p").exists()
