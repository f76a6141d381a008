# SPDX-License-Identifier: Apache-2.0
"""docs/networks.md is what its rows give, and its rows are in order."""

import json
from pathlib import Path

from benchmarks.network_page import page

ROOT = Path(__file__).parents[2]
ROWS = json.loads((ROOT / "benchmarks" / "results" / "networks.json").read_text(encoding="utf-8"))


def test_the_page_is_of_the_rows():
    written = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    assert written == page(ROWS), "run: python benchmarks/networks.py --page"


def test_no_word_differs():
    assert [one["model"] for one in ROWS if one["differ"] or not one["ok"]] == []


def test_a_low_useful_share_names_what_bounds():
    low = next(one for one in ROWS if one["useful"] is not None and one["useful"] < 0.8)
    assert one_line(low).count(low["slowest"]) == 1
    assert low["slowest"] not in one_line({**low, "useful": 0.9})


def one_line(row):
    (line,) = [text for text in page([row]).splitlines() if text.endswith(f"{row['date']} |")]
    return line
