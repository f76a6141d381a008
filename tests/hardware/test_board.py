# SPDX-License-Identifier: Apache-2.0
"""Board tables: the four that travel with swm, a user's own, and what is wrong with a bad one."""

from pathlib import Path

import pytest

from swm.errors import OptionError, UnknownBoard
from swm.hardware import board_names, load_board
from swm.package_data import boards_dir


def test_the_four_boards():
    assert board_names() == ("arty-a7-100t", "kv260", "pynq-z2", "zcu104")


@pytest.mark.parametrize(
    ("name", "lut", "ff", "bram18", "dsp", "uram"),
    [
        ("pynq-z2", 53_200, 106_400, 280, 220, 0),
        ("kv260", 117_120, 234_240, 288, 1_248, 64),
        ("zcu104", 230_400, 460_800, 624, 1_728, 96),
        ("arty-a7-100t", 63_400, 126_800, 270, 240, 0),
    ],
)
def test_capacity(name, lut, ff, bram18, dsp, uram):
    r = load_board(name).resources
    assert (r.lut, r.ff, r.bram18, r.dsp, r.uram) == (lut, ff, bram18, dsp, uram)


@pytest.mark.parametrize("name", board_names())
def test_every_table_is_whole(name):
    board = load_board(name)
    assert board.name == name
    assert board.part.lower().startswith(board.device.lower())
    assert board.dsp_ports.wide == (25 if board.family == "7series" else 27)
    assert (board.power.processor is None) == (name == "arty-a7-100t")
    assert load_board(boards_dir() / f"{name}.toml") == board
    assert hash(board) == hash(load_board(name))


@pytest.mark.parametrize(("typo", "meant"), [("pynqz2", "pynq-z2"), ("ZCU-104", "zcu104"), ("kv26", "kv260")])
def test_unknown_board_offers_the_nearest(typo, meant):
    with pytest.raises(UnknownBoard, match=f"did you mean .*{meant}"):
        load_board(typo)


def test_unknown_board_without_neighbours():
    with pytest.raises(UnknownBoard, match="choose one of arty-a7-100t"):
        load_board("qqq")


def test_missing_file(tmp_path: Path):
    with pytest.raises(UnknownBoard, match="no board file"):
        load_board(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dsp = 220", "dps = 220", r"resources.dps: no such key; did you mean 'dsp'\?"),
        ("dsp = 220", 'dsp = "220"', "resources.dsp"),
        ("dsp = 220", "dsp = -1", "resources.dsp"),
        ("watts = 1.50", "wats = 1.50", r"power.processor.wats: no such key; did you mean 'watts'\?"),
        ("bits = 64", "bits = 48", "stream.bits"),
        ('family = "7series"', 'family = "spartan"', "family"),
        ("mhz = 100", "mhz = nan", "clock.mhz"),
        ('title = "TUL PYNQ-Z2"', 'title = ""', "title"),
        ("[clock]", "[clock", "not valid TOML"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path: Path, old, new, said):
    text = (boards_dir() / "pynq-z2.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(OptionError, match=said):
        load_board(path)


def test_every_fault_is_listed(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "x"\ncolour = "red"\n')
    with pytest.raises(OptionError) as error:
        load_board(str(path))
    assert "colour: no such key" in str(error.value)
    assert "resources: Field required" in str(error.value)
