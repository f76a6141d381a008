# SPDX-License-Identifier: Apache-2.0
"""A report as one self-contained HTML page."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from swm.package_data import templates_dir
from swm.report import rows
from swm.report.boards import board_figures
from swm.report.charts import Chart, cycles_chart, energy_chart
from swm.report.compare import BoardReport, Report
from swm.report.figures import DesignFigures

__all__ = ["to_html"]


@dataclass(frozen=True)
class _DesignView:
    name: str
    fits: bool
    unfit: str
    summary: tuple[str, ...]
    power: tuple[str, ...]
    layers: list[tuple[str, ...]]
    processes: list[rows.ProcessRow]
    streams: list[tuple[str, ...]]
    widest: str


@dataclass(frozen=True)
class _BoardView:
    anchor: str
    title: str
    subtitle: str
    gain: str
    hypothetical: bool
    throughput: str
    energy: str
    designs: tuple[_DesignView, ...]
    resources: list[tuple[str, ...]]
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
        accuracy=rows.accuracy_rows(report),
        provenance=report.provenance,
        summary_head=tuple(h.replace("us", "µs").replace("uJ", "µJ") if "," in h else h for h in rows.SUMMARY_HEAD),
        resource_head=rows.RESOURCE_HEAD,
        layer_head=rows.LAYER_HEAD,
        process_head=rows.PROCESS_HEAD,
        stream_head=rows.STREAM_HEAD,
        boards=[_board(i, b) for i, b in enumerate(report.boards)],
    )


def _board(index: int, row: BoardReport) -> _BoardView:
    board, plan = row.board, row.structured.plan
    return _BoardView(
        anchor=f"board-{index}",
        title=board.title,
        subtitle=f"{board.name} · {board.device} · {rows.quantity(plan.clock_mhz)} MHz · {plan.backend.title}",
        gain=rows.gain_text(row),
        hypothetical=row.gain.hypothetical,
        throughput=f"{rows.quantity(row.gain.throughput)}×",
        energy=rows.NOT_STATED if row.gain.energy is None else f"{rows.quantity(row.gain.energy)}×",
        designs=(_design("structured", row.structured), _design("dense", row.dense)),
        resources=rows.resource_rows(row),
        charts=(*((energy_chart(row),) if board.power else ()), cycles_chart(row)),
        sources=board_figures(board, plan.clock_mhz),
    )


def _design(name: str, design: DesignFigures) -> _DesignView:
    return _DesignView(
        name=name,
        fits=design.fits,
        unfit=rows.unfit_text(name, design),
        summary=rows.summary_row(name, design),
        power=_power(design),
        layers=rows.layer_rows(design),
        processes=rows.process_rows(design),
        streams=rows.stream_rows(design),
        widest=f"{design.stream_bits_max:,}",
    )


def _power(design: DesignFigures) -> tuple[str, ...]:
    """Four parts and two ranges, as the page's table has them."""
    w, j = design.watts, design.joules
    if w is None or j is None:
        return (rows.NOT_STATED,) * 6
    parts = ((w.static, j.static), (w.processor, j.processor), (w.dynamic, j.dynamic), (w.total, j.total))
    ranges = (w.dynamic_range, w.total_range)
    return (
        *(f"{watts:.3f} W · {rows.quantity(joules * 1e6)} µJ" for watts, joules in parts),
        *(f"{low:.2f}–{high:.2f} W" for low, high in ranges),
    )
