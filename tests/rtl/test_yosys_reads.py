# SPDX-License-Identifier: Apache-2.0
"""What yosys reads otherwise than every other tool.

A sign in front of a cast, -W'(x), is (-W)'(x) to it. A cast that is chosen by `?` within a concatenation loses its
width: {a, M != 0 ? W'(0) : b} is 0 throughout. A block behind `else if` lies in a scope without a name, so a path from
elsewhere through the block's name is a new wire of one bit that nobody drives.
"""

import re
from pathlib import Path

import pytest

from swm.package_data import hls_dir, templates_dir

SIGNED_CAST = re.compile(r"[=(?:,{|&]\s*[-~!^]\s*\w+'\(")
LATER_BLOCK = re.compile(r"else if\s*\(.*\)\s*begin\s*:\s*(\w+)")
CHOSEN_CAST = re.compile(r"\{[^{};]*\?[^{};]*'\(")


def lines(folder: Path):
    for file in sorted(folder.glob("*.sv*")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{file.name}:{number}", line.split("//")[0]


@pytest.mark.parametrize("folder", [hls_dir() / "rtl", templates_dir() / "rtl"], ids=["hls", "templates"])
def test_no_sign_stands_in_front_of_a_cast(folder):
    every = list(lines(folder))
    assert every
    assert [place for place, line in every if SIGNED_CAST.search(line)] == []
    assert [place for place, line in every if CHOSEN_CAST.search(line)] == []


def test_such_a_sign_is_found():
    for text in ("a <= -W'(x);", "f(.a(~W'(x)))", "b ? -R'(P) : c"):
        assert SIGNED_CAST.search(text)
    for text in ("a - W'(x)", "x[3:0] - W'(y)", "f(a) & 4'(b)", "32'(a) - 32'(b)"):
        assert not SIGNED_CAST.search(text)


def test_a_cast_chosen_in_a_concatenation_is_found():
    for text in ("y = {a, M != 0 ? T'(0) : b};", "y = {a, c ? b : T'(a)};"):
        assert CHOSEN_CAST.search(text)
    for text in ("y = {a, T'(b)};", "y = c ? T'(a) : b;", "y = {a, c ? b : d};", "y = {a, b} + (c ? T'(a) : b);"):
        assert not CHOSEN_CAST.search(text)


def hidden(text: str) -> list[str]:
    """Blocks behind `else if` whose names stand in paths."""
    return [name for name in LATER_BLOCK.findall(text) if re.search(rf"\.{name}\.", text)]


@pytest.mark.parametrize("folder", [hls_dir() / "rtl", templates_dir() / "rtl"], ids=["hls", "templates"])
def test_no_path_goes_through_a_block_behind_else_if(folder):
    assert [file.name for file in folder.glob("*.sv*") if hidden(file.read_text(encoding="utf-8"))] == []


def test_such_a_path_is_found():
    text = "if (a) begin : g_one\nend else if (b[r] % 2 == 0) begin : g_two\nend\nassign y = g_row[r-1].{}.z;"
    assert hidden(text.format("g_two")) == ["g_two"] and hidden(text.format("g_one")) == []
