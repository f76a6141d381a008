# SPDX-License-Identifier: Apache-2.0
"""Whatever a message, a help text or a page names exists: public functions and their arguments, commands, options."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import click
import pytest

import swm
from swm.cli import cli
from swm.errors import ToolError

ROOT = Path(swm.__file__).resolve().parents[1]
METADATA = {"swm.conversion", "swm.formats", "swm.weight_formats"}  # keys of a model's metadata
PAGES = sorted(f.relative_to(ROOT).as_posix() for f in (ROOT / "README.md", *ROOT.glob("docs/*.md")))
NAME = re.compile(r"(?<![\w/.*-])swm\.[A-Za-z_]+(?:\.[A-Za-z_]+)*")
CALL = re.compile(r"(?<![\w/.*-])swm\.(\w+)\(([^()]*)\)")
COMMAND = re.compile(r"`swm ([a-z][a-z-]*)")
VERILATOR = {"--cc", "--exe", "--build", "--top-module", "--x-assign", "--x-initial"}  # which `swm verify` calls
NEXTPNR = {  # and the packers behind it, which `swm build` calls
    *("--compress", "--device", "--freq", "--json", "--lpf", "--package", "--report", "--seed", "--speed", "--textcfg"),
    *("--timing-allow-fail", "--vopt", "--write"),
}
VITIS = {"--mode", "--config", "--work", "--csim", "--cosim", "--package"}  # of v++ and vitis-run
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def strings(file):
    """All text in a module: messages, help, docstrings, with the parts of formatted strings put together."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    inside = {id(v) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for v in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(v.value if isinstance(v, ast.Constant) else "0" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def options(command):
    found = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found |= options(command.get_command(context, name))
    return found


def exists(name):
    """A dotted name as Python finds it: attributes of swm, or a module and its attributes."""
    try:
        return imports(name)
    except ToolError:  # torch is missing: its room cannot be imported, but read
        _, room, *rest = name.split(".")
        text = (ROOT / "swm" / room / "__init__.py").read_text(encoding="utf-8")
        return not rest or f'"{rest[0]}"' in text or (ROOT / "swm" / room / f"{rest[0]}.py").exists()


def imports(name):
    value = swm
    for done, part in enumerate(name.split(".")[1:], 1):
        try:
            if hasattr(value, part):
                value = getattr(value, part)
            else:
                value = importlib.import_module(".".join(name.split(".")[: done + 1]))
        except ModuleNotFoundError:
            return False
    return True


def wrong_names(text):
    for name in NAME.findall(text):
        if name not in METADATA and not exists(name):
            yield name
    for function, arguments in CALL.findall(text):
        known = inspect.signature(getattr(swm, function)).parameters
        yield from (f"{function}({a}=)" for a in re.findall(r"(?<![\w\"'])(\w+)=(?!=)", arguments) if a not in known)
    yield from (name for name in COMMAND.findall(text) if name not in cli.list_commands(click.Context(cli)))


def test_modules_name_what_exists():
    known = options(cli) | {"--help", "--version"} | VERILATOR | NEXTPNR | VITIS
    assert {"--block", "--allow-overflow", "--quick"} <= known
    wrong = {}
    for file in sorted((ROOT / "swm").rglob("*.py")):
        found = [w for text in strings(file) for w in (*wrong_names(text), *(set(OPTION.findall(text)) - known))]
        if found:
            wrong[str(file.relative_to(ROOT))] = found
    assert not wrong


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_what_exists(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not list(wrong_names(text))
    for line in re.findall(r"^    swm (.*)$", text, re.M):  # a command as the reader types it
        command, words = cli, line.split("#")[0].split()
        known = set()
        for word in words:
            if isinstance(command, click.Group) and not word.startswith("-"):
                command = command.get_command(click.Context(command), word)
                assert command is not None, line
                known = options(command)
            elif word.startswith("--"):
                assert word.split("=")[0] in known | {"--help"}, line


def test_the_check_finds_what_does_not_exist():
    assert list(
        wrong_names("see swm.nothing, `swm frobnicate`, swm.quantize(graph, bit=3), swm.emit.emit_project")
    ) == [
        "swm.nothing",
        "swm.emit.emit_project",
        "quantize(bit=)",
        "frobnicate",
    ]
    assert not list(wrong_names("swm.quantize(graph, bits=12), `swm emit`, swm.device.load_board"))
