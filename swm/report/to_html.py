# SPDX-License-Identifier: Apache-2.0
"""A report as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from swm.package_data import templates_dir
from swm.report import plots, rows
from swm.report.answers import SUMMARY_HEAD, Answer, answers, summary_rows
from swm.report.boards import board_figures, listed_figures
from swm.report.charts import PART_NAMES, Chart, cycles_chart, energy_chart, resource_chart
from swm.report.chips import CHIP_HEAD, CHIP_NOTE, ChipReport, chip_rows, chip_verdict
from swm.report.energy_split import POWER_HEAD, power_rows
from swm.report.explored import FRONT_HEAD, Explored, accuracy_table, front_rows, how_to_explore
from swm.report.explored_plots import accuracy_plot, front_plots
from swm.report.figures import DesignFigures
from swm.report.glossary import GLOSSARY
from swm.report.network import network_figures
from swm.report.numbers import quantity
from swm.report.plots import Plot
from swm.report.roofline import ROOF_HEAD, ROOF_NOTE, roof_rows
from swm.report.roofline_plot import roofline_plot
from swm.report.sentences import (
    built_sentence,
    explored_sentence,
    gain_sentence,
    loss_sentence,
    network_rows,
    remark_sentences,
    remedy_words,
    unfit_sentence,
    verdict,
    verified_sentence,
)
from swm.report.value import BoardReport, Report

__all__ = ["to_html"]

_HEADS = SimpleNamespace(
    **{name: getattr(rows, name) for name in rows.__all__ if name.endswith("_HEAD")},
    CHIP_HEAD=CHIP_HEAD,
    CHIP_NOTE=CHIP_NOTE,
    FRONT_HEAD=FRONT_HEAD,
    POWER_HEAD=POWER_HEAD,
    ROOF_HEAD=ROOF_HEAD,
    ROOF_NOTE=ROOF_NOTE,
    SUMMARY_HEAD=SUMMARY_HEAD,
)


_FEW = 3
"""Boards whose answers the first screen holds; of more it has a table, and the answers stand with each board."""


@dataclass(frozen=True)
class _DesignView:
    name: str
    layers: list[tuple[str, ...]]
    parallelism: list[tuple[str, ...]]
    processes: list[tuple[str, ...]]
    slowest: int
    streams: list[tuple[str, ...]]
    widest: str


@dataclass(frozen=True)
class _BoardView:
    anchor: str
    title: str
    subtitle: str
    verdict: str
    answers: tuple[Answer, ...]
    fits: bool
    unfit: tuple[str, ...]
    gain: str
    remarks: tuple[str, ...]
    figures: list[tuple[str, ...]]
    power: list[tuple[str, ...]]
    resources: list[tuple[str, ...]]
    roof: list[tuple[str, ...]]
    roofline: Plot | None
    synthesis: tuple[tuple[str, tuple[str, ...], list[tuple[str, ...]]], ...]
    process_head: tuple[str, ...]
    designs: tuple[_DesignView, ...]
    charts: tuple[Chart, ...]
    errors: list[tuple[str, ...]]
    sources: list[tuple[str, str, str, str]]


@dataclass(frozen=True)
class _ChipView:
    anchor: str
    title: str
    subtitle: str
    verdict: str
    energy: Sequence[tuple[str, ...]]
    sources: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class _ExploredView:
    words: str
    objective: str
    accuracy_head: tuple[str, ...]
    accuracy: list[tuple[str, ...]]
    accuracy_plot: Plot | None
    front: list[tuple[str, ...]]
    front_plots: tuple[Plot, ...]


def to_html(report: Report) -> str:
    """Render a report as one page without external resources; every name is escaped.

    Args:
        report: what to render.

    Returns:
        An HTML document.
    """
    environment = Environment(
        loader=FileSystemLoader(templates_dir()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        model=report.model,
        created=report.created[:10],
        version=report.swm,
        loss=loss_sentence(report),
        remedy_words=remedy_words(report),
        remedy=report.evidence.remedy,
        verified=verified_sentence(report),
        built=built_sentence(report),
        remarks=report.evidence.remarks,
        errors_of=report.evidence.layer_errors_of,
        network=network_rows(report),
        accuracy=rows.accuracy_rows(report),
        explored=None if report.explored is None else _explored(report, report.explored),
        how_to_explore=how_to_explore(report.model),
        provenance=report.provenance,
        glossary=GLOSSARY,
        heads=_HEADS,
        names=PART_NAMES,
        size=(plots.WIDTH, plots.HEIGHT),
        box=(plots.LEFT, plots.RIGHT, plots.TOP, plots.BOTTOM),
        many=len(report.boards) > _FEW,
        summary=summary_rows(report),
        boards=[_board(report, i, b) for i, b in enumerate(report.boards)],
        chips=[_chip(report, i, row) for i, row in enumerate(report.chips)],
    )


def _chip(report: Report, index: int, row: ChipReport) -> _ChipView:
    return _ChipView(
        anchor=f"chip-{index}",
        title=row.chip.title,
        subtitle=row.chip.name,
        verdict=chip_verdict(row, structured=network_figures(report).structured),
        energy=chip_rows(row),
        sources=listed_figures(row.chip),
    )


def _board(report: Report, index: int, row: BoardReport) -> _BoardView:
    board, plan = row.board, row.structured.plan
    designs = [_design("structured" if row.has_twin else "design", row.structured, report.evidence.layer_errors)]
    designs += [_design("dense twin", row.dense, {})] if row.dense.fits and row.has_twin else []
    charts = (resource_chart(row), cycles_chart(row), energy_chart(row))
    return _BoardView(
        anchor=f"board-{index}",
        title=board.title,
        subtitle=f"{board.name} · {board.device} · {quantity(plan.clock_mhz)} MHz · {plan.backend.title}",
        verdict=verdict(report, row),
        answers=answers(report, row),
        fits=row.structured.fits,
        unfit=unfit_sentence(report, row),
        gain=gain_sentence(report, row),
        remarks=remark_sentences(row),
        figures=rows.figure_rows(row),
        power=power_rows(row),
        resources=rows.resource_rows(row),
        roof=roof_rows(row),
        roofline=roofline_plot(row),
        synthesis=tuple(
            (
                rows.synthesis_title(found, date, stale=stale),
                rows.head_for(rows.SYNTHESIS_HEAD, found.board_family),
                rows.synthesis_rows(row.structured, found),
            )
            for found, date, stale in report.evidence.measured.synthesis
        ),
        process_head=rows.head_for(rows.PROCESS_HEAD, board.family),
        designs=tuple(designs),
        charts=tuple(chart for chart in charts if chart.bars),
        errors=rows.error_rows(row),
        sources=board_figures(board, plan.clock_mhz),
    )


def _design(name: str, design: DesignFigures, errors: Mapping[str, float]) -> _DesignView:
    processes = rows.process_rows(design)
    return _DesignView(
        name=name,
        layers=rows.layer_rows(design, errors),
        parallelism=rows.parallelism_rows(design),
        processes=[process.cells for process in processes],
        slowest=next((i for i, process in enumerate(processes) if process.slowest), -1),
        streams=rows.stream_rows(design),
        widest=f"{design.stream_bits_max:,}",
    )


def _explored(report: Report, found: Explored) -> _ExploredView:
    head, lines = accuracy_table(found)
    return _ExploredView(
        words=explored_sentence(report, found),
        objective=found.objective,
        accuracy_head=head,
        accuracy=lines,
        accuracy_plot=accuracy_plot(found),
        front=front_rows(found),
        front_plots=front_plots(found),
    )
