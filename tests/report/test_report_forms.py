# SPDX-License-Identifier: Apache-2.0
"""The comparison and its three forms."""

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from report_networks import board_between, chain, design, own_board, renamed, residual
from rich.console import Console

from swm.accelerator.backend import GENERIC, VITIS
from swm.accelerator.schedule import make_schedule
from swm.accelerator.store_design import load_design, save_design
from swm.device import board_names, load_board
from swm.device.board import Overhead, Supply
from swm.device.primitives import MAX_STREAM_BITS
from swm.errors import OptionError
from swm.report import (
    compare,
    compare_design,
    compare_networks,
    design_figures,
    listing,
    target_table,
    target_to_json,
    to_html,
    to_json,
    to_text,
)
from swm.report.figures import stream_figures
from swm.report.numbers import quantity
from swm.report.rows import figure_rows, process_rows
from swm.version import __version__

EVIL = '<script>alert("x")</script>&[bold]'
BLOCK = 8


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A board that holds the structured network and not its dense twin."""
    return board_between(tmp_path_factory.mktemp("small"), chain(BLOCK), chain())


@pytest.fixture(scope="module")
def roomy(tmp_path_factory):
    """A board that holds both."""
    return own_board(tmp_path_factory.mktemp("roomy"))


@pytest.fixture(scope="module")
def report(small, roomy):
    boards = [small, roomy.model_copy(update={"name": "roomy"})]
    return compare_networks(chain(BLOCK), chain(), boards, accuracy={"dense_float": 0.9812}, model=EVIL)


def _text(report, **options):
    stream = io.StringIO()
    to_text(report, Console(file=stream, width=160), **options)
    return stream.getvalue()


def test_gains(report):
    (_, row) = report.boards
    s, d, gain = row.structured, row.dense, row.gain
    assert s.fits and d.fits
    assert gain.throughput == pytest.approx(s.plan.inferences_per_s / d.plan.inferences_per_s)
    assert gain.latency == pytest.approx(d.latency_us / s.latency_us)
    assert gain.energy == pytest.approx(d.joules.total / s.joules.total)
    assert gain.throughput > 1
    assert s.plan.clock_mhz == d.plan.clock_mhz
    for figures in report.boards:
        assert figures.structured.weight_bits == (2 * 128 * 256 // BLOCK + 1280) * 12
        assert figures.dense.weight_bits == (2 * 128 * 256 + 1280) * 12


def test_what_cannot_be_built_has_neither_speed_nor_energy_nor_a_gain(report):
    row = report.boards[0]
    s, d, gain = row.structured, row.dense, row.gain
    assert s.fits and not d.fits and "BRAM18" in d.overflow
    assert (gain.throughput, gain.latency, gain.energy) == (None, None, None)
    assert gain.reason == "its dense twin cannot be built on mine"
    assert gain.elsewhere and all(load_board(name).resources.bram18 > 200 for name in gain.elsewhere)
    assert (d.interval, d.latency_us, d.inferences_per_s, d.watts, d.joules, d.useful_share) == (None,) * 6
    data = to_json(report)["boards"][0]
    assert data["gain"]["throughput"] is data["gain"]["energy"] is None
    nothing = ("interval_cycles", "latency_us", "inferences_per_s", "power_w", "energy_per_inference_uj")
    assert all(data["dense"][key] is None and data["structured"][key] is not None for key in nothing)
    assert data["dense"]["resources"]["routed"]["bram18"] > row.board.resources.bram18 * 0.8
    for line in figure_rows(row):
        if line[0] in ("inferences/s", "latency, us", "energy, uJ per inference"):
            assert line[2:4] == ("-", "-") and line[1] != "-", line
    assert "hypothetical" not in to_html(report) + _text(report)
    assert f"The dense twin fits {gain.elsewhere[0]}" in " ".join(_text(report).split())


def test_a_design_that_does_not_fit_itself_has_no_figures(tmp_path):
    board = own_board(tmp_path, dsp=1, bram18=0, lut=400, ff=800)
    report = compare_networks(chain(BLOCK), chain(), [board])
    (row,) = report.boards
    assert not row.structured.fits and row.structured.watts is None
    assert row.gain.reason == "the design and its dense twin cannot be built on mine"
    first = to_json(report)["verdict"][0]
    assert first.startswith(f"DOES NOT FIT mine: {row.structured.overflow}; no speed, no energy")
    assert " of " in row.structured.overflow and first in " ".join(_text(report).split())
    page = to_html(report)
    assert "inferences/s, " not in page and "Energy per inference" not in page


def test_no_watts_beyond_the_supply(roomy):
    supply = Supply(watts=0.2, kind="published", source="a sticker on the board")
    weak = roomy.model_copy(update={"power": roomy.power.model_copy(update={"supply": supply})})
    report = compare_networks(chain(BLOCK), chain(), [weak])
    (row,) = report.boards
    assert not row.structured.fits and row.structured.plan.fits
    assert row.structured.overflow == "modelled power is above the 0.2 W of the supply"
    assert row.structured.watts is row.structured.joules is row.gain.throughput is None
    assert "above the 0.2 W of the supply" in _text(report) and "a sticker on the board" in to_html(report)
    strong = supply.model_copy(update={"watts": 5.0})
    enough = roomy.model_copy(update={"power": roomy.power.model_copy(update={"supply": strong})})
    assert compare_networks(chain(BLOCK), chain(), [enough]).boards[0].structured.watts.total < 5


def test_json_keys(report):
    data = json.loads(json.dumps(report.to_json()))
    keys = ["schema", "model", "created", "swm", "verdict", "loss", "accuracy", "accuracies", "network", "evidence"]
    assert list(data) == [*keys, "kinds", "explored", "chips", "boards"]
    assert data["schema"] == 4 and data["swm"] == __version__
    assert data["created"][:2] == "20" and data["created"].endswith("+00:00")
    assert data["accuracy"] == {"dense_float": 0.9812, "converted_float": None, "fixed": None}
    assert data["network"]["blocks"] == {"8": 2, "1": 1} and data["network"]["weight_bits"] == [12]
    assert data["network"]["dense_weights"] == 2 * 128 * 256 + 1280
    assert data["network"]["compression"] == pytest.approx(32 / 12 * 66816 / (8192 + 1280))
    board = data["boards"][1]
    assert list(board) == ["board", "dense_fits", "structured", "dense", "gain", "remedy", "errors"]
    assert set(board["gain"]) == {"throughput", "latency", "energy", "reason", "elsewhere"}
    assert set(board["structured"]) == {
        "fits",
        "overflow",
        "sequences",
        "backend",
        "control",
        "clock_mhz",
        "interval_cycles",
        "latency_cycles",
        "latency_us",
        "inferences_per_s",
        "useful_share",
        "stream_bits_max",
        "weight_bits",
        "edge_words_per_cycle",
        "edges",
        "axi",
        "layers",
        "resources",
        "roofline",
        "power_w",
        "energy_per_inference_uj",
    }
    design = board["structured"]
    assert (design["backend"], design["control"]) == ("vitis", VITIS.control)
    assert [p["name"] for p in design["layers"][0]["processes"]] == ["rfft", "mac", "irfft"]
    assert design["layers"][0]["kind"] == "circulant" and design["layers"][0]["block"] == BLOCK
    assert {"dsp", "bram18", "lut", "ff"} <= set(design["resources"]["hls"])
    energy = design["energy_per_inference_uj"]
    assert energy["total"] == pytest.approx(energy["static"] + energy["processor"] + energy["dynamic"])
    cycles = [p["cycles"] for la in design["layers"] for p in la["processes"]] + [p["cycles"] for p in design["axi"]]
    assert design["interval_cycles"] == max(cycles)
    assert all(k["kind"] in {"counted", "modelled", "measured", "published"} for k in data["kinds"])


@pytest.mark.parametrize("network", [chain(BLOCK), chain(), residual(4), residual(32)])
def test_useful_share(network, roomy):
    plan = make_schedule(network, roomy)
    figures = design_figures(plan)
    useful = sum(p.products * layer.spec.positions for layer in plan.layers for p in layer.processes)
    assert figures.useful_share == pytest.approx(useful / (figures.used.routed.dsp * plan.interval))
    assert 0 < figures.useful_share <= 1


def test_no_dsp_no_useful_share(roomy):
    figures = design_figures(make_schedule(chain(bits=4), roomy))
    assert figures.used.routed.dsp == 0  # products of four bits are built of LUTs
    assert figures.useful_share is None
    assert to_json(compare([(figures.plan, figures.plan)]))["boards"][0]["structured"]["useful_share"] is None


def test_streams_and_depths(roomy):
    plan = make_schedule(residual(4), roomy)
    data = to_json(compare([(plan, plan)]))["boards"][0]["structured"]
    assert [e["name"] for e in data["edges"]] == [e.name for e in plan.edges]
    assert [e["depth"] for e in data["edges"]] == [e.depth for e in plan.edges]
    assert data["edges"][0]["from"] == "input" and data["edges"][-1]["to"] == "output"
    assert data["edge_words_per_cycle"] == [e["words"] for e in data["edges"]]
    kinds = {layer["kind"] for layer in data["layers"]}
    assert {"circulant", "add", "fork"} <= kinds
    inner = [s for layer in data["layers"] for s in layer["streams"]]
    assert {s["name"] for s in inner} == {"spectra", "sums"}
    assert all(s["depth"] >= 1 and s["beats"] > 0 for s in (*inner, *data["edges"]))
    ends = {name for s in (*inner, *data["edges"]) for name in (s["from"], s["to"])} - {"input", "output"}
    assert ends == {f"{layer['name']}.{p['name']}" for layer in data["layers"] for p in layer["processes"]}


@pytest.mark.parametrize("bits", [8, 12])
def test_widest_word(roomy, bits):
    plan = make_schedule(chain(BLOCK, bits=bits), roomy)
    figures = design_figures(plan)
    assert max(s.width for s in stream_figures(plan)) <= figures.stream_bits_max <= MAX_STREAM_BITS
    first = next(layer for layer in plan.layers if layer.spec.kind == "circulant")
    assert figures.stream_bits_max >= 2 * bits  # a complex weight, at least
    wide = replace(plan, layers=(first,), edges=(replace(plan.edges[0], vec=256), *plan.edges[1:]))
    container = 8 if bits <= 8 else 16
    assert design_figures(replace(wide, layers=plan.layers)).stream_bits_max == 256 * container


@pytest.mark.parametrize("backend", [VITIS, GENERIC])
def test_the_report_of_a_project_is_the_schedule_of_the_project(tmp_path, roomy, backend):
    made, _ = design(tmp_path, roomy, backend)
    save_design(made, tmp_path)
    read = load_design(tmp_path)
    other = roomy.model_copy(update={"name": "other"})
    report = compare_design(read, [other, roomy])
    elsewhere, own = report.boards
    assert own.structured.plan == made.schedule
    assert own.dense.plan.backend == elsewhere.structured.plan.backend == backend
    assert elsewhere.structured.plan.interval == made.schedule.interval  # the same device under another name
    written = to_json(report)["boards"][1]["structured"]
    assert written["interval_cycles"] == made.schedule.interval
    assert written["backend"] == backend.name
    assert (written["axi"] == []) == (not backend.streaming)
    assert (written["control"] is None) == (not backend.streaming)
    assert all((edge["depth"] is None) == (not backend.streaming) for edge in written["edges"])
    assert report.model == made.graph.name
    (alone,) = compare_design(read).boards
    assert alone.structured.plan == made.schedule
    assert to_html(report) and backend.name in _text(report)


def test_a_schedule_of_a_project_is_not_searched_anew(tmp_path, roomy):
    """Neither the name of the board alone nor a better schedule makes it another one."""
    made, _ = design(tmp_path, roomy)
    slow = make_schedule(made.graph.shape, roomy, target_interval=4 * made.schedule.interval)
    larger = own_board(tmp_path, dsp=1000)
    (row,) = compare_design(replace(made, schedule=slow), [larger]).boards
    assert row.structured.plan == slow
    assert row.board == roomy == row.dense.plan.board


class _Page(HTMLParser):
    VOID = ("meta", "link", "col")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_escaped_whole_and_self_contained(small):
    page = to_html(compare_networks(renamed(chain(BLOCK), EVIL), chain(), [small], model=EVIL))
    parser = _Page()
    parser.feed(page)
    assert parser.open == []
    assert "script" not in parser.seen and {"table", "details", "dl"} <= parser.seen
    assert all(a.startswith("#") or a == "data:," for a in parser.addresses)
    assert not re.search(r"https?://|@import|url\(", page)
    assert "&lt;script&gt;" in page
    assert "accuracy loss not known" in page and "not measured" in page


def test_large_networks_have_one_bar_a_layer(roomy):
    deep = chain(BLOCK, widths=(16,) * 12)
    plan = make_schedule(deep, roomy)
    page = to_html(compare([(plan, plan)]))
    assert "slowest process" in page
    assert len(process_rows(design_figures(plan))) > 30 > page.count('class="bar"') / 2


def test_text(report):
    text = _text(report)
    assert EVIL in text  # neither markup nor lost
    assert "98.12 %" in text and "not measured" in text
    assert report.boards[0].dense.overflow.split(",")[0] in text
    assert "fc1" in text and "mac_bins" in text
    short = _text(report, details=False)
    assert "fc1" not in short and "cannot be built" in short and "mac_bins" not in short


def test_no_processor_no_legend(roomy):
    plan = make_schedule(chain(BLOCK), roomy)
    assert roomy.power.processor is None
    assert 'class="processor"' not in to_html(compare([(plan, plan)]))


def test_impossible_reports(report, small, roomy):
    with pytest.raises(OptionError, match="at least one board"):
        compare_networks(chain(BLOCK), chain(), [])
    pair = report.boards[0].structured.plan, report.boards[0].dense.plan
    for bad in (98.1, -0.1, float("nan")):
        with pytest.raises(OptionError, match="not a fraction"):
            compare([pair], {"fixed": bad})
    with pytest.raises(OptionError, match="two boards"):
        compare([(pair[0], report.boards[1].dense.plan)])


def test_clock(roomy):
    report = compare_networks(chain(BLOCK), chain(), [roomy], clock_mhz=125)
    row = report.boards[0]
    assert row.structured.latency_us == pytest.approx(row.structured.plan.latency / 125)
    assert "asked for by the user" in to_html(report)
    assert roomy.clock.reason not in to_html(report)


def test_nothing_cites_what_the_repository_does_not_hold(report):
    for form in (to_html(report), _text(report), json.dumps(to_json(report))):
        assert not re.search(r"methods\.md|design\.md|\.\./shared", form)


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
    console = Console(file=stream, width=500)
    boards = [load_board(name) for name in board_names()]
    console.print(*listing(boards, 500))
    for board in boards:
        console.print(target_table(board))
    text = stream.getvalue()
    for board in boards:
        assert board.name in text
        power = (board.power.static, board.power.dynamic) if board.power else ()
        for part in (board.resources, board.dsp_ports, *power):
            assert part.source in text
        assert all(clock.reason in text for clock in board.clocks) and board.stream.reason in text
        data = json.loads(json.dumps(target_to_json(board)))
        assert data["resources"]["dsp"] == board.resources.dsp
        assert type(board).model_validate(data) == board


def test_known_overhead_is_shown():
    extra = Overhead(kind="measured", source="a report of ours", lut=4000)
    board = load_board("kv260").model_copy(update={"overhead": extra})
    stream = io.StringIO()
    Console(file=stream, width=300).print(target_table(board))
    assert "a report of ours" in stream.getvalue() and "4,000 LUT" in stream.getvalue()


def test_markdown_is_text_whatever_a_name_holds(small):
    names = "a|b`c` [x](http://e) <script>*_\n# head &amp; ~~$y$"
    text = compare_networks(renamed(chain(BLOCK), names), chain(), [small], model=names).to_markdown()
    assert text.startswith("# a\\|b\\`c\\` \\[x\\](http://e) &lt;script&gt;\\*\\_ \\# head &amp;amp; \\~\\~\\$y\\$\n")
    assert "<" not in text and "\n# head" not in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) > 12
    for lines in tables:  # no name makes a column more
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert "\n    swm" not in text  # no command where nothing is missing


def test_many_boards_are_a_table_first(report, roomy):
    plan = report.boards[1].structured.plan, report.boards[1].dense.plan
    few, many = (to_html(compare([plan] * count)) for count in (3, 4))
    assert few.count('class="answers"') == 3 and many.count('class="answers"') == 4
    assert few.index('class="answers"') < few.index("<h2") < many.index('class="answers"')
    assert "Both designs on each board" in many and "Both designs on each board" not in few
