# SPDX-License-Identifier: Apache-2.0
"""Reports at any width, on a phone and in the dark: numbers whole, no page wider than its window, enough contrast."""

import html
import json
import re
import shutil
import subprocess

import pytest
from report_networks import chain, own_board, renamed

from swm.package_data import templates_dir
from swm.report import compare_networks
from swm.report.layout import table_lines
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


def test_a_table_too_narrow_for_columns_becomes_a_list():
    lines = table_lines(HEAD, ROWS, 24, left=2, fold=(0, 1))
    assert max(map(len, lines)) <= 24
    assert "  count: 1,000" in lines and "  number of beats:" in lines


def test_text_at_80_columns(report):
    text = report.to_text(width=80)
    assert max(map(len, text.splitlines())) <= 80
    for row in process_rows(report.boards[0].structured):
        assert all(cell in text for cell in row.cells[1:])
    assert text.startswith("Fits mine: ") and "\nDOES NOT FIT tiny: no speed, no energy;" in text


def _luminance(colour):
    digits = colour.lstrip("#") if len(colour) == 7 else "".join(2 * c for c in colour.lstrip("#"))
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one, other):
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_have_contrast_in_both_schemes():
    """WCAG 2: 4.5 for text, 3 for what carries meaning without being read."""
    css = (templates_dir() / "report.html.j2").read_text()
    light, dark = (dict(re.findall(r"--(\w+): (#\w+)", block)) for block in re.findall(r":root \{([^}]*)\}", css))
    assert light.keys() == dark.keys() and light["page"] != dark["page"]
    for colours in (light, dark):
        for ink in ("ink", "soft", "link", "bad"):
            assert _contrast(colours[ink], colours["page"]) >= 4.5, ink
            assert _contrast(colours[ink], colours["pale"]) >= 4.5, ink
        assert _contrast(colours["note"], colours["notebg"]) >= 4.5
        for bar in ("structured", "dense", "processor", "static"):
            assert _contrast(colours[bar], colours["page"]) >= 3, bar


def test_the_page_in_a_browser(report, tmp_path):
    """One launch: at 360 and 1280 pixels, in the dark, with the network off, nothing is wider than the window."""
    browser = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
    if browser is None:
        pytest.skip("needs chromium or Chrome on PATH")
    frames = "".join(
        f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{html.escape(report.to_html(), quote=True)}">'
        "</iframe>"
        for width in (360, 1280)
    )
    script = """<script>
    onload = () => {
      const seen = [...document.querySelectorAll("iframe")].map(frame => {
        const page = frame.contentDocument, root = page.documentElement;
        page.querySelectorAll("details").forEach(d => d.open = true);
        return [root.clientWidth, root.scrollWidth, frame.contentWindow.getComputedStyle(page.body).backgroundColor];
      });
      document.title = JSON.stringify(seen);
    };
    </script>"""
    page = tmp_path / "frames.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><title></title>{frames}{script}", encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    options += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'user'}"]
    options += ["--blink-settings=preferredColorScheme=0", "--window-size=1700,2000", "--dump-dom", page.as_uri()]
    done = subprocess.run([browser, *options], capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r"<title>(.*?)</title>", done.stdout)
    if done.returncode or not found or not found[1]:
        pytest.skip(f"{browser} does not run here: {done.stderr[-300:]}")
    seen = json.loads(html.unescape(found[1]))
    assert len(seen) == 2 and {width for width, *_ in seen} <= {345, 360, 1265, 1280}  # a scrollbar may take 15
    for inner, scroll, colour in seen:
        assert scroll <= inner, f"{scroll} pixels wide in a window of {inner}"
        assert colour == "rgb(20, 24, 28)"
