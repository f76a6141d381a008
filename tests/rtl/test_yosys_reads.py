# SPDX-License-Identifier: Apache-2.0
"""What yosys reads otherwise than every other tool.

A sign in front of a cast, -W'(x), is (-W)'(x) to it. A cast that is chosen by `?` within a concatenation loses its
width: {a, M != 0 ? W'(0) : b} is 0 throughout.
"""

import re
from pathlib import Path

import pytest

from swm.package_data import hls_dir, templates_dir

SIGNED_CAST = re.compile(r"[=(?:,{|&]\s*[-~!^]\s*\w+'\(")
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
