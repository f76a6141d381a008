# SPDX-License-Identifier: Apache-2.0
"""Board tables: those that travel with swm, a user's own, and what is wrong with a bad one."""

import io
import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console
from support import inputs, write_mlp

import swm
from swm.cli.boards import boards as boards_command
from swm.device import (
    Board,
    Limits,
    Usage,
    board_names,
    board_template,
    load_board,
    load_target,
    power,
    target_names,
)
from swm.device.power import blocks_of_36
from swm.device.primitives import Cost, multiplier, packs, routed
from swm.errors import OptionError, OutputError, UnknownBoard
from swm.package_data import boards_dir
from swm.report import listing, target_table, to_html, to_json, to_text
from swm.report.boards import board_figures

MINE = """
name = "mine"
title = "A board of one's own"
device = "XC7Z010"
part = "xc7z010clg400-1"
family = "7series"

[resources]
lut = 17600
ff = 35200
bram18 = 120
dsp = 80
kind = "published"
source = "a vendor report"

[dsp_ports]
wide = 25
narrow = 18
kind = "published"
source = "a manual"

[clock]
mhz = 125
reason = "it has this oscillator"

[stream]
bits = 32
reason = "one port"

[power.static]
watts = 0.12
junction_c = 43
kind = "published"
source = "a vendor report"

[power.dynamic]
dsp = 6.0
bram36 = 19.0
lut = 0.25
ff = 0.066
kind = "modelled"
source = "a table"
"""


def write(folder: Path, text: str = MINE) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_a_board_from_outside_is_used_like_the_others(tmp_path: Path):
    board = load_board(write(tmp_path))
    assert (board.name, board.clock.mhz, board.resources.uram) == ("mine", 125, 0)
    assert multiplier(18, 25, board.dsp_ports).dsp == 1
    used = Usage(dsp=70, bram18=10, lut=5000, ff=5000)
    assert power(board, board.clock.mhz, used).processor == 0
    assert Limits().excess(used, board.resources) == {"dsp": pytest.approx(70 / 64)}
    assert hash(board) == hash(load_board(str(tmp_path / "mine.toml")))


@pytest.mark.parametrize(
    "clock",
    [
        '[clock]\nmhz = [125, 150.5]\nreason = "one for all"',
        '[clock]\nmhz = [125, 150.5]\nreason = ["first", "second"]',
        '[[clock]]\nmhz = 125\nreason = "first"\n\n[[clock]]\nmhz = 150.5\nreason = "second"',
    ],
)
def test_several_clocks_the_first_is_the_default(tmp_path: Path, clock):
    one = '[clock]\nmhz = 125\nreason = "it has this oscillator"'
    board = load_board(write(tmp_path, MINE.replace(one, clock)))
    assert [c.mhz for c in board.clocks] == [125, 150.5]
    assert board.clock == board.clocks[0]
    assert all(c.reason for c in board.clocks)


def test_capabilities_of_the_dsp(tmp_path: Path):
    ports = load_board("kv260").dsp_ports
    assert ports.preadder
    assert packs(8, 8, ports)
    without = MINE.replace("wide = 25", "wide = 27\npreadder = false")
    assert not packs(8, 8, load_board(write(tmp_path, without)).dsp_ports)


@pytest.mark.parametrize("name", board_names())
def test_every_table_is_whole(name):
    board = load_board(name)
    assert board.name == name
    assert board.part.lower().startswith(board.device.lower())
    wide = {"7series": 25, "ultrascale": 27, "ultrascale+": 27, "ecp5": 18, "gowin": 18, "cyclonev": 18}
    assert board.dsp_ports.wide == wide[board.family]
    assert load_board(boards_dir() / f"{name}.toml") == board
    assert hash(board) == hash(load_board(name))
    assert all(clock.reason for clock in board.clocks)


@pytest.mark.parametrize(
    ("name", "lut", "ff", "bram18", "dsp", "uram"),
    [
        ("pynq-z2", 53_200, 106_400, 280, 220, 0),
        ("kv260", 117_120, 234_240, 288, 1_248, 64),
        ("zcu104", 230_400, 460_800, 624, 1_728, 96),
        ("arty-a7-100t", 63_400, 126_800, 270, 240, 0),
        ("adm-pcie-ku3", 331_680, 663_360, 2_160, 2_760, 0),
        ("adm-pcie-7v3", 433_200, 866_400, 2_940, 3_600, 0),
        ("zcu102", 274_080, 548_160, 1_824, 2_520, 0),
        ("ultra96-v2", 70_560, 141_120, 432, 360, 0),
        ("zc706", 218_600, 437_200, 1_090, 900, 0),
        ("vc707", 303_600, 607_200, 2_060, 2_800, 0),
        ("alveo-u50", 871_680, 1_743_360, 2_688, 5_952, 640),
        ("alveo-u250", 1_728_000, 3_456_000, 5_376, 12_288, 1_280),
        ("alveo-u55c", 1_303_680, 2_607_360, 4_032, 9_024, 960),
    ],
)
def test_capacity(name, lut, ff, bram18, dsp, uram):
    r = load_board(name).resources
    assert (r.lut, r.ff, r.bram18, r.dsp, r.uram) == (lut, ff, bram18, dsp, uram)


def tables(node):
    yield node
    for value in node.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from tables(inner)


@pytest.mark.parametrize("path", sorted(boards_dir().glob("*.toml")), ids=lambda p: p.stem)
def test_what_nobody_can_follow_is_called_recalled(path):
    text = path.read_text()
    assert "shared" not in text
    for table in tables(tomllib.loads(text)):
        words = str({k: v for k, v in table.items() if not isinstance(v, dict | list)}).lower()
        assert ("recalled" in words) == (table.get("kind") == "recalled")


@pytest.mark.parametrize("name", ["kv260", "zcu104", "adm-pcie-ku3", "adm-pcie-7v3", "zcu102", "alveo-u50", "vc707"])
def test_clocks_claim_no_timing_closure(name):
    assert "no timing closure of ours" in load_board(name).clock.reason


@pytest.mark.parametrize(("typo", "meant"), [("pynqz2", "pynq-z2"), ("ZCU-104", "zcu104"), ("kv26", "kv260")])
def test_unknown_board_offers_the_nearest(typo, meant):
    with pytest.raises(UnknownBoard, match=f"did you mean .*{meant}"):
        load_board(typo)


def test_unknown_board_without_neighbours():
    with pytest.raises(UnknownBoard, match="choose one of adm-pcie-7v3"):
        load_board("qqq")


def test_missing_file(tmp_path: Path):
    with pytest.raises(UnknownBoard, match="no board file"):
        load_board(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dsp = 80", "dps = 80", r"resources.dps: no such key; did you mean 'dsp'\?"),
        ("dsp = 80", 'dsp = "80"', "resources.dsp"),
        ("dsp = 80", "dsp = -1", "resources.dsp"),
        ("watts = 0.12", "wats = 0.12", r"power.static.wats: no such key; did you mean 'watts'\?"),
        ("bits = 32", "bits = 48", "stream.bits"),
        ("wide = 25", "wide = 25\npreader = true", r"dsp_ports.preader: no such key; did you mean 'preadder'\?"),
        ('family = "7series"', 'family = "spartan"', "family"),
        ("mhz = 125", "mhz = nan", r"clock.mhz"),
        ("mhz = 125", "mhz = [125, -1]", r"clock\[1\].mhz"),
        ("mhz = 125", "mhz = []", "clock: .*at least 1"),
        ("mhz = 125", "mhz = 125\nghz = 1", r"clock.ghz: no such key; did you mean 'mhz'\?"),
        ('reason = "it has this oscillator"', 'reason = ["a", "b"]', "clock"),
        ("mhz = 125", 'mhz = [125, 150, 175]\nreason = ["a", "b"]\n[unused]', "3 clocks and 2 reasons"),
        ('kind = "modelled"', 'kind = "guessed"', "power.dynamic.kind"),
        ("[clock]", "[clocks]", r"clocks: no such key; did you mean 'clock'\?"),
        ('title = "A board of one\'s own"', 'title = ""', "title"),
        ("[clock]", "[clock", "not valid TOML"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path: Path, old, new, said):
    assert old in MINE
    with pytest.raises(OptionError, match=said):
        load_board(write(tmp_path, MINE.replace(old, new, 1)))


def test_every_fault_is_listed(tmp_path: Path):
    with pytest.raises(OptionError) as error:
        load_board(write(tmp_path, 'name = "x"\ncolour = "red"\n'))
    assert "colour: no such key" in str(error.value)
    assert "resources: Field required" in str(error.value)


def test_power_is_optional_and_reports_say_that_it_is_not_stated(tmp_path: Path):
    path = write(tmp_path, MINE[: MINE.index("[power.static]")])
    board = load_board(path)
    assert board.power is None
    with pytest.raises(OptionError, match="states no power"):
        power(board, 100, Usage(dsp=1, bram18=1, lut=1, ff=1))
    figures = board_figures(board)
    assert [row[:2] for row in figures if "power" in row[0]] == [("power", "not stated")]
    proto = tmp_path / "m.onnx"
    graph = swm.load(write_mlp(proto))
    report = swm.report(graph, boards=[str(path)])
    (row,) = report.boards
    assert (row.structured.watts, row.structured.joules, row.gain.energy) == (None, None, None)
    (data,) = to_json(report)["boards"]
    assert data["structured"]["power_w"] is None and data["gain"]["energy"] is None
    page = to_html(report)
    assert page.count("not stated") >= 5 and "Energy per inference" not in page
    text = io.StringIO()
    to_text(report, Console(file=text, width=200))
    assert "energy not stated" in text.getvalue() and "has no [power]" in text.getvalue()
    Console(file=io.StringIO()).print(*listing([board], 80))


def test_the_template_is_a_board_and_says_so(tmp_path: Path):
    done = CliRunner().invoke(boards_command, ["--new", "-"])
    assert done.exit_code == 0 and done.output == board_template()
    assert CliRunner().invoke(boards_command, ["--new", str(tmp_path / "own.toml")]).exit_code == 0
    assert (tmp_path / "own.toml").read_text() == board_template()
    for wrong, said in (("own.toml", "exists"), ("own.txt", r"ends in \.toml"), ("no/own.toml", "cannot write")):
        again = CliRunner().invoke(boards_command, ["--new", str(tmp_path / wrong)])
        assert isinstance(again.exception, OutputError) and re.search(said, str(again.exception))
    board = load_board(write(tmp_path, done.output))
    assert board.name == "my-board" and board.power is not None
    optional = r"^# (\[overhead\]|\[power\.supply\]|\[link\]|\[nextpnr\]|\[processing_system\]|\[platform\]|\w+ =)"
    uncommented = re.sub(optional, r"\1", done.output, flags=re.MULTILINE)
    whole = load_board(write(tmp_path, uncommented))
    assert None not in (whole.overhead, whole.link, whole.nextpnr)
    without = done.output[: done.output.index("[power.static]")]
    assert load_board(write(tmp_path, without)).power is None


def test_faults_of_a_board_are_said_without_the_words_of_the_checker(tmp_path: Path):
    other = board_template().replace('family = "7series"', 'family = "cyclonev"')
    with pytest.raises(OptionError, match=r"\n  - resources\.bram18: devices of family cyclonev have m10k"):
        load_board(write(tmp_path, other))
    power = load_board(write(tmp_path, board_template())).power
    assert power.static.kind == power.processor.kind == "recalled"  # of no source that can be followed


def test_every_key_is_documented_and_in_the_template():
    docs = (Path(__file__).parents[2] / "docs" / "boards.md").read_text()

    def keys(schema, definitions):
        for name, field in schema.get("properties", {}).items():
            yield name
            for part in (field, *field.get("anyOf", ()), field.get("items", {})):
                if "$ref" in part:
                    yield from keys(definitions[part["$ref"].rpartition("/")[2]], definitions)

    schema = Board.model_json_schema(by_alias=True)
    for key in set(keys(schema, schema["$defs"])):
        assert f"`{key}`" in docs or f"`[{key}]`" in docs or f".{key}]`" in docs, key
        assert re.search(rf"^#? ?\[?.*\b{key}\b", board_template(), re.MULTILINE), key


@pytest.mark.parametrize("name", ["ulx3s", "colorlight-i9", "tangnano20k"])
def test_boards_of_open_tools_say_what_a_bitstream_needs(name):
    board = load_board(name)
    assert board.link is not None and board.nextpnr is not None
    assert board.link.clock_hz == board.clock.mhz * 1e6
    pins = [board.link.clock_pin, board.link.uart_rx_pin, board.link.uart_tx_pin, *board.link.led_pins]
    assert len(set(pins)) == len(pins)
    assert abs(board.link.clock_hz / round(board.link.clock_hz / board.link.baud) / board.link.baud - 1) < 0.01


def test_a_back_end_for_one_vendor_refuses_other_boards(tmp_path: Path):
    path = write_mlp(tmp_path / "m.onnx")
    fixed = swm.quantize(swm.load(path), bits=8, calibration=inputs())
    with pytest.raises(OptionError, match=r"writes for devices of AMD, board ulx3s .* Lattice; take --backend rtl"):
        swm.emit(fixed, path=tmp_path / "p", board="ulx3s")
    assert not (tmp_path / "p").exists()


LINK = """
[link]
clock_hz = 100_000_000
clock_pin = "E19"
clock_pin_n = "E18"
oscillator_hz = 200_000_000
uart_rx_pin = "A1"
uart_tx_pin = "A2"
led_pins = ["A3"]
kind = "published"
source = "a constraint file"
"""


@pytest.mark.parametrize(
    ("oscillator", "clock", "factors"),
    [(200, 100, (4, 8)), (200, 200, (4, 4)), (156.25, 125, (8, 10)), (50, 75, (18, 12))],
)
def test_a_differential_oscillator_has_a_pll_of_its_rates(tmp_path, oscillator, clock, factors):
    text = LINK.replace("200_000_000", f"{round(1e6 * oscillator)}").replace("100_000_000", f"{round(1e6 * clock)}")
    link = load_board(write(tmp_path, MINE + text)).link
    assert link.pll == factors
    between = oscillator * factors[0]
    assert 800 <= between <= 1600 and between / factors[1] == clock
    assert link.pins[:3] == (("clk_p", "E19"), ("clk_n", "E18"), ("uart_rx", "A1"))
    assert load_board("arty-a7-100t").link.pll is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("oscillator_hz = 200_000_000\n", "", "both clock_pin_n and oscillator_hz"),
        ('clock_pin_n = "E18"\n', "", "both clock_pin_n and oscillator_hz"),
        ("clock_hz = 100_000_000", "clock_hz = 99_999_999", "no PLL of a 7-series device makes 99,999,999 Hz"),
        ('family = "7series"', 'family = "ecp5"', "for family 7series, not ecp5"),
    ],
)
def test_an_oscillator_that_cannot_be_is_refused(tmp_path, old, new, said):
    with pytest.raises(OptionError, match=said):
        load_board(write(tmp_path, (MINE + LINK).replace(old, new)))


def test_cyclone_v_counts_in_aluts_and_blocks_of_ten_kilobits(tmp_path):
    nano, paper = load_board("de10-nano"), load_board("cyclonev-5cea9")
    assert (nano.resources.lut, nano.resources.m10k, nano.resources.dsp) == (2 * 41_910, 553, 112)
    assert (paper.resources.lut, paper.resources.m10k, paper.resources.dsp) == (2 * 113_560, 1_220, 342)
    assert paper.resources.of("bram18") == 1_220 and paper.labels["bram18"] == "M10K" and paper.vendor == "Intel"
    assert dict(nano.link.pins)["clk"] == "V11" and paper.link is None
    (capacity,) = [row[1] for row in board_figures(paper) if row[0] == "capacity"]
    assert capacity == "227,120 ALUT, 454,240 FF, 1,220 M10K, 342 DSP"
    text = (boards_dir() / "de10-nano.toml").read_text()
    with pytest.raises(OptionError, match=r"resources\.bram18: devices of family cyclonev have m10k"):
        load_board(write(tmp_path, text.replace("m10k = 553", "bram18 = 553")))
    with pytest.raises(OptionError, match="bram18: Field required"):
        load_board(write(tmp_path, text.replace("m10k = 553\n", "")))
    with pytest.raises(OptionError, match=r"resources\.m10k: devices of family 7series have bram18"):
        load_board(write(tmp_path, MINE.replace("bram18 =", "m10k =")))
    again = type(paper).model_validate(paper.model_dump(mode="json", by_alias=True))
    assert again == paper


def test_a_block_of_two_multipliers_counts_once():
    """Power and resources of Cyclone V: a DSP block for two products, memories by their bits."""
    assert routed(Cost(dsp=5, bram18=3), 2) == Usage(dsp=3, bram18=3, lut=0, ff=0)
    used = Usage(dsp=0, bram18=36, lut=0, ff=0)
    assert blocks_of_36(load_board("de10-nano"), used) == 10 and blocks_of_36(load_board("pynq-z2"), used) == 18


def test_pcie_is_for_devices_that_its_block_design_knows(tmp_path):
    ku3 = load_board("adm-pcie-ku3").pcie
    assert (ku3.bits, ku3.speed) == (256, "8.0_GT/s")
    assert load_board("adm-pcie-7v3").pcie.block == "X0Y2"
    text = (boards_dir() / "adm-pcie-7v3.toml").read_text()
    for old, new, said in (
        ('"7series"', '"ecp5"', "pcie: its block design is for devices of AMD, not of Lattice"),
        ('refclk_pin_n = "F5"', "", "the reference clock needs a pin"),
        ('"X0Y2"', '"X0Y2; exit"', "block"),
    ):
        with pytest.raises(OptionError, match=said):
            load_board(write(tmp_path, text.replace(old, new)))


def test_listed_targets_are_known_and_refused():
    """Chips are in the list, with their figures; nothing designs for them."""
    listed = {name: load_target(name) for name in target_names() if name not in board_names()}
    assert listed.keys() == {"asic-40nm", "asic-65nm"}
    energies = {(e.operation, e.bits): e.picojoule for e in listed["asic-40nm"].energy}
    assert energies["integer multiplication", 32] == 8.63
    scaled = {(e.operation, e.bits): e for e in listed["asic-65nm"].energy}["integer addition", 32]
    assert scaled.kind == "modelled"
    assert scaled.picojoule == pytest.approx(0.1 * 65 / 45 * (1.0 / 0.9) ** 2, rel=0.01)
    for name in listed:
        with pytest.raises(OptionError, match=f"designs nothing for '{name}'"):
            load_board(name)


def test_boards_lists_every_file_and_why_nothing_is_designed():
    listed = CliRunner().invoke(boards_command, ["--json"])
    names = {path.stem for path in boards_dir().glob("*.toml")}
    assert {b["name"] for b in json.loads(listed.output)["boards"]} == names == set(target_names())
    stream = io.StringIO()
    console = Console(file=stream, width=400)
    for table in (*listing([load_target(n) for n in target_names()], 80), target_table(load_target("asic-65nm"))):
        console.print(table)
    assert "1,220" in stream.getvalue() and "no areas" in stream.getvalue()


def test_a_listed_target_of_ones_own(tmp_path: Path):
    text = (boards_dir() / "asic-40nm.toml").read_text().replace("picojoule", "picojoules", 1)
    with pytest.raises(OptionError, match=r"energy.picojoules: no such key; did you mean 'picojoule'\?"):
        load_board(write(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("zcu104", "zynq_ultra_ps_e, preset of xilinx.com:zcu104:part0:1.1"),
        ("alveo-u250", "xilinx_u250_gen3x16_xdma_4_1_202210_1, buffers in DDR[0]"),
        ("arty-a7-100t", "115,200 baud, 100 MHz"),
        ("vc707", "115,200 baud, 100 MHz of 200 MHz"),
        ("de10-nano", "115,200 baud, 50 MHz"),
        ("adm-pcie-ku3", "generation 3, 8 lanes"),
    ],
)
def test_a_board_shows_how_a_host_reaches_it(name, way):
    (row,) = [
        row for row in board_figures(load_board(name)) if row[0] in ("processor", "platform", "PCIe", "serial line")
    ]
    assert row[1:3] == (way, "published") and "/" in row[3]
