# SPDX-License-Identifier: Apache-2.0
"""Long work says where it is: by the clock where nobody watches a bar, and by calls from within every long step."""

import os
import pty
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from support import inputs, mlp, write_mlp

import swm
from swm import progress
from swm.bench import convert as bench_convert
from swm.cli.bench import bench
from swm.cli.convert import convert as convert_command
from swm.emit import simulate
from swm.errors import ToolError
from swm.onnx_io import from_proto
from swm.progress import LOOK, PAUSE, Lines, told

ROOT = os.path.dirname(os.path.dirname(swm.__file__))


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_nothing_is_silent_for_more_than_five_seconds():
    clock, said = Clock(), []
    lines = Lines(lambda line: said.append((clock.now, line)), clock)
    lines("convert fc1", 2, 12)
    while clock.now < 160:  # one step that never calls; the watching thread looks
        clock.now += LOOK
        lines.look()
    times = [100.0, *(t for t, _ in said)]
    assert max(b - a for a, b in pairwise(times)) <= 5
    assert PAUSE + LOOK < 4
    assert said[0][1] == "swm: convert fc1 (step 3 of 12), 3 s"


def test_what_is_over_soon_says_nothing_and_much_progress_no_more_than_a_line_each_few_seconds():
    clock, said = Clock(), []
    lines = Lines(said.append, clock)
    for i in range(30):
        clock.now += 0.1
        lines(f"layer {i}", i, 1000)
    assert not said
    for i in range(1000):
        clock.now += 0.1
        lines(f"layer {i}\n\x1b[2J", i, 1000)  # names come from models
    assert 28 <= len(said) <= 34
    assert all(line.isprintable() for line in said)


def test_true_is_lines_on_standard_error_without_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    with told(True) as say:
        say("fc1", 0, 2)
    captured = capsys.readouterr()
    assert captured.out == "" and "swm: fc1 (step 1 of 2)" in captured.err
    for asked in (None, False):
        with told(asked) as say:
            say("fc1", 0, 2)
        assert capsys.readouterr() == ("", "")
    with told(print) as say:
        assert say is print


def test_true_is_a_bar_on_a_terminal():
    program = "from swm.progress import told\nwith told(True) as say: say('[fc1]', 1, 2)"
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": ROOT}
    subprocess.run([sys.executable, "-c", program], stderr=child, env=environment, check=True)
    os.close(child)
    shown = os.read(parent, 10_000).decode()
    os.close(parent)
    assert "[fc1]" in shown and "1/2" in shown


def calls():
    made = []
    return made, lambda *state: made.append(state)


def test_convert_tells_of_every_layer_from_within():
    made, tell = calls()
    graph = from_proto(mlp())
    swm.convert(graph, block=4, calibration=inputs(600), progress=tell)
    assert [done for _, done, _ in made] == sorted(done for _, done, _ in made)
    assert {total for _, _, total in made} == {3} and made[-1] == ("done", 3, 3)
    within = [what for what, done, _ in made if done == 0 and what.startswith("fc0: ")]
    assert sum("samples" in what for what in within) >= 3  # 480 samples are two parts, once more for the error
    assert sum("bin" in what for what in within) == 3
    assert sum("round" in what for what in within) >= 12
    made.clear()
    swm.convert(graph, budget="3x", calibration=inputs(), progress=tell)
    alone = {what for what, _, _ in made if "alone at block" in what}
    assert {f"fc{i} alone at block {k}: fit" for i in (0, 1) for k in (2, 4, 8)} <= alone


def test_quantize_design_emit_and_verify_tell_of_their_steps(tmp_path):
    made, tell = calls()
    graph = swm.convert(from_proto(mlp()), block=4, calibration=inputs()).graph
    fixed = swm.quantize(graph, bits=12, calibration=inputs(), progress=tell)
    assert [what for what, _, _ in made] == [
        "run the calibration inputs",
        *(f"formats of l{i}_fc{i}" for i in range(3)),
    ]
    made.clear()
    swm.emit(fixed, board="pynq-z2", path=tmp_path / "p", vectors=inputs(3), progress=tell)
    words = [what for what, _, _ in made]
    assert sum(what.startswith("search at") for what in words) >= 3
    assert {"write the sources", "save the design", "integers of l1_fc1"} <= set(words)
    project = swm.emit(fixed, board="pynq-z2", path=tmp_path / "g", backend="generic", vectors=inputs(3))
    made.clear()
    assert project.verify(progress=tell).ok
    steps = [what.split(":")[0] for what, _, _ in made]
    assert list(dict.fromkeys(steps)) == ["read the project", "compile", "simulate", "compare"]


class Slow:
    """A compiler that takes a while: it answers the eighth time that it is asked."""

    returncode, asked, killed = 0, 0, False

    def communicate(self, timeout):
        self.asked += 1
        if self.asked < 8:
            raise subprocess.TimeoutExpired("g++", timeout)
        return "", ""

    def kill(self):
        self.killed = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_a_compiler_that_takes_long_is_told_of_every_second(monkeypatch):
    said, slow = [], Slow()
    monkeypatch.setattr(simulate.subprocess, "Popen", lambda *_a, **_k: slow)
    assert simulate.run_tool(["/usr/bin/g++", "x.cpp"], said.append).returncode == 0
    assert said == [f"g++, {s} s" for s in range(8)]
    assert simulate.NOTE_S <= 5 and not slow.killed
    stuck = Slow()
    monkeypatch.setattr(simulate.subprocess, "Popen", lambda *_a, **_k: stuck)
    monkeypatch.setattr(simulate, "TIME_LIMIT_S", 3)
    with pytest.raises(ToolError, match="did not end within 3 s"):
        simulate.run_tool(["g++"], said.append)
    assert stuck.killed


def test_a_command_without_a_terminal_says_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    np.save(tmp_path / "x.npy", inputs())
    model, calibration = write_mlp(tmp_path / "m.onnx"), str(tmp_path / "x.npy")
    options = ["-o", str(tmp_path / "o.onnx"), "--block", "4", "--calibration", calibration]
    done = CliRunner().invoke(convert_command, [model, *options, "--json"])
    assert done.exit_code == 0, done.output
    assert "swm: fc1: solving, bin 2 of 3 (step 2 of 3)" in done.stderr
    assert "swm: " not in done.stdout


def test_bench_convert_says_which_case_it_is_at(monkeypatch):
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    monkeypatch.setattr(bench_convert, "describe", dict)
    monkeypatch.setattr(bench_convert, "run_case", lambda _case, _rounds: {})
    done = CliRunner().invoke(bench, ["convert", "--quick", "--json"])
    assert done.exit_code == 0, done.output
    quick = [case.name for case in bench_convert.CASES if case.quick]
    assert quick and all(f"swm: {name} (step {i + 1} of {len(quick)})" in done.stderr for i, name in enumerate(quick))
