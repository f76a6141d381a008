# SPDX-License-Identifier: Apache-2.0
"""Every modelled figure carries the error of its own model, in all forms; power, energy and roofs add up."""

import pytest
from report_networks import chain, own_board

from swm.accelerator.backend import GENERIC, RTL, VITIS
from swm.device import board_names, load_board
from swm.report import compare_networks
from swm.report.bands import FIGURES, Band, band_of, bands_of, read_bands, write_bands
from swm.report.energy_split import board_watts, energy_parts, power_rows, watts_range
from swm.report.roofline import roof_rows, roofline


@pytest.fixture(scope="module")
def rows():
    """A board of each family that was validated, one that was measured as a whole, one whose back end was simulated."""
    boards = [load_board(name) for name in ("pynq-z2", "zcu104", "adm-pcie-ku3")]
    found = compare_networks(chain(8), chain(), boards).boards
    return {row.board.name: row for row in found}


@pytest.mark.parametrize("board", board_names())
@pytest.mark.parametrize("backend", [VITIS, RTL, GENERIC], ids=lambda b: b.name)
def test_every_figure_has_a_band_or_a_reason(board, backend):
    found = bands_of(load_board(board), backend)
    assert set(FIGURES) - set(found) <= {"uram", "static_w", "dynamic_w", "board_j"}
    for name, band in found.items():
        assert band.figure == name and band.against
        if band.rows:
            assert band.median is not None and 0 < band.low <= band.high
            assert band.command.startswith("swm ") and band.date[:3] == "202"
        else:
            assert band.median is band.low is band.high is None and band.short == "not known"


def test_the_nearest_band_is_taken():
    pynq, ku = load_board("pynq-z2"), load_board("adm-pcie-ku3")
    seven, mpsoc = band_of("dynamic_w", pynq, VITIS), band_of("dynamic_w", load_board("zcu104"), VITIS)
    overall = band_of("dynamic_w", ku, VITIS)  # no report of its family was left
    assert (seven.family, mpsoc.family, overall.family) == ("7series", "ultrascale+", "")
    assert seven.median > 2 * mpsoc.median and seven.rows + mpsoc.rows == overall.rows
    assert band_of("board_j", pynq, VITIS).board == "pynq-z2" and not band_of("board_j", ku, VITIS).rows
    assert band_of("interval", pynq, RTL).short == "0 %"
    assert band_of("interval", pynq, VITIS).short == "loops of others 0 %, 1 in 10 above x5"
    assert band_of("lut", pynq, VITIS).level == "HLS" and band_of("lut", pynq, RTL).level == ""
    assert len({band.key for band in read_bands()}) == len(read_bands())


def test_all_forms_say_the_same_error(rows):
    found = compare_networks(chain(8), chain(), [row.board for row in rows.values()])
    data, forms = found.to_json(), (found.to_text(width=160), found.to_markdown(), found.to_html())
    for name, board in zip(rows, data["boards"], strict=True):
        bands = bands_of(load_board(name), VITIS)
        assert {k: v["median"] for k, v in board["errors"].items()} == {k: b.median for k, b in bands.items()}
        for form in forms:
            assert f"dynamic {bands['dynamic_w'].short}" in form and bands["lut"].short in form
            assert "+-25 %" not in form
    own = data["boards"][0]["structured"]["power_w"]
    low, high = own["dynamic_range"]
    band = bands_of(load_board("pynq-z2"), VITIS)["dynamic_w"]
    assert (low, high) == pytest.approx((band.low * own["dynamic"], band.high * own["dynamic"]))
    assert own["total_range"] == pytest.approx([own["static"] + own["processor"] + end for end in (low, high)])
    assert own["dsp"] + own["logic"] + own["memories"] == pytest.approx(own["dynamic"])


def test_energy_is_split_and_sums_to_the_total(rows):
    for row in rows.values():
        for design in (row.structured, row.dense):
            parts = energy_parts(design)
            assert sum(p.joules for p in parts) == pytest.approx(design.joules.total)
            assert sum(p.watts for p in parts) == pytest.approx(design.watts.total)
            assert all(p.joules == pytest.approx(p.watts / design.inferences_per_s) for p in parts)
            low, high = watts_range(design, row.bands["dynamic_w"])
            assert design.watts.static < low < design.watts.total < high
    named = [line[0] for line in power_rows(rows["pynq-z2"])]
    assert "the whole board" in named and "the whole board" not in [line[0] for line in power_rows(rows["zcu104"])]


def test_what_a_board_takes_beside_its_device_is_a_part_where_it_was_measured(rows):
    arty = load_board("arty-a7-100t")
    (row,) = compare_networks(chain(8), chain(), [arty]).boards
    band, design = row.bands["board_j"], row.structured
    assert band.beside_w > 1 and band.rows >= 4
    parts = {p.name: p for p in energy_parts(design, band)}
    assert parts["board"].watts == band.beside_w and "processor" not in parts
    assert board_watts(design, band) == pytest.approx(design.watts.total + band.beside_w)
    pynq = rows["pynq-z2"]  # measured below the modelled device: a board takes no less than that
    assert board_watts(pynq.structured, pynq.bands["board_j"]) == pynq.structured.watts.total
    assert "board" not in {p.name for p in energy_parts(rows["pynq-z2"].structured, rows["pynq-z2"].bands["board_j"])}
    assert board_watts(rows["zcu104"].structured, rows["zcu104"].bands["board_j"]) is None


def test_no_design_is_faster_than_its_roof(rows):
    for row in rows.values():
        for design in (row.structured, row.dense):
            bound = roofline(design)
            assert 0 < max(bound.bounds.values()) <= design.interval
            assert bound.bounds["DSP"] == -(-bound.products // row.board.resources.dsp)
            assert bound.products_per_s <= row.board.resources.dsp * design.plan.clock_mhz * 1e6
    dense = roofline(rows["pynq-z2"].dense)
    assert dense.products == 128 * 256 + 256 * 128 + 1280
    assert dense.stream_bits == 128 * 16  # words of 12 bits travel in 16
    head = [line[0] for line in roof_rows(rows["pynq-z2"])]
    assert head.index("cycles by DSP") < head.index("cycles of the design")


def test_boards_without_power_have_no_error_of_it(tmp_path):
    board = own_board(tmp_path).model_copy(update={"power": None})
    assert not {"static_w", "dynamic_w", "board_j"} & set(bands_of(board, VITIS))
    found = compare_networks(chain(8), chain(), [board])
    assert "dynamic 46" not in found.to_text() + found.to_html() and "not stated" in found.to_html()
    assert found.to_json()["boards"][0]["structured"]["energy_per_inference_uj"] is None


def test_bands_replace_their_own_and_keep_others(tmp_path):
    path = tmp_path / "bands.json"
    write_bands((Band("lut", "one", median=0.1), Band("ff", "two")), path)
    write_bands((Band("lut", "three", median=0.2), Band("lut", "four", family="7series")), path)
    assert [(b.figure, b.against) for b in read_bands(path)] == [("lut", "three"), ("lut", "four"), ("ff", "two")]


def test_a_network_that_is_its_own_twin_is_drawn_once(tmp_path, rows):
    (row,) = (found := compare_networks(chain(), chain(), [own_board(tmp_path)])).boards
    assert not row.has_twin and rows["pynq-z2"].has_twin
    page = found.to_html()
    assert "DSP, dense" not in page and "Layers, design" in page and "Layers, dense twin" not in page
    assert "dense twin, over stream bytes" not in page and "layers, dense twin" not in found.to_text()
    assert "dense twin, over stream bytes" in compare_networks(chain(8), chain(), [own_board(tmp_path)]).to_html()
