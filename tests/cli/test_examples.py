# SPDX-License-Identifier: Apache-2.0
"""Commands that the documentation and `--help` show: every option exists, and takes what is given. None is run."""

import re
import shlex
from pathlib import Path

import click
import pytest

from swm.cli import cli

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def commands(text):
    """Lines of blocks of code that call swm, continued ones joined."""
    fenced = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    indented = "\n".join(line for line in text.splitlines() if line.startswith("    "))
    for line in f"{fenced}\n{indented}".replace("\\\n", " ").splitlines():
        if re.match(r"\s*(\$ )?swm [a-z]", line):
            yield line.strip().removeprefix("$ ")


def parse(line):
    """As click does, without calling: files need not exist."""
    command, context = cli, click.Context(cli, info_name="swm")
    _, *words = shlex.split(line, comments=True)
    while isinstance(command, click.Group) and words:
        name, *words = words
        command = command.get_command(context, name)
        assert command is not None, f"no command {name}"
        context = click.Context(command, parent=context, info_name=name)
    if isinstance(command, click.Group) or "--help" in words:
        return
    try:
        command.make_context(command.name, words, parent=context.parent)
    except click.BadParameter as error:
        if "does not exist" not in error.message:
            raise


def helps(command, context):
    yield command.epilog or ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            part = command.get_command(context, name)
            yield from helps(part, click.Context(part, parent=context, info_name=name))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_a_page_are_those_that_there_are(page):
    for line in commands(page.read_text(encoding="utf-8")):
        parse(line)


def test_examples_of_help_are_commands_that_there_are():
    lines = [
        line for text in helps(cli, click.Context(cli)) for line in commands(re.sub("^  ", "    ", text, flags=re.M))
    ]
    assert len(lines) > 40
    for line in lines:
        parse(line)
    with pytest.raises(click.UsageError, match="bord"):
        parse("swm report m.onnx --bord pynq-z2")


def test_the_tutorial_goes_from_torch_to_a_board_with_pictures(tmp_path, monkeypatch):
    text = (REPOSITORY / "docs" / "tutorial.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", text)
    assert len(pictures) >= 3 and all((REPOSITORY / "docs" / name).is_file() for name in pictures)
    assert {"check", "convert", "emit", "verify", "report", "build"} <= {line.split()[1] for line in commands(text)}
    pytest.importorskip("torch", reason="the tutorial trains with torch, which is not installed")
    monkeypatch.chdir(tmp_path)
    (training,) = re.findall(r"```python\n(import torch.*?)```", text, re.DOTALL)
    exec(training.replace("range(10)", "range(1)"), {})
    assert (tmp_path / "model.onnx").is_file()
