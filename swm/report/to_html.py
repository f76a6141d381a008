# SPDX-License-Identifier: Apache-2.0
"""A report as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from swm.package_data import templates_dir
from swm.report import rows
from swm.report.boards import board_figures
from swm.report.charts import Chart, cycles_chart, energy_chart
from swm.report.figures import DesignFigures
from swm.report.glossary import GLOSSARY
from swm.report.numbers import quantity
from swm.report.sentences import (
    built_sentence,
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


@dataclass(frozen=True)
class _DesignView:
    name: str
    layers: list[tuple[str, ...]]
    parallelism: list[tuple[str, ...]]
    processes: list[rows.ProcessRow]
    streams: list[tuple[str, ...]]
    widest: str


@dataclass(frozen=True)
class _BoardView:
    anchor: str
    title: str
    subtitle: str
    verdict: str
    fits: bool
    unfit: tuple[str, ...]
    gain: str
    figures: list[tuple[str, ...]]
    power: list[tuple[str, ...]]
    resources: list[tuple[str, ...]]
    synthesis: tuple[tuple[str, list[tuple[str, ...]]], ...]
    designs: tuple[_DesignView, ...]
    charts: tuple[Chart, ...]
    sources: list[tuple[str, str, str, str]]


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
        provenance=report.provenance,
        glossary=GLOSSARY,
        heads=rows,
        boards=[_board(report, i, b) for i, b in enumerate(report.boards)],
    )


def _board(report: Report, index: int, row: BoardReport) -> _BoardView:
    board, plan = row.board, row.structured.plan
    designs = [_design("structured", row.structured, report.evidence.layer_errors)]
    designs += [_design("dense twin", row.dense, {})] if row.dense.fits else []
    return _BoardView(
        anchor=f"board-{index}",
        title=board.title,
        subtitle=f"{board.name} · {board.device} · {quantity(plan.clock_mhz)} MHz · {plan.backend.title}",
        verdict=verdict(report, row),
        fits=row.structured.fits,
        unfit=unfit_sentence(report, row),
        gain=" ".join((gain_sentence(report, row), *remark_sentences(row))),
        figures=rows.figure_rows(row),
        power=rows.power_rows(row),
        resources=rows.resource_rows(row),
        synthesis=tuple(
            (rows.synthesis_title(found, date, stale=stale), rows.synthesis_rows(row.structured, found))
            for found, date, stale in report.evidence.measured.synthesis
        ),
        designs=tuple(designs),
        charts=tuple(chart for chart in (energy_chart(row), cycles_chart(row)) if chart.bars),
        sources=board_figures(board, plan.clock_mhz),
    )


def _design(name: str, design: DesignFigures, errors: Mapping[str, float]) -> _DesignView:
    return _DesignView(
        name=name,
        layers=rows.layer_rows(design, errors),
        parallelism=rows.parallelism_rows(design),
        processes=rows.process_rows(design),
        streams=rows.stream_rows(design),
        widest=f"{design.stream_bits_max:,}",
    )
