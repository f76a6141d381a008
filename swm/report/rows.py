# SPDX-License-Identifier: Apache-2.0
"""Numbers as a reader sees them, shared by the text and the HTML report."""

from __future__ import annotations

from dataclasses import dataclass

from swm.accelerator.resources import Usage
from swm.device.board import Board
from swm.layers.registry import kind
from swm.report.compare import BoardReport, Report
from swm.report.figures import DesignFigures, axi_iterations, stream_figures

__all__ = [
    "LAYER_HEAD",
    "NOT_STATED",
    "PROCESS_HEAD",
    "RESOURCE_HEAD",
    "STREAM_HEAD",
    "SUMMARY_HEAD",
    "ProcessRow",
    "accuracy_rows",
    "gain_text",
    "layer_rows",
    "percent",
    "process_rows",
    "quantity",
    "resource_rows",
    "stream_rows",
    "summary_row",
    "unfit_text",
]

SUMMARY_HEAD = (
    "design",
    "fits",
    "interval, cycles",
    "latency, us",
    "inferences/s",
    "DSP",
    "useful",
    "BRAM18",
    "LUT",
    "power, W",
    "energy, uJ",
)
RESOURCE_HEAD = ("resource", "device", "structured, HLS", "structured, routed", "dense, HLS", "dense, routed")
LAYER_HEAD = ("layer", "kind", "parallelism", "inputs", "outputs", "positions")
PROCESS_HEAD = ("layer", "process", "iterations", "cycles", "DSP", "BRAM18", "LUT", "FF")
STREAM_HEAD = ("stream", "from", "to", "words", "bits", "width, bits", "depth, beats")
NOT_STATED = "not stated"
"""Power and energy on a board whose file has no [power]."""
_RESOURCES = (("dsp", "DSP"), ("bram18", "BRAM18"), ("uram", "URAM"), ("lut", "LUT"), ("ff", "FF"))
_OF_A_PROCESS = ("dsp", "bram18", "lut", "ff")
_LABELS = {
    "dense_float": "dense, float",
    "converted_float": "converted, float",
    "fixed": "converted, fixed point",
}


@dataclass(frozen=True)
class ProcessRow:
    """One process of a design: its layer, its iterations and cycles, and its routed resources."""

    layer: str
    process: str
    iterations: str
    cycles: str
    usage: tuple[str, ...]
    count: int
    slowest: bool

    @property
    def cells(self) -> tuple[str, ...]:
        """As in `PROCESS_HEAD`."""
        return (self.layer, self.process, self.iterations, self.cycles, *self.usage)


def quantity(value: float) -> str:
    """Three significant digits, thousands separated, no exponent: 0.0123, 1.23, 12.3, 123, 1,230, 85,300."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        digits = max(0, len(str(int(abs(value)))) - 3)
        return f"{round(value, -digits):,.0f}"
    text = f"{value:#.3g}"
    return (f"{value:.9f}" if "e" in text else text).rstrip(".")


def percent(share: float | None) -> str:
    """A fraction as a percentage; a dash where there is none."""
    return "-" if share is None else f"{share:.0%}"


def summary_row(name: str, design: DesignFigures) -> tuple[str, ...]:
    """One line of the summary, as in `SUMMARY_HEAD`."""
    used, plan = design.used.routed, design.plan
    return (
        name,
        "yes" if design.fits else "no",
        f"{plan.interval:,}",
        quantity(design.latency_us),
        quantity(plan.inferences_per_s),
        f"{used.dsp:,}",
        percent(design.useful_share),
        f"{used.bram18:,}",
        quantity(used.lut),
        f"{design.watts.total:.2f}" if design.watts else NOT_STATED,
        quantity(design.joules.total * 1e6) if design.joules else NOT_STATED,
    )


def gain_text(row: BoardReport) -> str:
    """The gains in one sentence, with a warning when one design cannot be built."""
    gain = row.gain
    pairs = (("throughput", gain.throughput), ("latency", gain.latency), ("energy", gain.energy))
    text = ", ".join(f"{name} {quantity(value)}x" for name, value in pairs if value is not None)
    if gain.energy is None:
        text += f", energy {NOT_STATED} (the board file has no [power])"
    if not gain.hypothetical:
        return text
    unfit = [(name, d) for name, d in (("structured design", row.structured), ("dense twin", row.dense)) if not d.fits]
    names = " and the ".join(name for name, _ in unfit)
    lacking = list(dict.fromkeys(word for _, d in unfit for word in d.lacking))
    device = f"with {' and '.join(lacking)} as needed" if lacking else "filled beyond its limits"
    return f"hypothetical: {text}. The {names} cannot be built here; the figures are those of the same device {device}"


def unfit_text(name: str, design: DesignFigures) -> str:
    """Why a design cannot be built."""
    return f"{name} does not fit, even with one lane per layer: {design.overflow}"


def accuracy_rows(report: Report) -> list[tuple[str, str]]:
    """(name, percentage or "not measured")."""
    return [(_LABELS.get(k, k), "not measured" if v is None else f"{100 * v:.2f} %") for k, v in report.accuracy]


def resource_rows(row: BoardReport) -> list[tuple[str, ...]]:
    """Resources of both designs against the device, as in `RESOURCE_HEAD`, with shares; URAM where there is any."""
    board: Board = row.board
    usages = [u for d in (row.structured, row.dense) for u in (d.used.hls, d.used.routed)]
    rows = []
    for key, label in _RESOURCES:
        has: int = getattr(board.resources, key)
        if not has and not any(getattr(u, key) for u in usages):
            continue
        cells = [f"{getattr(u, key):,}" + (f" ({getattr(u, key) / has:.0%})" if has else "") for u in usages]
        rows.append((label, f"{has:,}", *cells))
    return rows


def layer_rows(design: DesignFigures) -> list[tuple[str, ...]]:
    """Every layer with what it runs in parallel, as in `LAYER_HEAD`; what is zero is left out."""
    rows: list[tuple[str, ...]] = []
    for layer in design.plan.layers:
        spec = layer.spec
        shown = {name: value for name, value in kind(spec.kind).parallelism(layer.built).items() if value}
        text = ", ".join(f"{name} {value}" for name, value in shown.items())
        rows.append((spec.name, spec.kind, text, f"{spec.n:,}", f"{spec.m:,}", f"{spec.positions:,}"))
    return rows


def process_rows(design: DesignFigures) -> list[ProcessRow]:
    """Every process in the order of the data."""
    plan = design.plan
    axi = axi_iterations(plan)
    counted = [
        (layer.spec.name, p.name, p.program.iterations(layer.spec.positions), p.program.cycles * layer.spec.positions)
        for layer in plan.layers
        for p in layer.processes
    ]
    usages = [_cells(p.routed) for used in design.used.layers[: len(plan.layers)] for p in used.processes]
    empty = ("",) * len(_OF_A_PROCESS)
    slowest = max(*axi.values(), *(cycles for *_, cycles in counted), 0)
    ends = [("", name, n, n, empty) for name, n in axi.items()]
    every = [*ends[:1], *((*c, u) for c, u in zip(counted, usages, strict=True)), *ends[1:]]
    return [
        ProcessRow(layer, name, f"{iterations:,}", f"{cycles:,}", usage, cycles, cycles == slowest)
        for layer, name, iterations, cycles, usage in every
    ]


def stream_rows(design: DesignFigures) -> list[tuple[str, ...]]:
    """Every stream with its depth, as in `STREAM_HEAD`; none where processes follow each other."""
    return [
        (
            f"{s.layer}.{s.name}" if s.layer else s.name,
            s.source,
            s.target,
            f"{s.words:,}",
            f"{s.bits:,}",
            f"{s.width:,}",
            f"{s.depth:,}",
        )
        for s in stream_figures(design.plan)
        if s.depth is not None
    ]


def _cells(usage: Usage) -> tuple[str, ...]:
    return tuple(f"{getattr(usage, key):,}" for key in _OF_A_PROCESS)
