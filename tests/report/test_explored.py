# SPDX-License-Identifier: Apache-2.0
"""An exploration's JSON in a report: checked, drawn, in every form; and what is said where there is none."""

import json

import pytest
from report_networks import chain, own_board

from swm.errors import OptionError
from swm.explore import Exploration, Point
from swm.explore.point import Figures
from swm.report import compare_networks, read_explored
from swm.report.explored import accuracy_table
from swm.report.explored_plots import accuracy_plot, front_plots
from swm.report.plots import BOTTOM, LEFT, RIGHT, TOP, linear, powers


def _point(board, block, bits, accuracy, rate, **other):
    figures = Figures(100.0, 1000, 10.0, rate, 2.0, 2.0 / rate, 100, 50, 0, 9000, 8000, 0.5)
    return Point(board, "circulant", block, bits, accuracy, 1000, figures, **other)


def exploration(model="net.onnx"):
    """Two boards, three sizes, two widths; one point failed, one board is too small for another."""
    points = [
        _point(board, block, bits, 0.99 - 0.01 * n - (0.005 if bits == 8 else 0), rate * (n + 1) * 16 / bits)
        for board, rate in (("pynq-z2", 1e5), ("zcu104", 1e6))
        for n, block in enumerate(("1", "4", "8"))
        for bits in (8, 12)
    ]
    points += [Point("pynq-z2", "circulant", "16", 12, None, None, None, "no layer takes it", failed=True)]
    points += [Point("ulx3s", "circulant", "4", 12, 0.98, 1000, None, "LUT 5 of 3")]
    return Exploration(model, tuple(points), "energy", None, "accuracy", 500, 0.991, 0)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "explored.json"
    path.write_text(json.dumps(exploration().to_json()))
    return path


def test_what_explore_writes_is_read(written):
    made, found = exploration(), read_explored(written)
    assert len(found.points) == 14 and [p.choice for p in found.best] == [p.choice for p in made.front]
    assert found.points[0].accuracy == made.points[0].accuracy and found.reference == 0.991


def test_a_report_shows_it_in_every_form(written, tmp_path):
    from dataclasses import replace

    bare = compare_networks(chain(8), chain(), [own_board(tmp_path)], model="net.onnx")
    report = replace(bare, explored=read_explored(written))
    front = report.explored.best
    for form in (report.to_text(width=160), report.to_markdown(), report.to_html()):
        assert "98.00 %" in form and "Pareto front" in form and "14 points" in form
        assert "names differ" not in form
    page = report.to_html()
    assert page.count('<svg class="plot"') == 4  # roofline, accuracy, two of the front
    assert all(f"{p.board}, {p.choice}, {p.bits} bits" in page for p in front)
    assert report.to_json()["explored"]["front"] == exploration().to_json()["front"]
    assert "names differ" in replace(report, model="other.onnx").to_html()
    for form in (bare.to_text(), bare.to_markdown(), bare.to_html()):
        assert "swm explore ORIGINAL.onnx" in " ".join(form.split())


def test_points_lie_where_their_figures_are(written):
    found = read_explored(written)
    first = accuracy_plot(found)
    assert [t.label for t in first.x_ticks] == ["dense", "block 4", "block 8"]
    eights = [m for m in first.marks if "8 bits" in m.tip and m.tip.startswith(("dense, 8", "block 8, 8"))]
    assert len(first.marks) == 12 or len({m.tip for m in first.marks}) == 6
    assert eights[0].y < eights[-1].y  # less accurate is lower
    energy, speed = front_plots(found)
    assert len(energy.marks) == len(speed.marks) == 12
    assert sum(m.strong for m in energy.marks) == len(found.best) > 0
    for plot in (first, energy, speed):
        assert all(LEFT <= m.x <= RIGHT and TOP <= m.y <= BOTTOM for m in plot.marks)
    least = min(speed.marks, key=lambda m: m.x)
    assert "pynq-z2, dense, 12 bits" in least.tip


def test_sizes_by_layer_are_on_the_front_and_not_among_block_sizes(tmp_path):
    mixed = _point("zcu104", ",".join(f"layer{n}=8" for n in range(60)), 12, 0.999, 1e7)
    made = exploration()
    path = tmp_path / "mixed.json"
    path.write_text(json.dumps(Exploration("net.onnx", (*made.points, mixed), *_rest(made)).to_json()))
    found = read_explored(path)
    assert found.best[0].choice == mixed.choice and found.best[0].by_layer
    assert [t.label for t in accuracy_plot(found).x_ticks] == ["dense", "block 4", "block 8"]
    assert not any("layer0" in row[0] for row in accuracy_table(found)[1])


def _rest(made):
    return made.objective, None, made.measure, made.samples, made.reference, 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("points"), "points: field required"),
        (lambda d: d["front"].append(99), "its front names points that it does not have"),
        (lambda d: d["points"][0].update(accuracy=float("nan")), "points.0.accuracy"),
        (lambda d: d["points"][0].update(joules=-1), "points.0.joules"),
        (lambda d: d["points"][0].update(board="x" * 300), "points.0.board"),
        (lambda d: d.update(reference="<b>"), "reference"),
    ],
)
def test_what_is_no_exploration_ends_in_one_error(tmp_path, change, message):
    data = exploration().to_json()
    change(data)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data))
    with pytest.raises(OptionError) as seen:
        read_explored(path)
    assert message in str(seen.value) and str(path) in str(seen.value)


def test_no_file_no_json(tmp_path):
    with pytest.raises(OptionError, match="cannot read"):
        read_explored(tmp_path / "none.json")
    (tmp_path / "list.json").write_text("[" * 100_000)
    with pytest.raises(OptionError, match="not what `swm explore --json` writes"):
        read_explored(tmp_path / "list.json")


@pytest.mark.parametrize("values", [[1e-9, 3e12], [5.0], [100.0, 1000.0], [0.002, 0.003]])
def test_scales_of_powers_hold_their_values(values):
    scale = powers(values, LEFT, RIGHT)
    assert all(LEFT <= scale(v) <= RIGHT for v in values) and 2 <= len(scale.ticks) <= 9
    assert scale(scale.least) == LEFT and scale(scale.most) == RIGHT


@pytest.mark.parametrize("values", [[98.8], [0.0, 100.0], [97.9, 98.1], [-3.0, 2.0], [0.0, 0.0]])
def test_linear_scales_hold_their_values(values):
    scale = linear(values, BOTTOM, TOP)
    assert all(TOP <= scale(v) <= BOTTOM for v in values) and 2 <= len(scale.ticks) <= 9
    assert len({t.label for t in scale.ticks}) == len(scale.ticks)
