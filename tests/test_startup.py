# SPDX-License-Identifier: Apache-2.0
"""Nobody waits for what he does not use: counted in modules imported, in processes of their own."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import swm
from swm.cli import COMMANDS, cli

ROOT = Path(swm.__file__).resolve().parents[1]
HEAVY = {
    *("numpy", "scipy", "onnx", "onnxruntime", "onnxslim", "pyfftw", "google.protobuf", "ml_dtypes"),
    *("pydantic", "jinja2", "rich", "matplotlib", "threadpoolctl"),
}
SHOW = "import json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"


def modules(program):
    """What a program has imported when it ends, whatever it prints."""
    done = subprocess.run(
        [sys.executable, "-c", f"import atexit\natexit.register(lambda: exec({SHOW!r}))\n{program}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def command(*arguments):
    return modules(f"import sys; sys.argv = {['swm', *arguments]!r}\nfrom swm.cli import main; main()")


@pytest.fixture(scope="module")
def bare():
    return modules("import json")


def test_importing_swm_imports_next_to_nothing(bare):
    found = modules("import swm")
    assert not found & HEAVY
    assert len(found - bare) <= 40, sorted(found - bare)


def test_help_imports_no_command(bare):
    found = command("--help")
    assert not found & HEAVY
    assert not {name for name in found if name.startswith("swm.cli.")}
    assert len(found - bare) <= 90, sorted(found - bare)
    assert not command("--version") & HEAVY


@pytest.mark.parametrize("name", ["convert", "report"])
def test_help_of_a_command_needs_a_terminal_library_at_most(name):
    assert command(name, "--help") & HEAVY <= {"rich"}


def test_boards_need_no_networks():
    found = command("boards")
    assert "swm.device.board" in found
    assert not found & {"scipy.fft", "scipy.special", "onnx", "onnxruntime", "onnxslim", "pyfftw", "matplotlib"}


def test_public_names_come_when_asked_for():
    assert "onnxruntime" in modules("import swm; swm.convert")
    found = modules("import swm; swm.SwmError, swm.OptionError")
    assert "swm.errors" in found and not found & HEAVY


def test_the_names_that_type_checkers_see_are_those_that_are_found():
    tree = ast.parse((ROOT / "swm" / "__init__.py").read_text(encoding="utf-8"))
    (typed,) = (n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    seen = {i.module: tuple(a.name for a in i.names) for i in typed.body}
    assert seen == swm._HOMES
    assert {*swm._HOME, "__version__"} == set(swm.__all__)
    assert not [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "__getattr__"]  # see there


def test_dir_shows_the_public_names_alone():
    assert dir(swm) == swm.__all__
    assert all(getattr(swm, name) is not None for name in dir(swm))


def test_functions_are_not_hidden_by_rooms_of_their_name():
    program = """
import types, swm, swm.emit, swm.explore, swm.report, swm.simplify
from swm.report import to_json
from swm import bundled, device
assert all(isinstance(f, types.FunctionType) for f in (swm.emit, swm.explore, swm.report, swm.simplify))
assert isinstance(swm.device, types.ModuleType) and swm.device is device
try:
    swm.nothing_of_that_name
except AttributeError as error:
    print("no attribute 'nothing_of_that_name'" in str(error))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr


def test_telemetry_is_off_before_onnxruntime_is_there():
    program = """
import os, sys
import swm
assert "onnxruntime" not in sys.modules
print(os.environ["ORT_DISABLE_TELEMETRY"], os.environ["ORT_TELEMETRY_DISABLED"])
"""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ORT_")}
    done = subprocess.run([sys.executable, "-c", program], env=kept, capture_output=True, text=True, check=False)
    assert done.stdout == "1 1\n", done.stderr


def test_every_module_of_a_command_is_a_command_with_a_line_in_the_help():
    files = [f for f in (ROOT / "swm" / "cli").glob("*.py") if f.stem != "__init__"]
    assert set(COMMANDS) == {f.stem for f in files if f"\ndef {f.stem}(" in f.read_text(encoding="utf-8")}
    context = click.Context(cli)
    text = cli.get_help(context)
    for name, line in COMMANDS.items():
        found = cli.get_command(context, name)
        assert found is not None and found.name == name
        assert f"  {name}" in text and line in text  # in one line
    assert cli.get_command(context, "common") is None
