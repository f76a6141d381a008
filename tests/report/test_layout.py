# SPDX-License-Identifier: Apache-2.0
"""Reports at any width and in the dark: numbers whole, enough contrast of what is drawn."""

import io
import re

import pytest
from report_networks import chain, own_board, renamed
from rich.console import Console

from swm.package_data import templates_dir
from swm.report import compare_networks
from swm.report.layout import framed_tables, table_lines
from swm.report.rows import process_rows

LONG = "a_layer_whose_name_some_exporter_made_out_of_the_path_of_its_module_in_the_network"
HEAD = ("name", "from", "number of beats", "count")
ROWS = [("short", "a.b", "1,234,567", "3"), (LONG, LONG + ".mac", "12", "1,000")]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Long names, on a board that holds both designs and one that holds neither."""
    folder = tmp_path_factory.mktemp("layout")
    roomy, tiny = own_board(folder), own_board(folder, dsp=1, bram18=0, lut=400, ff=800)
    boards = [roomy, tiny.model_copy(update={"name": "tiny"})]
    return compare_networks(renamed(chain(8), LONG), renamed(chain(), LONG), boards, model=LONG)


@pytest.mark.parametrize("width", [200, 80, 60, 50])
def test_tables_break_names_and_no_numbers(width):
    lines = table_lines(HEAD, ROWS, width, left=2, fold=(0, 1))
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "1,234,567" in text and "1,000" in text
    assert re.sub(r"[\s-]", "", "".join(line[: width // 2] for line in lines)).count("a_layer") >= 1
    assert "number" in lines[0]


@pytest.mark.parametrize(("width", "count"), [(200, 1), (80, 2), (60, 3)])
def test_a_wide_table_becomes_several_with_every_cell_whole(width, count):
    head = ("board", "weights", *(f"figure number {i}" for i in range(6)))
    rows = [("cyclonev-5cea9", "block 16", *(f"{10**i * 1234:,}" for i in range(6)))]
    tables = framed_tables(head, rows, width, left=2, keys=2, title="all of them")
    assert len(tables) == count
    stream = io.StringIO()
    Console(file=stream, width=width).print(*tables)
    text = stream.getvalue()
    assert "\N{HORIZONTAL ELLIPSIS}" not in text and all(cell in text for cell in rows[0])
    assert text.count("cyclonev-5cea9") == text.count("block 16") == count and text.count("all of them") == 1
    assert max(map(len, text.splitlines())) <= width


def test_a_table_too_narrow_for_columns_becomes_a_list():
    lines = table_lines(HEAD, ROWS, 24, left=2, fold=(0, 1))
    assert max(map(len, lines)) <= 24
    assert "  count: 1,000" in lines and "  number of beats:" in lines


def test_text_at_80_columns(report):
    text = report.to_text(width=80)
    assert max(map(len, text.splitlines())) <= 80
    for row in process_rows(report.boards[0].structured):
        assert all(cell in text for cell in row.cells[1:])
    assert text.startswith("Fits mine: ") and "\nDOES NOT FIT tiny: " in text


def _luminance(colour):
    digits = colour.lstrip("#") if len(colour) == 7 else "".join(2 * c for c in colour.lstrip("#"))
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one, other):
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_marks_have_contrast_in_both_schemes():
    """WCAG 2: 3 for what carries meaning without being read; text is measured in a browser (test_page.py)."""
    css = (templates_dir() / "report" / "style.css").read_text()
    light, dark, paper = (
        dict(re.findall(r"--(\w+): (#\w+)", block)) for block in re.findall(r":root \{([^}]*)\}", css)
    )
    assert light.keys() == dark.keys() == paper.keys() and light["page"] != dark["page"]
    parts = {"structured", "dense", "static", "processor", "dsp", "logic", "memories", "board", "over", "rule"}
    for colours in (light, dark, paper):
        for mark in parts | {name for name in light if re.fullmatch(r"c\d", name)}:
            assert _contrast(colours[mark], colours["page"]) >= 3, mark
