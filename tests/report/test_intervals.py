# SPDX-License-Identifier: Apache-2.0
"""`benchmarks/intervals.py`: its rows, its table, and what it calls not monotone."""

from dataclasses import replace

import pytest
from report_networks import board_between, chain, own_board

from benchmarks.intervals import HEAD, row, table, violations


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    return board_between(tmp_path_factory.mktemp("intervals"), chain(8), chain())


@pytest.fixture(scope="module")
def rows(board):
    dense, small = (row(network, board, 12, block) for block, network in ((1, chain()), (8, chain(8))))
    return [dense, small, replace(small, block=16)]


def test_rows(rows, board):
    assert [r.fits for r in rows[:2]] == [False, True]
    assert rows[0].overflow and rows[0].bram18 > 0.8 * board.resources.bram18
    assert all(r.interval < r.latency for r in rows) and 0 < rows[1].useful_share <= 1
    assert rows[0].cells[5] == rows[0].cells[7] == "-"  # what cannot be built has no speed
    text = table(rows)
    assert len(text.splitlines()) == 2 + len(rows)
    assert all(line.count("|") == len(HEAD) + 1 for line in text.splitlines())
    assert violations(rows, [board]) == []


def test_a_larger_block_that_is_slower_is_a_violation(rows, board):
    (said,) = violations([rows[0], rows[1], replace(rows[2], interval=rows[1].interval + 1)], [board])
    assert "block 16" in said and "block 8" in said
    assert violations([rows[0], rows[1], replace(rows[2], interval=10**6, fits=False)], [board]) == []
    (said,) = violations([replace(rows[0], fits=True, interval=1), rows[1]], [board])
    assert "dense 1" in said


def test_a_larger_board_that_is_slower_is_a_violation(rows, board, tmp_path):
    larger = own_board(tmp_path, dsp=10_000).model_copy(update={"name": "larger"})
    slower = replace(rows[1], board="larger", interval=rows[1].interval + 1)
    (said,) = violations([rows[1], slower], [board, larger])
    assert "larger" in said
    assert violations([rows[1], replace(slower, interval=rows[1].interval)], [board, larger]) == []
