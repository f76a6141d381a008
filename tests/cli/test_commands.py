# SPDX-License-Identifier: Apache-2.0
"""Every command as a user runs it: status, output, JSON, help with an example, errors without tracebacks."""

import atexit
import functools
import json
import os
import re
import select
import subprocess
import sys
import tempfile

import click
import numpy as np
import onnx
import pytest
from support import inputs, mlp, write_mlp

from swm.bench.area_designs import FITTED
from swm.cli import cli

COMMANDS = [
    "demo", "check", "convert", "frame", "split", "emit", "verify", "synth", "build", "report", "explore", "boards",
    "bench",
]  # fmt: skip


# Imports once what most commands import, for two seconds, and makes each call in a fork of itself.
FORKS = """
import gc, os, sys
import swm.api
from swm.cli import main
assert len(os.listdir("/proc/self/task")) == 1  # no fork takes along a lock that another thread holds
gc.freeze()  # or each fork copies all pages as it ends, to look for what is not used any more
for line in sys.stdin:
    out, err, *arguments = eval(line)
    if child := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    for number, name in enumerate((os.devnull, out, err)):
        os.dup2(os.open(name, os.O_RDWR), number)
    sys.argv[1:] = arguments
    main()
    sys.exit()
"""
TIME_LIMIT_S = 300


@functools.cache
def forks():
    """The process that forks, until pytest ends."""
    command = [sys.executable, "-c", FORKS]
    pipe = subprocess.PIPE
    # Without the COLUMNS that xdist gives its workers and readline, which pytest imports, the C library alone.
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment["OPENBLAS_NUM_THREADS"] = "1"  # a library of several threads is none to fork from
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1, env=environment)
    atexit.register(process.communicate)
    return process


def swm(*arguments, env=None):
    """Run the command line in a process of its own; a fresh one where it asks for another environment."""
    texts = [str(a) for a in arguments]
    if env is not None:
        command = [sys.executable, "-c", "from swm.cli import main; main()", *texts]
        env = os.environ | env
        return subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, env=env, check=False)
    with tempfile.NamedTemporaryFile("r") as out, tempfile.NamedTemporaryFile("r") as err:
        forks().stdin.write(repr([out.name, err.name, *texts]) + "\n")
        assert select.select([forks().stdout], [], [], TIME_LIMIT_S)[0], f"no end of {texts}"
        status = int(forks().stdout.readline())
        return subprocess.CompletedProcess(texts, status, out.read(), err.read())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    write_mlp(folder / "m.onnx")
    np.save(folder / "x.npy", inputs())
    np.save(folder / "y.npy", np.zeros(64, np.int64))
    np.save(folder / "t.npy", inputs(seed=7))  # which no calibration sees
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command):
    result = swm(command, "--help")
    assert result.returncode == 0
    assert f"swm {command}" in result.stdout.split("Example:")[1]


def test_no_option_is_declared_twice_and_lists_say_what_commands_do():
    """Of two options of one name click takes the later, without a word but a warning of Python's."""
    seen = []

    def walk(command, context):
        options = [name for one in command.params for name in (*one.opts, *one.secondary_opts)]
        assert len(options) == len(set(options)), context.command_path
        seen.append(context.command_path)
        if isinstance(command, click.Group):
            assert "..." not in command.get_help(context).partition("Commands:")[2]
            for name in command.list_commands(context):
                part = command.get_command(context, name)
                walk(part, click.Context(part, parent=context, info_name=name))

    walk(cli, click.Context(cli, info_name="swm", terminal_width=80))
    assert "swm bench area" in seen and len(seen) > 20
    family = next(one for one in cli.get_command(None, "bench").commands["area"].params if one.name == "family")
    assert tuple(family.type.choices) == FITTED


def test_models_without_a_folder_are_those_of_hardware(tmp_path):
    result = swm("bench", "models", "--json", tmp_path / "m.json")
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "m.json").read_text())["benchmark"] == "validate"
    assert "power takes --power FILE.csv" in result.stderr
    assert "--block are for a FOLDER" in swm("bench", "models", "--block", 8).stderr
    assert "leave FOLDER out" in swm("bench", "models", tmp_path, "--power", "p.csv").stderr


def test_the_road_by_hand(files, tmp_path):
    model = tmp_path / "k.onnx"
    x, y = files / "x.npy", files / "y.npy"
    result = swm("convert", files / "m.onnx", "-o", model, "--block", 4, "--calibration", x, "--labels", y)
    assert result.returncode == 0, result.stderr
    assert "block-circulant 4" in result.stdout
    assert model.exists()
    project = tmp_path / "project"
    emit = ["emit", model, "-o", project, "--board", "pynq-z2", "--calibration", x]
    result = swm(*emit, "--json", tmp_path / "emitted.json")
    assert result.returncode == 0, result.stderr
    assert "src/top.cpp" in json.loads((tmp_path / "emitted.json").read_text())["files"]
    assert result.stdout.endswith(f"next: swm verify {project}, then swm build {project}\n")
    result = swm("verify", project, "--json")
    assert result.returncode == 0, result.stderr
    outcome = json.loads(result.stdout)
    assert (outcome["ok"], outcome["words"], outcome["mismatches"]) == (True, 64 * 5, 0)
    kept = json.loads((project / "verify" / "result.json").read_text())
    assert (kept["ok"], kept["words"], kept["samples"]) == (True, 64 * 5, 64)
    again = swm(*emit)
    assert again.returncode == 2
    assert "not empty" in again.stderr
    result = swm(*emit, "--force", "--hls", "generic")
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith(f"next: swm verify {project}\n")  # nothing builds it
    assert not list(tmp_path.glob("*.bak-*"))  # what verify left is no work of the user's
    assert not (project / "verify" / "result.json").exists()
    report = tmp_path / "r.json"
    page = tmp_path / "r.html"
    result = swm(
        "report",
        model,
        "--board",
        "pynq-z2",
        "--board",
        "zcu104",
        "--json",
        report,
        "--html",
        page,
        "--markdown",
        tmp_path / "r.md",
        "--inputs",
        files / "t.npy",
        "--labels",
        y,
    )
    assert result.returncode == 0, result.stderr
    data = json.loads(report.read_text())
    assert len(data["boards"]) == 2
    assert "k.onnx" in json.dumps(data["model"])
    assert 0 <= data["accuracy"]["converted_float"] <= 1
    assert "<html" in page.read_text()
    assert (tmp_path / "r.md").read_text().startswith("# k.onnx\n")


def test_verify_exits_1_when_words_differ(files, tmp_path):
    import swm as package

    graph = package.load(files / "m.onnx")
    fixed = package.quantize(graph, bits=12, calibration=inputs())
    project = package.emit(fixed, board="pynq-z2", path=tmp_path / "p", backend="generic", vectors=inputs(5)).path
    weights = next((project / "src").glob("weights_l0*"))
    text = weights.read_text()
    number = re.search(r"= \{[\s{]*(-?\d+)", text)
    weights.write_text(text[: number.start(1)] + str(int(number[1]) ^ 64) + text[number.end(1) :])
    result = swm("verify", project)
    assert result.returncode == 1
    assert "DIFFERS" in result.stdout


def test_check_says_why_and_what_to_do(files, tmp_path):
    assert swm("check", files / "m.onnx").returncode == 0
    bad = write_mlp(tmp_path / "bad.onnx", activation="Erf", tail=("Exp",))
    result = swm("check", bad, "--json")
    assert result.returncode == 1
    data = json.loads(result.stdout)
    assert [n["op"] for n in data["nodes"] if not n["hardware"]] == ["Erf", "Erf", "Exp"]
    assert all(n["reason"] and n["remedy"] for n in data["nodes"] if not n["hardware"])
    assert "Gemm" in swm("check", "--operators").stdout


def test_boards(tmp_path):
    names = {"pynq-z2", "zcu104", "kv260", "arty-a7-100t"}
    assert names <= {b["name"] for b in json.loads(swm("boards", "--json").stdout)["boards"]}
    assert "XC7Z020" in swm("boards", "pynq-z2").stdout
    result = swm("boards", "pynq-z3")
    assert result.returncode == 2
    assert "pynq-z2" in result.stderr


def bad_inputs(files, tmp_path):
    m, x = files / "m.onnx", files / "x.npy"
    empty, text, cut = tmp_path / "empty.onnx", tmp_path / "text.onnx", tmp_path / "cut.onnx"
    empty.write_bytes(b"")
    text.write_text("this is not a model\n" * 50)
    cut.write_bytes(m.read_bytes()[:-100])
    nan = mlp()
    nan.graph.initializer[0].raw_data = np.full((24, 20), np.nan, np.float32).tobytes()
    onnx.save(nan, str(tmp_path / "nan.onnx"))
    np.save(tmp_path / "wide.npy", inputs(5, 21))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("keep me")
    out = ("-o", tmp_path / "o.onnx", "--block", 4)
    emit = ("emit", m, "--calibration", x)
    return [
        (("check", tmp_path / "none.onnx"), "none.onnx"),
        (("check", empty), "empty"),
        (("check", text), "text.onnx"),
        (("check", cut), "cut.onnx"),
        (("check", tmp_path), "directory"),
        (("check", tmp_path / "nan.onnx"), "w0"),
        (("convert", m, "-o", tmp_path / "o.onnx", "--block", 12), "power of two"),
        (("convert", m, *out, "--calibration", tmp_path / "wide.npy"), "shape"),
        (("convert", m, *out, "--calibration", tmp_path / "objects.npy"), "objects.npy"),
        (("convert", m, *out, "--calibration", tmp_path / "none.npy"), "none.npy"),
        (("convert", m, "-o", tmp_path / "no" / "o.onnx", "--block", 4), "no"),
        ((*emit, "-o", tmp_path / "p", "--board", "pink-z2"), "pynq-z2"),
        ((*emit, "-o", tmp_path / "p", "--board", "pynq-z2", "--bits", 40), "4 to 18"),
        ((*emit, "-o", tmp_path / "folder", "--board", "pynq-z2"), "not empty"),
        ((*emit, "-o", tmp_path / "folder", "--board", "pynq-z2", "--force"), "not written by swm"),
        ((*emit, "-o", tmp_path / "p", "--board", "pynq-z2", "--hls", "verilog"), "vitis"),
        (("verify", tmp_path / "folder"), "not a project"),
        (("report", m), "name at least one board"),
        (("report", m, "--board", "pynq-z2", "--exploration", m), "not what `swm explore --json` writes"),
        (("report", m, "--board", "pynq-z2", "--markdown", m), "end in .md"),
        (("check", m, "--json", m), ".json"),
    ]


def test_bad_input_ends_in_one_clear_message_and_leaves_nothing(files, tmp_path):
    for arguments, expected in bad_inputs(files, tmp_path):
        before = sorted(p for p in tmp_path.rglob("*"))
        result = swm(*arguments)
        assert result.returncode == 2, (arguments, result.stdout, result.stderr)
        assert expected in result.stderr, (arguments, result.stderr)
        assert "Traceback" not in result.stderr
        assert sorted(p for p in tmp_path.rglob("*")) == before, arguments


def test_missing_compiler_is_named(files, tmp_path):
    import swm as package

    fixed = package.quantize(package.load(files / "m.onnx"), bits=12, calibration=inputs())
    project = package.emit(fixed, board="pynq-z2", path=tmp_path / "p", backend="generic", vectors=inputs(2)).path
    result = swm("verify", project, env={"PATH": str(tmp_path)})
    assert result.returncode == 2
    assert "no C++ compiler" in result.stderr


@pytest.mark.slow
def test_demo(tmp_path):
    result = swm("demo", "-o", tmp_path / "d", "--json")
    assert result.returncode == 0, result.stderr
    data = json.loads(result.stdout)
    assert data["verification"]["words"] == 10_000
    assert data["verification"]["mismatches"] == 0
    assert data["accuracy"]["dense_float"] >= 0.982
    assert abs(data["accuracy"]["converted_float"] - data["accuracy"]["fixed"]) <= 0.003
    assert {b["board"] if isinstance(b["board"], str) else b["board"]["name"] for b in data["report"]["boards"]} >= {
        "pynq-z2"
    }
    assert (tmp_path / "d" / "report.html").exists()
    assert swm("demo", "-o", tmp_path / "d").returncode == 2


def test_python_m_swm():
    done = subprocess.run([sys.executable, "-m", "swm", "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("swm, version")
