# SPDX-License-Identifier: Apache-2.0
"""The comparison and its three forms."""

import dataclasses
import io
import json
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from swm.errors import OptionError
from swm.hardware import board_names, load_board
from swm.hardware.board import Overhead
from swm.report import board_table, board_to_json, boards_table, compare, to_html, to_json, to_text
from swm.report.rows import quantity

EVIL = '<script>alert("x")</script>&[bold]'


@pytest.fixture(scope="module")
def report(structured, dense):
    boards = [load_board(name) for name in board_names()]
    return compare(structured, dense, boards, {"dense_float": 0.9812, "other": None}, model=EVIL)


def _text(report, **options):
    stream = io.StringIO()
    to_text(report, Console(file=stream, width=160), **options)
    return stream.getvalue()


def test_gains(report):
    for row in report.boards:
        s, d, gain = row.structured, row.dense, row.gain
        assert s.fits
        assert row.dense_fits == (row.board.name == "zcu104")
        assert gain.hypothetical == (not row.dense_fits)
        assert gain.throughput == pytest.approx(s.plan.inferences_per_s / d.plan.inferences_per_s)
        assert gain.energy == pytest.approx(d.joules.total / s.joules.total)
        assert gain.throughput > 1 and gain.energy > 1
        assert s.weight_bits == (512 * 784 // 8 + 512 * 512 // 8 + 5120) * 12
        assert d.weight_bits == (512 * 784 + 512 * 512 + 5120) * 12


def test_a_twin_that_does_not_fit_is_not_held_to_one_lane(report):
    row = next(r for r in report.boards if r.board.name == "pynq-z2")
    assert row.dense.overflow.startswith("BRAM18")
    assert row.dense.plan.fits  # on the imagined device
    assert row.dense.used.routed.dsp > 0.7 * 0.8 * row.board.resources.dsp


def test_json_keys(report):
    data = json.loads(json.dumps(to_json(report)))
    assert list(data) == ["schema", "model", "accuracy", "kinds", "boards"]
    assert data["accuracy"] == {"dense_float": 0.9812, "converted_float": None, "fixed": None, "other": None}
    board = data["boards"][0]
    assert list(board) == ["board", "dense_fits", "structured", "dense", "gain"]
    assert set(board["gain"]) == {"throughput", "latency", "energy", "hypothetical"}
    assert set(board["structured"]) == {
        "fits",
        "overflow",
        "clock_mhz",
        "interval_cycles",
        "latency_cycles",
        "latency_us",
        "inferences_per_s",
        "weight_bits",
        "edge_words_per_cycle",
        "axi",
        "layers",
        "resources",
        "power_w",
        "energy_per_inference_uj",
    }
    design = board["structured"]
    assert [p["name"] for p in design["layers"][0]["processes"]] == ["rfft", "mac", "irfft"]
    assert set(design["resources"]["hls"]) == {"dsp", "bram18", "lut", "ff"}
    energy = design["energy_per_inference_uj"]
    assert energy["total"] == pytest.approx(energy["static"] + energy["processor"] + energy["dynamic"])
    assert design["interval_cycles"] == max(p["cycles"] for la in design["layers"] for p in la["processes"])
    assert all(k["kind"] in {"counted", "modelled", "measured", "published"} for k in data["kinds"])


class _Page(HTMLParser):
    VOID = ("meta", "line", "rect")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "xlink:href")]
        if tag not in self.VOID or tag == "rect":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_escaped_whole_and_self_contained(structured, dense):
    first = dataclasses.replace(structured[0], name=EVIL)
    page = to_html(compare((first, *structured[1:]), dense, [load_board("pynq-z2"), load_board("zcu104")], model=EVIL))
    parser = _Page()
    parser.feed(page)
    assert parser.open == []
    assert "script" not in parser.seen and "svg" in parser.seen
    assert all(a.startswith("#") for a in parser.addresses)
    assert not re.search(r"https?://|@import|url\(", page)
    assert "&lt;script&gt;" in page
    assert "hypothetical" in page and "not measured" in page


def test_text(report):
    text = _text(report)
    assert EVIL in text  # neither markup nor lost
    assert "98.12 %" in text and "not measured" in text
    assert "hypothetical" in text and "458 of 280" in text
    assert "fc2" in text
    short = _text(report, details=False)
    assert "fc2" not in short and "hypothetical" in short


def test_no_processor_no_legend(structured, dense):
    page = to_html(compare(structured, dense, [load_board("arty-a7-100t")]))
    assert '<i class="processor">' not in page


def test_impossible_reports(structured, dense):
    with pytest.raises(OptionError, match="at least one board"):
        compare(structured, dense, [])
    for bad in (98.1, -0.1, float("nan")):
        with pytest.raises(OptionError, match="no share of 1"):
            compare(structured, dense, [load_board("kv260")], {"fixed": bad})


def test_clock(structured, dense):
    row = compare(structured, dense, [load_board("kv260")], clock_mhz=125).boards[0]
    assert row.structured.latency_us == pytest.approx(row.structured.plan.latency / 125)
    assert "asked for by the user" in to_html(compare(structured, dense, [load_board("kv260")], clock_mhz=125))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0001234, "0.000123"),
        (0.5, "0.500"),
        (9.996, "10.0"),
        (10, "10.0"),
        (99.97, "100"),
        (123.4, "123"),
        (1234, "1,230"),
        (85324, "85,300"),
    ],
)
def test_quantity(value, text):
    assert quantity(value) == text


def test_board_tables_show_every_source():
    stream = io.StringIO()
    console = Console(file=stream, width=400)
    boards = [load_board(name) for name in board_names()]
    console.print(boards_table(boards))
    for board in boards:
        console.print(board_table(board))
    text = stream.getvalue()
    for board in boards:
        assert board.name in text
        for part in (board.resources, board.dsp_ports, board.power.static, board.power.dynamic):
            assert part.source in text
        assert board.clock.reason in text and board.stream.reason in text
        data = json.loads(json.dumps(board_to_json(board)))
        assert data["resources"]["dsp"] == board.resources.dsp
        assert type(board).model_validate(data) == board


def test_known_overhead_is_shown():
    extra = Overhead(kind="measured", source="a report of ours", lut=4000)
    board = load_board("kv260").model_copy(update={"overhead": extra})
    stream = io.StringIO()
    Console(file=stream, width=300).print(board_table(board))
    assert "a report of ours" in stream.getvalue() and "4,000 LUT" in stream.getvalue()
