# SPDX-License-Identifier: Apache-2.0
"""The notebooks, cell by cell: each runs in a folder of its own, with nothing but swm and what it needs."""

import json
import os
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_three():
    assert [book.stem for book in NOTEBOOKS] == ["convert", "emit", "explain"]


@pytest.mark.parametrize("book", NOTEBOOKS, ids=lambda book: book.stem)
def test_a_notebook_runs(book, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cells = json.loads(book.read_text(encoding="utf-8"))["cells"]
    names = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            assert not cell["outputs"], "notebooks are kept without outputs"
            exec(compile("".join(cell["source"]), f"{book.stem}, cell {number}", "exec"), names)
    if book.stem == "emit":
        assert "pynq-z2" in capsys.readouterr().out
        assert os.path.getsize("report.html") > 10_000
    if book.stem == "convert":
        assert "permuted-diagonal 8" in capsys.readouterr().out
