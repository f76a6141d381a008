# SPDX-License-Identifier: Apache-2.0
"""The page of a report in a real browser: silent, offline, no wider than its window, readable in light and dark, whole
in print, named for who does not see it. And a page that is none of this, which the same checks find out."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from browser import Browser
from report_networks import chain, own_board, renamed

from swm.device import load_target
from swm.report import compare_networks, read_explored
from swm.report.chips import chip_report

from test_explored import exploration  # isort: skip

LONG = "a_layer_whose_name_some_exporter_made_out_of_the_path_of_its_module_in_the_network"
CHECKS = """(() => {
  const rgb = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                       return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => { const colours = [];
    for (; e; e = e.parentElement) colours.push(rgb(getComputedStyle(e).backgroundColor));
    return colours.reverse().reduce((below, top) => over(top, below), [255, 255, 255]); };
  document.querySelectorAll("details").forEach(d => d.open = true);
  const poor = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement, style = getComputedStyle(e);
    if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest("title, desc")) continue;
    const back = behind(e), ink = over(rgb(e.closest("svg") ? style.fill : style.color), back);
    const [a, b] = [light(ink), light(back)].sort((x, y) => x - y);
    seen++;
    if ((b + 0.05) / (a + 0.05) < 4.5) poor.add(walker.currentNode.data.trim().slice(0, 40));
  }
  const wide = document.documentElement.scrollWidth, back = getComputedStyle(document.body).backgroundColor;
  return {seen, poor: [...poor], window: innerWidth, wide, back};
})()"""
NAMES = """(() => ({
  mains: document.querySelectorAll("main").length,
  headings: [...document.querySelectorAll("h1, h2, h3")].map(h => +h.tagName[1]),
  nameless: [...document.querySelectorAll("section, nav, svg[role=img], ul, .scroll")].filter(e => {
    const by = (e.getAttribute("aria-labelledby") || "").split(" ").map(id => document.getElementById(id));
    return !(e.getAttribute("aria-label") || by.map(l => l ? l.textContent : "").join("")).trim();
  }).map(e => e.outerHTML.slice(0, 80)),
  bare: [...document.querySelectorAll("table")].filter(t => !t.caption || !t.caption.textContent.trim()).length,
  scopeless: document.querySelectorAll("th:not([scope])").length,
  headless: [...document.querySelectorAll("tbody tr")].filter(r => !r.querySelector("th[scope=row]")).length,
  lost: [...document.querySelectorAll("a[href^='#']")].filter(a => !document.querySelector(a.hash)).length,
  twice: [...document.querySelectorAll("[id]")].map(e => e.id).filter((id, i, all) => all.indexOf(id) != i),
  unreached: [...document.querySelectorAll(".scroll")].filter(e => e.tabIndex != 0).length,
}))()"""
HIDDEN = """[...document.querySelectorAll("details table")].filter(t => !t.checkVisibility()).length"""
BROKEN = """<!doctype html><title>bad</title><body><p style="color:#999;background:#fff">too pale to read</p>
<div style="width:3000px">wide</div><img src="http://127.0.0.1:9/x.png"><script>console.error("said")</script>"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("browser"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Long names, a board that holds both designs and one that holds neither, an exploration, a remark, a command."""
    folder = tmp_path_factory.mktemp("page")
    roomy, tiny = own_board(folder), own_board(folder, dsp=1, bram18=0, lut=400, ff=800)
    boards = [roomy, tiny.model_copy(update={"name": "tiny", "title": "A board that holds neither"})]
    found = compare_networks(renamed(chain(8), LONG), renamed(chain(), LONG), boards, model=LONG + ".onnx")
    found = replace(found, chips=(chip_report(chain(8), load_target("asic-65nm")),))
    (folder / "explored.json").write_text(json.dumps(exploration().to_json()))
    known = replace(found.evidence, remarks=("What a reader has to know.",), remedy="swm report " + "x" * 300)
    path = folder / "report.html"
    replace(found, evidence=known, explored=read_explored(folder / "explored.json")).to_html(path)
    return path


def test_the_page(browser, page):
    browser.messages.clear()
    browser.requests.clear()
    for width in (1280, 360):
        browser.open(page, width=width)
        for scheme, back in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 24, 28)")):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser("Emulation.setEmulatedMedia", media="screen", features=features)
            found = browser.run(CHECKS)
            assert found["poor"] == [] and found["seen"] > 500, (width, scheme)
            assert found["wide"] <= found["window"] == width and found["back"] == back
    names = browser.run(NAMES)
    levels = names.pop("headings")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))
    assert names.pop("mains") == 1
    assert not any(names.values()), names
    assert browser.requests == [page.as_uri()] * 2 and browser.messages == []


def test_print_shows_what_is_folded(browser, page):
    browser.open(page, width=800, scheme="dark", media="print")
    assert browser.run(HIDDEN) == 0
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"  # in the dark, too
    browser.open(page, width=800)
    assert browser.run(HIDDEN) > 4


def test_a_bad_page_is_found_out(browser, tmp_path):
    browser.messages.clear()
    browser.requests.clear()
    (tmp_path / "bad.html").write_text(BROKEN)
    browser.open(tmp_path / "bad.html", width=360)
    found = browser.run(CHECKS)
    assert found["poor"] == ["too pale to read"] and found["wide"] > 2000
    assert "http://127.0.0.1:9/x.png" in browser.requests
    assert any("said" in text for text in browser.messages)
