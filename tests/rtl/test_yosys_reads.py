# SPDX-License-Identifier: Apache-2.0
"""What yosys reads otherwise than every other tool: a sign in front of a cast, -W'(x), is (-W)'(x) to it."""

import re
from pathlib import Path

import pytest

from swm.package_data import hls_dir, templates_dir

SIGNED_CAST = re.compile(r"[=(?:,{|&]\s*[-~!^]\s*\w+'\(")


def lines(folder: Path):
    for file in sorted(folder.glob("*.sv*")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{file.name}:{number}", line.split("//")[0]


@pytest.mark.parametrize("folder", [hls_dir() / "rtl", templates_dir() / "rtl"], ids=["hls", "templates"])
def test_no_sign_stands_in_front_of_a_cast(folder):
    every = list(lines(folder))
    assert every
    assert [place for place, line in every if SIGNED_CAST.search(line)] == []


def test_such_a_sign_is_found():
    for text in ("a <= -W'(x);", "f(.a(~W'(x)))", "b ? -R'(P) : c"):
        assert SIGNED_CAST.search(text)
    for text in ("a - W'(x)", "x[3:0] - W'(y)", "f(a) & 4'(b)", "32'(a) - 32'(b)"):
        assert not SIGNED_CAST.search(text)
